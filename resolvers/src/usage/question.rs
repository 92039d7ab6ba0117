//! How the contract's question to the cube becomes the planner's.

use analytics::usage::{
    Bound, Comparator, Compared, Condition, CubeQuery, Dimension, Filter, Group, Having, Key,
    Measure, Order, OrderBy, Reconciling, Selection as Part, Span, Top,
};
use async_graphql::{Context, InputType as _, SelectionField, Value as ConstValue};
use domain::{
    Error, Period, Result,
    calendar::Zone,
    id::{CustomerId, DeviceId, SimId},
    identifier::Plmn,
    paging::Direction,
};
use schema::{
    export::UsageSelectionInput,
    parse_ids_in,
    scalar::DateTime,
    usage::{
        BetweenInput, PeriodInput, TopNetworksBy, TopNetworksInput, UsageFilter, UsageGroup,
        UsageHaving, UsageInput, UsageMeasureCondition, UsageOrder, UsageOrderKey, UsageTop,
    },
};

use super::values;
use crate::written::is_named;

/// The planner's question. Its measures are those that are selected.
///
/// # Errors
/// `INVALID_INPUT` for an empty period, a negative limit, an id of another kind, or a key that is selected and not grouped by, and those
/// of [`CubeQuery::check`]; each names its field.
pub(super) fn ask(ctx: &Context<'_>, input: UsageInput) -> Result<CubeQuery> {
    let selected = Selection::of(ctx);
    let query = query(input, selected.measures).map_err(|error| error.at("input"))?;
    for key in selected.keys {
        if !query.group_by.iter().any(|group| key.is_of(group)) {
            let text = format!("the key {} is selected, but it is not grouped by", key.name);
            return Err(Error::invalid(text).at("group_by").at("input"));
        }
    }
    Ok(query)
}

/// Most rows that the answer to a question can have; none when it is no question, which its field refuses.
pub(crate) fn most_rows(input: ConstValue) -> Option<u64> {
    let input = UsageInput::parse(Some(input)).ok()?;
    let query = query(input, vec![Measure::Records]).ok()?;
    Some(query.most_rows())
}

/// An error of the planner, whose field is a part of the input.
pub(crate) fn located(error: Error) -> Error {
    let names_field = error
        .details()
        .is_some_and(|details| details.field.is_some());
    if names_field {
        error.at("input")
    } else {
        error
    }
}

/// What of an answer is selected.
#[derive(Default)]
struct Selection {
    measures: Vec<Measure>,
    keys: Vec<SelectedKey>,
}

/// A field of a row's key.
struct SelectedKey {
    name: String,
    /// Which part of time, or which key of labels.
    argument: Option<String>,
}

impl Selection {
    fn of(ctx: &Context<'_>) -> Self {
        let mut found = Self::default();
        for field in ctx.field().selection_set() {
            match field.name() {
                "totals" | "previousTotals" => found.add_measures(field),
                "rows" => {
                    for field in field.selection_set() {
                        match field.name() {
                            "values" | "previous" => found.add_measures(field),
                            "key" => found.add_keys(field),
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        // Keys or provenance alone were asked for: the cheapest measure finds the groups.
        if found.measures.is_empty() {
            found.measures.push(Measure::Records);
        }
        found
    }

    fn add_measures(&mut self, values: SelectionField<'_>) {
        for field in values.selection_set() {
            if let Some(measure) = values::measure(field.name())
                && !self.measures.contains(&measure)
            {
                self.measures.push(measure);
            }
        }
    }

    fn add_keys(&mut self, key: SelectionField<'_>) {
        for field in key.selection_set() {
            if matches!(field.name(), "others" | "__typename") {
                continue;
            }
            let arguments = field.arguments().unwrap_or_default();
            let argument = arguments.into_iter().next().map(|(_, value)| match value {
                async_graphql::Value::Enum(word) => word.to_string(),
                async_graphql::Value::String(text) => text,
                other => other.to_string(),
            });
            let name = field.name().to_owned();
            self.keys.push(SelectedKey { name, argument });
        }
    }
}

impl SelectedKey {
    fn is_of(&self, group: &Group) -> bool {
        let is = |name: &str, argument: Option<&str>| {
            self.name == name && self.argument.as_deref() == argument
        };
        match group {
            Group::Dimension(dimension) => {
                is_named(dimension.as_ref(), &self.name) && self.argument.is_none()
            }
            Group::Time(_) => is("time", None),
            Group::TimePart(part) => is("timePart", Some(part.as_ref())),
            Group::SimLabel(key) => is("simLabel", Some(key)),
            Group::DeviceLabel(key) => is("deviceLabel", Some(key)),
        }
    }
}

fn query(input: UsageInput, measures: Vec<Measure>) -> Result<CubeQuery> {
    let query = unchecked(input, measures)?;
    query.check()?;
    Ok(query)
}

/// A part of usage, for a file.
///
/// # Errors
/// Those of its filter and time zone.
pub(crate) fn selection(input: UsageSelectionInput) -> Result<Part> {
    Ok(Part {
        period: span(input.period),
        time_zone: zone(&input.time_zone)?,
        filter: optional(input.filter)?,
    })
}

/// A time zone by its name.
pub(crate) fn zone(name: &str) -> Result<Zone> {
    name.parse().map_err(|error: Error| error.at("time_zone"))
}

/// The question of a file, which has as many rows as there are.
///
/// # Errors
/// Those of [`ask`].
pub(crate) fn file_query(input: UsageInput, measures: Vec<Measure>) -> Result<CubeQuery> {
    let query = unchecked(input, measures)?;
    query.check_file()?;
    Ok(query)
}

fn unchecked(input: UsageInput, measures: Vec<Measure>) -> Result<CubeQuery> {
    Ok(CubeQuery {
        source: input.source.into(),
        measures,
        period: span(input.period),
        time_zone: zone(&input.time_zone)?,
        group_by: input.group_by.into_iter().map(group).collect(),
        filter: optional(input.filter)?,
        having: input
            .having
            .map(having)
            .transpose()
            .map_err(|error| error.at("having"))?,
        order_by: each("order_by", input.order_by, order)?,
        top: input
            .top
            .map(top)
            .transpose()
            .map_err(|error| error.at("top"))?,
        limit: input.limit.map(|limit| count(limit, "limit")).transpose()?,
        offset: count(input.offset, "offset")?,
        others: input.others,
        fill: input.fill.into(),
        compare_to: input.compare_to.map(Into::into),
        attribution: input.attribution.into(),
    })
}

/// The planner's question about networks, and how many of them are asked for.
///
/// # Errors
/// Those of [`ask`].
pub(super) fn top_networks(input: TopNetworksInput) -> Result<(CubeQuery, u32)> {
    let TopNetworksInput {
        period,
        time_zone,
        n,
        by: TopNetworksBy::Traffic,
        filter,
    } = input;
    let query = || {
        Ok::<_, Error>(CubeQuery {
            time_zone: zone(&time_zone)?,
            filter: optional(filter)?,
            ..CubeQuery::of(&[Measure::BytesTotal], span(period))
        })
    };
    let asked = count(n, "n").and_then(|n| Ok((query()?, n)));
    asked.map_err(|error| error.at("input"))
}

/// The days that are compared, and which of their rows are wanted.
///
/// # Errors
/// `INVALID_INPUT` for an empty period and for a number below zero.
pub(super) fn reconciling(
    from: DateTime,
    to: DateTime,
    first: i32,
    offset: i32,
) -> Result<Reconciling> {
    Ok(Reconciling {
        period: Period::new(from.0, to.0)?,
        first: count(first, "first")?,
        offset: count(offset, "offset")?,
    })
}

fn count(number: i32, field: &str) -> Result<u32> {
    let negative = |_| Error::invalid(format!("{field} must not be negative")).at(field);
    u32::try_from(number).map_err(negative)
}

fn place(number: i32) -> Result<usize> {
    count(number, "group").map(|place| place as usize)
}

/// A period as it was said.
pub(crate) fn span(period: PeriodInput) -> Span {
    match period {
        PeriodInput::Between(BetweenInput { from, to, align }) => Span::Between {
            from: from.0,
            to: to.0,
            align: align.into(),
        },
        PeriodInput::Preset(preset) => Span::Preset(preset.into()),
    }
}

fn group(group: UsageGroup) -> Group {
    match group {
        UsageGroup::Dimension(dimension) => Group::Dimension(dimension.into()),
        UsageGroup::Time(grain) => Group::Time(grain.into()),
        UsageGroup::TimePart(part) => Group::TimePart(part.into()),
        UsageGroup::SimLabel(key) => Group::SimLabel(key),
        UsageGroup::DeviceLabel(key) => Group::DeviceLabel(key),
    }
}

fn top(top: UsageTop) -> Result<Top> {
    Ok(Top {
        group: place(top.group)?,
        n: count(top.n, "n")?,
        by: top.by.into(),
    })
}

fn order(order: UsageOrder) -> Result<Order> {
    let by = match order.by {
        UsageOrderKey::Measure(by) => OrderBy::Measure(by.into()),
        UsageOrderKey::Group(group) => {
            OrderBy::Group(place(group).map_err(|error| error.at("by"))?)
        }
    };
    Ok(Order {
        by,
        descending: order.direction.0 == Direction::Desc,
    })
}

fn having(having: UsageHaving) -> Result<Having> {
    Ok(match having {
        UsageHaving::And(parts) => Having::And(each("and", parts, self::having)?),
        UsageHaving::Or(parts) => Having::Or(each("or", parts, self::having)?),
        UsageHaving::Not(part) => {
            let part = self::having(*part).map_err(|error| error.at("not"))?;
            Having::Not(Box::new(part))
        }
        UsageHaving::Measure(condition) => {
            compared(*condition).map_err(|error| error.at("measure"))?
        }
    })
}

/// Reads all parts of a field; an error names the place of the one that is wrong.
fn each<T, U>(field: &str, parts: Vec<T>, read: fn(T) -> Result<U>) -> Result<Vec<U>> {
    let parts = parts
        .into_iter()
        .enumerate()
        .map(|(place, part)| read(part).map_err(|error| error.at(&place.to_string()).at(field)));
    parts.collect()
}

fn compared(condition: UsageMeasureCondition) -> Result<Having> {
    let UsageMeasureCondition {
        by,
        gt,
        gte,
        lt,
        lte,
        eq,
    } = condition;
    let given = [
        (Comparator::Gt, gt, "gt"),
        (Comparator::Gte, gte, "gte"),
        (Comparator::Lt, lt, "lt"),
        (Comparator::Lte, lte, "lte"),
        (Comparator::Eq, eq, "eq"),
    ];
    let conditions = given.into_iter().filter_map(|(comparator, bound, field)| {
        bound.map(|bound| {
            let bound = Bound::try_from(bound.0).map_err(|error| error.at(field))?;
            let by = by.into();
            Ok(Having::Is(Compared::Measure {
                by,
                comparator,
                bound,
            }))
        })
    });
    let mut conditions: Vec<Having> = conditions.collect::<Result<_>>()?;
    match (conditions.pop(), conditions.is_empty()) {
        (None, _) => Err(Error::invalid(
            "give at least one of gt, gte, lt, lte and eq",
        )),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            conditions.push(last);
            Ok(Having::And(conditions))
        }
    }
}

/// The filter of a question that may have one.
fn optional(filter: Option<UsageFilter>) -> Result<Option<Filter>> {
    let filter = filter.map(self::filter).transpose();
    filter.map_err(|error| error.at("filter"))
}

fn filter(filter: UsageFilter) -> Result<Filter> {
    Ok(match filter {
        UsageFilter::And(parts) => Filter::And(each("and", parts, self::filter)?),
        UsageFilter::Or(parts) => Filter::Or(each("or", parts, self::filter)?),
        UsageFilter::Not(part) => {
            let part = self::filter(*part).map_err(|error| error.at("not"))?;
            Filter::Not(Box::new(part))
        }
        UsageFilter::Networks(ids) => {
            let ids: Vec<String> = ids.into_iter().map(Into::into).collect();
            networks(&ids, Plmn::of_id).map_err(|error| error.at("networks"))?
        }
        UsageFilter::NetworkCodes(codes) => {
            networks(&codes, Plmn::parse).map_err(|error| error.at("network_codes"))?
        }
        UsageFilter::Countries(codes) => {
            let codes = each("countries", codes, |code| country(&code))?;
            is_in(Dimension::Country, texts(codes))
        }
        UsageFilter::Customers(ids) => {
            let ids = parse_ids_in::<CustomerId>("customers", &ids)?;
            is_in(Dimension::Customer, keys(ids))
        }
        UsageFilter::Unassigned(true) => unassigned(),
        UsageFilter::Unassigned(false) => Filter::Not(Box::new(unassigned())),
        UsageFilter::Sims(ids) => is_in(Dimension::Sim, keys(parse_ids_in::<SimId>("sims", &ids)?)),
        UsageFilter::Devices(ids) => {
            let ids = parse_ids_in::<DeviceId>("devices", &ids)?;
            is_in(Dimension::Device, keys(ids))
        }
        UsageFilter::RadioAccessTypes(types) => is_in(Dimension::RadioAccessType, texts(types)),
        UsageFilter::Services(services) => is_in(
            Dimension::Service,
            texts(services.into_iter().map(|it| it.0.as_ref().to_owned())),
        ),
        UsageFilter::Sim(filter) => {
            let filter = filter.try_into().map_err(|error: Error| error.at("sim"))?;
            Condition::Sim(filter).into()
        }
        UsageFilter::Device(filter) => {
            let filter = filter
                .try_into()
                .map_err(|error: Error| error.at("device"))?;
            Condition::Device(filter).into()
        }
        UsageFilter::Streams(streams) => is_in(Dimension::Stream, texts(streams)),
    })
}

fn country(code: &str) -> Result<String> {
    if code.is_empty() || code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Ok(code.to_uppercase());
    }
    Err(Error::invalid("a country is two letters (ISO 3166-1): DE"))
}

fn networks(texts: &[String], parse: fn(&str) -> Result<Plmn>) -> Result<Filter> {
    let key = |text: &String| Ok(Key::from(parse(text)?.as_str()));
    let plmns = texts.iter().map(key).collect::<Result<_>>()?;
    Ok(is_in(Dimension::Network, plmns))
}

fn unassigned() -> Filter {
    is_in(Dimension::Customer, vec![Key::None])
}

fn is_in(dimension: Dimension, values: Vec<Key>) -> Filter {
    Condition::In { dimension, values }.into()
}

fn keys<T: Into<Key>>(ids: Vec<T>) -> Vec<Key> {
    ids.into_iter().map(Into::into).collect()
}

/// The empty text stands for unknown in the cubes, which callers read as null: it is nobody's value.
fn texts(texts: impl IntoIterator<Item = String>) -> Vec<Key> {
    let known = texts.into_iter().filter(|text| !text.is_empty());
    known.map(Key::Text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_text_is_nobodys_value() {
        let asked = ["", "LTE"].map(str::to_owned).to_vec();
        let Ok(Filter::Is(Condition::In { values, .. })) =
            filter(UsageFilter::RadioAccessTypes(asked))
        else {
            panic!("not a list");
        };
        assert_eq!(values, [Key::Text("LTE".into())]);
    }
}

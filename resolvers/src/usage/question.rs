//! How the contract's question to the cube becomes the planner's.

use analytics::usage::{Dimension, Filter, Key, Measure, Order, OrderBy, UsageQuery};
use domain::{
    Error, Period, Result,
    id::{CustomerId, DeviceId, SimId},
    identifier::Plmn,
    paging::Direction,
};
use schema::{
    parse_ids_in,
    usage::{UsageFilter, UsageInput, UsageOrder, UsageOrderKey},
};

/// The planner's question.
///
/// # Errors
/// `INVALID_INPUT` for an empty period, a negative limit, or an id of another kind, and those of [`UsageQuery::check`]; each
/// names its field.
pub(crate) fn ask(input: UsageInput, measures: Vec<Measure>) -> Result<UsageQuery> {
    query(input, measures).map_err(|error| error.at("input"))
}

fn query(input: UsageInput, measures: Vec<Measure>) -> Result<UsageQuery> {
    let order_by = input.order_by.into_iter().map(order);
    let filter = input.filter.map(filter).transpose();
    let query = UsageQuery {
        measures,
        dimensions: input.dimensions.into_iter().map(Into::into).collect(),
        grain: input.grain.map(Into::into),
        period: Period::new(input.from.0, input.to.0)?,
        filter: filter.map_err(|error| error.at("filter"))?,
        order_by: order_by
            .collect::<Result<_>>()
            .map_err(|error| error.at("order_by"))?,
        limit: u32::try_from(input.limit)
            .map_err(|_| Error::invalid("a limit is not negative").at("limit"))?,
    };
    query.check()?;
    Ok(query)
}

fn order(order: UsageOrder) -> Result<Order> {
    let by = match order.by {
        UsageOrderKey::Measure(by) => OrderBy::Measure(by.into()),
        UsageOrderKey::Dimension(by) => OrderBy::Dimension(by.into()),
        UsageOrderKey::Period(true) => OrderBy::Period,
        UsageOrderKey::Period(false) => {
            return Err(Error::invalid("`period` is true, or another key is given"));
        }
    };
    Ok(Order {
        by,
        descending: order.direction.0 == Direction::Desc,
    })
}

fn filter(filter: UsageFilter) -> Result<Filter> {
    let all = |field: &str, parts: Vec<UsageFilter>| {
        let part = |(n, part): (usize, _)| {
            self::filter(part).map_err(|error: Error| error.at(&n.to_string()).at(field))
        };
        parts
            .into_iter()
            .enumerate()
            .map(part)
            .collect::<Result<Vec<_>>>()
    };
    Ok(match filter {
        UsageFilter::And(parts) => Filter::And(all("and", parts)?),
        UsageFilter::Or(parts) => Filter::Or(all("or", parts)?),
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
        UsageFilter::Countries(codes) => is_in(
            Dimension::Country,
            texts(codes.iter().map(|code| code.to_uppercase())),
        ),
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
        UsageFilter::Sources(sources) => is_in(Dimension::Source, texts(sources)),
    })
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
    Filter::In { dimension, values }
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
        let Ok(Filter::In { values, .. }) = filter(UsageFilter::RadioAccessTypes(asked)) else {
            panic!("not a list");
        };
        assert_eq!(values, [Key::Text("LTE".into())]);
    }
}

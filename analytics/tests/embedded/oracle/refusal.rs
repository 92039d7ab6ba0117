//! Which questions are refused, and how: a rule of its own.

use analytics::usage::{
    Alignment, Attribution, Compared, Condition, Dimension, Filter, Group, Having, Key, Measure,
    OrderBy, Source, Span,
};
use chrono::{DateTime, DurationRound, TimeDelta, Timelike, Utc};
use domain::{Code, scope::Area};

use super::{
    Asked, beside,
    compare::{Earlier, Partner},
    meant,
    wall::{Wall, finest},
};

/// Days for which there are records to answer parts of hours from.
const RECORDS: TimeDelta = TimeDelta::days(390);
/// Days for which there are rollups to do so.
pub(crate) const ROLLUPS: u16 = 80;
/// Most buckets.
const BUCKETS: usize = 10_000;

/// Why a question is refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub(crate) Code, pub(crate) &'static str);

/// Every reason to refuse a question; it is answered when there is none. `ids` are those that are asked about.
pub(crate) fn refusals(asked: &Asked, parent: Option<(Dimension, &[Key])>) -> Vec<Refusal> {
    let mut found = Vec::new();
    let mut refuse = |is_refused: bool, code, why| {
        if is_refused {
            found.push(Refusal(code, why));
        }
    };
    let query = asked.query;

    refuse(
        is_repeated(&query.measures),
        Code::InvalidInput,
        "a measure twice",
    );
    refuse(query.measures.is_empty(), Code::InvalidInput, "no measure");
    refuse(
        is_repeated(&query.group_by),
        Code::InvalidInput,
        "a group twice",
    );
    let grains = query.group_by.iter();
    let grains = grains.filter(|group| matches!(group, Group::Time(_)));
    refuse(grains.count() > 1, Code::InvalidInput, "two widths of time");
    refuse(query.group_by.len() > 6, Code::LimitExceeded, "groups");
    refuse(query.order_by.len() > 8, Code::LimitExceeded, "sort keys");
    let places = query.order_by.iter().filter_map(|order| match order.by {
        OrderBy::Group(place) => Some(place),
        OrderBy::Measure(_) => None,
    });
    for place in places.chain(query.top.map(|top| top.group)) {
        refuse(
            place >= query.group_by.len(),
            Code::InvalidInput,
            "no such group",
        );
    }
    if let Some(top) = query.top {
        let group = query.group_by.get(top.group);
        refuse(
            group.is_some_and(Group::is_time),
            Code::InvalidInput,
            "the top of time",
        );
        refuse(top.n > 10_000, Code::LimitExceeded, "the top of many");
    }
    let rows = u64::from(query.limit.unwrap_or(0)) + u64::from(query.offset);
    let has_too_many =
        rows > 10_000 || (!query.group_by.is_empty() && rows * u64::from(asked.parents) > 10_000);
    refuse(has_too_many, Code::LimitExceeded, "rows");
    let misfits = query.filter.as_ref().is_some_and(misfits);
    refuse(misfits, Code::InvalidInput, "no value of the dimension");
    if let Some((Dimension::Sim, ids)) = parent {
        refuse(ids.contains(&Key::None), Code::InvalidInput, "no SIM");
    }

    let parent = parent.map(|(dimension, _)| dimension);
    refuse_words(asked, parent, &mut refuse);
    refuse_areas(asked, parent, &mut refuse);
    refuse_period(asked, &mut refuse);
    found
}

/// What the source does not tell.
fn refuse_words(
    asked: &Asked,
    parent: Option<Dimension>,
    refuse: &mut impl FnMut(bool, Code, &'static str),
) {
    let query = asked.query;
    let groups = query.group_by.iter().filter_map(|group| match group {
        Group::Dimension(dimension) => Some(*dimension),
        _ => None,
    });
    let filtered = query.filter.as_ref().map(filtered).unwrap_or_default();
    let mut dimensions = groups.chain(filtered).chain(parent);
    let measures: Vec<Measure> = query
        .measures
        .iter()
        .copied()
        .chain(ranking(asked))
        .collect();
    let is_unknown = match query.source {
        Source::Cdr => {
            (measures.iter()).any(|measure| matches!(measure, Measure::Sessions | Measure::Resets))
        }
        Source::Session => {
            measures.contains(&Measure::Units)
                || dimensions.any(|one| matches!(one, Dimension::Service | Dimension::Stream))
        }
    };
    refuse(is_unknown, Code::InvalidInput, "not of this source");
}

/// The quantities by which rows are sorted and chosen.
fn ranking(asked: &Asked) -> Vec<Measure> {
    let query = asked.query;
    let sorted = query.order_by.iter().filter_map(|order| match order.by {
        OrderBy::Measure(measure) => Some(measure),
        OrderBy::Group(_) => None,
    });
    let conditions = query.having.as_ref().map(compared).unwrap_or_default();
    let top = query.top.map(|top| top.by);
    sorted.chain(conditions).chain(top).collect()
}

/// What is closed to the caller.
fn refuse_areas(
    asked: &Asked,
    parent: Option<Dimension>,
    refuse: &mut impl FnMut(bool, Code, &'static str),
) {
    let (query, open) = (asked.query, asked.scope.visibility());
    let mut needs = vec![Area::Usage];
    for group in &query.group_by {
        match group {
            Group::Dimension(dimension) => needs.extend(dimension.entry().area),
            Group::SimLabel(_) => needs.push(Area::Sims),
            Group::DeviceLabel(_) => needs.push(Area::Devices),
            Group::Time(_) | Group::TimePart(_) => {}
        }
    }
    let filtered = query.filter.as_ref().map(filtered).unwrap_or_default();
    needs.extend(
        filtered
            .into_iter()
            .chain(parent)
            .filter_map(|it| it.entry().area),
    );
    let measures = ranking(asked).into_iter();
    needs.extend(measures.filter_map(|measure| measure.entry().area));
    if query.source == Source::Session {
        needs.push(Area::Sessions);
    }
    if query.attribution == Attribution::Current {
        needs.push(Area::Sims);
    }
    let closed = needs.into_iter().any(|area| !open.of(area));
    refuse(closed, Code::Forbidden, "a closed area");
}

fn refuse_period(asked: &Asked, refuse: &mut impl FnMut(bool, Code, &'static str)) {
    let (query, wall) = (asked.query, &*Wall::of(asked.query));
    if let Span::Between { from, to, align } = query.period {
        refuse(from >= to, Code::InvalidInput, "an empty period");
        let is_split = [from, to].iter().any(|moment| moment.nanosecond() > 0);
        let is_split = is_split && align == Alignment::Exact;
        refuse(is_split, Code::NotExact, "parts of a second");
        if from >= to || is_split {
            return;
        }
    }
    if let Span::PresetAt { at, .. } = query.period {
        let is_beyond = !(0..1 << 32).contains(&at.timestamp());
        refuse(is_beyond, Code::InvalidInput, "a moment of no cube");
        if is_beyond {
            return;
        }
    }
    let period = meant(query, wall, asked.now);
    let rows = u64::from(query.limit.unwrap_or(1)) + u64::from(query.offset);
    let rows = rows + beside(query, wall, period) as u64;
    let is_grouped = !query.group_by.is_empty();
    refuse(
        is_grouped && rows > 10_000 / u64::from(asked.parents),
        Code::LimitExceeded,
        "rows with those of all others",
    );
    let earlier = Earlier::of(query, wall, period, asked.now);
    let finest = finest(query);
    let kept = match query.source {
        Source::Cdr => RECORDS,
        Source::Session => TimeDelta::days(ROLLUPS.into()),
    };
    let is_old = |part: DateTime<Utc>| part < asked.now - kept;

    let pieces = wall.steps(period).map(|step| {
        let label = finest.map(|grain| wall.label(grain, step));
        (step, label)
    });
    let pieces = pieces_of(pieces, &|moment| {
        finest.map(|grain| wall.label(grain, moment))
    });
    let mut is_inexact = has_parts(&pieces, period[1], is_old);
    let mut is_long = finest.is_some() && pieces.len() > BUCKETS;
    if let Some(earlier) = &earlier {
        let label = |moment| {
            let partner = earlier.partner(query, wall, period, moment)?;
            match partner {
                Partner::All => Some(None),
                Partner::At(moment) => Some(finest.map(|grain| wall.label(grain, moment))),
            }
        };
        let pieces = wall.steps(earlier.period).map(|step| (step, label(step)));
        let pieces = pieces_of(pieces, &label);
        is_inexact |= has_parts(&pieces, earlier.period[1], is_old);
        is_long |= finest.is_some() && pieces.len() > BUCKETS;
    }
    refuse(is_inexact, Code::NotExact, "parts of hours that are gone");
    refuse(is_long, Code::LimitExceeded, "buckets");
}

/// First moments of the pieces of a period that differ in something.
fn pieces_of<T: PartialEq>(
    steps: impl Iterator<Item = (DateTime<Utc>, T)>,
    what: &impl Fn(DateTime<Utc>) -> T,
) -> Vec<DateTime<Utc>> {
    let mut pieces = Vec::new();
    let mut last: Option<(DateTime<Utc>, T)> = None;
    for (step, label) in steps {
        match &last {
            None => pieces.push(step),
            Some((before, same)) if *same != label => {
                // The first moment between the two that differs from the earlier one.
                let (mut before, mut after) = (*before, step);
                while after - before > TimeDelta::seconds(1) {
                    let middle = before + TimeDelta::seconds((after - before).num_seconds() / 2);
                    if what(middle) == *same {
                        before = middle;
                    } else {
                        after = middle;
                    }
                }
                pieces.push(after);
            }
            Some(_) => {}
        }
        last = Some((step, label));
    }
    pieces
}

/// Whether a piece has a part of an hour that is old.
fn has_parts(
    pieces: &[DateTime<Utc>],
    to: DateTime<Utc>,
    is_old: impl Fn(DateTime<Utc>) -> bool,
) -> bool {
    let hour = |moment: DateTime<Utc>| {
        moment
            .duration_trunc(TimeDelta::hours(1))
            .expect("in range")
    };
    let ends = pieces.iter().skip(1).copied().chain([to]);
    pieces.iter().zip(ends).any(|(from, to)| {
        let starts_within = *from != hour(*from);
        let ends_within = to != hour(to);
        // The part before a bound begins at its hour, or where the piece does.
        (starts_within && is_old(*from)) || (ends_within && is_old(hour(to).max(*from)))
    })
}

fn is_repeated<T: PartialEq>(all: &[T]) -> bool {
    (1..all.len()).any(|place| all[..place].contains(&all[place]))
}

fn filtered(filter: &Filter) -> Vec<Dimension> {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().flat_map(filtered).collect(),
        Filter::Not(part) => filtered(part),
        Filter::Is(Condition::In { dimension, .. }) => vec![*dimension],
        Filter::Is(Condition::Sim(_)) => vec![Dimension::Sim],
        Filter::Is(Condition::Device(_)) => vec![Dimension::Device],
    }
}

fn compared(having: &Having) -> Vec<analytics::usage::Measure> {
    match having {
        Having::And(parts) | Having::Or(parts) => parts.iter().flat_map(compared).collect(),
        Having::Not(part) => compared(part),
        Having::Is(Compared::Measure { by, .. }) => vec![*by],
    }
}

fn misfits(filter: &Filter) -> bool {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().any(misfits),
        Filter::Not(part) => misfits(part),
        Filter::Is(Condition::In { dimension, values }) => values.iter().any(|value| {
            let is_id = matches!(
                dimension,
                Dimension::Customer
                    | Dimension::Sim
                    | Dimension::Device
                    | Dimension::SimCustomerNow
            );
            match value {
                Key::Id(_) => !is_id,
                Key::None => !is_id || *dimension == Dimension::Sim,
                Key::Text(text) => is_id || text.len() > 200 || text.contains('\0'),
                Key::Moment(_) | Key::Number(_) | Key::Hidden => true,
            }
        }),
        Filter::Is(Condition::Sim(_) | Condition::Device(_)) => false,
    }
}

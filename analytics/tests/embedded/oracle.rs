//! The same questions, answered from the records in memory by the slowest means there are.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use analytics::{
    CdrRow,
    usage::{Dimension, Filter, Grain, Key, Measure, OrderBy, UsageQuery, UsageRow, Values},
};
use chrono::{DateTime, Datelike, Days, DurationRound, TimeDelta, Utc};
use domain::{
    Scope,
    id::{CustomerId, DeviceId},
    scope::Segments,
};
use uuid::Uuid;

/// Country of each network of the made-up fleet.
pub(crate) const COUNTRIES: [(&str, &str); 3] =
    [("262-02", "DE"), ("262-01", "DE"), ("238-02", "DK")];

#[derive(Default)]
struct Sum {
    up: i128,
    down: i128,
    records: i64,
    sims: BTreeMap<Uuid, i64>,
}

impl Sum {
    fn add(&mut self, row: &CdrRow) {
        let sign = i128::from(row.sign);
        self.up += i128::from(row.bytes_up) * sign;
        self.down += i128::from(row.bytes_down) * sign;
        self.records += i64::from(row.sign);
        *self.sims.entry(row.sim.uuid()).or_default() += i64::from(row.sign);
    }

    fn active(&self) -> u64 {
        self.sims.values().filter(|records| **records > 0).count() as u64
    }

    fn values(&self, query: &UsageQuery) -> Values {
        let asked = |measure| query.measures.contains(&measure);
        Values {
            bytes_up: asked(Measure::BytesUp).then_some(self.up),
            bytes_down: asked(Measure::BytesDown).then_some(self.down),
            bytes_total: asked(Measure::BytesTotal).then_some(self.up + self.down),
            records: asked(Measure::Records).then_some(self.records),
            active_sims: asked(Measure::ActiveSims).then_some(self.active()),
        }
    }
}

/// Rows (all of them, sorted) and totals.
pub(crate) fn answer(
    rows: &[CdrRow],
    scope: &Scope,
    query: &UsageQuery,
) -> (Vec<UsageRow>, Values) {
    let mut groups: BTreeMap<(Option<DateTime<Utc>>, Vec<Key>), Sum> = BTreeMap::new();
    let mut total = Sum::default();
    for row in rows {
        let inside = query.period.from() <= row.start && row.start < query.period.to();
        if !inside
            || !visible(scope, row)
            || !query
                .filter
                .as_ref()
                .is_none_or(|filter| holds(filter, row))
        {
            continue;
        }
        let bucket = query.grain.map(|grain| start_of(grain, row.start));
        let keys = query
            .dimensions
            .iter()
            .map(|dimension| key(*dimension, row))
            .collect();
        groups.entry((bucket, keys)).or_default().add(row);
        total.add(row);
    }
    let is_whole = query.dimensions.is_empty() && query.grain.is_none();
    if is_whole {
        groups.entry((None, vec![])).or_default();
    }
    groups.retain(|_, sum| is_whole || sum.records != 0);
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|a, b| compare(query, a, b));
    let rows = groups
        .into_iter()
        .map(|((period_start, keys), sum)| UsageRow {
            period_start,
            keys,
            values: sum.values(query),
        })
        .collect();
    (rows, total.values(query))
}

type Group = ((Option<DateTime<Utc>>, Vec<Key>), Sum);

fn compare(query: &UsageQuery, (a, a_sum): &Group, (b, b_sum): &Group) -> Ordering {
    let texts = |keys: &[Key]| keys.iter().map(text).collect::<Vec<_>>();
    let asked = query.order_by.iter().map(|order| {
        let ordering = match order.by {
            OrderBy::Measure(Measure::BytesUp) => a_sum.up.cmp(&b_sum.up),
            OrderBy::Measure(Measure::BytesDown) => a_sum.down.cmp(&b_sum.down),
            OrderBy::Measure(Measure::BytesTotal) => {
                (a_sum.up + a_sum.down).cmp(&(b_sum.up + b_sum.down))
            }
            OrderBy::Measure(Measure::Records) => a_sum.records.cmp(&b_sum.records),
            OrderBy::Measure(Measure::ActiveSims) => a_sum.active().cmp(&b_sum.active()),
            OrderBy::Dimension(dimension) => {
                let place = query
                    .dimensions
                    .iter()
                    .position(|d| *d == dimension)
                    .expect("grouped by it");
                text(&a.1[place]).cmp(&text(&b.1[place]))
            }
            OrderBy::Period => a.0.cmp(&b.0),
        };
        if order.descending {
            ordering.reverse()
        } else {
            ordering
        }
    });
    asked
        .fold(Ordering::Equal, Ordering::then)
        .then(a.0.cmp(&b.0))
        .then_with(|| texts(&a.1).cmp(&texts(&b.1)))
}

fn text(key: &Key) -> String {
    match key {
        Key::None => Uuid::nil().to_string(),
        Key::Id(id) => id.to_string(),
        Key::Text(text) => text.clone(),
    }
}

pub(crate) fn key(dimension: Dimension, row: &CdrRow) -> Key {
    let or_none = |id: Option<Uuid>| id.map_or(Key::None, Key::Id);
    match dimension {
        Dimension::Network => Key::Text(row.network.clone()),
        Dimension::Country => {
            let country = COUNTRIES
                .iter()
                .find(|(network, _)| *network == row.network);
            Key::Text(country.map_or("", |(_, country)| country).into())
        }
        Dimension::Customer => or_none(row.customer.map(CustomerId::uuid)),
        Dimension::Sim => Key::Id(row.sim.uuid()),
        Dimension::Device => or_none(row.device.map(DeviceId::uuid)),
        Dimension::RadioAccessType => Key::Text(row.rat.clone()),
        Dimension::Service => Key::Text(row.service.clone()),
        Dimension::Source => Key::Text(row.source.clone()),
    }
}

fn holds(filter: &Filter, row: &CdrRow) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|part| holds(part, row)),
        Filter::Or(parts) => parts.iter().any(|part| holds(part, row)),
        Filter::Not(part) => !holds(part, row),
        Filter::In { dimension, values } => values.contains(&key(*dimension, row)),
    }
}

fn visible(scope: &Scope, row: &CdrRow) -> bool {
    if row.tenant != scope.tenant() {
        return false;
    }
    let Segments::Part(part) = scope.segments() else {
        return true;
    };
    let within = part
        .within
        .is_none_or(|customer| row.customer == Some(customer));
    let granted = row.customer.is_some_and(|id| part.customers.contains(&id))
        || part.sims.contains(&row.sim)
        || row.device.is_some_and(|id| part.devices.contains(&id));
    !part.is_empty() && within && (!part.has_grants() || granted)
}

fn start_of(grain: Grain, moment: DateTime<Utc>) -> DateTime<Utc> {
    let day = moment.duration_trunc(TimeDelta::days(1)).expect("in range");
    match grain {
        Grain::Hour => moment
            .duration_trunc(TimeDelta::hours(1))
            .expect("in range"),
        Grain::Day => day,
        Grain::Week => day - Days::new(u64::from(day.weekday().num_days_from_monday())),
        Grain::Month => day.with_day(1).expect("a first"),
        Grain::Year => day.with_ordinal(1).expect("a first"),
    }
}

/// Distinct values of a dimension.
pub(crate) fn values(rows: &[CdrRow], dimension: Dimension) -> Vec<Key> {
    rows.iter()
        .map(|row| key(dimension, row))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

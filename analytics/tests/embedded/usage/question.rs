//! Random questions, and who asks them.

use analytics::usage::{
    Alignment, Attribution, Bound, Comparator, Compared, Comparison, Condition, CubeQuery,
    Dimension, Fill, Filter, Grain, Group, Having, Key, Measure, Order, OrderBy, Preset, Source,
    Span, TimePart, Top,
};
use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, Utc};
use domain::{
    Role, Scope,
    calendar::Zone,
    id::{CustomerId, DeviceId, SimId, TenantId},
    scope::{Segment, Visibility},
    tenant::{SessionRetention, Settings},
};
use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
};
use strum::VariantArray;
use uuid::Uuid;

use super::{
    scope,
    world::{CUSTOMERS, HOT, id, inventory_filters},
};
use crate::{
    fleet::at,
    oracle::{ROLLUPS, World, values},
};

pub(super) const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Asia/Beirut",
    "Pacific/Chatham",
];
/// Moments at which the clocks of a zone are set.
const TURNS: [(&str, [&str; 3]); 5] = [
    (
        "Europe/Berlin",
        [
            "2028-03-26T01:00:00Z",
            "2028-10-29T01:00:00Z",
            "2029-03-25T01:00:00Z",
        ],
    ),
    (
        "America/New_York",
        [
            "2028-03-12T07:00:00Z",
            "2028-11-05T06:00:00Z",
            "2029-03-11T07:00:00Z",
        ],
    ),
    (
        "Australia/Lord_Howe",
        [
            "2028-04-01T15:00:00Z",
            "2028-09-30T15:30:00Z",
            "2029-03-31T15:00:00Z",
        ],
    ),
    (
        "Asia/Beirut",
        [
            "2028-03-25T22:00:00Z",
            "2028-10-28T21:00:00Z",
            "2029-03-24T22:00:00Z",
        ],
    ),
    (
        "Pacific/Chatham",
        [
            "2028-04-01T14:00:00Z",
            "2028-09-23T14:00:00Z",
            "2029-03-31T14:00:00Z",
        ],
    ),
];
/// The present of the questions.
const NOW: [&str; 7] = [
    "2028-10-29T01:20:00Z",
    "2028-10-02T03:00:00Z",
    "2029-03-24T21:30:00Z",
    "2028-12-31T23:59:59Z",
    "2029-02-28T12:00:00Z",
    "2029-03-15T10:20:00Z",
    "2029-03-31T21:45:00Z",
];
/// Most rows that may have to be filled in.
const FILLED: u64 = 60_000;

/// A question, who asks it when, and of which objects.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) scope: Scope,
    pub(super) query: CubeQuery,
    pub(super) now: DateTime<Utc>,
    pub(super) parents: Option<(Dimension, Vec<Key>)>,
}

/// The parts of a question that don't depend on its groups.
#[derive(Clone, Debug)]
struct Frame {
    zone: Zone,
    now: DateTime<Utc>,
    period: Span,
    attribution: Attribution,
    filter: Option<Filter>,
}

/// Choices that are made among what a question has.
type Choice = (usize, bool);

/// The quantities of a source.
pub(super) fn measures(source: Source) -> Vec<Measure> {
    let all = Measure::VARIANTS.iter().copied();
    match source {
        Source::Cdr => all
            .filter(|one| !matches!(one, Measure::Sessions | Measure::Resets))
            .collect(),
        Source::Session => all.filter(|one| *one != Measure::Units).collect(),
    }
}

/// The dimensions of a source.
pub(super) fn dimensions(source: Source) -> Vec<Dimension> {
    let all = Dimension::VARIANTS.iter().copied();
    let only_records = |one: &Dimension| matches!(one, Dimension::Service | Dimension::Stream);
    match source {
        Source::Cdr => all.collect(),
        Source::Session => all.filter(|one| !only_records(one)).collect(),
    }
}

prop_compose! {
    /// A question to a source; one in a hundred is one to the other, and refused where it names what that does not have.
    pub(super) fn question(world: &'static World, tenants: [TenantId; 2], source: Source)(
        scope in arb_scope(world, tenants),
        frame in arb_frame(world, source),
        parents in option::weighted(0.3, arb_parents(world, source)),
        measures in arb_measures(source),
        group_by in arb_groups(source),
        having in option::weighted(0.25, arb_having(source)),
        orders in vec(any::<Choice>(), 0..3),
        top in option::weighted(0.4, (any::<usize>(), 0_u32..6, select(self::measures(source)))),
        limit in option::weighted(0.6, prop_oneof![1 => Just(0_u32), 5 => 1_u32..8, 8 => 8_u32..60]),
        offset in prop_oneof![5 => Just(0_u32), 2 => 1_u32..5, 1 => 5_u32..20],
        others in any::<bool>(),
        fill in select(&[Fill::None, Fill::Zero, Fill::Null][..]),
        compare_to in option::weighted(0.5, select(Comparison::VARIANTS)),
        fault in option::weighted(0.05, any::<u8>()),
    ) -> Question {
        let by_groups = (0..group_by.len()).map(OrderBy::Group);
        let choices: Vec<_> = self::measures(source).into_iter().map(OrderBy::Measure).chain(by_groups).collect();
        let order_by = orders.into_iter().map(|(n, descending)| Order { by: choices[n % choices.len()], descending });
        let places: Vec<_> = (0..group_by.len()).filter(|place| !group_by[*place].is_time()).collect();
        let top = top.filter(|_| !places.is_empty());
        let top = top.map(|(n, most, by)| Top { group: places[n % places.len()], n: most, by });
        let mut query = CubeQuery {
            source,
            measures,
            period: frame.period,
            time_zone: frame.zone,
            filter: frame.filter,
            having,
            order_by: order_by.collect(),
            top,
            limit,
            offset,
            others,
            fill: if is_much(&group_by, frame.period) { Fill::None } else { fill },
            compare_to,
            attribution: frame.attribution,
            group_by,
        };
        if let Some(fault) = fault {
            break_something(&mut query, fault);
        }
        Question { scope, query, now: frame.now, parents }
    }
}

/// SIMs are counted in every other question: without them smaller cubes do.
fn arb_measures(source: Source) -> impl Strategy<Value = Vec<Measure>> {
    let counts_sims =
        |measure: &Measure| matches!(measure, Measure::ActiveSims | Measure::AverageBytesPerSim);
    let all = measures(source);
    let plain: Vec<_> = (all.iter().copied())
        .filter(|measure| !counts_sims(measure))
        .collect();
    let some = |measures: Vec<Measure>| {
        let most = measures.len();
        subsequence(measures, 1..=most).prop_shuffle()
    };
    prop_oneof![some(plain), some(all)]
}

/// Whether too many rows would have to be filled in for the patience of a test.
fn is_much(groups: &[Group], period: Span) -> bool {
    let hours = match period {
        Span::Between { from, to, .. } => (to - from).num_hours().unsigned_abs(),
        Span::Preset(preset) | Span::PresetAt { preset, .. } => match preset {
            Preset::ThisYear | Preset::LastYear => 366 * 24,
            Preset::ThisQuarter | Preset::LastQuarter => 92 * 24,
            _ => 31 * 24,
        },
    };
    let buckets = |group: &Group| match group {
        Group::Time(Grain::Hour) => hours + 1,
        Group::Time(_) | Group::TimePart(_) => hours / 24 + 1,
        Group::Dimension(Dimension::Sim | Dimension::Device) => 40,
        Group::Dimension(_) => 5,
        Group::SimLabel(_) | Group::DeviceLabel(_) => 12,
    };
    groups.iter().map(buckets).product::<u64>() > FILLED
}

/// Makes a question one that is refused.
fn break_something(query: &mut CubeQuery, fault: u8) {
    let moment = at("2028-06-01T10:00:00Z");
    match fault % 12 {
        0 => query.measures.push(query.measures[0]),
        1 => query.measures.clear(),
        2 => query.group_by = vec![Group::Dimension(Dimension::Network); 2],
        3 => query.group_by = vec![Group::Time(Grain::Day), Group::Time(Grain::Hour)],
        4 => query.limit = Some(10_001 - query.offset),
        5 => {
            query.order_by = vec![Order {
                by: OrderBy::Group(query.group_by.len()),
                descending: true,
            }];
        }
        6 => {
            query.group_by = vec![Group::Time(Grain::Day)];
            query.order_by.clear();
            query.top = Some(Top {
                group: 0,
                n: 3,
                by: Measure::Records,
            });
        }
        7 => {
            query.period = Span::Between {
                from: moment,
                to: moment,
                align: Alignment::Outward,
            }
        }
        8 => {
            query.period = Span::Between {
                from: moment,
                to: moment + TimeDelta::milliseconds(86_400_001),
                align: Alignment::Exact,
            }
        }
        9 => query.period = Span::Preset(Preset::Last30Days).meant_at(DateTime::<Utc>::MAX_UTC),
        10 => {
            query.source = match query.source {
                Source::Cdr => Source::Session,
                Source::Session => Source::Cdr,
            };
        }
        _ => {
            query.filter = Some(Filter::Is(Condition::In {
                dimension: Dimension::Sim,
                values: vec![Key::None],
            }));
        }
    }
}

fn arb_groups(source: Source) -> impl Strategy<Value = Vec<Group>> {
    let group = prop_oneof![
        10 => select(dimensions(source)).prop_map(Group::Dimension),
        9 => select(Grain::VARIANTS).prop_map(Group::Time),
        5 => select(TimePart::VARIANTS).prop_map(Group::TimePart),
        2 => select(&["tier", "odd", "nobody"][..]).prop_map(|key| Group::SimLabel(key.into())),
        2 => select(&["odd", "nobody"][..]).prop_map(|key| Group::DeviceLabel(key.into())),
    ];
    let groups = prop_oneof![
        1 => Just(vec![]),
        1 => vec(group.clone(), 1),
        4 => vec(group.clone(), 2..=3),
        2 => vec(group, 4..=6),
    ];
    groups.prop_map(|groups| {
        let mut kept: Vec<Group> = Vec::new();
        for group in groups {
            let is_second = |known: &Group| {
                *known == group || matches!((known, &group), (Group::Time(_), Group::Time(_)))
            };
            if !kept.iter().any(is_second) {
                kept.push(group);
            }
        }
        kept
    })
}

fn arb_having(source: Source) -> impl Strategy<Value = Having> {
    let comparator = select(
        &[
            Comparator::Gt,
            Comparator::Gte,
            Comparator::Lt,
            Comparator::Lte,
            Comparator::Eq,
        ][..],
    );
    // Around what small groups have.
    let bound = prop_oneof![
        (-1_i128..6).prop_map(|n| n * 100),
        Just(i128::from(u64::MAX) * 250),
        Just(i128::from(u32::MAX) * 100),
        any::<i64>().prop_map(i128::from),
    ];
    let is = (select(measures(source)), comparator, bound).prop_map(|(by, comparator, bound)| {
        Having::Is(Compared::Measure {
            by,
            comparator,
            bound: Bound::hundredths(bound),
        })
    });
    is.prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 1..4).prop_map(Having::And),
            3 => vec(inner.clone(), 1..4).prop_map(Having::Or),
            3 => inner.prop_map(|having| Having::Not(Box::new(having))),
            1 => select(vec![Having::And(vec![]), Having::Or(vec![])]),
        ]
    })
}

fn arb_in(
    world: &'static World,
    source: Source,
    attribution: Attribution,
) -> impl Strategy<Value = Filter> {
    select(dimensions(source)).prop_flat_map(move |dimension| {
        let mut known = values(world, source, dimension, attribution);
        // A value that nothing has.
        known.push(match known.last() {
            Some(Key::Text(_)) => Key::Text("nowhere".into()),
            _ => Key::Id(Uuid::from_u128(0xdead)),
        });
        let most = known.len().min(12);
        subsequence(known, most / 2..=most)
            .prop_map(move |values| Filter::Is(Condition::In { dimension, values }))
    })
}

fn arb_filter(
    world: &'static World,
    source: Source,
    attribution: Attribution,
) -> impl Strategy<Value = Filter> {
    let inventory = select(inventory_filters());
    let one = prop_oneof![3 => arb_in(world, source, attribution), 1 => inventory];
    one.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            3 => vec(inner.clone(), 1..4).prop_map(Filter::And),
            3 => vec(inner.clone(), 1..4).prop_map(Filter::Or),
            3 => inner.prop_map(|filter| Filter::Not(Box::new(filter))),
            1 => select(vec![Filter::And(vec![]), Filter::Or(vec![])]),
        ]
    })
}

/// Whether a filter asks what SIMs or devices are now, as their lists do.
pub(super) fn is_of_inventory(filter: &Filter) -> bool {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().any(is_of_inventory),
        Filter::Not(part) => is_of_inventory(part),
        Filter::Is(condition) => !matches!(condition, Condition::In { .. }),
    }
}

fn arb_frame(world: &'static World, source: Source) -> impl Strategy<Value = Frame> {
    let zone = select(&ZONES[..]).prop_map(|name| name.parse::<Zone>().expect("a zone"));
    let attribution = prop_oneof![
        4 => Just(Attribution::AtEvent),
        1 => Just(Attribution::Current),
    ];
    let now = select(&NOW[..]).prop_map(at);
    // Where hours begin at half past or a quarter to, what is old is refused: there the present is early, so that less is old.
    let early = |(zone, now, attribution): (Zone, _, _)| match zone.name() {
        "Asia/Kolkata" | "Pacific/Chatham" => (zone, at(NOW[1]), attribution),
        _ => (zone, now, attribution),
    };
    let frame = (zone, now, attribution).prop_map(early);
    frame.prop_flat_map(move |(zone, now, attribution)| {
        let filter = option::weighted(0.3, arb_filter(world, source, attribution));
        (arb_period(zone), filter).prop_map(move |(period, filter)| Frame {
            zone,
            now,
            period,
            attribution,
            filter,
        })
    })
}

fn arb_period(zone: Zone) -> impl Strategy<Value = Span> {
    let align = prop_oneof![3 => Just(Alignment::Exact), 1 => Just(Alignment::Outward)];
    prop_oneof![
        5 => select(Preset::VARIANTS).prop_map(Span::Preset),
        1 => (select(Preset::VARIANTS), select(&NOW[..]))
            .prop_map(|(preset, then)| Span::Preset(preset).meant_at(at(then))),
        4 => (arb_bounds(zone), align).prop_map(|((from, to), align)| Span::Between { from, to, align }),
    ]
}

/// A moment around which a lot happens, every other time one at which this zone's clocks are set.
fn arb_hot(zone: Zone) -> impl Strategy<Value = DateTime<Utc>> {
    let turns = TURNS.iter().find(|(name, _)| *name == zone.name());
    let turns = turns.map_or(&HOT[5..], |(_, turns)| &turns[..]);
    prop_oneof![
        1 => select(&HOT[..5]),
        6 => select(&HOT[5..]),
        6 => select(turns),
    ]
    .prop_map(at)
}

fn arb_bounds(zone: Zone) -> impl Strategy<Value = (DateTime<Utc>, DateTime<Utc>)> {
    let near = prop_oneof![1 => Just(0_i64), 1 => -3_i64..4];
    let moment = (arb_hot(zone), near).prop_map(|(hot, days)| hot + TimeDelta::days(days));
    let moment = moment.boxed();
    let local = move |moment: DateTime<Utc>| zone.local(moment).date();
    let day = move |date: NaiveDate| zone.midnight(date).expect("in range");
    let ordered = |(is_end, a, b): (bool, NaiveDate, Days)| {
        if is_end { (a - b, a) } else { (a, a + b) }
    };
    let dates = move |days: BoxedStrategy<u64>| {
        (any::<bool>(), moment.clone(), days).prop_map(move |(is_end, moment, days)| {
            ordered((is_end, local(moment), Days::new(days)))
        })
    };
    let days = dates(prop_oneof![3 => 1_u64..40, 1 => 40_u64..400].boxed())
        .prop_map(move |(from, to)| (day(from), day(to)));
    let months = (
        dates(Just(0).boxed()),
        prop_oneof![6 => 1_u32..14, 1 => 14_u32..20],
    )
        .prop_map(move |((date, _), months)| {
            let first = date.with_day(1).expect("a first");
            (day(first), day(first + Months::new(months)))
        });
    let times = (dates((1_u64..50).boxed()), 0_u32..24).prop_map(move |((from, to), hour)| {
        let time = NaiveTime::from_hms_opt(hour, 0, 0).expect("a time");
        let moment = |date: NaiveDate| zone.moment(date.and_time(time)).expect("in range");
        (moment(from), moment(to))
    });
    let hours = (arb_hot(zone), -40_i64..40, 1_i64..100).prop_map(|(from, back, hours)| {
        let from = from - TimeDelta::minutes(30 * back);
        (from, from + TimeDelta::hours(hours))
    });
    let seconds =
        (arb_hot(zone), 0_i64..200_000, 1_i64..600_000).prop_map(|(from, back, seconds)| {
            let from = from - TimeDelta::seconds(back);
            (from, from + TimeDelta::seconds(seconds))
        });
    prop_oneof![3 => days, 3 => months, 2 => hours, 2 => times, 1 => seconds]
}

fn arb_parents(
    world: &'static World,
    source: Source,
) -> impl Strategy<Value = (Dimension, Vec<Key>)> {
    select(dimensions(source)).prop_flat_map(move |dimension| {
        let mut ids = values(world, source, dimension, Attribution::AtEvent);
        ids.push(match ids.last() {
            Some(Key::Text(_)) => Key::Text("nowhere".into()),
            _ => Key::Id(Uuid::from_u128(0xdead)),
        });
        let most = ids.len().min(5);
        subsequence(ids, 1..=most).prop_map(move |ids| (dimension, ids))
    })
}

fn arb_scope(world: &'static World, tenants: [TenantId; 2]) -> impl Strategy<Value = Scope> {
    let some = move |dimension| {
        let ids: Vec<Uuid> = values(world, Source::Cdr, dimension, Attribution::AtEvent)
            .into_iter()
            .filter_map(|key| {
                if let Key::Id(id) = key {
                    Some(id)
                } else {
                    None
                }
            })
            .collect();
        let most = ids.len().min(20);
        subsequence(ids, 0..=most)
    };
    let customer = select((1..CUSTOMERS).map(id).collect::<Vec<_>>());
    let has = |grants: f64| prop::bool::weighted(grants);
    let grants = (
        (has(0.5), some(Dimension::Customer)),
        (has(0.6), some(Dimension::Sim)),
        (has(0.6), some(Dimension::Device)),
    );
    let role = prop_oneof![
        3 => Just(Role::TenantAdmin),
        2 => Just(Role::CustomerUser),
        2 => Just(Role::Viewer),
    ];
    let tenant = prop_oneof![3 => Just(tenants[0]), 1 => Just(tenants[1])];
    // Few switches are closed, as most questions are to be answered.
    let open = |weight: f64| prop::bool::weighted(weight);
    let visibility = (open(0.99), open(0.8), open(0.8), open(0.9)).prop_map(
        |(usage, sims, devices, sessions)| Visibility {
            usage,
            sims,
            devices,
            sessions,
            ..Visibility::default()
        },
    );
    (tenant, role, visibility, customer, grants).prop_map(
        |(tenant, role, visibility, customer, (customers, sims, devices))| {
            let granted =
                |(is_granted, ids): (bool, Vec<Uuid>)| ids.into_iter().filter(move |_| is_granted);
            let is_customer = role == Role::CustomerUser;
            let segment = Segment {
                within: is_customer.then(|| CustomerId::new(customer)),
                customers: granted(customers)
                    .filter(|_| !is_customer)
                    .map(CustomerId::new)
                    .collect(),
                sims: granted(sims).map(SimId::new).collect(),
                devices: granted(devices).map(DeviceId::new).collect(),
            };
            let settings = Settings {
                sessions: SessionRetention::new(ROLLUPS, None),
                ..Settings::default()
            };
            scope(tenant, role, segment, visibility).under(settings)
        },
    )
}

//! Answers of the cubes, compared with the records themselves.

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

use analytics::{
    CdrRow, Store,
    cube::{Cube, Level},
    network::Network,
    usage::{Dimension, Filter, Grain, Key, Measure, Order, OrderBy, UsageQuery},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Code, Period, Role, Scope,
    id::{CustomerId, DeviceId, SimId, TenantId},
    identifier::Plmn,
    identity::VerifiedClaims,
    scope::{Segment, Visibility},
};
use proptest::{
    prelude::*,
    sample::{select, subsequence},
    test_runner::{Config, TestCaseError, TestRunner},
};
use uuid::Uuid;

use crate::{
    Db,
    fleet::{apply, at, batch, record, tenant},
    migrated, oracle,
};

const DIMENSIONS: [Dimension; 8] = [
    Dimension::Network,
    Dimension::Country,
    Dimension::Customer,
    Dimension::Sim,
    Dimension::Device,
    Dimension::RadioAccessType,
    Dimension::Service,
    Dimension::Source,
];
const MEASURES: [Measure; 5] = [
    Measure::BytesUp,
    Measure::BytesDown,
    Measure::BytesTotal,
    Measure::Records,
    Measure::ActiveSims,
];

fn id(n: u32) -> Uuid {
    // Both halves count, so that an order by halves would show.
    Uuid::from_u64_pair(
        u64::from(n.wrapping_mul(2_654_435_761)),
        u64::from(n % 7) << 32 | u64::from(n) | 1,
    )
}

/// Records of two tenants from November to February, some corrected, every value present.
fn fleet(tenants: [TenantId; 2]) -> Vec<CdrRow> {
    let batch = batch();
    let mut rows: Vec<CdrRow> = (0..3_000_u32)
        .map(|n| {
            // A fixed scramble, so that no column follows another.
            let mix = |salt: u32| {
                (n.wrapping_mul(747_796_405)
                    .wrapping_add(salt)
                    .wrapping_mul(2_891_336_453))
                    >> 8
            };
            let start =
                at("2025-11-03T00:00:00Z") + TimeDelta::seconds(i64::from(mix(1) % (110 * 86_400)));
            let mut row = record(tenants[usize::from(mix(2) % 3 == 0)], batch, n, start);
            row.customer = (mix(3) % 4 > 0).then(|| CustomerId::new(id(mix(3) % 4)));
            row.sim = SimId::new(id(mix(4) % 40));
            row.device = (mix(5) % 3 > 0).then(|| DeviceId::new(id(100 + mix(4) % 40)));
            row.network =
                ["262-02", "262-01", "238-02", "901-99", ""][(mix(6) % 5) as usize].into();
            row.rat = ["LTE", "NR", "it's \\ odd"][(mix(7) % 3) as usize].into();
            row.service = ["DATA", "DATA", "SMS", "VOICE"][(mix(8) % 4) as usize].into();
            row.source = ["a", "b"][(mix(9) % 2) as usize].into();
            row.bytes_up = u64::MAX - u64::from(mix(10));
            row.bytes_down = u64::from(mix(11));
            row
        })
        .collect();
    // Every seventh record is taken back.
    let corrections: Vec<CdrRow> = rows
        .iter()
        .step_by(7)
        .map(|row| CdrRow {
            sign: -1,
            record_id: format!("{}-", row.record_id),
            ..row.clone()
        })
        .collect();
    rows.extend(corrections);
    rows
}

fn network((plmn, country): (&str, &str)) -> Network {
    Network {
        plmn: Plmn::parse(plmn).expect("a network"),
        name: plmn.into(),
        operator: String::new(),
        country_code: country.into(),
        country: country.into(),
    }
}

async fn load(store: &Store, rows: &[CdrRow]) {
    let networks: Vec<_> = oracle::COUNTRIES
        .into_iter()
        .chain([("901-99", "")])
        .map(network)
        .collect();
    assert_eq!(store.load_networks(&networks).await.expect("networks"), 4);
    assert_eq!(
        store
            .load_networks(&networks)
            .await
            .expect("networks again"),
        0
    );
    for rows in rows.chunks(700) {
        apply(store, batch(), rows).await;
    }
}

/// Counts a batch and takes it back, as a correction does: signed rows for the cells of the full cubes.
async fn take_back(db: &Db, rows: &[CdrRow]) {
    let gone: Vec<CdrRow> = rows
        .iter()
        .map(|row| CdrRow {
            identity: Uuid::new_v4(),
            source: "gone".into(),
            ..row.clone()
        })
        .collect();
    apply(db, batch(), &gone).await;
    for table in Level::ALL.map(|level| Cube::Full(level).table()) {
        db.run(&format!(
            "INSERT INTO {table} SELECT * REPLACE (-bytes_up AS bytes_up, -bytes_down AS bytes_down, \
             -units AS units, -records AS records) FROM {table} WHERE source = 'gone'"
        ))
        .await;
    }
}

fn scope(tenant: TenantId, role: Role, segment: Segment) -> Scope {
    let customer = (role == Role::CustomerUser).then(|| "bosch".into());
    let claims = VerifiedClaims::new("t".into(), "alpha".into(), role, customer);
    Scope::of_token(tenant, &claims.expect("claims"), segment, Visibility::ALL)
}

pub(crate) fn staff(tenant: TenantId) -> Scope {
    scope(tenant, Role::TenantAdmin, Segment::default())
}

fn period(from: &str, to: &str) -> Period {
    Period::new(at(from), at(to)).expect("a period")
}

fn query(
    measures: &[Measure],
    dimensions: &[Dimension],
    grain: Option<Grain>,
    period: Period,
) -> UsageQuery {
    UsageQuery {
        measures: measures.to_vec(),
        dimensions: dimensions.to_vec(),
        grain,
        period,
        filter: None,
        order_by: vec![],
        limit: 1_000,
    }
}

fn arb_moment() -> impl Strategy<Value = DateTime<Utc>> {
    prop_oneof![
        (0_i64..130 * 24).prop_map(|hour| at("2025-10-25T00:00:00Z") + TimeDelta::hours(hour)),
        (0_i64..130).prop_map(|day| at("2025-10-25T00:00:00Z") + TimeDelta::days(day)),
        select(vec![
            "2025-11-01",
            "2025-12-01",
            "2026-01-01",
            "2026-02-01",
            "2026-03-01"
        ])
        .prop_map(|day| at(&format!("{day}T00:00:00Z"))),
        select(vec![2024, 2025, 2026, 2027])
            .prop_map(|year| at(&format!("{year}-01-01T00:00:00Z"))),
    ]
}

fn arb_in(rows: &'static [CdrRow]) -> impl Strategy<Value = Filter> {
    select(&DIMENSIONS[..]).prop_flat_map(|dimension| {
        let mut known = oracle::values(rows, dimension);
        // A value that nothing has.
        known.push(match known.last() {
            Some(Key::Text(_)) => Key::Text("nowhere".into()),
            _ => Key::Id(Uuid::from_u128(1)),
        });
        let most = known.len().min(6);
        subsequence(known, 0..=most).prop_map(move |values| Filter::In { dimension, values })
    })
}

fn arb_filter(rows: &'static [CdrRow]) -> impl Strategy<Value = Filter> {
    arb_in(rows).prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Filter::And),
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

fn arb_query(rows: &'static [CdrRow]) -> impl Strategy<Value = UsageQuery> {
    let grain = prop_oneof![
        2 => Just(None),
        5 => select(vec![Grain::Hour, Grain::Day, Grain::Week, Grain::Month, Grain::Year]).prop_map(Some),
    ];
    let order = (any::<usize>(), any::<bool>());
    (
        subsequence(MEASURES.to_vec(), 1..=5),
        subsequence(DIMENSIONS.to_vec(), 0..=3).prop_shuffle(),
        grain,
        (arb_moment(), arb_moment()),
        proptest::option::of(arb_filter(rows)),
        proptest::collection::vec(order, 0..3),
        prop_oneof![0_u32..40, Just(10_000)],
    )
        .prop_filter_map(
            "an empty period",
            |(measures, dimensions, grain, (a, b), filter, orders, limit)| {
                let period = Period::new(a.min(b), a.max(b)).ok()?;
                let choices: Vec<OrderBy> = MEASURES
                    .into_iter()
                    .map(OrderBy::Measure)
                    .chain(dimensions.iter().copied().map(OrderBy::Dimension))
                    .chain(grain.map(|_| OrderBy::Period))
                    .collect();
                let order_by = orders
                    .into_iter()
                    .map(|(n, descending)| Order {
                        by: choices[n % choices.len()],
                        descending,
                    })
                    .collect();
                Some(UsageQuery {
                    measures,
                    dimensions,
                    grain,
                    period,
                    filter,
                    order_by,
                    limit,
                })
            },
        )
}

fn arb_scope(rows: &'static [CdrRow], tenants: [TenantId; 2]) -> impl Strategy<Value = Scope> {
    let some = move |dimension| {
        let ids: Vec<Uuid> = oracle::values(rows, dimension)
            .into_iter()
            .filter_map(|key| {
                if let Key::Id(id) = key {
                    Some(id)
                } else {
                    None
                }
            })
            .collect();
        subsequence(ids, 0..=3)
    };
    let part = (
        proptest::option::of(select(vec![id(1), id(2), id(3)])),
        some(Dimension::Customer),
        some(Dimension::Sim),
        some(Dimension::Device),
    );
    (select(tenants.to_vec()), any::<bool>(), part).prop_map(
        |(tenant, whole, (within, customers, sims, devices))| {
            let role = if whole {
                Role::Support
            } else {
                Role::CustomerUser
            };
            let segment = Segment {
                within: within.map(CustomerId::new),
                customers: customers.into_iter().map(CustomerId::new).collect(),
                sims: sims.into_iter().map(SimId::new).collect(),
                devices: devices.into_iter().map(DeviceId::new).collect(),
            };
            scope(tenant, role, segment)
        },
    )
}

#[test]
fn random_questions_are_answered_as_from_the_records() {
    static FLEET: OnceLock<(Vec<CdrRow>, [TenantId; 2])> = OnceLock::new();
    let (rows, tenants) = FLEET.get_or_init(|| {
        let tenants = [tenant(), tenant()];
        (fleet(tenants), tenants)
    });
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let store = runtime.block_on(async {
        let store = migrated().await;
        load(&store, rows).await;
        take_back(&store, &rows[..100]).await;
        store
    });
    let (small, full) = (AtomicU32::new(0), AtomicU32::new(0));
    let parents = select(&DIMENSIONS[..]);
    let mut runner = TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    });
    runner
        .run(
            &(arb_scope(rows, *tenants), arb_query(rows), parents),
            |(scope, query, parent)| {
                runtime.block_on(async {
                    let read = match check(&store, rows, &scope, &query).await? {
                        Cube::Small(_) => &small,
                        Cube::Full(_) => &full,
                    };
                    read.fetch_add(1, Ordering::Relaxed);
                    check_parents(&store, rows, &scope, &query, parent).await
                })
            },
        )
        .unwrap_or_else(|error| panic!("{error}"));
    let read = [small, full].map(AtomicU32::into_inner);
    assert!(read.iter().all(|times| *times > 10), "{read:?}");
}

async fn check(
    store: &Store,
    rows: &[CdrRow],
    scope: &Scope,
    query: &UsageQuery,
) -> Result<Cube, TestCaseError> {
    let (mut expected, totals) = oracle::answer(rows, scope, query);
    let answer = store
        .usage(scope, query)
        .await
        .map_err(|e| TestCaseError::fail(format!("{e}: {:?}", e.cause())))?;
    prop_assert_eq!(answer.truncated, expected.len() > query.limit as usize);
    expected.truncate(query.limit as usize);
    prop_assert_eq!(answer.totals, totals);
    prop_assert_eq!(answer.rows, expected);
    Ok(answer.provenance.table)
}

async fn check_parents(
    store: &Store,
    rows: &[CdrRow],
    scope: &Scope,
    query: &UsageQuery,
    parent: Dimension,
) -> Result<(), TestCaseError> {
    let mut ids = oracle::values(rows, parent);
    ids.truncate(5);
    let query = UsageQuery {
        limit: query.limit.min(50),
        ..query.clone()
    };
    let answers = store
        .usage_by(scope, &query, parent, &ids)
        .await
        .map_err(|e| TestCaseError::fail(format!("{e}: {:?}", e.cause())))?;
    prop_assert_eq!(answers.len(), ids.len());
    for id in ids {
        let own: Vec<CdrRow> = rows
            .iter()
            .filter(|row| oracle::key(parent, row) == id)
            .cloned()
            .collect();
        let (mut expected, totals) = oracle::answer(&own, scope, &query);
        expected.truncate(query.limit as usize);
        let answer = &answers[&id];
        prop_assert_eq!(answer.totals, totals);
        prop_assert_eq!(&answer.rows, &expected);
    }
    Ok(())
}

#[tokio::test]
async fn an_answer_says_where_it_comes_from() {
    let store = migrated().await;
    let (tenant, other, batch) = (tenant(), tenant(), batch());
    let scope = staff(tenant);
    let october = query(
        &[Measure::Records],
        &[],
        None,
        period("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
    );
    let nothing = store.usage(&scope, &october).await.expect("an answer");
    assert_eq!(nothing.totals.records, Some(0));
    assert_eq!(
        (nothing.provenance.watermark, nothing.provenance.complete),
        (None, false)
    );

    let mut rows = vec![
        record(tenant, batch, 1, at("2026-10-02T00:00:00Z")),
        record(other, batch, 2, at("2026-12-02T00:00:00Z")),
    ];
    rows[0].received_at = at("2026-10-31T12:00:00.250Z");
    apply(&store, batch, &rows).await;
    let early = store
        .usage(&scope, &october)
        .await
        .expect("an answer")
        .provenance;
    assert_eq!(early.table, Cube::Small(Level::Month));
    assert_eq!(
        early.watermark,
        Some(at("2026-10-31T12:00:00.250Z")),
        "another tenant's record does not count"
    );
    assert!(!early.complete && early.reason.is_some());

    let batch = crate::fleet::batch();
    let late = record(tenant, batch, 3, at("2026-11-01T00:00:00Z"));
    apply(&store, batch, &[late]).await;
    let later = store.usage(&scope, &october).await.expect("an answer");
    assert!(later.provenance.complete && later.provenance.reason.is_none());
    assert_eq!(later.totals.records, Some(1));
}

#[tokio::test]
async fn a_question_that_is_too_expensive_is_refused() {
    let store = migrated().await;
    let mut huge = query(
        &[Measure::Records],
        &[],
        None,
        period("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
    );
    huge.limit = 10_001;
    let refused = store
        .usage(&staff(tenant()), &huge)
        .await
        .expect_err("too many rows");
    assert_eq!(refused.code(), Code::LimitExceeded);
}

//! What the planner makes of a question, and what it refuses. Needs no engine.

use analytics::{
    cube::{Cube, Level},
    usage::{
        Dimension, Filter, Grain, Key, Measure, Order, OrderBy, UsageLimits, UsageQuery, plan,
    },
};
use chrono::{DateTime, Utc};
use domain::{
    Code, Period, Role, Scope,
    id::{CustomerId, DeviceId, SimId, TenantId},
    identity::VerifiedClaims,
    scope::{Segment, Visibility},
};
use uuid::Uuid;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn scope(role: Role, segment: Segment, visibility: Visibility) -> Scope {
    let customer = (role == Role::CustomerUser).then(|| "bosch".into());
    let claims = VerifiedClaims::new("t".into(), "alpha".into(), role, customer);
    let tenant = TenantId::new(id(1));
    Scope::of_token(tenant, &claims.expect("claims"), segment, visibility)
}

fn staff() -> Scope {
    scope(Role::Support, Segment::default(), Visibility::ALL)
}

fn customer(segment: Segment, visibility: Visibility) -> Scope {
    scope(Role::CustomerUser, segment, visibility)
}

fn of_customer(visibility: Visibility) -> Scope {
    customer(
        Segment {
            within: Some(CustomerId::new(id(2))),
            ..Segment::default()
        },
        visibility,
    )
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn query(from: &str, to: &str, grain: Option<Grain>) -> UsageQuery {
    UsageQuery {
        measures: vec![Measure::BytesTotal],
        dimensions: vec![],
        grain,
        period: Period::new(at(from), at(to)).unwrap(),
        filter: None,
        order_by: vec![],
        limit: 10,
    }
}

fn october() -> UsageQuery {
    query("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z", None)
}

/// Sorted by how many SIMs were active, which is not asked for.
fn by_active_sims() -> UsageQuery {
    UsageQuery {
        order_by: vec![Order {
            by: OrderBy::Measure(Measure::ActiveSims),
            descending: true,
        }],
        ..october()
    }
}

fn only(dimension: Dimension, value: impl Into<Key>) -> Filter {
    Filter::In {
        dimension,
        values: vec![value.into()],
    }
}

fn code(scope: &Scope, query: &UsageQuery) -> Option<Code> {
    plan(scope, query).err().map(|error| error.code())
}

#[test]
fn the_whole_of_a_period() {
    insta::assert_snapshot!(plan(&staff(), &october()).unwrap().sql());
}

#[test]
fn bytes_by_customer_and_country_per_week() {
    let question = UsageQuery {
        measures: vec![Measure::BytesUp, Measure::Records],
        dimensions: vec![Dimension::Customer, Dimension::Country],
        grain: Some(Grain::Week),
        filter: Some(Filter::Or(vec![
            only(Dimension::Country, "DE"),
            Filter::Not(Box::new(Filter::And(vec![
                only(Dimension::Network, "262-02"),
                only(Dimension::Service, "SMS"),
            ]))),
        ])),
        order_by: vec![
            Order {
                by: OrderBy::Measure(Measure::BytesUp),
                descending: true,
            },
            Order {
                by: OrderBy::Dimension(Dimension::Country),
                descending: false,
            },
        ],
        ..october()
    };
    insta::assert_snapshot!(plan(&staff(), &question).unwrap().sql());
}

#[test]
fn active_sims_of_a_customer_with_grants() {
    let segment = Segment {
        within: Some(CustomerId::new(id(2))),
        customers: [CustomerId::new(id(3))].into(),
        sims: [SimId::new(id(4)), SimId::new(id(5))].into(),
        devices: [DeviceId::new(id(6))].into(),
    };
    let question = UsageQuery {
        measures: vec![Measure::ActiveSims],
        dimensions: vec![Dimension::Sim],
        filter: Some(only(Dimension::Sim, SimId::new(id(4)))),
        ..october()
    };
    insta::assert_snapshot!(
        plan(&customer(segment, Visibility::ALL), &question)
            .unwrap()
            .sql()
    );
}

#[test]
fn the_coarsest_exact_cube_is_taken() {
    let year = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    let month = ("2026-02-01T00:00:00Z", "2026-12-01T00:00:00Z");
    let day = ("2026-02-02T00:00:00Z", "2026-12-01T00:00:00Z");
    let hour = ("2026-02-01T00:00:00Z", "2026-12-01T07:00:00Z");
    for ((from, to), grain, level) in [
        (year, None, Level::Year),
        (year, Some(Grain::Year), Level::Year),
        (year, Some(Grain::Month), Level::Month),
        (year, Some(Grain::Week), Level::Day),
        (year, Some(Grain::Day), Level::Day),
        (year, Some(Grain::Hour), Level::Hour),
        (month, None, Level::Month),
        (month, Some(Grain::Year), Level::Month),
        (month, Some(Grain::Week), Level::Day),
        (day, Some(Grain::Month), Level::Day),
        (day, None, Level::Day),
        (hour, None, Level::Hour),
        (hour, Some(Grain::Year), Level::Hour),
    ] {
        let plan = plan(&staff(), &query(from, to, grain)).unwrap();
        assert_eq!(plan.table(), Cube::Small(level), "{from} {to} {grain:?}");
    }
}

#[test]
fn the_small_cube_is_taken_unless_something_names_sims_or_devices() {
    let (small, full) = (Cube::Small(Level::Month), Cube::Full(Level::Month));
    let by = |dimension| UsageQuery {
        dimensions: vec![dimension],
        ..october()
    };
    let of = |dimension, value: Key| UsageQuery {
        filter: Some(Filter::Not(Box::new(only(dimension, value)))),
        ..october()
    };
    let counted = UsageQuery {
        measures: vec![Measure::Records, Measure::ActiveSims],
        ..october()
    };
    let sorted = by_active_sims();
    for (question, cube) in [
        (october(), small),
        (by(Dimension::Network), small),
        (by(Dimension::Country), small),
        (by(Dimension::Customer), small),
        (by(Dimension::RadioAccessType), small),
        (by(Dimension::Service), small),
        (by(Dimension::Source), small),
        (by(Dimension::Sim), full),
        (by(Dimension::Device), full),
        (of(Dimension::Network, "262-02".into()), small),
        (of(Dimension::Customer, Key::None), small),
        (of(Dimension::Sim, Key::Id(id(4))), full),
        (of(Dimension::Device, Key::None), full),
        (counted, full),
        (sorted, full),
    ] {
        let plan = plan(&staff(), &question).unwrap();
        assert_eq!(plan.table(), cube, "{question:?}");
        assert_eq!(plan.sql().contains("FROM usage_month"), cube == full);
    }
}

#[test]
fn whoever_was_granted_single_sims_or_devices_never_reads_a_small_cube() {
    let part = Segment::default();
    let within = Some(CustomerId::new(id(2)));
    let customers = [CustomerId::new(id(3))];
    let sims = [SimId::new(id(4))];
    let devices = [DeviceId::new(id(6))];
    let small = [
        part.clone(),
        Segment {
            within,
            ..part.clone()
        },
        Segment {
            within,
            customers: customers.into(),
            ..part.clone()
        },
    ];
    let full = [
        Segment {
            sims: sims.into(),
            ..part.clone()
        },
        Segment {
            devices: devices.into(),
            ..part.clone()
        },
        Segment {
            within,
            sims: sims.into(),
            ..part.clone()
        },
        Segment {
            customers: customers.into(),
            devices: devices.into(),
            ..part
        },
    ];
    let cubes = [Cube::Small(Level::Month), Cube::Full(Level::Month)];
    for (segments, cube) in [&small[..], &full[..]].into_iter().zip(cubes) {
        for segment in segments {
            for role in [Role::Viewer, Role::CustomerUser] {
                let plan =
                    plan(&scope(role, segment.clone(), Visibility::ALL), &october()).unwrap();
                assert_eq!(plan.table(), cube, "{role} {segment:?}");
                // The watermark too is of what the caller may see.
                let is_small = cube == Cube::Small(Level::Month);
                assert_eq!(
                    plan.sql().matches("FROM usage_small").count() == 2,
                    is_small
                );
                assert_eq!(
                    plan.sql().contains("usage_small"),
                    is_small,
                    "{}",
                    plan.sql()
                );
            }
        }
    }
}

#[test]
fn bounds_within_an_hour_are_refused_with_those_that_would_do() {
    let question = query("2026-10-01T10:30:00Z", "2026-10-01T12:00:00.001Z", None);
    let refused = plan(&staff(), &question).unwrap_err();
    assert_eq!(refused.code(), Code::NotExact);
    let suggestion = refused.details().and_then(|it| it.suggestion.as_deref());
    assert_eq!(
        suggestion,
        Some("from 2026-10-01T10:00:00Z to 2026-10-01T13:00:00Z")
    );
}

#[test]
fn the_ends_of_time_are_planned_or_refused_and_never_panic() {
    let ends = [
        DateTime::<Utc>::MIN_UTC,
        at("0001-01-01T00:00:00Z"),
        at("2199-01-01T00:00:00Z"),
        DateTime::<Utc>::MAX_UTC,
    ];
    for from in ends {
        for to in ends {
            if let Ok(period) = Period::new(from, to) {
                let _ = plan(
                    &staff(),
                    &UsageQuery {
                        period,
                        ..october()
                    },
                );
            }
        }
    }
}

#[test]
fn values_never_become_part_of_the_statement() {
    let evil = "'); DROP TABLE cdr; --";
    let question = UsageQuery {
        filter: Some(only(Dimension::Source, evil)),
        ..october()
    };
    let plan = plan(&staff(), &question).unwrap();
    assert!(!plan.sql().contains("DROP"), "{}", plan.sql());
    assert!(plan.sql().contains("tenant = {p0:UUID}") && !plan.sql().contains(&id(1).to_string()));
}

#[test]
fn a_caller_with_nothing_assigned_sees_nothing() {
    let plan = plan(&customer(Segment::default(), Visibility::ALL), &october()).unwrap();
    assert_eq!(
        plan.sql().matches("tenant = {p0:UUID} AND false").count(),
        2,
        "{}",
        plan.sql()
    );
}

#[test]
fn a_closed_area_is_closed_on_every_way_in() {
    let usage_only = Visibility {
        usage: true,
        ..Visibility::default()
    };
    let sims = Visibility {
        sims: true,
        ..usage_only
    };
    let devices = Visibility {
        devices: true,
        ..usage_only
    };
    let ways = |dimension| {
        [
            UsageQuery {
                dimensions: vec![dimension],
                ..october()
            },
            UsageQuery {
                filter: Some(Filter::Not(Box::new(Filter::Or(vec![Filter::In {
                    dimension,
                    values: vec![],
                }])))),
                ..october()
            },
        ]
    };
    for question in ways(Dimension::Sim) {
        assert_eq!(
            code(&of_customer(devices), &question),
            Some(Code::Forbidden)
        );
        assert_eq!(code(&of_customer(sims), &question), None);
    }
    for question in ways(Dimension::Device) {
        assert_eq!(code(&of_customer(sims), &question), Some(Code::Forbidden));
        assert_eq!(code(&of_customer(devices), &question), None);
    }
    let counted = UsageQuery {
        measures: vec![Measure::ActiveSims],
        ..october()
    };
    let sorted = by_active_sims();
    for question in [counted, sorted] {
        assert_eq!(
            code(&of_customer(devices), &question),
            Some(Code::Forbidden)
        );
        assert_eq!(code(&of_customer(sims), &question), None);
    }
    assert_eq!(code(&of_customer(usage_only), &october()), None);
    assert_eq!(
        code(&of_customer(Visibility::DEVICES_ONLY), &october()),
        Some(Code::Forbidden)
    );
}

#[test]
fn an_ingest_token_reads_nothing() {
    let scope = scope(Role::Ingest, Segment::default(), Visibility::ALL);
    assert_eq!(code(&scope, &october()), Some(Code::Forbidden));
}

#[test]
fn too_much_is_refused() {
    let all = vec![
        Dimension::Network,
        Dimension::Country,
        Dimension::Customer,
        Dimension::Sim,
        Dimension::Source,
    ];
    let deep = (0..20).fold(only(Dimension::Source, "x"), |filter, _| {
        Filter::Not(Box::new(filter))
    });
    let wide = Filter::Or(vec![
        only(Dimension::Source, "x");
        UsageLimits::FILTER_NODES
    ]);
    let values = Filter::In {
        dimension: Dimension::Source,
        values: (0..=UsageLimits::FILTER_VALUES)
            .map(|n| Key::Text(n.to_string()))
            .collect(),
    };
    for question in [
        UsageQuery {
            dimensions: all,
            ..october()
        },
        UsageQuery {
            limit: 10_001,
            ..october()
        },
        UsageQuery {
            filter: Some(deep),
            ..october()
        },
        UsageQuery {
            filter: Some(wide),
            ..october()
        },
        UsageQuery {
            filter: Some(values),
            ..october()
        },
        UsageQuery {
            order_by: vec![
                Order {
                    by: OrderBy::Measure(Measure::Records),
                    descending: true
                };
                7
            ],
            ..october()
        },
    ] {
        assert_eq!(code(&staff(), &question), Some(Code::LimitExceeded));
    }
}

#[test]
fn nonsense_is_refused() {
    let by = |by| {
        vec![Order {
            by,
            descending: false,
        }]
    };
    for question in [
        UsageQuery {
            measures: vec![],
            ..october()
        },
        UsageQuery {
            dimensions: vec![Dimension::Sim, Dimension::Sim],
            ..october()
        },
        UsageQuery {
            order_by: by(OrderBy::Dimension(Dimension::Sim)),
            ..october()
        },
        UsageQuery {
            order_by: by(OrderBy::Period),
            ..october()
        },
        UsageQuery {
            filter: Some(only(Dimension::Sim, "x")),
            ..october()
        },
        UsageQuery {
            filter: Some(only(Dimension::Sim, Key::None)),
            ..october()
        },
        UsageQuery {
            filter: Some(only(Dimension::Network, Key::Id(id(1)))),
            ..october()
        },
        UsageQuery {
            filter: Some(only(Dimension::Network, "a\0b")),
            ..october()
        },
        UsageQuery {
            filter: Some(only(Dimension::Network, "x".repeat(201).as_str())),
            ..october()
        },
    ] {
        assert_eq!(
            code(&staff(), &question),
            Some(Code::InvalidInput),
            "{question:?}"
        );
    }
    let unassigned = UsageQuery {
        filter: Some(only(Dimension::Customer, Key::None)),
        ..october()
    };
    assert_eq!(code(&staff(), &unassigned), None);
}

#[test]
fn what_stands_for_none_in_the_cubes_is_nobodys_id() {
    for dimension in [Dimension::Customer, Dimension::Sim, Dimension::Device] {
        let question = UsageQuery {
            filter: Some(only(dimension, Key::Id(Uuid::nil()))),
            ..october()
        };
        let plan = plan(&staff(), &question).unwrap();
        assert!(plan.sql().contains("AND false"), "{}", plan.sql());
    }
}

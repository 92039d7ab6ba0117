//! What the planner makes of a question, and what it refuses. Needs no engine.

use analytics::{
    cube::{Cube, Level, Table},
    usage::{
        Alignment, Attribution, Bound, Carried, Comparator, Compared, Comparison, Condition,
        CubeQuery, Dimension, Fill, Filter, Grain, Group, Having, Inventory, Key, Measure, Need,
        Order, OrderBy, Parents, Preset, Selection, SimFilter, Source, Span, TimePart, Top,
        UsageLimits, UsagePlan, plan, plan_records,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Code, Error, Period, Result, Role, Scope,
    calendar::Zone,
    filter::{MAX_CONDITIONS, MAX_LEVELS},
    id::{CustomerId, DeviceId, SimId, TenantId},
    identity::VerifiedClaims,
    scope::{Segment, Visibility},
    sim::{SimCondition, SimState},
    slice::{Of, Slice},
    tenant::{Retention, SessionRetention, Settings},
};
use strum::VariantArray as _;
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
    let within = Some(CustomerId::new(id(2)));
    let segment = Segment {
        within,
        ..Segment::default()
    };
    customer(segment, visibility)
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn now() -> DateTime<Utc> {
    at("2026-11-23T12:00:00Z")
}

fn between(from: &str, to: &str) -> Span {
    Span::Between {
        from: at(from),
        to: at(to),
        align: Alignment::Exact,
    }
}

fn bytes(from: &str, to: &str) -> CubeQuery {
    CubeQuery::of(&[Measure::BytesTotal], between(from, to))
}

fn october() -> CubeQuery {
    bytes("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z")
}

fn by(groups: &[Group]) -> CubeQuery {
    CubeQuery {
        group_by: groups.to_vec(),
        ..october()
    }
}

fn of(filter: Filter) -> CubeQuery {
    CubeQuery {
        filter: Some(filter),
        ..october()
    }
}

fn which(having: Having) -> CubeQuery {
    CubeQuery {
        having: Some(having),
        ..by(&[Group::Dimension(Dimension::Country)])
    }
}

fn sorted(by: OrderBy) -> CubeQuery {
    CubeQuery {
        order_by: vec![Order {
            by,
            descending: true,
        }],
        ..october()
    }
}

fn top(group: usize, n: u32, by: Measure) -> Top {
    Top { group, n, by }
}

fn only(dimension: Dimension, value: impl Into<Key>) -> Filter {
    Filter::Is(Condition::In {
        dimension,
        values: vec![value.into()],
    })
}

fn is(by: Measure) -> Having {
    Having::Is(Compared::Measure {
        by,
        comparator: Comparator::Gt,
        bound: Bound::hundredths(150),
    })
}

fn planned(scope: &Scope, query: &CubeQuery) -> Result<UsagePlan> {
    plan(scope, query, None, &Inventory::default(), now())
}

fn sql(scope: &Scope, query: &CubeQuery) -> String {
    planned(scope, query).unwrap().sql().to_owned()
}

fn code(scope: &Scope, query: &CubeQuery) -> Option<Code> {
    planned(scope, query).err().map(|error| error.code())
}

fn field(error: &Error) -> &str {
    let field = error.details().and_then(|details| details.field.as_deref());
    field.unwrap_or_default()
}

const SMALL_MONTH: Table = Table::Cube(Cube::Small(Level::Month));

#[test]
fn the_whole_of_a_period() {
    insta::assert_snapshot!(sql(&staff(), &october()));
}

#[test]
fn bytes_by_customer_and_country_per_week() {
    let question = CubeQuery {
        measures: vec![Measure::BytesUp, Measure::Records],
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
                by: OrderBy::Group(1),
                descending: false,
            },
        ],
        ..by(&[
            Group::Dimension(Dimension::Customer),
            Group::Dimension(Dimension::Country),
            Group::Time(Grain::Week),
        ])
    };
    insta::assert_snapshot!(sql(&staff(), &question));
}

#[test]
fn active_sims_of_a_customer_with_grants() {
    let segment = Segment {
        within: Some(CustomerId::new(id(2))),
        customers: [CustomerId::new(id(3))].into(),
        sims: [SimId::new(id(4)), SimId::new(id(5))].into(),
        devices: [DeviceId::new(id(6))].into(),
    };
    let question = CubeQuery {
        measures: vec![Measure::ActiveSims],
        filter: Some(only(Dimension::Sim, SimId::new(id(4)))),
        ..by(&[Group::Dimension(Dimension::Sim)])
    };
    insta::assert_snapshot!(sql(&customer(segment, Visibility::ALL), &question));
}

#[test]
fn the_largest_networks_of_some_sims_by_day_beside_the_year_before() {
    let question = CubeQuery {
        time_zone: "Europe/Berlin".parse().unwrap(),
        having: Some(is(Measure::AverageBytesPerSim)),
        top: Some(top(0, 3, Measure::BytesTotal)),
        others: true,
        fill: Fill::Zero,
        compare_to: Some(Comparison::PreviousYear),
        ..CubeQuery {
            period: Span::Preset(Preset::Last7Days),
            ..by(&[
                Group::Dimension(Dimension::Network),
                Group::Time(Grain::Day),
            ])
        }
    };
    let ids = [Key::from(SimId::new(id(4))), Key::from(SimId::new(id(5)))];
    let parents = Parents::of(Dimension::Sim, &ids);
    let plan = plan(
        &staff(),
        &question,
        Some(parents),
        &Inventory::default(),
        now(),
    );
    insta::assert_snapshot!(plan.unwrap().sql());
}

#[test]
fn hours_of_india_by_what_sims_are_now() {
    let question = CubeQuery {
        time_zone: "Asia/Kolkata".parse().unwrap(),
        attribution: Attribution::Current,
        ..by(&[
            Group::SimLabel("tier".into()),
            Group::DeviceLabel("site".into()),
            Group::Dimension(Dimension::Customer),
            Group::TimePart(TimePart::HourOfDay),
        ])
    };
    let words = |need: &Need| match need {
        Need::SimLabel(_) => vec![(id(4), "it's \\ odd".to_owned()), (id(5), String::new())],
        Need::DeviceLabel(_) => vec![(id(6), "roof".to_owned())],
        Need::SimCustomer => vec![(id(4), id(2).to_string())],
        _ => vec![(id(4), id(6).to_string())],
    };
    let needs = question.needs(None).into_iter();
    let found = needs.map(|need| {
        let words: Carried = words(&need).into_iter().collect();
        (need, words)
    });
    let inventory = Inventory::new(found.collect());
    let plan = plan(&staff(), &question, None, &inventory, now());
    insta::assert_snapshot!(plan.unwrap().sql());
}

#[test]
fn a_slice_of_active_sims_by_label_beside_the_month_before() {
    let question = CubeQuery {
        measures: vec![Measure::ActiveSims, Measure::BytesUp],
        compare_to: Some(Comparison::PreviousPeriod),
        ..by(&[Group::SimLabel("tier".into()), Group::Time(Grain::Day)])
    };
    let carried: Carried = [(id(4), "gold")].into_iter().collect();
    let found = vec![(Need::SimLabel("tier".into()), carried)];
    let inventory = Inventory::new(found).of_slice(Slice {
        of: Of::Sims,
        from: Some(id(3)),
        to: Some(id(5)),
    });
    let plan = plan(&staff(), &question, None, &inventory, now()).unwrap();
    let bounds = [3, 5].map(|n| id(n).to_string());
    assert!(plan.parameters().windows(2).any(|pair| pair == bounds));
    insta::assert_snapshot!(plan.sql());
}

fn selected(period: Span, filter: Option<Filter>) -> Selection {
    Selection {
        period,
        time_zone: Zone::UTC,
        filter,
    }
}

#[test]
fn a_selection_is_the_same_wherever_it_is_kept() {
    let short = r#"{"period":{"preset":"LAST_MONTH"}}"#;
    let selection: Selection = serde_json::from_str(short).unwrap();
    assert_eq!(selection.time_zone, Zone::UTC);
    let kept = serde_json::to_string(&selection).unwrap();
    let again: Selection = serde_json::from_str(&kept).unwrap();
    assert_eq!(
        again.fingerprint().unwrap(),
        selection.fingerprint().unwrap()
    );
    let other = selected(selection.period, Some(only(Dimension::Service, "SMS")));
    assert_ne!(
        other.fingerprint().unwrap(),
        selection.fingerprint().unwrap()
    );
    let invoice = r#"{"period":{"preset":"LAST_MONTH"},"tax":19}"#;
    assert!(serde_json::from_str::<Selection>(invoice).is_err());
}

#[test]
fn records_of_a_period() {
    let selection = selected(october().period, Some(only(Dimension::Service, "DATA")));
    let plan = plan_records(&staff(), &selection, &Inventory::default(), now());
    insta::assert_snapshot!(plan.unwrap().sql());
}

#[test]
fn records_of_a_customer_with_grants_by_country_and_what_sims_are_now() {
    let segment = Segment {
        within: Some(CustomerId::new(id(2))),
        sims: [SimId::new(id(4)), SimId::new(id(5))].into(),
        ..Segment::default()
    };
    let states = SimFilter::Is(SimCondition::States(vec![SimState::Active]).into());
    let filter = Filter::And(vec![
        only(Dimension::Country, "DE"),
        Condition::Sim(states).into(),
        only(Dimension::SimState, "ACTIVE"),
    ]);
    let selection = selected(october().period, Some(filter));
    let needs = selection.by(&[], &[Measure::Records]).needs(None);
    let found = needs.into_iter().map(|need| {
        let words: Carried = [(id(4), "ACTIVE")].into_iter().collect();
        (need, words)
    });
    let inventory = Inventory::new(found.collect());
    let scope = customer(segment, Visibility::ALL);
    let plan = plan_records(&scope, &selection, &inventory, now());
    insta::assert_snapshot!(plan.unwrap().sql());
}

#[test]
fn records_that_may_have_expired_are_refused_with_the_period_that_would_do() {
    let refused = |from: &str, to: &str| {
        let selection = selected(between(from, to), None);
        let plan = plan_records(&staff(), &selection, &Inventory::default(), now());
        let error = plan.expect_err("too old");
        assert_eq!((error.code(), field(&error)), (Code::NotExact, "period"));
        let period = error.details().and_then(|details| details.period);
        period.map(|period| [period.from(), period.to()])
    };
    let (kept, to) = ("2025-10-30T00:00:00Z", "2026-11-01T00:00:00Z");
    assert_eq!(
        refused("2025-01-01T00:00:00Z", to),
        Some([at(kept), at(to)])
    );
    assert_eq!(
        refused("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z"),
        None
    );
    let selection = selected(between(kept, to), None);
    assert!(plan_records(&staff(), &selection, &Inventory::default(), now()).is_ok());
}

#[test]
fn records_tell_nothing_of_what_is_closed() {
    let no_sims = of_customer(Visibility {
        sims: false,
        ..Visibility::ALL
    });
    let planned = |scope: &Scope, filter: Option<Filter>| {
        let selection = selected(october().period, filter);
        plan_records(scope, &selection, &Inventory::default(), now())
    };
    let sql = planned(&no_sims, None).unwrap().sql().to_owned();
    assert!(sql.contains("ORDER BY customer, start, identity"), "{sql}");
    let by_sim = only(Dimension::Sim, Key::Id(id(4)));
    let error = planned(&no_sims, Some(by_sim)).expect_err("closed");
    assert_eq!((error.code(), field(&error)), (Code::Forbidden, "filter"));
    let closed = of_customer(Visibility::DEVICES_ONLY);
    let error = planned(&closed, None).expect_err("closed");
    assert_eq!(error.code(), Code::Forbidden);
}

#[test]
fn the_coarsest_exact_cubes_are_taken() {
    use Level::{Day, Hour, Month, Year};
    let year = ("2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z");
    let month = ("2026-02-01T00:00:00Z", "2026-12-01T00:00:00Z");
    let day = ("2026-02-02T00:00:00Z", "2026-12-01T00:00:00Z");
    let hour = ("2026-02-01T00:00:00Z", "2026-12-01T07:00:00Z");
    let berlin = ("2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z");
    for ((from, to), zone, grain, levels) in [
        (year, "UTC", None, &[Year][..]),
        (year, "UTC", Some(Grain::Year), &[Year]),
        (year, "UTC", Some(Grain::Quarter), &[Month]),
        (year, "UTC", Some(Grain::Month), &[Month]),
        (year, "UTC", Some(Grain::Week), &[Day]),
        (year, "UTC", Some(Grain::Day), &[Day]),
        (year, "UTC", Some(Grain::Hour), &[Hour]),
        (month, "UTC", None, &[Month]),
        (month, "UTC", Some(Grain::Year), &[Month]),
        (day, "UTC", Some(Grain::Month), &[Month, Day]),
        (day, "UTC", None, &[Month, Day]),
        (hour, "UTC", None, &[Month, Hour]),
        (hour, "UTC", Some(Grain::Day), &[Day, Hour]),
        (berlin, "Europe/Berlin", None, &[Month, Day, Hour]),
        (berlin, "Europe/Berlin", Some(Grain::Month), &[Day, Hour]),
        (berlin, "Europe/Berlin", Some(Grain::Day), &[Hour]),
    ] {
        let question = CubeQuery {
            time_zone: zone.parse().unwrap(),
            group_by: grain.map(Group::Time).into_iter().collect(),
            ..bytes(from, to)
        };
        let plan = planned(&staff(), &question).unwrap();
        let tables: Vec<_> = levels
            .iter()
            .map(|it| Table::Cube(Cube::Small(*it)))
            .collect();
        assert_eq!(plan.tables(), tables, "{from} {to} {grain:?}");
    }
}

#[test]
fn the_small_cube_is_taken_unless_something_names_sims_or_devices() {
    let full_month = Table::Cube(Cube::Full(Level::Month));
    let grouped = |dimension| by(&[Group::Dimension(dimension)]);
    let filtered = |dimension, value: Key| of(Filter::Not(Box::new(only(dimension, value))));
    let counted = CubeQuery {
        measures: vec![Measure::Records, Measure::ActiveSims],
        ..october()
    };
    let current = CubeQuery {
        attribution: Attribution::Current,
        ..grouped(Dimension::Customer)
    };
    for (question, table) in [
        (october(), SMALL_MONTH),
        (grouped(Dimension::Network), SMALL_MONTH),
        (grouped(Dimension::Country), SMALL_MONTH),
        (grouped(Dimension::Customer), SMALL_MONTH),
        (grouped(Dimension::RadioAccessType), SMALL_MONTH),
        (grouped(Dimension::Service), SMALL_MONTH),
        (grouped(Dimension::Stream), SMALL_MONTH),
        (grouped(Dimension::Sim), full_month),
        (grouped(Dimension::Device), full_month),
        (grouped(Dimension::SimState), full_month),
        (by(&[Group::SimLabel("tier".into())]), full_month),
        (by(&[Group::DeviceLabel("site".into())]), full_month),
        (current, full_month),
        (filtered(Dimension::Network, "262-02".into()), SMALL_MONTH),
        (filtered(Dimension::Customer, Key::None), SMALL_MONTH),
        (filtered(Dimension::Sim, Key::Id(id(4))), full_month),
        (filtered(Dimension::Device, Key::None), full_month),
        (counted, full_month),
        (sorted(OrderBy::Measure(Measure::ActiveSims)), full_month),
        (which(is(Measure::AverageBytesPerSim)), full_month),
        (which(is(Measure::AverageBytesPerRecord)), SMALL_MONTH),
    ] {
        let plan = planned(&staff(), &question).unwrap();
        assert_eq!(plan.tables(), [table], "{question:?}");
        assert_eq!(plan.sql().contains("FROM usage_month"), table == full_month);
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
    for (segments, is_small) in [(&small[..], true), (&full[..], false)] {
        for segment in segments {
            for role in [Role::Viewer, Role::CustomerUser] {
                let scope = scope(role, segment.clone(), Visibility::ALL);
                let plan = planned(&scope, &october()).unwrap();
                assert_eq!(
                    plan.tables() == [SMALL_MONTH],
                    is_small,
                    "{role} {segment:?}"
                );
                // The watermark too is of what the caller may see.
                let reads = plan.sql().matches("FROM usage_small").count();
                assert_eq!(reads, if is_small { 2 } else { 0 }, "{}", plan.sql());
            }
        }
    }
}

#[test]
fn parts_of_hours_are_counted_from_records_while_these_are_kept() {
    let days_ago = |days| now() - TimeDelta::days(days) + TimeDelta::minutes(30);
    let question = |days| {
        let (from, to) = (days_ago(days), now());
        let align = Alignment::Exact;
        CubeQuery::of(&[Measure::BytesTotal], Span::Between { from, to, align })
    };
    let kept = planned(&staff(), &question(390)).unwrap();
    assert_eq!(kept.tables().last(), Some(&Table::Records));
    assert_eq!(kept.period().from(), days_ago(390));

    let refused = planned(&staff(), &question(391)).unwrap_err();
    assert_eq!(
        (refused.code(), field(&refused)),
        (Code::NotExact, "period")
    );
    let hours = Period::new(days_ago(391) - TimeDelta::minutes(30), now()).unwrap();
    assert_eq!(refused.details().and_then(|it| it.period), Some(hours));

    // A tenant that keeps them for less, and one that kept them for less until lately.
    let kept_from = |retention: Retention, days| {
        let scope = staff().under(Settings {
            records: retention,
            ..Settings::default()
        });
        planned(&scope, &question(days)).map_err(|refused| refused.code())
    };
    let less = Retention::new(60, None);
    assert!(kept_from(less, 50).is_ok());
    assert_eq!(kept_from(less, 51).err(), Some(Code::NotExact));
    let more = Retention::new(1_000, Some(now() - TimeDelta::days(30)));
    assert!(kept_from(more, 30).is_ok());
    assert_eq!(kept_from(more, 31).err(), Some(Code::NotExact));

    // Days of India begin within hours of UTC.
    let days = CubeQuery {
        time_zone: "Asia/Kolkata".parse().unwrap(),
        group_by: vec![Group::Time(Grain::Day)],
        ..bytes("2024-12-31T18:30:00Z", "2025-12-31T18:30:00Z")
    };
    assert_eq!(code(&staff(), &days), Some(Code::NotExact));
    // What it is compared with is as old.
    let compared = CubeQuery {
        time_zone: "Asia/Kolkata".parse().unwrap(),
        period: Span::Preset(Preset::ThisQuarter),
        compare_to: Some(Comparison::PreviousYear),
        ..october()
    };
    assert_eq!(code(&staff(), &compared), Some(Code::NotExact));
}

#[test]
fn parts_of_seconds_are_refused_with_the_hours_that_would_do() {
    let question = bytes("2026-10-01T10:30:00Z", "2026-10-01T12:00:00.001Z");
    let refused = planned(&staff(), &question).unwrap_err();
    assert_eq!(
        (refused.code(), field(&refused)),
        (Code::NotExact, "period")
    );
    let details = refused.details().unwrap();
    let hours = Period::new(at("2026-10-01T10:00:00Z"), at("2026-10-01T13:00:00Z"));
    assert_eq!(details.period, hours.ok());
    assert_eq!(
        details.suggestion.as_deref(),
        Some("from 2026-10-01T10:00:00Z to 2026-10-01T13:00:00Z")
    );
    let outward = CubeQuery {
        period: Span::Between {
            from: at("2026-10-01T10:30:00Z"),
            to: at("2026-10-01T12:00:00.001Z"),
            align: Alignment::Outward,
        },
        ..question
    };
    assert_eq!(
        Some(planned(&staff(), &outward).unwrap().period()),
        details.period
    );
}

#[test]
fn bounds_that_would_do_do() {
    let days = |zone: &str, grain: Group, from: &str, to: &str| CubeQuery {
        time_zone: zone.parse().expect("a zone"),
        group_by: vec![grain],
        ..bytes(from, to)
    };
    let (day, hour, year) = (
        Group::Time(Grain::Day),
        Group::TimePart(TimePart::HourOfDay),
        Group::Time(Grain::Year),
    );
    let compared = CubeQuery {
        compare_to: Some(Comparison::PreviousYear),
        ..bytes("2026-11-01T00:00:00.5Z", "2026-11-02T00:00:00Z")
    };
    for (query, expected) in [
        // One day of a zone of half hours, of which no records are kept.
        (
            days(
                "Asia/Kolkata",
                day.clone(),
                "2025-10-01T18:30:00Z",
                "2025-10-02T18:30:00Z",
            ),
            None,
        ),
        (
            days(
                "Asia/Kolkata",
                day.clone(),
                "2025-10-01T18:30:00.5Z",
                "2025-10-02T18:30:00Z",
            ),
            None,
        ),
        (
            days(
                "Asia/Kolkata",
                hour,
                "2025-10-01T18:40:00Z",
                "2025-10-01T18:50:00Z",
            ),
            None,
        ),
        (
            days(
                "Asia/Kolkata",
                day.clone(),
                "2026-11-01T18:30:00.5Z",
                "2026-11-02T18:30:00Z",
            ),
            Some(("2026-11-01T18:30:00Z", "2026-11-02T18:30:00Z")),
        ),
        // A year that began before there were cubes.
        (
            days(
                "Europe/Berlin",
                year,
                "1970-01-01T00:00:00.5Z",
                "1970-01-02T00:00:00Z",
            ),
            Some(("1970-01-01T00:00:00Z", "1970-12-31T23:00:00Z")),
        ),
        (
            days(
                "Europe/Berlin",
                day,
                "2025-10-01T22:10:00Z",
                "2025-10-02T21:50:00Z",
            ),
            Some(("2025-10-01T22:00:00Z", "2025-10-02T22:00:00Z")),
        ),
        (
            compared,
            Some(("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z")),
        ),
    ] {
        let error = planned(&staff(), &query).expect_err("not exact");
        assert_eq!(
            (error.code(), field(&error)),
            (Code::NotExact, "period"),
            "{query:?}"
        );
        let details = error.details().expect("details");
        let expected = expected.map(|(from, to)| Period::new(at(from), at(to)).expect("a period"));
        assert_eq!(details.period, expected, "{query:?}");
        assert!(details.suggestion.is_some(), "{query:?}");
        if let Some(period) = details.period {
            let period = Span::Between {
                from: period.from(),
                to: period.to(),
                align: Alignment::Exact,
            };
            planned(&staff(), &CubeQuery { period, ..query }).expect("exact");
        }
    }
}

#[test]
fn the_ends_of_time_are_planned_or_refused_and_never_panic() {
    let ends = [
        DateTime::<Utc>::MIN_UTC,
        at("0001-01-01T00:00:00Z"),
        at("1970-01-01T00:00:00Z"),
        at("2106-02-07T06:28:15Z"),
        at("2199-01-01T00:00:00Z"),
        DateTime::<Utc>::MAX_UTC,
    ];
    let comparisons = [
        None,
        Some(Comparison::PreviousYear),
        Some(Comparison::PreviousPeriod),
    ];
    for zone in ["UTC", "Pacific/Apia", "America/New_York", "Asia/Kolkata"] {
        for (from, to) in ends.iter().flat_map(|from| ends.map(|to| (*from, to))) {
            for align in [Alignment::Exact, Alignment::Outward] {
                for compare_to in comparisons {
                    for groups in [&[][..], &[Group::Time(Grain::Year)]] {
                        let question = CubeQuery {
                            time_zone: zone.parse().unwrap(),
                            period: Span::Between { from, to, align },
                            compare_to,
                            ..by(groups)
                        };
                        let _ = planned(&staff(), &question);
                    }
                }
            }
        }
        for preset in Preset::VARIANTS {
            let of = |period, compare_to| CubeQuery {
                time_zone: zone.parse().unwrap(),
                period,
                compare_to,
                ..october()
            };
            for now in &ends[2..4] {
                let question = of(Span::Preset(*preset), Some(Comparison::PreviousYear));
                let _ = plan(&staff(), &question, None, &Inventory::default(), *now);
            }
            // What a preset was at a moment: the moment is the caller's.
            for (then, compare_to) in ends.iter().flat_map(|at| comparisons.map(|it| (*at, it))) {
                let period = Span::Preset(*preset).meant_at(then);
                let _ = planned(&staff(), &of(period, compare_to));
            }
        }
    }
}

#[test]
fn a_preset_of_a_moment_that_no_cube_holds_is_refused_with_the_moment() {
    for end in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        for zone in ["Asia/Kolkata", "America/New_York"] {
            let question = CubeQuery {
                time_zone: zone.parse().unwrap(),
                period: Span::Preset(Preset::Last30Days).meant_at(end),
                ..october()
            };
            let refused = planned(&staff(), &question).unwrap_err();
            assert_eq!(
                (refused.code(), field(&refused)),
                (Code::InvalidInput, "period.preset_at.at")
            );
        }
    }
}

#[test]
fn values_never_become_part_of_the_statement() {
    let evil = "'); DROP TABLE cdr; --";
    let question = CubeQuery {
        having: Some(is(Measure::Records)),
        group_by: vec![Group::SimLabel(evil.into())],
        ..of(only(Dimension::Stream, evil))
    };
    let sql = sql(&staff(), &question);
    assert!(!sql.contains("DROP"), "{sql}");
    assert!(sql.contains("tenant = {p0:UUID}") && !sql.contains(&id(1).to_string()));
}

#[test]
fn a_caller_with_nothing_assigned_sees_nothing() {
    let sql = sql(&customer(Segment::default(), Visibility::ALL), &october());
    let denied = sql.matches("tenant = {p0:UUID} AND false").count();
    assert_eq!(denied, 2, "{sql}");
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
        let nothing = Filter::Is(Condition::In {
            dimension,
            values: vec![],
        });
        [
            by(&[Group::Dimension(dimension)]),
            of(Filter::Not(Box::new(Filter::Or(vec![nothing])))),
        ]
    };
    let ranked = CubeQuery {
        top: Some(top(0, 1, Measure::ActiveSims)),
        ..by(&[Group::Dimension(Dimension::Country)])
    };
    let current = CubeQuery {
        attribution: Attribution::Current,
        ..october()
    };
    let of_sims = [
        by(&[Group::SimLabel("tier".into())]),
        sorted(OrderBy::Measure(Measure::ActiveSims)),
        which(Having::Not(Box::new(is(Measure::AverageBytesPerSim)))),
        ranked,
        current,
    ];
    let of_sims = of_sims
        .into_iter()
        .chain(ways(Dimension::Sim))
        .chain(ways(Dimension::SimState))
        .chain(ways(Dimension::SimCustomerNow));
    for question in of_sims {
        let [open, closed] = [sims, devices].map(|it| code(&of_customer(it), &question));
        assert_eq!(
            (open, closed),
            (None, Some(Code::Forbidden)),
            "{question:?}"
        );
    }
    let of_devices = [by(&[Group::DeviceLabel("site".into())])];
    for question in of_devices.into_iter().chain(ways(Dimension::Device)) {
        let [open, closed] = [devices, sims].map(|it| code(&of_customer(it), &question));
        assert_eq!(
            (open, closed),
            (None, Some(Code::Forbidden)),
            "{question:?}"
        );
    }
    let parents = |dimension| {
        let ids = [Key::Id(id(4))];
        let parents = Parents::of(dimension, &ids);
        let inventory = Inventory::default();
        let scope = of_customer(usage_only);
        let plan = plan(&scope, &october(), Some(parents), &inventory, now());
        plan.err().map(|error| error.code())
    };
    assert_eq!(parents(Dimension::Sim), Some(Code::Forbidden));
    assert_eq!(parents(Dimension::Device), Some(Code::Forbidden));
    assert_eq!(parents(Dimension::Customer), None);
    assert_eq!(code(&of_customer(usage_only), &october()), None);
    let devices_only = of_customer(Visibility::DEVICES_ONLY);
    assert_eq!(code(&devices_only, &october()), Some(Code::Forbidden));
}

#[test]
fn a_closed_measure_is_left_out_and_reads_nothing() {
    let usage_only = Visibility {
        usage: true,
        ..Visibility::default()
    };
    let question = CubeQuery {
        measures: vec![
            Measure::ActiveSims,
            Measure::Records,
            Measure::AverageBytesPerSim,
        ],
        ..october()
    };
    let plan = planned(&of_customer(usage_only), &question).unwrap();
    assert_eq!(plan.tables(), [SMALL_MONTH]);
    assert!(!plan.sql().contains("sim"), "{}", plan.sql());
}

#[test]
fn an_ingest_token_reads_nothing() {
    let scope = scope(Role::Ingest, Segment::default(), Visibility::ALL);
    assert_eq!(code(&scope, &october()), Some(Code::Forbidden));
}

/// Something in as many levels.
fn deep<T>(levels: usize, innermost: T, wrap: impl Fn(Box<T>) -> T) -> T {
    (1..levels).fold(innermost, |inner, _| wrap(Box::new(inner)))
}

#[test]
fn too_much_is_refused_with_the_field() {
    let country = Group::Dimension(Dimension::Country);
    let many: Vec<Group> = (0..40).map(|n| Group::SimLabel(n.to_string())).collect();
    let long = "x".repeat(1_000_000);
    let values = Filter::Is(Condition::In {
        dimension: Dimension::Stream,
        values: (0..=UsageLimits::VALUES)
            .map(|n| Key::Text(n.to_string()))
            .collect(),
    });
    let wide = vec![only(Dimension::Stream, "x"); MAX_CONDITIONS];
    let limited = |limit, offset| CubeQuery {
        limit,
        offset,
        ..by(std::slice::from_ref(&country))
    };
    let orders = CubeQuery {
        order_by: sorted(OrderBy::Measure(Measure::Records))
            .order_by
            .repeat(9),
        ..october()
    };
    let ranked = CubeQuery {
        top: Some(top(0, 10_001, Measure::Records)),
        ..by(std::slice::from_ref(&country))
    };
    let hours = CubeQuery {
        group_by: vec![Group::Time(Grain::Hour)],
        ..bytes("2025-01-01T00:00:00Z", "2026-03-01T00:00:00Z")
    };
    let stream = || only(Dimension::Stream, "x");
    for (question, at) in [
        (limited(Some(10_001), 0), "limit"),
        (limited(Some(1), 10_000), "limit"),
        (limited(None, 10_001), "offset"),
        (limited(Some(u32::MAX), u32::MAX), "limit"),
        (by(&many), "group_by"),
        (by(&[Group::SimLabel(long.clone())]), "group_by.0.sim_label"),
        (by(&[Group::DeviceLabel(long)]), "group_by.0.device_label"),
        (of(deep(100, stream(), Filter::Not)), "filter"),
        (of(deep(1_000, stream(), Filter::Not)), "filter"),
        (of(Filter::Or(wide)), "filter"),
        (of(values), "filter"),
        (
            which(deep(100, is(Measure::Records), Having::Not)),
            "having",
        ),
        (
            which(Having::Or(vec![is(Measure::Records); MAX_CONDITIONS])),
            "having",
        ),
        (orders, "order_by"),
        (ranked, "top.n"),
        (hours, "period"),
    ] {
        let refused = planned(&staff(), &question).unwrap_err();
        assert_eq!(
            (refused.code(), field(&refused)),
            (Code::LimitExceeded, at),
            "{refused}"
        );
        let details = refused.details().unwrap();
        assert!(
            details.actual > details.limit && details.limit.is_some(),
            "{refused}"
        );
    }
    let most = of(deep(MAX_LEVELS, stream(), Filter::Not));
    assert_eq!(code(&staff(), &most), None);
}

#[test]
fn rows_are_shared_among_parents() {
    let ids: Vec<Key> = (1..=20).map(|n| Key::Id(id(n))).collect();
    let ask = |ids: &[Key], query: &CubeQuery| {
        let parents = Parents::of(Dimension::Customer, ids);
        let plan = plan(&staff(), query, Some(parents), &Inventory::default(), now());
        plan.err().map(|error| error.code())
    };
    let limited = |limit, offset| CubeQuery {
        limit,
        offset,
        ..by(&[Group::Dimension(Dimension::Country)])
    };
    assert_eq!(ask(&ids, &limited(None, 0)), None);
    assert_eq!(ask(&ids, &limited(Some(500), 0)), None);
    assert_eq!(ask(&ids, &limited(None, 499)), None);
    assert_eq!(ask(&ids, &limited(None, 500)), Some(Code::LimitExceeded));
    assert_eq!(ask(&ids, &limited(Some(501), 0)), Some(Code::LimitExceeded));
    assert_eq!(ask(&ids, &limited(Some(500), 1)), Some(Code::LimitExceeded));
    assert_eq!(ask(&ids, &limited(None, 501)), Some(Code::LimitExceeded));
    // Beside the largest of a group, each bucket of time has a row of others: 31 days here.
    let beside = |limit| CubeQuery {
        limit,
        top: Some(top(1, 3, Measure::Records)),
        others: true,
        ..by(&[
            Group::Time(Grain::Day),
            Group::Dimension(Dimension::Country),
        ])
    };
    assert_eq!(ask(&ids, &beside(None)), None);
    assert_eq!(ask(&ids, &beside(Some(469))), None);
    assert_eq!(ask(&ids, &beside(Some(470))), Some(Code::LimitExceeded));
    // The whole is one row, however many there are.
    let many: Vec<Key> = (1..=1_000).map(|n| Key::Id(id(n))).collect();
    assert_eq!(ask(&many, &october()), None);
    let too_many: Vec<Key> = (1..=1_001).map(|n| Key::Id(id(n))).collect();
    assert_eq!(ask(&too_many, &october()), Some(Code::LimitExceeded));
}

#[test]
fn a_question_alone_says_how_many_rows_there_can_be() {
    let country = || Group::Dimension(Dimension::Country);
    let day = || Group::Time(Grain::Day);
    let of = |groups: &[Group], change: fn(&mut CubeQuery)| {
        let mut query = by(groups);
        change(&mut query);
        query.most_rows()
    };
    assert_eq!(of(&[], |_| {}), 1);
    assert_eq!(of(&[country()], |_| {}), 250);
    assert_eq!(of(&[Group::Dimension(Dimension::Sim)], |_| {}), 10_000);
    assert_eq!(of(&[country()], |query| query.limit = Some(20)), 20);
    // Parts of October at both ends, and whole days around it.
    assert!((31..=37).contains(&of(&[day()], |_| {})));
    let parts = [TimePart::DayOfWeek, TimePart::HourOfDay].map(Group::TimePart);
    assert_eq!(of(&parts, |_| {}), 168);
    let largest = of(&[day(), country()], |query| {
        query.top = Some(top(1, 3, Measure::Records));
        query.others = true;
    });
    assert!((4 * 31..=4 * 37).contains(&largest), "{largest}");
}

#[test]
fn nonsense_is_refused() {
    let network = Group::Dimension(Dimension::Network);
    let of_time = CubeQuery {
        top: Some(top(1, 3, Measure::Records)),
        ..by(&[network.clone(), Group::TimePart(TimePart::DayOfWeek)])
    };
    let of_no_group = CubeQuery {
        top: Some(top(1, 3, Measure::Records)),
        ..by(std::slice::from_ref(&network))
    };
    let measures = |measures: &[Measure]| CubeQuery {
        measures: measures.to_vec(),
        ..october()
    };
    for (question, at) in [
        (measures(&[]), "measures"),
        (
            measures(&[Measure::Units, Measure::Records, Measure::Units]),
            "measures.2",
        ),
        (by(&[network.clone(), network.clone()]), "group_by.1"),
        (
            by(&[Group::SimLabel("a".into()), Group::SimLabel("a".into())]),
            "group_by.1",
        ),
        (
            by(&[Group::Time(Grain::Day), Group::Time(Grain::Month)]),
            "group_by.1.time",
        ),
        (sorted(OrderBy::Group(0)), "order_by.0.by.group"),
        (
            by(&[Group::SimLabel("a\0b".into())]),
            "group_by.0.sim_label",
        ),
        (of_time, "top.group"),
        (of_no_group, "top.group"),
        (
            bytes("2026-11-01T00:00:00Z", "2026-10-01T00:00:00Z"),
            "period.between.to",
        ),
        (
            bytes("2026-11-01T00:00:00Z", "2026-11-01T00:00:00Z"),
            "period.between.to",
        ),
        (
            bytes("1800-01-01T00:00:00Z", "2100-01-01T00:00:00Z"),
            "period",
        ),
        (
            bytes("2000-01-01T00:00:00Z", "2300-01-01T00:00:00Z"),
            "period",
        ),
        (of(only(Dimension::Sim, "x")), "filter"),
        (of(only(Dimension::Sim, Key::None)), "filter"),
        (of(only(Dimension::Network, Key::Id(id(1)))), "filter"),
        (of(only(Dimension::Network, Key::Number(1))), "filter"),
        (of(only(Dimension::Customer, Key::Moment(now()))), "filter"),
        (of(only(Dimension::Network, "a\0b")), "filter"),
        (
            of(only(Dimension::Network, "x".repeat(201).as_str())),
            "filter",
        ),
    ] {
        let refused = planned(&staff(), &question).unwrap_err();
        assert_eq!(
            (refused.code(), field(&refused)),
            (Code::InvalidInput, at),
            "{refused}"
        );
    }
    let unassigned = of(only(Dimension::Customer, Key::None));
    assert_eq!(code(&staff(), &unassigned), None);
}

#[test]
fn what_stands_for_none_in_the_cubes_is_nobodys_id() {
    for dimension in [Dimension::Customer, Dimension::Sim, Dimension::Device] {
        let sql = sql(&staff(), &of(only(dimension, Key::Id(Uuid::nil()))));
        assert!(sql.contains("AND false"), "{sql}");
    }
}

#[test]
fn a_question_is_the_same_wherever_it_is_kept() {
    let question = CubeQuery {
        filter: Some(Filter::Not(Box::new(only(Dimension::Country, "DE")))),
        having: Some(is(Measure::Units)),
        compare_to: Some(Comparison::PreviousYear),
        ..by(&[Group::Time(Grain::Quarter), Group::SimLabel("tier".into())])
    };
    let text = serde_json::to_string(&question).unwrap();
    for part in [
        r#""filter":{"not":{"in":{"dimension":"COUNTRY","values":[{"text":"DE"}]}}}"#,
        r#""having":{"measure":{"by":"UNITS","comparator":"gt","bound":"1.50"}}"#,
    ] {
        assert!(text.contains(part), "{text}");
    }
    let kept: CubeQuery = serde_json::from_str(&text).unwrap();
    assert_eq!(kept, question);
    assert_eq!(kept.fingerprint().unwrap(), question.fingerprint().unwrap());
    assert_ne!(
        kept.fingerprint().unwrap(),
        october().fingerprint().unwrap()
    );
    // The same in every version: another one is another question to whoever kept it.
    let hash = |question: &CubeQuery| {
        let hash = question.fingerprint().unwrap();
        hash.map(|byte| format!("{byte:02x}")).concat()
    };
    assert_eq!(
        [hash(&question), hash(&october())],
        [
            "de0bb5eb61978807119304ce7f3dc697ed278438ac3c152614582e8d95d6d086",
            "99e9e3cd104796f9e3fc2444756e602adbae411f946535c4b0bedcb926d65003",
        ]
    );
    let least = r#"{"measures":["RECORDS"],"period":{"preset":"LAST_24_HOURS"}}"#;
    let least: CubeQuery = serde_json::from_str(least).unwrap();
    let period = Span::Preset(Preset::Last24Hours);
    assert_eq!(least, CubeQuery::of(&[Measure::Records], period));
    for wrong in [
        r#"{"measures":["RECORDS"],"period":{"preset":"LAST_24_HOURS"},"group":[]}"#,
        r#"{"measures":["COST"],"period":{"preset":"LAST_24_HOURS"}}"#,
        r#"{"measures":["RECORDS"],"period":{"preset":"LAST_24_HOURS"},"time_zone":"Mars/Olympus"}"#,
    ] {
        assert!(serde_json::from_str::<CubeQuery>(wrong).is_err(), "{wrong}");
    }
}

/// A question to sessions.
fn of_sessions(query: CubeQuery) -> CubeQuery {
    CubeQuery {
        source: Source::Session,
        ..query
    }
}

#[test]
fn sessions_begun_by_network_and_part_of_an_hour() {
    let question = of_sessions(CubeQuery {
        measures: vec![Measure::Sessions, Measure::AverageBytesPerSim],
        period: between("2026-11-20T10:00:00Z", "2026-11-21T10:30:00Z"),
        ..by(&[
            Group::Dimension(Dimension::Network),
            Group::TimePart(TimePart::HourOfDay),
        ])
    });
    insta::assert_snapshot!(sql(&staff(), &question));
}

#[test]
fn rollups_are_asked_as_long_as_the_tenant_keeps_them() {
    let days = |days| Settings {
        sessions: SessionRetention::new(days, None),
        ..Settings::default()
    };
    let half = of_sessions(bytes("2026-11-10T00:30:00Z", "2026-11-20T00:00:00Z"));
    assert_eq!(code(&staff(), &half), Some(Code::NotExact));
    assert_eq!(code(&staff().under(days(14)), &half), None);
    let whole = of_sessions(bytes("2026-11-10T00:00:00Z", "2026-11-20T00:00:00Z"));
    assert_eq!(code(&staff(), &whole), None, "cubes are kept for ever");
}

#[test]
fn what_a_source_does_not_know_is_refused_wherever_it_is_named() {
    let service = Group::Dimension(Dimension::Service);
    let measures = |measures: &[Measure]| CubeQuery {
        measures: measures.to_vec(),
        ..october()
    };
    let largest = CubeQuery {
        top: Some(top(0, 3, Measure::Units)),
        ..by(&[Group::Dimension(Dimension::Network)])
    };
    let questions = [
        (
            by(&[Group::Time(Grain::Day), service]),
            "SERVICE",
            "group_by.1",
        ),
        (of(only(Dimension::Stream, "a")), "STREAM", "filter"),
        (
            measures(&[Measure::Records, Measure::Units]),
            "UNITS",
            "source",
        ),
        (which(is(Measure::Units)), "UNITS", "having"),
        (
            sorted(OrderBy::Measure(Measure::Units)),
            "UNITS",
            "order_by.0",
        ),
        (largest, "UNITS", "top.by"),
    ];
    for (question, name, place) in questions {
        assert_eq!(code(&staff(), &question), None, "{name} of usage records");
        let error = planned(&staff(), &of_sessions(question)).unwrap_err();
        let text = format!("{name} is not known of sessions");
        assert_eq!(
            (error.code(), error.to_string()),
            (Code::InvalidInput, text)
        );
        assert_eq!(field(&error), place);
    }
    for measure in [Measure::Sessions, Measure::Resets] {
        let question = measures(&[measure]);
        assert_eq!(code(&staff(), &of_sessions(question.clone())), None);
        let error = planned(&staff(), &question).unwrap_err();
        let text = format!("{} is not known of usage records", measure.as_ref());
        assert_eq!(
            (error.code(), error.to_string()),
            (Code::InvalidInput, text)
        );
        let suggestion = error
            .details()
            .and_then(|details| details.suggestion.as_deref());
        assert_eq!(suggestion, Some("ask for it with source SESSION"));
    }
    let ids = [Key::from("DATA")];
    let parents = Parents::of(Dimension::Service, &ids);
    let of_parent = |query: &CubeQuery| {
        let plan = plan(&staff(), query, Some(parents), &Inventory::default(), now());
        plan.err().map(|error| error.code())
    };
    assert_eq!(of_parent(&october()), None);
    assert_eq!(of_parent(&of_sessions(october())), Some(Code::InvalidInput));
}

#[test]
fn sessions_are_closed_where_a_tenant_closes_them() {
    let closed = Visibility {
        sessions: false,
        ..Visibility::ALL
    };
    let error = planned(&of_customer(closed), &of_sessions(october())).unwrap_err();
    assert_eq!((error.code(), field(&error)), (Code::Forbidden, "source"));
    assert_eq!(code(&of_customer(closed), &october()), None);
    let open = of_customer(Visibility::ALL);
    assert_eq!(code(&open, &of_sessions(october())), None);
}

#[test]
fn a_question_about_usage_records_is_kept_as_it_was_before_there_were_sessions() {
    let kept = serde_json::to_value(october()).unwrap();
    assert!(kept.get("source").is_none(), "{kept}");
    let sessions = of_sessions(october());
    let kept = serde_json::to_string(&sessions).unwrap();
    assert!(kept.contains(r#""source":"SESSION""#), "{kept}");
    assert_eq!(serde_json::from_str::<CubeQuery>(&kept).unwrap(), sessions);
    assert_ne!(
        sessions.fingerprint().unwrap(),
        october().fingerprint().unwrap()
    );
}

//! A record counts once, whatever is delivered how often in which order.

use chrono::TimeDelta;
use domain::{
    Clock as _, Code, Period, Role,
    journal::{self, AccountingQuery, FateState, HourOf, Month, Rejection, RejectionFilter},
    list::{List as _, Order},
    paging::PageRequest,
};
use ingest::{
    pipeline::{NoFault, Settings},
    read::BodyLimits,
};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::world::{
    FOREIGN, LONG, Record, SHORT, Totals, World, array, codes, lines, numbers, patient, post_json,
    post_lines, post_stream, record, scope,
};

const USAGE: &str = r#"[{"id": 8201234567, "cost": 0.0123, "sim": {"id": 42, "iccid": "8988303000000000001"},
    "operator": {"id": 3, "name": "Vodafone", "mnc": "02", "country": {"mcc": "262", "name": "Germany"}},
    "traffic_type": {"id": 5, "description": "Data"}, "volume": {"rx": 0.100001, "tx": 1.25, "total": 1.350001},
    "start_timestamp": "2026-03-01T10:00:00Z", "end_timestamp": "2026-03-01T10:00:45.123Z",
    "endpoint": {"id": 5, "name": "meter", "balance": 7.5}}]"#;

const REORDERED: &str = r#"{"end_timestamp": "2026-03-01T10:00:45.123Z", "start_timestamp": "2026-03-01T12:00:00+02:00",
    "endpoint": {"balance": null, "name": "meter", "id": 5}, "quota_id": 9,
    "volume": {"total": 1.350001, "tx": 1.250000, "rx": 0.100001}, "traffic_type": {"id": 5},
    "operator": {"country": {"name": "Germany", "mcc": 262}, "mnc": "02"}, "sim": {"iccid": "89883030000000000015"},
    "id": 8201234567}"#;

#[tokio::test]
async fn vendor_usage_counts_to_the_byte_and_once() {
    let world = World::new().await;
    let intake = world.intake();
    let first = post_stream(&intake, &world.alpha, "main", USAGE)
        .await
        .expect("taken");
    assert_eq!(numbers(&first), [1, 1, 0, 0]);
    let expected = Totals {
        records: 1,
        up: 100_001,
        down: 1_250_000,
        units: 0,
    };
    assert_eq!(world.proved(&world.alpha).await, expected);

    for again in [USAGE, REORDERED] {
        let reply = post_stream(&intake, &world.alpha, "main", again)
            .await
            .expect("taken");
        assert_eq!(numbers(&reply), [1, 0, 1, 0]);
    }
    let other = USAGE
        .replace("1.25,", "1.26,")
        .replace("1.350001", "1.360001");
    let reply = post_stream(&intake, &world.alpha, "main", &other)
        .await
        .expect("taken");
    assert_eq!(codes(&reply), ["CONFLICT"]);
    assert_eq!(world.proved(&world.alpha).await, expected);
    assert_eq!(world.ledger(&world.alpha).await, [4, 1, 2, 1]);
}

#[tokio::test]
async fn one_id_of_two_streams_and_two_tenants_is_four_records() {
    let world = World::new().await;
    let intake = world.intake();
    for (caller, iccid) in [(&world.alpha, LONG), (&world.beta, FOREIGN)] {
        for source in ["pgw-1", "pgw-2"] {
            let record = Record {
                source: source.into(),
                ..record("7", iccid)
            };
            let reply = post_json(&intake, caller, &record.json())
                .await
                .expect("taken");
            assert_eq!(numbers(&reply), [1, 1, 0, 0]);
        }
    }
    let two = Totals {
        records: 2,
        up: 200,
        down: 2_000,
        units: 0,
    };
    assert_eq!(world.proved(&world.alpha).await, two);
    assert_eq!(world.proved(&world.beta).await, two);
}

#[tokio::test]
async fn of_one_identity_twice_in_a_batch_the_first_wins() {
    let world = World::new().await;
    let intake = world.intake();
    let other = Record {
        up: "999".into(),
        ..record("a", LONG)
    };
    let batch = [
        record("a", LONG),
        other.clone(),
        record("b", SHORT),
        record("a", LONG),
    ];
    let reply = post_json(&intake, &world.alpha, &array(&batch))
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [4, 2, 1, 1]);
    assert_eq!(
        (reply.rejections[0].index, codes(&reply)[0]),
        (1, "CONFLICT")
    );
    let again = [other, record("a", LONG), record("c", LONG)];
    let reply = post_json(&intake, &world.alpha, &array(&again))
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [3, 1, 1, 1]);
    let expected = Totals {
        records: 3,
        up: 300,
        down: 3_000,
        units: 0,
    };
    assert_eq!(world.proved(&world.alpha).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn simultaneous_deliveries_of_the_same_records_count_once() {
    let world = World::new().await;
    let limits = BodyLimits {
        batch_records: 50,
        ..BodyLimits::default()
    };
    let intake = world.intake_with(
        Settings {
            limits,
            ..Settings::default()
        },
        NoFault,
    );
    let records: Vec<Record> = (0..400).map(|n| record(n, [LONG, SHORT][n % 2])).collect();
    let deliveries = (0..4).map(|n| {
        let mut records = records.clone();
        records.rotate_left(n * 100);
        if n % 2 == 1 {
            records.reverse();
        }
        let (intake, alpha) = (intake.clone(), world.alpha.clone());
        tokio::spawn(async move { post_lines(&intake, &alpha, &lines(&records)).await })
    });
    let mut accepted = 0;
    for delivery in futures::future::join_all(deliveries).await {
        accepted += delivery.expect("finished").expect("taken").accepted;
    }
    assert_eq!(accepted, 400);
    let expected = Totals {
        records: 400,
        up: 40_000,
        down: 400_000,
        units: 0,
    };
    assert_eq!(world.proved(&world.alpha).await, expected);
    assert_eq!(world.ledger(&world.alpha).await, [1_600, 400, 1_200, 0]);
}

/// Numbers of records in the order of a delivery, and the size of its batches.
type Delivery = (Vec<usize>, usize);

/// Records by number with what they add, and deliveries of them: which, how often, in which order, cut how.
fn deliveries() -> impl Strategy<Value = (Vec<(u32, u32)>, Vec<Delivery>)> {
    let records = proptest::collection::vec((0_u32..5_000_000, 0_u32..5_000_000), 1..25);
    records.prop_flat_map(|records| {
        let some = proptest::collection::vec(0..records.len(), 0..40);
        let all = Just((0..records.len()).collect::<Vec<_>>()).prop_shuffle();
        let order = prop_oneof![some, all.clone()];
        let repeated = proptest::collection::vec((order, 1_usize..12), 0..4);
        let deliveries = (repeated, all, 1_usize..12).prop_map(|(mut repeated, all, cut)| {
            repeated.push((all, cut));
            repeated
        });
        (Just(records), deliveries)
    })
}

#[test]
fn permuted_repeated_and_cut_deliveries_add_up_the_same() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let world = runtime.block_on(World::new());
    let cases = std::cell::Cell::new(0_u32);
    let config = ProptestConfig {
        cases: 12,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let result = TestRunner::new(config).run(&deliveries(), |(records, deliveries)| {
        let case = cases.get() + 1;
        cases.set(case);
        let fleet = format!(
            "iccid,state\n{:019},ACTIVE\n",
            8_988_303_000_000_100_000_u64 + u64::from(case)
        );
        let iccid = fleet
            .lines()
            .nth(1)
            .and_then(|row| row.split(',').next())
            .expect("an ICCID")
            .to_owned();
        let made: Vec<Record> = records
            .iter()
            .enumerate()
            .map(|(n, (up, down))| Record {
                up: up.to_string(),
                down: down.to_string(),
                start: format!(
                    "2026-{:02}-{:02}T{:02}:59:59.999Z",
                    n % 3 + 1,
                    n % 20 + 1,
                    n % 24
                ),
                end: "2026-03-20T23:59:59Z".into(),
                ..record(n, &iccid)
            })
            .collect();
        let (world, fleet) = (&world, &fleet);
        runtime.block_on(async {
            let caller = world.tenant(&format!("case-{case}"), fleet).await;
            for (order, cut) in deliveries {
                let limits = BodyLimits {
                    batch_records: cut,
                    ..BodyLimits::default()
                };
                let intake = world.intake_with(
                    Settings {
                        limits,
                        ..Settings::default()
                    },
                    NoFault,
                );
                let sent: Vec<Record> = order.iter().map(|n| made[*n].clone()).collect();
                let reply = post_lines(&intake, &caller, &lines(&sent))
                    .await
                    .expect("taken");
                assert_eq!((reply.received, reply.rejected), (order.len() as u64, 0));
            }
            let expected = Totals {
                records: records.len() as u64,
                up: records.iter().map(|(up, _)| u128::from(*up)).sum(),
                down: records.iter().map(|(_, down)| u128::from(*down)).sum(),
                units: 0,
            };
            assert_eq!(world.proved(&caller).await, expected);
        });
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
}

#[tokio::test]
async fn the_fate_of_a_record_and_the_accounting_can_be_asked_for() {
    let world = World::new().await;
    let intake = world.intake();
    let other = Record {
        up: "5".into(),
        ..record("a", LONG)
    };
    let unknown = record("b", "8988303000000009999");
    let batch = [record("a", LONG), other, unknown];
    post_json(&intake, &world.alpha, &array(&batch))
        .await
        .expect("taken");

    let cx = world.db.read(&world.alpha).await.expect("a transaction");
    let fate = journal::fate(&cx, "pgw-1", "a").await.expect("a fate");
    assert_eq!(fate.state, FateState::Accepted);
    assert!(fate.batch.is_some_and(|batch| batch.counted_at.is_some()));
    assert_eq!(fate.rejections[0].code.as_ref(), "CONFLICT");
    let fate = journal::fate(&cx, "pgw-1", "b").await.expect("a fate");
    assert_eq!(
        (fate.state, fate.rejections.len()),
        (FateState::Rejected, 1)
    );
    assert!(fate.rejections[0].raw.contains("8988303000000009999"));
    for (source, id) in [("pgw-2", "a"), ("pgw-1", "\0"), ("", "")] {
        let fate = journal::fate(&cx, source, id).await.expect("a fate");
        assert_eq!(fate.state, FateState::Unknown);
    }

    let day = |text: &str| text.parse().expect("a time");
    let query = |hour_of, from: &str, to: &str| AccountingQuery {
        period: Period::new(day(from), day(to)).expect("a period"),
        hour_of,
        source: Some("pgw-1".into()),
    };
    let by_event = query(
        HourOf::Event,
        "2026-03-15T10:00:00Z",
        "2026-03-15T11:00:00Z",
    );
    let by_receipt = query(
        HourOf::Receipt,
        "2026-03-20T12:00:00Z",
        "2026-03-20T13:00:00Z",
    );
    for query in [by_event, by_receipt] {
        let accounts = journal::accounting(&cx, &query).await.expect("accounts");
        let [account] = &accounts[..] else {
            panic!("one account: {accounts:?}")
        };
        assert_eq!(
            [
                account.received,
                account.accepted,
                account.duplicate,
                account.rejected
            ],
            [3, 1, 0, 2]
        );
        assert_eq!((account.bytes_up, account.bytes_down), (100, 1_000));
    }
    let nothing = query(
        HourOf::Event,
        "2026-03-15T11:00:00Z",
        "2026-03-16T00:00:00Z",
    );
    assert!(
        journal::accounting(&cx, &nothing)
            .await
            .expect("accounts")
            .is_empty()
    );

    let one = |after| PageRequest::relay(Some(1), after, None, None).expect("a page");
    let (all, order) = (RejectionFilter::default(), Order::default());
    let page = Rejection::page(&cx, &all, order, &one(None))
        .await
        .expect("a page");
    assert!(page.has_next && page.rows.len() == 1);
    let after = Some(page.rows[0].0.clone());
    let next = Rejection::page(&cx, &all, order, &one(after))
        .await
        .expect("a page");
    assert!(!next.has_next && next.rows.len() == 1 && next.rows[0].1.id != page.rows[0].1.id);

    let beta = world.db.read(&world.beta).await.expect("a transaction");
    let fate = journal::fate(&beta, "pgw-1", "a").await.expect("a fate");
    assert_eq!((fate.state, fate.rejections.len()), (FateState::Unknown, 0));
    let viewer = scope(world.alpha.tenant(), Role::Viewer);
    let cx = world.db.read(&viewer).await.expect("a transaction");
    let refused = journal::fate(&cx, "pgw-1", "a")
        .await
        .map_err(|error| error.code());
    assert_eq!(refused.err(), Some(Code::Forbidden));
}

#[tokio::test]
async fn a_record_is_known_in_the_next_month_which_intake_opens_by_itself() {
    for sweeps in [false, true] {
        let world = World::new().await;
        let intake = world.intake();
        let sent = lines(&[record(1, LONG), record(2, SHORT)]);
        post_lines(&intake, &world.alpha, &sent)
            .await
            .expect("taken");
        let current = async || {
            let cx = world.db.system().await.expect("system");
            journal::current_month(&cx).await.expect("a month")
        };
        assert_eq!(current().await, Some(Month::of(world.clock.now())));
        world.clock.pass(TimeDelta::days(31));
        let next = Some(Month::of(world.clock.now()));
        assert!(current().await < next);
        if sweeps {
            intake.keep_months().await.expect("opened");
            assert_eq!(current().await, next, "before anything comes");
        }
        let again = post_lines(&intake, &world.alpha, &sent).await;
        assert_eq!(numbers(&again.expect("taken")), [2, 0, 2, 0]);
        assert_eq!(current().await, next);
        let more = post_lines(&intake, &world.alpha, &lines(&[record(3, LONG)])).await;
        assert_eq!(numbers(&more.expect("taken")), [1, 1, 0, 0]);
        assert_eq!(world.proved(&world.alpha).await.records, 3);
    }
}

#[tokio::test]
async fn records_of_more_sources_than_a_tenant_may_name_are_refused() {
    let world = World::new().await;
    let settings = Settings {
        sources: 2,
        ..patient()
    };
    let of = |id: &str, source: &str| Record {
        source: source.into(),
        ..record(id, LONG)
    };
    let first = world.intake_with(settings, NoFault);
    let sent = lines(&[of("1", "a"), of("2", "b"), of("3", "c"), of("4", "a")]);
    let reply = post_lines(&first, &world.alpha, &sent)
        .await
        .expect("taken");
    assert_eq!(numbers(&reply), [4, 3, 0, 1]);
    assert_eq!(codes(&reply), ["TOO_MANY_SOURCES"]);
    // One intake remembers its sources, the other has to ask.
    for intake in [&first, &world.intake_with(settings, NoFault)] {
        let reply = post_lines(intake, &world.alpha, &sent)
            .await
            .expect("taken");
        assert_eq!(numbers(&reply), [4, 0, 3, 1]);
    }
    let foreign = Record {
        source: "c".into(),
        ..record(1, FOREIGN)
    };
    let reply = post_lines(&first, &world.beta, &lines(&[foreign])).await;
    assert_eq!(numbers(&reply.expect("taken")), [1, 1, 0, 0]);
    assert_eq!(world.ledger(&world.alpha).await, [12, 3, 6, 3]);
    assert_eq!(world.proved(&world.alpha).await.records, 3);
}

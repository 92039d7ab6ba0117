//! States of the usage store that no order of events should leave behind, put there by hand, and what a start makes of them.

use std::time::Duration;

use domain::journal::BatchState;
use ingest::pipeline::{Intake, NoFault, Settings, Standing};
use proptest::{prelude::*, test_runner::TestRunner};

use crate::world::{
    CUBE_TABLES, FOREIGN, LONG, Record, SHORT, Totals, World, impatient, lines, numbers, patient,
    post_lines, record,
};

/// What can be wrong with one of the tables.
#[derive(Clone, Copy, Debug)]
enum Harm {
    /// The records' part never came to be, the cubes' did.
    NoRecords,
    /// Half of the records are gone.
    FewerRecords,
    /// Every record twice, in the records alone.
    RecordsTwice,
    /// The insert was done twice, cubes and all.
    AllTwice,
    /// A cube's part never came to be.
    NoCube(&'static str),
    /// A cube has its part twice.
    CubeTwice(&'static str),
    /// Usage of one customer is another's in a cube, and the totals agree.
    OtherCustomer(&'static str),
}

impl Harm {
    async fn strike(self, world: &World) {
        let columns = "tenant, customer, sim, device, network, rat, service, source, record_id, identity, start, end, \
                       bytes_up, bytes_down, units, sign, batch, received_at, now() + 60, expires";
        match self {
            Self::NoRecords => world.ask("TRUNCATE TABLE cdr").await,
            Self::FewerRecords => {
                let sql = "ALTER TABLE cdr DELETE WHERE cityHash64(record_id) % 2 = 0 SETTINGS mutations_sync = 1";
                world.ask(sql).await
            }
            Self::RecordsTwice => {
                world.ask("CREATE TABLE copy AS cdr").await;
                world
                    .ask(&format!("INSERT INTO copy SELECT {columns} FROM cdr"))
                    .await;
                for partition in ["202602", "202603"] {
                    let sql =
                        format!("ALTER TABLE cdr ATTACH PARTITION ID '{partition}' FROM copy");
                    world.ask(&sql).await;
                }
                world.ask("DROP TABLE copy SYNC").await
            }
            Self::AllTwice => {
                world
                    .ask(&format!("INSERT INTO cdr SELECT {columns} FROM cdr"))
                    .await
            }
            Self::NoCube(cube) => world.ask(&format!("TRUNCATE TABLE {cube}")).await,
            Self::CubeTwice(cube) => {
                world
                    .ask(&format!("INSERT INTO {cube} SELECT * FROM {cube}"))
                    .await
            }
            Self::OtherCustomer(cube) => {
                let other = "toUUID('00000000-0000-7000-8000-00000000abcd')";
                let sql = format!(
                    "INSERT INTO {cube} SELECT * REPLACE ({other} AS customer) FROM {cube} WHERE records > 0 LIMIT 1 \
                     UNION ALL SELECT * REPLACE (-bytes_up AS bytes_up, -bytes_down AS bytes_down, -units AS units, \
                     -records AS records) FROM {cube} WHERE records > 0 LIMIT 1"
                );
                world.ask(&sql).await
            }
        };
    }
}

fn harm() -> impl Strategy<Value = Harm> {
    let cube = proptest::sample::select(&CUBE_TABLES[..]);
    prop_oneof![
        Just(Harm::NoRecords),
        Just(Harm::FewerRecords),
        Just(Harm::RecordsTwice),
        Just(Harm::AllTwice),
        cube.clone().prop_map(Harm::NoCube),
        cube.clone().prop_map(Harm::CubeTwice),
        cube.prop_map(Harm::OtherCustomer),
    ]
}

fn sent() -> Vec<Record> {
    (0..60)
        .map(|n| {
            let day = if n % 3 == 0 {
                "2026-02-27"
            } else {
                "2026-03-15"
            };
            let hour = n % 5 + 10;
            Record {
                start: format!("{day}T{hour}:00:00Z"),
                end: format!("{day}T{hour}:05:00Z"),
                up: format!("{}", n * n),
                ..record(n, [LONG, SHORT][n % 2])
            }
        })
        .collect()
}

/// Every cell of every cube is what its records add up to.
async fn every_cell_agrees(world: &World) {
    let starts = [
        ("hour", "toStartOfHour(start)"),
        ("day", "toStartOfDay(start)"),
        ("month", "toDateTime(toStartOfMonth(start), 'UTC')"),
        ("year", "toDateTime(toStartOfYear(start), 'UTC')"),
    ];
    let full = starts.map(|(grain, start)| (format!("usage_{grain}"), start, "sim, device, "));
    let small = starts.map(|(grain, start)| {
        let cube = format!("usage_small WHERE grain = '{grain}'");
        (cube, start, "")
    });
    for (cube, start, fine) in full.into_iter().chain(small) {
        let key = format!("customer, {fine}network, rat, service, source");
        let sql = format!(
            "SELECT count() FROM (SELECT tenant, period, {key}, sum(up) AS u, sum(down) AS d, sum(n) AS r FROM ( \
             SELECT tenant, {start} AS period, {key}, toInt128(bytes_up) AS up, toInt128(bytes_down) AS down, \
             toInt64(sign) AS n FROM cdr UNION ALL \
             SELECT tenant, period, {key}, -bytes_up, -bytes_down, -records FROM {cube}) \
             GROUP BY tenant, period, {key} HAVING u <> 0 OR d <> 0 OR r <> 0)"
        );
        assert_eq!(world.ask(&sql).await.trim(), "0", "{cube}");
    }
}

#[test]
fn any_harm_to_any_tables_in_any_order_is_healed_by_a_start() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let cases = ProptestConfig {
        cases: 12,
        max_shrink_iters: 8,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(cases).run(&proptest::collection::vec(harm(), 1..4), |harms| {
        runtime.block_on(async {
            let world = World::new().await;
            let intake = world.intake_with(cut(), NoFault);
            let (killed, _) = intake.recover().await.expect("recovered");
            post_lines(&intake, &world.alpha, &lines(&sent()))
                .await
                .expect("taken");
            let expected = world.proved(&world.alpha).await;
            drop((killed, intake));
            for harm in &harms {
                harm.strike(&world).await;
            }
            let intake = world.intake_with(cut(), NoFault);
            recover_and_prove(&world, &intake).await;
            assert_eq!(world.proved(&world.alpha).await, expected, "{harms:?}");
            every_cell_agrees(&world).await;
            let again = post_lines(&intake, &world.alpha, &lines(&sent()))
                .await
                .expect("taken");
            assert_eq!(numbers(&again), [60, 0, 60, 0]);
        });
        Ok(())
    });
    outcome.expect("every state is repaired");
}

fn cut() -> Settings {
    let mut settings = patient();
    settings.limits.batch_records = 25;
    settings
}

/// What a start does, first to what was in flight and then to all the rest.
async fn recover_and_prove(world: &World, intake: &Intake) {
    let _running = intake.recover().await.expect("recovered");
    world.settled(intake).await;
    let repaired = intake.prove().await.expect("proved");
    assert_eq!(repaired.report.count(), 0, "{repaired:?}");
    assert_eq!(intake.standing(), Standing::Sound);
}

#[tokio::test]
async fn a_refused_record_is_quarantined_alone_and_counted_when_the_cause_is_removed() {
    let world = World::new().await;
    let intake = world.intake_with(impatient(), NoFault);
    world
        .ask("ALTER TABLE cdr ADD CONSTRAINT poison CHECK record_id != '7'")
        .await;
    let mine: Vec<Record> = (0..40).map(|n| record(n, LONG)).collect();
    let theirs = [record("b1", FOREIGN), record("b2", FOREIGN)];
    let (my_lines, their_lines) = (lines(&mine), lines(&theirs));
    let (first, other) = tokio::join!(
        post_lines(&intake, &world.alpha, &my_lines),
        post_lines(&intake, &world.beta, &their_lines),
    );
    assert!(first.is_err());
    drop(other);
    let settled = world.settled(&intake).await;
    assert_eq!(settled.quarantined, 1);
    assert_eq!(intake.quarantined().await.expect("asked"), 1);
    // Everybody else's records are counted, and so are its neighbours.
    let intake = world.intake();
    let reply = post_lines(&intake, &world.beta, &lines(&theirs))
        .await
        .expect("taken");
    assert_eq!((reply.duplicate + reply.accepted, reply.pending), (2, 0));
    let expected = Totals {
        records: 39,
        up: 3_900,
        down: 39_000,
        units: 0,
    };
    assert_eq!(world.counted(&world.alpha).await, expected);
    let again = post_lines(&intake, &world.alpha, &lines(&mine))
        .await
        .expect("taken");
    assert_eq!(numbers(&again), [40, 0, 40, 0]);
    assert_eq!(again.pending, 1);
    assert_eq!(
        world.batches(&world.alpha, BatchState::Quarantined).await,
        [1]
    );

    world.ask("ALTER TABLE cdr DROP CONSTRAINT poison").await;
    assert_eq!(intake.release().await.expect("released"), 1);
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await.records, 40);
    let again = post_lines(&intake, &world.alpha, &lines(&mine))
        .await
        .expect("taken");
    assert_eq!(again.pending, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_travelled_with_a_refused_record_is_answered_as_if_it_had_not() {
    let world = World::new().await;
    let intake = world.intake();
    world
        .ask("ALTER TABLE cdr ADD CONSTRAINT poison CHECK record_id != '7'")
        .await;
    // Nothing is under way when the first delivery comes, so it travels alone; the others wait for it, and travel together.
    let settler = intake.clone();
    let settling = tokio::spawn(async move {
        loop {
            settler.settle().await.expect("settled");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let first = lines(&[record("first", LONG)]);
    let poisoned: Vec<Record> = (0..40).map(|n| record(n, LONG)).collect();
    let neighbour = [record("a1", LONG), record("a2", SHORT)];
    let theirs = [record("b1", FOREIGN), record("b2", FOREIGN)];
    let [poisoned, neighbour, theirs] = [&poisoned[..], &neighbour, &theirs].map(lines);
    let (_, mine, beside, other) = tokio::join!(
        post_lines(&intake, &world.alpha, &first),
        post_lines(&intake, &world.alpha, &poisoned),
        post_lines(&intake, &world.alpha, &neighbour),
        post_lines(&intake, &world.beta, &theirs),
    );
    settling.abort();
    for (reply, records, pending) in [(mine, 40, 1), (beside, 2, 0), (other, 2, 0)] {
        let reply = reply.expect("taken");
        assert_eq!(numbers(&reply), [records, records, 0, 0]);
        assert_eq!(reply.pending, pending);
    }
    assert_eq!(world.counted(&world.alpha).await.records, 42);
    assert_eq!(world.counted(&world.beta).await.records, 2);
    assert_eq!(
        world.batches(&world.alpha, BatchState::Quarantined).await,
        [1]
    );
}

/// What makes the engine refuse everything, and what ends it.
const REFUSALS: [[&str; 2]; 2] = [
    [
        "RENAME TABLE usage_day TO gone",
        "RENAME TABLE gone TO usage_day",
    ],
    [
        "ALTER TABLE cdr ADD CONSTRAINT never CHECK throwIf(bytes_up >= 0) = 0",
        "ALTER TABLE cdr DROP CONSTRAINT never",
    ],
];

#[tokio::test]
async fn a_store_that_refuses_everything_quarantines_nothing() {
    for [harm, cure] in REFUSALS {
        let world = World::new().await;
        let intake = world.intake_with(impatient(), NoFault);
        world.ask(harm).await;
        let sent = lines(&[record(1, LONG), record(2, SHORT)]);
        assert!(post_lines(&intake, &world.alpha, &sent).await.is_err());
        for _ in 0..8 {
            let settled = intake.settle().await.expect("settled");
            assert_eq!((settled.quarantined, settled.cut), (0, 0), "{harm}");
        }
        assert!(world.pending(BatchState::Journaled).await[0].attempts > 5);
        world.ask(cure).await;
        world.settled(&intake).await;
        assert_eq!(world.proved(&world.alpha).await.records, 2, "{harm}");
    }
}

#[tokio::test]
async fn a_record_that_is_refused_while_others_are_taken_is_quarantined_whatever_the_engine_says() {
    let world = World::new().await;
    // Long enough for what is taken, on a busy machine too.
    let settings = Settings {
        answer: Duration::from_secs(5),
        ..patient()
    };
    let intake = world.intake_with(settings, NoFault);
    // No code says that it is permanent.
    world
        .ask("ALTER TABLE cdr ADD CONSTRAINT poison CHECK throwIf(record_id = '2') = 0")
        .await;
    let mine: Vec<Record> = (0..4).map(|n| record(n, LONG)).collect();
    let late = post_lines(&intake, &world.alpha, &lines(&mine)).await;
    assert!(late.is_err());
    let (mut quarantined, mut others) = (0, 0);
    while quarantined == 0 {
        assert!(others < 50, "it is not given up");
        quarantined = intake.settle().await.expect("settled").quarantined;
        let good = lines(&[record(format!("good-{others}"), FOREIGN)]);
        let reply = post_lines(&intake, &world.beta, &good).await;
        assert_eq!(numbers(&reply.expect("taken")), [1, 1, 0, 0]);
        others += 1;
    }
    world.settled(&intake).await;
    assert_eq!(
        world.batches(&world.alpha, BatchState::Quarantined).await,
        [1]
    );
    assert_eq!(world.counted(&world.alpha).await.records, 3);
    assert_eq!(world.proved(&world.beta).await.records, others);
}

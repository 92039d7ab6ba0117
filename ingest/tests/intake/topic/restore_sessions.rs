//! Sessions that the usage store lost are made again from the topic of rollups, row by row, or listed.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use domain::{
    Clock as _,
    journal::Kind,
    topic::{self, Reading},
};
use ingest::{
    pipeline::{Intake, NoFault},
    restore::Restored,
    topic::Consumer,
};
use rdkafka::{Offset, TopicPartitionList, admin::AdminOptions};

use super::{
    Topics,
    restore::{TABLES, differences, forgotten, lose, restored, stored},
};
use crate::world::{
    Dice, FOREIGN, LONG, Record, SHORT, Sent, World, logged, plain, post_rollups, record, sent,
    stream,
};

/// Every table of sessions.
const SESSIONS: [&str; 8] = [
    "session_log",
    "session_live",
    "sim_last_seen",
    "session_hour",
    "session_day",
    "session_month",
    "session_year",
    "session_small",
];
const WHY: &str = "its topic does not have all of it";

/// All that the usage store has of sessions, as text.
async fn kept(world: &World) -> Vec<String> {
    let mut kept = vec![log(world, "true").await];
    for table in ["session_live", "sim_last_seen"] {
        let sql = format!("SELECT * FROM {table} FINAL ORDER BY ALL FORMAT TSV");
        kept.push(world.ask(&sql).await);
    }
    for cube in &SESSIONS[3..] {
        let sums = "sum(bytes_up), sum(bytes_down), sum(sessions), sum(resets), sum(records)";
        let (keys, receipt) = match *cube {
            "session_small" => (
                "tenant, grain, period, customer, network, rat",
                "max(received_at)",
            ),
            "session_year" => (
                "tenant, period, customer, sim, device, network, rat",
                "max(received_at)",
            ),
            _ => ("tenant, period, customer, sim, device, network, rat", "0"),
        };
        let sql = format!(
            "SELECT {keys}, {sums}, {receipt} FROM {cube} GROUP BY {keys} ORDER BY ALL FORMAT TSV"
        );
        kept.push(world.ask(&sql).await);
    }
    kept
}

/// The rows of the log that meet a condition.
async fn log(world: &World, which: &str) -> String {
    let sql =
        format!("SELECT * EXCEPT apply_by FROM session_log WHERE {which} ORDER BY ALL FORMAT TSV");
    world.ask(&sql).await
}

/// Topics of rollups that are read in runs of some messages, so that they come to many batches.
async fn topics() -> Topics {
    let mut topics = Topics::of_rollups().await;
    topics.settings.records = 20;
    topics
}

/// Sends rollups in some pieces, one after the other, and waits until each was read.
async fn send(world: &World, topics: &Topics, rollups: &[Sent], pieces: usize) {
    let size = rollups.len().div_ceil(pieces).max(1);
    for piece in rollups.chunks(size) {
        let before = topics.total(world, Reading::Consume).await.read;
        topics.send_all(piece).await;
        topics.until_read(world, before + piece.len() as u64).await;
    }
}

async fn stop(world: &World, intake: &Intake, consumer: Consumer) {
    consumer.stop().await;
    forgotten(world, intake).await;
}

fn missing(restored: &Restored) -> BTreeSet<(String, &'static str)> {
    let left = restored.left.iter();
    left.map(|it| {
        assert_eq!(it.kind, Kind::Session);
        (it.tenant.clone(), it.why)
    })
    .collect()
}

/// What a log had, but for parts of Alpha that are listed.
fn unlisted(world: &World, log: &str, restored: &Restored) -> String {
    let alpha = world.alpha.tenant().uuid().to_string();
    let left = restored.left.iter();
    let listed: Vec<String> = left.map(|it| it.batch.uuid().to_string()).collect();
    let lines = log.lines().filter(|line| {
        let is_listed = listed.iter().any(|batch| line.contains(batch));
        !(is_listed && line.starts_with(&alpha))
    });
    lines.map(|line| format!("{line}\n")).collect()
}

/// How many rollups of sessions the log has.
async fn arrived<const N: usize>(world: &World, sessions: [&str; N]) -> [u64; N] {
    let mut counts = [0; N];
    for (count, session) in counts.iter_mut().zip(sessions) {
        let sql = format!(
            "SELECT sum(arrived) FROM session_log WHERE session_id = '{session}' FORMAT TSV"
        );
        *count = world.ask(&sql).await.trim().parse().expect("a number");
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_were_lost_come_back_row_by_row_from_their_topic() {
    let (world, mut topics) = tokio::join!(World::new(), topics());
    let (intake, consumer) = topics.reads(&world, NoFault);
    let mut dice = Dice(31);
    let truth = stream(&mut dice, 260);
    let of_beta = stream(&mut dice, 60).into_iter().map(|sent| Sent {
        iccid: FOREIGN.into(),
        ..sent
    });
    // Any order, so that most are late, and some twice, also in one batch.
    let mut all = dice.shuffled(&[&truth[..], &of_beta.collect::<Vec<_>>()].concat());
    all.extend_from_slice(&dice.shuffled(&truth)[..60]);
    let all = dice.shuffled(&all);
    let now = world.clock.now();
    let odd = |name: &str, iccid: &str, at| Sent {
        at,
        iccid: iccid.into(),
        ..sent(name, 0, 100)
    };
    // Refused then and not now, refused for good, and nobody's then.
    let (later, unknown) = (now + TimeDelta::minutes(63), "8988303000000300001");
    let refused = [
        odd("soon", LONG, later),
        odd("old", LONG, now - TimeDelta::days(8)),
        odd("whose", unknown, now),
    ];
    send(&world, &topics, &refused, 1).await;
    let (first, rest) = all.split_at(all.len() / 3);
    send(&world, &topics, first, 1).await;
    send(&world, &topics, rest, 9).await;
    world.clock.pass(TimeDelta::minutes(10));
    let fleet = format!("iccid,state\n{unknown},ACTIVE\n");
    world.import(&world.alpha, &fleet).await;
    let again = [refused[0].clone(), odd("whose", unknown, later)];
    send(&world, &topics, &again, 1).await;
    stop(&world, &intake, consumer).await;
    let before = kept(&world).await;
    let rows = before[0].lines().count() as u64;
    let counted = [&truth[..], &again].concat();
    assert_eq!(logged(&world, &world.alpha).await, plain(&counted));
    assert_eq!(differences(&world).await, 0);
    // All sessions at once, and in slices of some.
    for (lost, at_once) in [
        (&SESSIONS[..], 500_000),
        (&SESSIONS[..1], 100),
        (&SESSIONS[..4], 500_000),
        (&["session_log", "session_year"][..], 30),
    ] {
        topics.settings.restored = at_once;
        lose(&world, lost).await;
        assert!(differences(&world).await > 0, "{lost:?}");
        let restored = restored(&world, &topics, &intake).await;
        assert_eq!(missing(&restored), BTreeSet::new(), "{lost:?}");
        assert_eq!(restored.from_topics, rows, "{lost:?}");
        assert_eq!(restored.settled.inserted, rows, "{lost:?}");
        assert_eq!(kept(&world).await, before, "{lost:?}");
        assert_eq!(differences(&world).await, 0, "{lost:?}");
        forgotten(&world, &intake).await;
    }
    let again = restored(&world, &topics, &intake).await;
    assert_eq!((again.from_topics, again.settled.inserted), (0, 0));
    // What the log does not keep any more is not made again.
    assert_eq!(intake.forget_passages().await.expect("looked"), 0);
    world.clock.pass(TimeDelta::days(9));
    assert!(intake.forget_passages().await.expect("forgotten") > 3);
    assert_eq!(intake.forget_passages().await.expect("looked"), 0);
}

/// Rollups of a session, five minutes apart.
fn of_session(name: &str, from: u64, count: u64) -> Vec<Sent> {
    let rollups = from..from + count;
    rollups
        .map(|n| sent(name, 5 * n.cast_signed(), 100 * (n + 1)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_topic_lost_the_beginning_of_is_listed_and_nothing_of_it_is_half_there() {
    let (world, topics) = tokio::join!(World::new(), topics());
    let (intake, consumer) = topics.reads(&world, NoFault);
    // The first session loses its beginning, with what stood before the one that is late.
    for rollups in [
        of_session("first", 0, 12),
        of_session("second", 0, 12),
        vec![sent("first", 27, 650)],
        of_session("first", 15, 12),
        of_session("second", 12, 12),
    ] {
        let other = |sent: &Sent| Sent {
            iccid: FOREIGN.into(),
            session: format!("other {}", sent.session),
            ..sent.clone()
        };
        let mut both = rollups.clone();
        both.extend(rollups.iter().filter(|it| it.session != "first").map(other));
        send(&world, &topics, &both, 1).await;
    }
    stop(&world, &intake, consumer).await;
    let before = kept(&world).await;
    let mut list = TopicPartitionList::new();
    for partition in 0..3 {
        list.add_partition_offset(&topics.topic, partition, Offset::Offset(2))
            .expect("a partition");
    }
    let admin = topics.admin();
    let gone = admin.delete_records(&list, &AdminOptions::new()).await;
    gone.expect("gone");
    // Where the cubes may be all that is left, nothing is touched.
    lose(&world, &["session_log"]).await;
    let spared = restored(&world, &topics, &intake).await;
    let why = "not all of the month can be put back, and the cubes may have more of it";
    assert_eq!(missing(&spared), [("alpha".to_owned(), why)].into());
    let of_alpha = format!("tenant = '{}'", world.alpha.tenant().uuid());
    assert_eq!(log(&world, &of_alpha).await, "");
    assert_eq!(kept(&world).await[3..], before[3..]);
    assert_eq!(arrived(&world, ["other second"]).await, [24]);
    forgotten(&world, &intake).await;
    // Where they lost as much, all else comes back.
    lose(&world, &SESSIONS).await;
    let restored_now = restored(&world, &topics, &intake).await;
    assert_eq!(missing(&restored_now), [("alpha".to_owned(), WHY)].into());
    assert!(restored_now.left.len() >= 2, "{:?}", restored_now.left);
    assert_eq!(restored_now.settled.quarantined, 0);
    let there = log(&world, "true").await;
    assert_eq!(there, unlisted(&world, &before[0], &restored_now));
    let [first, second, other] = arrived(&world, ["first", "second", "other second"]).await;
    assert_eq!([second, other], [24, 24]);
    assert!((12..24).contains(&first), "{first}");
    // The cubes are what the log is.
    logged(&world, &world.alpha).await;
    logged(&world, &world.beta).await;
    forgotten(&world, &intake).await;
    let again = restored(&world, &topics, &intake).await;
    assert_eq!(missing(&again), [("alpha".to_owned(), WHY)].into());
    assert_eq!((again.from_topics, again.settled.inserted), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_something_came_to_over_http_is_listed() {
    let (world, topics) = tokio::join!(World::new(), topics());
    let (intake, consumer) = topics.reads(&world, NoFault);
    send(&world, &topics, &of_session("mixed", 0, 6), 1).await;
    let direct = [sent("mixed", 12, 310), sent("direct", 0, 100)];
    let posted = post_rollups(&world, &intake, &world.alpha, &direct).await;
    assert_eq!(posted.expect("taken").accepted, 2);
    // What stands behind it corrects nothing that a topic has, and yet counts less.
    send(&world, &topics, &of_session("mixed", 6, 6), 1).await;
    send(&world, &topics, &[sent("mixed", 13, 320)], 1).await;
    send(&world, &topics, &of_session("pure", 0, 6), 1).await;
    // A delivery of what a topic brought is a duplicate, and changes nothing.
    let posted = post_rollups(&world, &intake, &world.alpha, &of_session("pure", 0, 6)).await;
    assert_eq!(posted.expect("taken").duplicate, 6);
    stop(&world, &intake, consumer).await;
    let before = kept(&world).await;
    lose(&world, &SESSIONS).await;
    let restored = restored(&world, &topics, &intake).await;
    assert_eq!(missing(&restored), [("alpha".to_owned(), WHY)].into());
    let there = log(&world, "true").await;
    assert_eq!(there, unlisted(&world, &before[0], &restored));
    let rollups = arrived(&world, ["mixed", "pure", "direct"]).await;
    assert_eq!(rollups, [12, 6, 0]);
    logged(&world, &world.alpha).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_and_sessions_that_were_lost_at_once_come_back_together() {
    let (world, topics) = tokio::join!(World::new(), topics());
    let of_records = topics.of_records();
    let (intake, consumer) = topics.reads(&world, NoFault);
    let mut dice = Dice(9);
    let rollups = dice.shuffled(&stream(&mut Dice(3), 120));
    let records: Vec<Record> = (0..60).map(|n| record(n, SHORT)).collect();
    of_records.send_all(&records).await;
    send(&world, &topics, &rollups, 4).await;
    of_records.until_read(&world, 60).await;
    stop(&world, &intake, consumer).await;
    let (before, of_cdr) = (kept(&world).await, stored(&world).await);
    let totals = world.proved(&world.alpha).await;
    let rows = before[0].lines().count() as u64 + totals.records;
    lose(&world, &[&SESSIONS[..], &TABLES].concat()).await;
    let restored = restored(&world, &topics, &intake).await;
    assert_eq!(missing(&restored), BTreeSet::new());
    assert_eq!(restored.from_topics, rows);
    assert_eq!(kept(&world).await, before);
    assert_eq!(stored(&world).await, of_cdr);
    assert_eq!(world.proved(&world.alpha).await, totals);
    assert_eq!(differences(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_in_its_order_another_time_is_not_known_any_more() {
    let (world, topics) = tokio::join!(World::new(), topics());
    let (intake, consumer) = topics.reads(&world, NoFault);
    send(&world, &topics, &of_session("s", 0, 12), 2).await;
    consumer.stop().await;
    let cx = world.db.system().await.expect("system");
    let standing = topic::positions(&cx).await.expect("positions");
    let of_topic = standing
        .into_iter()
        .filter(|it| *it.partition.topic == *topics.topic);
    for it in of_topic {
        let next = it.position.next;
        topic::skip(&cx, &it.partition, 0, next)
            .await
            .expect("put back");
    }
    cx.commit().await.expect("committed");
    let consumer = topics.start(&world, &intake);
    let sums = topics.until_read(&world, 24).await;
    assert_eq!((sums.accepted, sums.duplicate), (12, 12));
    stop(&world, &intake, consumer).await;
    let known = "SELECT count(*)::text FROM topic_passage";
    assert_eq!(world.postgres.texts(known), ["0"]);
    lose(&world, &SESSIONS).await;
    let restored = restored(&world, &topics, &intake).await;
    assert_eq!(missing(&restored), [("alpha".to_owned(), WHY)].into());
    assert_eq!(log(&world, "true").await, "");
}

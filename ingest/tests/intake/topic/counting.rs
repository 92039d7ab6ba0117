//! What is read counts once.

use bytes::Bytes;
use domain::{
    Code,
    journal::Kind,
    topic::{self, Digest, Partition, Reading, Way},
};
use ingest::pipeline::{Fetched, NoFault, Step};
use testkit::KafkaServer;

use super::Topics;
use crate::{
    fault::StopAt,
    world::{LONG, Record, SHORT, Totals, World, lines, post_lines, record},
};

fn records(ids: std::ops::Range<usize>) -> Vec<Record> {
    ids.map(|n| record(n, [LONG, SHORT][n % 2])).collect()
}

fn totals(records: u64) -> Totals {
    Totals {
        records,
        up: 100 * u128::from(records),
        down: 1_000 * u128::from(records),
        units: 0,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_while_nobody_read_is_counted_once_beside_http() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    topics.send_all(&records(0..1_000)).await;
    let (intake, consumer) = topics.reads(&world, NoFault);
    let sums = topics.until_read(&world, 1_000).await;
    assert_eq!((sums.decoded, sums.accepted), (1_000, 1_000));
    // What is journaled is not in every cube at once.
    world.settled(&intake).await;
    assert_eq!(world.counted(&world.alpha).await, totals(1_000));
    // The same by HTTP, and once more by topic: one record each.
    let reply = post_lines(&intake, &world.alpha, &lines(&records(990..1_010))).await;
    let reply = reply.expect("taken");
    assert_eq!((reply.accepted, reply.duplicate), (10, 10));
    topics.send_all(&records(995..1_020)).await;
    let sums = topics.until_read(&world, 1_025).await;
    assert_eq!((sums.accepted, sums.duplicate), (1_010, 15));
    consumer.stop().await;
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await, totals(1_020));
    assert_eq!(world.ledger(&world.alpha).await, [1_045, 1_020, 25, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_any_step_loses_nothing_and_reads_nothing_twice() {
    let world = World::new().await;
    for (round, step) in Step::ALL.into_iter().enumerate() {
        let topics = Topics::new().await;
        let iccid = format!("{}", 8_988_303_000_000_200_000_u64 + round as u64);
        let caller = world
            .tenant(step.as_str(), &format!("iccid,state\n{iccid},ACTIVE\n"))
            .await;
        let id = |n: usize| format!("{}-{n}", step.as_str());
        let sent: Vec<Record> = (0..90).map(|n| record(id(n), &iccid)).collect();
        topics.send_all(&sent).await;
        let (stopped, consumer) = topics.reads(&world, StopAt::first(step));
        topics.until_read(&world, 60).await;
        consumer.stop().await;
        drop(stopped);
        let (intake, consumer) = topics.reads(&world, NoFault);
        topics.until_read(&world, 90).await;
        consumer.stop().await;
        intake.recover().await.expect("recovered");
        world.settled(&intake).await;
        let sums = topics.total(&world, Reading::Consume).await;
        assert_eq!(
            (sums.read, sums.accepted, sums.duplicate),
            (90, 90, 0),
            "{step:?}"
        );
        assert_eq!(world.proved(&caller).await, totals(90), "{step:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_share_the_partitions_and_count_once() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let (one, first) = topics.reads(&world, NoFault);
    topics.send_all(&records(0..300)).await;
    topics.until_read(&world, 300).await;
    let (other, second) = topics.reads(&world, NoFault);
    for round in 1..6 {
        topics
            .send_all(&records(round * 300..(round + 1) * 300))
            .await;
    }
    topics.until_read(&world, 1_800).await;
    let shared = async {
        while first.seen().lanes().is_empty()
            || second.seen().lanes().is_empty()
            || first.seen().lanes().len() + second.seen().lanes().len() != 6
        {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(super::PATIENCE, shared)
        .await
        .expect("partitions are shared");
    topics.send_all(&records(1_800..2_100)).await;
    first.stop().await;
    topics.send_all(&records(2_100..2_400)).await;
    let sums = topics.until_read(&world, 2_400).await;
    second.stop().await;
    assert_eq!(
        (sums.read, sums.accepted, sums.duplicate),
        (2_400, 2_400, 0)
    );
    world.settled(&one).await;
    world.settled(&other).await;
    assert_eq!(world.proved(&world.alpha).await, totals(2_400));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_passage_counts_nothing_not_even_a_duplicate() {
    let world = World::new().await;
    let intake = world.intake();
    let partition = Partition {
        cluster: "here".into(),
        topic: "cdr.records".into(),
        number: 0,
    };
    let cx = world.db.system().await.expect("system");
    topic::open(&cx, &partition).await.expect("open");
    cx.commit().await.expect("committed");
    let pass = async |from: i64, offsets: std::ops::Range<usize>| {
        let to = i64::try_from(offsets.end).expect("small");
        let messages = records(offsets).into_iter().enumerate();
        let first = to - i64::try_from(messages.len()).expect("small");
        let messages = messages.map(|(n, record)| Fetched {
            offset: first + i64::try_from(n).expect("small"),
            key: Some(Bytes::from(record.iccid.clone())),
            payload: Some(Bytes::from(record.json())),
        });
        let digest = Digest::of(None, None);
        let way = Way::Consume {
            from,
            to,
            digest,
            end: to,
        };
        let passing = intake
            .pass(&partition, Kind::Cdr, way, messages.collect())
            .await;
        passing.expect("in line").outcome().await
    };
    assert_eq!(pass(-1, 0..10).await.expect("counted").accepted, 10);
    // Another reader that overlaps, one that is behind, and one that is ahead.
    for (from, offsets) in [(-1, 0..10), (5, 5..15), (12, 12..20)] {
        let error = pass(from, offsets).await.expect_err("stale");
        assert_eq!(error.code(), Code::Conflict);
    }
    assert_eq!(world.ledger(&world.alpha).await, [10, 10, 0, 0]);
    assert_eq!(pass(10, 10..20).await.expect("counted").accepted, 10);
    assert_eq!(world.proved(&world.alpha).await, totals(20));
    let cx = world.db.system().await.expect("system");
    let sums = topic::sums(&cx).await.expect("sums");
    let [(_, Reading::Consume, sums)] = &sums[..] else {
        panic!("one account: {sums:?}")
    };
    assert_eq!((sums.read, sums.accepted), (20, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_took_back_is_not_read_and_markers_are_no_gap() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    topics.transact(&records(0..10), true).await;
    topics.transact(&records(10..20), false).await;
    let (intake, consumer) = topics.reads(&world, NoFault);
    topics.until_read(&world, 10).await;
    topics.transact(&records(20..30), true).await;
    let sums = topics.until_read(&world, 20).await;
    consumer.stop().await;
    assert_eq!((sums.read, sums.accepted), (20, 20));
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await, totals(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_at_the_start_or_midway_is_waited_for() {
    let world = World::new().await;
    let mut server = KafkaServer::stopped();
    let topics = Topics::missing(&server.place());
    let (intake, consumer) = topics.reads(&world, NoFault);
    topics
        .until_said(&consumer, Some("Kafka does not answer"))
        .await;
    server.start().await;
    topics
        .until_said(&consumer, Some("there is no topic"))
        .await;
    topics.make(3).await;
    topics.send_all(&records(0..30)).await;
    topics.until_read(&world, 30).await;
    topics.until_said(&consumer, None).await;
    server.kill();
    topics
        .until_said(&consumer, Some("Kafka does not answer"))
        .await;
    // Everything else goes on.
    let reply = post_lines(&intake, &world.alpha, &lines(&records(30..40))).await;
    assert_eq!(reply.expect("taken").accepted, 10);
    server.start().await;
    topics.send_all(&records(40..70)).await;
    let sums = topics.until_read(&world, 60).await;
    topics.until_said(&consumer, None).await;
    consumer.stop().await;
    assert_eq!((sums.read, sums.accepted), (60, 60));
    world.settled(&intake).await;
    assert_eq!(world.proved(&world.alpha).await, totals(70));
}

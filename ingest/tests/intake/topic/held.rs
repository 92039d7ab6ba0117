//! A source is complete as far as its topic is read.

use std::time::{Duration, Instant};

use domain::{
    Code, Error, Result,
    journal::{self, Kind, Progress, SourceState},
    topic::{self, Digest, Partition, Passage, Way},
};
use ingest::{
    pipeline::{Fault, NoFault, Step},
    topic::manage,
};
use tokio::time::sleep;

use super::{PATIENCE, Topics};
use crate::world::{Record, SHORT, World, record};

fn records(ids: std::ops::Range<usize>) -> Vec<Record> {
    ids.map(|n| record(n, SHORT)).collect()
}

/// The one source of Alpha.
async fn source(world: &World) -> Progress {
    let cx = world.db.system().await.expect("system");
    let sources = journal::progress_of(&cx, world.alpha.tenant()).await;
    sources.expect("sources").pop().expect("one source")
}

async fn until(world: &World, state: SourceState) -> Progress {
    let begun = Instant::now();
    loop {
        let source = source(world).await;
        if source.state == state {
            return source;
        }
        assert!(begun.elapsed() < PATIENCE, "{source:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

/// Nothing is ever journaled.
struct Refuses;

impl Fault for Refuses {
    fn reached(&self, step: Step) -> Result<()> {
        match step {
            Step::Resolved => Err(Error::internal("refused on purpose")),
            _ => Ok(()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_nobody_journals_hold_their_source_back_until_somebody_does() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    topics.send_all(&records(0..3)).await;
    let (_healthy, consumer) = topics.reads(&world, NoFault);
    topics.until_read(&world, 3).await;
    until(&world, SourceState::Current).await;
    consumer.stop().await;
    let (_broken, consumer) = topics.reads(&world, Refuses);
    topics.send_all(&records(3..6)).await;
    let held = until(&world, SourceState::Behind).await;
    let newest = source(&world).await.newest_event_at;
    let complete = held.complete_up_to.expect("what was read before counts");
    assert!(complete <= newest - held.lateness);
    consumer.stop().await;
    let (_healthy, consumer) = topics.reads(&world, NoFault);
    topics.until_read(&world, 6).await;
    until(&world, SourceState::Current).await;
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_transaction_is_no_message_that_waits() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    topics.transact(&records(0..10), true).await;
    let (_intake, consumer) = topics.reads(&world, NoFault);
    topics.until_read(&world, 10).await;
    let read_to_its_end = async || {
        until(&world, SourceState::Current).await;
        let begun = Instant::now();
        while consumer
            .seen()
            .lanes()
            .iter()
            .any(|lane| lane.lag != Some(0))
        {
            assert!(begun.elapsed() < PATIENCE, "{:?}", consumer.seen().lanes());
            sleep(Duration::from_millis(100)).await;
        }
        until(&world, SourceState::Current).await;
    };
    read_to_its_end().await;
    // What was taken back is none either, and what comes after it is read.
    topics.transact(&records(10..20), false).await;
    until(&world, SourceState::Behind).await;
    read_to_its_end().await;
    topics.transact(&records(20..30), true).await;
    let sums = topics.until_read(&world, 20).await;
    assert_eq!(sums.accepted, 20);
    read_to_its_end().await;
    consumer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cluster_had_that_is_gone_is_waited_for_until_it_is_forgotten() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    topics.send_all(&records(0..3)).await;
    let (_intake, consumer) = topics.reads(&world, NoFault);
    topics.until_read(&world, 3).await;
    until(&world, SourceState::Current).await;
    let gone = Partition {
        cluster: "gone".into(),
        topic: topics.topic.as_str().into(),
        number: 0,
    };
    let cx = world.db.system().await.expect("system");
    let position = topic::open(&cx, &gone).await.expect("a position");
    let passage = Passage {
        partition: gone.clone(),
        kind: Kind::Cdr,
        way: Way::Consume {
            from: position.next,
            to: 5,
            digest: Digest::of(None, None),
            end: 9,
        },
        tombstones: 0,
        decoded: Vec::new(),
        quarantined: Vec::new(),
    };
    assert!(topic::pass(&cx, &passage, None).await.expect("passed"));
    cx.commit().await.expect("committed");
    // Nobody knows how far it was.
    let held = until(&world, SourceState::Behind).await;
    assert_eq!(held.complete_up_to, None);
    let wrong = async || {
        let findings = manage::check(&topics.settings, &world.db).await;
        let findings = findings.expect("an answer").into_iter();
        let wrong = findings.filter(|it| it.wrong).map(|it| it.found);
        wrong.collect::<Vec<_>>()
    };
    let found = wrong().await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("simcube topics forget --cluster gone"),
        "{found:?}"
    );
    let forget = async |cluster: Option<&str>, number| {
        let topic = &topics.topic;
        manage::forget(&topics.settings, &world.db, cluster, topic, number).await
    };
    forget(Some("gone"), 0).await.expect("forgotten");
    until(&world, SourceState::Current).await;
    assert_eq!(wrong().await, [""; 0]);
    // One that is there is not gone, and of one that was never read there is nothing to forget.
    let here = consumer.seen().lanes()[0].partition.cluster.clone();
    for cluster in [None, Some(&*here)] {
        let refused = forget(cluster, 0).await.expect_err("is there");
        assert_eq!(refused.code(), Code::InvalidInput);
    }
    for (cluster, number) in [(None, 3), (Some("gone"), 1)] {
        let unknown = forget(cluster, number).await.expect_err("never read");
        assert_eq!(unknown.code(), Code::NotFound);
    }
    // Whoever reads it again goes on where it was.
    let cx = world.db.system().await.expect("system");
    assert_eq!(topic::open(&cx, &gone).await.expect("a position").next, 5);
    cx.commit().await.expect("committed");
    until(&world, SourceState::Behind).await;
    consumer.stop().await;
}

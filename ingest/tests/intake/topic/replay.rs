//! What is read again is a duplicate, and no position moves.

use chrono::TimeDelta;
use domain::{
    Code,
    topic::{self, Reading},
};
use ingest::{pipeline::NoFault, topic::replay};

use super::Topics;
use crate::world::{Record, SHORT, World, record};

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_read_again_changes_no_cube_and_no_position() {
    let (world, topics) = tokio::join!(World::new(), Topics::new());
    let records: Vec<Record> = (0..60).map(|n| record(n, SHORT)).collect();
    topics.send_all(&records).await;
    topics.send(1, None, Some("nonsense")).await;
    topics.send(1, None, None).await;
    let (intake, consumer) = topics.reads(&world, NoFault);
    let at_first = topics.until_read(&world, 62).await;
    consumer.stop().await;
    // What is journaled is not in every cube at once.
    world.settled(&intake).await;
    // What nobody read yet is not for a replay.
    topics
        .send(0, Some(SHORT), Some(&record("new", SHORT).json()))
        .await;
    let positions = async || {
        let cx = world.db.system().await.expect("system");
        topic::positions(&cx).await.expect("positions")
    };
    let before = (positions().await, world.counted(&world.alpha).await);
    let topic = &topics.settings.cdrs;
    let again = async |from| replay::topic(&intake, &world.db, &topics.settings, topic, from).await;
    let replayed = again(0).await.expect("read");
    assert_eq!((replayed.read, replayed.duplicate), (62, 60));
    let replayed = again(15).await.expect("read");
    assert_eq!((replayed.read, replayed.duplicate), (17, 15));
    assert_eq!(
        (positions().await, world.counted(&world.alpha).await),
        before
    );
    let sums = topics.total(&world, Reading::Replay).await;
    assert_eq!((sums.read, sums.tombstones, sums.quarantined), (79, 2, 2));
    assert_eq!(topics.total(&world, Reading::Consume).await, at_first);
    let cx = world.db.system().await.expect("system");
    assert_eq!(topic::kept(&cx).await.expect("counts").held, 1);
    drop(cx);
    // Long afterwards they are too old to be told from new ones.
    world.clock.pass(TimeDelta::days(400));
    let replayed = again(0).await.expect("read");
    assert_eq!((replayed.duplicate, replayed.rejected), (0, 60));
    assert_eq!(world.counted(&world.alpha).await, before.1);
    let unknown = replay::topic(&intake, &world.db, &topics.settings, "no.such", 0).await;
    assert_eq!(unknown.expect_err("is not there").code(), Code::NotFound);
}

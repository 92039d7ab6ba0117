//! What an operator's commands do while no server runs, and what they leave to a server that does.

use domain::journal::BatchState;
use ingest::{
    operator::{Beside, Operator},
    pipeline::{NoFault, Step},
};

use crate::{
    fault::StopAt,
    world::{LONG, SHORT, World, impatient, lines, patient, post_lines, record},
};

fn operator(world: &World, beside: Beside) -> Operator {
    Operator::new(world.store.clone(), world.db.clone(), patient(), beside)
}

#[tokio::test]
async fn what_a_crash_left_is_counted_by_a_verification_while_no_server_runs() {
    let world = World::new().await;
    let stopped = world.intake_with(impatient(), StopAt::first(Step::Committed));
    let sent = lines(&[record(1, LONG), record(2, SHORT)]);
    assert!(post_lines(&stopped, &world.alpha, &sent).await.is_err());
    drop(stopped);
    for (beside, on_the_way) in [(Beside::Servers, 2), (Beside::Nobody, 0)] {
        let report = operator(&world, beside).verify().await.expect("compared");
        assert_eq!(report.differences, [""; 0], "{beside:?}");
        assert_eq!(report.on_the_way.records, on_the_way, "{beside:?}");
    }
    assert_eq!(world.proved(&world.alpha).await.records, 2);
}

#[tokio::test]
async fn quarantined_batches_are_tried_again_at_once_while_no_server_runs() {
    let world = World::new().await;
    world
        .ask("ALTER TABLE cdr ADD CONSTRAINT poison CHECK record_id != '7'")
        .await;
    let intake = world.intake_with(impatient(), NoFault);
    // Its answer comes when it is quarantined, or too late.
    let sent = lines(&[record(7, LONG)]);
    post_lines(&intake, &world.alpha, &sent).await.ok();
    world.settled(&intake).await;
    let server = operator(&world, Beside::Servers);
    assert_eq!(server.quarantine(10).await.expect("listed").len(), 1);
    world.ask("ALTER TABLE cdr DROP CONSTRAINT poison").await;

    let left = server.retry().await.expect("released");
    assert_eq!((left.released, left.settled), (1, None));
    assert_eq!(world.pending(BatchState::Journaled).await.len(), 1);
    let alone = operator(&world, Beside::Nobody);
    let retried = alone.retry().await.expect("settled");
    assert_eq!(retried.released, 0);
    assert_eq!(retried.settled.map(|settled| settled.counted), Some(1));
    assert_eq!(world.proved(&world.alpha).await.records, 1);
}

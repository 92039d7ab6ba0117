//! A producer that is not ours sends the examples of the contract, and their numbers come out.

use std::path::Path;

use ingest::pipeline::NoFault;
use tokio::process::Command;

use super::Topics;
use crate::world::{LONG, World, logged, session_ledger};

#[tokio::test(flavor = "multi_thread")]
async fn what_a_producer_in_python_sends_comes_to_the_numbers_of_the_examples() {
    let (world, topics) = tokio::join!(World::new(), Topics::of_rollups());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/producer");
    let python = folder.join(".venv/bin/python");
    assert!(
        python.exists(),
        "ingest/tests/producer/fetch fetches the producer"
    );
    let output = Command::new(python)
        .arg(folder.join("produce.py"))
        .args([&topics.settings.brokers, &topics.topic, LONG, "2026-03-19"])
        .output()
        .await
        .expect("Python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let sent = String::from_utf8(output.stdout).expect("text");
    let sent: u64 = sent.trim().parse().expect("a number");
    assert_eq!(sent, 20);

    let (intake, consumer) = topics.reads(&world, NoFault);
    let sums = topics.until_read(&world, sent).await;
    consumer.stop().await;
    world.settled(&intake).await;
    assert_eq!((sums.accepted, sums.duplicate), (17, 3));
    assert_eq!(session_ledger(&world, &world.alpha).await, [20, 17, 3, 0]);

    // Log and cubes agree. Bytes up and down, sessions that began, counters that began again, rollups.
    let net = logged(&world, &world.alpha).await;
    let of = |session: &str, network: &str, day: &str| {
        net[&(session.to_owned(), network.to_owned(), day.to_owned())]
    };
    let day = "2026-03-19";
    assert_eq!(of("totals", "262-02", day), [400, 800, 1, 0, 3]);
    assert_eq!(of("ended", "262-02", day), [30, 60, 1, 0, 4]);
    assert_eq!(of("night", "262-02", "2026-03-18"), [100, 200, 1, 0, 1]);
    assert_eq!(of("night", "262-02", day), [300, 600, 0, 0, 2]);
    assert_eq!(of("reset", "262-02", day), [450, 900, 1, 1, 2]);
    assert_eq!(of("roaming", "262-01", day), [100, 200, 1, 0, 1]);
    assert_eq!(of("roaming", "262-02", day), [150, 300, 0, 0, 1]);
    assert_eq!(of("late", "262-02", day), [400, 800, 1, 0, 3]);
    assert_eq!(net.len(), 8);
    let live = |session: &str| {
        let sql = format!(
            "SELECT argMax(request_type, version), argMax(counter_in, version) FROM session_live \
             WHERE session_id = '{session}' FORMAT TSV"
        );
        let world = &world;
        async move { world.ask(&sql).await }
    };
    // A late rollup does not open it again.
    assert_eq!(live("ended").await, "TERMINATE\t30\n");
    assert_eq!(live("late").await, "UPDATE\t400\n");
}

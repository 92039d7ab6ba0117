//! Bringing the schema up and down.

use analytics::System;
use chrono::DateTime;
use domain::Code;

use crate::{empty, schema};

fn system() -> System {
    System::new(DateTime::from_timestamp(1_790_000_000, 0).expect("a time"))
}

#[tokio::test]
async fn twice_is_a_no_op_and_up_down_up_works() {
    let store = empty().await;
    assert_eq!(
        store.migrate(&schema()).await.expect("up"),
        [0, 1, 2, 3, 4, 5]
    );
    assert_eq!(store.migrate(&schema()).await.expect("again"), [0_u32; 0]);
    assert_eq!(
        store.revert(&system(), &schema(), 1).await.expect("down"),
        [5, 4, 3, 2, 1]
    );
    assert_eq!(store.migrate(&schema()).await.expect("up"), [1, 2, 3, 4, 5]);
    assert_eq!(
        store
            .revert(&system(), &schema(), 0)
            .await
            .expect("all down"),
        [5, 4, 3, 2, 1, 0]
    );
    assert_eq!(
        store.migrate(&schema()).await.expect("up"),
        [0, 1, 2, 3, 4, 5]
    );
}

#[tokio::test]
async fn a_changed_step_is_refused() {
    let store = empty().await;
    let mut steps = schema();
    store.migrate(&steps).await.expect("up");
    steps[1].up.push("SELECT 1".into());
    let refused = store.migrate(&steps).await.expect_err("another checksum");
    assert_eq!(refused.code(), Code::Conflict);
    assert!(
        refused
            .to_string()
            .contains("0001 (foundation) has been changed"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_database_that_is_ahead_of_the_program_is_refused() {
    let store = empty().await;
    store.migrate(&schema()).await.expect("up");
    let refused = store
        .migrate(&schema()[..1])
        .await
        .expect_err("an unknown step");
    assert!(
        refused.to_string().contains("not known to this version"),
        "{refused}"
    );
}

#[tokio::test]
async fn two_servers_that_start_at_once_migrate_once() {
    let store = empty().await;
    let steps = schema();
    let (a, b) = tokio::join!(store.migrate(&steps), store.migrate(&steps));
    a.expect("one");
    b.expect("the other");
    assert_eq!(store.migrate(&steps).await.expect("again"), [0_u32; 0]);
    assert_eq!(
        store.revert(&system(), &steps, 1).await.expect("down once"),
        [5, 4, 3, 2, 1]
    );
}

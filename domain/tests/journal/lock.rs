//! Who waits for whom.

use std::{collections::HashSet, sync::Arc, time::Duration};

use domain::{
    Role, Scope,
    identity::VerifiedClaims,
    journal,
    scope::{Segment, Visibility},
};

use crate::house::{House, PATIENCE};

#[tokio::test(flavor = "multi_thread")]
async fn an_import_keeps_its_own_tenant_waiting_and_no_other() {
    let house = Arc::new(House::new().await);
    let tenants = [house.alpha, house.beta];
    let claims = VerifiedClaims::new("ada".into(), "alpha".into(), Role::TenantAdmin, None);
    let claims = claims.expect("claims");
    let scope = Scope::of_token(house.alpha, &claims, Segment::default(), Visibility::ALL);
    let importing = house.db.write(&scope).await.expect("write");
    journal::freeze_attribution(&importing)
        .await
        .expect("frozen");
    let first = house.system().await;
    let held = journal::hold_attribution(&first, &tenants, PATIENCE).await;
    assert_eq!(held.expect("held"), HashSet::from([house.beta]));
    // Its connection rolls back when it is used again, or before.
    drop(importing);
    let both_held = async {
        loop {
            let second = house.system().await;
            let held = journal::hold_attribution(&second, &tenants, PATIENCE).await;
            if held.expect("held") == HashSet::from(tenants) {
                return second;
            }
        }
    };
    let second = tokio::time::timeout(PATIENCE, both_held).await;
    let second = second.expect("both, when the import has ended");

    // The next import waits for the batches that are being attributed.
    let next = tokio::spawn({
        let house = house.clone();
        async move {
            let cx = house.db.write(&scope).await.expect("write");
            journal::freeze_attribution(&cx).await.expect("frozen");
        }
    });
    house.until_somebody_waits().await;
    assert!(!next.is_finished());
    second.commit().await.expect("committed");
    next.await.expect("frozen");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cubes_stand_still_when_nothing_is_being_applied() {
    let house = Arc::new(House::new().await);
    let applying = house.system().await;
    journal::hold_apply(&applying, PATIENCE)
        .await
        .expect("held");
    let also = house.system().await;
    journal::hold_apply(&also, PATIENCE).await.expect("held");
    also.commit().await.expect("committed");
    let still = house.system().await;
    assert!(!journal::try_freeze_apply(&still).await.expect("tried"));
    // The transaction goes on.
    assert!(!journal::try_freeze_apply(&still).await.expect("tried"));
    applying.commit().await.expect("committed");
    assert!(journal::try_freeze_apply(&still).await.expect("tried"));
    let next = tokio::spawn({
        let house = house.clone();
        async move {
            let cx = house.system().await;
            journal::hold_apply(&cx, PATIENCE).await.expect("held");
        }
    });
    house.until_somebody_waits().await;
    assert!(!next.is_finished());
    drop(still);
    next.await.expect("held");
}

#[tokio::test]
async fn a_process_that_went_silent_keeps_nobody_waiting() {
    let house = House::new().await;
    let silent = house.system().await;
    journal::hold_apply(&silent, Duration::from_millis(50))
        .await
        .expect("held");
    let cx = house.system().await;
    let freezing = async { while !journal::try_freeze_apply(&cx).await.expect("tried") {} };
    let frozen = tokio::time::timeout(PATIENCE, freezing).await;
    frozen.expect("Postgres ended the transaction");
    assert!(silent.commit().await.is_err());
}

#[tokio::test]
async fn one_process_settles_at_a_time() {
    let house = House::new().await;
    let (first, second) = (house.system().await, house.system().await);
    for (cx, settles) in [(&first, true), (&second, false)] {
        let tried = journal::try_settle(cx).await;
        assert_eq!(tried.expect("tried"), settles);
    }
    first.commit().await.expect("committed");
    let tried = journal::try_settle(&second).await;
    assert!(tried.expect("tried"));
}

//! As many sources as a tenant may have.

use std::{collections::BTreeSet, sync::Arc};

use domain::{SystemCx, id::TenantId, journal};

use crate::house::House;

/// Takes sources down in a transaction that stays open.
async fn know(
    house: &House,
    tenant: TenantId,
    named: &[&str],
    limit: u32,
) -> (SystemCx, BTreeSet<String>) {
    let cx = house.system().await;
    let named: BTreeSet<&str> = named.iter().copied().collect();
    let known = journal::known_sources(&cx, tenant, &named, limit).await;
    (cx, known.expect("sources").into_iter().collect())
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_tenant_has_as_many_sources_as_it_may_and_keeps_them() {
    let house = House::new().await;
    let (cx, known) = know(&house, house.alpha, &["c", "a"], 3).await;
    assert_eq!(known, set(&["a", "c"]));
    cx.commit().await.expect("committed");
    let (cx, known) = know(&house, house.alpha, &["e", "d", "a", "B"], 3).await;
    assert_eq!(known, set(&["B", "a"]), "the first by name");
    cx.commit().await.expect("committed");
    let (_, known) = know(&house, house.alpha, &["B", "a", "c", "d"], 1).await;
    assert_eq!(
        known,
        set(&["B", "a", "c"]),
        "a lower limit takes none away"
    );
    let (_, known) = know(&house, house.beta, &["d"], 1).await;
    assert_eq!(known, set(&["d"]), "each tenant has its own");
}

/// What one transaction gets that asks for "b" and "c" after one that took "a" and "b", of three.
async fn second_of_two(commit: bool) -> BTreeSet<String> {
    let house = Arc::new(House::new().await);
    let (first, known) = know(&house, house.alpha, &["a", "b"], 3).await;
    assert_eq!(known, set(&["a", "b"]));
    let second = tokio::spawn({
        let house = house.clone();
        async move { know(&house, house.alpha, &["b", "c", "d"], 3).await.1 }
    });
    house.until_somebody_waits().await;
    assert!(!second.is_finished());
    if commit {
        first.commit().await.expect("committed");
    } else {
        drop(first);
    }
    second.await.expect("known")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_transactions_at_once_the_second_gets_what_the_first_left() {
    assert_eq!(second_of_two(true).await, set(&["b", "c"]));
    assert_eq!(second_of_two(false).await, set(&["b", "c", "d"]));
}

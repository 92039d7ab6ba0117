//! Idempotency keys: every change, asked for again.

mod world;

use std::collections::BTreeSet;

use domain::Role;
use serde_json::json;
use world::{
    Caller, World,
    contract::Contract,
    mutation::{change, changes, create_customer},
};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

#[tokio::test]
async fn every_change_under_a_known_key_is_answered_and_not_made_again() {
    let world = World::new().await;
    let changes = changes(&world).await;
    let tried: BTreeSet<String> = changes.iter().map(|it| it.mutation.to_owned()).collect();
    let mutations = Contract::new().fields("Mutation").collect();
    let untried: Vec<_> = BTreeSet::difference(&mutations, &tried).collect();
    assert!(
        untried.is_empty(),
        "without a line in `changes`: {untried:?}"
    );
    for (n, it) in changes.iter().enumerate() {
        let input = it.under(&format!("key-{n}"));
        let before = world.audited("alpha").len();
        let first = change(&world, ADMIN, it, &input).await;
        assert_eq!(first["userErrors"], json!([]), "{}: {first}", it.mutation);
        let again = change(&world, ADMIN, it, &input).await;
        assert_eq!(again, first, "{}", it.mutation);
        assert_eq!(world.audited("alpha").len(), before + 1, "{}", it.mutation);
    }
}

#[tokio::test]
async fn another_change_under_a_known_key_is_a_conflict_and_is_not_made() {
    let world = World::new().await;
    let changes = changes(&world).await;
    for (n, it) in changes.iter().enumerate() {
        let mut input = it.under(&format!("key-{n}"));
        change(&world, ADMIN, it, &input).await;
        let before = world.audited("alpha");
        let (field, value) = &it.other;
        input[field] = value.clone();
        let refused = change(&world, ADMIN, it, &input).await;
        let conflict = json!([{ "code": "CONFLICT", "field": "idempotencyKey" }]);
        assert_eq!(
            refused["userErrors"], conflict,
            "{}: {refused}",
            it.mutation
        );
        // Nor is what has the same arguments and is another mutation.
        let other = &changes[(n + 1) % changes.len()];
        let refused = change(&world, ADMIN, other, &other.under(&format!("key-{n}"))).await;
        assert_eq!(
            refused["userErrors"], conflict,
            "{}: {refused}",
            other.mutation
        );
        assert_eq!(world.audited("alpha"), before, "{}", it.mutation);
    }
}

#[tokio::test]
async fn a_key_is_its_callers_own() {
    let world = World::new().await;
    let create = create_customer();
    let input = create.under("one");
    let alpha = change(&world, ADMIN, &create, &input).await;
    let beta = Caller("beta", Role::TenantAdmin, None);
    let beta = change(&world, beta, &create, &input).await;
    assert_eq!(beta["userErrors"], json!([]));
    assert_ne!(beta["customer"]["id"], alpha["customer"]["id"]);
    let staff = Caller("alpha", Role::PlatformAdmin, None);
    let staff = change(&world, staff, &create, &input).await;
    let taken = json!([{ "code": "CONFLICT", "field": "slug" }]);
    assert_eq!(staff["userErrors"], taken);
    // Whoever may not make a change is not told what it came to.
    let query = "mutation($input: CreateCustomerInput!) { createCustomer(input: $input) { customer { id } } }";
    let support = Caller("alpha", Role::Support, None);
    let answer = world.run(support, query, json!({ "input": input })).await;
    assert_eq!(world::codes(&answer), ["FORBIDDEN"]);
}

#[tokio::test]
async fn a_refused_change_leaves_no_key_and_a_bad_key_is_refused() {
    let world = World::new().await;
    let create = create_customer();
    let mut input = create.under("one");
    input["slug"] = "Not a slug".into();
    let refused = change(&world, ADMIN, &create, &input).await;
    assert_eq!(refused["userErrors"][0]["field"], "slug");
    let made = change(&world, ADMIN, &create, &create.under("one")).await;
    assert_eq!(made["userErrors"], json!([]));
    for bad in ["", "a b", &"x".repeat(101)] {
        let refused = change(&world, ADMIN, &create, &create.under(bad)).await;
        let invalid = json!([{ "code": "INVALID_INPUT", "field": "idempotencyKey" }]);
        assert_eq!(refused["userErrors"], invalid, "{bad}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_requests_at_once_with_one_key_one_makes_the_change_and_all_are_answered() {
    let world = World::new().await;
    let create = create_customer();
    let input = create.under("one");
    let before = world.audited("alpha").len();
    let one = || change(&world, ADMIN, &create, &input);
    let (a, b, c) = tokio::join!(one(), one(), one());
    assert_eq!(a["userErrors"], json!([]));
    assert_eq!((&b, &c), (&a, &a));
    assert_eq!(world.audited("alpha").len(), before + 1);
}

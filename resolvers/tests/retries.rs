//! Idempotency keys: every change, asked for again.

mod world;

use std::collections::BTreeSet;

use domain::Role;
use serde_json::{Value, json};
use world::{Caller, World, contract::Contract};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

/// The payload of a mutation with one `input`; the answer has no errors of its own.
async fn change(world: &World, caller: Caller, change: &Change, input: &Value) -> Value {
    let Change {
        mutation,
        selection,
        ..
    } = change;
    let (first, rest) = mutation.split_at(1);
    let ty = format!("{}{rest}Input", first.to_uppercase());
    let query = format!(
        "mutation($input: {ty}!) {{ {mutation}(input: $input) {{ {selection} userErrors {{ code field }} }} }}"
    );
    let answer = world.run(caller, &query, json!({ "input": input })).await;
    assert_eq!(world::codes(&answer), [""; 0], "{answer}");
    answer["data"][mutation].clone()
}

/// A change that the caller can make once.
struct Change {
    mutation: &'static str,
    input: Value,
    selection: &'static str,
    /// A field whose other value is another change.
    other: (&'static str, Value),
}

impl Change {
    fn under(&self, key: &str) -> Value {
        let mut input = self.input.clone();
        input["idempotencyKey"] = key.into();
        input
    }
}

fn create_customer() -> Change {
    Change {
        mutation: "createCustomer",
        input: json!({ "slug": "acme", "name": "Acme" }),
        selection: "customer { id name createdAt }",
        other: ("name", json!("Acme AG")),
    }
}

/// One of each, in an order in which all can be made.
#[expect(clippy::too_many_lines, reason = "a table of all changes")]
async fn changes(world: &World) -> Vec<Change> {
    let ids = "{ sims(first: 1) { nodes { id } } devices(first: 1) { nodes { id } }
        customer(by: { slug: \"bosch\" }) { id } labelDefinitions(first: 1) { nodes { id } } }";
    let ids = world.run(ADMIN, ids, json!({})).await["data"].clone();
    let (sim, device) = (
        &ids["sims"]["nodes"][0]["id"],
        &ids["devices"]["nodes"][0]["id"],
    );
    let (bosch, label) = (
        &ids["customer"]["id"],
        &ids["labelDefinitions"]["nodes"][0]["id"],
    );
    let made = world
        .run(
            ADMIN,
            "mutation($bosch: ID!) {
                grantSegment(input: { subject: \"eve\", customerIds: [$bosch] }) { grants { id } }
                createLabelDefinition(input: { key: \"gone\" }) { labelDefinition { id } }
                kept: createSavedFilter(input: { name: \"kept\", filter: { sim: {} } }) { savedFilter { id } }
                gone: createSavedFilter(input: { name: \"gone\", filter: { sim: {} } }) { savedFilter { id } } }",
            json!({ "bosch": bosch }),
        )
        .await["data"]
        .clone();
    let grant = &made["grantSegment"]["grants"][0]["id"];
    let gone = &made["createLabelDefinition"]["labelDefinition"]["id"];
    let kept = &made["kept"]["savedFilter"]["id"];
    let unsaved = &made["gone"]["savedFilter"]["id"];
    let change = |mutation, input, selection, other| Change {
        mutation,
        input,
        selection,
        other,
    };
    let closed = json!({ "devices": true, "sims": false, "sessions": false, "usage": false, "billing": false });
    let open =
        json!({ "devices": true, "sims": true, "sessions": true, "usage": true, "billing": true });
    vec![
        create_customer(),
        change(
            "updateCustomer",
            json!({ "customerId": bosch, "firstName": "Ada" }),
            "customer { firstName }",
            ("firstName", json!(null)),
        ),
        change(
            "archiveCustomer",
            json!({ "customerId": bosch }),
            "customer { archivedAt }",
            ("archived", json!(false)),
        ),
        change(
            "setCustomerVisibility",
            json!({ "customerId": bosch, "visibility": closed }),
            "customer { visibility { sims } }",
            ("visibility", open),
        ),
        change(
            "createLabelDefinition",
            json!({ "key": "shelf" }),
            "labelDefinition { id key }",
            ("key", json!("bin")),
        ),
        change(
            "updateLabelDefinition",
            json!({ "labelDefinitionId": label }),
            "labelDefinition { options }",
            ("options", json!(["field"])),
        ),
        change(
            "deleteLabelDefinition",
            json!({ "labelDefinitionId": gone }),
            "labelDefinitionId",
            ("labelDefinitionId", label.clone()),
        ),
        change(
            "createSavedFilter",
            json!({ "name": "mine", "filter": { "sim": { "states": ["ACTIVE"] } } }),
            "savedFilter { id name filter createdAt updatedAt }",
            ("name", json!("ours")),
        ),
        change(
            "updateSavedFilter",
            json!({ "savedFilterId": kept, "filter": { "sim": { "unassigned": true } } }),
            "savedFilter { name filter updatedAt }",
            ("name", json!("yours")),
        ),
        change(
            "deleteSavedFilter",
            json!({ "savedFilterId": unsaved }),
            "savedFilterId",
            ("savedFilterId", kept.clone()),
        ),
        change(
            "setSimLabels",
            json!({ "simId": sim, "set": [{ "key": "owner", "value": "me" }] }),
            "sim { labels { key value } }",
            ("remove", json!(["location"])),
        ),
        change(
            "setDeviceLabels",
            json!({ "deviceId": device, "set": [{ "key": "owner", "value": "me" }] }),
            "device { labels { key value } }",
            ("remove", json!(["location"])),
        ),
        change(
            "grantSegment",
            json!({ "subject": "bob", "customerIds": [bosch] }),
            "grants { id }",
            ("subject", json!("eve")),
        ),
        change(
            "revokeSegment",
            json!({ "grantId": grant }),
            "grantId",
            ("grantId", json!("grt_00000000000000000000000000000000")),
        ),
        change(
            "importFleet",
            json!({ "csv": "iccid,state,customer\n8944501000000000991,ACTIVE,New\n1,ACTIVE,\n" }),
            "report { rows created unchanged rejected newCustomers errors { line code reason } }",
            ("csv", json!("iccid,state\n")),
        ),
    ]
}

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

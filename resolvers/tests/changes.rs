//! Changes: what they do, what they refuse as data of their payload, and the trace that they leave.

mod world;

use domain::{
    Role,
    identity::{Known, VerifiedClaims},
};
use serde_json::{Value, json};
use world::{Caller, World};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

/// The payload of a mutation with one `input`; the answer has no errors of its own.
async fn change(world: &World, mutation: &str, input: Value, selection: &str) -> Value {
    let (first, rest) = mutation.split_at(1);
    let ty = format!("{}{rest}Input", first.to_uppercase());
    let query = format!(
        "mutation($input: {ty}!) {{ {mutation}(input: $input) {{ {selection} userErrors {{ code message field }} }} }}"
    );
    let answer = world.run(ADMIN, &query, json!({ "input": input })).await;
    assert_eq!(world::codes(&answer), [""; 0], "{answer}");
    answer["data"][mutation].clone()
}

/// Code and field of the only user error; nothing was changed.
fn refused(payload: &Value) -> (&str, &str) {
    let error = &payload["userErrors"][0];
    assert_eq!(
        payload["userErrors"].as_array().map(Vec::len),
        Some(1),
        "{payload}"
    );
    (
        error["code"].as_str().expect("a code"),
        error["field"].as_str().unwrap_or(""),
    )
}

#[tokio::test]
async fn a_customer_is_created_changed_and_archived() {
    let world = World::new().await;
    let all = "customer { id slug name firstName email phone archivedAt visibility { sims } }";
    let input =
        json!({ "slug": "acme", "name": "Acme", "firstName": "Ada", "email": "ada@acme.example" });
    let created = change(&world, "createCustomer", input, all).await["customer"].clone();
    assert_eq!(
        (
            &created["slug"],
            &created["firstName"],
            &created["visibility"]["sims"]
        ),
        (&json!("acme"), &json!("Ada"), &json!(false))
    );
    let id = &created["id"];
    let input =
        json!({ "customerId": id, "name": "Acme AG", "email": null, "phone": "+49 711 400" });
    let updated = change(&world, "updateCustomer", input, all).await["customer"].clone();
    assert_eq!(
        (
            &updated["name"],
            &updated["firstName"],
            &updated["email"],
            &updated["phone"]
        ),
        (
            &json!("Acme AG"),
            &json!("Ada"),
            &Value::Null,
            &json!("+49 711 400")
        )
    );
    let archived =
        change(&world, "archiveCustomer", json!({ "customerId": id }), all).await["customer"]
            .clone();
    assert!(archived["archivedAt"].is_string());
    let claims = || {
        VerifiedClaims::new(
            "bob".into(),
            "alpha".into(),
            Role::CustomerUser,
            Some("acme".into()),
        )
        .expect("claims")
    };
    let shut = Known::default()
        .open(&world.db, &claims())
        .await
        .map_err(|error| error.code());
    assert_eq!(shut.err(), Some(domain::Code::Unauthenticated));
    let open = "query { archived: customers(filter: { archived: true }) { nodes { slug } } open: customers(filter: { archived: false }) { totalCount } }";
    let listed = world.run(ADMIN, open, json!({})).await["data"].clone();
    assert_eq!(
        (&listed["archived"]["nodes"], &listed["open"]["totalCount"]),
        (&json!([{ "slug": "acme" }]), &json!(2))
    );
    let back = change(
        &world,
        "archiveCustomer",
        json!({ "customerId": id, "archived": false }),
        all,
    )
    .await["customer"]
        .clone();
    assert!(back["archivedAt"].is_null());
    assert!(Known::default().open(&world.db, &claims()).await.is_ok());
    let trace = world.audited("alpha");
    let of_customers: Vec<&str> = trace
        .iter()
        .map(String::as_str)
        .filter(|it| it.starts_with("customer.") && !it.contains("visibility"))
        .collect();
    assert_eq!(
        of_customers,
        [
            "customer.create",
            "customer.update",
            "customer.archive",
            "customer.archive"
        ]
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_customer_is_said_of_its_field() {
    let world = World::new().await;
    let before = world.audited("alpha");
    for (input, expected) in [
        (
            json!({ "slug": "A B", "name": "x" }),
            ("INVALID_INPUT", "slug"),
        ),
        (
            json!({ "slug": "bosch", "name": "x" }),
            ("CONFLICT", "slug"),
        ),
        (
            json!({ "slug": "x", "name": "Bosch" }),
            ("CONFLICT", "name"),
        ),
        (
            json!({ "slug": "x", "name": "" }),
            ("INVALID_INPUT", "name"),
        ),
        (
            json!({ "slug": "x", "name": "x", "firstName": "" }),
            ("INVALID_INPUT", "firstName"),
        ),
        (
            json!({ "slug": "x", "name": "x", "lastName": "\u{0}" }),
            ("INVALID_INPUT", "lastName"),
        ),
        (
            json!({ "slug": "x", "name": "x", "email": "nobody" }),
            ("INVALID_INPUT", "email"),
        ),
        (
            json!({ "slug": "x", "name": "x", "phone": "call me" }),
            ("INVALID_INPUT", "phone"),
        ),
    ] {
        let payload = change(&world, "createCustomer", input.clone(), "customer { id }").await;
        assert_eq!(
            (refused(&payload), &payload["customer"]),
            (expected, &Value::Null),
            "{input}"
        );
    }
    let nobody = json!({ "customerId": "cus_00000000000000000000000000000000", "name": "x" });
    assert_eq!(
        refused(&change(&world, "updateCustomer", nobody, "customer { id }").await),
        ("NOT_FOUND", "")
    );
    let device = json!({ "customerId": "dev_00000000000000000000000000000000" });
    assert_eq!(
        refused(&change(&world, "archiveCustomer", device, "customer { id }").await),
        ("INVALID_INPUT", "customerId")
    );
    assert_eq!(
        world.audited("alpha"),
        before,
        "what is refused leaves no trace"
    );
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story from the definition to its end"
)]
async fn labels_are_defined_set_and_removed_and_what_is_in_use_stays() {
    let world = World::new().await;
    let ids = "{ sims(first: 1) { nodes { id } } devices(first: 1) { nodes { id } } }";
    let ids = world.run(ADMIN, ids, json!({})).await["data"].clone();
    let (sim, device) = (
        &ids["sims"]["nodes"][0]["id"],
        &ids["devices"]["nodes"][0]["id"],
    );
    let input = json!({ "key": "shelf", "options": ["1", "2"] });
    let shelf = change(
        &world,
        "createLabelDefinition",
        input.clone(),
        "labelDefinition { id }",
    )
    .await["labelDefinition"]["id"]
        .clone();
    assert_eq!(
        refused(
            &change(
                &world,
                "createLabelDefinition",
                input,
                "labelDefinition { id }"
            )
            .await
        ),
        ("CONFLICT", "key")
    );
    for (input, field) in [
        (json!({ "key": "a=b" }), "key"),
        (json!({ "key": "x", "options": [] }), "options"),
        (json!({ "key": "x", "options": ["1", "1"] }), "options"),
    ] {
        assert_eq!(
            refused(
                &change(
                    &world,
                    "createLabelDefinition",
                    input,
                    "labelDefinition { id }"
                )
                .await
            ),
            ("INVALID_INPUT", field)
        );
    }

    let labels = "sim { labels { key value } }";
    let set =
        json!({ "simId": sim, "set": [{ "key": "shelf", "value": "1" }], "remove": ["owner"] });
    let after = change(&world, "setSimLabels", set, labels).await["sim"]["labels"].clone();
    assert_eq!(
        after,
        json!([{ "key": "location", "value": "field" }, { "key": "shelf", "value": "1" }])
    );
    let set = json!({ "deviceId": device, "set": [{ "key": "shelf", "value": "2" }] });
    let after = change(
        &world,
        "setDeviceLabels",
        set,
        "device { labels { value } }",
    )
    .await["device"]["labels"]
        .clone();
    assert_eq!(after, json!([{ "value": "2" }]));
    for (set, expected) in [
        (
            json!([{ "key": "shelf", "value": "3" }]),
            ("INVALID_INPUT", "set.0.value"),
        ),
        (
            json!([{ "key": "shelf", "value": "1" }, { "key": "location", "value": "" }]),
            ("INVALID_INPUT", "set.1.value"),
        ),
        (
            json!([{ "key": "nothing", "value": "x" }]),
            ("NOT_FOUND", "set.0"),
        ),
        (
            json!([{ "key": "no\u{0}thing", "value": "x" }]),
            ("NOT_FOUND", "set.0"),
        ),
    ] {
        let payload = change(
            &world,
            "setSimLabels",
            json!({ "simId": sim, "set": set }),
            labels,
        )
        .await;
        assert_eq!(
            (refused(&payload), &payload["sim"]),
            (expected, &Value::Null)
        );
    }

    let narrow = json!({ "labelDefinitionId": shelf, "options": ["1", "4"] });
    let payload = change(
        &world,
        "updateLabelDefinition",
        narrow,
        "labelDefinition { options }",
    )
    .await;
    assert_eq!(refused(&payload), ("CONFLICT", "options"));
    assert!(
        payload["userErrors"][0]["message"]
            .as_str()
            .is_some_and(|it| it.contains(", 1 of them"))
    );
    let wide = json!({ "labelDefinitionId": shelf, "options": ["1", "2", "4"] });
    let options = change(
        &world,
        "updateLabelDefinition",
        wide,
        "labelDefinition { options }",
    )
    .await["labelDefinition"]["options"]
        .clone();
    assert_eq!(options, json!(["1", "2", "4"]));
    let unchanged = json!({ "labelDefinitionId": shelf });
    let kept = change(
        &world,
        "updateLabelDefinition",
        unchanged,
        "labelDefinition { options }",
    )
    .await;
    assert_eq!(kept["labelDefinition"]["options"], options);
    let gone = json!({ "labelDefinitionId": shelf });
    let payload = change(
        &world,
        "deleteLabelDefinition",
        gone.clone(),
        "labelDefinitionId",
    )
    .await;
    assert_eq!(refused(&payload), ("CONFLICT", ""));
    assert!(
        payload["userErrors"][0]["message"]
            .as_str()
            .is_some_and(|it| it.contains(", 2 of them"))
    );
    change(
        &world,
        "setSimLabels",
        json!({ "simId": sim, "remove": ["shelf"] }),
        labels,
    )
    .await;
    change(
        &world,
        "setDeviceLabels",
        json!({ "deviceId": device, "remove": ["shelf"] }),
        "device { id }",
    )
    .await;
    let payload = change(&world, "deleteLabelDefinition", gone, "labelDefinitionId").await;
    assert_eq!(payload["labelDefinitionId"], shelf);
}

#[tokio::test]
async fn everything_that_is_wrong_with_an_input_is_said_at_once() {
    let world = World::new().await;
    let input = json!({ "slug": "A B", "name": "", "email": "nobody" });
    let payload = change(&world, "createCustomer", input, "customer { id }").await;
    assert_eq!(fields(&payload), ["slug", "name", "email"]);
    let input = json!({ "key": "=", "options": [] });
    let payload = change(
        &world,
        "createLabelDefinition",
        input,
        "labelDefinition { id }",
    )
    .await;
    assert_eq!(fields(&payload), ["key", "options"]);
    let sim = world
        .run(ADMIN, "{ sims(first: 1) { nodes { id } } }", json!({}))
        .await["data"]["sims"]["nodes"][0]["id"]
        .clone();
    let input = json!({
        "simId": sim,
        "set": [{ "key": "owner", "value": "a" }, { "key": "owner", "value": "a" }, { "key": "location", "value": "x" }],
        "remove": ["location", "nothing"],
    });
    let payload = change(&world, "setSimLabels", input, "sim { id }").await;
    assert_eq!(
        fields(&payload),
        ["set.0", "set.1", "set.2", "remove.0", "remove.1"]
    );
}

fn fields(payload: &Value) -> Vec<&str> {
    let errors = payload["userErrors"].as_array().expect("errors");
    errors
        .iter()
        .map(|error| error["field"].as_str().unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn an_optional_variable_that_is_left_out_leaves_the_default() {
    let world = World::new().await;
    let ask = async |query: &str, variables: Value| {
        let answer = world.run(ADMIN, query, variables).await;
        assert_eq!(world::codes(&answer), [""; 0], "{answer}");
        answer["data"].clone()
    };
    let plain = ask("{ sims { nodes { iccid } } }", json!({})).await;
    let sims =
        "query($order: SimOrder, $direction: OrderDirection, $filter: SimFilter, $ids: [ID!]) {
        sims(orderBy: $order, filter: $filter) { ...page }
        again: sims(orderBy: { direction: $direction }, filter: { ids: $ids }) { ...page }
        deep: customers(first: 1) { nodes { sims(orderBy: $order) { totalCount } } } }
        fragment page on SimConnection { nodes { iccid } }";
    let left_out = ask(sims, json!({})).await;
    assert_eq!(
        (&left_out["sims"], &left_out["again"]),
        (&plain["sims"], &plain["sims"])
    );
    let given = ask(sims, json!({ "direction": "DESC" })).await;
    assert_ne!(given["again"], plain["sims"]);
}

#[tokio::test]
async fn what_is_read_after_a_change_in_one_document_has_it() {
    let world = World::new().await;
    let sim = world
        .run(ADMIN, "{ sims(first: 1) { nodes { id } } }", json!({}))
        .await["data"]["sims"]["nodes"][0]["id"]
        .clone();
    let twice = "mutation($sim: ID!) {
        a: setSimLabels(input: { simId: $sim, set: [{ key: \"owner\", value: \"first\" }] }) { sim { labels { key value } } }
        b: setSimLabels(input: { simId: $sim, set: [{ key: \"owner\", value: \"second\" }] }) { sim { labels { key value } } } }";
    let answer = world.run(ADMIN, twice, json!({ "sim": sim })).await["data"].clone();
    for (change, value) in [("a", "first"), ("b", "second")] {
        let labels = answer[change]["sim"]["labels"]
            .as_array()
            .expect("labels")
            .clone();
        assert!(
            labels.contains(&json!({ "key": "owner", "value": value })),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn only_those_who_may_change_it_do() {
    let world = World::new().await;
    for (role, customer) in [
        (Role::Support, None),
        (Role::Viewer, Some("bosch")),
        (Role::CustomerUser, Some("bosch")),
    ] {
        let caller = Caller("alpha", role, customer);
        for mutation in [
            "createCustomer(input: { slug: \"x\", name: \"x\" }) { customer { id } }",
            "createLabelDefinition(input: { key: \"x\" }) { labelDefinition { id } }",
        ] {
            let answer = world
                .run(caller, &format!("mutation {{ {mutation} }}"), json!({}))
                .await;
            assert_eq!(world::codes(&answer), ["FORBIDDEN"], "{caller:?}");
        }
    }
}

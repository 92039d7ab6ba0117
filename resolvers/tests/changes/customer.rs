//! Changes of customers.

use domain::{
    Role,
    identity::{Known, VerifiedClaims},
};
use serde_json::{Value, json};

use super::{ADMIN, change, refused, world::World};

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

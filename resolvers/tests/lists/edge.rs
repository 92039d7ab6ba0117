//! Lists within another object: each has its own pages, its own cursors, and what its caller may see.

use std::io::Cursor;

use domain::{Role, fleet};
use serde_json::json;

use super::{
    ADMIN,
    world::{self, Caller},
};

#[tokio::test]
async fn a_customer_has_its_own_pages_of_sims_and_devices() {
    let world = super::world().await;
    let answer = world
        .run(
            ADMIN,
            "{ customers(first: 200) { nodes { slug
                sims(first: 2, filter: { states: [ACTIVE] }) { totalCount nodes { iccid customer { slug } } pageInfo { hasNextPage endCursor } }
                devices(first: 1, orderBy: { field: NAME, direction: DESC }) { totalCount nodes { name customer { slug } } } } } }",
            json!({}),
        )
        .await;
    assert_eq!(world::codes(&answer), [""; 0]);
    let customers = answer["data"]["customers"]["nodes"]
        .as_array()
        .expect("customers")
        .clone();
    let of = |slug: &str| {
        customers
            .iter()
            .find(|row| row["slug"] == slug)
            .expect("there")
            .clone()
    };
    let (bosch, dyer) = (of("bosch"), of("dyer"));
    assert_eq!(
        (&bosch["sims"]["totalCount"], &dyer["sims"]["totalCount"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(bosch["sims"]["nodes"].as_array().map(Vec::len), Some(2));
    assert_eq!(bosch["sims"]["pageInfo"]["hasNextPage"], true);
    assert_eq!(bosch["devices"]["totalCount"], 4);
    assert_eq!(bosch["devices"]["nodes"][0]["name"], "alpha-tracker-1");
    for customer in [&bosch, &dyer] {
        for node in customer["sims"]["nodes"].as_array().expect("nodes") {
            assert_eq!(node["customer"]["slug"], customer["slug"]);
        }
    }
    // The rest of one customer's.
    let after = &bosch["sims"]["pageInfo"]["endCursor"];
    let rest = world
        .run(
            ADMIN,
            "query($after: String) { customer(by: { slug: \"bosch\" }) {
                sims(first: 2, after: $after, filter: { states: [ACTIVE] }) { nodes { iccid } pageInfo { hasNextPage } } } }",
            json!({ "after": after }),
        )
        .await;
    let rest = &rest["data"]["customer"]["sims"];
    assert_eq!(rest["nodes"].as_array().map(Vec::len), Some(1));
    assert_eq!(rest["pageInfo"]["hasNextPage"], false);
}

#[tokio::test]
async fn a_customer_is_not_told_whose_a_sim_was_before() {
    let world = super::world().await;
    let admin = world.scope(ADMIN).await;
    let csv = "iccid,state,customer,device,valid_from\n\
        8944501000000000301,ACTIVE,Dyer,alpha-moved,2026-01-01\n\
        8944501000000000301,ACTIVE,Bosch,alpha-moved,2026-02-01\n";
    let report = fleet::import_file(&world.db, &admin, Cursor::new(csv), &world.store, |_| ());
    assert_eq!(report.await.expect("imported").rejected, 0);
    let query =
        "{ sim(by: { iccid: \"8944501000000000301\" }) { assignments { customer { slug } from to }
                   device { assignments { customer { slug } from to } } } }";
    let whole = json!([
        { "customer": { "slug": "dyer" }, "from": "2026-01-01T00:00:00Z", "to": "2026-02-01T00:00:00Z" },
        { "customer": { "slug": "bosch" }, "from": "2026-02-01T00:00:00Z", "to": null },
    ]);
    let shown = world.run(ADMIN, query, json!({})).await["data"]["sim"].clone();
    assert_eq!(
        (&shown["assignments"], &shown["device"]["assignments"]),
        (&whole, &whole)
    );
    let bosch = Caller("alpha", Role::CustomerUser, Some("bosch"));
    let shown = world.run(bosch, query, json!({})).await["data"]["sim"].clone();
    let own = json!([whole[1]]);
    assert_eq!(
        (&shown["assignments"], &shown["device"]["assignments"]),
        (&own, &own)
    );
}

/// Nor by the list of all, and the answer of the one beside it is not spoilt.
#[tokio::test]
async fn a_cursor_of_one_customers_list_is_refused_by_anothers() {
    let world = super::world().await;
    for list in ["sims", "devices"] {
        let first = format!(
            "{{ {list}(first: 1) {{ pageInfo {{ endCursor }} }}
                customer(by: {{ slug: \"bosch\" }}) {{ {list}(first: 1) {{ pageInfo {{ endCursor }} }} }} }}"
        );
        let first = world.run(ADMIN, &first, json!({})).await["data"].clone();
        let of_all = &first[list]["pageInfo"]["endCursor"];
        let of_bosch = &first["customer"][list]["pageInfo"]["endCursor"];
        for (way, size) in [("after", "first"), ("before", "last")] {
            let page = format!("{list}({size}: 1, {way}: $cursor) {{ nodes {{ id }} }}");
            let query = format!(
                "query($cursor: String!) {{
                    bosch: customer(by: {{ slug: \"bosch\" }}) {{ {page} }}
                    dyer: customer(by: {{ slug: \"dyer\" }}) {{ {page} }}
                    all: {page} }}"
            );
            let ask = async |cursor| {
                let answer = world.run(ADMIN, &query, json!({ "cursor": cursor })).await;
                let codes = world::codes(&answer);
                (answer["data"].clone(), codes)
            };
            let (shown, codes) = ask(of_bosch).await;
            assert_eq!(codes, ["INVALID_CURSOR"; 2], "{list} {way}: {shown}");
            assert!(shown["bosch"][list]["nodes"].is_array());
            assert!(shown["dyer"][list].is_null() && shown["all"].is_null());
            let (shown, codes) = ask(of_all).await;
            assert_eq!(codes, ["INVALID_CURSOR"; 2], "{list} {way}: {shown}");
            assert!(shown["all"]["nodes"].is_array());
        }
        // Nor by the same customer's list of other rows.
        let page = format!(
            "{list}(first: 1, after: $cursor, filter: {{ not: {{ ids: [] }} }}) {{ nodes {{ id }} }}"
        );
        let query = format!(
            "query($cursor: String!) {{ customer(by: {{ slug: \"bosch\" }}) {{ {page} }} }}"
        );
        let refused = world
            .run(ADMIN, &query, json!({ "cursor": of_bosch }))
            .await;
        assert_eq!(
            world::codes(&refused),
            ["INVALID_CURSOR"],
            "{list}: {refused}"
        );
    }
}

//! Changes of saved filters.

use domain::Role;
use serde_json::{Value, json};

use super::{
    ADMIN, change, refused,
    world::{self, Caller, World},
};

const SAVED: &str = "savedFilter { id name kind filter createdBy createdAt updatedAt }";

#[tokio::test]
async fn filters_are_saved_changed_and_deleted() {
    let world = World::new().await;
    let active = json!({ "sim": { "states": ["ACTIVE"] } });
    let input = json!({ "name": "Mine", "filter": active });
    let made = change(&world, "createSavedFilter", input.clone(), SAVED).await;
    let saved = &made["savedFilter"];
    let at = "2026-11-21T12:00:00Z";
    assert_eq!(
        *saved,
        json!({ "id": saved["id"], "name": "Mine", "kind": "SIM", "filter": { "states": ["ACTIVE"] },
                "createdBy": "tenant_admin@alpha", "createdAt": at, "updatedAt": at })
    );
    let taken = change(&world, "createSavedFilter", input, SAVED).await;
    assert_eq!(refused(&taken), ("CONFLICT", "name"));
    // A name is unique among those of its kind in its tenant.
    let devices = json!({ "device": { "kinds": ["tracker"] } });
    let input = json!({ "name": "Mine", "filter": devices });
    let other = change(&world, "createSavedFilter", input.clone(), SAVED).await;
    assert_eq!(other["savedFilter"]["kind"], "DEVICE");
    let beta = Caller("beta", Role::TenantAdmin, None);
    world.change(beta, "createSavedFilter", input).await;

    let input = json!({ "savedFilterId": saved["id"], "name": "Ours" });
    let renamed = change(&world, "updateSavedFilter", input, SAVED).await;
    assert_eq!(renamed["savedFilter"]["name"], "Ours");
    assert_eq!(renamed["savedFilter"]["filter"], saved["filter"]);
    let wider = json!({ "sim": { "and": [{ "unassigned": true }, { "label": { "key": "a", "values": null } }] } });
    let input = json!({ "savedFilterId": saved["id"], "filter": wider });
    let changed = change(&world, "updateSavedFilter", input, SAVED).await;
    assert_eq!(changed["savedFilter"]["name"], "Ours");
    let shown = &changed["savedFilter"]["filter"];
    assert_eq!(*shown, wider["sim"]);

    let input = json!({ "savedFilterId": saved["id"] });
    let gone = change(&world, "deleteSavedFilter", input.clone(), "savedFilterId").await;
    assert_eq!(gone["savedFilterId"], saved["id"]);
    let again = change(&world, "deleteSavedFilter", input, "savedFilterId").await;
    assert_eq!(refused(&again), ("NOT_FOUND", ""));
    let query = "query($id: ID!) { sims(filter: { saved: $id }) { totalCount } }";
    let variables = json!({ "id": saved["id"] });
    let answer = world.run(ADMIN, query, variables).await;
    assert_eq!(world::codes(&answer), ["NOT_FOUND"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_saved_filter_names_its_field() {
    let world = World::new().await;
    let active = json!({ "sim": { "states": ["ACTIVE"] } });
    let input = json!({ "name": "a", "filter": active });
    let made = change(&world, "createSavedFilter", input, SAVED).await;
    let id = &made["savedFilter"]["id"];
    let long = "x".repeat(101);
    for (input, expected) in [
        (
            json!({ "name": "", "filter": active }),
            ("INVALID_INPUT", "name"),
        ),
        (
            json!({ "name": " a", "filter": active }),
            ("INVALID_INPUT", "name"),
        ),
        (
            json!({ "name": "a\nb", "filter": active }),
            ("INVALID_INPUT", "name"),
        ),
        (
            json!({ "name": long, "filter": active }),
            ("INVALID_INPUT", "name"),
        ),
        (
            json!({ "name": "b", "filter": { "sim": { "or": [{ "saved": id }] } } }),
            ("INVALID_INPUT", "filter.sim.saved"),
        ),
        (
            json!({ "name": "b", "filter": { "device": { "customers": ["x"] } } }),
            ("INVALID_INPUT", "filter.device.customers"),
        ),
    ] {
        let payload = change(&world, "createSavedFilter", input, SAVED).await;
        assert_eq!(refused(&payload), expected);
        assert_eq!(payload["savedFilter"], Value::Null);
    }
    let input = json!({ "savedFilterId": id, "filter": { "device": {} } });
    let payload = change(&world, "updateSavedFilter", input, SAVED).await;
    assert_eq!(refused(&payload), ("INVALID_INPUT", "filter"));
    let input = json!({ "name": "b", "filter": active });
    change(&world, "createSavedFilter", input, SAVED).await;
    let input = json!({ "savedFilterId": id, "name": "b" });
    let payload = change(&world, "updateSavedFilter", input, SAVED).await;
    assert_eq!(refused(&payload), ("CONFLICT", "name"));

    // Longer than what is kept.
    let names = vec!["x".repeat(200); 200];
    let query = "mutation($input: CreateSavedFilterInput!) { createSavedFilter(input: $input) { savedFilter { id } } }";
    let input = json!({ "name": "c", "filter": { "device": { "names": names } } });
    let answer = world.run(ADMIN, query, json!({ "input": input })).await;
    assert_eq!(world::codes(&answer), ["LIMIT_EXCEEDED"]);
    let said = &answer["errors"][0]["extensions"];
    assert_eq!(
        (&said["field"], &said["limit"]),
        (&json!("filter"), &json!(32_768))
    );
    let support = Caller("alpha", Role::Support, None);
    let input = json!({ "name": "d", "filter": active });
    let answer = world.run(support, query, json!({ "input": input })).await;
    assert_eq!(world::codes(&answer), ["FORBIDDEN"]);
}

#[tokio::test]
async fn what_a_newer_program_saved_is_an_error_of_ours_and_no_other_filter() {
    let world = World::new().await;
    let input = json!({ "name": "a", "filter": { "sim": {} } });
    change(&world, "createSavedFilter", input, SAVED).await;
    world.texts(
        "UPDATE saved_filter SET filter = jsonb_set(filter, '{version}', '2') RETURNING name",
    );
    let ask = "{ savedFilters { nodes { name } } }";
    let answer = world.run(ADMIN, ask, json!({})).await;
    assert_eq!(world::codes(&answer), ["INTERNAL"]);
}

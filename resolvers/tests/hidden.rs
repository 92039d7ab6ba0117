//! What a caller's own usage says of objects that went to somebody else since.

mod world;

use domain::Role;
use serde_json::{Value, json};
use world::{Caller, World, iccid, rich::prefix};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);
const BOSCH: Caller = Caller("alpha", Role::CustomerUser, Some("bosch"));

/// Alpha, where one of three SIMs of Bosch went to 3M in November, with its device.
async fn world() -> World {
    let world = World::new().await;
    let csv = format!(
        "customer,iccid,state,device,valid_from\n3M,{},ACTIVE,alpha-device-2,2026-11-10\n",
        iccid(prefix("alpha"), 2)
    );
    world.import(&world.scope(ADMIN).await, csv).await;
    world
}

/// Rows of a question about October, by the bytes that were sent.
async fn rows(world: &World, caller: Caller, groups: &str, keys: &str) -> Vec<Value> {
    let query = format!(
        "query($input: UsageInput!) {{ usage(input: $input) {{ rows {{ key {{ {keys} }} values {{ bytesUp }} }} }} }}"
    );
    let mut input = world::october();
    input["groupBy"] = groups
        .split(' ')
        .map(|dimension| json!({ "dimension": dimension }))
        .collect();
    input["orderBy"] = json!([{ "by": { "measure": "BYTES_UP" } }]);
    let answer = world.run(caller, &query, json!({ "input": input })).await;
    assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
    let rows = answer["data"]["usage"]["rows"].as_array();
    rows.expect("rows").clone()
}

#[tokio::test]
async fn a_hidden_key_shows_nothing_of_what_it_is() {
    let world = world().await;
    let keys = "sim { status id sim { iccid } } device { status id device { name } } customer { status id customer { slug } }";
    for (caller, seen) in [(BOSCH, 2), (ADMIN, 7)] {
        let rows = rows(&world, caller, "SIM DEVICE CUSTOMER", keys).await;
        assert_eq!(rows.len(), if caller == BOSCH { 3 } else { 7 });
        for (n, row) in rows.iter().enumerate() {
            let (key, is_seen) = (&row["key"], n != 2 || seen == 7);
            assert_eq!(row["values"]["bytesUp"], ((n + 1) * 3_000).to_string());
            for (name, field) in [("sim", "iccid"), ("device", "name")] {
                let object = &key[name];
                let status = if is_seen { "VALUE" } else { "HIDDEN" };
                assert_eq!(object["status"], status, "{row}");
                assert_eq!(object["id"].is_string(), is_seen, "{row}");
                assert_eq!(object[name][field].is_string(), is_seen, "{row}");
            }
            if n < 3 {
                assert_eq!(key["customer"]["customer"]["slug"], "bosch", "{row}");
            }
        }
    }
    // Written at once, they read the same.
    let written = rows(&world, BOSCH, "SIM", "sim { status id }").await;
    let hidden = json!({ "status": "HIDDEN", "id": null });
    assert_eq!(written[2]["key"]["sim"], hidden);
    assert_eq!(written[0]["key"]["sim"]["status"], "VALUE");
}

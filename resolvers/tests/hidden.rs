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
async fn rows(world: &World, caller: Caller, groups: Value, keys: &str) -> Vec<Value> {
    let query = format!(
        "query($input: UsageInput!) {{ usage(input: $input) {{ rows {{ key {{ {keys} }} values {{ bytesUp }} }} }} }}"
    );
    let mut input = world::october();
    input["groupBy"] = groups;
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
        let groups =
            json!([{ "dimension": "SIM" }, { "dimension": "DEVICE" }, { "dimension": "CUSTOMER" }]);
        let rows = rows(&world, caller, groups, keys).await;
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
    let groups = json!([{ "dimension": "SIM" }]);
    let written = rows(&world, BOSCH, groups, "sim { status id }").await;
    let hidden = json!({ "status": "HIDDEN", "id": null });
    assert_eq!(written[2]["key"]["sim"], hidden);
    assert_eq!(written[0]["key"]["sim"]["status"], "VALUE");
}

#[tokio::test]
async fn the_place_of_what_is_hidden_says_nothing() {
    let world = World::new().await;
    // The first two SIMs of Bosch, with their devices: their ids are below that of the third.
    for n in [0, 1] {
        let csv = format!(
            "customer,iccid,state,device,valid_from\n3M,{},ACTIVE,alpha-device-{n},2026-11-10\n",
            iccid(prefix("alpha"), n)
        );
        world.import(&world.scope(ADMIN).await, csv).await;
    }
    // A viewer of three SIMs and no customer.
    let ask = "{ sims(first: 7) { nodes { id } } }";
    let sims = world.run(ADMIN, ask, json!({})).await["data"]["sims"]["nodes"].clone();
    let granted = [0, 3, 6].map(|n| sims[n]["id"].clone());
    let input = json!({ "subject": world::POOL.subject(), "simIds": granted });
    world.change(ADMIN, "grantSegment", input).await;
    for (caller, dimension, key, shown, hidden) in [
        (BOSCH, "SIM", "sim", ["VALUE", "9000"], ["HIDDEN", "9000"]),
        (
            BOSCH,
            "DEVICE",
            "device",
            ["VALUE", "9000"],
            ["HIDDEN", "9000"],
        ),
        (
            world::POOL,
            "CUSTOMER",
            "customer",
            ["UNASSIGNED", "21000"],
            ["HIDDEN", "15000"],
        ),
    ] {
        let rows = async |more: &str| {
            let query = format!(
                "{{ usage(input: {{ period: {{ between: {{ from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" }} }}, \
                 groupBy: [{{ dimension: {dimension} }}], {more} }}) {{ rows {{ key {{ {key} {{ status }} }} values {{ bytesUp }} }} }} }}"
            );
            let answer = world.run(caller, &query, json!({})).await;
            assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
            let rows = answer["data"]["usage"]["rows"]
                .as_array()
                .expect("rows")
                .clone();
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            let row = |row: &Value| {
                [
                    text(&row["key"][key]["status"]),
                    text(&row["values"]["bytesUp"]),
                ]
            };
            rows.iter().map(row).collect::<Vec<_>>()
        };
        let ordered = |direction: &str| {
            format!("orderBy: [{{ by: {{ group: 0 }}, direction: {direction} }}]")
        };
        assert_eq!(rows(&ordered("ASC")).await, [shown, hidden], "{key}");
        assert_eq!(rows(&ordered("DESC")).await, [hidden, shown], "{key}");
        let first = format!("{}, limit: 1", ordered("ASC"));
        assert_eq!(rows(&first).await, [shown], "{key}");
        // They are ranked as one.
        let largest = rows("top: { group: 0, n: 1, by: RECORDS }").await;
        assert_eq!(largest, [hidden], "{key}");
    }
}

#[tokio::test]
async fn a_label_that_is_hidden_is_not_one_that_is_missing() {
    let world = world().await;
    let ask = "{ sims(first: 3) { nodes { id iccid customer { id } device { id } } } }";
    let found = world.run(ADMIN, ask, json!({})).await;
    let sims = &found["data"]["sims"]["nodes"];
    let input = json!({ "simId": sims[1]["id"], "remove": ["location"] });
    world.change(ADMIN, "setSimLabels", input).await;
    let input = json!({ "key": "rack" });
    world.change(ADMIN, "createLabelDefinition", input).await;
    for n in [0, 2] {
        let set = json!([{ "key": "rack", "value": "r" }]);
        let input = json!({ "deviceId": sims[n]["device"]["id"], "set": set });
        world.change(ADMIN, "setDeviceLabels", input).await;
    }
    // Used in no device.
    let mut sim = sims[0].clone();
    sim["device"] = Value::Null;
    world.record(ADMIN, &sim, 500, 5, ["262-01", "DATA"]).await;
    let groups = [
        json!({ "simLabel": "location" }),
        json!({ "deviceLabel": "rack" }),
    ];
    let keys = "sim: simLabel(key: \"location\") { status value } device: deviceLabel(key: \"rack\") { status value }";
    let (value, unassigned, hidden) = (
        |text: &str| json!({ "status": "VALUE", "value": text }),
        json!({ "status": "UNASSIGNED", "value": null }),
        json!({ "status": "HIDDEN", "value": null }),
    );
    let (field, rack) = (value("field"), value("r"));
    let bosch = [
        (&field, &unassigned, 500),
        (&field, &rack, 3_000),
        (&unassigned, &unassigned, 6_000),
        (&hidden, &hidden, 9_000),
    ];
    // Four other SIMs of seven carry the first label, and no device the second.
    let admin = [
        (&unassigned, &unassigned, 6_000),
        (&field, &rack, 3_000 + 9_000),
        (&field, &unassigned, 500 + 12_000 + 15_000 + 18_000 + 21_000),
    ];
    for (caller, expected) in [(BOSCH, &bosch[..]), (ADMIN, &admin)] {
        let found = rows(&world, caller, json!(groups), keys).await;
        let row = |(sim, device, bytes): &(&Value, &Value, u32)| json!({ "key": { "sim": sim, "device": device }, "values": { "bytesUp": bytes.to_string() } });
        let expected: Vec<Value> = expected.iter().map(row).collect();
        assert_eq!(found, expected, "{caller:?}");
    }
}

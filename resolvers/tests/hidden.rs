//! What a caller's own usage says of objects that went to somebody else since, and of what records do not say.

mod world;

use analytics::{
    CdrRow,
    usage::{Condition, CubeQuery, Dimension, Group, Key, Measure, Order, OrderBy, Span},
};
use chrono::{TimeDelta, TimeZone as _, Utc};
use domain::{
    Role,
    id::{BatchId, CustomerId},
    identity::VerifiedClaims,
    usage::{Alignment, Attribution},
};
use serde_json::{Value, json};
use service::Session;
use uuid::Uuid;
use world::{Caller, POOL, World, iccid, rich::prefix};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);
const BOSCH: Caller = Caller("alpha", Role::CustomerUser, Some("bosch"));

const NOBODY: &str = "0000000000000000000000000000000f";

/// Alpha, where one of three SIMs of Bosch went to 3M in November, with its device, and the pool sees two other devices.
async fn world() -> World {
    let world = World::new().await;
    let csv = format!(
        "customer,iccid,state,device,valid_from\n3M,{},ACTIVE,alpha-device-2,2026-11-10\n",
        iccid(prefix("alpha"), 2)
    );
    let admin = world.scope(ADMIN).await;
    world.import(&admin, csv).await;
    world.grants(ADMIN, &admin).await;
    world
}

/// The id of the SIM or device with this number, or of the customer with this slug.
async fn id(world: &World, list: &str, which: &str) -> String {
    let ids = world.ids(ADMIN).await;
    let mut nodes = ids[list]["nodes"].as_array().into_iter().flatten();
    let found = nodes.find(|node| {
        let names = ["iccid", "name", "slug"].map(|name| node[name].as_str());
        names.contains(&Some(which))
    });
    let id = found.and_then(|node| node["id"].as_str());
    id.unwrap_or_else(|| panic!("{which}: {ids}")).to_owned()
}

async fn session(world: &World, claims: &VerifiedClaims) -> Session {
    world.entry.enter(claims, "test").await.expect("entered")
}

/// A question about October, by the bytes that were sent.
fn by(dimension: Dimension) -> CubeQuery {
    let day = |month| Utc.with_ymd_and_hms(2026, month, 1, 0, 0, 0).unwrap();
    let period = Span::Between {
        from: day(10),
        to: day(11),
        align: Alignment::Exact,
    };
    let order = Order {
        by: OrderBy::Measure(Measure::BytesUp),
        descending: false,
    };
    CubeQuery {
        group_by: vec![Group::Dimension(dimension)],
        order_by: vec![order],
        ..CubeQuery::of(&[Measure::BytesUp], period)
    }
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

#[tokio::test]
async fn a_hidden_key_of_a_page_and_of_a_file_is_hidden() {
    let world = world().await;
    let by_sim = "usage(input: { period: { between: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" } }, \
        groupBy: [{ dimension: SIM }], orderBy: [{ by: { measure: BYTES_UP } }] }) \
        { rows { key { sim { status id } } values { bytesUp } } }";
    let seen = |row: &Value| {
        let sim = &row["key"]["sim"];
        assert_eq!(sim["id"].is_string(), sim["status"] == "VALUE", "{row}");
        (sim["status"].clone(), row["values"]["bytesUp"].clone())
    };
    let (value, hidden) = (json!("VALUE"), json!("HIDDEN"));
    // Of the pool's devices, it sees no SIM.
    for (caller, list, expected) in [
        (POOL, "devices", vec![(&hidden, 6_000), (&hidden, 15_000)]),
        (
            BOSCH,
            "customers",
            vec![(&value, 3_000), (&value, 6_000), (&hidden, 9_000)],
        ),
    ] {
        let query = format!("{{ {list}(first: 7) {{ nodes {{ {by_sim} }} }} }}");
        let answer = world.run(caller, &query, json!({})).await;
        assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
        let nodes = answer["data"][list]["nodes"].as_array().expect("nodes");
        let rows = nodes
            .iter()
            .filter_map(|node| node["usage"]["rows"].as_array());
        let found: Vec<_> = rows.flatten().map(seen).collect();
        let expected = expected.into_iter();
        let expected: Vec<_> = expected
            .map(|(status, bytes)| (status.clone(), json!(bytes.to_string())))
            .collect();
        assert_eq!(found, expected, "{caller:?}");
    }
    for (caller, expected) in [
        (BOSCH, vec![false, false, true]),
        // All that is hidden is one row.
        (POOL, vec![true]),
        (ADMIN, vec![false; 7]),
    ] {
        let session = session(&world, &World::claims(caller)).await;
        let mut file = session
            .usage_file(&by(Dimension::Sim))
            .await
            .expect("a file");
        let rows = file.next(100).await.expect("rows");
        let is_hidden = rows.iter().map(|row| row.keys == [Some(Key::Hidden)]);
        assert_eq!(is_hidden.collect::<Vec<_>>(), expected, "{caller:?}");
    }
}

#[tokio::test]
async fn an_id_that_is_hidden_selects_what_an_id_of_nothing_selects() {
    let world = world().await;
    let sim = async |n| id(&world, "sims", &iccid(prefix("alpha"), n)).await;
    let (second, third) = (sim(1).await, sim(2).await);
    let device = id(&world, "devices", "alpha-device-2").await;
    let (bosch, new) = (
        id(&world, "customers", "bosch").await,
        id(&world, "customers", "3m").await,
    );
    let nested = "nodes { usage(input: $input) { totals { records bytesUp activeSims } } }";
    let selections = [
        "usage(input: $input) { totals { records bytesUp activeSims } }".to_owned(),
        format!("devices(first: 7) {{ {nested} }}"),
        format!("customers(first: 7) {{ {nested} }}"),
    ];
    let (sims, devices, customers) = ("sims", "devices", "customers");
    let mut told = 0;
    for (caller, field, hidden) in [
        (POOL, sims, &second),
        (POOL, devices, &device),
        (POOL, customers, &bosch),
        (BOSCH, sims, &third),
        (BOSCH, devices, &device),
        (BOSCH, customers, &new),
    ] {
        let nothing = format!("{}_{NOBODY}", &hidden[..3]);
        let among = |id: &str| {
            let is = json!({ field: [id] });
            let elsewhere = json!({ "streams": ["elsewhere"] });
            let neither = json!({ "not": { "or": [is, elsewhere] } });
            [
                is.clone(),
                json!({ "not": is }),
                json!({ "and": [{ "services": ["DATA"] }, { "or": [is, elsewhere] }] }),
                json!({ "and": [neither, { "services": ["DATA"] }] }),
            ]
        };
        for (about, nothing) in among(hidden).into_iter().zip(among(&nothing)) {
            for (selection, attribution) in selections
                .iter()
                .flat_map(|selection| ["AT_EVENT", "CURRENT"].map(|of| (selection, of)))
            {
                let ask = async |caller, filter: &Value| {
                    let mut input = world::october();
                    input["filter"] = filter.clone();
                    input["attribution"] = attribution.into();
                    let query = format!("query($input: UsageInput!) {{ {selection} }}");
                    world.run(caller, &query, json!({ "input": input })).await
                };
                let found = ask(caller, &about).await;
                assert_eq!(
                    found,
                    ask(caller, &nothing).await,
                    "{caller:?}: {about} {selection}"
                );
                // It is something to those who may see it.
                told += usize::from(ask(ADMIN, &about).await != ask(ADMIN, &nothing).await);
            }
        }
    }
    assert!(told > 60, "{told}");
}

/// A viewer who was granted one SIM of Bosch and one of nobody.
async fn of_two_sims(world: &World) -> VerifiedClaims {
    let sim = async |n| id(world, "sims", &iccid(prefix("alpha"), n)).await;
    let input = json!({ "subject": "two", "simIds": [sim(0).await, sim(5).await] });
    world.change(ADMIN, "grantSegment", input).await;
    let claims = VerifiedClaims::new("two".into(), "alpha".into(), Role::Viewer, None);
    claims.expect("claims")
}

#[tokio::test]
async fn a_customer_that_is_hidden_is_not_one_that_is_missing() {
    let world = world().await;
    let claims = of_two_sims(&world).await;
    let ask = async |input: &str, selection: &str| {
        let query = format!(
            "{{ usage(input: {{ period: {{ between: {{ from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" }} }}, {input} }}) {{ {selection} }} }}"
        );
        let (answer, _) = world.ask_as(claims.clone(), &query, json!({})).await;
        let answer: Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!(world::codes(&answer), [""; 0], "{query}: {answer}");
        answer["data"]["usage"].clone()
    };
    let order = "orderBy: [{ by: { measure: BYTES_UP } }]";
    for (groups, key) in [
        (
            "groupBy: [{ dimension: SIM_CUSTOMER_NOW }]",
            "simCustomerNow",
        ),
        (
            "groupBy: [{ dimension: CUSTOMER }], attribution: CURRENT",
            "customer",
        ),
        ("groupBy: [{ dimension: CUSTOMER }]", "customer"),
    ] {
        let selection = format!("rows {{ key {{ {key} {{ status id }} }} values {{ bytesUp }} }}");
        let found = ask(&format!("{groups}, {order}"), &selection).await;
        let row = |status: &str, bytes: u32| json!({ "key": { key: { "status": status, "id": null } }, "values": { "bytesUp": bytes.to_string() } });
        let expected = [row("HIDDEN", 3_000), row("UNASSIGNED", 18_000)];
        assert_eq!(found["rows"], json!(expected), "{groups}");
    }
    for (is_unassigned, bytes) in [(true, 18_000), (false, 3_000)] {
        for attribution in ["AT_EVENT", "CURRENT"] {
            let input =
                format!("attribution: {attribution}, filter: {{ unassigned: {is_unassigned} }}");
            let found = ask(&input, "totals { bytesUp }").await;
            assert_eq!(found["totals"]["bytesUp"], bytes.to_string(), "{input}");
        }
    }
}

#[tokio::test]
async fn a_customer_of_now_that_is_hidden_selects_nothing() {
    let world = world().await;
    let two = of_two_sims(&world).await;
    let customer = async |slug| id(&world, "customers", slug).await;
    let (bosch, new) = (customer("bosch").await, customer("3m").await);
    let ask = async |claims: &VerifiedClaims, id: &str, attribution| {
        let id: CustomerId = id.parse().expect("an id");
        let query = CubeQuery {
            filter: Some(
                Condition::In {
                    dimension: Dimension::SimCustomerNow,
                    values: vec![id.into()],
                }
                .into(),
            ),
            attribution,
            ..by(Dimension::Network)
        };
        let session = session(&world, claims).await;
        session.usage(&query).await.expect("an answer")
    };
    let nobody = format!("cus_{NOBODY}");
    for (claims, hidden) in [(&two, &bosch), (&World::claims(BOSCH), &new)] {
        for attribution in [Attribution::AtEvent, Attribution::Current] {
            let [about, nothing] = [
                ask(claims, hidden, attribution).await,
                ask(claims, &nobody, attribution).await,
            ];
            assert_eq!(about, nothing, "{claims:?}");
        }
        let seen = ask(&World::claims(ADMIN), hidden, Attribution::AtEvent).await;
        assert!(!seen.rows.is_empty());
    }
}

#[tokio::test]
async fn what_records_do_not_say_is_unknown_and_what_nobody_knows_has_no_more_than_its_code() {
    let world = World::new().await;
    world.networks().await;
    let (tenant, batch) = (
        world.scope(ADMIN).await.tenant(),
        BatchId::new(Uuid::now_v7()),
    );
    let sim = id(&world, "sims", &iccid(prefix("alpha"), 6)).await;
    let start = Utc.with_ymd_and_hms(2026, 10, 5, 10, 0, 0).unwrap();
    let row = |bytes_up, network: &str, rat: &str| {
        let identity = Uuid::now_v7();
        CdrRow {
            tenant,
            customer: None,
            sim: sim.parse().expect("an id"),
            device: None,
            network: network.into(),
            rat: rat.into(),
            service: "DATA".into(),
            source: "elsewhere".into(),
            record_id: identity.to_string(),
            identity,
            start,
            end: start + TimeDelta::minutes(1),
            bytes_up,
            bytes_down: 0,
            units: 0,
            sign: 1,
            batch,
            received_at: world.now,
        }
    };
    let unsaid = [row(1, "", ""), row(2, "901-99", "NR")];
    world.apply(batch, &unsaid).await;
    let unknown = json!({ "status": "UNKNOWN", "value": null });
    for (dimension, name, fields, known) in [
        ("NETWORK", "network", "status value: code", "901-99"),
        // Written at once, and with the object beside, they read the same.
        (
            "NETWORK",
            "network",
            "status value: code network { code }",
            "901-99",
        ),
        ("RADIO_ACCESS_TYPE", "radioAccessType", "status value", "NR"),
        ("COUNTRY", "country", "status value", "DE"),
    ] {
        let groups = json!([{ "dimension": dimension }]);
        let rows = rows(&world, ADMIN, groups, &format!("{name} {{ {fields} }}")).await;
        let mut unknown = unknown.clone();
        let mut value = json!({ "status": "VALUE", "value": known });
        if fields.contains("network {") {
            unknown["network"] = Value::Null;
            value["network"] = Value::Null;
        }
        assert_eq!(rows[0]["key"][name], unknown, "{dimension}");
        assert_eq!(rows[1]["key"][name], value, "{dimension}");
        // No network but those of the dictionary has a country.
        let bytes = if name == "country" { "3" } else { "1" };
        assert_eq!(rows[0]["values"]["bytesUp"], bytes, "{dimension}");
    }
}

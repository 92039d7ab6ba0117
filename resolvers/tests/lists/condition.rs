//! Every condition of every filter, and which rows it should select.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    ADMIN, keys_of,
    world::{self, World},
};

/// A list, what tells its rows apart, and conditions of which each holds for some rows and not for others.
pub(crate) struct List {
    pub(crate) field: &'static str,
    filter: &'static str,
    key: &'static str,
    pub(crate) conditions: Vec<(Value, BTreeSet<String>)>,
}

impl List {
    /// The keys of the rows that match, from one page that holds them all; `totalCount` agrees.
    pub(crate) async fn keys(&self, world: &World, filter: &Value) -> BTreeSet<String> {
        let Self {
            field,
            filter: input,
            key,
            ..
        } = self;
        let query = format!(
            "query($filter: {input}) {{ {field}(first: 200, filter: $filter) {{ totalCount nodes {{ {key} }} }} }}"
        );
        let answer = world.run(ADMIN, &query, json!({ "filter": filter })).await;
        assert_eq!(world::codes(&answer), [""; 0], "{field} {filter}: {answer}");
        let list = &answer["data"][field];
        let keys: BTreeSet<String> = keys_of(&list["nodes"], key);
        assert_eq!(list["totalCount"], json!(keys.len()), "{filter}");
        keys
    }
}

/// What each condition should give is told from the plain list, by a rule of the test's own.
#[expect(clippy::too_many_lines, reason = "a table of conditions")]
pub(crate) async fn lists(world: &World) -> Vec<List> {
    let all = world
        .run(
            ADMIN,
            "{ sims(first: 200) { nodes { id iccid state customer { id name } labels { key value } device { id } } }
               devices(first: 200) { nodes { id name kind state connectivity customer { id name } labels { key value } simulated } }
               customers(first: 200) { nodes { id slug name email } }
               labelDefinitions(first: 200) { nodes { id key } }
               savedFilters(first: 200) { nodes { id name kind createdBy } }
               exports(first: 200) { nodes { id name state requestedBy scheduleId } }
               exportSchedules(first: 200) { nodes { id name createdBy enabled } }
               notifications(first: 200) { nodes { id name kind readAt } }
               ingestBatches(first: 200) { nodes { id receivedAt } }
               ingestRejections(first: 200) { nodes { recordId } } }",
            json!({}),
        )
        .await;
    let all = &all["data"];
    let rows = |list: &str| all[list]["nodes"].as_array().expect("rows").clone();
    let of = |rows: &[Value], key: &str, rule: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        let matching = rows.iter().filter(|row| rule(row));
        matching
            .map(|row| row[key].as_str().expect("a key").to_owned())
            .collect()
    };
    let (sims, devices) = (rows("sims"), rows("devices"));
    let bosch = rows("customers")
        .into_iter()
        .find(|row| row["slug"] == "bosch")
        .expect("Bosch")["id"]
        .clone();
    let first = |rows: &[Value], key: &str| rows[0][key].clone();
    let carries = |row: &Value, key: &str, value: &str| {
        let labels = row["labels"].as_array().expect("labels");
        labels.contains(&json!({ "key": key, "value": value }))
    };
    let is_bosch = |row: &Value| row["customer"]["id"] == bosch;
    let sim = |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&sims, "iccid", rule));
    let device =
        |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&devices, "name", rule));
    let short = sims[1]["iccid"].as_str().expect("an ICCID")[..19].to_owned();
    let customers = rows("customers");
    let customer =
        |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&customers, "slug", rule));
    let definitions = rows("labelDefinitions");
    let definition =
        |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&definitions, "key", rule));
    let exports = rows("exports");
    let export =
        |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&exports, "name", rule));
    let schedules = rows("exportSchedules");
    let schedule =
        |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&schedules, "name", rule));
    let notifications = rows("notifications");
    let notification =
        |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&notifications, "name", rule));
    let saved = rows("savedFilters");
    let saved_filter =
        |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&saved, "name", rule));
    let named = |name: &str| {
        let found = saved.iter().find(|row| row["name"] == name);
        found.expect("a saved filter")["id"].clone()
    };
    let batches = rows("ingestBatches");
    let batch = |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&batches, "id", rule));
    let rejections = rows("ingestRejections");
    let rejection =
        |filter: Value, rule: &dyn Fn(&Value) -> bool| (filter, of(&rejections, "recordId", rule));
    // The batches came at ten and at eleven, the rejections at ten; a period ends before its end.
    let received = |from: &str, to: &str| {
        let at = |hour: &str| format!("2026-11-21T{hour}:00:00Z");
        json!({ "received": { "from": at(from), "to": at(to) } })
    };
    vec![
        List {
            field: "sims",
            filter: "SimFilter",
            key: "iccid",
            conditions: vec![
                sim(json!({ "search": "0000000000002" }), &|row| {
                    row["iccid"]
                        .as_str()
                        .is_some_and(|iccid| iccid.contains("0000000000002"))
                }),
                sim(json!({ "ids": [first(&sims, "id")] }), &|row| {
                    row["id"] == sims[0]["id"]
                }),
                sim(json!({ "iccids": [short] }), &|row| {
                    row["iccid"] == sims[1]["iccid"]
                }),
                sim(json!({ "states": ["SUSPENDED"] }), &|row| {
                    row["state"] == "SUSPENDED"
                }),
                sim(json!({ "customers": [bosch] }), &is_bosch),
                sim(json!({ "unassigned": true }), &|row| {
                    row["customer"].is_null()
                }),
                sim(
                    json!({ "label": { "key": "location", "values": ["depot"] } }),
                    &|row| carries(row, "location", "depot"),
                ),
                sim(json!({ "label": { "key": "shelf" } }), &|row| {
                    carries(row, "shelf", "1")
                }),
                sim(json!({ "simulated": true }), &|_| false),
                sim(json!({ "saved": named("Suspended") }), &|row| {
                    row["state"] == "SUSPENDED"
                }),
            ],
        },
        List {
            field: "devices",
            filter: "DeviceFilter",
            key: "name",
            conditions: vec![
                device(json!({ "search": "DEVICE-2" }), &|row| {
                    row["name"] == "alpha-device-2"
                }),
                device(json!({ "ids": [first(&devices, "id")] }), &|row| {
                    row["id"] == devices[0]["id"]
                }),
                device(json!({ "names": ["alpha-device-1"] }), &|row| {
                    row["name"] == "alpha-device-1"
                }),
                device(json!({ "kinds": ["tracker"] }), &|row| {
                    row["kind"] == "tracker"
                }),
                device(json!({ "states": ["RETIRED"] }), &|_| false),
                device(json!({ "customers": [bosch] }), &is_bosch),
                device(json!({ "unassigned": true }), &|row| {
                    row["customer"].is_null()
                }),
                device(json!({ "connectivity": ["CELLULAR"] }), &|_| true),
                device(json!({ "connectivity": ["WIFI", "LORA"] }), &|_| false),
                device(
                    json!({ "label": { "key": "room", "values": ["lab"] } }),
                    &|row| carries(row, "room", "lab"),
                ),
                device(json!({ "simulated": true }), &|_| false),
                device(json!({ "saved": named("Trackers") }), &|row| {
                    row["kind"] == "tracker"
                }),
            ],
        },
        List {
            field: "customers",
            filter: "CustomerFilter",
            key: "slug",
            conditions: vec![
                customer(json!({ "search": "BOS" }), &|row| row["slug"] == "bosch"),
                customer(json!({ "ids": [bosch] }), &|row| row["id"] == bosch),
                customer(json!({ "slugs": ["dyer", "nobody"] }), &|row| {
                    row["slug"] == "dyer"
                }),
                customer(json!({ "archived": true }), &|_| false),
            ],
        },
        List {
            field: "labelDefinitions",
            filter: "LabelDefinitionFilter",
            key: "key",
            conditions: vec![
                definition(json!({ "search": "CAT" }), &|row| row["key"] == "location"),
                definition(json!({ "ids": [first(&definitions, "id")] }), &|row| {
                    row["id"] == definitions[0]["id"]
                }),
                definition(json!({ "keys": ["owner"] }), &|row| row["key"] == "owner"),
            ],
        },
        List {
            field: "savedFilters",
            filter: "SavedFilterFilter",
            key: "name",
            conditions: vec![
                saved_filter(json!({ "search": "TER" }), &|row| row["name"] == "Meters"),
                saved_filter(json!({ "ids": [first(&saved, "id")] }), &|row| {
                    row["id"] == saved[0]["id"]
                }),
                saved_filter(json!({ "kinds": ["SIM"] }), &|row| row["kind"] == "SIM"),
                saved_filter(json!({ "createdBy": [ADMIN.subject()] }), &|row| {
                    row["name"] != "Meters"
                }),
            ],
        },
        List {
            field: "exports",
            filter: "ExportFilter",
            key: "name",
            conditions: vec![
                export(json!({ "search": "LL" }), &|row| row["name"] == "All"),
                export(json!({ "ids": [first(&exports, "id")] }), &|row| {
                    row["id"] == exports[0]["id"]
                }),
                export(json!({ "states": ["CANCELLED"] }), &|row| {
                    row["name"] == "Some"
                }),
                export(json!({ "requestedBy": [ADMIN.subject()] }), &|row| {
                    row["name"] != "All"
                }),
                export(json!({ "schedules": [first(&schedules, "id")] }), &|row| {
                    row["scheduleId"] == schedules[0]["id"]
                }),
            ],
        },
        List {
            field: "exportSchedules",
            filter: "ExportScheduleFilter",
            key: "name",
            conditions: vec![
                schedule(json!({ "search": "WOR" }), &|row| row["name"] == "Networks"),
                schedule(json!({ "ids": [first(&schedules, "id")] }), &|row| {
                    row["id"] == schedules[0]["id"]
                }),
                schedule(json!({ "createdBy": [ADMIN.subject()] }), &|row| {
                    row["name"] != "Bills"
                }),
                schedule(json!({ "enabled": false }), &|row| row["name"] == "Trail"),
            ],
        },
        List {
            field: "notifications",
            filter: "NotificationFilter",
            key: "name",
            conditions: vec![
                notification(json!({ "ids": [first(&notifications, "id")] }), &|row| {
                    row["id"] == notifications[0]["id"]
                }),
                notification(json!({ "kinds": ["EXPORT_FAILED"] }), &|row| {
                    row["name"] == "lost"
                }),
                notification(json!({ "unread": true }), &|row| row["readAt"].is_null()),
            ],
        },
        List {
            field: "ingestBatches",
            filter: "IngestBatchFilter",
            key: "id",
            conditions: vec![
                batch(json!({ "ids": [first(&batches, "id")] }), &|row| {
                    row["id"] == batches[0]["id"]
                }),
                batch(json!({ "states": ["COUNTED"] }), &|_| true),
                batch(json!({ "states": ["QUARANTINED"] }), &|_| false),
                batch(received("10", "11"), &|row| {
                    row["receivedAt"] == "2026-11-21T10:00:00Z"
                }),
            ],
        },
        List {
            field: "ingestRejections",
            filter: "RejectionFilter",
            key: "recordId",
            conditions: vec![
                rejection(json!({ "sources": ["alpha-gateway"] }), &|_| true),
                rejection(json!({ "codes": ["UNKNOWN_ICCID"] }), &|_| false),
                rejection(json!({ "recordIds": ["alpha-record-1-1"] }), &|row| {
                    row["recordId"] == "alpha-record-1-1"
                }),
                rejection(received("09", "10"), &|_| false),
                rejection(received("10", "11"), &|_| true),
            ],
        },
    ]
}

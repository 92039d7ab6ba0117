//! One of each change that the contract offers.

use domain::Role;
use serde_json::{Value, json};

use super::{Caller, World, codes};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);

/// The payload of a mutation with one `input`; the answer has no errors of its own.
pub(crate) async fn change(world: &World, caller: Caller, change: &Change, input: &Value) -> Value {
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
    assert_eq!(codes(&answer), [""; 0], "{answer}");
    answer["data"][mutation].clone()
}

/// A change that the caller can make once.
pub(crate) struct Change {
    pub(crate) mutation: &'static str,
    pub(crate) input: Value,
    selection: &'static str,
    /// A field whose other value is another change.
    pub(crate) other: (&'static str, Value),
}

impl Change {
    pub(crate) fn under(&self, key: &str) -> Value {
        let mut input = self.input.clone();
        input["idempotencyKey"] = key.into();
        input
    }
}

pub(crate) fn create_customer() -> Change {
    Change {
        mutation: "createCustomer",
        input: json!({ "slug": "acme", "name": "Acme" }),
        selection: "customer { id name createdAt }",
        other: ("name", json!("Acme AG")),
    }
}

/// One of each, in an order in which all can be made.
#[expect(clippy::too_many_lines, reason = "a table of all changes")]
pub(crate) async fn changes(world: &World) -> Vec<Change> {
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
                gone: createSavedFilter(input: { name: \"gone\", filter: { sim: {} } }) { savedFilter { id } }
                kill: createExport(input: { dataSet: { sims: {} }, format: CSV }) { export { id } }
                over: createExport(input: { dataSet: { sims: {} }, format: CSV }) { export { id } }
                spare: createExport(input: { dataSet: { sims: {} }, format: CSV }) { export { id } }
                monthly: createExportSchedule(input: { dataSet: { audit: { period: { preset: LAST_MONTH } } }, format: CSV }) { exportSchedule { id } }
                never: createExportSchedule(input: { dataSet: { audit: { period: { preset: LAST_MONTH } } }, format: CSV }) { exportSchedule { id } } }",
            json!({ "bosch": bosch }),
        )
        .await["data"]
        .clone();
    let grant = &made["grantSegment"]["grants"][0]["id"];
    let gone = &made["createLabelDefinition"]["labelDefinition"]["id"];
    let kept = &made["kept"]["savedFilter"]["id"];
    let unsaved = &made["gone"]["savedFilter"]["id"];
    let [kill, over, spare] =
        ["kill", "over", "spare"].map(|name| made[name]["export"]["id"].clone());
    let [monthly, never] =
        ["monthly", "never"].map(|name| made[name]["exportSchedule"]["id"].clone());
    let cancel = "mutation($id: ID!) { cancelExport(input: { exportId: $id }) { export { id } } }";
    world.run(ADMIN, cancel, json!({ "id": over })).await;
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
            "createExport",
            json!({ "dataSet": { "devices": { "filter": { "search": "device" } } }, "format": "XLSX", "name": "mine" }),
            "export { id name dataSet format question state }",
            ("name", json!("ours")),
        ),
        change(
            "cancelExport",
            json!({ "exportId": kill }),
            "export { id state }",
            ("exportId", spare.clone()),
        ),
        change(
            "retryExport",
            json!({ "exportId": over }),
            "export { id state }",
            ("exportId", spare),
        ),
        change(
            "createExportSchedule",
            json!({ "dataSet": { "customerUsage": { "period": { "preset": "LAST_MONTH" }, "timeZone": "Europe/Berlin" } }, "format": "XLSX", "name": "bills" }),
            "exportSchedule { id name dataSet format question timeZone enabled nextMonth dueAt }",
            ("name", json!("other bills")),
        ),
        change(
            "updateExportSchedule",
            json!({ "scheduleId": monthly, "enabled": false }),
            "exportSchedule { id enabled updatedAt }",
            ("enabled", json!(true)),
        ),
        change(
            "deleteExportSchedule",
            json!({ "scheduleId": never }),
            "scheduleId",
            ("scheduleId", monthly),
        ),
        change(
            "markNotificationsRead",
            json!({ "ids": [] }),
            "unread",
            ("ids", json!(["ntf_00000000000000000000000000000000"])),
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

//! What a caller cannot see does not exist: another tenant's objects, and those of another customer, answer byte for byte as
//! ids that were never given to anything, whatever way they are asked for.

mod world;

use domain::Role;
use serde_json::{Value, json};
use world::{Caller, World};

const NOBODY: &str = "0000000000000000000000000000000f";

/// What is asked about one id, and the kind of id.
const QUESTIONS: &[(&str, &str)] = &[
    ("sim", "query($id: ID!) { sim(by: { id: $id }) { iccid } }"),
    ("sim", "query($id: ID!) { node(id: $id) { id } }"),
    (
        "sim",
        "query($id: ID!) { sims(filter: { ids: [$id] }) { totalCount nodes { iccid } } }",
    ),
    (
        "sim",
        "query($id: ID!, $october: UsageInput!) { node(id: $id) { ... on Sim { usage(input: $october) { totals { records } } } } }",
    ),
    ("dev", "query($id: ID!) { device(id: $id) { name } }"),
    ("dev", "query($id: ID!) { node(id: $id) { id } }"),
    (
        "dev",
        "query($id: ID!) { devices(filter: { ids: [$id] }) { totalCount nodes { name } } }",
    ),
    (
        "cus",
        "query($id: ID!) { customer(by: { id: $id }) { name } }",
    ),
    ("cus", "query($id: ID!) { node(id: $id) { id } }"),
    (
        "cus",
        "query($id: ID!) { customers(filter: { ids: [$id] }) { totalCount nodes { name } } }",
    ),
    (
        "cus",
        "query($id: ID!) { sims(filter: { customers: [$id] }) { totalCount nodes { iccid } } }",
    ),
    (
        "cus",
        "query($id: ID!) { devices(filter: { customers: [$id] }) { totalCount nodes { name } } }",
    ),
    (
        "cus",
        "query($id: ID!) { sessionHistory(filter: { customers: [$id] }) { totalCount nodes { sessionId } } }",
    ),
    (
        "cus",
        "query($id: ID!) { liveSessions(filter: { customers: [$id] }) { totalCount nodes { sessionId } } }",
    ),
    ("lab", "query($id: ID!) { node(id: $id) { id } }"),
    (
        "lab",
        "query($id: ID!) { labelDefinitions(filter: { ids: [$id] }) { totalCount nodes { key } } }",
    ),
    ("bat", "query($id: ID!) { node(id: $id) { id } }"),
    (
        "bat",
        "query($id: ID!) { ingestBatches(filter: { ids: [$id] }) { totalCount nodes { id } } }",
    ),
    ("grt", "query($id: ID!) { node(id: $id) { id } }"),
    ("ten", "query($id: ID!) { node(id: $id) { id } }"),
    ("fil", "query($id: ID!) { node(id: $id) { id } }"),
    ("job", "query($id: ID!) { node(id: $id) { id } }"),
    (
        "job",
        "query($id: ID!) { export(id: $id) { name downloadUrl } }",
    ),
    (
        "job",
        "query($id: ID!) { exports(filter: { ids: [$id] }) { totalCount nodes { name } } }",
    ),
    (
        "job",
        "mutation($id: ID!) { cancelExport(input: { exportId: $id }) { export { name } userErrors { code message field } } }",
    ),
    (
        "job",
        "mutation($id: ID!) { retryExport(input: { exportId: $id }) { export { name } userErrors { code message field } } }",
    ),
    ("sch", "query($id: ID!) { node(id: $id) { id } }"),
    (
        "sch",
        "query($id: ID!) { exportSchedules(filter: { ids: [$id] }) { totalCount nodes { name } } }",
    ),
    (
        "sch",
        "query($id: ID!) { exports(filter: { schedules: [$id] }) { totalCount nodes { name } } }",
    ),
    (
        "sch",
        "mutation($id: ID!) { updateExportSchedule(input: { scheduleId: $id, enabled: false }) { exportSchedule { name } userErrors { code message field } } }",
    ),
    (
        "sch",
        "mutation($id: ID!) { deleteExportSchedule(input: { scheduleId: $id }) { scheduleId userErrors { code message field } } }",
    ),
    ("ntf", "query($id: ID!) { node(id: $id) { id } }"),
    (
        "ntf",
        "query($id: ID!) { notifications(filter: { ids: [$id] }) { totalCount nodes { name } } }",
    ),
    (
        "ntf",
        "mutation($id: ID!) { markNotificationsRead(input: { ids: [$id] }) { unread userErrors { code message field } } }",
    ),
    (
        "fil",
        "query($id: ID!) { savedFilters(filter: { ids: [$id] }) { totalCount nodes { name } } }",
    ),
    (
        "fil",
        "query($id: ID!) { sims(filter: { saved: $id }) { totalCount } }",
    ),
    (
        "fil",
        "query($id: ID!) { simCounts(filter: { saved: $id }) { total } }",
    ),
    (
        "cus",
        "query($id: ID!) { simCounts(groupBy: [{ dimension: CUSTOMER }], filter: { customers: [$id] }) { total rows { count } } }",
    ),
    (
        "fil",
        "mutation($id: ID!) { updateSavedFilter(input: { savedFilterId: $id, name: \"x\" }) { savedFilter { name } userErrors { code message field } } }",
    ),
    (
        "fil",
        "mutation($id: ID!) { deleteSavedFilter(input: { savedFilterId: $id }) { savedFilterId userErrors { code message field } } }",
    ),
    (
        "sim",
        "query($id: ID!) { usage(input: { period: { between: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" } }, filter: { sims: [$id] } }) { totals { records activeSims } provenance { complete } } }",
    ),
    (
        "dev",
        "query($id: ID!) { usage(input: { period: { between: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" } }, filter: { devices: [$id] } }) { totals { records activeSims } provenance { complete } } }",
    ),
    (
        "cus",
        "query($id: ID!) { usage(input: { period: { between: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" } }, filter: { customers: [$id] } }) { totals { records activeSims } provenance { complete } } }",
    ),
    (
        "sim",
        "mutation($id: ID!) { setSimLabels(input: { simId: $id, set: [{ key: \"owner\", value: \"x\" }] }) { sim { iccid } userErrors { code message field } } }",
    ),
    (
        "dev",
        "mutation($id: ID!) { setDeviceLabels(input: { deviceId: $id, set: [{ key: \"owner\", value: \"x\" }] }) { device { name } userErrors { code message field } } }",
    ),
    (
        "cus",
        "mutation($id: ID!) { updateCustomer(input: { customerId: $id, name: \"x\" }) { customer { name } userErrors { code message field } } }",
    ),
    (
        "cus",
        "mutation($id: ID!) { archiveCustomer(input: { customerId: $id }) { customer { name } userErrors { code message field } } }",
    ),
    (
        "cus",
        "mutation($id: ID!) { setCustomerVisibility(input: { customerId: $id, visibility: { devices: true, sims: true, sessions: true, usage: true, billing: true } }) { customer { name } userErrors { code message field } } }",
    ),
    (
        "lab",
        "mutation($id: ID!) { updateLabelDefinition(input: { labelDefinitionId: $id }) { labelDefinition { key } userErrors { code message field } } }",
    ),
    (
        "lab",
        "mutation($id: ID!) { deleteLabelDefinition(input: { labelDefinitionId: $id }) { labelDefinitionId userErrors { code message field } } }",
    ),
    (
        "cus",
        "mutation($id: ID!) { grantSegment(input: { subject: \"s\", customerIds: [$id] }) { grants { id } userErrors { code message field } } }",
    ),
    (
        "sim",
        "mutation($id: ID!) { grantSegment(input: { subject: \"s\", simIds: [$id] }) { grants { id } userErrors { code message field } } }",
    ),
    (
        "dev",
        "mutation($id: ID!) { grantSegment(input: { subject: \"s\", deviceIds: [$id] }) { grants { id } userErrors { code message field } } }",
    ),
    (
        "grt",
        "mutation($id: ID!) { revokeSegment(input: { grantId: $id }) { grantId userErrors { code message field } } }",
    ),
];

/// Ids of one tenant, by kind: those of Dyer where they are somebody's.
fn of_dyer(ids: &Value, kind: &str) -> Value {
    let found = match kind {
        "sim" => &ids["sims"]["nodes"][3],
        "dev" => &ids["devices"]["nodes"][3],
        "cus" => &ids["customers"]["nodes"][1],
        "lab" => &ids["labelDefinitions"]["nodes"][0],
        "bat" => &ids["ingestBatches"]["nodes"][0],
        "grt" => &ids["segmentGrants"][0],
        "fil" => &ids["savedFilters"]["nodes"][0],
        "job" => &ids["exports"]["nodes"][0],
        "sch" => &ids["exportSchedules"]["nodes"][0],
        "ntf" => &ids["notifications"]["nodes"][0],
        _ => &ids["tenant"],
    };
    found["id"].clone()
}

fn admin(tenant: &'static str) -> Caller {
    Caller(tenant, Role::TenantAdmin, None)
}

/// Every code that an answer holds, of errors and of user errors.
fn codes(answer: &Value) -> Vec<String> {
    let mut codes = world::codes(answer);
    let payloads = answer["data"].as_object().into_iter().flatten();
    for (_, payload) in payloads {
        let refused = payload["userErrors"].as_array().into_iter().flatten();
        codes.extend(refused.filter_map(|error| Some(error["code"].as_str()?.to_owned())));
    }
    codes
}

/// The answers about `id` and about an id of nothing are the same, and say so where there is something to say.
async fn unknown(world: &World, caller: Caller, kind: &str, question: &str, id: Value) {
    let ask = |id: Value| {
        let variables = json!({ "id": id, "october": world::october() });
        world.run(caller, question, variables)
    };
    let (about, nothing) = (ask(id).await, ask(json!(format!("{kind}_{NOBODY}"))).await);
    assert_eq!(about, nothing, "{caller:?}: {question}");
    let codes = codes(&about);
    // What is not there is selected by no id, and stands for no filter.
    let is_list = question.contains("filter:") && !question.contains("saved:");
    // Who may not do a thing at all is told so, whatever it is to be done to.
    let is_admin = caller.1 == Role::TenantAdmin;
    let is_own = matches!(kind, "job" | "ntf") || question.contains("{ exports(");
    let needs_admin = (question.starts_with("mutation")
        || matches!(kind, "bat" | "grt" | "fil" | "sch"))
        && !is_own;
    let may = is_admin || !needs_admin;
    let expected: &[&str] = match (may, is_list) {
        (false, _) => &["FORBIDDEN"],
        (true, true) => &[],
        (true, false) => &["NOT_FOUND"],
    };
    assert_eq!(codes, expected, "{caller:?}: {question}: {about}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_objects_do_not_exist() {
    let world = World::rich().await;
    let before = world.ids(admin("alpha")).await;
    for caller in [
        admin("beta"),
        Caller("beta", Role::Viewer, Some("bosch")),
        Caller("beta", Role::CustomerUser, Some("bosch")),
    ] {
        for (kind, question) in QUESTIONS {
            unknown(&world, caller, kind, question, of_dyer(&before, kind)).await;
        }
    }
    let iccid = "query($id: String!) { sim(by: { iccid: $id }) { id } }";
    let known = json!({ "id": before["sims"]["nodes"][0]["iccid"] });
    let found = world.run(admin("alpha"), iccid, known.clone()).await;
    assert_eq!(codes(&found), [""; 0], "{found}");
    let foreign = world.run(admin("beta"), iccid, known).await;
    let never = json!({ "id": "8900000000000000000" });
    assert_eq!(foreign, world.run(admin("beta"), iccid, never).await);
    assert_eq!(codes(&foreign), ["NOT_FOUND"]);
    assert_eq!(
        before,
        world.ids(admin("alpha")).await,
        "nothing was changed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_customers_objects_do_not_exist() {
    let world = World::rich().await;
    let ids = world.ids(admin("alpha")).await;
    for role in [Role::Viewer, Role::CustomerUser] {
        let bosch = Caller("alpha", role, Some("bosch"));
        for (kind, question) in QUESTIONS {
            if matches!(*kind, "sim" | "dev" | "cus") {
                unknown(&world, bosch, kind, question, of_dyer(&ids, kind)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_about_is_there_for_whom_it_belongs_to() {
    let world = World::rich().await;
    let ids = world.ids(admin("alpha")).await;
    let queries = QUESTIONS
        .iter()
        .filter(|(_, text)| text.starts_with("query"));
    for (kind, question) in queries {
        let variables = json!({ "id": of_dyer(&ids, kind), "october": world::october() });
        let found = world.run(admin("alpha"), question, variables).await;
        let nothing = json!({ "id": format!("{kind}_{NOBODY}"), "october": world::october() });
        let nothing = world.run(admin("alpha"), question, nothing).await;
        assert_eq!(codes(&found), [""; 0], "{question}: {found}");
        assert_ne!(found, nothing, "{question}");
    }
}

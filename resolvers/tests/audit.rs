//! Who did what, to what and when: every change leaves exactly one line in the log of its tenant, and nothing else does.

mod world;

use domain::Role;
use serde_json::{Value, json};
use world::{Caller, World};

const ADMIN: Caller = Caller("alpha", Role::TenantAdmin, None);
const STAFF: Caller = Caller("alpha", Role::PlatformAdmin, None);

/// A world and how far its log was read.
struct Log {
    world: World,
    read: usize,
    elsewhere: Vec<Value>,
}

impl Log {
    async fn new() -> Self {
        let world = World::new().await;
        Self {
            read: world.trail("alpha").len(),
            elsewhere: world.trail("beta"),
            world,
        }
    }

    /// The lines that were added since the last time; another tenant's log is as it was.
    fn news(&mut self) -> Vec<Value> {
        let lines = self.world.trail("alpha").split_off(self.read);
        self.read += lines.len();
        assert_eq!(self.world.trail("beta"), self.elsewhere);
        lines
    }

    /// What a caller's document answers.
    async fn run(&self, caller: Caller, document: &str, variables: Value) -> Value {
        let answer = self.world.run(caller, document, variables).await;
        assert_eq!(world::codes(&answer), [""; 0], "{document}: {answer}");
        answer["data"].clone()
    }

    /// A change by the administrator leaves this line and no other.
    async fn leaves(&mut self, mutation: &str, input: Value, line: [&str; 2], detail: Value) {
        self.world.change(ADMIN, mutation, input).await;
        let [action, subject] = line;
        assert_eq!(
            self.news(),
            [self.line(ADMIN, action, subject, &detail)],
            "{mutation}"
        );
    }

    /// A line as it is written now.
    fn line(&self, caller: Caller, action: &str, subject: &str, detail: &Value) -> Value {
        let at = self.world.now.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        json!({ "at": at, "actor": caller.subject(), "role": caller.1.as_ref(), "action": action,
                "subject": subject, "detail": detail })
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test]
async fn switches_are_told_with_what_they_were() {
    let mut log = Log::new().await;
    let ask = "{ customer(by: { slug: \"dyer\" }) { id } }";
    let dyer = log.run(ADMIN, ask, json!({})).await["customer"]["id"].clone();
    let mut before = json!(["devices"]);
    for (open, after) in [
        (
            [true, true, false, true, false],
            json!(["devices", "sims", "usage"]),
        ),
        (
            [false, false, true, false, true],
            json!(["billing", "sessions"]),
        ),
        ([false; 5], json!([])),
    ] {
        let [devices, sims, sessions, usage, billing] = open;
        let visibility = json!({ "devices": devices, "sims": sims, "sessions": sessions, "usage": usage, "billing": billing });
        let input = json!({ "customerId": dyer, "visibility": visibility });
        let detail = json!({ "before": before, "after": after });
        let line = ["customer.set_visibility", text(&dyer)];
        log.leaves("setCustomerVisibility", input, line, detail)
            .await;
        before = after;
    }
}

#[tokio::test]
async fn grants_and_revokes_are_told_with_whom_and_what() {
    let mut log = Log::new().await;
    let ids = log.world.ids(ADMIN).await;
    let (customer, sim, device) = (
        &ids["customers"]["nodes"][0]["id"],
        &ids["sims"]["nodes"][4]["id"],
        &ids["devices"]["nodes"][2]["id"],
    );
    let input = json!({ "subject": "eve", "customerIds": [customer], "simIds": [sim], "deviceIds": [device] });
    let detail = json!({ "targets": [customer, sim, device] });
    log.leaves("grantSegment", input, ["segment.grant", "eve"], detail)
        .await;
    let ask = "{ segmentGrants(subject: \"eve\") { id } }";
    let grants = log.run(ADMIN, ask, json!({})).await["segmentGrants"].clone();
    for grant in grants.as_array().expect("grants") {
        let input = json!({ "grantId": grant["id"] });
        let line = ["segment.revoke", text(&grant["id"])];
        log.leaves("revokeSegment", input, line, json!({})).await;
    }
    assert_eq!(log.news(), [json!(null); 0], "reading leaves nothing");
}

#[tokio::test]
async fn staff_of_the_platform_leave_a_line_whenever_they_enter_and_others_do_not() {
    let mut log = Log::new().await;
    let ask = "{ tenant { id } customers { nodes { id } } }";
    let seen = log.run(STAFF, ask, json!({})).await;
    let tenant = text(&seen["tenant"]["id"]);
    let entered = log.line(
        STAFF,
        "tenant.cross",
        tenant,
        &json!({ "operation": "test" }),
    );
    assert_eq!(log.news(), std::slice::from_ref(&entered), "a question");

    // A question that is refused was asked as well.
    let refused = log.world.run(
        STAFF,
        "{ sim(by: { iccid: \"8900000000000000000\" }) { id } }",
        json!({}),
    );
    assert_eq!(world::codes(&refused.await), ["NOT_FOUND"]);
    assert_eq!(
        log.news(),
        std::slice::from_ref(&entered),
        "a question without an answer"
    );

    let customer = &seen["customers"]["nodes"][0]["id"];
    let input = json!({ "customerId": customer, "firstName": "Ada" });
    log.world.change(STAFF, "updateCustomer", input).await;
    let detail = json!({ "fields": ["first_name"] });
    let changed = log.line(STAFF, "customer.update", text(customer), &detail);
    assert_eq!(log.news(), [entered, changed], "a change");

    for role in [Role::TenantAdmin, Role::Support] {
        log.run(Caller("alpha", role, None), ask, json!({})).await;
    }
    assert_eq!(log.news(), [json!(null); 0], "those who are at home");
}

#[tokio::test]
async fn customers_are_told_from_their_beginning_to_their_end() {
    let mut log = Log::new().await;
    let create = "mutation { createCustomer(input: { slug: \"acme\", name: \"Acme\" }) { customer { id } } }";
    let made = log.run(ADMIN, create, json!({})).await;
    let acme = made["createCustomer"]["customer"]["id"].clone();
    let created = log.line(
        ADMIN,
        "customer.create",
        text(&acme),
        &json!({ "slug": "acme" }),
    );
    assert_eq!(log.news(), [created]);
    for (mutation, input, action, detail) in [
        (
            "updateCustomer",
            json!({ "customerId": acme, "name": "Acme AG", "email": "ada@acme.example" }),
            "customer.update",
            json!({ "fields": ["name", "email"] }),
        ),
        (
            "archiveCustomer",
            json!({ "customerId": acme }),
            "customer.archive",
            json!({ "archived": true }),
        ),
        (
            "archiveCustomer",
            json!({ "customerId": acme, "archived": false }),
            "customer.archive",
            json!({ "archived": false }),
        ),
    ] {
        let line = [action, text(&acme)];
        log.leaves(mutation, input, line, detail).await;
    }
}

#[tokio::test]
async fn labels_are_told_by_their_keys_and_never_by_their_values() {
    let mut log = Log::new().await;
    let ids = log.world.ids(ADMIN).await;
    let (sim, device) = (
        &ids["sims"]["nodes"][0]["id"],
        &ids["devices"]["nodes"][0]["id"],
    );
    let create =
        "mutation { createLabelDefinition(input: { key: \"shelf\" }) { labelDefinition { id } } }";
    let made = log.run(ADMIN, create, json!({})).await;
    let shelf = made["createLabelDefinition"]["labelDefinition"]["id"].clone();
    let defined = log.line(
        ADMIN,
        "label.define",
        text(&shelf),
        &json!({ "key": "shelf" }),
    );
    assert_eq!(log.news(), [defined]);
    let set = json!([{ "key": "shelf", "value": "1" }]);
    let (put, taken) = (
        json!({ "set": ["shelf"], "removed": [] }),
        json!({ "set": [], "removed": ["shelf"] }),
    );
    for (mutation, input, line, detail) in [
        (
            "updateLabelDefinition",
            json!({ "labelDefinitionId": shelf, "options": ["1", "2"] }),
            ["label.set_options", text(&shelf)],
            json!({}),
        ),
        (
            "setSimLabels",
            json!({ "simId": sim, "set": set }),
            ["label.set", text(sim)],
            put.clone(),
        ),
        (
            "setDeviceLabels",
            json!({ "deviceId": device, "set": set }),
            ["label.set", text(device)],
            put,
        ),
        (
            "setSimLabels",
            json!({ "simId": sim, "remove": ["shelf"] }),
            ["label.set", text(sim)],
            taken.clone(),
        ),
        (
            "setDeviceLabels",
            json!({ "deviceId": device, "remove": ["shelf"] }),
            ["label.set", text(device)],
            taken,
        ),
        (
            "deleteLabelDefinition",
            json!({ "labelDefinitionId": shelf }),
            ["label.delete", text(&shelf)],
            json!({ "key": "shelf" }),
        ),
    ] {
        log.leaves(mutation, input, line, detail).await;
    }
}

#[tokio::test]
async fn exports_are_told_by_their_names_and_never_by_what_is_asked() {
    let mut log = Log::new().await;
    let create = "mutation { createExport(input: { dataSet: { sims: { filter: { search: \"8944\" } } }, format: CSV, name: \"Mine\" }) { export { id } } }";
    let made = log.run(ADMIN, create, json!({})).await;
    let id = made["createExport"]["export"]["id"].clone();
    let detail = json!({ "kind": "EXPORT", "name": "Mine" });
    let requested = log.line(ADMIN, "job.request", text(&id), &detail);
    assert_eq!(log.news(), [requested]);
    for (mutation, action) in [("cancelExport", "job.cancel"), ("retryExport", "job.retry")] {
        let line = [action, text(&id)];
        log.leaves(mutation, json!({ "exportId": id }), line, json!({}))
            .await;
    }
}

#[tokio::test]
async fn schedules_are_told_by_their_names_and_notifications_by_their_number() {
    let mut log = Log::new().await;
    let create = "mutation { createExportSchedule(input: { dataSet: { audit: { period: { preset: LAST_MONTH } } }, format: CSV, name: \"Mine\" }) { exportSchedule { id } } }";
    let made = log.run(ADMIN, create, json!({})).await;
    let id = made["createExportSchedule"]["exportSchedule"]["id"].clone();
    let detail = json!({ "kind": "EXPORT", "name": "Mine" });
    let created = log.line(ADMIN, "schedule.create", text(&id), &detail);
    assert_eq!(log.news(), [created]);
    for (mutation, input, action, detail) in [
        (
            "updateExportSchedule",
            json!({ "scheduleId": id, "name": "Ours", "enabled": false }),
            "schedule.update",
            json!({ "fields": ["name", "enabled"] }),
        ),
        (
            "deleteExportSchedule",
            json!({ "scheduleId": id }),
            "schedule.delete",
            json!({ "name": "Ours" }),
        ),
    ] {
        let line = [action, text(&id)];
        log.leaves(mutation, input, line, detail).await;
    }
    let subject = ADMIN.subject();
    log.world.by_hand(&format!(
        "INSERT INTO notification (tenant_id, subject, kind, object_id, name, created_at)
         SELECT tenant_id, '{subject}', 'EXPORT_COMPLETE', uuidv7(), 'a file', created_at FROM tenant"
    ));
    for count in [1, 0] {
        let (input, line) = (json!({ "all": true }), ["notification.read", &subject]);
        log.leaves(
            "markNotificationsRead",
            input,
            line,
            json!({ "count": count }),
        )
        .await;
    }
}

#[tokio::test]
async fn saved_filters_are_told_by_their_names_and_never_by_what_they_hold() {
    let mut log = Log::new().await;
    let create = "mutation { createSavedFilter(input: { name: \"Mine\", filter: { sim: { search: \"8944\" } } }) { savedFilter { id } } }";
    let made = log.run(ADMIN, create, json!({})).await;
    let saved = made["createSavedFilter"]["savedFilter"]["id"].clone();
    let detail = json!({ "name": "Mine" });
    let created = log.line(ADMIN, "saved_filter.create", text(&saved), &detail);
    assert_eq!(log.news(), [created]);
    let search = json!({ "sim": { "search": "8945" } });
    for (mutation, input, action, detail) in [
        (
            "updateSavedFilter",
            json!({ "savedFilterId": saved, "name": "Ours", "filter": search }),
            "saved_filter.update",
            json!({ "fields": ["name", "filter"] }),
        ),
        (
            "deleteSavedFilter",
            json!({ "savedFilterId": saved }),
            "saved_filter.delete",
            json!({ "name": "Ours" }),
        ),
    ] {
        let line = [action, text(&saved)];
        log.leaves(mutation, input, line, detail).await;
    }
}

#[tokio::test]
async fn what_is_refused_leaves_no_line() {
    let mut log = Log::new().await;
    let ids = log.world.ids(ADMIN).await;
    let customer = text(&ids["customers"]["nodes"][0]["id"]);
    let nobody = "cus_0000000000000000000000000000000f";
    let switches =
        "visibility: { devices: true, sims: true, sessions: true, usage: true, billing: true }";
    for (caller, document) in [
        (Caller("alpha", Role::Support, None), format!("setCustomerVisibility(input: {{ customerId: \"{customer}\", {switches} }}) {{ userErrors {{ code }} }}")),
        (Caller("alpha", Role::CustomerUser, Some("bosch")), format!("grantSegment(input: {{ subject: \"customer_user@alpha\", customerIds: [\"{customer}\"] }}) {{ userErrors {{ code }} }}")),
        (ADMIN, format!("setCustomerVisibility(input: {{ customerId: \"{nobody}\", {switches} }}) {{ userErrors {{ code }} }}")),
        (ADMIN, format!("grantSegment(input: {{ subject: \"eve\", customerIds: [\"{nobody}\"] }}) {{ userErrors {{ code }} }}")),
        (ADMIN, "revokeSegment(input: { grantId: \"grt_0000000000000000000000000000000f\" }) { userErrors { code } }".to_owned()),
    ] {
        let answer = log.world.run(caller, &format!("mutation {{ {document} }}"), json!({})).await;
        let said = answer.to_string();
        let code = if caller == ADMIN { "NOT_FOUND" } else { "FORBIDDEN" };
        assert!(said.contains(code), "{document}: {said}");
    }
    assert_eq!(log.news(), [json!(null); 0]);
}

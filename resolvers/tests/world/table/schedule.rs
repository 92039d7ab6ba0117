//! Schedules, which those who administer the tenant have together, and notifications, which are each subject's own.

use domain::Role;
use serde_json::{Value, json};

use super::{Open, Row, Way, any, one, rows, ways};
use crate::world::{
    Caller,
    at::{At, Which},
};

/// One that runs and one that is off, in this order.
fn both(_: Caller) -> Vec<Which> {
    vec![Which::Nth(0), Which::Nth(1)]
}

/// Of a failure and of a file, latest first. Only administrators asked for something.
fn told(caller: Caller) -> Vec<Which> {
    let told = if caller.1 == Role::TenantAdmin { 2 } else { 0 };
    (0..told).map(Which::Nth).collect()
}

fn each(at: &At<'_>, mut values: [Value; 2]) -> Value {
    values[at.n()].take()
}

fn listed(caller: Caller, one: &Value) -> Value {
    told(caller).iter().map(|_| one.clone()).collect()
}

/// Whether a change names what is not there.
fn is_refused(at: &At<'_>) -> bool {
    at.way.path.contains("00000000")
}

fn made(at: &At<'_>, value: Value) -> Value {
    if is_refused(at) { Value::Null } else { value }
}

fn errors(at: &At<'_>) -> Value {
    if is_refused(at) {
        json!([{ "code": "NOT_FOUND" }])
    } else {
        json!([])
    }
}

fn unread(at: &At<'_>) -> Value {
    json!(told(at.caller).len() / 2)
}

ways! { WAYS:
    "ExportSchedule" Admins "{ exportSchedules(first: 100) { nodes { % } } }" => both;
    "ExportSchedule" Admins "{ exportSchedules(first: 100) { edges { node { % } } } }" => both;
    "ExportScheduleConnection" Admins "{ exportSchedules(first: 100) { % } }" => one;
    "ExportScheduleEdge" Admins "{ exportSchedules(first: 100) { edges { % } } }" => both;
    "ExportSchedulePayload" Admins "mutation { updateExportSchedule(input: { scheduleId: $schedule, name: \"Bills\" }) { % } }" => one;
    "ExportSchedulePayload" Admins "mutation { updateExportSchedule(input: { scheduleId: \"sch_00000000000000000000000000000000\" }) { % } }" => one;
    "DeleteExportSchedulePayload" Admins "mutation { deleteExportSchedule(input: { scheduleId: \"sch_00000000000000000000000000000000\" }) { % } }" => one;
    "DeleteExportSchedulePayload" Admins "mutation { deleteExportSchedule(input: { scheduleId: $spareSchedule }) { % } }" => one;
    "Notification" All "{ notifications(first: 100) { nodes { % } } }" => told;
    "Notification" All "{ notifications(first: 100) { edges { node { % } } } }" => told;
    "NotificationConnection" All "{ notifications(first: 100) { % } }" => one;
    "NotificationEdge" All "{ notifications(first: 100) { edges { % } } }" => told;
    "MarkNotificationsReadPayload" All "mutation { markNotificationsRead(input: { ids: [] }) { % } }" => one;
    "MarkNotificationsReadPayload" All "mutation { markNotificationsRead(input: { ids: [\"ntf_00000000000000000000000000000000\"] }) { % } }" => one;
}

rows! { ROWS:
    "Query.exportSchedules" Admins "exportSchedules { totalCount }" => |_| json!({ "totalCount": 2 });
    "Query.notifications" All "notifications { totalCount }" => |at| json!({ "totalCount": told(at.caller).len() });
    "Mutation.createExportSchedule" Admins "createExportSchedule(input: { dataSet: { sims: {} }, format: CSV }) { userErrors { field } }" => |_| json!({ "userErrors": [{ "field": "dataSet" }] });
    "Mutation.updateExportSchedule" Admins "updateExportSchedule(input: { scheduleId: $schedule, name: \"Bills\" }) { exportSchedule { name } }" => |_| json!({ "exportSchedule": { "name": "Bills" } });
    "Mutation.deleteExportSchedule" Admins "deleteExportSchedule(input: { scheduleId: \"sch_00000000000000000000000000000000\" }) { userErrors { code } }" => |_| json!({ "userErrors": [{ "code": "NOT_FOUND" }] });
    "Mutation.markNotificationsRead" All "markNotificationsRead(input: { ids: [], all: true }) { userErrors { field } }" => |_| json!({ "userErrors": [{ "field": "ids" }] });
    "ExportSchedule.id" Admins "" => |_| json!("sch_*");
    "ExportSchedule.name" Admins "" => |at| each(at, [json!("Bills"), json!("Trail")]);
    "ExportSchedule.dataSet" Admins "" => |at| each(at, [json!("CUSTOMER_USAGE"), json!("AUDIT")]);
    "ExportSchedule.format" Admins "" => |_| json!("XLSX");
    "ExportSchedule.compression" Admins "" => |_| json!("NONE");
    "ExportSchedule.question" Admins "" => |at| each(at, [
        json!({ "period": { "preset": "LAST_MONTH" }, "time_zone": "Europe/Berlin", "filter": null }),
        json!({ "period": { "preset": "LAST_MONTH" }, "time_zone": "Europe/Berlin" }),
    ]);
    "ExportSchedule.timeZone" Admins "" => |_| json!("Europe/Berlin");
    "ExportSchedule.enabled" Admins "" => |at| each(at, [json!(true), json!(false)]);
    "ExportSchedule.createdBy" Admins "" => |at| json!(format!("tenant_admin@{}", at.tenant()));
    "ExportSchedule.nextMonth" Admins "" => |_| json!("2026-11");
    "ExportSchedule.dueAt" Admins "" => |at| each(at, [json!("2026-12-01T23:00:00Z"), Value::Null]);
    "ExportSchedule.createdAt" Admins "" => |_| json!("2026-11-21T12:00:00Z");
    "ExportSchedule.updatedAt" Admins "" => |_| json!("2026-11-21T12:00:00Z");
    "ExportScheduleConnection.edges" Admins "edges { node { name } }" => |_| json!([{ "node": { "name": "Bills" } }, { "node": { "name": "Trail" } }]);
    "ExportScheduleConnection.nodes" Admins "nodes { name }" => |_| json!([{ "name": "Bills" }, { "name": "Trail" }]);
    "ExportScheduleConnection.pageInfo" Admins "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "ExportScheduleConnection.totalCount" Admins "" => |_| json!(2);
    "ExportScheduleEdge.cursor" Admins "" => any;
    "ExportScheduleEdge.node" Admins "node { name }" => |at| json!({ "name": each(at, [json!("Bills"), json!("Trail")]) });
    "ExportSchedulePayload.exportSchedule" Admins "exportSchedule { name }" => |at| made(at, json!({ "name": "Bills" }));
    "ExportSchedulePayload.userErrors" Admins "userErrors { code }" => errors;
    "DeleteExportSchedulePayload.scheduleId" Admins "" => |at| made(at, json!("sch_*"));
    "DeleteExportSchedulePayload.userErrors" Admins "userErrors { code }" => errors;
    "Notification.id" All "" => |_| json!("ntf_*");
    "Notification.objectId" All "" => |_| json!("job_*");
    "Notification.kind" All "" => |at| each(at, [json!("EXPORT_FAILED"), json!("EXPORT_COMPLETE")]);
    "Notification.name" All "" => |_| json!("All of them");
    "Notification.code" All "" => |at| each(at, [json!("UNAVAILABLE"), Value::Null]);
    "Notification.createdAt" All "" => |_| json!("2026-11-21T12:01:00Z");
    "Notification.readAt" All "" => |at| each(at, [Value::Null, json!("2026-11-21T13:01:00Z")]);
    "NotificationConnection.edges" All "edges { node { name } }" => |at| listed(at.caller, &json!({ "node": { "name": "All of them" } }));
    "NotificationConnection.nodes" All "nodes { name }" => |at| listed(at.caller, &json!({ "name": "All of them" }));
    "NotificationConnection.pageInfo" All "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "NotificationConnection.totalCount" All "" => |at| json!(told(at.caller).len());
    "NotificationEdge.cursor" All "" => any;
    "NotificationEdge.node" All "node { name }" => |_| json!({ "name": "All of them" });
    "MarkNotificationsReadPayload.unread" All "" => |at| made(at, unread(at));
    "MarkNotificationsReadPayload.userErrors" All "userErrors { code }" => errors;
}

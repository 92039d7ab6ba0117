//! Exports: each caller's own, and everybody's to those who administer the tenant. An administrator asked for one; no server makes it.

use domain::Role;
use serde_json::{Value, json};

use super::{Open, Row, Way, any, one, rows, ways};
use crate::world::{
    Caller,
    at::{At, Which},
};

fn is_admin(caller: Caller) -> bool {
    matches!(caller.1, Role::PlatformAdmin | Role::TenantAdmin)
}

/// Those of the administrator, latest first: one that failed, one that is complete, one that is being made, one of several files.
fn exports(caller: Caller) -> Vec<Which> {
    let seen = if is_admin(caller) { 4 } else { 0 };
    (0..seen).map(Which::Nth).collect()
}

/// What each of them says.
fn each(at: &At<'_>, mut values: [Value; 4]) -> Value {
    values[at.n()].take()
}

fn listed(at: &At<'_>, one: &Value) -> Value {
    exports(at.caller).iter().map(|_| one.clone()).collect()
}

/// The one that failed.
fn failed(caller: Caller) -> Vec<Which> {
    exports(caller).into_iter().take(1).collect()
}

fn none(_: &At<'_>) -> Value {
    Value::Null
}

/// Whether it is one that is there for the caller.
fn is_cancelled(at: &At<'_>) -> bool {
    is_admin(at.caller) && at.way.path.contains("$spare")
}

/// Only who asked gets a link.
fn link(at: &At<'_>) -> Value {
    let is_asker = at.caller.1 == Role::TenantAdmin;
    each(
        at,
        [
            Value::Null,
            if is_asker {
                json!("/api/v1/exports/*")
            } else {
                Value::Null
            },
            Value::Null,
            Value::Null,
        ],
    )
}

/// The one of several files.
fn parted(caller: Caller) -> Vec<Which> {
    exports(caller).into_iter().skip(3).collect()
}

fn link_of_part(at: &At<'_>) -> Value {
    let is_asker = at.caller.1 == Role::TenantAdmin;
    if is_asker {
        json!("/api/v1/exports/*")
    } else {
        Value::Null
    }
}

ways! { WAYS:
    "Export" Readers "{ exports(first: 100) { nodes { % } } }" => exports;
    "Export" Readers "{ exports(first: 100) { edges { node { % } } } }" => exports;
    "ExportError" Readers "{ exports(first: 100, filter: { states: [FAILED] }) { nodes { error { % } } } }" => failed;
    "ExportPart" Readers "{ exports(first: 1, filter: { states: [COMPLETE] }, orderBy: { field: CREATED_AT, direction: ASC }) { nodes { parts { % } } } }" => parted;
    "ExportConnection" Readers "{ exports(first: 100) { % } }" => one;
    "ExportEdge" Readers "{ exports(first: 100) { edges { % } } }" => exports;
    "ExportPayload" Readers "mutation { cancelExport(input: { exportId: \"job_00000000000000000000000000000000\" }) { % } }" => one;
    "ExportPayload" Readers "mutation { cancelExport(input: { exportId: $spareExport }) { % } }" => one;
}

rows! { ROWS:
    "Query.exports" Readers "exports { totalCount }" => |at| json!({ "totalCount": exports(at.caller).len() });
    "Query.export" Readers "export(id: $export) { state }" => |at| if is_admin(at.caller) { json!({ "state": "FAILED" }) } else { json!("!NOT_FOUND") };
    "Mutation.createExport" Readers "createExport(input: { dataSet: { devices: {} }, format: CSV, name: \"a/b\" }) { userErrors { field } }" => |_| json!({ "userErrors": [{ "field": "name" }] });
    "Mutation.cancelExport" Readers "cancelExport(input: { exportId: \"job_00000000000000000000000000000000\" }) { userErrors { code } }" => |_| json!({ "userErrors": [{ "code": "NOT_FOUND" }] });
    "Mutation.retryExport" Readers "retryExport(input: { exportId: \"job_00000000000000000000000000000000\" }) { userErrors { code } }" => |_| json!({ "userErrors": [{ "code": "NOT_FOUND" }] });
    "Export.id" Readers "" => |_| json!("job_*");
    "Export.name" Readers "" => |_| json!("All of them");
    "Export.dataSet" Readers "" => |at| each(at, [json!("SIMS"), json!("SIMS"), json!("SIMS"), json!("RECORDS")]);
    "Export.format" Readers "" => |_| json!("PARQUET");
    "Export.compression" Readers "" => |_| json!("NONE");
    "Export.question" Readers "" => |at| if at.n() < 3 { json!({ "and": [{ "states": ["ACTIVE"] }] }) } else { json!({ "period": { "preset_at": { "preset": "LAST_MONTH", "at": "2026-11-21T12:00:00Z" } }, "time_zone": "UTC", "filter": null }) };
    "Export.partitionBy" Readers "" => |at| each(at, [Value::Null, Value::Null, Value::Null, json!("MONTH")]);
    "Export.parts" Readers "parts { path }" => |at| each(at, [json!([]), json!([]), json!([]), json!([{ "path": "month=2026-10/records.parquet" }])]);
    "Export.scheduleId" Readers "" => |at| each(at, [Value::Null, Value::Null, json!("sch_*"), Value::Null]);
    "Export.state" Readers "" => |at| each(at, [json!("FAILED"), json!("COMPLETE"), json!("RUNNING"), json!("COMPLETE")]);
    "Export.requestedBy" Readers "" => |at| json!(format!("tenant_admin@{}", at.tenant()));
    "Export.rowsDone" Readers "" => |_| json!("1");
    "Export.rowsExpected" Readers "" => |_| json!("2");
    "Export.percent" Readers "" => |at| each(at, [json!(50), json!(100), json!(50), json!(100)]);
    "Export.doneAbout" Readers "" => |at| each(at, [Value::Null, Value::Null, json!("2026-11-21T12:02:00Z"), Value::Null]);
    "Export.attempts" Readers "" => |_| json!(1);
    "Export.createdAt" Readers "" => |_| json!("2026-11-21T12:00:00Z");
    "Export.startedAt" Readers "" => |_| json!("2026-11-21T12:00:00Z");
    "Export.heartbeatAt" Readers "" => |_| json!("2026-11-21T12:01:00Z");
    "Export.endedAt" Readers "" => |at| each(at, [json!("2026-11-21T12:01:00Z"), json!("2026-11-21T12:01:00Z"), Value::Null, json!("2026-11-21T12:01:00Z")]);
    "Export.expiresAt" Readers "" => |at| each(at, [Value::Null, json!("2026-12-21T12:00:00Z"), Value::Null, json!("2026-12-21T12:00:00Z")]);
    "Export.bytes" Readers "" => |at| each(at, [json!("0"), json!("10"), json!("0"), json!("7")]);
    "Export.manifest" Readers "" => |at| each(at, [Value::Null, json!({ "rows": 1 }), Value::Null, json!({ "parts": [{ "path": "month=2026-10/records.parquet", "rows": 1, "bytes": 7, "sha256": "ab", "totals": {} }] })]);
    "Export.error" Readers "error { code message }" => |at| each(at, [json!({ "code": "UNAVAILABLE", "message": "no space" }), Value::Null, Value::Null, Value::Null]);
    "Export.downloadUrl" Readers "" => link;
    "ExportError.code" Readers "" => |_| json!("UNAVAILABLE");
    "ExportError.message" Readers "" => |_| json!("no space");
    "ExportPart.path" Readers "" => |_| json!("month=2026-10/records.parquet");
    "ExportPart.rows" Readers "" => |_| json!("1");
    "ExportPart.bytes" Readers "" => |_| json!("7");
    "ExportPart.sha256" Readers "" => |_| json!("ab");
    "ExportPart.downloadUrl" Readers "" => link_of_part;
    "ExportConnection.edges" Readers "edges { node { name } }" => |at| listed(at, &json!({ "node": { "name": "All of them" } }));
    "ExportConnection.nodes" Readers "nodes { name }" => |at| listed(at, &json!({ "name": "All of them" }));
    "ExportConnection.pageInfo" Readers "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "ExportConnection.totalCount" Readers "" => |at| json!(exports(at.caller).len());
    "ExportEdge.cursor" Readers "" => any;
    "ExportEdge.node" Readers "node { name }" => |_| json!({ "name": "All of them" });
    "ExportPayload.export" Readers "export { state }" => |at| if is_cancelled(at) { json!({ "state": "CANCELLED" }) } else { Value::Null };
    "ExportPayload.userErrors" Readers "userErrors { code }" => |at| if is_cancelled(at) { json!([]) } else { json!([{ "code": "NOT_FOUND" }]) };
}

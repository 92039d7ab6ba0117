//! Exports: each caller's own, and everybody's to those who administer the tenant. An administrator asked for one; no server makes it.

use domain::Role;
use serde_json::{Value, json};

use super::{Open, Row, Way, any, one, rows, ways};
use crate::world::{
    Caller,
    at::{At, Which},
};

/// The one of the administrator.
fn exports(caller: Caller) -> Vec<Which> {
    let is_seen = matches!(caller.1, Role::PlatformAdmin | Role::TenantAdmin);
    is_seen.then_some(Which::Nth(0)).into_iter().collect()
}

fn listed(at: &At<'_>, one: Value) -> Value {
    exports(at.caller).iter().map(|_| one.clone()).collect()
}

/// None of them failed.
fn nothing(_: Caller) -> Vec<Which> {
    Vec::new()
}

fn none(_: &At<'_>) -> Value {
    Value::Null
}

ways! { WAYS:
    "Export" Readers "{ exports(first: 100) { nodes { % } } }" => exports;
    "Export" Readers "{ exports(first: 100) { edges { node { % } } } }" => exports;
    "ExportError" Readers "{ exports(first: 100) { nodes { error { % } } } }" => nothing;
    "ExportConnection" Readers "{ exports(first: 100) { % } }" => one;
    "ExportEdge" Readers "{ exports(first: 100) { edges { % } } }" => exports;
    "ExportPayload" Readers "mutation { cancelExport(input: { exportId: \"job_00000000000000000000000000000000\" }) { % } }" => one;
}

rows! { ROWS:
    "Query.exports" Readers "exports { totalCount }" => |at| json!({ "totalCount": exports(at.caller).len() });
    "Query.export" Readers "export(id: \"job_00000000000000000000000000000000\") { state }" => |_| json!("!NOT_FOUND");
    "Mutation.createExport" Readers "createExport(input: { dataSet: { devices: {} }, format: CSV, name: \"a/b\" }) { userErrors { field } }" => |_| json!({ "userErrors": [{ "field": "name" }] });
    "Mutation.cancelExport" Readers "cancelExport(input: { exportId: \"job_00000000000000000000000000000000\" }) { userErrors { code } }" => |_| json!({ "userErrors": [{ "code": "NOT_FOUND" }] });
    "Mutation.retryExport" Readers "retryExport(input: { exportId: \"job_00000000000000000000000000000000\" }) { userErrors { code } }" => |_| json!({ "userErrors": [{ "code": "NOT_FOUND" }] });
    "Export.id" Readers "" => |_| json!("job_*");
    "Export.name" Readers "" => |_| json!("All of them");
    "Export.dataSet" Readers "" => |_| json!("SIMS");
    "Export.format" Readers "" => |_| json!("PARQUET");
    "Export.question" Readers "" => |_| json!({ "and": [{ "states": ["ACTIVE"] }] });
    "Export.state" Readers "" => |_| json!("QUEUED");
    "Export.requestedBy" Readers "" => |at| json!(format!("tenant_admin@{}", at.tenant()));
    "Export.rowsDone" Readers "" => |_| json!("0");
    "Export.rowsExpected" Readers "" => none;
    "Export.percent" Readers "" => none;
    "Export.doneAbout" Readers "" => none;
    "Export.attempts" Readers "" => |_| json!(0);
    "Export.createdAt" Readers "" => |_| json!("2026-11-21T12:00:00Z");
    "Export.startedAt" Readers "" => none;
    "Export.heartbeatAt" Readers "" => none;
    "Export.endedAt" Readers "" => none;
    "Export.expiresAt" Readers "" => none;
    "Export.bytes" Readers "" => |_| json!("0");
    "Export.manifest" Readers "" => none;
    "Export.error" Readers "error { code message }" => none;
    "Export.downloadUrl" Readers "" => none;
    "ExportError.code" Readers "" => none;
    "ExportError.message" Readers "" => none;
    "ExportConnection.edges" Readers "edges { node { name } }" => |at| listed(at, json!({ "node": { "name": "All of them" } }));
    "ExportConnection.nodes" Readers "nodes { name }" => |at| listed(at, json!({ "name": "All of them" }));
    "ExportConnection.pageInfo" Readers "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "ExportConnection.totalCount" Readers "" => |at| json!(exports(at.caller).len());
    "ExportEdge.cursor" Readers "" => any;
    "ExportEdge.node" Readers "node { name }" => |_| json!({ "name": "All of them" });
    "ExportPayload.export" Readers "export { id }" => none;
    "ExportPayload.userErrors" Readers "userErrors { code }" => |_| json!([{ "code": "NOT_FOUND" }]);
}

//! Saved filters, and how many SIMs there are.

use serde_json::{Value, json};

use super::{Open, Row, Way, any, one, rows, ways};
use crate::world::{
    Caller,
    at::{At, Which, customer_of, slug},
};

/// Active SIMs and all devices were saved, in this order.
fn both(_: Caller) -> Vec<Which> {
    vec![Which::Nth(0), Which::Nth(1)]
}

fn sims(_: Caller) -> Vec<Which> {
    vec![Which::Nth(0)]
}

/// The customers of the SIMs that a caller sees, and last those that are nobody's.
fn owners(caller: Caller) -> Vec<Which> {
    let mut owners = Vec::new();
    for n in caller.sims() {
        let owner = customer_of(n).map_or(Which::Nth(0), Which::Customer);
        if !owners.contains(&owner) {
            owners.push(owner);
        }
    }
    owners
}

/// All SIMs that a caller sees, who see some.
fn together(caller: Caller) -> Vec<Which> {
    let seen = !caller.sims().is_empty();
    seen.then_some(Which::All).into_iter().collect()
}

fn count(at: &At<'_>) -> Value {
    let sims = at.caller.sims().into_iter();
    json!(match at.which {
        Which::All => sims.count(),
        Which::Customer(customer) => sims.filter(|n| customer_of(*n) == Some(customer)).count(),
        _ => sims.filter(|n| customer_of(*n).is_none()).count(),
    })
}

fn status(at: &At<'_>) -> Value {
    json!(match at.which {
        Which::Nth(_) => "UNASSIGNED",
        _ => "VALUE",
    })
}

fn of_customer(at: &At<'_>, value: fn(usize) -> Value) -> Value {
    match at.which {
        Which::Customer(customer) => value(customer),
        _ => Value::Null,
    }
}

fn name(at: &At<'_>) -> &'static str {
    ["Active", "Devices"][at.n()]
}

fn made(at: &At<'_>, value: Value) -> Value {
    if at.way.path.contains("00000000") {
        Value::Null
    } else {
        value
    }
}

fn errors(at: &At<'_>) -> Value {
    if at.way.path.contains("00000000") {
        json!([{ "code": "NOT_FOUND" }])
    } else {
        json!([])
    }
}

ways! { WAYS:
    "SavedFilter" Staff "{ savedFilters(first: 100) { nodes { % } } }" => both;
    "SavedFilter" Staff "{ savedFilters(first: 100) { edges { node { % } } } }" => both;
    "SavedFilter" Staff "{ node(id: $saved) { ... on SavedFilter { % } } }" => sims;
    "SavedFilter" Admins "mutation { updateSavedFilter(input: { savedFilterId: $saved, name: \"Active\" }) { savedFilter { % } } }" => sims;
    "SavedFilterConnection" Staff "{ savedFilters(first: 100) { % } }" => one;
    "SavedFilterEdge" Staff "{ savedFilters(first: 100) { edges { % } } }" => both;
    "SavedFilterPayload" Admins "mutation { updateSavedFilter(input: { savedFilterId: $saved, name: \"Active\" }) { % } }" => one;
    "SavedFilterPayload" Admins "mutation { updateSavedFilter(input: { savedFilterId: \"fil_00000000000000000000000000000000\" }) { % } }" => one;
    "DeleteSavedFilterPayload" Admins "mutation { deleteSavedFilter(input: { savedFilterId: \"fil_00000000000000000000000000000000\" }) { % } }" => one;
    "DeleteSavedFilterPayload" Admins "mutation { deleteSavedFilter(input: { savedFilterId: $spareSaved }) { % } }" => one;
    "SimCounts" Sims "{ simCounts(groupBy: [{ dimension: CUSTOMER }]) { % } }" => one;
    "SimCountRow" Sims "{ simCounts(groupBy: [{ dimension: STATE }, { dimension: CUSTOMER }]) { rows { % } } }" => owners;
    "SimCountKey" Sims "{ simCounts(groupBy: [{ dimension: STATE }, { dimension: CUSTOMER }]) { rows { key { % } } } }" => owners;
    "SimCountKey" Sims "{ simCounts(groupBy: [{ label: \"location\" }]) { rows { key { % } } } }" => together;
    "CustomerKey" Sims "{ simCounts(groupBy: [{ dimension: CUSTOMER }]) { rows { key { customer { % } } } } }" => owners;
    "LabelKey" Sims "{ simCounts(groupBy: [{ label: \"location\" }]) { rows { key { label(key: \"location\") { % } } } } }" => together;
}

rows! { ROWS:
    "Query.savedFilters" Staff "savedFilters { totalCount }" => |_| json!({ "totalCount": 2 });
    "Query.simCounts" Sims "simCounts { total }" => |at| json!({ "total": at.caller.sims().len() });
    "Mutation.createSavedFilter" Admins "createSavedFilter(input: { name: \"Active\", filter: { sim: {} } }) { userErrors { code } }" => |_| json!({ "userErrors": [{ "code": "CONFLICT" }] });
    "Mutation.updateSavedFilter" Admins "updateSavedFilter(input: { savedFilterId: $saved, name: \"Active\" }) { savedFilter { name } }" => |_| json!({ "savedFilter": { "name": "Active" } });
    "Mutation.deleteSavedFilter" Admins "deleteSavedFilter(input: { savedFilterId: \"fil_00000000000000000000000000000000\" }) { userErrors { code } }" => |_| json!({ "userErrors": [{ "code": "NOT_FOUND" }] });
    "SavedFilter.id" Staff "" => |_| json!("fil_*");
    "SavedFilter.name" Staff "" => |at| json!(name(at));
    "SavedFilter.kind" Staff "" => |at| json!(["SIM", "DEVICE"][at.n()]);
    "SavedFilter.filter" Staff "" => |at| [json!({ "states": ["ACTIVE"] }), json!({ "search": "device" })][at.n()].clone();
    "SavedFilter.createdBy" Staff "" => |at| json!(format!("tenant_admin@{}", at.tenant()));
    "SavedFilter.createdAt" Staff "" => |_| json!("2026-11-21T12:00:00Z");
    "SavedFilter.updatedAt" Staff "" => |_| json!("2026-11-21T12:00:00Z");
    "SavedFilterConnection.edges" Staff "edges { node { name } }" => |_| json!([{ "node": { "name": "Active" } }, { "node": { "name": "Devices" } }]);
    "SavedFilterConnection.nodes" Staff "nodes { name }" => |_| json!([{ "name": "Active" }, { "name": "Devices" }]);
    "SavedFilterConnection.pageInfo" Staff "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "SavedFilterConnection.totalCount" Staff "" => |_| json!(2);
    "SavedFilterEdge.cursor" Staff "" => any;
    "SavedFilterEdge.node" Staff "node { name }" => |at| json!({ "name": name(at) });
    "SavedFilterPayload.savedFilter" Admins "savedFilter { name }" => |at| made(at, json!({ "name": "Active" }));
    "SavedFilterPayload.userErrors" Admins "userErrors { code }" => errors;
    "DeleteSavedFilterPayload.savedFilterId" Admins "" => |at| made(at, json!("fil_*"));
    "DeleteSavedFilterPayload.userErrors" Admins "userErrors { code }" => errors;
    "SimCounts.rows" Sims "rows { count }" => |at| owners(at.caller).into_iter().map(|which| json!({ "count": count(&At { which, ..*at }) })).collect();
    "SimCounts.total" Sims "" => |at| json!(at.caller.sims().len());
    "SimCounts.truncated" Sims "" => |_| json!(false);
    "SimCountRow.key" Sims "key { state }" => |_| json!({ "state": "ACTIVE" });
    "SimCountRow.count" Sims "" => count;
    "SimCountKey.state" Sims "" => |_| json!("ACTIVE");
    "SimCountKey.customer" Sims "customer { status }" => |at| json!({ "status": status(at) });
    "SimCountKey.label" Sims "label(key: \"location\") { value }" => |_| json!({ "value": "field" });
    "CustomerKey.status" Sims "" => status;
    "CustomerKey.id" Sims "" => |at| of_customer(at, |_| json!("cus_*"));
    "CustomerKey.customer" Sims "customer { slug }" => |at| of_customer(at, |customer| json!({ "slug": slug(customer) }));
    "LabelKey.status" Sims "" => |_| json!("VALUE");
    "LabelKey.value" Sims "" => |_| json!("field");
}

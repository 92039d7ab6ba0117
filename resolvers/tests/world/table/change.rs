//! The roots, grants, and what changes answer.

use serde_json::{Value, json};

use super::{Open, Row, Way, one, rows, usage::unknown, ways};
use crate::world::{
    Caller,
    at::{At, Which, down, slug, up},
};

/// A customer, a SIM and a device were granted, in this order.
fn grants(_: Caller) -> Vec<Which> {
    vec![Which::Nth(0), Which::Nth(1), Which::Nth(2)]
}

fn customers_grant(_: Caller) -> Vec<Which> {
    vec![Which::Nth(0)]
}

/// What a lookup of the caller's own object says, or that there is no such object.
fn found(seen: bool, value: Value) -> Value {
    if seen { value } else { json!("!NOT_FOUND") }
}

fn own_customer(at: &At<'_>) -> Value {
    let own = usize::from(at.caller.2 == Some("dyer"));
    found(
        at.caller.customers().contains(&own),
        json!({ "slug": slug(own) }),
    )
}

/// What the payload of a change that is made has besides: no errors.
fn none_or(at: &At<'_>, code: &str) -> Value {
    if refused(at) {
        json!([{ "code": code }])
    } else {
        json!([])
    }
}

/// Whether the change is one that is refused: it names what is not there, or nothing at all.
fn refused(at: &At<'_>) -> bool {
    at.way.path.contains("00000000") || at.way.path.contains("\"\"")
}

/// What a dry run of one new SIM says, or the import of one bad row.
fn dry(at: &At<'_>, of_new: Value, of_bad: Value) -> Value {
    if at.way.path.contains("dryRun") {
        of_new
    } else {
        of_bad
    }
}

fn made(at: &At<'_>, value: Value) -> Value {
    if refused(at) { Value::Null } else { value }
}

ways! { WAYS:
    "Query" All "{ % }" => one;
    "SegmentGrant" Admins "{ segmentGrants(subject: \"other\") { % } }" => grants;
    "SegmentGrant" Admins "{ node(id: $grant) { ... on SegmentGrant { % } } }" => customers_grant;
    "SegmentGrant" Admins "mutation { grantSegment(input: { subject: \"other\", simIds: [$sim] }) { grants { % } } }" => grants;
    "Mutation" All "mutation { % }" => one;
    "ImportFleetPayload" Admins "mutation { importFleet(input: { csv: \"iccid,state\\n1,ACTIVE\\n\" }) { % } }" => one;
    "ImportFleetPayload" Admins "mutation { importFleet(input: { csv: \"\" }) { % } }" => one;
    "FleetReport" Admins "mutation { importFleet(input: { csv: \"iccid,state\\n1,ACTIVE\\n\" }) { report { % } } }" => one;
    "FleetReport" Admins "mutation { importFleet(input: { csv: \"iccid,state,customer,labels\\n8944509123456789012,ACTIVE,Newcomer,novelty=1\\n\", dryRun: true }) { report { % } } }" => one;
    "FleetRowError" Admins "mutation { importFleet(input: { csv: \"iccid,state\\n1,ACTIVE\\n\" }) { report { errors { % } } } }" => one;
    "CustomerPayload" Admins "mutation { updateCustomer(input: { customerId: $customer, firstName: \"Ada\" }) { % } }" => one;
    "CustomerPayload" Admins "mutation { archiveCustomer(input: { customerId: \"cus_00000000000000000000000000000000\" }) { % } }" => one;
    "LabelDefinitionPayload" Admins "mutation { updateLabelDefinition(input: { labelDefinitionId: $label, options: [\"field\", \"depot\"] }) { % } }" => one;
    "LabelDefinitionPayload" Admins "mutation { updateLabelDefinition(input: { labelDefinitionId: \"lab_00000000000000000000000000000000\" }) { % } }" => one;
    "DeleteLabelDefinitionPayload" Admins "mutation { deleteLabelDefinition(input: { labelDefinitionId: \"lab_00000000000000000000000000000000\" }) { % } }" => one;
    "DeleteLabelDefinitionPayload" Admins "mutation { deleteLabelDefinition(input: { labelDefinitionId: $spareLabel }) { % } }" => one;
    "SetSimLabelsPayload" Admins "mutation { setSimLabels(input: { simId: $sim }) { % } }" => one;
    "SetSimLabelsPayload" Admins "mutation { setSimLabels(input: { simId: \"sim_00000000000000000000000000000000\" }) { % } }" => one;
    "SetDeviceLabelsPayload" Admins "mutation { setDeviceLabels(input: { deviceId: $device }) { % } }" => one;
    "SetDeviceLabelsPayload" Admins "mutation { setDeviceLabels(input: { deviceId: \"dev_00000000000000000000000000000000\" }) { % } }" => one;
    "GrantSegmentPayload" Admins "mutation { grantSegment(input: { subject: \"other\", simIds: [$sim] }) { % } }" => one;
    "GrantSegmentPayload" Admins "mutation { grantSegment(input: { subject: \"other\", simIds: [\"sim_00000000000000000000000000000000\"] }) { % } }" => one;
    "RevokeSegmentPayload" Admins "mutation { revokeSegment(input: { grantId: \"grt_00000000000000000000000000000000\" }) { % } }" => one;
    "RevokeSegmentPayload" Admins "mutation { revokeSegment(input: { grantId: $spareGrant }) { % } }" => one;
    "UserError" Admins "mutation { createCustomer(input: { slug: \"\", name: \"x\" }) { userErrors { % } } }" => one;
    "UserError" Admins "mutation { createLabelDefinition(input: { key: \"\" }) { userErrors { % } } }" => one;
}

rows! { ROWS:
    "Query.me" All "me { subject }" => |at| json!({ "subject": at.caller.subject() });
    "Query.tenant" Readers "tenant { slug }" => |at| json!({ "slug": at.tenant() });
    "Query.sims" Sims "sims { totalCount }" => |at| json!({ "totalCount": at.caller.sims().len() });
    "Query.sim" Sims "sim(by: { id: $sim }) { iccid }" => |at| found(at.caller.sims().contains(&at.caller.own()), json!({ "iccid": at.iccid(at.caller.own()) }));
    "Query.devices" Devices "devices { totalCount }" => |at| json!({ "totalCount": at.caller.devices().len() });
    "Query.device" Devices "device(id: $device) { name }" => |at| json!({ "name": at.device(at.caller.own()) });
    "Query.customers" Readers "customers { totalCount }" => |at| json!({ "totalCount": at.caller.customers().len() });
    "Query.customer" Readers "customer(by: { id: $customer }) { slug }" => own_customer;
    "Query.networks" Readers "networks(filter: { codes: [\"262-01\"] }) { nodes { code } }" => |_| json!({ "nodes": [{ "code": "262-01" }] });
    "Query.labelDefinitions" Readers "labelDefinitions { totalCount }" => |at| json!({ "totalCount": if at.caller.sims().is_empty() { 1 } else { 3 } });
    "Query.node" Devices "node(id: $device) { id }" => |_| json!({ "id": "dev_*" });
    "Query.usage" Usage "usage(input: { $october }) { totals { records } }" => |at| json!({ "totals": { "records": at.sum(|_, _| 1) } });
    "Query.topNetworks" Usage "topNetworks(input: { $october }) { total }" => |at| json!({ "total": at.sum(|n, day| up(n, day) + down(n, day)) });
    "Query.usageReconciliation" Staff "usageReconciliation($days, first: 2) { truncated rows { difference { bytesUp } } }" => |_| json!({ "truncated": true, "rows": [{ "difference": { "bytesUp": "700" } }, { "difference": { "bytesUp": "600" } }] });
    "Query.cubeCatalog" Usage "cubeCatalog { maxGroups }" => |_| json!({ "maxGroups": 6 });
    "Query.ingestAccounting" Staff "ingestAccounting(from: \"2026-11-21T00:00:00Z\", to: \"2026-11-22T00:00:00Z\") { received }" => |_| json!([{ "received": "4" }, { "received": "1" }]);
    "Query.ingestSources" Staff "ingestSources { state }" => |_| json!([{ "state": "CURRENT" }, { "state": "RETIRED" }]);
    "Query.unknownNetworks" Usage "unknownNetworks { code }" => |at| unknown(at.caller).iter().map(|_| json!({ "code": "262-99" })).collect();
    "Query.ingestBatches" Staff "ingestBatches { totalCount }" => |_| json!({ "totalCount": 2 });
    "Query.ingestQuarantine" Platform "ingestQuarantine { totalCount }" => |_| json!({ "totalCount": 1 });
    "Query.ingestRejections" Staff "ingestRejections { totalCount }" => |_| json!({ "totalCount": 1 });
    "Query.ingestRecord" Staff "ingestRecord(source: $source, recordId: $record) { state }" => |_| json!({ "state": "ACCEPTED" });
    "Query.segmentGrants" Admins "segmentGrants(subject: \"other\") { subject }" => |_| json!([{ "subject": "other" }, { "subject": "other" }, { "subject": "other" }]);
    "SegmentGrant.id" Admins "" => |_| json!("grt_*");
    "SegmentGrant.subject" Admins "" => |_| json!("other");
    "SegmentGrant.customer" Admins "customer { slug }" => |at| if at.n() == 0 { json!({ "slug": "bosch" }) } else { Value::Null };
    "SegmentGrant.sim" Admins "sim { iccid }" => |at| if at.n() == 1 { json!({ "iccid": at.iccid(0) }) } else { Value::Null };
    "SegmentGrant.device" Admins "device { name }" => |at| if at.n() == 2 { json!({ "name": at.device(0) }) } else { Value::Null };
    "SegmentGrant.createdAt" Admins "" => |_| json!("2026-11-21T12:00:00Z");
    "Mutation.importFleet" Admins "importFleet(input: { csv: \"iccid,state\\n1,ACTIVE\\n\" }) { report { rejected } }" => |_| json!({ "report": { "rejected": 1 } });
    "Mutation.setCustomerVisibility" Admins "setCustomerVisibility(input: { customerId: $customer, visibility: { devices: true, sims: true, sessions: true, usage: true, billing: true } }) { customer { slug } }" => |_| json!({ "customer": { "slug": "bosch" } });
    "Mutation.createCustomer" Admins "createCustomer(input: { slug: \"bosch\", name: \"x\" }) { userErrors { code } }" => |_| json!({ "userErrors": [{ "code": "CONFLICT" }] });
    "Mutation.updateCustomer" Admins "updateCustomer(input: { customerId: $customer, firstName: \"Ada\" }) { customer { firstName } }" => |_| json!({ "customer": { "firstName": "Ada" } });
    "Mutation.archiveCustomer" Admins "archiveCustomer(input: { customerId: $gone }) { customer { slug } }" => |_| json!({ "customer": { "slug": "gone" } });
    "Mutation.createLabelDefinition" Admins "createLabelDefinition(input: { key: \"rack\" }) { userErrors { code } }" => |_| json!({ "userErrors": [{ "code": "CONFLICT" }] });
    "Mutation.updateLabelDefinition" Admins "updateLabelDefinition(input: { labelDefinitionId: $label, options: [\"field\", \"depot\"] }) { labelDefinition { key } }" => |_| json!({ "labelDefinition": { "key": "location" } });
    "Mutation.deleteLabelDefinition" Admins "deleteLabelDefinition(input: { labelDefinitionId: $label }) { userErrors { code } }" => |_| json!({ "userErrors": [{ "code": "CONFLICT" }] });
    "Mutation.setSimLabels" Admins "setSimLabels(input: { simId: $sim }) { sim { iccid } }" => |at| json!({ "sim": { "iccid": at.iccid(0) } });
    "Mutation.setDeviceLabels" Admins "setDeviceLabels(input: { deviceId: $device }) { device { name } }" => |at| json!({ "device": { "name": at.device(0) } });
    "Mutation.grantSegment" Admins "grantSegment(input: { subject: \"other\", simIds: [$sim] }) { grants { subject } }" => |_| json!({ "grants": [{ "subject": "other" }, { "subject": "other" }, { "subject": "other" }] });
    "Mutation.revokeSegment" Admins "revokeSegment(input: { grantId: \"grt_00000000000000000000000000000000\" }) { userErrors { code } }" => |_| json!({ "userErrors": [{ "code": "NOT_FOUND" }] });
    "ImportFleetPayload.report" Admins "report { rejected }" => |at| made(at, json!({ "rejected": 1 }));
    "ImportFleetPayload.userErrors" Admins "userErrors { code }" => |at| none_or(at, "INVALID_INPUT");
    "FleetReport.rows" Admins "" => |_| json!(1);
    "FleetReport.created" Admins "" => |at| dry(at, json!(1), json!(0));
    "FleetReport.updated" Admins "" => |_| json!(0);
    "FleetReport.unchanged" Admins "" => |_| json!(0);
    "FleetReport.newCustomers" Admins "" => |at| dry(at, json!(["Newcomer"]), json!([]));
    "FleetReport.newDevices" Admins "" => |_| json!(0);
    "FleetReport.newLabels" Admins "" => |at| dry(at, json!(["novelty"]), json!([]));
    "FleetReport.rejected" Admins "" => |at| dry(at, json!(0), json!(1));
    "FleetReport.errors" Admins "errors { line }" => |at| dry(at, json!([]), json!([{ "line": 2 }]));
    "FleetReport.errorsTruncated" Admins "" => |_| json!(false);
    "FleetRowError.line" Admins "" => |_| json!(2);
    "FleetRowError.code" Admins "" => |_| json!("*");
    "FleetRowError.reason" Admins "" => |_| json!("*");
    "CustomerPayload.customer" Admins "customer { slug }" => |at| made(at, json!({ "slug": "bosch" }));
    "CustomerPayload.userErrors" Admins "userErrors { code }" => |at| none_or(at, "NOT_FOUND");
    "LabelDefinitionPayload.labelDefinition" Admins "labelDefinition { key }" => |at| made(at, json!({ "key": "location" }));
    "LabelDefinitionPayload.userErrors" Admins "userErrors { code }" => |at| none_or(at, "NOT_FOUND");
    "DeleteLabelDefinitionPayload.labelDefinitionId" Admins "" => |at| made(at, json!("lab_*"));
    "DeleteLabelDefinitionPayload.userErrors" Admins "userErrors { code }" => |at| none_or(at, "NOT_FOUND");
    "SetSimLabelsPayload.sim" Admins "sim { iccid }" => |at| made(at, json!({ "iccid": at.iccid(0) }));
    "SetSimLabelsPayload.userErrors" Admins "userErrors { code }" => |at| none_or(at, "NOT_FOUND");
    "SetDeviceLabelsPayload.device" Admins "device { name }" => |at| made(at, json!({ "name": at.device(0) }));
    "SetDeviceLabelsPayload.userErrors" Admins "userErrors { code }" => |at| none_or(at, "NOT_FOUND");
    "GrantSegmentPayload.grants" Admins "grants { subject }" => |at| made(at, json!([{ "subject": "other" }, { "subject": "other" }, { "subject": "other" }]));
    "GrantSegmentPayload.userErrors" Admins "userErrors { code }" => |at| none_or(at, "NOT_FOUND");
    "RevokeSegmentPayload.grantId" Admins "" => |at| made(at, json!("grt_*"));
    "RevokeSegmentPayload.userErrors" Admins "userErrors { code }" => |at| none_or(at, "NOT_FOUND");
    "UserError.code" Admins "" => |_| json!("INVALID_INPUT");
    "UserError.message" Admins "" => |_| json!("*");
    "UserError.field" Admins "" => |at| json!(if at.way.path.contains("slug") { "slug" } else { "key" });
}

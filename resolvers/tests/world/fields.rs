//! Who may select what: a way to every type, and a row for every field.

use domain::Role;
use serde_json::json;

use super::{Caller, World};

/// Who gets an answer. The others get `FORBIDDEN` and null.
#[derive(Clone, Copy)]
pub(crate) enum Open {
    /// Everyone with a token, ingest machines included.
    All,
    /// Everyone who reads the fleet.
    Readers,
    /// Those to whom SIMs are open: not the devices-only customer.
    Sims,
    /// Those to whom devices are open.
    Devices,
    /// Those to whom usage is open.
    Usage,
    /// Staff that sees the whole tenant.
    Staff,
    /// Those who administer the tenant.
    Admins,
}

impl Open {
    pub(crate) fn to(self, Caller(_, role, customer): Caller) -> bool {
        let admin = matches!(role, Role::PlatformAdmin | Role::TenantAdmin);
        let dyer = customer == Some("dyer");
        match self {
            Self::All => true,
            Self::Readers | Self::Devices => role != Role::Ingest,
            Self::Sims | Self::Usage => role != Role::Ingest && !dyer,
            Self::Staff => admin || role == Role::Support,
            Self::Admins => admin,
        }
    }
}

/// Ways to reach an object of each type; `%` is where the field's selection goes.
pub(crate) const REACH: &[(&str, Open, &str)] = &[
    ("Query", Open::All, "{ % }"),
    ("Me", Open::All, "{ me { % } }"),
    ("Tenant", Open::Readers, "{ tenant { % } }"),
    ("Sim", Open::Sims, "{ sims(first: 1) { nodes { % } } }"),
    ("SimConnection", Open::Sims, "{ sims(first: 1) { % } }"),
    ("SimEdge", Open::Sims, "{ sims(first: 1) { edges { % } } }"),
    (
        "Device",
        Open::Devices,
        "{ devices(first: 1) { nodes { % } } }",
    ),
    (
        "DeviceConnection",
        Open::Devices,
        "{ devices(first: 1) { % } }",
    ),
    (
        "DeviceEdge",
        Open::Devices,
        "{ devices(first: 1) { edges { % } } }",
    ),
    (
        "Customer",
        Open::Readers,
        "{ customers(first: 1) { nodes { % } } }",
    ),
    (
        "CustomerConnection",
        Open::Readers,
        "{ customers(first: 1) { % } }",
    ),
    (
        "CustomerEdge",
        Open::Readers,
        "{ customers(first: 1) { edges { % } } }",
    ),
    (
        "Network",
        Open::Readers,
        "{ networks(first: 1) { nodes { % } } }",
    ),
    (
        "NetworkConnection",
        Open::Readers,
        "{ networks(first: 1) { % } }",
    ),
    (
        "NetworkEdge",
        Open::Readers,
        "{ networks(first: 1) { edges { % } } }",
    ),
    (
        "IngestRejection",
        Open::Staff,
        "{ ingestRejections(first: 1) { nodes { % } } }",
    ),
    (
        "IngestRejectionConnection",
        Open::Staff,
        "{ ingestRejections(first: 1) { % } }",
    ),
    (
        "IngestRejectionEdge",
        Open::Staff,
        "{ ingestRejections(first: 1) { edges { % } } }",
    ),
    (
        "PageInfo",
        Open::Devices,
        "{ devices(first: 1) { pageInfo { % } } }",
    ),
    ("Visibility", Open::All, "{ me { visibility { % } } }"),
    (
        "Label",
        Open::Devices,
        "{ devices(first: 1) { nodes { labels { % } } } }",
    ),
    (
        "LabelDefinition",
        Open::Readers,
        "{ labelDefinitions(first: 1) { nodes { % } } }",
    ),
    (
        "LabelDefinitionConnection",
        Open::Readers,
        "{ labelDefinitions(first: 1) { % } }",
    ),
    (
        "LabelDefinitionEdge",
        Open::Readers,
        "{ labelDefinitions(first: 1) { edges { % } } }",
    ),
    (
        "Assignment",
        Open::Sims,
        "{ sims(first: 1) { nodes { assignments { % } } } }",
    ),
    (
        "SimCount",
        Open::Sims,
        "{ customers(first: 1) { nodes { simCounts { % } } } }",
    ),
    ("Usage", Open::Usage, "{ usage(input: $october) { % } }"),
    (
        "UsageRow",
        Open::Usage,
        "{ usage(input: $october) { rows { % } } }",
    ),
    (
        "UsageTotals",
        Open::Usage,
        "{ usage(input: $october) { totals { % } } }",
    ),
    (
        "Provenance",
        Open::Usage,
        "{ usage(input: $october) { provenance { % } } }",
    ),
    (
        "IngestAccounting",
        Open::Staff,
        "{ ingestAccounting(from: $from, to: $to) { % } }",
    ),
    (
        "IngestRecord",
        Open::Staff,
        "{ ingestRecord(source: \"alpha-gateway\", recordId: \"x\") { % } }",
    ),
    (
        "IngestBatch",
        Open::Staff,
        "{ ingestBatches(first: 1) { nodes { % } } }",
    ),
    (
        "IngestBatchConnection",
        Open::Staff,
        "{ ingestBatches(first: 1) { % } }",
    ),
    (
        "IngestBatchEdge",
        Open::Staff,
        "{ ingestBatches(first: 1) { edges { % } } }",
    ),
    ("Mutation", Open::All, "mutation { % }"),
    (
        "ImportFleetPayload",
        Open::Admins,
        "mutation { importFleet(input: { csv: \"iccid,state\\n1,ACTIVE\\n\" }) { % } }",
    ),
    (
        "LabelDefinitionPayload",
        Open::Admins,
        "mutation { createLabelDefinition(input: { key: \"\" }) { % } }",
    ),
    (
        "DeleteLabelDefinitionPayload",
        Open::Admins,
        "mutation { deleteLabelDefinition(input: { labelDefinitionId: \"lab_00000000000000000000000000000000\" }) { % } }",
    ),
    (
        "SetSimLabelsPayload",
        Open::Admins,
        "mutation { setSimLabels(input: { simId: $sim }) { % } }",
    ),
    (
        "SetDeviceLabelsPayload",
        Open::Admins,
        "mutation { setDeviceLabels(input: { deviceId: $device }) { % } }",
    ),
    (
        "FleetReport",
        Open::Admins,
        "mutation { importFleet(input: { csv: \"iccid,state\\n1,ACTIVE\\n\" }) { report { % } } }",
    ),
    (
        "UserError",
        Open::Admins,
        "mutation { revokeSegment(input: { grantId: \"grt_00000000000000000000000000000000\" }) { userErrors { % } } }",
    ),
    (
        "FleetRowError",
        Open::Admins,
        "mutation { importFleet(input: { csv: \"iccid,state\\n1,ACTIVE\\n\" }) { report { errors { % } } } }",
    ),
    (
        "CustomerPayload",
        Open::Admins,
        "mutation { setCustomerVisibility(input: $switches) { % } }",
    ),
    (
        "GrantSegmentPayload",
        Open::Admins,
        "mutation { grantSegment(input: { subject: \"s\", customerIds: [$bosch] }) { % } }",
    ),
    (
        "SegmentGrant",
        Open::Admins,
        "mutation { grantSegment(input: { subject: \"s\", customerIds: [$bosch] }) { grants { % } } }",
    ),
    (
        "RevokeSegmentPayload",
        Open::Admins,
        "mutation { revokeSegment(input: { grantId: $grant }) { % } }",
    ),
];

/// Every field: `Type.field`, who may select it, and its selection where that is more than its name.
pub(crate) const FIELDS: &[(&str, Open, &str)] = &[
    ("Query.me", Open::All, "me { role }"),
    ("Query.tenant", Open::Readers, "tenant { name }"),
    ("Query.sims", Open::Sims, "sims { nodes { iccid } }"),
    ("Query.sim", Open::Sims, "sim(by: { id: $sim }) { iccid }"),
    ("Query.devices", Open::Devices, "devices { nodes { name } }"),
    (
        "Query.device",
        Open::Devices,
        "device(id: $device) { name }",
    ),
    (
        "Query.customers",
        Open::Readers,
        "customers { nodes { name } }",
    ),
    (
        "Query.customer",
        Open::Readers,
        "customer(by: { id: $own }) { name }",
    ),
    (
        "Query.networks",
        Open::Readers,
        "networks { nodes { name } }",
    ),
    (
        "Query.labelDefinitions",
        Open::Readers,
        "labelDefinitions { nodes { key } }",
    ),
    (
        "LabelDefinitionConnection.edges",
        Open::Readers,
        "edges { cursor }",
    ),
    (
        "LabelDefinitionConnection.nodes",
        Open::Readers,
        "nodes { id }",
    ),
    (
        "LabelDefinitionConnection.pageInfo",
        Open::Readers,
        "pageInfo { endCursor }",
    ),
    ("LabelDefinitionConnection.totalCount", Open::Readers, ""),
    ("LabelDefinitionEdge.cursor", Open::Readers, ""),
    ("LabelDefinitionEdge.node", Open::Readers, "node { id }"),
    ("Query.node", Open::Devices, "node(id: $device) { id }"),
    (
        "Query.usage",
        Open::Usage,
        "usage(input: $october) { totals { records } }",
    ),
    (
        "Query.ingestAccounting",
        Open::Staff,
        "ingestAccounting(from: $from, to: $to) { received }",
    ),
    (
        "Query.ingestBatches",
        Open::Staff,
        "ingestBatches { nodes { state } }",
    ),
    (
        "Query.ingestRejections",
        Open::Staff,
        "ingestRejections { nodes { code } }",
    ),
    (
        "Query.ingestRecord",
        Open::Staff,
        "ingestRecord(source: \"a\", recordId: \"b\") { state }",
    ),
    (
        "Query.segmentGrants",
        Open::Admins,
        "segmentGrants(subject: \"s\") { id }",
    ),
    ("Me.subject", Open::All, ""),
    ("Me.role", Open::All, ""),
    ("Me.permissions", Open::All, ""),
    ("Me.visibility", Open::All, "visibility { sims }"),
    ("Me.tenant", Open::Readers, "tenant { slug }"),
    ("Me.customer", Open::All, "customer { slug }"),
    ("Tenant.id", Open::Readers, ""),
    ("Tenant.slug", Open::Readers, ""),
    ("Tenant.name", Open::Readers, ""),
    ("Tenant.simulated", Open::Readers, ""),
    ("Tenant.createdAt", Open::Readers, ""),
    (
        "Tenant.usage",
        Open::Usage,
        "usage(input: $october) { totals { records } }",
    ),
    ("Sim.id", Open::Sims, ""),
    ("Sim.iccid", Open::Sims, ""),
    ("Sim.imsi", Open::Sims, ""),
    ("Sim.msisdn", Open::Sims, ""),
    ("Sim.state", Open::Sims, ""),
    ("Sim.simulated", Open::Sims, ""),
    ("Sim.createdAt", Open::Sims, ""),
    ("Sim.updatedAt", Open::Sims, ""),
    ("Sim.customer", Open::Sims, "customer { name }"),
    ("Sim.device", Open::Sims, "device { name }"),
    ("Sim.labels", Open::Sims, "labels { key }"),
    ("Sim.assignments", Open::Sims, "assignments { customerId }"),
    ("Assignment.customerId", Open::Sims, ""),
    ("Assignment.customer", Open::Sims, "customer { name }"),
    ("Assignment.from", Open::Sims, ""),
    ("Assignment.to", Open::Sims, ""),
    (
        "Sim.usage",
        Open::Usage,
        "usage(input: $october) { totals { records } }",
    ),
    ("SimConnection.edges", Open::Sims, "edges { cursor }"),
    ("SimConnection.nodes", Open::Sims, "nodes { id }"),
    (
        "SimConnection.pageInfo",
        Open::Sims,
        "pageInfo { endCursor }",
    ),
    ("SimConnection.totalCount", Open::Sims, ""),
    ("SimEdge.cursor", Open::Sims, ""),
    ("SimEdge.node", Open::Sims, "node { id }"),
    ("Device.id", Open::Devices, ""),
    ("Device.name", Open::Devices, ""),
    ("Device.kind", Open::Devices, ""),
    ("Device.state", Open::Devices, ""),
    ("Device.connectivity", Open::Devices, ""),
    ("Device.simulated", Open::Devices, ""),
    ("Device.createdAt", Open::Devices, ""),
    ("Device.updatedAt", Open::Devices, ""),
    ("Device.customer", Open::Devices, "customer { name }"),
    ("Device.sims", Open::Sims, "sims { iccid }"),
    ("Device.labels", Open::Devices, "labels { key }"),
    (
        "Device.assignments",
        Open::Devices,
        "assignments { customerId }",
    ),
    (
        "Device.usage",
        Open::Usage,
        "usage(input: $october) { totals { records } }",
    ),
    ("DeviceConnection.edges", Open::Devices, "edges { cursor }"),
    ("DeviceConnection.nodes", Open::Devices, "nodes { id }"),
    (
        "DeviceConnection.pageInfo",
        Open::Devices,
        "pageInfo { endCursor }",
    ),
    ("DeviceConnection.totalCount", Open::Devices, ""),
    ("DeviceEdge.cursor", Open::Devices, ""),
    ("DeviceEdge.node", Open::Devices, "node { id }"),
    ("Customer.id", Open::Readers, ""),
    ("Customer.archivedAt", Open::Readers, ""),
    ("Customer.sims", Open::Sims, "sims { nodes { iccid } }"),
    (
        "Customer.devices",
        Open::Devices,
        "devices { nodes { name } }",
    ),
    ("Customer.slug", Open::Readers, ""),
    ("Customer.name", Open::Readers, ""),
    ("Customer.firstName", Open::Readers, ""),
    ("Customer.lastName", Open::Readers, ""),
    ("Customer.email", Open::Readers, ""),
    ("Customer.phone", Open::Readers, ""),
    ("Customer.visibility", Open::Readers, "visibility { sims }"),
    ("Customer.createdAt", Open::Readers, ""),
    ("Customer.simCounts", Open::Sims, "simCounts { count }"),
    (
        "Customer.usage",
        Open::Usage,
        "usage(input: $october) { totals { records } }",
    ),
    (
        "CustomerConnection.edges",
        Open::Readers,
        "edges { cursor }",
    ),
    ("CustomerConnection.nodes", Open::Readers, "nodes { id }"),
    (
        "CustomerConnection.pageInfo",
        Open::Readers,
        "pageInfo { endCursor }",
    ),
    ("CustomerConnection.totalCount", Open::Readers, ""),
    ("CustomerEdge.cursor", Open::Readers, ""),
    ("CustomerEdge.node", Open::Readers, "node { id }"),
    ("Network.id", Open::Readers, ""),
    ("Network.code", Open::Readers, ""),
    ("Network.mcc", Open::Readers, ""),
    ("Network.mnc", Open::Readers, ""),
    ("Network.name", Open::Readers, ""),
    ("Network.operator", Open::Readers, ""),
    ("Network.countryCode", Open::Readers, ""),
    ("Network.country", Open::Readers, ""),
    ("Network.source", Open::Readers, ""),
    (
        "Network.usage",
        Open::Usage,
        "usage(input: $october) { totals { records } }",
    ),
    ("NetworkConnection.edges", Open::Readers, "edges { cursor }"),
    ("NetworkConnection.nodes", Open::Readers, "nodes { id }"),
    (
        "NetworkConnection.pageInfo",
        Open::Readers,
        "pageInfo { endCursor }",
    ),
    ("NetworkConnection.totalCount", Open::Readers, ""),
    ("NetworkEdge.cursor", Open::Readers, ""),
    ("NetworkEdge.node", Open::Readers, "node { id }"),
    ("IngestRejection.source", Open::Staff, ""),
    ("IngestRejection.recordId", Open::Staff, ""),
    ("IngestRejection.code", Open::Staff, ""),
    ("IngestRejection.message", Open::Staff, ""),
    ("IngestRejection.raw", Open::Staff, ""),
    ("IngestRejection.receivedAt", Open::Staff, ""),
    (
        "IngestRejectionConnection.edges",
        Open::Staff,
        "edges { cursor }",
    ),
    (
        "IngestRejectionConnection.nodes",
        Open::Staff,
        "nodes { code }",
    ),
    (
        "IngestRejectionConnection.pageInfo",
        Open::Staff,
        "pageInfo { endCursor }",
    ),
    ("IngestRejectionConnection.totalCount", Open::Staff, ""),
    ("IngestRejectionEdge.cursor", Open::Staff, ""),
    ("IngestRejectionEdge.node", Open::Staff, "node { code }"),
    ("PageInfo.hasNextPage", Open::Devices, ""),
    ("PageInfo.hasPreviousPage", Open::Devices, ""),
    ("PageInfo.startCursor", Open::Devices, ""),
    ("PageInfo.endCursor", Open::Devices, ""),
    ("Visibility.devices", Open::All, ""),
    ("Visibility.sims", Open::All, ""),
    ("Visibility.sessions", Open::All, ""),
    ("Visibility.usage", Open::All, ""),
    ("Visibility.billing", Open::All, ""),
    ("Label.key", Open::Devices, ""),
    ("Label.value", Open::Devices, ""),
    ("LabelDefinition.id", Open::Readers, ""),
    ("LabelDefinition.key", Open::Readers, ""),
    ("LabelDefinition.options", Open::Readers, ""),
    ("LabelDefinition.createdAt", Open::Readers, ""),
    ("SimCount.state", Open::Sims, ""),
    ("SimCount.count", Open::Sims, ""),
    ("Usage.rows", Open::Usage, "rows { records }"),
    ("Usage.truncated", Open::Usage, ""),
    ("Usage.totals", Open::Usage, "totals { records }"),
    ("Usage.provenance", Open::Usage, "provenance { table }"),
    ("UsageRow.periodStart", Open::Usage, ""),
    ("UsageRow.networkId", Open::Usage, ""),
    ("UsageRow.networkCode", Open::Usage, ""),
    ("UsageRow.network", Open::Usage, "network { name }"),
    ("UsageRow.countryCode", Open::Usage, ""),
    ("UsageRow.customerId", Open::Usage, ""),
    ("UsageRow.customer", Open::Usage, "customer { name }"),
    ("UsageRow.simId", Open::Usage, ""),
    ("UsageRow.sim", Open::Usage, "sim { iccid }"),
    ("UsageRow.deviceId", Open::Usage, ""),
    ("UsageRow.device", Open::Usage, "device { name }"),
    ("UsageRow.radioAccessType", Open::Usage, ""),
    ("UsageRow.service", Open::Usage, ""),
    ("UsageRow.source", Open::Usage, ""),
    ("UsageRow.bytesUp", Open::Usage, ""),
    ("UsageRow.bytesDown", Open::Usage, ""),
    ("UsageRow.bytesTotal", Open::Usage, ""),
    ("UsageRow.records", Open::Usage, ""),
    ("UsageRow.activeSims", Open::Usage, ""),
    ("UsageTotals.bytesUp", Open::Usage, ""),
    ("UsageTotals.bytesDown", Open::Usage, ""),
    ("UsageTotals.bytesTotal", Open::Usage, ""),
    ("UsageTotals.records", Open::Usage, ""),
    ("UsageTotals.activeSims", Open::Usage, ""),
    ("Provenance.table", Open::Usage, ""),
    ("Provenance.watermark", Open::Usage, ""),
    ("Provenance.complete", Open::Usage, ""),
    ("Provenance.reason", Open::Usage, ""),
    ("IngestAccounting.source", Open::Staff, ""),
    ("IngestAccounting.hour", Open::Staff, ""),
    ("IngestAccounting.received", Open::Staff, ""),
    ("IngestAccounting.accepted", Open::Staff, ""),
    ("IngestAccounting.duplicate", Open::Staff, ""),
    ("IngestAccounting.rejected", Open::Staff, ""),
    ("IngestAccounting.bytesUp", Open::Staff, ""),
    ("IngestAccounting.bytesDown", Open::Staff, ""),
    ("IngestRecord.state", Open::Staff, ""),
    ("IngestRecord.eventAt", Open::Staff, ""),
    ("IngestRecord.batch", Open::Staff, "batch { id }"),
    (
        "IngestRecord.rejections",
        Open::Staff,
        "rejections { code }",
    ),
    ("IngestBatch.id", Open::Staff, ""),
    ("IngestBatch.state", Open::Staff, ""),
    ("IngestBatch.records", Open::Staff, ""),
    ("IngestBatch.bytesUp", Open::Staff, ""),
    ("IngestBatch.bytesDown", Open::Staff, ""),
    ("IngestBatch.receivedAt", Open::Staff, ""),
    ("IngestBatch.countedAt", Open::Staff, ""),
    ("IngestBatch.reason", Open::Staff, ""),
    (
        "IngestBatchConnection.edges",
        Open::Staff,
        "edges { cursor }",
    ),
    ("IngestBatchConnection.nodes", Open::Staff, "nodes { id }"),
    (
        "IngestBatchConnection.pageInfo",
        Open::Staff,
        "pageInfo { endCursor }",
    ),
    ("IngestBatchConnection.totalCount", Open::Staff, ""),
    ("IngestBatchEdge.cursor", Open::Staff, ""),
    ("IngestBatchEdge.node", Open::Staff, "node { id }"),
    (
        "Mutation.importFleet",
        Open::Admins,
        "importFleet(input: { csv: \"iccid,state\\n1,ACTIVE\\n\" }) { report { rejected } }",
    ),
    (
        "Mutation.setCustomerVisibility",
        Open::Admins,
        "setCustomerVisibility(input: $switches) { customer { name } }",
    ),
    (
        "Mutation.createCustomer",
        Open::Admins,
        "createCustomer(input: { slug: \"\", name: \"x\" }) { customer { name } }",
    ),
    (
        "Mutation.updateCustomer",
        Open::Admins,
        "updateCustomer(input: { customerId: $bosch, firstName: \"Ada\" }) { customer { name } }",
    ),
    (
        "Mutation.archiveCustomer",
        Open::Admins,
        "archiveCustomer(input: { customerId: $bosch, archived: false }) { customer { name } }",
    ),
    (
        "Mutation.createLabelDefinition",
        Open::Admins,
        "createLabelDefinition(input: { key: \"\" }) { labelDefinition { key } }",
    ),
    (
        "Mutation.updateLabelDefinition",
        Open::Admins,
        "updateLabelDefinition(input: { labelDefinitionId: \"lab_00000000000000000000000000000000\" }) { labelDefinition { key } }",
    ),
    (
        "Mutation.deleteLabelDefinition",
        Open::Admins,
        "deleteLabelDefinition(input: { labelDefinitionId: \"lab_00000000000000000000000000000000\" }) { labelDefinitionId }",
    ),
    (
        "Mutation.setSimLabels",
        Open::Admins,
        "setSimLabels(input: { simId: $sim, set: [{ key: \"location\", value: \"field\" }] }) { sim { iccid } }",
    ),
    (
        "Mutation.setDeviceLabels",
        Open::Admins,
        "setDeviceLabels(input: { deviceId: $device }) { device { name } }",
    ),
    (
        "LabelDefinitionPayload.labelDefinition",
        Open::Admins,
        "labelDefinition { key }",
    ),
    (
        "LabelDefinitionPayload.userErrors",
        Open::Admins,
        "userErrors { code }",
    ),
    (
        "DeleteLabelDefinitionPayload.labelDefinitionId",
        Open::Admins,
        "",
    ),
    (
        "DeleteLabelDefinitionPayload.userErrors",
        Open::Admins,
        "userErrors { code }",
    ),
    ("SetSimLabelsPayload.sim", Open::Admins, "sim { iccid }"),
    (
        "SetSimLabelsPayload.userErrors",
        Open::Admins,
        "userErrors { code }",
    ),
    (
        "SetDeviceLabelsPayload.device",
        Open::Admins,
        "device { name }",
    ),
    (
        "SetDeviceLabelsPayload.userErrors",
        Open::Admins,
        "userErrors { code }",
    ),
    (
        "Mutation.grantSegment",
        Open::Admins,
        "grantSegment(input: { subject: \"s\", customerIds: [$bosch] }) { grants { id } }",
    ),
    (
        "Mutation.revokeSegment",
        Open::Admins,
        "revokeSegment(input: { grantId: $grant }) { grantId }",
    ),
    ("ImportFleetPayload.report", Open::Admins, "report { rows }"),
    (
        "ImportFleetPayload.userErrors",
        Open::Admins,
        "userErrors { code }",
    ),
    ("UserError.code", Open::Admins, ""),
    ("UserError.message", Open::Admins, ""),
    ("UserError.field", Open::Admins, ""),
    ("FleetReport.rows", Open::Admins, ""),
    ("FleetReport.created", Open::Admins, ""),
    ("FleetReport.updated", Open::Admins, ""),
    ("FleetReport.unchanged", Open::Admins, ""),
    ("FleetReport.rejected", Open::Admins, ""),
    ("FleetReport.newCustomers", Open::Admins, ""),
    ("FleetReport.newDevices", Open::Admins, ""),
    ("FleetReport.newLabels", Open::Admins, ""),
    ("FleetReport.errors", Open::Admins, "errors { line }"),
    ("FleetReport.errorsTruncated", Open::Admins, ""),
    ("FleetRowError.line", Open::Admins, ""),
    ("FleetRowError.code", Open::Admins, ""),
    ("FleetRowError.reason", Open::Admins, ""),
    (
        "CustomerPayload.customer",
        Open::Admins,
        "customer { name }",
    ),
    (
        "CustomerPayload.userErrors",
        Open::Admins,
        "userErrors { code }",
    ),
    ("GrantSegmentPayload.grants", Open::Admins, "grants { id }"),
    (
        "GrantSegmentPayload.userErrors",
        Open::Admins,
        "userErrors { code }",
    ),
    ("SegmentGrant.id", Open::Admins, ""),
    ("SegmentGrant.subject", Open::Admins, ""),
    ("SegmentGrant.customer", Open::Admins, "customer { name }"),
    ("SegmentGrant.sim", Open::Admins, "sim { iccid }"),
    ("SegmentGrant.device", Open::Admins, "device { name }"),
    ("SegmentGrant.createdAt", Open::Admins, ""),
    ("RevokeSegmentPayload.grantId", Open::Admins, ""),
    (
        "RevokeSegmentPayload.userErrors",
        Open::Admins,
        "userErrors { code }",
    ),
];

/// Ids that every caller can be asked about: those of the caller's own segment.
pub(crate) async fn fill(world: &World, caller: Caller, query: &str) -> String {
    let admin = Caller(caller.0, Role::TenantAdmin, None);
    let own = caller.2.unwrap_or("bosch");
    let found = world
        .run(
            admin,
            "query($own: String!) {
                own: customer(by: { slug: $own }) { id } bosch: customer(by: { slug: \"bosch\" }) { id }
                sims(filter: {}) { nodes { id customer { slug } } }
                devices { nodes { id customer { slug } } } }",
            json!({ "own": own }),
        )
        .await;
    let of = |list: &str| {
        let nodes = found["data"][list]["nodes"].as_array().expect("nodes");
        let mine = nodes
            .iter()
            .find(|node| node["customer"]["slug"] == own)
            .expect("one of the segment");
        mine["id"].to_string()
    };
    let granted = if query.contains("$grant") {
        let grant = "mutation($id: ID!) { grantSegment(input: { subject: \"other\", customerIds: [$id] }) { grants { id } } }";
        let id = found["data"]["own"]["id"].clone();
        world.run(admin, grant, json!({ "id": id })).await["data"]["grantSegment"]["grants"][0]["id"].to_string()
    } else {
        String::new()
    };
    let switches = format!(
        "{{ customerId: {}, visibility: {{ devices: true, sims: true, sessions: true, usage: true, billing: true }} }}",
        found["data"]["bosch"]["id"]
    );
    query
        .replace(
            "$october",
            "{ from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" }",
        )
        .replace("$from", "\"2026-10-01T00:00:00Z\"")
        .replace("$to", "\"2026-11-01T00:00:00Z\"")
        .replace("$switches", &switches)
        .replace("$grant", &granted)
        .replace("$sim", &of("sims"))
        .replace("$device", &of("devices"))
        .replace("$own", &found["data"]["own"]["id"].to_string())
        .replace("$bosch", &found["data"]["bosch"]["id"].to_string())
}

/// The document that selects a field of the table, and who its type is open to.
pub(crate) fn document(path: &str, selection: &str) -> (String, Open) {
    let (ty, field) = path.split_once('.').expect("Type.field");
    let selection = if selection.is_empty() {
        field
    } else {
        selection
    };
    let (_, reach, way) = REACH
        .iter()
        .find(|(name, ..)| *name == ty)
        .expect("a way to every type");
    (way.replace('%', selection), *reach)
}

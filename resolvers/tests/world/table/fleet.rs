//! SIMs, devices, assignments and labels.

use serde_json::{Value, json};

use super::{Open, Row, Way, any, customers, devices, one, rows, sims, ways};
use crate::world::{
    Caller, POOL,
    at::{At, Which, customer_of, records, shown_spans, slug},
};

fn own_sim(caller: Caller) -> Vec<Which> {
    own(caller, &caller.sims())
}

fn own_device(caller: Caller) -> Vec<Which> {
    own(caller, &caller.devices())
}

fn own(caller: Caller, seen: &[usize]) -> Vec<Which> {
    let own = caller.own();
    if seen.contains(&own) {
        vec![Which::Fleet(own)]
    } else {
        vec![]
    }
}

/// Those that belong to somebody.
fn assigned(of: Vec<usize>) -> Vec<Which> {
    let assigned = of.into_iter().filter(|n| customer_of(*n).is_some());
    assigned.map(Which::Fleet).collect()
}

/// The SIMs of what was used, as far as SIMs are seen.
fn used_sims(caller: Caller) -> Vec<Which> {
    if caller == POOL { vec![] } else { sims(caller) }
}

/// What was used is in the order of the numbers.
fn used_devices(caller: Caller) -> Vec<Which> {
    let mut used: Vec<usize> = records(caller).into_iter().map(|(n, _)| n).collect();
    used.dedup();
    used.into_iter().map(Which::Fleet).collect()
}

fn first(_: Caller) -> Vec<Which> {
    vec![Which::Fleet(0)]
}

/// Two labels of each SIM.
fn sim_labels(caller: Caller) -> Vec<Which> {
    let twice = |_| [Which::Nth(0), Which::Nth(1)];
    caller.sims().into_iter().flat_map(twice).collect()
}

fn device_labels(caller: Caller) -> Vec<Which> {
    caller.devices().into_iter().map(Which::Fleet).collect()
}

/// Keys of the labels: who sees no SIM sees what occurs on devices.
fn definitions(caller: Caller) -> Vec<Which> {
    match (caller.sims().is_empty(), caller.devices().is_empty()) {
        (false, _) => (0..3).map(Which::Nth).collect(),
        (true, false) => vec![Which::Nth(2)],
        (true, true) => vec![],
    }
}

fn location(_: Caller) -> Vec<Which> {
    vec![Which::Nth(0)]
}

/// The label definition that everybody is asked about lies on SIMs only.
fn own_definition(caller: Caller) -> Vec<Which> {
    if caller.sims().is_empty() {
        vec![]
    } else {
        location(caller)
    }
}

fn named(customer: Option<usize>) -> Value {
    customer.map_or(Value::Null, |customer| json!({ "slug": slug(customer) }))
}

fn spans(at: &At<'_>) -> Value {
    let seen = shown_spans(at.caller, vec![at.n()]).into_iter();
    let whose = seen.map(|which| At { which, ..*at }.span().0);
    whose
        .map(|customer| json!({ "customer": { "slug": slug(customer) } }))
        .collect()
}

/// The SIMs that a list shows, of all or of one customer.
fn listed_sims(at: &At<'_>) -> Vec<usize> {
    at.among(at.caller.sims())
}

fn listed_devices(at: &At<'_>) -> Vec<usize> {
    at.among(at.caller.devices())
}

/// A page of all: its cursors, if there are rows.
fn page(at: &At<'_>) -> Value {
    if listed_devices(at).is_empty() {
        json!({ "endCursor": null })
    } else {
        json!({ "endCursor": "*" })
    }
}

fn page_of_sims(at: &At<'_>) -> Value {
    if listed_sims(at).is_empty() {
        json!({ "endCursor": null })
    } else {
        json!({ "endCursor": "*" })
    }
}

fn label(at: &At<'_>) -> [String; 2] {
    match at.which {
        Which::Fleet(n) => ["rack".into(), format!("{}-{n}", at.tenant())],
        Which::Nth(0) => ["location".into(), "field".into()],
        _ => ["owner".into(), at.tenant().into()],
    }
}

/// The tenant's own digits of its numbers.
fn digits(at: &At<'_>) -> &'static str {
    if at.tenant() == "alpha" {
        "44501"
    } else {
        "46007"
    }
}

ways! { WAYS:
    "Sim" Sims "{ sims(first: 100) { nodes { % } } }" => sims;
    "Sim" Sims "{ sims(first: 100) { edges { node { % } } } }" => sims;
    "Sim" Sims "{ sim(by: { id: $sim }) { % } }" => own_sim;
    "Sim" Sims "{ sim(by: { iccid: $iccid }) { % } }" => own_sim;
    "Sim" Sims "{ node(id: $sim) { ... on Sim { % } } }" => own_sim;
    "Sim" Sims "{ devices(first: 100) { nodes { sims { % } } } }" => sims;
    "Sim" Sims "{ device(id: $device) { sims { % } } }" => own_sim;
    "Sim" Sims "{ customers(first: 100) { nodes { sims(first: 100) { nodes { % } } } } }" => |caller| assigned(caller.sims());
    "Sim" Sims "{ customers(first: 100) { nodes { sims(first: 100) { edges { node { % } } } } } }" => |caller| assigned(caller.sims());
    "Sim" Usage "{ usage(input: { $october, groupBy: [{ dimension: SIM }], orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { key { sim { sim { % } } } } } }" => used_sims;
    "Sim" Admins "{ segmentGrants(subject: \"other\") { sim { % } } }" => first;
    "Sim" Admins "mutation { setSimLabels(input: { simId: $sim }) { sim { % } } }" => first;
    "Sim" Admins "mutation { grantSegment(input: { subject: \"other\", simIds: [$sim] }) { grants { sim { % } } } }" => first;
    "SimConnection" Sims "{ sims(first: 100) { % } }" => one;
    "SimConnection" Sims "{ customers(first: 100) { nodes { sims(first: 100) { % } } } }" => customers;
    "SimEdge" Sims "{ sims(first: 100) { edges { % } } }" => sims;
    "SimEdge" Sims "{ customers(first: 100) { nodes { sims(first: 100) { edges { % } } } } }" => |caller| assigned(caller.sims());
    "Device" Devices "{ devices(first: 100) { nodes { % } } }" => devices;
    "Device" Devices "{ devices(first: 100) { edges { node { % } } } }" => devices;
    "Device" Devices "{ device(id: $device) { % } }" => own_device;
    "Device" Devices "{ node(id: $device) { ... on Device { % } } }" => own_device;
    "Device" Sims "{ sims(first: 100) { nodes { device { % } } } }" => sims;
    "Device" Sims "{ sim(by: { id: $sim }) { device { % } } }" => own_sim;
    "Device" Devices "{ customers(first: 100) { nodes { devices(first: 100) { nodes { % } } } } }" => |caller| if caller == POOL { vec![] } else { assigned(caller.devices()) };
    "Device" Devices "{ customers(first: 100) { nodes { devices(first: 100) { edges { node { % } } } } } }" => |caller| if caller == POOL { vec![] } else { assigned(caller.devices()) };
    "Device" Usage "{ usage(input: { $october, groupBy: [{ dimension: DEVICE }], orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { key { device { device { % } } } } } }" => used_devices;
    "Device" Admins "{ segmentGrants(subject: \"other\") { device { % } } }" => first;
    "Device" Admins "mutation { setDeviceLabels(input: { deviceId: $device }) { device { % } } }" => first;
    "Device" Admins "mutation { grantSegment(input: { subject: \"other\", deviceIds: [$device] }) { grants { device { % } } } }" => first;
    "DeviceConnection" Devices "{ devices(first: 100) { % } }" => one;
    "DeviceConnection" Devices "{ customers(first: 100) { nodes { devices(first: 100) { % } } } }" => customers;
    "DeviceEdge" Devices "{ devices(first: 100) { edges { % } } }" => devices;
    "DeviceEdge" Devices "{ customers(first: 100) { nodes { devices(first: 100) { edges { % } } } } }" => |caller| if caller == POOL { vec![] } else { assigned(caller.devices()) };
    "PageInfo" Devices "{ devices(first: 100) { pageInfo { % } } }" => one;
    "PageInfo" Devices "{ customers(first: 100) { nodes { devices(first: 100) { pageInfo { % } } } } }" => customers;
    "Assignment" Sims "{ sims(first: 100) { nodes { assignments { % } } } }" => |caller| shown_spans(caller, caller.sims());
    "Assignment" Devices "{ devices(first: 100) { nodes { assignments { % } } } }" => |caller| shown_spans(caller, caller.devices());
    "Label" Sims "{ sims(first: 100) { nodes { labels { % } } } }" => sim_labels;
    "Label" Devices "{ devices(first: 100) { nodes { labels { % } } } }" => device_labels;
    "LabelDefinition" Readers "{ labelDefinitions(first: 100) { nodes { % } } }" => definitions;
    "LabelDefinition" Readers "{ labelDefinitions(first: 100) { edges { node { % } } } }" => definitions;
    "LabelDefinition" Readers "{ node(id: $label) { ... on LabelDefinition { % } } }" => own_definition;
    "LabelDefinition" Admins "mutation { updateLabelDefinition(input: { labelDefinitionId: $label, options: [\"field\", \"depot\"] }) { labelDefinition { % } } }" => location;
    "LabelDefinitionConnection" Readers "{ labelDefinitions(first: 100) { % } }" => one;
    "LabelDefinitionEdge" Readers "{ labelDefinitions(first: 100) { edges { % } } }" => definitions;
}

const KEYS: [&str; 3] = ["location", "owner", "rack"];

fn keys(at: &At<'_>) -> Vec<&'static str> {
    let seen = definitions(at.caller).into_iter();
    seen.map(|which| KEYS[At { which, ..*at }.n()]).collect()
}

rows! { ROWS:
    "Sim.id" Sims "" => |_| json!("sim_*");
    "Sim.iccid" Sims "" => |at| json!(at.iccid(at.n()));
    "Sim.imsi" Sims "" => |at| json!(format!("23450{}000{}", digits(at), at.n()));
    "Sim.msisdn" Sims "" => |at| json!(format!("{}0000{}", digits(at), at.n()));
    "Sim.state" Sims "" => |_| json!("ACTIVE");
    "Sim.simulated" Sims "" => |_| json!(false);
    "Sim.createdAt" Sims "" => |_| json!("2026-11-21T12:00:00Z");
    "Sim.updatedAt" Sims "" => |_| json!("2026-11-21T12:00:00Z");
    "Sim.customer" Sims "customer { slug }" => |at| named(at.customer(at.n()));
    "Sim.device" Sims "device { name }" => |at| json!({ "name": at.device(at.n()) });
    "Sim.labels" Sims "labels { key }" => |_| json!([{ "key": "location" }, { "key": "owner" }]);
    "Sim.assignments" Sims "assignments { customer { slug } }" => spans;
    "Sim.usage" Usage "usage(input: { $october }) { totals { records } }" => |at| json!({ "totals": { "records": at.sum(|_, _| 1) } });
    "SimConnection.edges" Sims "edges { node { iccid } }" => |at| listed_sims(at).into_iter().map(|n| json!({ "node": { "iccid": at.iccid(n) } })).collect();
    "SimConnection.nodes" Sims "nodes { iccid }" => |at| listed_sims(at).into_iter().map(|n| json!({ "iccid": at.iccid(n) })).collect();
    "SimConnection.pageInfo" Sims "pageInfo { endCursor }" => page_of_sims;
    "SimConnection.totalCount" Sims "" => |at| json!(listed_sims(at).len());
    "SimEdge.cursor" Sims "" => any;
    "SimEdge.node" Sims "node { iccid }" => |at| json!({ "iccid": at.iccid(at.n()) });
    "Device.id" Devices "" => |_| json!("dev_*");
    "Device.name" Devices "" => |at| json!(at.device(at.n()));
    "Device.kind" Devices "" => |_| json!("modem");
    "Device.state" Devices "" => |_| json!("ACTIVE");
    "Device.connectivity" Devices "" => |_| json!(["CELLULAR"]);
    "Device.simulated" Devices "" => |_| json!(false);
    "Device.createdAt" Devices "" => |_| json!("2026-11-21T12:00:00Z");
    "Device.updatedAt" Devices "" => |_| json!("2026-11-21T12:00:00Z");
    "Device.customer" Devices "customer { slug }" => |at| named(at.customer(at.n()));
    "Device.sims" Sims "sims { iccid }" => |at| if at.caller.sims().contains(&at.n()) { json!([{ "iccid": at.iccid(at.n()) }]) } else { json!([]) };
    "Device.labels" Devices "labels { value }" => |at| json!([{ "value": format!("{}-{}", at.tenant(), at.n()) }]);
    "Device.assignments" Devices "assignments { customer { slug } }" => spans;
    "Device.usage" Usage "usage(input: { $october }) { totals { records } }" => |at| json!({ "totals": { "records": at.sum(|_, _| 1) } });
    "DeviceConnection.edges" Devices "edges { node { name } }" => |at| listed_devices(at).into_iter().map(|n| json!({ "node": { "name": at.device(n) } })).collect();
    "DeviceConnection.nodes" Devices "nodes { name }" => |at| listed_devices(at).into_iter().map(|n| json!({ "name": at.device(n) })).collect();
    "DeviceConnection.pageInfo" Devices "pageInfo { endCursor }" => page;
    "DeviceConnection.totalCount" Devices "" => |at| json!(listed_devices(at).len());
    "DeviceEdge.cursor" Devices "" => any;
    "DeviceEdge.node" Devices "node { name }" => |at| json!({ "name": at.device(at.n()) });
    "PageInfo.hasNextPage" Devices "" => |_| json!(false);
    "PageInfo.hasPreviousPage" Devices "" => |_| json!(false);
    "PageInfo.startCursor" Devices "" => |at| if listed_devices(at).is_empty() { Value::Null } else { json!("*") };
    "PageInfo.endCursor" Devices "" => |at| if listed_devices(at).is_empty() { Value::Null } else { json!("*") };
    "Assignment.customerId" Devices "" => |_| json!("cus_*");
    "Assignment.customer" Devices "customer { slug }" => |at| json!({ "slug": slug(at.span().0) });
    "Assignment.from" Devices "" => |at| json!(at.span().1);
    "Assignment.to" Devices "" => |at| json!(at.span().2);
    "Label.key" Devices "" => |at| json!(label(at)[0]);
    "Label.value" Devices "" => |at| json!(label(at)[1]);
    "LabelDefinition.id" Readers "" => |_| json!("lab_*");
    "LabelDefinition.key" Readers "" => |at| json!(KEYS[at.n()]);
    "LabelDefinition.options" Readers "" => |at| if at.n() == 0 { json!(["field", "depot"]) } else { Value::Null };
    "LabelDefinition.createdAt" Readers "" => |_| json!("2026-11-21T12:00:00Z");
    "LabelDefinitionConnection.edges" Readers "edges { node { key } }" => |at| keys(at).into_iter().map(|key| json!({ "node": { "key": key } })).collect();
    "LabelDefinitionConnection.nodes" Readers "nodes { key }" => |at| keys(at).into_iter().map(|key| json!({ "key": key })).collect();
    "LabelDefinitionConnection.pageInfo" Readers "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "LabelDefinitionConnection.totalCount" Readers "" => |at| json!(keys(at).len());
    "LabelDefinitionEdge.cursor" Readers "" => any;
    "LabelDefinitionEdge.node" Readers "node { key }" => |at| json!({ "key": KEYS[at.n()] });
}

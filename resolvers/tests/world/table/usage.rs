//! Usage and networks.

use serde_json::{Value, json};

use super::{Open, Row, Way, any, customers, devices, one, rows, sims, ways};
use crate::world::{
    Caller, POOL,
    at::{At, Which, code, customer_of, down, network_of, records, slug, up},
};

fn networks(_: Caller) -> Vec<Which> {
    vec![Which::Network(0), Which::Network(1)]
}

fn telekom(_: Caller) -> Vec<Which> {
    vec![Which::Network(1)]
}

/// The networks of what the caller sees used.
fn visited(caller: Caller) -> Vec<Which> {
    if records(caller).is_empty() {
        vec![]
    } else {
        networks(caller)
    }
}

/// A row for each record: no two have the same SIM and day.
fn each(caller: Caller) -> Vec<Which> {
    records(caller)
        .into_iter()
        .map(|(n, day)| Which::Record(n, day))
        .collect()
}

/// The only row of a question without dimensions, of a customer or of all.
fn whole(at: &At<'_>) -> Value {
    json!([{ "records": at.sum(|_, _| 1) }])
}

fn sims_of(at: &At<'_>) -> usize {
    let mut sims: Vec<usize> = at.records().into_iter().map(|(n, _)| n).collect();
    sims.dedup();
    sims.len()
}

/// The number of the SIM, or null where the caller does not see it.
fn seen(at: &At<'_>, of: &[usize]) -> Option<usize> {
    Some(at.n()).filter(|n| of.contains(n))
}

fn day(at: &At<'_>) -> u32 {
    at.records().first().map_or(0, |(_, day)| *day)
}

fn network(at: &At<'_>) -> [Value; 8] {
    let telekom = at.n() == 1;
    let pick = |tdc: &str, german: &str| json!(if telekom { german } else { tdc });
    [
        json!(format!("net_{}", code(at.n()))),
        json!(code(at.n())),
        pick("238", "262"),
        pick("TDC", "Telekom"),
        pick("TDC A/S", "Telekom Deutschland GmbH"),
        pick("DK", "DE"),
        pick("Denmark", "Germany"),
        json!("*"),
    ]
}

fn codes() -> impl Iterator<Item = &'static str> {
    [0, 1].into_iter().map(code)
}

/// Whether the question reaches beyond the newest record.
fn open_ended(at: &At<'_>) -> bool {
    at.way.path.contains("2100")
}

/// The table that answers. The small ones are not read for a SIM or a device, nor for who sees single devices.
fn table(at: &At<'_>) -> Value {
    let by_sim = at.way.path.contains("{ sims(") || at.way.path.contains("{ devices(");
    let full = if open_ended(at) {
        "USAGE_YEAR"
    } else {
        "USAGE_MONTH"
    };
    if by_sim || at.caller == POOL {
        json!(full)
    } else {
        json!(format!("{full}_SMALL"))
    }
}

/// Without any usage that the caller sees, nothing was received.
fn reason(at: &At<'_>) -> Value {
    match (records(at.caller).is_empty(), open_ended(at)) {
        (true, _) => json!("no usage has been received yet"),
        (false, true) => json!("the period reaches beyond the newest record received"),
        (false, false) => Value::Null,
    }
}

ways! { WAYS:
    "Usage" Usage "{ usage(input: { $october }) { % } }" => one;
    "Usage" Usage "{ tenant { usage(input: { $october }) { % } } }" => one;
    "Usage" Usage "{ sims(first: 100) { nodes { usage(input: { $october }) { % } } } }" => sims;
    "Usage" Usage "{ devices(first: 100) { nodes { usage(input: { $october }) { % } } } }" => devices;
    "Usage" Usage "{ customers(first: 100) { nodes { usage(input: { $october }) { % } } } }" => customers;
    "Usage" Usage "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { nodes { usage(input: { $october }) { % } } } }" => networks;
    "UsageTotals" Usage "{ usage(input: { $october }) { totals { % } } }" => one;
    "UsageTotals" Usage "{ sims(first: 100) { nodes { usage(input: { $october }) { totals { % } } } } }" => sims;
    "UsageTotals" Usage "{ devices(first: 100) { nodes { usage(input: { $october }) { totals { % } } } } }" => devices;
    "UsageTotals" Usage "{ customers(first: 100) { nodes { usage(input: { $october }) { totals { % } } } } }" => customers;
    "UsageTotals" Usage "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { nodes { usage(input: { $october }) { totals { % } } } } }" => networks;
    "UsageRow" Usage "{ usage(input: { $october, grain: DAY, dimensions: [NETWORK, COUNTRY, CUSTOMER, SIM], orderBy: [{ by: { measure: BYTES_DOWN } }] }) { rows { % } } }" => each;
    "UsageRow" Usage "{ usage(input: { $october, grain: DAY, dimensions: [DEVICE, RADIO_ACCESS_TYPE, SERVICE, SOURCE], orderBy: [{ by: { measure: BYTES_DOWN } }] }) { rows { % } } }" => each;
    "UsageRow" Usage "{ sims(first: 100) { nodes { usage(input: { $october, grain: DAY, dimensions: [NETWORK, DEVICE], orderBy: [{ by: { period: true } }] }) { rows { % } } } } }" => |caller| if caller.sims().is_empty() { vec![] } else { each(caller) };
    "Provenance" Usage "{ usage(input: { $october }) { provenance { % } } }" => one;
    "Provenance" Usage "{ usage(input: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\" }) { provenance { % } } }" => one;
    "Provenance" Usage "{ sims(first: 100) { nodes { usage(input: { $october }) { provenance { % } } } } }" => sims;
    "Network" Readers "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { nodes { % } } }" => networks;
    "Network" Readers "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { edges { node { % } } } }" => networks;
    "Network" Readers "{ node(id: \"net_262-01\") { ... on Network { % } } }" => telekom;
    "Network" Usage "{ usage(input: { $october, dimensions: [NETWORK], orderBy: [{ by: { dimension: NETWORK } }] }) { rows { network { % } } } }" => visited;
    "NetworkConnection" Readers "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { % } }" => one;
    "NetworkEdge" Readers "{ networks(filter: { codes: [\"238-01\", \"262-01\"] }) { edges { % } } }" => networks;
}

rows! { ROWS:
    "Usage.rows" Usage "rows { records }" => whole;
    "Usage.truncated" Usage "" => |_| json!(false);
    "Usage.totals" Usage "totals { records }" => |at| json!({ "records": at.sum(|_, _| 1) });
    "Usage.provenance" Usage "provenance { table }" => |at| json!({ "table": table(at) });
    "UsageTotals.bytesUp" Usage "" => |at| at.sum(up);
    "UsageTotals.bytesDown" Usage "" => |at| at.sum(down);
    "UsageTotals.bytesTotal" Usage "" => |at| at.sum(|n, day| up(n, day) + down(n, day));
    "UsageTotals.records" Usage "" => |at| at.sum(|_, _| 1);
    "UsageTotals.activeSims" Usage "" => |at| json!(sims_of(at));
    "UsageRow.periodStart" Usage "" => |at| json!(format!("2026-10-0{}T00:00:00Z", day(at)));
    "UsageRow.networkId" Usage "" => |at| at.keyed("NETWORK", json!(format!("net_{}", code(network_of(day(at))))));
    "UsageRow.networkCode" Usage "" => |at| at.keyed("NETWORK", json!(code(network_of(day(at)))));
    "UsageRow.network" Usage "network { code }" => |at| at.keyed("NETWORK", json!({ "code": code(network_of(day(at))) }));
    "UsageRow.countryCode" Usage "" => |at| at.keyed("COUNTRY", json!(if day(at) == 1 { "DE" } else { "DK" }));
    "UsageRow.customerId" Usage "" => |at| at.keyed("CUSTOMER", customer_of(at.n()).map_or(Value::Null, |_| json!("cus_*")));
    "UsageRow.customer" Usage "customer { slug }" => |at| at.keyed("CUSTOMER", at.customer(at.n()).map_or(Value::Null, |n| json!({ "slug": slug(n) })));
    "UsageRow.simId" Usage "" => |at| at.keyed("SIM", json!("sim_*"));
    "UsageRow.sim" Usage "sim { iccid }" => |at| at.keyed("SIM", seen(at, &at.caller.sims()).map_or(Value::Null, |n| json!({ "iccid": at.iccid(n) })));
    "UsageRow.deviceId" Usage "" => |at| at.keyed("DEVICE", json!("dev_*"));
    "UsageRow.device" Usage "device { name }" => |at| at.keyed("DEVICE", seen(at, &at.caller.devices()).map_or(Value::Null, |n| json!({ "name": at.device(n) })));
    "UsageRow.radioAccessType" Usage "" => |at| at.keyed("RADIO", json!("LTE"));
    "UsageRow.service" Usage "" => |at| at.keyed("SERVICE", json!("DATA"));
    "UsageRow.source" Usage "" => |at| at.keyed("SOURCE", json!(format!("{}-gateway", at.tenant())));
    "UsageRow.bytesUp" Usage "" => |at| at.sum(up);
    "UsageRow.bytesDown" Usage "" => |at| at.sum(down);
    "UsageRow.bytesTotal" Usage "" => |at| at.sum(|n, day| up(n, day) + down(n, day));
    "UsageRow.records" Usage "" => |_| json!("1");
    "UsageRow.activeSims" Usage "" => |_| json!(1);
    "Provenance.table" Usage "" => table;
    "Provenance.watermark" Usage "" => |at| if records(at.caller).is_empty() { Value::Null } else { json!("2026-11-21T12:00:00Z") };
    "Provenance.complete" Usage "" => |at| json!(reason(at).is_null());
    "Provenance.reason" Usage "" => reason;
    "Network.id" Readers "" => |at| network(at)[0].clone();
    "Network.code" Readers "" => |at| network(at)[1].clone();
    "Network.mcc" Readers "" => |at| network(at)[2].clone();
    "Network.mnc" Readers "" => |_| json!("01");
    "Network.name" Readers "" => |at| network(at)[3].clone();
    "Network.operator" Readers "" => |at| network(at)[4].clone();
    "Network.countryCode" Readers "" => |at| network(at)[5].clone();
    "Network.country" Readers "" => |at| network(at)[6].clone();
    "Network.source" Readers "" => any;
    "Network.usage" Usage "usage(input: { $october }) { totals { records } }" => |at| json!({ "totals": { "records": at.sum(|_, _| 1) } });
    "NetworkConnection.edges" Readers "edges { node { code } }" => |_| codes().map(|code| json!({ "node": { "code": code } })).collect();
    "NetworkConnection.nodes" Readers "nodes { code }" => |_| codes().map(|code| json!({ "code": code })).collect();
    "NetworkConnection.pageInfo" Readers "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "NetworkConnection.totalCount" Readers "" => |_| json!(2);
    "NetworkEdge.cursor" Readers "" => any;
    "NetworkEdge.node" Readers "node { code }" => |at| json!({ "code": code(at.n()) });
}

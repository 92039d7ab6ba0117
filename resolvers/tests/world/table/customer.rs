//! The caller, the tenant, its customers, and what they may see.

use domain::Role;
use serde_json::{Value, json};

use super::{Open, Row, Way, any, customers, one, rows, ways};
use crate::world::{
    Caller, POOL,
    at::{At, Which, customer_of, records, shown_spans, slug},
};

/// The customer that a caller's token names, or that staff is asked about.
fn own(caller: Caller) -> Vec<Which> {
    let own = usize::from(caller.2 == Some("dyer"));
    if caller.customers().contains(&own) {
        vec![Which::Customer(own)]
    } else {
        vec![]
    }
}

/// The customer that the token itself names.
fn named(caller: Caller) -> Vec<Which> {
    if caller.2.is_some() {
        own(caller)
    } else {
        vec![]
    }
}

fn bosch(_: Caller) -> Vec<Which> {
    vec![Which::Customer(0)]
}

/// The customers of these SIMs or devices, as far as they are seen.
fn of(caller: Caller, numbers: Vec<usize>) -> Vec<Which> {
    let customers = numbers.into_iter().filter_map(customer_of);
    customers
        .filter(|n| caller.customers().contains(n))
        .map(Which::Customer)
        .collect()
}

/// Those whose usage the caller sees, the one that used least first.
fn users(caller: Caller) -> Vec<Which> {
    let mut customers = of(
        caller,
        records(caller).into_iter().map(|(n, _)| n).collect(),
    );
    customers.dedup();
    customers
}

fn of_spans(caller: Caller, numbers: Vec<usize>) -> Vec<Which> {
    let spans = shown_spans(caller, numbers).into_iter();
    let whose = |which| match which {
        Which::Span(2, 1) => Some(1),
        Which::Span(n, _) => customer_of(n),
        _ => None,
    };
    spans.filter_map(whose).map(Which::Customer).collect()
}

/// The switches of the caller: staff and viewers see every area.
fn switches(caller: Caller) -> [bool; 5] {
    match (caller.1, caller.2) {
        (Role::Ingest, _) => [false; 5],
        (Role::CustomerUser, Some("dyer")) => [true, false, false, false, false],
        _ => [true; 5],
    }
}

/// The switches of a caller or of a customer: devices, SIMs, sessions, usage, billing.
fn open(at: &At<'_>) -> [bool; 5] {
    match at.which {
        Which::Customer(0) => [true; 5],
        Which::Customer(1) => [true, false, false, false, false],
        Which::Customer(_) => [false; 5],
        _ => switches(at.caller),
    }
}

fn permissions(at: &At<'_>) -> Value {
    let reader = [
        "TENANT_READ",
        "CUSTOMERS_READ",
        "SIMS_READ",
        "DEVICES_READ",
        "LABELS_READ",
        "NETWORKS_READ",
        "USAGE_READ",
        "SESSIONS_READ",
    ];
    match (at.caller.1, at.caller.2) {
        (Role::PlatformAdmin | Role::TenantAdmin, _) => json!([
            "TENANT_READ",
            "CUSTOMERS_READ",
            "CUSTOMERS_WRITE",
            "SIMS_READ",
            "DEVICES_READ",
            "INVENTORY_WRITE",
            "LABELS_READ",
            "NETWORKS_READ",
            "USAGE_READ",
            "SESSIONS_READ",
            "CDRS_WRITE",
            "SESSIONS_WRITE",
            "INGEST_READ",
            "SAVED_FILTERS_READ",
            "SAVED_FILTERS_WRITE",
            "EXPORTS_WRITE",
            "EXPORTS_MANAGE",
            "AUDIT_READ"
        ]),
        (Role::Support, _) => {
            let more = ["INGEST_READ", "SAVED_FILTERS_READ", "EXPORTS_WRITE"];
            json!([reader.as_slice(), &more].concat())
        }
        (Role::Ingest, _) => json!(["CDRS_WRITE", "SESSIONS_WRITE"]),
        (_, Some("dyer")) => json!([
            "TENANT_READ",
            "CUSTOMERS_READ",
            "DEVICES_READ",
            "LABELS_READ",
            "NETWORKS_READ",
            "EXPORTS_WRITE"
        ]),
        _ => json!([reader.as_slice(), &["EXPORTS_WRITE"]].concat()),
    }
}

fn role(at: &At<'_>) -> Value {
    json!(match at.caller.1 {
        Role::PlatformAdmin => "PLATFORM_ADMIN",
        Role::TenantAdmin => "TENANT_ADMIN",
        Role::Support => "SUPPORT",
        Role::Viewer => "VIEWER",
        Role::CustomerUser => "CUSTOMER_USER",
        Role::Ingest => "INGEST",
    })
}

/// Bosch has a contact, the others have none.
fn contact(at: &At<'_>, text: &str) -> Value {
    if at.which == Which::Customer(0) {
        json!(text)
    } else {
        Value::Null
    }
}

fn title(customer: usize) -> &'static str {
    ["Bosch", "Dyer", "Gone"][customer]
}

/// SIMs of the customer that the caller sees; counts of none are left out.
fn counts(at: &At<'_>) -> Value {
    match at.among(at.caller.sims()).len() {
        0 => json!([]),
        count => json!([{ "state": "ACTIVE", "count": count }]),
    }
}

/// Those of the customers a caller sees that have SIMs.
fn counted(caller: Caller) -> Vec<Which> {
    let customers = caller.customers().into_iter().filter(|n| *n < 2);
    customers.map(Which::Customer).collect()
}

fn slugs(at: &At<'_>) -> impl Iterator<Item = &'static str> {
    at.caller.customers().into_iter().map(slug)
}

ways! { WAYS:
    "Me" All "{ me { % } }" => one;
    "Tenant" Readers "{ tenant { % } }" => one;
    "Tenant" Readers "{ me { tenant { % } } }" => one;
    "Tenant" Readers "{ node(id: $tenant) { ... on Tenant { % } } }" => one;
    "Visibility" All "{ me { visibility { % } } }" => one;
    "Visibility" Readers "{ customers(first: 100) { nodes { visibility { % } } } }" => customers;
    "Customer" Readers "{ customers(first: 100) { nodes { % } } }" => customers;
    "Customer" Readers "{ customers(first: 100) { edges { node { % } } } }" => customers;
    "Customer" Readers "{ customer(by: { id: $customer }) { % } }" => own;
    "Customer" Readers "{ customer(by: { slug: $slug }) { % } }" => own;
    "Customer" Readers "{ node(id: $customer) { ... on Customer { % } } }" => own;
    "Customer" All "{ me { customer { % } } }" => named;
    "Customer" Sims "{ sims(first: 100) { nodes { customer { % } } } }" => |caller| of(caller, caller.sims());
    "Customer" Sims "{ sim(by: { id: $sim }) { customer { % } } }" => |caller| if caller == POOL { vec![] } else { own(caller) };
    "Customer" Devices "{ devices(first: 100) { nodes { customer { % } } } }" => |caller| of(caller, caller.devices());
    "Customer" Sims "{ sims(first: 100) { nodes { assignments { customer { % } } } } }" => |caller| of_spans(caller, caller.sims());
    "Customer" Devices "{ devices(first: 100) { nodes { assignments { customer { % } } } } }" => |caller| of_spans(caller, caller.devices());
    "Customer" Usage "{ usage(input: { $october, filter: { unassigned: false }, groupBy: [{ dimension: CUSTOMER }], orderBy: [{ by: { measure: BYTES_UP } }] }) { rows { key { customer { customer { % } } } } } }" => users;
    "Customer" Admins "{ segmentGrants(subject: \"other\") { customer { % } } }" => bosch;
    "Customer" Admins "mutation { grantSegment(input: { subject: \"other\", customerIds: [$customer] }) { grants { customer { % } } } }" => bosch;
    "Customer" Admins "mutation { updateCustomer(input: { customerId: $customer, firstName: \"Ada\" }) { customer { % } } }" => bosch;
    "Customer" Admins "mutation { archiveCustomer(input: { customerId: $gone }) { customer { % } } }" => |_| vec![Which::Customer(2)];
    "Customer" Admins "mutation { setCustomerVisibility(input: { customerId: $customer, visibility: { devices: true, sims: true, sessions: true, usage: true, billing: true } }) { customer { % } } }" => bosch;
    "CustomerConnection" Readers "{ customers(first: 100) { % } }" => one;
    "CustomerEdge" Readers "{ customers(first: 100) { edges { % } } }" => customers;
    "SimCount" Sims "{ customers(first: 100) { nodes { simCounts { % } } } }" => counted;
}

rows! { ROWS:
    "Me.subject" All "" => |at| json!(at.caller.subject());
    "Me.role" All "" => role;
    "Me.permissions" All "" => permissions;
    "Me.visibility" All "visibility { devices usage }" => |at| json!({ "devices": switches(at.caller)[0], "usage": switches(at.caller)[3] });
    "Me.tenant" Readers "tenant { slug }" => |at| json!({ "slug": at.tenant() });
    "Me.customer" All "customer { slug }" => |at| at.caller.2.map_or(Value::Null, |slug| json!({ "slug": slug }));
    "Tenant.id" Readers "" => |_| json!("ten_*");
    "Tenant.slug" Readers "" => |at| json!(at.tenant());
    "Tenant.name" Readers "" => |at| json!(format!("{} networks", at.tenant()));
    "Tenant.simulated" Readers "" => |_| json!(false);
    "Tenant.createdAt" Readers "" => |_| json!("2026-11-21T12:00:00Z");
    "Tenant.recordRetentionDays" Readers "" => |_| json!(400);
    "Tenant.exportRetentionDays" Readers "" => |_| json!(30);
    "Tenant.exportQuotaBytes" Admins "" => |_| json!("107374182400");
    "Tenant.usage" Usage "usage(input: { $october }) { totals { records } }" => |at| json!({ "totals": { "records": at.sum(|_, _| 1) } });
    "Visibility.devices" All "" => |at| json!(open(at)[0]);
    "Visibility.sims" All "" => |at| json!(open(at)[1]);
    "Visibility.sessions" All "" => |at| json!(open(at)[2]);
    "Visibility.usage" All "" => |at| json!(open(at)[3]);
    "Visibility.billing" All "" => |at| json!(open(at)[4]);
    "Customer.id" Readers "" => |_| json!("cus_*");
    "Customer.slug" Readers "" => |at| json!(slug(at.n()));
    "Customer.name" Readers "" => |at| json!(title(at.n()));
    "Customer.firstName" Readers "" => |at| contact(at, "Ada");
    "Customer.lastName" Readers "" => |at| contact(at, "Lovelace");
    "Customer.email" Readers "" => |at| contact(at, &format!("ada@{}.example", at.tenant()));
    "Customer.phone" Readers "" => |at| contact(at, "+49 711 400");
    "Customer.visibility" Readers "visibility { devices usage }" => |at| json!({ "devices": open(at)[0], "usage": open(at)[3] });
    "Customer.createdAt" Readers "" => |_| json!("2026-11-21T12:00:00Z");
    "Customer.archivedAt" Readers "" => |at| if at.n() == 2 { json!("2026-11-21T12:00:00Z") } else { Value::Null };
    "Customer.simCounts" Sims "simCounts { state count }" => counts;
    "Customer.sims" Sims "sims(first: 100) { nodes { iccid } }" => |at| json!({ "nodes": at.among(at.caller.sims()).into_iter().map(|n| json!({ "iccid": at.iccid(n) })).collect::<Value>() });
    "Customer.devices" Devices "devices(first: 100) { nodes { name } }" => |at| json!({ "nodes": at.among(at.caller.devices()).into_iter().map(|n| json!({ "name": at.device(n) })).collect::<Value>() });
    "Customer.usage" Usage "usage(input: { $october }) { totals { records } }" => |at| json!({ "totals": { "records": at.sum(|_, _| 1) } });
    "CustomerConnection.edges" Readers "edges { node { slug } }" => |at| slugs(at).map(|slug| json!({ "node": { "slug": slug } })).collect();
    "CustomerConnection.nodes" Readers "nodes { slug }" => |at| slugs(at).map(|slug| json!({ "slug": slug })).collect();
    "CustomerConnection.pageInfo" Readers "pageInfo { hasNextPage }" => |_| json!({ "hasNextPage": false });
    "CustomerConnection.totalCount" Readers "" => |at| json!(slugs(at).count());
    "CustomerEdge.cursor" Readers "" => any;
    "CustomerEdge.node" Readers "node { slug }" => |at| json!({ "slug": slug(at.n()) });
    "SimCount.state" Sims "" => |_| json!("ACTIVE");
    "SimCount.count" Sims "" => |at| json!(at.among(at.caller.sims()).len());
}

//! A tenant's customers (sub-customers): who a SIM or device is assigned to, and what that customer may see.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    Cx, Error, Permission, Result, audit,
    id::CustomerId,
    paging::{Direction, Keyset, Page, PageRequest},
    scope::Visibility,
    sim::SimState,
    sql::{Sql, Visible, push_segments, uuids},
};

/// A customer record (CUS-01, CUS-02).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Identifier.
    pub id: CustomerId,
    /// Short name used in tokens, files and on the command line; unique in the tenant.
    pub slug: String,
    /// Organisation name, unique in the tenant.
    pub name: String,
    /// Contact's first name.
    pub first_name: Option<String>,
    /// Contact's last name.
    pub last_name: Option<String>,
    /// Contact's mail address.
    pub email: Option<String>,
    /// Contact's phone number.
    pub phone: Option<String>,
    /// What the customer's own users may see (TEN-12).
    pub visibility: Visibility,
    /// When the record was made.
    pub created_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Row {
    customer_id: Uuid,
    slug: String,
    name: String,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    see_devices: bool,
    see_sims: bool,
    see_sessions: bool,
    see_usage: bool,
    see_billing: bool,
    created_at: DateTime<Utc>,
}

impl From<Row> for Customer {
    fn from(row: Row) -> Self {
        Self {
            id: CustomerId::new(row.customer_id),
            slug: row.slug,
            name: row.name,
            first_name: row.first_name,
            last_name: row.last_name,
            email: row.email,
            phone: row.phone,
            visibility: Visibility {
                devices: row.see_devices,
                sims: row.see_sims,
                sessions: row.see_sessions,
                usage: row.see_usage,
                billing: row.see_billing,
            },
            created_at: row.created_at,
        }
    }
}

/// Which customers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct CustomerFilter {
    /// Part of the name, slug or contact's mail address, any case (CUS-03).
    pub search: Option<String>,
}

/// The scoped start of every find.
fn scoped(cx: &Cx) -> Result<Sql> {
    cx.scope().require(Permission::CustomersRead)?;
    let mut sql = Sql::new(
        "SELECT customer.customer_id, customer.slug, customer.name, customer.first_name, customer.last_name, \
         customer.email, customer.phone, customer.see_devices, customer.see_sims, customer.see_sessions, \
         customer.see_usage, customer.see_billing, customer.created_at FROM customer WHERE customer.tenant_id = ",
    );
    sql.bind(cx.scope().tenant().uuid());
    push_segments(&mut sql, cx.scope(), "customer", Visible::Customers);
    Ok(sql)
}

fn push_filter(sql: &mut Sql, filter: &CustomerFilter) {
    if let Some(search) = &filter.search {
        let pattern = format!("%{}%", crate::sim::escape_like(search));
        sql.push(" AND (customer.name ILIKE ").bind(pattern.clone());
        sql.push(" OR customer.slug ILIKE ").bind(pattern.clone());
        sql.push(" OR customer.email ILIKE ")
            .bind(pattern)
            .push(")");
    }
}

/// One page, by name.
pub async fn list(
    cx: &Cx,
    filter: &CustomerFilter,
    direction: Direction,
    page: &PageRequest,
) -> Result<Page<Customer>> {
    let mut sql = scoped(cx)?;
    push_filter(&mut sql, filter);
    let keyset = Keyset::new(
        "customer.name",
        "text",
        "customer.customer_id",
        direction,
        filter,
    );
    keyset.push(&mut sql, page)?;
    let rows: Vec<Row> = cx.select(sql).await?;
    let customers = rows.into_iter().map(Customer::from).collect();
    Ok(keyset.page(customers, page, |customer: &Customer| {
        (customer.name.clone(), customer.id.uuid())
    }))
}

/// How many match.
pub async fn count(cx: &Cx, filter: &CustomerFilter) -> Result<u64> {
    let mut sql = scoped(cx)?;
    push_filter(&mut sql, filter);
    crate::sim::count_of(cx, sql).await
}

/// # Errors
/// `NOT_FOUND` when the caller cannot see such a customer.
pub async fn get(cx: &Cx, id: CustomerId) -> Result<Customer> {
    by_ids(cx, &[id])
        .await?
        .remove(&id)
        .ok_or_else(|| Error::not_found("customer"))
}

/// # Errors
/// `NOT_FOUND` when the caller cannot see such a customer.
pub async fn get_by_slug(cx: &Cx, slug: &str) -> Result<Customer> {
    let mut sql = scoped(cx)?;
    sql.push(" AND customer.slug = ").bind(slug.to_owned());
    let row: Option<Row> = cx.select_one(sql).await?;
    row.map(Customer::from)
        .ok_or_else(|| Error::not_found("customer"))
}

/// The visible ones among `ids`.
pub async fn by_ids(cx: &Cx, ids: &[CustomerId]) -> Result<HashMap<CustomerId, Customer>> {
    let mut sql = scoped(cx)?;
    sql.push(" AND customer.customer_id = ANY(")
        .bind(uuids(ids.iter().map(|id| id.uuid())))
        .push(")");
    let rows: Vec<Row> = cx.select(sql).await?;
    Ok(rows
        .into_iter()
        .map(Customer::from)
        .map(|customer| (customer.id, customer))
        .collect())
}

#[derive(FromQueryResult)]
struct StateCount {
    customer_id: Uuid,
    state: String,
    sims: i64,
}

/// How many visible SIMs each customer has now, by state (CUS-03).
pub async fn sim_counts(
    cx: &Cx,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, Vec<(SimState, u64)>>> {
    cx.scope().require(Permission::SimsRead)?;
    let mut sql = Sql::new(
        "SELECT sim.customer_id, sim.state, count(*) AS sims FROM sim WHERE sim.tenant_id = ",
    );
    sql.bind(cx.scope().tenant().uuid());
    sql.push(" AND sim.customer_id = ANY(")
        .bind(uuids(customers.iter().map(|id| id.uuid())))
        .push(")");
    push_segments(&mut sql, cx.scope(), "sim", Visible::Sims);
    sql.push(" GROUP BY sim.customer_id, sim.state ORDER BY sim.customer_id, sim.state");
    let rows: Vec<StateCount> = cx.select(sql).await?;
    let mut counts: HashMap<_, Vec<_>> = HashMap::new();
    for row in rows {
        let count = (row.state.parse()?, u64::try_from(row.sims).unwrap_or(0));
        counts
            .entry(CustomerId::new(row.customer_id))
            .or_default()
            .push(count);
    }
    Ok(counts)
}

/// Sets a customer's visibility switches (TEN-12) and writes the change to the audit log, in the caller's
/// transaction.
///
/// # Errors
/// `FORBIDDEN` without `customers:write`, `NOT_FOUND` for a customer out of reach.
pub async fn set_visibility(cx: &Cx, id: CustomerId, visibility: Visibility) -> Result<Customer> {
    cx.scope().require(Permission::CustomersWrite)?;
    let before = get(cx, id).await?;
    cx.execute(
        "UPDATE customer SET see_devices = $3, see_sims = $4, see_sessions = $5, see_usage = $6, \
         see_billing = $7 WHERE tenant_id = $1 AND customer_id = $2",
        [
            cx.scope().tenant().uuid().into(),
            id.uuid().into(),
            visibility.devices.into(),
            visibility.sims.into(),
            visibility.sessions.into(),
            visibility.usage.into(),
            visibility.billing.into(),
        ],
    )
    .await?;
    let detail =
        serde_json::json!({ "before": switches(before.visibility), "after": switches(visibility) });
    let entry = audit::Entry {
        action: "customer.set_visibility",
        subject: id.to_string(),
        detail,
    };
    audit::record(cx, &entry).await?;
    Ok(Customer {
        visibility,
        ..before
    })
}

fn switches(visibility: Visibility) -> BTreeSet<&'static str> {
    let named = [
        ("devices", visibility.devices),
        ("sims", visibility.sims),
        ("sessions", visibility.sessions),
        ("usage", visibility.usage),
        ("billing", visibility.billing),
    ];
    named
        .into_iter()
        .filter(|(_, open)| *open)
        .map(|(name, _)| name)
        .collect()
}

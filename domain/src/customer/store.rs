//! How customers are read and written.

use std::collections::HashMap;

use sea_orm::DbErr;
use uuid::Uuid;

use super::{Customer, CustomerCondition, CustomerError, CustomerOrderField, filter};
use crate::{
    Error, Permission, ReadCx, Result, WriteCx,
    db::on_constraint,
    id::CustomerId,
    list::{Listed, SortColumn, lists},
    row::{Columns, Decode},
    scope::Visibility,
    sim::SimState,
    sql::{Sql, Visible, push_segments, uuids},
};

impl Decode for Customer {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            slug: row.get()?,
            name: row.get()?,
            first_name: row.get()?,
            last_name: row.get()?,
            email: row.get()?,
            phone: row.get()?,
            visibility: Visibility {
                devices: row.get()?,
                sims: row.get()?,
                sessions: row.get()?,
                usage: row.get()?,
                billing: row.get()?,
            },
            created_at: row.get()?,
            archived_at: row.get()?,
        })
    }
}

lists!(Customer, by CustomerCondition, sorted by CustomerOrderField);

impl Listed for Customer {
    const WHAT: &'static str = "customer";
    const ID: &'static str = "customer.customer_id";

    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::CustomersRead)?;
        let mut sql = Sql::new(
            "SELECT customer.customer_id, customer.slug, customer.name, customer.first_name, customer.last_name, \
             customer.email, customer.phone, customer.see_devices, customer.see_sims, customer.see_sessions, \
             customer.see_usage, customer.see_billing, customer.created_at, customer.archived_at FROM customer WHERE customer.tenant_id = ",
        );
        sql.bind(cx.scope().tenant().uuid());
        push_segments(&mut sql, cx.scope(), "customer", Visible::Customers);
        Ok(sql)
    }

    fn push_condition(sql: &mut Sql, condition: &CustomerCondition) {
        filter::push(sql, condition);
    }

    fn column(field: CustomerOrderField) -> SortColumn {
        filter::column(field)
    }

    fn sort_key(&self, field: CustomerOrderField) -> String {
        match field {
            CustomerOrderField::Name => self.name.clone(),
            CustomerOrderField::Slug => self.slug.clone(),
        }
    }

    fn uuid(&self) -> Uuid {
        self.id.uuid()
    }
}

pub(super) async fn by_slug(cx: &ReadCx, slug: &str) -> Result<Customer> {
    let mut sql = Customer::scoped(cx)?;
    sql.push(" AND customer.slug = ").bind(slug);
    let customer: Option<Customer> = cx.select_one(sql).await?;
    customer.ok_or_else(|| Error::not_found("customer"))
}

struct StateCount {
    customer: CustomerId,
    state: SimState,
    sims: u64,
}

impl Decode for StateCount {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            customer: row.get()?,
            state: row.word()?,
            sims: row.count()?,
        })
    }
}

pub(super) async fn sim_counts(
    cx: &ReadCx,
    customers: &[CustomerId],
) -> Result<HashMap<CustomerId, Vec<(SimState, u64)>>> {
    cx.scope().require(Permission::SimsRead)?;
    let mut sql =
        Sql::new("SELECT sim.customer_id, sim.state, count(*) FROM sim WHERE sim.tenant_id = ");
    sql.bind(cx.scope().tenant().uuid()).push(" AND ").push_any(
        "sim.customer_id",
        uuids(customers.iter().map(|id| id.uuid())),
    );
    push_segments(&mut sql, cx.scope(), "sim", Visible::Sims);
    sql.push(" GROUP BY sim.customer_id, sim.state ORDER BY sim.customer_id, sim.state");
    let rows: Vec<StateCount> = cx.select(sql).await?;
    let mut counts: HashMap<_, Vec<_>> = HashMap::new();
    for StateCount {
        customer,
        state,
        sims,
    } in rows
    {
        counts.entry(customer).or_default().push((state, sims));
    }
    Ok(counts)
}

pub(super) async fn set_visibility(
    cx: &WriteCx,
    id: CustomerId,
    visibility: Visibility,
) -> Result<()> {
    let Visibility {
        devices,
        sims,
        sessions,
        usage,
        billing,
    } = visibility;
    cx.execute(
        "UPDATE customer SET see_devices = $3, see_sims = $4, see_sessions = $5, see_usage = $6, \
         see_billing = $7 WHERE tenant_id = $1 AND customer_id = $2",
        [
            cx.scope().tenant().uuid().into(),
            id.uuid().into(),
            devices.into(),
            sims.into(),
            sessions.into(),
            usage.into(),
            billing.into(),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn insert(cx: &WriteCx, customer: &Customer) -> Result<()> {
    cx.execute(
        "INSERT INTO customer (tenant_id, customer_id, slug, name, first_name, last_name, email, phone, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        [
            cx.scope().tenant().uuid().into(),
            customer.id.uuid().into(),
            customer.slug.clone().into(),
            customer.name.clone().into(),
            customer.first_name.clone().into(),
            customer.last_name.clone().into(),
            customer.email.clone().into(),
            customer.phone.clone().into(),
            customer.created_at.into(),
        ],
    )
    .await
    .map_err(taken)?;
    Ok(())
}

/// Writes everything but the slug, which never changes, and the visibility.
pub(super) async fn update(cx: &WriteCx, customer: &Customer) -> Result<()> {
    cx.execute(
        "UPDATE customer SET name = $3, first_name = $4, last_name = $5, email = $6, phone = $7, archived_at = $8 \
         WHERE tenant_id = $1 AND customer_id = $2",
        [
            cx.scope().tenant().uuid().into(),
            customer.id.uuid().into(),
            customer.name.clone().into(),
            customer.first_name.clone().into(),
            customer.last_name.clone().into(),
            customer.email.clone().into(),
            customer.phone.clone().into(),
            customer.archived_at.into(),
        ],
    )
    .await
    .map_err(taken)?;
    Ok(())
}

fn taken(error: DbErr) -> Error {
    on_constraint(
        error,
        &[
            ("customer_slug_key", || CustomerError::SlugTaken.into()),
            ("customer_name_key", || CustomerError::NameTaken.into()),
        ],
    )
}

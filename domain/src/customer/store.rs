//! How customers are read and written.

use std::{collections::HashMap, sync::Arc};

use sea_orm::ActiveValue::Set;
use uuid::Uuid;

use super::{
    Customer, CustomerCondition, CustomerError, CustomerOrderField, entity::ActiveModel, filter,
};
use crate::{
    Error, Permission, ReadCx, Result, WriteCx,
    db::on_constraint,
    id::{CustomerId, TenantId},
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

/// The customers of one tenant, whoever may see them.
fn all(tenant: TenantId) -> Sql {
    let mut sql = Sql::new(
        "SELECT customer.customer_id, customer.slug, customer.name, customer.first_name, customer.last_name, \
         customer.email, customer.phone, customer.see_devices, customer.see_sims, customer.see_sessions, \
         customer.see_usage, customer.see_billing, customer.created_at, customer.archived_at FROM customer WHERE customer.tenant_id = ",
    );
    sql.bind(tenant.uuid());
    sql
}

/// The visible ones among `ids`.
pub(super) async fn by_ids(
    cx: &ReadCx,
    ids: &[CustomerId],
) -> Result<HashMap<CustomerId, Arc<Customer>>> {
    cx.scope().require(Permission::CustomersRead)?;
    let segments = cx.scope().segments();
    let visible = ids.iter().copied().filter(|id| segments.show(*id));
    let read = async |ids: &[CustomerId]| {
        let mut sql = all(cx.scope().tenant());
        sql.push(" AND ").push_any(
            "customer.customer_id",
            uuids(ids.iter().map(|id| id.uuid())),
        );
        let customers: Vec<Customer> = cx.select(sql).await?;
        let customers = customers.into_iter().map(Arc::new);
        Ok(customers.map(|customer| (customer.id, customer)).collect())
    };
    cx.kept().customers.get(cx, visible, read).await
}

impl Listed for Customer {
    const WHAT: &'static str = "customer";
    const ID: &'static str = "customer.customer_id";

    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::CustomersRead)?;
        let mut sql = all(cx.scope().tenant());
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
    customer.ok_or_else(|| CustomerError::NotFound.into())
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

/// One change of a customer comes after the other.
pub(super) async fn lock(cx: &WriteCx, id: CustomerId) -> Result<()> {
    cx.lock("NO KEY UPDATE", ("customer", "customer_id"), id)
        .await
}

/// Names a customer of the caller's tenant.
fn key(cx: &WriteCx, id: CustomerId) -> ActiveModel {
    ActiveModel {
        tenant_id: Set(cx.scope().tenant().uuid()),
        customer_id: Set(id.uuid()),
        ..ActiveModel::default()
    }
}

pub(super) async fn set_visibility(
    cx: &WriteCx,
    id: CustomerId,
    visibility: Visibility,
) -> Result<()> {
    let row = ActiveModel {
        see_devices: Set(visibility.devices),
        see_sims: Set(visibility.sims),
        see_sessions: Set(visibility.sessions),
        see_usage: Set(visibility.usage),
        see_billing: Set(visibility.billing),
        ..key(cx, id)
    };
    cx.update(row).await
}

/// What can change of a customer, without its visibility; the slug never does.
fn changing(cx: &WriteCx, customer: &Customer) -> ActiveModel {
    ActiveModel {
        name: Set(customer.name.clone()),
        first_name: Set(customer.first_name.clone()),
        last_name: Set(customer.last_name.clone()),
        email: Set(customer.email.clone()),
        phone: Set(customer.phone.clone()),
        archived_at: Set(customer.archived_at),
        ..key(cx, customer.id)
    }
}

pub(super) async fn insert(cx: &WriteCx, customer: &Customer) -> Result<()> {
    let row = ActiveModel {
        slug: Set(customer.slug.clone()),
        created_at: Set(customer.created_at),
        ..changing(cx, customer)
    };
    cx.insert(row).await.map_err(taken)
}

pub(super) async fn update(cx: &WriteCx, customer: &Customer) -> Result<()> {
    cx.update(changing(cx, customer)).await.map_err(taken)
}

fn taken(error: impl Into<Error>) -> Error {
    on_constraint(
        error,
        &[
            ("customer_slug_key", || CustomerError::SlugTaken.into()),
            ("customer_name_key", || CustomerError::NameTaken.into()),
        ],
    )
}

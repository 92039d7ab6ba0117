//! Segment grants: what a subject may see beyond what its token says.
//!
//! A grant opens one whole customer, one SIM or one device; the SIM and device grants of a subject are its pool. The
//! identity module reads them on every request, so a change takes effect on the next one.

use std::fmt;

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    Error, Permission, ReadCx, Result, WriteCx,
    change::Change,
    id::{CustomerId, DeviceId, GrantId, SimId},
};

/// What a grant opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GrantTarget {
    /// Everything of one customer.
    Customer(CustomerId),
    /// One SIM.
    Sim(SimId),
    /// One device.
    Device(DeviceId),
}

impl fmt::Display for GrantTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => id.fmt(f),
            Self::Sim(id) => id.fmt(f),
            Self::Device(id) => id.fmt(f),
        }
    }
}

/// One grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Identifier.
    pub id: GrantId,
    /// The token subject it is given to.
    pub subject: String,
    /// What it opens.
    pub target: GrantTarget,
    /// When it was given.
    pub created_at: DateTime<Utc>,
}

#[derive(FromQueryResult)]
struct Row {
    grant_id: Uuid,
    subject: String,
    customer_id: Option<Uuid>,
    sim_id: Option<Uuid>,
    device_id: Option<Uuid>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Grant {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let target = match (row.customer_id, row.sim_id, row.device_id) {
            (Some(id), None, None) => GrantTarget::Customer(CustomerId::new(id)),
            (None, Some(id), None) => GrantTarget::Sim(SimId::new(id)),
            (None, None, Some(id)) => GrantTarget::Device(DeviceId::new(id)),
            _ => return Err(Error::internal("a grant without exactly one target")),
        };
        Ok(Self {
            id: GrantId::new(row.grant_id),
            subject: row.subject,
            target,
            created_at: row.created_at,
        })
    }
}

/// Most targets of one call.
pub const MAX_TARGETS: usize = 1_000;

/// Grants `targets` to `subject`. Granting again changes nothing. Returns the subject's grants.
///
/// # Errors
/// `FORBIDDEN` without `CUSTOMERS_WRITE`, `NOT_FOUND` when a target is not in the tenant, `LIMIT_EXCEEDED` above
/// [`MAX_TARGETS`], `INVALID_INPUT` for a subject that is empty or longer than 200 characters.
pub async fn add(cx: WriteCx, subject: &str, targets: Vec<GrantTarget>) -> Result<Vec<Grant>> {
    cx.scope().require(Permission::CustomersWrite)?;
    if let Some(()) = cx.earlier().await? {
        return by_subject(&cx, subject).await;
    }
    if subject.is_empty() || subject.chars().count() > 200 || subject.contains('\0') {
        return Err(Error::invalid("a subject has 1 to 200 characters").at("subject"));
    }
    if targets.is_empty() {
        return Err(Error::invalid("name at least one customer, SIM or device"));
    }
    if targets.len() > MAX_TARGETS {
        let text = format!("at most {MAX_TARGETS} targets in one call");
        let limit = MAX_TARGETS as u64;
        return Err(Error::limit(text, limit, targets.len() as u64));
    }
    for target in &targets {
        insert(&cx, subject, *target).await?;
    }
    let grants = by_subject(&cx, subject).await?;
    cx.commit(Change::SegmentGranted {
        subject: subject.to_owned(),
        targets,
    })
    .await?;
    Ok(grants)
}

async fn insert(cx: &WriteCx, subject: &str, target: GrantTarget) -> Result<()> {
    let (customer, sim, device) = match target {
        GrantTarget::Customer(id) => (Some(id.uuid()), None, None),
        GrantTarget::Sim(id) => (None, Some(id.uuid()), None),
        GrantTarget::Device(id) => (None, None, Some(id.uuid())),
    };
    cx.execute(
        "INSERT INTO segment_grant (tenant_id, subject, customer_id, sim_id, device_id, created_at) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT ON CONSTRAINT segment_grant_target_key DO NOTHING",
        [
            cx.scope().tenant().uuid().into(),
            subject.to_owned().into(),
            customer.into(),
            sim.into(),
            device.into(),
            cx.now().into(),
        ],
    )
    .await
    .map_err(|error| {
        crate::db::on_constraint(
            error,
            &[
                ("segment_grant_customer_fkey", || Error::not_found("customer").at("customer_ids")),
                ("segment_grant_sim_fkey", || Error::not_found("SIM").at("sim_ids")),
                ("segment_grant_device_fkey", || Error::not_found("device").at("device_ids")),
            ],
        )
    })?;
    Ok(())
}

/// Takes a grant back.
///
/// # Errors
/// `FORBIDDEN` without `CUSTOMERS_WRITE`, `NOT_FOUND` when there is no such grant in the tenant.
pub async fn revoke(cx: WriteCx, id: GrantId) -> Result<()> {
    cx.scope().require(Permission::CustomersWrite)?;
    if let Some(()) = cx.earlier().await? {
        return Ok(());
    }
    let gone = cx
        .execute(
            "DELETE FROM segment_grant WHERE tenant_id = $1 AND grant_id = $2",
            [cx.scope().tenant().uuid().into(), id.uuid().into()],
        )
        .await?;
    if gone == 0 {
        return Err(Error::not_found("grant"));
    }
    cx.commit(Change::SegmentRevoked { grant: id }).await
}

/// The grant with this id.
///
/// # Errors
/// `FORBIDDEN` without `CUSTOMERS_WRITE`, `NOT_FOUND` when there is no such grant in the tenant.
pub async fn get(cx: &ReadCx, id: GrantId) -> Result<Grant> {
    cx.scope().require(Permission::CustomersWrite)?;
    let row: Option<Row> = cx
        .one(
            "SELECT grant_id, subject, customer_id, sim_id, device_id, created_at FROM segment_grant \
             WHERE tenant_id = $1 AND grant_id = $2",
            [cx.scope().tenant().uuid().into(), id.uuid().into()],
        )
        .await?;
    row.ok_or_else(|| Error::not_found("grant"))?.try_into()
}

/// The grants of one subject, oldest first.
///
/// # Errors
/// `FORBIDDEN` without `CUSTOMERS_WRITE`.
pub async fn by_subject(cx: &ReadCx, subject: &str) -> Result<Vec<Grant>> {
    cx.scope().require(Permission::CustomersWrite)?;
    let rows: Vec<Row> = cx
        .all(
            "SELECT grant_id, subject, customer_id, sim_id, device_id, created_at FROM segment_grant \
             WHERE tenant_id = $1 AND subject = $2 ORDER BY grant_id",
            [cx.scope().tenant().uuid().into(), subject.to_owned().into()],
        )
        .await?;
    rows.into_iter().map(Grant::try_from).collect()
}

//! Segment grants: what a subject may see beyond what its token says.
//!
//! A grant opens one whole customer, one SIM or one device; the SIM and device grants of a subject are its pool. The
//! identity module reads them on every request, so a change takes effect on the next one.

pub(crate) mod entity;

use std::{collections::BTreeSet, fmt};

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::Set;

use entity::ActiveModel;

use crate::{
    Error, Permission, ReadCx, Result, WriteCx,
    change::Change,
    db::on_constraint,
    id::{CustomerId, DeviceId, GrantId, SimId},
    row::{Columns, Decode},
    text::is_printable,
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

impl Decode for Grant {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            subject: row.get()?,
            target: match (row.get()?, row.get()?, row.get()?) {
                (Some(id), None, None) => GrantTarget::Customer(id),
                (None, Some(id), None) => GrantTarget::Sim(id),
                (None, None, Some(id)) => GrantTarget::Device(id),
                _ => return Err(Error::internal("a grant without exactly one target")),
            },
            created_at: row.get()?,
        })
    }
}

const SELECT: &str =
    "SELECT grant_id, subject, customer_id, sim_id, device_id, created_at FROM segment_grant";

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
    check_subject(subject)?;
    if targets.is_empty() {
        return Err(Error::invalid("name at least one customer, SIM or device"));
    }
    if targets.len() > MAX_TARGETS {
        let text = format!("at most {MAX_TARGETS} targets in one call");
        return Err(Error::limit(text, MAX_TARGETS as u64, targets.len() as u64));
    }
    // In one order, so that two calls wait for each other and never in a circle; each once.
    let targets: BTreeSet<GrantTarget> = targets.into_iter().collect();
    for target in &targets {
        insert(&cx, subject, *target).await?;
    }
    let grants = by_subject(&cx, subject).await?;
    cx.commit(Change::SegmentGranted {
        subject: subject.to_owned(),
        targets: targets.into_iter().collect(),
    })
    .await?;
    Ok(grants)
}

async fn insert(cx: &WriteCx, subject: &str, target: GrantTarget) -> Result<()> {
    let mut row = ActiveModel {
        tenant_id: Set(cx.scope().tenant().uuid()),
        subject: Set(subject.to_owned()),
        created_at: Set(cx.now()),
        ..ActiveModel::default()
    };
    match target {
        GrantTarget::Customer(id) => row.customer_id = Set(Some(id.uuid())),
        GrantTarget::Sim(id) => row.sim_id = Set(Some(id.uuid())),
        GrantTarget::Device(id) => row.device_id = Set(Some(id.uuid())),
    }
    cx.insert_if_new(row).await.map_err(unknown)
}

fn unknown(error: impl Into<Error>) -> Error {
    on_constraint(
        error,
        &[
            ("segment_grant_customer_fkey", || {
                Error::not_found("customer").at("customer_ids")
            }),
            ("segment_grant_sim_fkey", || {
                Error::not_found("SIM").at("sim_ids")
            }),
            ("segment_grant_device_fkey", || {
                Error::not_found("device").at("device_ids")
            }),
        ],
    )
}

/// A subject as a token may have it.
fn check_subject(subject: &str) -> Result<()> {
    if is_printable(subject, 200) {
        Ok(())
    } else {
        Err(Error::invalid("a subject has 1 to 200 printable characters").at("subject"))
    }
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
    let sql = format!("{SELECT} WHERE tenant_id = $1 AND grant_id = $2");
    let values = [cx.scope().tenant().uuid().into(), id.uuid().into()];
    let grant = cx.one(&sql, values).await?;
    grant.ok_or_else(|| Error::not_found("grant"))
}

/// The grants of one subject, oldest first.
///
/// # Errors
/// `FORBIDDEN` without `CUSTOMERS_WRITE`, `INVALID_INPUT` for a subject that no token can have.
pub async fn by_subject(cx: &ReadCx, subject: &str) -> Result<Vec<Grant>> {
    cx.scope().require(Permission::CustomersWrite)?;
    check_subject(subject)?;
    let sql = format!("{SELECT} WHERE tenant_id = $1 AND subject = $2 ORDER BY grant_id");
    let values = [cx.scope().tenant().uuid().into(), subject.to_owned().into()];
    cx.all(&sql, values).await
}

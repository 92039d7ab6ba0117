//! Segment grants: what a subject may see beyond what its token says.
//!
//! A grant opens one whole customer, one SIM or one device; the SIM and device grants of a subject are its pool. The
//! identity module asks on every request whether they are as they were, so a change takes effect on the next one.

pub(crate) mod entity;
mod error;
pub(crate) mod model;
mod store;

use std::collections::BTreeSet;

pub use error::GrantError;
pub use model::{Grant, GrantTarget};

use crate::{
    Error, Permission, ReadCx, Result, WriteCx, change::Change, id::GrantId, text::is_printable,
};

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
    check_number(targets.len())?;
    let targets: BTreeSet<GrantTarget> = targets.into_iter().collect();
    for target in &targets {
        store::insert(&cx, subject, *target).await?;
    }
    let grants = store::by_subject(&cx, subject).await?;
    cx.commit(Change::SegmentGranted {
        subject: subject.to_owned(),
        targets: targets.into_iter().collect(),
    })
    .await?;
    Ok(grants)
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
    if !store::delete(&cx, id).await? {
        return Err(GrantError::NotFound.into());
    }
    cx.commit(Change::SegmentRevoked { grant: id }).await
}

/// The grant with this id.
///
/// # Errors
/// `FORBIDDEN` without `CUSTOMERS_WRITE`, `NOT_FOUND` when there is no such grant in the tenant.
pub async fn get(cx: &ReadCx, id: GrantId) -> Result<Grant> {
    cx.scope().require(Permission::CustomersWrite)?;
    let grant = store::by_id(cx, id).await?;
    grant.ok_or_else(|| GrantError::NotFound.into())
}

/// The grants of one subject, oldest first.
///
/// # Errors
/// `FORBIDDEN` without `CUSTOMERS_WRITE`, `INVALID_INPUT` for a subject that no token can have.
pub async fn by_subject(cx: &ReadCx, subject: &str) -> Result<Vec<Grant>> {
    cx.scope().require(Permission::CustomersWrite)?;
    check_subject(subject)?;
    store::by_subject(cx, subject).await
}

/// A subject as a token may have it.
fn check_subject(subject: &str) -> Result<(), GrantError> {
    let fits = is_printable(subject, 200);
    fits.then_some(()).ok_or(GrantError::Subject)
}

fn check_number(targets: usize) -> Result<()> {
    match targets {
        0 => Err(GrantError::NoTarget.into()),
        1..=MAX_TARGETS => Ok(()),
        more => {
            let text = format!("at most {MAX_TARGETS} targets in one call");
            Err(Error::limit(text, MAX_TARGETS as u64, more as u64))
        }
    }
}

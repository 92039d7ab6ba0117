//! The audit log: who changed or crossed what, and when. Rows can be added and never changed or removed, which
//! the database itself enforces.

use serde_json::Value;

use crate::{Db, Result, Role, Scope, SystemCx, WriteCx, change::Change, id::TenantId};

/// One line of the log. Actor, role and time come from the transaction it is written in.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What was done, `noun.verb`: `customer.set_visibility`.
    pub action: &'static str,
    /// The printed id of what it was done to.
    pub subject: String,
    /// Particulars, without identifiers that logs must not hold.
    pub detail: Value,
}

const INSERT: &str = "INSERT INTO audit (tenant_id, at, actor, role, action, subject, detail) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Writes an entry in the caller's transaction, so that a change and its trace are kept or lost together.
pub(crate) async fn record(cx: &WriteCx, entry: &Entry) -> Result<()> {
    let scope = cx.scope();
    let values = [
        scope.tenant().uuid().into(),
        cx.now().into(),
        scope.actor().into(),
        scope.role().as_ref().into(),
        entry.action.into(),
        entry.subject.as_str().into(),
        entry.detail.clone().into(),
    ];
    cx.execute(INSERT, values).await?;
    Ok(())
}

/// Writes an entry for work of the platform itself on one tenant; `actor` names the program part.
pub(crate) async fn record_platform(
    cx: &SystemCx,
    tenant: TenantId,
    actor: &str,
    entry: &Entry,
) -> Result<()> {
    let values = [
        tenant.uuid().into(),
        cx.now().into(),
        actor.into(),
        Role::PlatformAdmin.as_ref().into(),
        entry.action.into(),
        entry.subject.as_str().into(),
        entry.detail.clone().into(),
    ];
    cx.execute(INSERT, values).await?;
    Ok(())
}

/// Notes that platform staff entered a tenant, in a transaction of its own that is durable before the request is carried
/// out. Callers of other roles are at home in their tenant: nothing is written.
///
/// # Errors
/// `UNAVAILABLE` or `INTERNAL` when it could not be written: then the request must not run.
pub async fn crossing(db: &Db, scope: &Scope, operation: &str) -> Result<()> {
    if scope.role() != Role::PlatformAdmin {
        return Ok(());
    }
    let change = Change::TenantEntered {
        tenant: scope.tenant(),
        operation: operation.to_owned(),
    };
    db.write(scope).await?.commit(change).await
}

//! The audit log: who changed or crossed what, and when. Rows can be added and never changed or removed, which
//! the database itself enforces.

use sea_orm::DbErr;
use serde_json::{Value, json};

use crate::{Cx, Db, Error, Result, Role, Scope, SystemCx, id::TenantId};

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
pub async fn record(cx: &Cx, entry: &Entry) -> Result<()> {
    let scope = cx.scope();
    let values = [
        scope.tenant().uuid().into(),
        cx.now().into(),
        scope.actor().into(),
        scope.role().as_str().into(),
        entry.action.into(),
        entry.subject.as_str().into(),
        entry.detail.clone().into(),
    ];
    written(cx.execute(INSERT, values).await)
}

/// Writes an entry for work of the platform itself on one tenant; `actor` names the program part.
pub async fn record_platform(
    cx: &SystemCx,
    tenant: TenantId,
    actor: &str,
    entry: &Entry,
) -> Result<()> {
    let values = [
        tenant.uuid().into(),
        cx.now().into(),
        actor.into(),
        Role::PlatformAdmin.as_str().into(),
        entry.action.into(),
        entry.subject.as_str().into(),
        entry.detail.clone().into(),
    ];
    written(cx.execute(INSERT, values).await)
}

/// Notes that platform staff entered a tenant (TEN-17), in a transaction of its own that is durable before the
/// request is carried out. Callers of other roles are at home in their tenant: nothing is written.
///
/// # Errors
/// `UNAVAILABLE` or `INTERNAL` when it could not be written: then the request must not run.
pub async fn crossing(db: &Db, scope: &Scope, operation: &str) -> Result<()> {
    if scope.role() != Role::PlatformAdmin {
        return Ok(());
    }
    let cx = db.write(scope).await?;
    let entry = Entry {
        action: "tenant.cross",
        subject: scope.tenant().to_string(),
        detail: json!({ "operation": operation }),
    };
    record(&cx, &entry).await?;
    cx.commit().await
}

fn written(result: Result<u64, DbErr>) -> Result<()> {
    result.map(|_| ()).map_err(Error::from)
}

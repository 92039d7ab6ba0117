//! The audit log: who changed or crossed what, and when. Rows can be added and never changed or removed, which
//! the database itself enforces.

pub(crate) mod entity;

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::{NotSet, Set};
use serde_json::Value;

use entity::ActiveModel;

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

fn row(tenant: TenantId, at: DateTime<Utc>, actor: &str, role: Role, entry: &Entry) -> ActiveModel {
    ActiveModel {
        tenant_id: Set(tenant.uuid()),
        at: Set(at),
        actor: Set(actor.to_owned()),
        role: Set(role.to_string()),
        action: Set(entry.action.to_owned()),
        subject: Set(entry.subject.clone()),
        detail: Set(entry.detail.clone()),
        audit_id: NotSet,
    }
}

/// Writes an entry in the caller's transaction, so that a change and its trace are kept or lost together.
pub(crate) async fn record(cx: &WriteCx, entry: &Entry) -> Result<()> {
    let scope = cx.scope();
    let row = row(scope.tenant(), cx.now(), scope.actor(), scope.role(), entry);
    Ok(cx.insert(row).await?)
}

/// Writes an entry for work of the platform itself on one tenant; `actor` names the program part.
pub(crate) async fn record_platform(
    cx: &SystemCx,
    tenant: TenantId,
    actor: &str,
    entry: &Entry,
) -> Result<()> {
    let row = row(tenant, cx.now(), actor, Role::PlatformAdmin, entry);
    Ok(cx.insert(row).await?)
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

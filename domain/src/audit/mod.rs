//! The audit log: who changed or crossed what, and when. Rows can be added and never changed or removed, which
//! the database itself enforces.

pub(crate) mod entity;
pub(crate) mod entry;
mod read;

pub use entry::Entry;
pub use read::{Event, EventCondition, EventOrderField};

use crate::{Db, Result, Role, Scope, SystemCx, change::Change, id::TenantId};

/// Writes an entry for work of the platform itself on one tenant; `actor` names the program part.
pub(crate) async fn record_platform(
    cx: &SystemCx,
    tenant: TenantId,
    actor: &str,
    entry: &Entry,
) -> Result<()> {
    let row = entry.row(tenant, cx.now(), actor, Role::PlatformAdmin);
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

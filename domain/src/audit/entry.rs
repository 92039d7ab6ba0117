//! One line of the log, and the row that it becomes.

use chrono::{DateTime, Utc};
use sea_orm::ActiveValue::{NotSet, Set};
use serde_json::Value;

use super::entity::ActiveModel;
use crate::{Role, id::TenantId};

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

impl Entry {
    /// The row that says so of `actor`, who did it in this role.
    pub(crate) fn row(
        &self,
        tenant: TenantId,
        at: DateTime<Utc>,
        actor: &str,
        role: Role,
    ) -> ActiveModel {
        ActiveModel {
            tenant_id: Set(tenant.uuid()),
            at: Set(at),
            actor: Set(actor.to_owned()),
            role: Set(role.to_string()),
            action: Set(self.action.to_owned()),
            subject: Set(self.subject.clone()),
            detail: Set(self.detail.clone()),
            audit_id: NotSet,
        }
    }
}

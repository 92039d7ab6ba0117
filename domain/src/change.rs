//! What a write did. Every write ends in one, so that its trace in the audit log cannot be forgotten.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    audit::Entry,
    grant::GrantTarget,
    id::{CustomerId, GrantId, TenantId},
    scope::Visibility,
};

/// A change of one tenant's data.
#[derive(Clone, Debug)]
pub enum Change {
    /// Staff of the platform entered the tenant, to do this.
    TenantEntered {
        /// The tenant.
        tenant: TenantId,
        /// What they are about to do.
        operation: String,
    },
    /// A customer's users see something else from now on.
    VisibilitySet {
        /// The customer.
        customer: CustomerId,
        /// What they saw.
        before: Visibility,
        /// What they see.
        after: Visibility,
    },
    /// A subject sees more.
    SegmentGranted {
        /// Whose tokens are meant.
        subject: String,
        /// What was opened.
        targets: Vec<GrantTarget>,
    },
    /// A subject sees less.
    SegmentRevoked {
        /// The grant that is gone.
        grant: GrantId,
    },
    /// A part of a fleet file was taken in.
    FleetImported {
        /// Rows read.
        rows: u64,
        /// SIMs that are new.
        created: u64,
        /// SIMs that changed.
        updated: u64,
        /// SIMs that were like this already.
        unchanged: u64,
        /// Rows that were refused.
        rejected: u64,
    },
}

impl Change {
    /// Its line in the audit log, without identifiers that logs must not hold.
    pub(crate) fn entry(&self) -> Entry {
        let (action, subject, detail) = match self {
            Self::TenantEntered { tenant, operation } => (
                "tenant.cross",
                tenant.to_string(),
                json!({ "operation": operation }),
            ),
            Self::VisibilitySet {
                customer,
                before,
                after,
            } => (
                "customer.set_visibility",
                customer.to_string(),
                json!({ "before": open(*before), "after": open(*after) }),
            ),
            Self::SegmentGranted { subject, targets } => {
                let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
                (
                    "segment.grant",
                    subject.clone(),
                    json!({ "targets": targets }),
                )
            }
            Self::SegmentRevoked { grant } => ("segment.revoke", grant.to_string(), json!({})),
            Self::FleetImported {
                rows,
                created,
                updated,
                unchanged,
                rejected,
            } => (
                "fleet.import",
                "fleet".to_owned(),
                json!({ "rows": rows, "created": created, "updated": updated, "unchanged": unchanged,
                    "rejected": rejected }),
            ),
        };
        Entry {
            action,
            subject,
            detail,
        }
    }
}

/// The open areas, by name.
fn open(visibility: Visibility) -> Value {
    let areas = [
        ("devices", visibility.devices),
        ("sims", visibility.sims),
        ("sessions", visibility.sessions),
        ("usage", visibility.usage),
        ("billing", visibility.billing),
    ];
    let open: BTreeSet<&str> = areas
        .into_iter()
        .filter_map(|(area, is_open)| is_open.then_some(area))
        .collect();
    json!(open)
}

//! What a write did. Every write ends in one, so that its trace in the audit log cannot be forgotten.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    audit::entry::Entry,
    fleet::Report,
    grant::model::GrantTarget,
    id::{CustomerId, GrantId, JobId, LabelId, SavedFilterId, ScheduleId, TenantId},
    job::JobKind,
    scope::visibility::Visibility,
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
    /// A customer is new.
    CustomerCreated {
        /// The customer.
        customer: CustomerId,
        /// Its short name.
        slug: String,
    },
    /// A customer's record is another one.
    CustomerUpdated {
        /// The customer.
        customer: CustomerId,
        /// What changed.
        fields: Vec<&'static str>,
    },
    /// A customer is not served any more, or is again.
    CustomerArchived {
        /// The customer.
        customer: CustomerId,
        /// Which of both.
        archived: bool,
    },
    /// A label is defined.
    LabelDefined {
        /// The definition.
        label: LabelId,
        /// Its key.
        key: String,
    },
    /// A label allows other values.
    LabelOptionsSet {
        /// The definition.
        label: LabelId,
    },
    /// A label is not defined any more.
    LabelDeleted {
        /// The definition that is gone.
        label: LabelId,
        /// Its key.
        key: String,
    },
    /// A SIM or device carries other labels.
    Labelled {
        /// The printed id of the SIM or device.
        object: String,
        /// Keys that it carries now.
        set: Vec<String>,
        /// Keys that it does not carry any more.
        removed: Vec<String>,
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
    /// A filter is saved.
    SavedFilterCreated {
        /// The saved filter.
        saved: SavedFilterId,
        /// Its name.
        name: String,
    },
    /// A saved filter is another one.
    SavedFilterUpdated {
        /// The saved filter.
        saved: SavedFilterId,
        /// What changed.
        fields: Vec<&'static str>,
    },
    /// A filter is not saved any more.
    SavedFilterDeleted {
        /// The saved filter that is gone.
        saved: SavedFilterId,
        /// Its name.
        name: String,
    },
    /// Long work was asked for.
    JobRequested {
        /// The job.
        job: JobId,
        /// Kind of work.
        kind: JobKind,
        /// Its name.
        name: String,
    },
    /// A job was taken back.
    JobCancelled {
        /// The job.
        job: JobId,
    },
    /// A job that came to nothing was asked for again.
    JobRetried {
        /// The job.
        job: JobId,
    },
    /// What a job made is given out.
    FileDownloaded {
        /// The job.
        job: JobId,
        /// Which of its files, if it has several.
        part: Option<String>,
    },
    /// Work is to be done every month.
    ScheduleCreated {
        /// The schedule.
        schedule: ScheduleId,
        /// Kind of work.
        kind: JobKind,
        /// Its name.
        name: String,
    },
    /// A schedule is another one.
    ScheduleUpdated {
        /// The schedule.
        schedule: ScheduleId,
        /// What changed.
        fields: Vec<&'static str>,
    },
    /// Work is not done every month any more.
    ScheduleDeleted {
        /// The schedule that is gone.
        schedule: ScheduleId,
        /// Its name.
        name: String,
    },
    /// Somebody has read what they were told.
    NotificationsRead {
        /// Whose tokens are meant.
        subject: String,
        /// How many that had not been read.
        count: u64,
    },
    /// A fleet file, or a part of one, was taken in.
    FleetImported(Report),
}

impl Change {
    /// The answer when this change is requested again: what it created, if its arguments don't name that.
    pub(crate) fn answer(&self) -> Value {
        match self {
            Self::CustomerCreated { customer, .. } => json!(customer.uuid()),
            Self::LabelDefined { label, .. } => json!(label.uuid()),
            Self::SavedFilterCreated { saved, .. } => json!(saved.uuid()),
            Self::JobRequested { job, .. } => json!(job.uuid()),
            Self::ScheduleCreated { schedule, .. } => json!(schedule.uuid()),
            Self::FleetImported(report) => json!(report),
            _ => Value::Null,
        }
    }

    /// Its line in the audit log, without identifiers that logs must not hold.
    #[expect(clippy::too_many_lines, reason = "a few lines for each change")]
    pub(crate) fn entry(&self) -> Entry {
        let (action, subject, detail) = match self {
            Self::TenantEntered { tenant, operation } => (
                "tenant.cross",
                tenant.to_string(),
                json!({ "operation": operation }),
            ),
            Self::CustomerCreated { customer, slug } => (
                "customer.create",
                customer.to_string(),
                json!({ "slug": slug }),
            ),
            Self::CustomerUpdated { customer, fields } => (
                "customer.update",
                customer.to_string(),
                json!({ "fields": fields }),
            ),
            Self::CustomerArchived { customer, archived } => (
                "customer.archive",
                customer.to_string(),
                json!({ "archived": archived }),
            ),
            Self::LabelDefined { label, key } => {
                ("label.define", label.to_string(), json!({ "key": key }))
            }
            Self::LabelOptionsSet { label } => ("label.set_options", label.to_string(), json!({})),
            Self::LabelDeleted { label, key } => {
                ("label.delete", label.to_string(), json!({ "key": key }))
            }
            Self::Labelled {
                object,
                set,
                removed,
            } => (
                "label.set",
                object.clone(),
                json!({ "set": set, "removed": removed }),
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
            Self::SavedFilterCreated { saved, name } => (
                "saved_filter.create",
                saved.to_string(),
                json!({ "name": name }),
            ),
            Self::SavedFilterUpdated { saved, fields } => (
                "saved_filter.update",
                saved.to_string(),
                json!({ "fields": fields }),
            ),
            Self::SavedFilterDeleted { saved, name } => (
                "saved_filter.delete",
                saved.to_string(),
                json!({ "name": name }),
            ),
            Self::JobRequested { job, kind, name } => (
                "job.request",
                job.to_string(),
                json!({ "kind": kind.as_ref(), "name": name }),
            ),
            Self::JobCancelled { job } => ("job.cancel", job.to_string(), json!({})),
            Self::JobRetried { job } => ("job.retry", job.to_string(), json!({})),
            Self::FileDownloaded { job, part } => {
                let detail = part.as_ref().map(|part| json!({ "part": part }));
                (
                    "job.download",
                    job.to_string(),
                    detail.unwrap_or_else(|| json!({})),
                )
            }
            Self::ScheduleCreated {
                schedule,
                kind,
                name,
            } => (
                "schedule.create",
                schedule.to_string(),
                json!({ "kind": kind.as_ref(), "name": name }),
            ),
            Self::ScheduleUpdated { schedule, fields } => (
                "schedule.update",
                schedule.to_string(),
                json!({ "fields": fields }),
            ),
            Self::ScheduleDeleted { schedule, name } => (
                "schedule.delete",
                schedule.to_string(),
                json!({ "name": name }),
            ),
            Self::NotificationsRead { subject, count } => (
                "notification.read",
                subject.clone(),
                json!({ "count": count }),
            ),
            Self::FleetImported(report) => (
                "fleet.import",
                "fleet".to_owned(),
                json!({ "rows": report.rows, "created": report.created, "updated": report.updated,
                    "unchanged": report.unchanged, "rejected": report.rejected }),
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

//! What jobs can be asked for and sorted by.

use strum::{AsRefStr, EnumMessage, VariantArray};

use super::JobState;
use crate::{
    filter::Filter,
    id::{JobId, ScheduleId},
    list::SortColumn,
    sql::{Sql, contains, texts, uuids},
};

/// Which jobs.
pub type JobFilter = Filter<JobCondition>;

/// One condition on a job. An empty list is met by none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum JobCondition {
    /// Part of the name, any case.
    Search(String),
    /// One of these.
    Ids(Vec<JobId>),
    /// In one of these states.
    States(Vec<JobState>),
    /// Asked for by one of these subjects.
    RequestedBy(Vec<String>),
    /// Made by one of these schedules.
    Schedules(Vec<ScheduleId>),
}

/// What jobs can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum JobOrderField {
    /// Time at which it was asked for.
    #[default]
    CreatedAt,
}

pub(super) fn push(sql: &mut Sql, condition: &JobCondition) {
    match condition {
        JobCondition::Search(text) => contains(sql, &["job.name"], text),
        JobCondition::Ids(ids) => {
            sql.push_any("job.job_id", uuids(ids.iter().map(|id| id.uuid())));
        }
        JobCondition::States(states) => sql.push_any("job.state", texts(states)),
        JobCondition::RequestedBy(subjects) => sql.push_any("job.requested_by", texts(subjects)),
        JobCondition::Schedules(ids) => {
            // Most jobs have none, and a condition that is not known cannot be turned around.
            sql.push("coalesce(");
            sql.push_any("job.schedule_id", uuids(ids.iter().map(|id| id.uuid())));
            sql.push(", false)");
        }
    }
}

pub(super) fn column(field: JobOrderField) -> SortColumn {
    match field {
        JobOrderField::CreatedAt => SortColumn::moment("job.created_at"),
    }
}

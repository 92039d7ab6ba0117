//! What schedules can be asked for and sorted by.

use strum::{AsRefStr, EnumMessage, VariantArray};

use crate::{
    filter::Filter,
    id::ScheduleId,
    list::SortColumn,
    sql::{Sql, contains, texts, uuids},
};

/// Which schedules.
pub type ScheduleFilter = Filter<ScheduleCondition>;

/// One condition on a schedule. An empty list is met by none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ScheduleCondition {
    /// Part of the name, any case.
    Search(String),
    /// One of these.
    Ids(Vec<ScheduleId>),
    /// Made by one of these subjects.
    CreatedBy(Vec<String>),
    /// Whether it runs.
    Enabled(bool),
}

/// What schedules can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ScheduleOrderField {
    /// Name.
    #[default]
    Name,
    /// Time at which it was made.
    CreatedAt,
}

pub(super) fn push(sql: &mut Sql, condition: &ScheduleCondition) {
    match condition {
        ScheduleCondition::Search(text) => contains(sql, &["schedule.name"], text),
        ScheduleCondition::Ids(ids) => {
            sql.push_any(
                "schedule.schedule_id",
                uuids(ids.iter().map(|id| id.uuid())),
            );
        }
        ScheduleCondition::CreatedBy(subjects) => {
            sql.push_any("schedule.created_by", texts(subjects));
        }
        ScheduleCondition::Enabled(yes) => {
            sql.push("schedule.enabled = ").bind(*yes);
        }
    }
}

pub(super) fn column(field: ScheduleOrderField) -> SortColumn {
    match field {
        ScheduleOrderField::Name => SortColumn::text("schedule.name"),
        ScheduleOrderField::CreatedAt => SortColumn::moment("schedule.created_at"),
    }
}

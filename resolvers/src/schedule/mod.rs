//! Schedules: exports that are made every month.

mod mutation;
mod query;
mod types;

pub(crate) use mutation::ScheduleMutation;
pub(crate) use query::ScheduleList;
pub(crate) use types::ExportSchedule;

//! Queries about schedules.

use schema::schedule::{ExportScheduleFilter, ExportScheduleOrder};

use super::ExportSchedule;
use crate::connection::list_query;

list_query! {
    /// Exports that are made every month, by name. Needs `EXPORTS_MANAGE`.
    ScheduleList: export_schedules(ExportScheduleFilter, ExportScheduleOrder) -> ExportSchedule
}

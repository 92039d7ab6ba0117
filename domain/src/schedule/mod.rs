//! Schedules: work that is asked for once and done every month, by a job for each month that has ended.
//!
//! A month is made when it has ended in the schedule's zone and what comes late has come. Months that nobody was there to make, and those
//! that ended while the schedule was off, are made afterwards, oldest first; of more than [`KEPT`] the last ones. The job of a month is made
//! in the transaction that moves the schedule on, so that there is one, however many processes look.
//!
//! Nobody has a token when a schedule runs. It is made by those who look after the tenant's exports, and their rights of then
//! stay with it; tenant and grants are looked up anew for each job. What it makes is given to those who look after the tenant's
//! exports at that time, so somebody who is no longer one of them gets nothing.

pub(crate) mod entity;
mod error;
mod filter;
mod model;
mod store;
mod work;
mod write;

pub use error::ScheduleError;
pub use filter::{ScheduleCondition, ScheduleFilter, ScheduleOrderField};
pub use model::{Month, Schedule};
pub use work::{Due, Place, make, next};
pub use write::{MOST, NewSchedule, SchedulePatch, create, delete, update};

use crate::{ReadCx, Result, id::ScheduleId, list};

/// Months of a schedule whose work is kept, and that are made after nobody was there to make them.
pub const KEPT: u32 = 12;

/// The schedule with this id.
///
/// # Errors
/// `FORBIDDEN` without `EXPORTS_MANAGE`, `NOT_FOUND` when the tenant has no such schedule.
pub async fn get(cx: &ReadCx, id: ScheduleId) -> Result<Schedule> {
    list::get(cx, id).await
}

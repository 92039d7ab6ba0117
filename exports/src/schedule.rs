//! Exports that are made every month, of the month that has ended.
//!
//! What is asked about each month is the question of one export about [`Preset::LastMonth`]. The order of a month has its bounds in
//! that place, so that it means the same whenever it is done.

use analytics::usage::Span;
use chrono::{DateTime, Utc};
use domain::{
    Error, Permission, Result, WriteCx,
    calendar::Zone,
    job::{JobError, JobKind},
    schedule::{self, NewSchedule, Schedule},
    usage::Preset,
};
use service::Session;

use crate::{Exports, Order, Request};

impl Exports {
    /// Has a file made every month, of the month that has ended by then.
    ///
    /// # Errors
    /// `FORBIDDEN` without `EXPORTS_MANAGE`, and when the data set is closed to the caller; `INVALID_INPUT` for a question about anything but last month; those
    /// of [`schedule::create`].
    pub async fn create_schedule(
        &self,
        session: &Session,
        cx: WriteCx,
        name: Option<String>,
        order: &Order,
    ) -> Result<Schedule> {
        let data_set = order.request.data_set();
        cx.scope().require(Permission::ExportsManage)?;
        cx.scope().require(data_set.entry().needs)?;
        let claims = session.claims().ok_or(JobError::NoToken)?;
        let new = NewSchedule {
            kind: JobKind::Export,
            name: name.unwrap_or_else(|| data_set.as_ref().to_owned()),
            request: order.freeze()?,
            zone: zone(&order.request)?,
            claims: claims.clone(),
        };
        schedule::create(cx, new).await
    }

    /// When the next file of a schedule is asked for; none while it is off.
    pub fn due_at(&self, schedule: &Schedule) -> Option<DateTime<Utc>> {
        schedule.due_at(self.settings().late)
    }

    /// Asks for the files of all months that have ended and come late no more, oldest first; how many. What other processes ask for
    /// meanwhile is left to them. A schedule of which this program does not know what it asks keeps nobody waiting.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer; `INTERNAL`, after all others, when there is such a schedule.
    pub async fn ask_for_months(&self) -> Result<u64> {
        let late = self.settings().late;
        let (mut asked, mut place, mut unknown) = (0, None, None);
        loop {
            let cx = self.entry().system().await?;
            let due = schedule::next(&cx, JobKind::Export, late, place).await?;
            let Some(due) = due else { break };
            place = Some(due.place);
            let order = Order::of(&due.request)
                .and_then(|order| order.within(due.month.period()).ok_or_else(no_question));
            match order.and_then(|order| order.freeze()) {
                Ok(request) => {
                    let made = schedule::make(cx, &due, request, late).await?;
                    asked += u64::from(made.is_some());
                }
                Err(error) => unknown = Some(error),
            }
        }
        unknown.map_or(Ok(asked), Err)
    }
}

/// The zone of a question about last month.
fn zone(request: &Request) -> Result<Zone> {
    match request.clone().period_mut() {
        Some((Span::Preset(Preset::LastMonth), zone)) => Ok(zone),
        _ => Err(no_question()),
    }
}

fn no_question() -> Error {
    let text = "a schedule takes a question whose period is the preset LAST_MONTH";
    Error::invalid(text).at("data_set")
}

//! Changes of schedules.

use async_graphql::{Context, ID, Object, SimpleObject};
use domain::schedule::{self, Schedule};
use exports::Exports;
use schema::{
    parse_id_in,
    schedule::{CreateExportScheduleInput, DeleteExportScheduleInput, UpdateExportScheduleInput},
};

use super::ExportSchedule;
use crate::{
    export::{form, order},
    request::{session, write},
    user_error::{UserError, outcome},
};

/// Changes of schedules.
#[derive(Default)]
pub(crate) struct ScheduleMutation;

/// What a change of a schedule came to.
#[derive(SimpleObject)]
pub(crate) struct ExportSchedulePayload {
    /// The schedule after the change; null when it was not made.
    export_schedule: Option<ExportSchedule>,
    /// Why the change was not made.
    user_errors: Vec<UserError>,
}

impl ExportSchedulePayload {
    fn of(result: domain::Result<Schedule>) -> async_graphql::Result<Option<Self>> {
        let (schedule, user_errors) = outcome(result)?;
        Ok(Some(Self {
            export_schedule: schedule.map(Into::into),
            user_errors,
        }))
    }
}

/// Result of `deleteExportSchedule`.
#[derive(SimpleObject)]
pub(crate) struct DeleteExportSchedulePayload {
    /// The schedule that is gone; null when it is not.
    schedule_id: Option<ID>,
    /// Why it is not.
    user_errors: Vec<UserError>,
}

#[Object]
impl ScheduleMutation {
    /// Has a file made every month, of the month that has ended; the first one of the month in which this is asked. At most 20 of a tenant.
    /// A month that nobody was there to make is made afterwards. Files are kept until the file of the month a year later is
    /// made. Needs `EXPORTS_MANAGE`, and what reading the rows needs.
    async fn create_export_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What becomes a file.")] input: CreateExportScheduleInput,
    ) -> async_graphql::Result<Option<ExportSchedulePayload>> {
        let (session, exports) = (session(ctx)?, ctx.data::<Exports>()?);
        let change = async {
            let form = form(input.format, input.compression, input.csv)?;
            let order = order(input.data_set, form)?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            let name = input.name;
            exports.create_schedule(session, cx, name, &order).await
        };
        ExportSchedulePayload::of(change.await)
    }

    /// Renames a schedule, or turns it off or on. Needs `EXPORTS_MANAGE`.
    async fn update_export_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: UpdateExportScheduleInput,
    ) -> async_graphql::Result<Option<ExportSchedulePayload>> {
        let change = async {
            let id = parse_id_in("schedule_id", &input.schedule_id)?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            schedule::update(cx, id, input.patch()).await
        };
        ExportSchedulePayload::of(change.await)
    }

    /// Deletes a schedule. The exports that it asked for stay, and their files for as long as they would have. Needs `EXPORTS_MANAGE`.
    async fn delete_export_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The schedule.")] input: DeleteExportScheduleInput,
    ) -> async_graphql::Result<Option<DeleteExportSchedulePayload>> {
        let change = async {
            let id = parse_id_in("schedule_id", &input.schedule_id)?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            schedule::delete(cx, id).await
        };
        let (gone, user_errors) = outcome(change.await)?;
        Ok(Some(DeleteExportSchedulePayload {
            schedule_id: gone.map(|()| input.schedule_id),
            user_errors,
        }))
    }
}

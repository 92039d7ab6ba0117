//! `ExportSchedule`.

use async_graphql::{Context, ID, Json, Object};
use domain::schedule::Schedule;
use exports::{Exports, Order};
use schema::{
    export::{ExportCompression, ExportDataSet, ExportFormat},
    scalar::DateTime,
};
use serde_json::Value;

use crate::{
    connection::plain,
    export::{compression, data_set, format, question},
    written::{Selected, Step, Written, columns, id},
};

/// A file that is made every month, of the month that has ended. The exports that it asks for are the tenant's: everybody with
/// `EXPORTS_MANAGE` gets their files, and asks again for one that failed.
pub(crate) struct ExportSchedule {
    schedule: Schedule,
    /// What is asked about each month; none if this program does not know it.
    order: Option<Order>,
}

/// A file that is made every month, of the month that has ended. The exports that it asks for are the tenant's: everybody with
/// `EXPORTS_MANAGE` gets their files, and asks again for one that failed.
#[Object]
impl ExportSchedule {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        self.schedule.id.to_string().into()
    }

    #[graphql(flatten)]
    async fn columns(&self) -> ExportScheduleColumns<'_> {
        ExportScheduleColumns(self)
    }

    /// When the next file is asked for: after the end of its month, when records that come late have come. Null while it is off.
    async fn due_at(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<DateTime>> {
        let due = ctx.data::<Exports>()?.due_at(&self.schedule);
        Ok(due.map(Into::into))
    }
}

columns! {
    ExportScheduleColumns of ExportSchedule {
        /// Name. Its exports and files have it too, with the month behind it.
        name: &str = |it| &it.schedule.name;
        /// What is exported.
        data_set: Option<ExportDataSet> = |it| it.order.as_ref().map(data_set);
        /// As what.
        format: Option<ExportFormat> = |it| it.order.as_ref().map(format);
        /// Whether the whole of each file is compressed.
        compression: Option<ExportCompression> = |it| it.order.as_ref().map(compression);
        /// What is asked: the question, as files spell it. The export of a month has that month in the place of its period.
        question: Option<Json<Value>> = |it| it.order.as_ref().and_then(question);
        /// Time zone in which months begin and end.
        time_zone: &str = |it| it.schedule.zone.name();
        /// Whether files are made.
        enabled: bool = |it| it.schedule.enabled;
        /// Subject (`sub`) of the token of whoever made it. Its exports are asked for in that name, with the rights of then.
        created_by: &str = |it| &it.schedule.created_by;
        /// The month of the next file, as in `2026-10`.
        next_month: String = |it| it.schedule.next.to_string();
        /// When it was made.
        created_at: DateTime = |it| it.schedule.created_at.into();
        /// When somebody last changed it.
        updated_at: DateTime = |it| it.schedule.updated_at.into();
    }
}

impl Written for ExportSchedule {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "id" => Some(id(|it: &Self| it.schedule.id)),
            // It takes a setting.
            "dueAt" => None,
            _ => ExportScheduleColumns::step(field),
        }
    }
}

impl From<Schedule> for ExportSchedule {
    fn from(schedule: Schedule) -> Self {
        let order = Order::of(&schedule.request).ok();
        Self { schedule, order }
    }
}

plain!(ExportSchedule: Schedule);

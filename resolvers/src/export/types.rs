//! `Export`.

use async_graphql::{Context, ID, Json, Object, SimpleObject};
use domain::job::Job;
use exports::{Compression, DataSet, Exports, Format, Link, Order, Part, Partition};
use schema::{
    error::ErrorCode,
    export::{ExportCompression, ExportDataSet, ExportFormat, ExportPartition, ExportState},
    scalar::{BigInt, DateTime},
};
use serde_json::Value;

use super::part::ExportPart;
use crate::{
    connection::plain,
    error::IntoGraphql as _,
    request::session,
    written::{Selected, Step, Written, columns, id, plain_columns},
};

/// A file that was asked for: how far it is, and what it holds.
pub(crate) struct Export {
    job: Box<Job>,
    /// What was asked for; none if this program does not know it.
    order: Option<Box<Order>>,
    error: Option<ExportError>,
}

/// Why an export failed.
#[derive(SimpleObject, Clone)]
pub(crate) struct ExportError {
    /// Why, for programs.
    code: ErrorCode,
    /// Why, for people.
    message: String,
}

plain_columns!(ExportError { code, message });

/// A file that was asked for: how far it is, and what it holds.
#[Object]
impl Export {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        self.job.id.to_string().into()
    }

    #[graphql(flatten)]
    async fn columns(&self) -> ExportColumns<'_> {
        ExportColumns(self)
    }

    /// Why it failed; null unless it did.
    async fn error(&self) -> Option<ExportError> {
        self.error.clone()
    }

    /// The files, where they are several (`partitionBy`).
    async fn parts(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Vec<ExportPart>>> {
        let parts = Part::of(self.job.result.as_ref());
        if parts.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let link = self.link(ctx).await?;
        let address = |part: &Part| Some(link.as_ref()?.address(self.job.id, Some(&part.path)));
        let parts = parts.into_iter().map(|part| ExportPart {
            download_url: address(&part),
            part,
        });
        Ok(Some(parts.collect()))
    }

    /// Where the file can be had for 15 minutes, without a token: an address below this server's. Null while there is no file or where
    /// there are several, to everybody but whoever asked for it, and to them when they may not see all of it any more. With a token, it can be had
    /// at the same address without its parameters.
    async fn download_url(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<String>> {
        if !Part::of(self.job.result.as_ref()).is_empty() {
            return Ok(None);
        }
        let link = self.link(ctx).await?;
        Ok(link.map(|link| link.address(self.job.id, None)))
    }
}

impl Export {
    async fn link(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Link>> {
        let exports = ctx.data::<Exports>()?;
        // What is behind it is too deep for the compiler to look through with all else.
        Box::pin(exports.link(session(ctx)?, &self.job)).await.gql()
    }
}

columns! {
    ExportColumns of Export {
        /// Name of the export and of its file.
        name: &str = |export| &export.job.name;
        /// What is exported.
        data_set: Option<ExportDataSet> = |export| export.order.as_deref().map(data_set);
        /// As what.
        format: Option<ExportFormat> = |export| export.order.as_deref().map(format);
        /// Whether the whole of the file is compressed.
        compression: Option<ExportCompression> = |export| export.order.as_deref().map(compression);
        /// In which files, if in several.
        partition_by: Option<ExportPartition> = |export| export.order.as_deref().and_then(partition);
        /// What was asked: the filter or the question, as files spell it.
        question: Option<Json<Value>> = |export| export.order.as_deref().and_then(question);
        /// Global id of the schedule that asked for it, which may be gone; null when somebody did.
        schedule_id: Option<ID> = |export| export.job.schedule.map(|id| id.to_string().into());
        /// How far it is.
        state: ExportState = |export| export.job.state.into();
        /// Subject (`sub`) of the token of whoever asked for it, or made the schedule that did.
        requested_by: &str = |export| &export.job.requested_by;
        /// Rows that are written.
        rows_done: BigInt = |export| BigInt(export.job.progress.rows.into());
        /// Rows that there will be, as they were counted when it was begun; null before, and of questions to the cubes (`usage`, `customerUsage`, `networkUsage`), whose groups nobody knows before.
        rows_expected: Option<BigInt> = |export| {
            export.job.progress.expected.map(|rows| BigInt(rows.into()))
        };
        /// How much of it is done, in whole percent: 100 when all is, and not before. Null where `rowsExpected` is.
        percent: Option<i32> = |export| export.job.percent().and_then(|percent| percent.try_into().ok());
        /// When it will be done, if it goes on as it did; null where `rowsExpected` is, and while it does not run.
        done_about: Option<DateTime> = |export| export.job.done_about().map(Into::into);
        /// Times that it was begun, since it was asked for or asked for again: a process that ends leaves it to another, and one that stops in order gives it back uncounted.
        attempts: i32 = |export| export.job.attempts.try_into().unwrap_or(i32::MAX);
        /// When it was asked for, or asked for again.
        created_at: DateTime = |export| export.job.created_at.into();
        /// When it was last begun.
        started_at: Option<DateTime> = |export| export.job.started_at.map(Into::into);
        /// When a process last said to be at it.
        heartbeat_at: Option<DateTime> = |export| export.job.heartbeat_at.map(Into::into);
        /// When it ended.
        ended_at: Option<DateTime> = |export| export.job.ended_at.map(Into::into);
        /// When the file goes. The export stays, with its manifest.
        expires_at: Option<DateTime> = |export| export.job.expires_at.map(Into::into);
        /// Bytes of the file, while it is there.
        bytes: BigInt = |export| BigInt(export.job.bytes.into());
        /// What the file holds and how to check it: rows, totals, SHA-256, period, watermark, columns; null until it is complete, and to whoever may not see all of it any more.
        manifest: Option<Json<Value>> = |export| export.job.result.clone().map(Json);
    }
}

pub(crate) fn data_set(order: &Order) -> ExportDataSet {
    match order.request.data_set() {
        DataSet::Sims => ExportDataSet::Sims,
        DataSet::Devices => ExportDataSet::Devices,
        DataSet::Customers => ExportDataSet::Customers,
        DataSet::Usage => ExportDataSet::Usage,
        DataSet::CustomerUsage => ExportDataSet::CustomerUsage,
        DataSet::NetworkUsage => ExportDataSet::NetworkUsage,
        DataSet::Records => ExportDataSet::Records,
        DataSet::Assignments => ExportDataSet::Assignments,
        DataSet::IngestRejections => ExportDataSet::IngestRejections,
        DataSet::IngestAccounting => ExportDataSet::IngestAccounting,
        DataSet::Audit => ExportDataSet::Audit,
    }
}

pub(crate) fn format(order: &Order) -> ExportFormat {
    match order.form.format() {
        Format::Csv => ExportFormat::Csv,
        Format::Xlsx => ExportFormat::Xlsx,
        Format::Parquet => ExportFormat::Parquet,
        Format::Arrow => ExportFormat::Arrow,
        Format::Ndjson => ExportFormat::Ndjson,
    }
}

fn partition(order: &Order) -> Option<ExportPartition> {
    order.partition().map(|by| match by {
        Partition::Month => ExportPartition::Month,
    })
}

pub(crate) fn compression(order: &Order) -> ExportCompression {
    match order.form.compression() {
        Compression::None => ExportCompression::None,
        Compression::Gzip => ExportCompression::Gzip,
    }
}

/// The filter or question of an order, as files spell it.
pub(crate) fn question(order: &Order) -> Option<Json<Value>> {
    order.request.json().ok().map(Json)
}

impl Written for Export {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "id" => Some(id(|export: &Self| export.job.id)),
            // A link takes a key.
            "downloadUrl" | "parts" => None,
            "error" => crate::written::object(field, |export: &Self| Some(export.error.as_ref())),
            _ => ExportColumns::step(field),
        }
    }
}

impl From<Job> for Export {
    fn from(job: Job) -> Self {
        let error = job.failure.as_ref().map(|failure| ExportError {
            code: failure.code.into(),
            message: failure.message.clone(),
        });
        let order = Order::of(&job.request).ok().map(Box::new);
        Self {
            job: Box::new(job),
            order,
            error,
        }
    }
}

plain!(Export: Job);

//! Changes of exports.

use analytics::usage::Selection;
use async_graphql::{Context, Object, SimpleObject};
use domain::{Error, calendar::Zone, filter::Filter, job, job::Job};
use exports::{
    AccountingQuestion, AuditQuestion, Compression, Dialect, Exports, Form, Format, Order,
    Partition, Request, Separator,
};
use schema::{
    export::{
        CancelExportInput, CreateExportInput, CsvInput, CsvSeparator, ExportCompression,
        ExportDataSetInput, ExportFormat, ExportPartition, RetryExportInput, UsageExportInput,
        UsageSelectionInput,
    },
    parse_id_in,
};

use super::Export;
use crate::{
    connection,
    request::{session, write},
    usage,
    user_error::{UserError, outcome},
};

/// Changes of exports.
#[derive(Default)]
pub(crate) struct ExportMutation;

/// What a change of an export came to.
#[derive(SimpleObject)]
pub(crate) struct ExportPayload {
    /// The export after the change; null when it was not made.
    export: Option<Export>,
    /// Why the change was not made.
    user_errors: Vec<UserError>,
}

impl ExportPayload {
    fn of(result: domain::Result<Job>) -> async_graphql::Result<Option<Self>> {
        let (job, user_errors) = outcome(result)?;
        Ok(Some(Self {
            export: job.map(Into::into),
            user_errors,
        }))
    }
}

#[Object]
impl ExportMutation {
    /// Asks for a file. It is made in the background: `export` says how far it is, and where it can be had for as long as it is kept.
    /// Who asks, what they may see, and the question are kept as they are now; when less is open to them by the time it is made,
    /// it fails with `RIGHTS_CHANGED`. Needs `EXPORTS_WRITE`, and what reading the rows needs.
    async fn create_export(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What becomes a file.")] input: CreateExportInput,
    ) -> async_graphql::Result<Option<ExportPayload>> {
        let (session, exports) = (session(ctx)?, ctx.data::<Exports>()?);
        let change = async {
            let form = form(input.format, input.compression, input.csv)?;
            let order = order(input.data_set, form)?;
            let order = order.by(input.partition_by.map(partition))?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            exports.create(session, cx, input.name, &order).await
        };
        ExportPayload::of(change.await)
    }

    /// Takes an export back that waits or is being made. What was made of it goes. Needs `EXPORTS_WRITE`, and `EXPORTS_MANAGE` for
    /// somebody else's.
    async fn cancel_export(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The export.")] input: CancelExportInput,
    ) -> async_graphql::Result<Option<ExportPayload>> {
        let change = async {
            let id = parse_id_in("export_id", &input.export_id)?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            job::cancel(cx, id).await
        };
        ExportPayload::of(change.await)
    }

    /// Asks again for an export that failed or was cancelled, with what is open to the caller now. Needs `EXPORTS_WRITE`.
    async fn retry_export(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The export.")] input: RetryExportInput,
    ) -> async_graphql::Result<Option<ExportPayload>> {
        let (session, exports) = (session(ctx)?, ctx.data::<Exports>()?);
        let change = async {
            let id = parse_id_in("export_id", &input.export_id)?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            exports.retry(session, cx, id).await
        };
        ExportPayload::of(change.await)
    }
}

/// What is asked for when a file is.
///
/// # Errors
/// What the question or the filter is refused for, which names the field.
pub(crate) fn order(data_set: ExportDataSetInput, form: Form) -> domain::Result<Order> {
    let request = request(data_set).map_err(|error| error.at("data_set"))?;
    Ok(Order::new(request, form))
}

fn request(data_set: ExportDataSetInput) -> domain::Result<Request> {
    Ok(match data_set {
        ExportDataSetInput::Sims(input) => Request::Sims(filter(input.filter, "sims")?),
        ExportDataSetInput::Devices(input) => Request::Devices(filter(input.filter, "devices")?),
        ExportDataSetInput::Customers(input) => {
            Request::Customers(filter(input.filter, "customers")?)
        }
        ExportDataSetInput::Usage(input) => {
            let UsageExportInput { measures, question } = *input;
            let measures = measures.into_iter().map(Into::into).collect();
            let query = usage::file_query(question, measures);
            let query = query.map_err(|error| of_question(error).at("usage"))?;
            Request::Usage(Box::new(query))
        }
        ExportDataSetInput::CustomerUsage(input) => {
            Request::CustomerUsage(selection(input, "customer_usage")?)
        }
        ExportDataSetInput::NetworkUsage(input) => {
            Request::NetworkUsage(selection(input, "network_usage")?)
        }
        ExportDataSetInput::Records(input) => Request::Records(selection(input, "records")?),
        ExportDataSetInput::Assignments(input) => {
            Request::Assignments(filter(input.filter, "assignments")?)
        }
        ExportDataSetInput::IngestRejections(input) => {
            Request::IngestRejections(filter(input.filter, "ingest_rejections")?)
        }
        ExportDataSetInput::IngestAccounting(input) => {
            Request::IngestAccounting(AccountingQuestion {
                period: usage::span(input.period),
                time_zone: zone(&input.time_zone, "ingest_accounting")?,
                hour_of: input.hour_of.into(),
                source: input.source,
            })
        }
        ExportDataSetInput::Audit(input) => Request::Audit(AuditQuestion {
            period: usage::span(input.period),
            time_zone: zone(&input.time_zone, "audit")?,
        }),
    })
}

/// What is measured stands beside the question, everything else in it.
fn of_question(error: Error) -> Error {
    let field = error.details().and_then(|details| details.field.as_deref());
    if field.is_some_and(|field| field.starts_with("measures")) {
        error
    } else {
        error.at("question")
    }
}

fn selection(input: UsageSelectionInput, field: &str) -> domain::Result<Selection> {
    usage::selection(input).map_err(|error| error.at(field))
}

fn zone(name: &str, field: &str) -> domain::Result<Zone> {
    usage::zone(name).map_err(|error| error.at(field))
}

/// The filter of a list; every row without one.
fn filter<I, C>(input: Option<I>, field: &str) -> domain::Result<Filter<C>>
where
    Filter<C>: TryFrom<I, Error = Error>,
{
    connection::filter(input).map_err(|error| error.at(field))
}

fn partition(by: ExportPartition) -> Partition {
    match by {
        ExportPartition::Month => Partition::Month,
    }
}

/// What a file is to be.
///
/// # Errors
/// `INVALID_INPUT` when there is no such file.
pub(crate) fn form(
    format: ExportFormat,
    compression: ExportCompression,
    csv: Option<CsvInput>,
) -> domain::Result<Form> {
    let format = match format {
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Xlsx => Format::Xlsx,
        ExportFormat::Parquet => Format::Parquet,
        ExportFormat::Arrow => Format::Arrow,
        ExportFormat::Ndjson => Format::Ndjson,
    };
    let compression = match compression {
        ExportCompression::None => Compression::None,
        ExportCompression::Gzip => Compression::Gzip,
    };
    let dialect = csv.map(|csv| Dialect {
        separator: match csv.separator {
            CsvSeparator::Comma => Separator::Comma,
            CsvSeparator::Semicolon => Separator::Semicolon,
        },
        byte_order_mark: csv.byte_order_mark,
    });
    Form::new(format, compression, dialect)
}

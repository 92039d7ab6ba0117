//! `simcube export`: a data set as a file.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::builder::PossibleValuesParser;
use engines::Access;
use exports::{
    Asked, Compression, DataSet, Dialect, Export, Form, Format, Manifest, Order, Partition,
    Progress, Request, Separator,
};
use indicatif::{ProgressBar, ProgressStyle};
use strum::VariantArray as _;

use super::stores::{Stores, explain};
use crate::{config::Config, refused::Refused};

/// Export a data set as CSV, Excel, Parquet, Arrow or NDJSON
///
/// Rows go to --out with a manifest beside it (FILE.manifest.json: rows, totals, SHA-256, period, watermark), or to standard output. A
/// filter is spelt as in GraphQL, a question as in the examples and in the manifest.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  simcube export sims --tenant alpha --format parquet --out sims.parquet\n  \
                  simcube export customerUsage --tenant alpha --format xlsx --out month.xlsx --question \\\n    \
                  '{\"period\":{\"preset\":\"LAST_MONTH\"},\"time_zone\":\"Europe/Berlin\"}'\n  \
                  simcube export records --tenant alpha --format parquet --out records.parquet --question \\\n    \
                  '{\"period\":{\"preset\":\"LAST_7_DAYS\"},\"filter\":{\"in\":{\"dimension\":\"SERVICE\",\"values\":[{\"text\":\"DATA\"}]}}}'\n  \
                  simcube export usage --tenant alpha --format csv --out networks.csv --question \\\n    \
                  '{\"measures\":[\"BYTES_TOTAL\"],\"period\":{\"preset\":\"LAST_MONTH\"},\"group_by\":[{\"dimension\":\"NETWORK\"}]}'"
)]
pub(super) struct Args {
    /// What to export
    #[arg(value_name = "DATA SET", value_parser = names(DataSet::VARIANTS))]
    data_set: String,
    /// Slug of the tenant
    #[arg(long, value_name = "SLUG")]
    tenant: String,
    /// Format of the file
    #[arg(long, value_parser = names(Format::VARIANTS))]
    format: String,
    /// Compress the whole of a CSV or NDJSON file
    #[arg(long, value_parser = names(Compression::VARIANTS), default_value = "none")]
    compression: String,
    /// What stands between two values of CSV [default: comma]
    #[arg(long, value_parser = names(Separator::VARIANTS))]
    separator: Option<String>,
    /// Begin CSV with a byte order mark, by which Excel knows UTF-8
    #[arg(long)]
    byte_order_mark: bool,
    /// Write a folder for each month, of records, ingestAccounting and audit; --out is the folder of all
    #[arg(long, value_parser = names(Partition::VARIANTS), requires = "out")]
    partition_by: Option<String>,
    /// Which rows of a list, as JSON
    #[arg(long, value_name = "JSON", conflicts_with = "question")]
    filter: Option<String>,
    /// The question about usage, as JSON or a file of it
    #[arg(long, value_name = "JSON|FILE")]
    question: Option<String>,
    /// The file [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn names<T: AsRef<str>>(words: &'static [T]) -> PossibleValuesParser {
    words
        .iter()
        .map(AsRef::as_ref)
        .collect::<Vec<&str>>()
        .into()
}

pub(super) async fn run(args: Args, config: &Config) -> Result<ExitCode> {
    let order = order(&args)?;
    let stores = Stores::open(config, Access::Beside).await?;
    let exported = export(&stores, &args, &order).await;
    stores.close().await;
    let manifest = exported?;
    if let Some(out) = &args.out {
        let Manifest {
            contents,
            bytes,
            sha256,
            parts,
            ..
        } = manifest;
        let proof = match parts.len() {
            0 => format!("SHA-256 {sha256}"),
            files => format!("{files} files"),
        };
        println!(
            "{}: {} rows, {bytes} bytes, {proof}",
            out.display(),
            contents.rows
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// What is asked for; refused before any store is opened when there is no such file.
fn order(args: &Args) -> Result<Order> {
    let partition = args.partition_by.as_deref().map(str::parse).transpose()?;
    let order = Order::new(request(args)?, form(args)?).by(partition);
    order.map_err(|error| Refused(format!("{}: {error}", error.code())).into())
}

/// What the file is to be; refused when there is no such file.
fn form(args: &Args) -> Result<Form> {
    let separator = args.separator.as_deref().map(str::parse).transpose()?;
    let dialect = (separator.is_some() || args.byte_order_mark).then(|| Dialect {
        separator: separator.unwrap_or_default(),
        byte_order_mark: args.byte_order_mark,
    });
    let form = Form::new(args.format.parse()?, args.compression.parse()?, dialect);
    form.map_err(|error| Refused(format!("{}: {error}", error.code())).into())
}

/// Of which rows; refused when it is nothing.
fn request(args: &Args) -> Result<Request> {
    let data_set: DataSet = args.data_set.parse()?;
    let wrong = |takes: &str| {
        let sentence = format!("{} takes {takes}", args.data_set);
        Err(Refused(sentence).into())
    };
    let json = match (data_set.entry().asked, &args.filter, &args.question) {
        (Asked::Question, Some(_), _) => {
            return wrong("a --question, which has the filter in it");
        }
        (Asked::Question, None, Some(question)) => Some(text_of(question)?),
        (Asked::Question, None, None) => {
            return wrong("a --question: simcube export --help has some");
        }
        (Asked::Filter, _, Some(_)) => return wrong("a --filter and no --question"),
        (Asked::Filter, filter, None) => filter.clone(),
    };
    let request = Request::parse(data_set, json.as_deref());
    request.map_err(|error| Refused(format!("{}: {error}", error.code())).into())
}

/// The question itself, or what is in the file of this name.
fn text_of(question: &str) -> Result<String> {
    if question.trim_start().starts_with('{') {
        return Ok(question.to_owned());
    }
    let text = fs::read_to_string(question);
    text.map_err(|error| Refused(format!("cannot read {question}: {error}")).into())
}

async fn export(stores: &Stores, args: &Args, order: &Order) -> Result<Manifest> {
    let session = stores.session(&args.tenant).await?;
    let export = Export {
        session: &session,
        request: &order.request,
        form: order.form,
    };
    let bar = progress_bar();
    let progress = |Progress { rows, expected, .. }: Progress| {
        if let Some(expected) = expected {
            bar.set_length(expected);
        }
        bar.set_position(rows);
    };
    let exported = match &args.out {
        Some(out) if order.partition().is_some() => {
            exports::to_folder(&session, order, out, progress).await
        }
        Some(out) => exports::to_file(&export, out, progress).await,
        None => export.write(&mut tokio::io::stdout(), progress).await,
    };
    bar.finish_and_clear();
    exported.map_err(|error| match &error {
        exports::Error::Refused(refusal) => explain(refusal).context(refusal.code().to_string()),
        // Its sentence has the cause in it.
        _ => anyhow::anyhow!("{error}"),
    })
}

/// A bar for a terminal; it hides itself where there is none.
fn progress_bar() -> ProgressBar {
    let template = "{spinner} {human_pos} of {human_len} rows {wide_bar} {per_sec} {elapsed}";
    let style = ProgressStyle::with_template(template);
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::no_length().with_style(style)
}

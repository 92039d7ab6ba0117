//! ClickHouse without Simcube: statements and rows sent as they are, answers taken as bytes.
//!
//! It speaks HTTP over the socket that the engine serves, with connections that stay open, and nothing of the product's
//! client: no planning, no reading of rows, no settings of its own.

use std::{
    fmt::Write as _,
    iter,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, header};
use serde::Deserialize;
use tokio::net::UnixStream;

use crate::client::Connection;

/// The header in which a ClickHouse server says what a statement cost.
#[derive(Deserialize)]
struct Summary {
    elapsed_ns: String,
}

/// How answers come.
const FORM: &str = "default_format=RowBinaryWithNamesAndTypes&wait_end_of_query=1";
/// Most bytes of a statement, as the product has it: ids of SIMs travel inside.
const STATEMENT_BYTES: u32 = 32 << 20;

/// One open connection.
pub(crate) struct Raw(Connection);

/// Where to open more.
#[derive(Clone)]
pub(crate) struct Socket(PathBuf);

impl Socket {
    /// A socket at this path.
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Connects.
    pub(crate) async fn connect(&self) -> Result<Raw> {
        Ok(Raw(
            Connection::over(UnixStream::connect(&self.0).await?).await?
        ))
    }
}

impl Raw {
    /// Runs a statement; `parameters` are values of `{p0:…}`, `{p1:…}` in its text. Returns the rows and how long
    /// the engine says that it worked.
    pub(crate) async fn ask(
        &mut self,
        sql: &str,
        parameters: &[String],
    ) -> Result<(Bytes, Duration)> {
        let mut query = format!("{FORM}&max_query_size={STATEMENT_BYTES}");
        for (place, value) in parameters.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(query, "&param_p{place}={value}");
        }
        let answer = self.post(&query, Bytes::from(sql.to_owned())).await?;
        let summary = answer
            .headers()
            .get("x-clickhouse-summary")
            .context("no summary")?;
        let summary: Summary = serde_json::from_slice(summary.as_bytes())?;
        Ok((
            answer.into_body(),
            Duration::from_nanos(summary.elapsed_ns.parse()?),
        ))
    }

    /// The same with one more value, of any length: as a form, since addresses are short.
    pub(crate) async fn ask_with(
        &mut self,
        sql: &str,
        parameters: &[String],
        (name, value): (&str, &str),
    ) -> Result<Bytes> {
        const BOUNDARY: &str = "simcube-bench-form";
        let mut form = String::with_capacity(sql.len() + value.len() + 1_024);
        let places = parameters.iter().enumerate();
        let fields = iter::once(("query".to_owned(), sql))
            .chain(places.map(|(place, value)| (format!("param_p{place}"), value.as_str())))
            .chain([(format!("param_{name}"), value)]);
        for (field, value) in fields {
            // Writing to a String cannot fail.
            let _ = write!(
                form,
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
            );
        }
        let _ = write!(form, "--{BOUNDARY}--\r\n");
        let request = Request::post(format!("/?{FORM}&max_query_size={STATEMENT_BYTES}"))
            .header(header::HOST, "engine")
            .header(
                header::CONTENT_TYPE,
                format!("multipart/form-data; boundary={BOUNDARY}"),
            )
            .body(Full::new(Bytes::from(form)))?;
        Ok(self.0.send(request).await?.into_body())
    }

    /// Runs a statement that says in which format it answers.
    pub(crate) async fn bytes(&mut self, sql: &str) -> Result<Bytes> {
        let answer = self.post("", Bytes::from(sql.to_owned())).await?;
        Ok(answer.into_body())
    }

    /// Runs a statement that answers with one number.
    pub(crate) async fn count(&mut self, sql: &'static str) -> Result<u64> {
        let answer = self.post("default_format=TSV", Bytes::from_static(sql.as_bytes()));
        let answer = answer.await?.into_body();
        Ok(str::from_utf8(&answer)?.trim().parse()?)
    }

    /// Inserts encoded rows, with all columns of their table in its order.
    pub(crate) async fn insert(&mut self, table: &str, rows: Bytes) -> Result<()> {
        let statement = format!("query=INSERT%20INTO%20{table}%20FORMAT%20RowBinary");
        self.post(&statement, rows).await?;
        Ok(())
    }

    async fn post(&mut self, query: &str, body: Bytes) -> Result<Response<Bytes>> {
        let request = Request::post(format!("/?{query}"))
            .header(header::HOST, "engine")
            .body(Full::new(body))?;
        self.0.send(request).await
    }
}

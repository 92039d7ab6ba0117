//! What intake refused, and its accounting.

use analytics::usage::Span;
use domain::{
    Period, Permission as P, Result,
    calendar::Zone,
    journal::{self, Accounting, AccountingQuery, HourOf, Rejection},
    usage::Unit,
};
use futures::{FutureExt as _, future::BoxFuture};
use serde::{Deserialize, Serialize};
use service::Session;

use super::{Source, pages::Listed};
use crate::{Cell, Column, Error, Kind, run::Sink};

/// Rows of the accounting that are read together: each time, all that are left are summed up.
const ROWS: u32 = journal::MAX_ACCOUNTING_ROWS;

impl Listed for Rejection {
    fn columns() -> Vec<Column> {
        let text = |name: &'static str, says: &'static str| {
            Column::of(name, Kind::Text, P::IngestRead, says)
        };
        vec![
            Column::of(
                "received_at",
                Kind::Moment,
                P::IngestRead,
                "When it was received.",
            ),
            text("source", "Source of the record, if it named one.").or_empty(),
            text(
                "record_id",
                "Its identity within the source, if it had one.",
            )
            .or_empty(),
            text("code", "Why it was refused, for programs."),
            text("message", "Why it was refused, for people."),
            text(
                "raw",
                "The record as received, cut at 8 KiB; empty of a rollup of a session, which names what is not shown.",
            ),
        ]
    }

    fn push(&self, sink: &mut dyn Sink) -> Result<(), Error> {
        let Self {
            id: _,
            identity: _,
            source,
            record_id,
            code,
            message,
            raw,
            received_at,
        } = self;
        sink.push(&[
            Cell::Moment(*received_at),
            Some(source.as_str()).filter(|it| !it.is_empty()).into(),
            record_id.as_deref().into(),
            Cell::Text(code.as_ref()),
            Cell::Text(message),
            Cell::Text(raw),
        ])
    }
}

/// A part of the accounting, kept as it was said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountingQuestion {
    /// Hours that begin within.
    pub period: Span,
    /// In which days and months are meant.
    #[serde(default)]
    pub time_zone: Zone,
    /// Which hour.
    #[serde(default)]
    pub hour_of: HourOf,
    /// Only this source.
    #[serde(default)]
    pub source: Option<String>,
}

pub(super) fn columns() -> Vec<Column> {
    let count = |name: &'static str, says: &'static str| Column {
        unit: Some(Unit::Records),
        additive: true,
        ..Column::of(name, Kind::Count, P::IngestRead, says)
    };
    let bytes = |name: &'static str, says: &'static str| Column {
        unit: Some(Unit::Bytes),
        additive: true,
        ..Column::of(name, Kind::Sum, P::IngestRead, says)
    };
    vec![
        Column::of(
            "hour",
            Kind::Moment,
            P::IngestRead,
            "Begin of the hour (UTC).",
        ),
        Column::of(
            "source",
            Kind::Text,
            P::IngestRead,
            "Source of the records, if they named one.",
        )
        .or_empty(),
        count("received", "Deliveries: accepted, duplicate and rejected."),
        count("accepted", "Counted: these are in the cubes."),
        count("duplicate", "Known before, with the same billing fields."),
        count("rejected", "Refused."),
        bytes("bytes_up", "Bytes sent by devices, of accepted records."),
        bytes(
            "bytes_down",
            "Bytes received by devices, of accepted records.",
        ),
    ]
}

/// The accounting that is being read, all in one snapshot.
pub(super) struct Ledger {
    session: Session,
    query: AccountingQuery,
    last: Option<Accounting>,
}

impl AccountingQuestion {
    /// # Errors
    /// Those of its period.
    pub(super) async fn open(&self, session: Session) -> Result<Ledger> {
        let cx = session.read().await?;
        let query = AccountingQuery {
            period: self.period.at(self.time_zone, cx.now())?,
            hour_of: self.hour_of,
            source: self.source.clone(),
        };
        Ok(Ledger {
            session,
            query,
            last: None,
        })
    }
}

impl Source for Ledger {
    fn columns(&self) -> Vec<Column> {
        columns()
    }

    fn next<'a>(&'a mut self, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<bool, Error>> {
        async move {
            let cx = self.session.read().await?;
            let rows =
                journal::accounting_after(&cx, &self.query, self.last.as_ref(), ROWS).await?;
            for row in &rows {
                push(row, sink)?;
            }
            let is_read = rows.is_empty();
            self.last = rows.into_iter().last().or(self.last.take());
            Ok(!is_read)
        }
        .boxed()
    }

    fn count(&mut self) -> BoxFuture<'_, Result<Option<u64>>> {
        async move {
            let cx = self.session.read().await?;
            journal::accounting_rows(&cx, &self.query).await.map(Some)
        }
        .boxed()
    }

    fn period(&self) -> Option<Period> {
        Some(self.query.period)
    }
}

fn push(row: &Accounting, sink: &mut dyn Sink) -> Result<(), Error> {
    let Accounting {
        source,
        hour,
        received,
        accepted,
        duplicate,
        rejected,
        bytes_up,
        bytes_down,
    } = row;
    let sum = |name: &str, bytes: u128| {
        let too_large = |_| Error::TooLarge {
            name: name.to_owned(),
        };
        i128::try_from(bytes).map(Cell::Sum).map_err(too_large)
    };
    sink.push(&[
        Cell::Moment(*hour),
        Some(source.as_str()).filter(|it| !it.is_empty()).into(),
        Cell::Count(*received),
        Cell::Count(*accepted),
        Cell::Count(*duplicate),
        Cell::Count(*rejected),
        sum("bytes_up", *bytes_up)?,
        sum("bytes_down", *bytes_down)?,
    ])
}

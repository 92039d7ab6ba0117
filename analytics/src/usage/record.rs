//! Single records as a file takes them: one by one, in the order of their table's key.
//!
//! Nothing here grows with the answer. The engine reads along the key and sorts nothing; where it must sort, it does so in
//! [`UsageLimits::FILE_SPILL`] and on its disk beyond that. It waits for whoever reads slowly.

use chrono::{DateTime, Utc};
use clickhouse::{Row, query::RowCursor};
use domain::{Error, Period, Result, Scope, id::BatchId};
use serde::Deserialize;
use uuid::Uuid;

#[cfg(doc)]
use super::UsageLimits;
use super::{
    Inventory, Key, Provenance, RecordPlan, Selection, Source,
    answer::{Running, provenance},
    plan_records,
    watermark::received,
};
use crate::{Store, cube::Table, store::fault};

/// A usage record, with what it was resolved to at the time of use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRecord {
    /// Its identity within the stream; none where that is hidden.
    pub record_id: Option<String>,
    /// The stream that delivered it.
    pub stream: String,
    /// When the use began.
    pub start: DateTime<Utc>,
    /// When the use ended.
    pub end: DateTime<Utc>,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// The SIM.
    pub sim: Key,
    /// Customer that the SIM belonged to.
    pub customer: Key,
    /// Device that the SIM was in.
    pub device: Key,
    /// Visited network, `262-02`; empty when unknown.
    pub network: Key,
    /// Radio access type; empty when unknown.
    pub rat: String,
    /// `DATA`, `SMS` or `VOICE`.
    pub service: String,
    /// Bytes sent by the device; negative in a correction.
    pub bytes_up: i128,
    /// Bytes received by the device; negative in a correction.
    pub bytes_down: i128,
    /// Messages, seconds or another count that the service has; negative in a correction.
    pub units: i128,
    /// 1, or -1 in a correction.
    pub sign: i8,
    /// The batch that it came in.
    pub batch: BatchId,
}

/// One line of a plan's result: a record (kind 0) or the watermark (1).
#[derive(Debug, Row, Deserialize)]
struct Line {
    kind: u8,
    place: u64,
    record_id: String,
    source: String,
    begun: i64,
    ended: i64,
    received: i64,
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    customer: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    device: Uuid,
    network: String,
    rat: String,
    service: String,
    bytes_up: u64,
    bytes_down: u64,
    units: u64,
    sign: i8,
    #[serde(with = "clickhouse::serde::uuid")]
    batch: Uuid,
}

/// Records that are being read. Dropped before its end, it ends the statement.
pub struct RecordFile {
    store: Store,
    scope: Scope,
    plan: RecordPlan,
    lines: RowCursor<Line>,
    running: Option<Running>,
    place: Option<u64>,
    /// Once it has come.
    provenance: Option<Provenance>,
}

impl Store {
    /// Begins to read the records of a selection, within what the caller may see. `inventory` has what the filter needs.
    ///
    /// # Errors
    /// Those of [`plan_records`].
    pub fn records(
        &self,
        scope: &Scope,
        selection: &Selection,
        inventory: &Inventory,
        now: DateTime<Utc>,
    ) -> Result<RecordFile> {
        let plan = plan_records(scope, selection, inventory, now)?;
        let (statement, running) = self.file(scope, plan.sql(), &plan.parameters);
        let lines = statement
            // Of each part that is read along the key a block is held, and not several large ones.
            .with_setting("max_block_size", "8192")
            .with_setting("read_in_order_use_buffering", "0")
            .fetch();
        Ok(RecordFile {
            store: self.clone(),
            scope: scope.clone(),
            lines: lines.map_err(fault)?,
            plan,
            running: Some(running),
            place: None,
            provenance: None,
        })
    }
}

impl RecordFile {
    /// The period that is meant.
    pub fn period(&self) -> Period {
        self.plan.period
    }

    /// How many there are at this moment, before any is read: others may come in between.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when that needs too much time.
    pub async fn count(&mut self) -> Result<u64> {
        let RecordPlan { parameters, .. } = &self.plan;
        let (statement, running) = self.store.file(&self.scope, self.plan.count(), parameters);
        let counted = statement.fetch_one().await.map_err(fault)?;
        running.end();
        Ok(counted)
    }

    /// The next record.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when they need too much memory or time, also after some have come.
    pub async fn next(&mut self) -> Result<Option<UsageRecord>> {
        while let Some(line) = self.lines.next().await.map_err(fault)? {
            if line.kind == 0 {
                return self.take(line).map(Some);
            }
            self.provenance = Some(provenance(
                Source::Cdr,
                &[Table::Records],
                self.plan.period,
                received(line.received),
            ));
        }
        if let Some(running) = self.running.take() {
            running.end();
        }
        Ok(None)
    }

    /// Where they come from and how fresh they are, once all have been read.
    ///
    /// # Errors
    /// `INTERNAL` before.
    pub fn provenance(self) -> Result<Provenance> {
        let read = self.provenance.filter(|_| self.running.is_none());
        read.ok_or_else(|| Error::internal("records were not read to their end"))
    }

    fn take(&mut self, line: Line) -> Result<UsageRecord> {
        if self.place.is_some_and(|place| place >= line.place) {
            return Err(Error::internal("records came in another order"));
        }
        self.place = Some(line.place);
        let moment = |millis| {
            let moment = DateTime::from_timestamp_millis(millis);
            moment.ok_or_else(|| Error::internal("a record outside of time"))
        };
        let key = |id: Uuid| if id.is_nil() { Key::None } else { Key::Id(id) };
        let signed = |count: u64| i128::from(count) * i128::from(line.sign);
        Ok(UsageRecord {
            start: moment(line.begun)?,
            end: moment(line.ended)?,
            received_at: moment(line.received)?,
            sim: key(line.sim),
            customer: key(line.customer),
            device: key(line.device),
            network: Key::Text(line.network),
            rat: line.rat,
            service: line.service,
            bytes_up: signed(line.bytes_up),
            bytes_down: signed(line.bytes_down),
            units: signed(line.units),
            sign: line.sign,
            batch: BatchId::new(line.batch),
            record_id: Some(line.record_id),
            stream: line.source,
        })
    }
}

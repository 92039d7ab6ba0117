//! Rows of either family, as far as settling needs to know them.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use clickhouse::{RowOwned, RowRead};
use domain::{
    Result,
    id::{BatchId, CustomerId, SimId, TenantId},
    tenant::{Retention, Retentions, SessionRetention},
};
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::row::{self, Line};
use crate::{
    CdrRow, SessionRow, Store,
    cdr::{self, Attempt, Unapplied},
    session::{self, line},
    verify::{Count, Keeps},
};

/// What tells a row from others that are found with it: batch, identity and sign, as far as rows of the family differ in these.
pub type Name = (Uuid, Uuid, i8);

/// A row of the records of a family.
pub trait Record: Clone + PartialEq + Send + Sync + 'static {
    /// How long such rows are kept, and so of which family they are.
    type Retention: Keeps + PartialEq + Send + Sync;
    /// The row as it is read back.
    #[doc(hidden)]
    type Line: RowOwned + RowRead + DeserializeOwned;
    /// The columns of a line but the deadline.
    #[doc(hidden)]
    const COLUMNS: &'static str;
    /// The columns by which a row is looked up besides its tenant.
    #[doc(hidden)]
    const KEY: &'static str;
    /// Version of the encoding that is written.
    const ENCODING: i16;

    /// Rows as the journal keeps them.
    fn encode(rows: &[Self]) -> Bytes;

    /// Reads what was encoded, now or in an earlier version.
    ///
    /// # Errors
    /// `INTERNAL` when the bytes are damaged or of a newer version.
    fn decode(encoding: i16, payload: Bytes) -> Result<Vec<Self>>;

    /// Inserts encoded rows ([`Store::apply`], [`Store::apply_sessions`]).
    fn apply(
        store: &Store,
        attempt: &Attempt,
        rows: u64,
        payload: &Bytes,
        retentions: &Retentions<Self::Retention>,
    ) -> impl Future<Output = Result<(), Unapplied>> + Send;

    /// Owner.
    fn tenant(&self) -> TenantId;
    /// Its SIM.
    fn sim(&self) -> SimId;
    /// Event time.
    fn at(&self) -> DateTime<Utc>;
    /// Its identity.
    fn identity(&self) -> Uuid;
    /// The stream that delivered it; empty where the records do not know it.
    fn source(&self) -> &str;
    /// What its tenant's part of its batch has of it: bytes up and down, and units.
    fn amounts(&self) -> [u64; 3];
    /// What accounts have of it: without units, and nothing for a correction.
    fn accounted(&self) -> Count;
    /// What the hours of the records have of it, as far as accounts know them: a correction takes back what it corrects.
    fn in_hours(&self) -> Count;
    /// When it was received.
    fn received_at(&self) -> DateTime<Utc>;
    /// Rows of a batch that stand and fall together have the same: those of a session, of which corrections go with what came late.
    fn together(&self) -> Uuid;
    /// Moves it into another batch.
    fn set_batch(&mut self, batch: BatchId);

    #[doc(hidden)]
    fn name(&self) -> Name;
    #[doc(hidden)]
    fn key(&self) -> String;
    /// The row's name for taking it out, as [`crate::Family`] has it.
    #[doc(hidden)]
    fn row_key(&self) -> String;
    /// The row and its deadline; none when it holds an impossible time.
    #[doc(hidden)]
    fn read(line: Self::Line, tenant: TenantId) -> Option<(Self, u32)>;
}

impl Record for CdrRow {
    type Retention = Retention;
    type Line = Line;
    const COLUMNS: &'static str = row::COLUMNS;
    const KEY: &'static str = "(t.customer, t.sim, t.start, t.identity)";
    const ENCODING: i16 = cdr::ENCODING;

    fn encode(rows: &[Self]) -> Bytes {
        cdr::encode(rows)
    }

    fn decode(encoding: i16, payload: Bytes) -> Result<Vec<Self>> {
        cdr::decode(encoding, payload)
    }

    async fn apply(
        store: &Store,
        attempt: &Attempt,
        rows: u64,
        payload: &Bytes,
        retentions: &Retentions,
    ) -> Result<(), Unapplied> {
        store.apply(attempt, rows, payload, retentions).await
    }

    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn sim(&self) -> SimId {
        self.sim
    }

    fn at(&self) -> DateTime<Utc> {
        self.start
    }

    fn identity(&self) -> Uuid {
        self.identity
    }

    fn source(&self) -> &str {
        &self.source
    }

    fn amounts(&self) -> [u64; 3] {
        [self.bytes_up, self.bytes_down, self.units]
    }

    fn accounted(&self) -> Count {
        Count {
            records: 1,
            bytes_up: self.bytes_up.into(),
            bytes_down: self.bytes_down.into(),
            ..Count::default()
        }
    }

    fn in_hours(&self) -> Count {
        self.accounted()
    }

    fn received_at(&self) -> DateTime<Utc> {
        self.received_at
    }

    fn together(&self) -> Uuid {
        self.identity
    }

    fn set_batch(&mut self, batch: BatchId) {
        self.batch = batch;
    }

    // An identity is there once, whatever its batch: another one is surplus.
    fn name(&self) -> Name {
        (Uuid::nil(), self.identity, 0)
    }

    fn key(&self) -> String {
        format!(
            "('{}','{}','{}','{}')",
            self.customer.map_or(Uuid::nil(), CustomerId::uuid),
            self.sim.uuid(),
            self.start.format("%Y-%m-%d %H:%M:%S%.3f"),
            self.identity,
        )
    }

    fn row_key(&self) -> String {
        format!("('{}','{}')", self.tenant.uuid(), self.identity)
    }

    fn read(line: Line, tenant: TenantId) -> Option<(Self, u32)> {
        let apply_by = line.apply_by;
        Some((line.row(tenant)?, apply_by))
    }
}

impl Record for SessionRow {
    type Retention = SessionRetention;
    type Line = line::Line;
    const COLUMNS: &'static str = line::COLUMNS;
    const KEY: &'static str = "(t.sim, t.event_at, t.session, t.identity, t.sign, t.batch)";
    const ENCODING: i16 = session::ENCODING;

    fn encode(rows: &[Self]) -> Bytes {
        session::encode(rows)
    }

    fn decode(encoding: i16, payload: Bytes) -> Result<Vec<Self>> {
        session::decode(encoding, payload)
    }

    async fn apply(
        store: &Store,
        attempt: &Attempt,
        rows: u64,
        payload: &Bytes,
        retentions: &Retentions<SessionRetention>,
    ) -> Result<(), Unapplied> {
        store
            .apply_sessions(attempt, rows, payload, retentions)
            .await
    }

    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn sim(&self) -> SimId {
        self.sim
    }

    fn at(&self) -> DateTime<Utc> {
        self.event_at
    }

    fn identity(&self) -> Uuid {
        self.identity
    }

    fn source(&self) -> &'static str {
        ""
    }

    fn amounts(&self) -> [u64; 3] {
        [self.bytes_up, self.bytes_down, 0]
    }

    // Corrections move bytes of hours, of which no account knows.
    fn accounted(&self) -> Count {
        Count {
            records: self.arrived.into(),
            ..Count::default()
        }
    }

    fn in_hours(&self) -> Count {
        Count {
            records: self.sign.into(),
            ..Count::default()
        }
    }

    fn received_at(&self) -> DateTime<Utc> {
        self.received_at
    }

    fn together(&self) -> Uuid {
        self.session
    }

    fn set_batch(&mut self, batch: BatchId) {
        self.batch = batch;
    }

    // A rollup has a row in each batch that changes what it counts, and there one of each sign.
    fn name(&self) -> Name {
        (self.batch.uuid(), self.identity, self.sign)
    }

    fn key(&self) -> String {
        format!(
            "('{}','{}','{}','{}',{},'{}')",
            self.sim.uuid(),
            self.event_at.format("%Y-%m-%d %H:%M:%S%.3f"),
            self.session,
            self.identity,
            self.sign,
            self.batch.uuid(),
        )
    }

    fn row_key(&self) -> String {
        format!(
            "('{}','{}','{}',{})",
            self.tenant.uuid(),
            self.batch.uuid(),
            self.identity,
            self.sign
        )
    }

    fn read(line: line::Line, tenant: TenantId) -> Option<(Self, u32)> {
        let apply_by = line.apply_by;
        Some((line.row(tenant)?, apply_by))
    }
}

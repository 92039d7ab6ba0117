//! A journal with two tenants, and records for it that add up.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Db, FixedClock, SystemCx,
    id::{BatchId, TenantId},
    journal::{
        self, BatchState, Kind, Month, NewBatch, NewRejection, Part, RejectionCode, Tally,
        ledger::Sums,
    },
    tenant::{self, NewTenant},
};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};
use testkit::PostgresDb;
use uuid::Uuid;

/// Longer than any test.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).expect("a time")
}

pub(crate) fn after(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

pub(crate) fn batch(n: u128) -> BatchId {
    BatchId::new(Uuid::from_u128(n))
}

/// A part of `identities`, each of three bytes up and one down.
pub(crate) fn part(tenant: TenantId, sequence: i64, identities: &[u128]) -> Part {
    let mut part = Part::new(tenant, Month::of(now()).part(sequence));
    for identity in identities {
        part.add(Uuid::from_u128(*identity), now(), [3, 1, 0]);
    }
    part
}

/// What the ledger says of so many such records.
pub(crate) fn sums_of(rows: i64, checksum: i64) -> (Sums, i64) {
    let sums = Sums {
        rows,
        bytes_up: i128::from(rows) * 3,
        bytes_down: i128::from(rows),
        units: 0,
    };
    (sums, checksum)
}

/// What the accounting says of `accepted` such records and some refused ones.
pub(crate) fn tally(tenant: TenantId, accepted: u64, rejected: u64) -> Tally {
    Tally {
        tenant,
        source: "pgw-1".into(),
        event_hour: journal::hour_of(now()),
        received: accepted + rejected,
        accepted,
        duplicate: 0,
        rejected,
        bytes_up: u128::from(accepted) * 3,
        bytes_down: u128::from(accepted),
        newest_event_at: (accepted > 0).then(now),
        topic: None,
    }
}

pub(crate) fn refused(tenant: TenantId) -> NewRejection {
    NewRejection {
        tenant,
        source: String::new(),
        identity: None,
        record_id: None,
        code: RejectionCode::Malformed,
        message: "no".into(),
        raw: "x".into(),
    }
}

pub(crate) fn new_batch(id: BatchId, parts: &[Part]) -> NewBatch<'_> {
    NewBatch {
        id,
        rows: parts.iter().map(|part| part.rows).sum(),
        encoding: 7,
        payload: b"rows",
        apply_by: after(4),
        parts,
    }
}

pub(crate) struct House {
    pub(crate) db: Db,
    owner: DatabaseConnection,
    pub(crate) alpha: TenantId,
    pub(crate) beta: TenantId,
    pub(crate) postgres: PostgresDb,
}

impl House {
    pub(crate) async fn new() -> Self {
        let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
        let postgres = postgres.expect("a test database");
        let db = Db::connect(postgres.url(), 4, Arc::new(FixedClock(now()))).await;
        let db = db.expect("connected");
        let owner = Database::connect(postgres.url()).await.expect("connected");
        let mut tenants = Vec::new();
        for slug in ["alpha", "beta"] {
            let cx = db.system().await.expect("system");
            let new = NewTenant {
                slug: slug.into(),
                name: slug.into(),
                simulated: false,
            };
            tenants.push(tenant::create(&cx, new).await.expect("a tenant").id);
            cx.commit().await.expect("committed");
        }
        Self {
            db,
            owner,
            alpha: tenants[0],
            beta: tenants[1],
            postgres,
        }
    }

    pub(crate) async fn system(&self) -> SystemCx {
        self.db.system().await.expect("system")
    }

    /// Journals a batch of usage records with these parts.
    pub(crate) async fn journal(&self, id: BatchId, parts: &[Part]) {
        self.journal_of(Kind::Cdr, id, parts).await;
    }

    /// Journals a batch of a kind with these parts.
    pub(crate) async fn journal_of(&self, kind: Kind, id: BatchId, parts: &[Part]) {
        let cx = self.system().await;
        let tallies: Vec<Tally> = parts
            .iter()
            .map(|part| tally(part.tenant, part.rows, 0))
            .collect();
        let recorded =
            journal::record(&cx, kind, Some(new_batch(id, parts)), &tallies, &[], now()).await;
        recorded.expect("recorded");
        cx.commit().await.expect("committed");
    }

    /// Batches in a state, by number.
    pub(crate) async fn in_state(&self, state: BatchState) -> Vec<u128> {
        let cx = self.system().await;
        let pending = journal::pending(&cx, state, None, 9).await.expect("a list");
        assert_eq!(
            journal::count(&cx, state).await.expect("a count"),
            pending.len() as u64
        );
        let ids = pending.iter().map(|pending| pending.batch.uuid().as_u128());
        ids.collect()
    }

    /// Waits until somebody waits for an advisory lock.
    pub(crate) async fn until_somebody_waits(&self) {
        let sql = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let waits = async {
            loop {
                let sql = Statement::from_string(DbBackend::Postgres, sql);
                let row = self.owner.query_one_raw(sql).await.expect("an answer");
                if row.is_some() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waits).await;
        waited.expect("somebody waits");
    }
}

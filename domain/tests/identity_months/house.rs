//! A Postgres where months can be opened and records delivered.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Utc};
use domain::{
    Db, FixedClock, SystemCx,
    id::TenantId,
    journal::{self, Claim, Expected, Month, Older, Verdict},
};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use testkit::PostgresDb;
use uuid::Uuid;

/// Room for every filter of these tests.
pub(crate) const ROOM: u64 = 1 << 20;

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// The middle of a month of 2026.
pub(crate) fn month(n: u32) -> DateTime<Utc> {
    at(&format!("2026-{n:02}-15T12:00:00Z"))
}

/// A tenant that needs no row: identities know it by its id.
pub(crate) fn tenant_id(n: u128) -> TenantId {
    TenantId::new(Uuid::from_u128(n))
}

pub(crate) struct House {
    pub(crate) db: Db,
    pub(crate) owner: DatabaseConnection,
    sequence: AtomicI64,
    _postgres: PostgresDb,
}

impl House {
    pub(crate) async fn new() -> Self {
        let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
        let postgres = postgres.expect("a test database");
        let clock = Arc::new(FixedClock(month(6)));
        let db = Db::connect(postgres.url(), 6, clock).await;
        let db = db.expect("connected");
        let owner = Database::connect(postgres.url()).await.expect("connected");
        Self {
            db,
            owner,
            sequence: AtomicI64::new(1),
            _postgres: postgres,
        }
    }

    pub(crate) async fn open(&self, at: DateTime<Utc>) {
        journal::open_month(&self.db, at).await.expect("opened");
    }

    /// A record of one tenant with the next part of `month`.
    pub(crate) fn claim(&self, month: Month, record_id: &str, content: i64) -> Claim {
        Claim {
            identity: journal::identity(tenant_id(0xa), "pgw-1", record_id),
            content,
            part: month.part(self.sequence.fetch_add(1, Ordering::Relaxed)),
            event_at: at("2026-01-01T00:00:00Z"),
        }
    }

    /// A transaction that holds the month, and the month.
    pub(crate) async fn hold(&self) -> (SystemCx, Month) {
        let cx = self.db.system().await.expect("system");
        let month = journal::hold_month(&cx).await.expect("held");
        (cx, month.expect("a month"))
    }

    /// Claims and commits, having seen that the other expectation gives the same verdicts. Says which parts were asked for.
    pub(crate) async fn deliver(
        &self,
        older: &Older,
        records: &[(&str, i64)],
    ) -> (Vec<i64>, Vec<Verdict>) {
        let (cx, month) = self.hold().await;
        let claim = |(id, content): &(&str, i64)| self.claim(month, id, *content);
        let claims: Vec<Claim> = records.iter().map(claim).collect();
        let surprised = journal::claim(&cx, month, &claims, older, Expected::AllNew).await;
        drop(cx);
        let (cx, _) = self.hold().await;
        let verdicts = journal::claim(&cx, month, &claims, older, Expected::SomeKnown).await;
        cx.commit().await.expect("committed");
        let verdicts = verdicts.expect("verdicts");
        assert_eq!(surprised.expect("verdicts"), verdicts);
        let parts = claims.iter().map(|claim| claim.part).collect();
        (parts, verdicts)
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = Statement::from_string(sea_orm::DbBackend::Postgres, sql);
        let row = self.owner.query_one_raw(sql).await.expect("an answer");
        let number = row.expect("a row").try_get_by_index(0);
        number.expect("a number")
    }

    /// Waits until somebody waits for the lock that a claim holds.
    pub(crate) async fn until_somebody_waits(&self) {
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' \
             AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let waits = async {
            while self.number(sql).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        let minute = std::time::Duration::from_mins(1);
        tokio::time::timeout(minute, waits)
            .await
            .expect("somebody waits");
    }
}

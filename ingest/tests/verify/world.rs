//! A tenant with batches in both stores, put there by hand.

use std::collections::BTreeMap;

use analytics::{
    Store, System,
    cube::{Cube, Level},
    verify::{Count, Table},
};
use chrono::{DateTime, Datelike, DurationRound, Months, TimeDelta, Utc};
use domain::{
    Clock, Db, SystemClock,
    id::{BatchId, TenantId},
    journal::hour_of,
    tenant::{self, NewTenant},
};
use ingest::{
    operator::{Beside, Operator},
    pipeline::Settings,
    verify::{Repaired, Report, Verifier},
};
use testkit::{ClickHouseDb, PostgresDb};
use uuid::Uuid;

/// Both stores. They go when dropped.
pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) store: Store,
    pub(crate) tenant: TenantId,
    pub(crate) cubes: ClickHouseDb,
    pub(crate) postgres: PostgresDb,
}

/// First moment of the month that many months ago.
pub(crate) fn month(ago: u32) -> DateTime<Utc> {
    let first = SystemClock.now().date_naive().with_day(1).expect("a first") - Months::new(ago);
    first.and_hms_opt(0, 0, 0).expect("midnight").and_utc()
}

/// A batch: `rows` records from `from` on, 25 minutes apart.
#[derive(Clone, Copy)]
pub(crate) struct Delivered {
    pub(crate) batch: BatchId,
    pub(crate) from: DateTime<Utc>,
    pub(crate) rows: u32,
}

const STEP: TimeDelta = TimeDelta::minutes(25);

impl Delivered {
    pub(crate) fn new(from: DateTime<Utc>, rows: u32) -> Self {
        Self {
            batch: BatchId::new(Uuid::now_v7()),
            from,
            rows,
        }
    }

    /// How many of its records start at or after a moment.
    pub(crate) fn rows_after(&self, moment: DateTime<Utc>) -> u32 {
        let starts = (0..self.rows).map(|n| self.from + STEP * i32::try_from(n).expect("few"));
        u32::try_from(starts.filter(|start| *start >= moment).count()).expect("few")
    }

    fn last(&self) -> DateTime<Utc> {
        self.from + STEP * i32::try_from(self.rows - 1).expect("few")
    }
}

impl World {
    /// One tenant, `alpha`, without usage.
    pub(crate) async fn new() -> Self {
        let engines = tokio::task::spawn_blocking(|| (testkit::postgres(), testkit::clickhouse()));
        let (postgres, cubes) = engines.await.expect("engines");
        let clock = std::sync::Arc::new(SystemClock);
        let db = Db::connect(postgres.url(), 6, clock).await;
        let db = db.expect("connected");
        let store = Store::remote(cubes.url()).expect("a URL");
        let store = store.with_database(cubes.database());
        let cx = db.system().await.expect("a transaction");
        let new = NewTenant {
            slug: "alpha".into(),
            name: "Alpha".into(),
            simulated: false,
        };
        let tenant = tenant::create(&cx, new).await.expect("created").id;
        cx.commit().await.expect("committed");
        Self {
            db,
            store,
            tenant,
            cubes,
            postgres,
        }
    }

    /// Three batches over the last three months, counted.
    pub(crate) async fn sound() -> (Self, Vec<Delivered>) {
        let world = Self::new().await;
        let batches: Vec<Delivered> = (1..=3)
            .map(|ago| Delivered::new(month(ago) + TimeDelta::days(3), 1_000))
            .collect();
        for batch in &batches {
            world.insert(batch);
            world.book(batch, "COUNTED").await;
        }
        (world, batches)
    }

    /// Puts the records of a batch into the store, as an insert of intake does.
    pub(crate) fn insert(&self, delivered: &Delivered) {
        self.cubes.run(&format!(
            "INSERT INTO cdr (* EXCEPT(expires)) SELECT '{}', toUUID(if(number % 7 = 0, '00000000-0000-0000-0000-000000000000', \
             '00000000-0000-0000-0000-00000000000b')), toUUID(concat('00000000-0000-0000-0000-', \
             leftPad(toString(1 + number % 50), 12, '0'))), toUUID('00000000-0000-0000-0000-0000000000de'), '262-02', 'LTE', \
             'DATA', 'test', toString(number), reinterpretAsUUID(sipHash128('{}', number)), fromUnixTimestamp64Milli({} + toInt64(number) * {}, 'UTC'), \
             fromUnixTimestamp64Milli({} + toInt64(number) * {}, 'UTC'), number + 1, 2, number % 3, 1, '{}', now64(3), \
             now() + 60 FROM numbers({})",
            self.tenant.uuid(),
            delivered.batch.uuid(),
            delivered.from.timestamp_millis(),
            STEP.num_milliseconds(),
            delivered.from.timestamp_millis(),
            STEP.num_milliseconds(),
            delivered.batch.uuid(),
            delivered.rows,
        ));
    }

    /// Enters a batch into both books. The checksum is that of the records that are there.
    pub(crate) async fn book(&self, delivered: &Delivered, state: &str) {
        let mut hours: BTreeMap<DateTime<Utc>, (u32, u64)> = BTreeMap::new();
        for n in 0..delivered.rows {
            let start = delivered.from + STEP * i32::try_from(n).expect("few");
            let hour = hours.entry(hour_of(start)).or_default();
            hour.0 += 1;
            hour.1 += u64::from(n) + 1;
        }
        let checksum = self.checksum(delivered).await;
        let rows = u64::from(delivered.rows);
        let units: u64 = (0..rows).map(|n| n % 3).sum();
        let tenant = self.tenant.uuid();
        let mut sql = format!(
            "INSERT INTO intake_batch_tenant (tenant_id, part, batch_id, state, rows, bytes_up, bytes_down, units, checksum, \
             first_at, last_at, received_at) VALUES ('{tenant}', nextval('intake_part_seq'), '{}', '{state}', {rows}, {}, {}, \
             {units}, {checksum}, '{}', '{}', now());",
            delivered.batch.uuid(),
            rows * (rows + 1) / 2,
            rows * 2,
            delivered.from.to_rfc3339(),
            delivered.last().to_rfc3339(),
        );
        for (hour, (rows, up)) in hours {
            sql.push_str(&format!(
                "INSERT INTO intake_accounting AS known VALUES ('{tenant}', 'test', date_trunc('hour', now()), '{}', {rows}, \
                 {rows}, 0, 0, {up}, {}) ON CONFLICT ON CONSTRAINT intake_accounting_pkey DO UPDATE SET \
                 received = known.received + excluded.received, accepted = known.accepted + excluded.accepted, \
                 bytes_up = known.bytes_up + excluded.bytes_up, bytes_down = known.bytes_down + excluded.bytes_down;",
                hour.to_rfc3339(),
                rows * 2,
            ));
        }
        self.postgres.run(&sql);
    }

    async fn checksum(&self, delivered: &Delivered) -> i64 {
        let system = System::new(SystemClock.now());
        let tables = self.store.tables(&system);
        let counted = tables
            .batches_of(&system, self.tenant, &[delivered.batch])
            .await;
        let counted = counted.expect("counted");
        counted.first().map_or(0, |found| found.checksum)
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(self.store.clone(), self.db.clone())
    }

    fn operator(&self) -> Operator {
        let (store, db) = (self.store.clone(), self.db.clone());
        Operator::new(store, db, Settings::default(), Beside::Servers)
    }

    pub(crate) async fn look(&self) -> Report {
        let report = self.operator().verify().await;
        report.unwrap_or_else(|error| panic!("{error}: {:?}", error.cause()))
    }

    pub(crate) async fn repair(&self) -> Repaired {
        let repaired = self.operator().repair().await;
        repaired.unwrap_or_else(|error| panic!("{error}: {:?}", error.cause()))
    }

    pub(crate) async fn agrees(&self) {
        let report = self.look().await;
        assert_eq!(report.differences, [""; 0]);
        assert_eq!(report.count(), 0);
    }

    /// Sums of each full cube.
    pub(crate) async fn cubes(&self) -> [Count; 4] {
        let system = System::new(SystemClock.now());
        let totals = self.store.tables(&system).totals(&system).await;
        let mut sums = [Count::default(); 4];
        for total in totals.expect("totals") {
            if let Table::Cube(Cube::Full(level)) = total.table {
                sums[level as usize] += total.count;
            }
        }
        sums
    }

    /// Changes one column of some cells of a cube and nothing else.
    pub(crate) fn swap(&self, level: Level, change: &str, condition: &str) {
        let key = "tenant, period, customer, sim, device, network, rat, service, source";
        let receipt = if level == Level::Year {
            ", received_at"
        } else {
            ""
        };
        let columns = format!("{key}, bytes_up, bytes_down, units, records{receipt}");
        let cube = Cube::Full(level).table();
        self.cubes.run(&format!(
            "INSERT INTO {cube} ({columns}) SELECT {columns} FROM (\
             SELECT * REPLACE (-bytes_up AS bytes_up, -bytes_down AS bytes_down, -units AS units, -records AS records) \
             FROM {cube} FINAL WHERE {condition} UNION ALL \
             SELECT * REPLACE ({change}) FROM {cube} FINAL WHERE {condition})"
        ));
    }

    /// Deletes records and nothing else.
    pub(crate) fn lose(&self, condition: &str) {
        self.cubes.run(&format!(
            "ALTER TABLE cdr DELETE WHERE {condition} SETTINGS mutations_sync = 1"
        ));
    }
}

/// The day of a moment.
pub(crate) fn day(moment: DateTime<Utc>) -> DateTime<Utc> {
    moment.duration_trunc(TimeDelta::days(1)).expect("in range")
}

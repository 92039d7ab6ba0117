//! Two tenants with a small fleet, and the means to compare journal and cubes.

mod delivery;
mod rollup;

use std::{
    collections::HashMap,
    io::Cursor,
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};

use analytics::{Store, System};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Clock, Db, Result, Role, Scope,
    fleet::{self, CountedUsage, Report},
    id::{SimId, TenantId},
    identity::VerifiedClaims,
    journal::{self, BatchCondition, BatchFilter, BatchPart, BatchState, Pending},
    list::{List as _, Order},
    paging::PageRequest,
    scope::{Segment, Visibility},
    tenant::{self, NewTenant},
};
use ingest::pipeline::{Fault, Intake, NoFault, Settings, Settled};
use service::{Deliverer, Entry};
use testkit::{ClickHouseDb, PostgresDb};

pub(crate) use delivery::{
    Event, Record, array, body, codes, lines, numbers, post_json, post_lines, post_stream, record,
};
pub(crate) use rollup::{
    Dice, Sent, logged, net_of_log, plain, post_rollups, post_text, sent, session_ledger, stream,
};

/// A SIM of Alpha with a 20-digit ICCID that ends in its check digit.
pub(crate) const LONG: &str = "89883030000000000015";
/// A SIM of Alpha with a 19-digit ICCID.
pub(crate) const SHORT: &str = "8988303000000000002";
/// A SIM of Alpha that went from Bosch to Dyer, and to another device, at [`MOVED_AT`].
pub(crate) const MOVED: &str = "8988303000000000003";
/// A SIM of Beta.
pub(crate) const FOREIGN: &str = "8988303000000000009";
/// When [`MOVED`] changed hands.
pub(crate) const MOVED_AT: &str = "2026-03-10T12:00:00Z";
const NOW: &str = "2026-03-20T12:00:00Z";

const ALPHA_FLEET: &str = "iccid,state,customer,device,valid_from\n\
    89883030000000000015,ACTIVE,bosch,meter-1,\n\
    8988303000000000002,ACTIVE,,,\n\
    8988303000000000003,ACTIVE,bosch,meter-3,2026-01-01T00:00:00Z\n\
    8988303000000000003,ACTIVE,dyer,meter-4,2026-03-10T12:00:00Z\n";
const BETA_FLEET: &str = "iccid,state\n8988303000000000009,ACTIVE\n";

/// The tables that cubes are in.
pub(crate) const CUBE_TABLES: [&str; 5] = [
    "usage_hour",
    "usage_day",
    "usage_month",
    "usage_year",
    "usage_small",
];

const CUBES: [&str; 8] = [
    "usage_hour",
    "usage_day",
    "usage_month",
    "usage_year",
    "usage_small WHERE grain = 'hour'",
    "usage_small WHERE grain = 'day'",
    "usage_small WHERE grain = 'month'",
    "usage_small WHERE grain = 'year'",
];

/// A clock that a test moves on.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<Mutex<DateTime<Utc>>>);

impl TestClock {
    /// Moves the clock on.
    pub(crate) fn pass(&self, time: TimeDelta) {
        *self.0.lock().expect("clock") += time;
    }
}

impl Clock for TestClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().expect("clock")
    }
}

/// A fleet is loaded before there is usage.
struct NothingCounted;

impl CountedUsage for NothingCounted {
    async fn last_counted(&self, _: &Scope, _: &[SimId]) -> Result<HashMap<SimId, DateTime<Utc>>> {
        Ok(HashMap::new())
    }
}

/// Sums over records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) records: u64,
    pub(crate) up: u128,
    pub(crate) down: u128,
    pub(crate) units: u128,
}

/// A caller who was let in to deliver records.
#[derive(Clone)]
pub(crate) struct Caller {
    scope: Scope,
    pub(crate) deliverer: Deliverer,
}

impl Deref for Caller {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.scope
    }
}

/// Everything that a test needs. Engines go first when dropped.
pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) store: Store,
    pub(crate) clock: TestClock,
    pub(crate) alpha: Caller,
    pub(crate) beta: Caller,
    clickhouse: ClickHouseDb,
    pub(crate) postgres: PostgresDb,
}

/// Batches that fail are settled soon; answers that come late come, however busy the machine.
pub(crate) fn patient() -> Settings {
    Settings {
        takeover: TimeDelta::seconds(1),
        answer: Duration::from_secs(30),
        ..Settings::default()
    }
}

/// The same, but nobody waits long for an answer that does not come.
pub(crate) fn impatient() -> Settings {
    Settings {
        answer: Duration::from_millis(300),
        ..patient()
    }
}

/// A caller of `tenant`.
pub(crate) fn scope(tenant: TenantId, role: Role) -> Scope {
    let customer = (role == Role::CustomerUser).then(|| "bosch".into());
    let claims = VerifiedClaims::new("test".into(), "alpha".into(), role, customer);
    let claims = claims.expect("claims");
    Scope::of_token(tenant, &claims, Segment::default(), Visibility::ALL)
}

impl World {
    pub(crate) async fn new() -> Self {
        let engines = tokio::task::spawn_blocking(|| (testkit::postgres(), testkit::clickhouse()));
        let (postgres, clickhouse) = engines.await.expect("engines");
        let clock = TestClock(Arc::new(Mutex::new(NOW.parse().expect("a time"))));
        let db = Db::connect(postgres.url(), 10, Arc::new(clock.clone()))
            .await
            .expect("connected");
        let store = Store::remote(clickhouse.url())
            .expect("a URL")
            .with_database(clickhouse.database());
        let alpha = new_tenant(&db, &store, "alpha", ALPHA_FLEET).await;
        let beta = new_tenant(&db, &store, "beta", BETA_FLEET).await;
        let world = Self {
            db,
            store,
            clock,
            alpha,
            beta,
            clickhouse,
            postgres,
        };
        // The engine drops old records by its own clock; these tests have another one.
        for table in ["cdr", "session_log", "session_live"] {
            world.ask(&format!("ALTER TABLE {table} REMOVE TTL")).await;
        }
        world
    }

    /// Another tenant, whose fleet is `csv`.
    pub(crate) async fn tenant(&self, slug: &str, csv: &str) -> Caller {
        new_tenant(&self.db, &self.store, slug, csv).await
    }

    /// Lets a caller in.
    pub(crate) async fn enter(&self, scope: Scope) -> Result<Caller> {
        enter(&self.db, &self.store, scope).await
    }

    /// Changes the fleet.
    pub(crate) async fn import(&self, scope: &Scope, csv: &str) {
        import(&self.db, scope, csv).await;
    }

    /// Changes the fleet as far as the usage that is there allows.
    pub(crate) async fn reassign(&self, scope: &Scope, csv: &str) -> Report {
        let file = Cursor::new(csv.as_bytes().to_vec());
        fleet::import_file(&self.db, scope, file, &self.store, |_| ())
            .await
            .expect("imported")
    }

    pub(crate) fn intake(&self) -> Intake {
        self.intake_with(patient(), NoFault)
    }

    /// Settles until nothing is under way, as a process that stays does.
    pub(crate) async fn settled(&self, intake: &Intake) -> Settled {
        let mut sum = Settled::default();
        let settling = async {
            loop {
                let settled = intake.settle().await.expect("settled");
                sum.counted += settled.counted;
                sum.inserted += settled.inserted;
                sum.surplus += settled.surplus;
                sum.corrected += settled.corrected;
                sum.cut += settled.cut;
                sum.quarantined += settled.quarantined;
                if settled.waiting == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), settling)
            .await
            .expect("everything is settled");
        sum
    }

    #[expect(
        clippy::large_types_passed_by_value,
        reason = "settings are made for one intake"
    )]
    pub(crate) fn intake_with(&self, settings: Settings, fault: impl Fault) -> Intake {
        Intake::new(self.store.clone(), self.db.clone(), settings, fault)
    }

    /// Totals in ClickHouse: raw records and each cube, which must agree.
    pub(crate) async fn counted(&self, scope: &Scope) -> Totals {
        let tenant = scope.tenant().uuid();
        let raw = format!(
            "SELECT sum(sign), sum(sign * toInt128(bytes_up)), sum(sign * toInt128(bytes_down)), \
             sum(sign * toInt128(units)), uniqExact(identity) FROM cdr WHERE tenant = '{tenant}' FORMAT TSV"
        );
        let row = self.ask(&raw).await;
        let (sums, unique) = row.trim().rsplit_once('\t').expect("five columns");
        let totals = parse(sums);
        assert_eq!(
            unique,
            totals.records.to_string(),
            "an identity is there twice"
        );
        for cube in CUBES {
            let sql = format!(
                "SELECT sum(records), sum(bytes_up), sum(bytes_down), sum(units) FROM (SELECT * FROM {cube}) \
                 WHERE tenant = '{tenant}' FORMAT TSV"
            );
            assert_eq!(
                parse(&self.ask(&sql).await),
                totals,
                "{cube} differs from the records"
            );
        }
        totals
    }

    /// Totals that ledger, records and every cube agree on.
    pub(crate) async fn proved(&self, scope: &Scope) -> Totals {
        let cx = self.db.system().await.expect("system");
        let ledger = journal::ledger(&cx, journal::Kind::Cdr, scope.tenant())
            .await
            .expect("a ledger");
        let counted = self.counted(scope).await;
        let sum = |of: fn(&journal::Accounting) -> u128| ledger.iter().map(of).sum::<u128>();
        assert_eq!(
            sum(|a| a.accepted.into()),
            u128::from(counted.records),
            "ledger and records differ"
        );
        assert_eq!(sum(|a| a.bytes_up), counted.up);
        assert_eq!(sum(|a| a.bytes_down), counted.down);
        counted
    }

    /// Records of a tenant in each of its batches in a state.
    pub(crate) async fn batches(&self, scope: &Scope, state: BatchState) -> Vec<u64> {
        let cx = self.db.read(scope).await.expect("a snapshot");
        let filter = BatchFilter::from(BatchCondition::States(vec![state]));
        let page = PageRequest::relay(Some(100), None, None, None).expect("a page");
        let page = BatchPart::page(&cx, &filter, Order::default(), &page)
            .await
            .expect("batches");
        page.rows.iter().map(|(_, part)| part.records).collect()
    }

    /// received, accepted, duplicate, rejected of a tenant.
    pub(crate) async fn ledger(&self, scope: &Scope) -> [u64; 4] {
        let cx = self.db.system().await.expect("system");
        let ledger = journal::ledger(&cx, journal::Kind::Cdr, scope.tenant())
            .await
            .expect("a ledger");
        let mut sums = [0; 4];
        for account in ledger {
            sums[0] += account.received;
            sums[1] += account.accepted;
            sums[2] += account.duplicate;
            sums[3] += account.rejected;
        }
        sums
    }

    /// Batches whose payloads are kept, in the order of journaling.
    pub(crate) async fn pending(&self, state: BatchState) -> Vec<Pending> {
        let cx = self.db.system().await.expect("system");
        let pending = journal::pending(&cx, state, None, 100).await;
        pending.expect("batches")
    }

    /// Where its usage store is.
    pub(crate) fn usage_store(&self) -> (&str, &str) {
        (self.clickhouse.url(), self.clickhouse.database())
    }

    /// Blocks until somebody waits for an advisory lock.
    pub(crate) fn until_somebody_waits(&self) {
        self.postgres.run(
            "DO $$ BEGIN \
               FOR look IN 1..1000 LOOP \
                 IF EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = \
                    (SELECT oid FROM pg_database WHERE datname = current_database())) THEN RETURN; END IF; \
                 PERFORM pg_sleep(0.02); \
               END LOOP; \
               RAISE EXCEPTION 'nobody waits'; \
             END $$",
        );
    }

    /// Ends the sessions that hold advisory locks, as if their processes were gone.
    pub(crate) fn take_locks(&self) {
        self.postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        );
    }

    /// The clock of the usage store.
    pub(crate) async fn engine_now(&self) -> DateTime<Utc> {
        let system = System::new(self.clock.now());
        self.store.now(&system).await.expect("a time")
    }

    /// Runs a statement on the test's database.
    pub(crate) async fn ask(&self, sql: &str) -> String {
        let reply = reqwest::Client::new()
            .post(format!(
                "{}/?database={}",
                self.clickhouse.url(),
                self.clickhouse.database()
            ))
            .body(sql.to_owned())
            .send()
            .await
            .expect("an answer");
        let status = reply.status();
        let text = reply.text().await.expect("text");
        assert!(status.is_success(), "{status}: {text}: {sql}");
        text
    }
}

async fn new_tenant(db: &Db, store: &Store, slug: &str, csv: &str) -> Caller {
    let cx = db.system().await.expect("system");
    let new = NewTenant {
        slug: slug.into(),
        name: slug.into(),
        simulated: false,
    };
    let tenant = tenant::create(&cx, new).await.expect("a tenant");
    cx.commit().await.expect("committed");
    let scope = scope(tenant.id, Role::TenantAdmin);
    import(db, &scope, csv).await;
    enter(db, store, scope).await.expect("entered")
}

async fn enter(db: &Db, store: &Store, scope: Scope) -> Result<Caller> {
    let entry = Entry::new(db.clone(), store.clone());
    let deliverer = entry.enter_to_deliver(&scope, "test").await?;
    Ok(Caller { scope, deliverer })
}

async fn import(db: &Db, scope: &Scope, csv: &str) {
    let file = Cursor::new(csv.as_bytes().to_vec());
    let report = fleet::import_file(db, scope, file, &NothingCounted, |_| ())
        .await
        .expect("imported");
    assert_eq!(report.rejected, 0, "{:?}", report.errors);
}

fn parse(row: &str) -> Totals {
    let numbers: Vec<i128> = row
        .trim()
        .split('\t')
        .map(|n| n.parse().expect("a number"))
        .collect();
    let [records, up, down, units] = numbers[..] else {
        panic!("four columns: {row}")
    };
    let sum = |n: i128| u128::try_from(n).expect("not negative");
    Totals {
        records: u64::try_from(records).expect("not negative"),
        up: sum(up),
        down: sum(down),
        units: sum(units),
    }
}

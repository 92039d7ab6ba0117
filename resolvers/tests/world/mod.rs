//! Two tenants of the same shape on real engines, and callers of every role.
//!
//! Alpha has the customers Bosch (everything open) and Dyer (devices only), and SIMs of nobody; Beta mirrors it.
#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod at;
pub(crate) mod contract;
pub(crate) mod happening;
pub(crate) mod mutation;
pub(crate) mod rich;
pub(crate) mod session;
pub(crate) mod table;

use std::{
    collections::HashMap,
    io::Cursor,
    sync::{Arc, Mutex, PoisonError},
};

use analytics::{
    CdrRow, Store,
    cdr::{self, Attempt},
};
use async_graphql::Response;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use domain::{
    Clock, Db, Role, Scope, SystemClock, customer, device, fleet,
    id::BatchId,
    identifier::Iccid,
    identity::{Known, VerifiedClaims},
    journal,
    list::{List as _, Order},
    paging::PageRequest,
    scope::Visibility,
    sim::{Sim, SimFilter},
    tenant::Retentions,
    tenant::{self, NewTenant},
};
use exports::{Exports, Files, Settings};
use resolvers::{Api, Limits};
use serde_json::{Value, json};
use service::{Entry, Question, Session};
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) struct World {
    pub(crate) entry: Entry,
    pub(crate) db: Db,
    pub(crate) store: Store,
    pub(crate) api: Api,
    pub(crate) exports: Exports,
    _files: TempDir,
    /// When it began.
    pub(crate) now: DateTime<Utc>,
    clock: Arc<StandingClock>,
    postgres: testkit::PostgresDb,
    clickhouse: testkit::ClickHouseDb,
}

/// A clock that stands still until it is moved.
struct StandingClock(Mutex<DateTime<Utc>>);

impl Clock for StandingClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A caller: tenant, role, and the customer its token names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller(
    pub(crate) &'static str,
    pub(crate) Role,
    pub(crate) Option<&'static str>,
);

pub(crate) const CALLERS: [Caller; 11] = [
    Caller("alpha", Role::PlatformAdmin, None),
    Caller("alpha", Role::TenantAdmin, None),
    Caller("alpha", Role::Support, None),
    Caller("alpha", Role::Viewer, Some("bosch")),
    Caller("alpha", Role::CustomerUser, Some("bosch")),
    // Nothing but devices: by the customer's switches, and by grants.
    Caller("alpha", Role::CustomerUser, Some("dyer")),
    POOL,
    Caller("alpha", Role::Ingest, None),
    Caller("beta", Role::TenantAdmin, None),
    Caller("beta", Role::Viewer, Some("bosch")),
    Caller("beta", Role::CustomerUser, Some("dyer")),
];

/// A viewer whose token names no customer: it sees what was granted to it, which in the rich world is two devices.
pub(crate) const POOL: Caller = Caller("alpha", Role::Viewer, None);

impl Caller {
    /// Subject of the caller's tokens.
    pub(crate) fn subject(self) -> String {
        let Self(tenant, role, customer) = self;
        match (role, customer) {
            (Role::Viewer, None) => format!("pool@{tenant}"),
            _ => format!("{role}@{tenant}"),
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Box::pin(Self::opened()).await
    }

    async fn opened() -> Self {
        let (postgres, clickhouse) = (testkit::postgres(), testkit::clickhouse());
        let now = Utc.with_ymd_and_hms(2026, 11, 21, 12, 0, 0).unwrap();
        let clock = Arc::new(StandingClock(Mutex::new(now)));
        let db = Db::connect(postgres.url(), 4, clock.clone())
            .await
            .expect("postgres");
        let store = Store::remote(clickhouse.url())
            .expect("url")
            .with_database(clickhouse.database());
        let entry = Entry::new(db.clone(), store.clone());
        let files = tempfile::tempdir().expect("a folder");
        let exports = Files::in_folder(files.path()).expect("files");
        let exports = Exports::new(entry.clone(), exports, Settings::default());
        let api = Api::new(Limits::default(), exports.clone());
        let world = Self {
            entry,
            exports,
            _files: files,
            db,
            store,
            api,
            now,
            clock,
            postgres,
            clickhouse,
        };
        for (slug, operator) in [("alpha", "8944501"), ("beta", "8946007")] {
            world.tenant(slug, operator).await;
        }
        world
    }

    /// Takes another way to ClickHouse, on which questions are counted and can be held up.
    pub(crate) async fn gate(&mut self) -> testkit::Gate {
        let gate = testkit::Gate::before(self.clickhouse.url()).await;
        let store = Store::remote(gate.url()).expect("a URL");
        self.store = store.with_database(self.clickhouse.database());
        self.entry = Entry::new(self.db.clone(), self.store.clone());
        gate
    }

    /// Lets whole types be asked for at once, and every error be seen.
    pub(crate) fn ask_for_whole_types(&mut self) {
        let limits = Limits {
            aliases: 1_000,
            errors: 1_000,
            cost: u64::MAX,
            ..Limits::default()
        };
        self.api = Api::new(limits, self.exports.clone());
    }

    /// From now on it is this moment.
    pub(crate) fn move_clock(&self, to: DateTime<Utc>) {
        *self.clock.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    pub(crate) fn claims(caller: Caller) -> VerifiedClaims {
        let Caller(tenant, role, customer) = caller;
        let customer = customer.map(Into::into);
        let claims = VerifiedClaims::new(caller.subject(), tenant.into(), role, customer);
        claims.expect("claims")
    }

    pub(crate) async fn scope(&self, caller: Caller) -> Scope {
        let cx = Known::default().open(&self.db, &Self::claims(caller)).await;
        cx.expect("a snapshot").scope().clone()
    }

    pub(crate) async fn run(&self, caller: Caller, query: &str, variables: Value) -> Value {
        let (answer, _) = self.ask(caller, query, variables).await;
        serde_json::from_slice(&answer).expect("json")
    }

    /// The answer byte for byte, and whether it was kept since an earlier time.
    pub(crate) async fn ask(&self, caller: Caller, query: &str, variables: Value) -> (Bytes, bool) {
        self.ask_as(Self::claims(caller), query, variables).await
    }

    /// The same for any token.
    pub(crate) async fn ask_as(
        &self,
        claims: VerifiedClaims,
        query: &str,
        variables: Value,
    ) -> (Bytes, bool) {
        let asked = json!({ "query": query, "variables": variables });
        let question = Question::new(claims, "test", asked.to_string().into());
        if let Some(answer) = self.entry.recall(&question).await.expect("asked") {
            return (answer, true);
        }
        let session = self.entry.enter(question.claims(), "test").await;
        let session = session.expect("entered");
        let response = self.execute(session.clone(), query, variables).await;
        let answer: Bytes = serde_json::to_vec(&response).expect("json").into();
        let is_kept = response.is_ok() && !query.starts_with("mutation");
        if let Some(basis) = session.basis().filter(|_| is_kept) {
            self.entry.keep(question, "test", basis, answer.clone());
        }
        (answer, false)
    }

    async fn execute(&self, session: Session, query: &str, variables: Value) -> Response {
        let variables = async_graphql::Variables::from_json(variables);
        let request = async_graphql::Request::new(query).variables(variables);
        self.execute_request(session, request).await
    }

    async fn execute_request(
        &self,
        session: Session,
        mut request: async_graphql::Request,
    ) -> Response {
        match self.api.admit(&mut request) {
            Ok(()) => Box::pin(self.api.execute(session, request)).await,
            Err(refusal) => *refusal,
        }
    }

    /// A new answer to any request.
    pub(crate) async fn run_request(
        &self,
        caller: Caller,
        request: async_graphql::Request,
    ) -> Value {
        let session = self.entry.enter(&Self::claims(caller), "test").await;
        let response = self
            .execute_request(session.expect("entered"), request)
            .await;
        serde_json::to_value(response).expect("json")
    }

    /// A new answer, whatever is kept, and how many statements and round trips of Postgres it took.
    pub(crate) async fn run_counted(
        &self,
        caller: Caller,
        query: &str,
        variables: Value,
    ) -> (Value, (u64, u64)) {
        let (response, session) = self.answered(caller, query, variables).await;
        (
            serde_json::to_value(response).expect("json"),
            (session.statements(), session.trips()),
        )
    }

    /// The answer as it is made, and the session it was made in.
    pub(crate) async fn answered(
        &self,
        caller: Caller,
        query: &str,
        variables: Value,
    ) -> (Response, Session) {
        self.answered_by(&self.entry, caller, query, variables)
            .await
    }

    async fn answered_by(
        &self,
        entry: &Entry,
        caller: Caller,
        query: &str,
        variables: Value,
    ) -> (Response, Session) {
        let session = entry.enter(&Self::claims(caller), "test").await;
        let session = session.expect("entered");
        let response = self.execute(session.clone(), query, variables).await;
        (response, session)
    }

    /// Another entry to the same stores, which has kept nothing yet.
    pub(crate) async fn another_entry(&self) -> Entry {
        let db = Db::connect(self.postgres.url(), 4, self.clock.clone()).await;
        Entry::new(db.expect("postgres"), self.store.clone())
    }

    /// The answer byte for byte that another entry makes.
    pub(crate) async fn anew(&self, entry: &Entry, caller: Caller, query: &str) -> Bytes {
        let (response, _) = self.answered_by(entry, caller, query, json!({})).await;
        serde_json::to_vec(&response).expect("json").into()
    }

    /// Runs a statement past the program.
    pub(crate) fn by_hand(&self, sql: &str) {
        self.postgres.run(sql);
    }

    /// What a statement with one column finds, past the program.
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        self.postgres.texts(sql)
    }

    /// Another transaction that has run this statement and goes when it is dropped.
    pub(crate) async fn hold(&self, sql: &str) -> testkit::Held {
        self.postgres.hold(sql).await
    }

    /// Where the cubes are.
    pub(crate) fn clickhouse(&self) -> &str {
        self.clickhouse.url()
    }

    /// Actions in a tenant's audit log, oldest first.
    pub(crate) fn audited(&self, slug: &str) -> Vec<String> {
        let text = format!(
            "SELECT a.action FROM audit a JOIN tenant t USING (tenant_id) WHERE t.slug = '{slug}' ORDER BY a.audit_id"
        );
        self.postgres.texts(&text)
    }

    /// A tenant's audit log, oldest first: `at`, `actor`, `role`, `action`, `subject` and `detail`.
    pub(crate) fn trail(&self, slug: &str) -> Vec<Value> {
        let text = format!(
            "SELECT jsonb_build_object('at', to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), \
                 'actor', a.actor, 'role', a.role, 'action', a.action, 'subject', a.subject, 'detail', a.detail)::text \
             FROM audit a JOIN tenant t USING (tenant_id) WHERE t.slug = '{slug}' ORDER BY a.audit_id"
        );
        let lines = self.postgres.texts(&text);
        let read = |line: &String| serde_json::from_str(line).expect("JSON");
        lines.iter().map(read).collect()
    }

    pub(crate) async fn tenant(&self, slug: &'static str, prefix: &str) {
        let name = format!("{slug} networks");
        let system = self.db.system().await.expect("system");
        let new = NewTenant {
            slug: slug.into(),
            name,
            simulated: false,
        };
        tenant::create(&system, new).await.expect("tenant");
        system.commit().await.expect("commit");
        let admin = self.scope(Caller(slug, Role::TenantAdmin, None)).await;
        let file = Cursor::new(fleet_file(slug, prefix));
        let report = fleet::import_file(&self.db, &admin, file, &self.store, |_| ())
            .await
            .expect("import");
        assert_eq!(
            (report.created, report.rejected),
            (7, 0),
            "{:?}",
            report.errors
        );
        for (customer, visibility) in [
            ("bosch", Visibility::ALL),
            ("dyer", Visibility::DEVICES_ONLY),
        ] {
            let cx = self.db.write(&admin).await.expect("write");
            let found = customer::get_by_slug(&cx, customer)
                .await
                .expect("customer");
            customer::set_visibility(cx, found.id, visibility)
                .await
                .expect("switches");
        }
        self.usage(slug, &admin).await;
    }

    /// Three records a SIM, on two networks, on three days of October.
    async fn usage(&self, slug: &str, admin: &Scope) {
        let cx = self.db.read(admin).await.expect("read");
        let (filter, first) = (SimFilter::default(), PageRequest::first_page());
        let page = Sim::page(&cx, &filter, Order::default(), &first)
            .await
            .expect("sims");
        let sims: Vec<_> = page.rows.into_iter().map(|(_, sim)| sim).collect();
        let ids: Vec<_> = sims.iter().map(|sim| sim.id).collect();
        let devices: HashMap<_, device::Device> =
            device::by_sims(&cx, &ids).await.expect("devices");
        let source = format!("{slug}-gateway");
        let batch = BatchId::new(Uuid::now_v7());
        let mut rows = Vec::new();
        for (n, sim) in (1_u64..).zip(&sims) {
            for day in 1..=3_u32 {
                let record_id = format!("{slug}-record-{n}-{day}");
                let start = Utc.with_ymd_and_hms(2026, 10, day, 10, 30, 0).unwrap();
                rows.push(CdrRow {
                    tenant: admin.tenant(),
                    customer: sim.customer,
                    sim: sim.id,
                    device: devices.get(&sim.id).map(|device| device.id),
                    network: if day == 1 { "262-01" } else { "238-01" }.into(),
                    rat: "LTE".into(),
                    service: "DATA".into(),
                    source: source.clone(),
                    identity: journal::identity(admin.tenant(), &source, &record_id),
                    record_id,
                    start,
                    end: start + TimeDelta::minutes(5),
                    bytes_up: n * 1_000,
                    bytes_down: n * 10_000 + u64::from(day),
                    units: 0,
                    sign: 1,
                    batch,
                    received_at: self.now,
                });
            }
        }
        self.apply(batch, &rows).await;
        self.sessions_beside(&rows).await;
    }

    /// Inserts records; the deadline is by the engine's clock, which is the real one.
    pub(crate) async fn apply(&self, batch: BatchId, rows: &[CdrRow]) {
        let attempt = Attempt {
            batch,
            apply_by: SystemClock.now() + TimeDelta::hours(1),
        };
        let payload = cdr::encode(rows);
        let kept = Retentions::default();
        let applied = self
            .store
            .apply(&attempt, rows.len() as u64, &payload, &kept);
        applied.await.expect("applied");
        // These records are in no journal, whose marks raise it.
        let raise = "SELECT raise_version(ARRAY(SELECT tenant_id FROM tenant), 'usage')";
        self.postgres.run(raise);
    }
}

/// Three SIMs of Bosch, two of Dyer, two of nobody; each in a device, with labels.
pub(crate) fn fleet_file(slug: &str, prefix: &str) -> String {
    let mut csv = String::from("customer,iccid,imsi,msisdn,state,device,labels,device_kind\n");
    for (n, customer) in ["Bosch", "Bosch", "Bosch", "Dyer", "Dyer", "", ""]
        .iter()
        .enumerate()
    {
        let iccid = iccid(prefix, n);
        let number = prefix.trim_start_matches("89");
        csv.push_str(&format!(
            "{customer},{iccid},23450{number}000{n},{number}0000{n},ACTIVE,{slug}-device-{n},location=field;owner={slug},modem\n"
        ));
    }
    csv
}

/// The serial number of a tenant's SIM.
pub(crate) fn iccid(prefix: &str, n: usize) -> String {
    let iccid = Iccid::with_check_digit(&format!("{prefix}00000000000{n}")).expect("19 digits");
    iccid.as_str().to_owned()
}

/// The code of every error, in order.
pub(crate) fn codes(answer: &Value) -> Vec<String> {
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    errors
        .iter()
        .map(|error| {
            error["extensions"]["code"]
                .as_str()
                .unwrap_or("NONE")
                .to_owned()
        })
        .collect()
}

/// A question about October 2026.
pub(crate) fn october() -> Value {
    json!({ "period": { "between": { "from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z" } } })
}

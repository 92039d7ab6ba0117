//! Two tenants of the same shape on real engines, and callers of every role.

use std::{fmt::Write as _, io::Cursor, sync::Arc};

use analytics::{
    CdrRow, Store,
    cdr::{self, Attempt},
};
use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use domain::{
    Clock, Db, ReadCx, Role, Scope, SystemClock, customer, device,
    grant::{self, GrantTarget},
    id::{BatchId, CustomerId},
    identity::{Known, VerifiedClaims},
    journal,
    list::{List as _, Order},
    paging::PageRequest,
    scope::Visibility,
    sim::{Sim, SimFilter},
    tenant::Retentions,
    tenant::{self, NewTenant},
};
use exports::{Asked, DataSet, Export, Format, Manifest, Request};
use service::{Entry, Session};
use uuid::Uuid;

/// A caller: subject, tenant, role, and the customer that its token names.
pub(crate) type Caller = (&'static str, &'static str, Role, Option<&'static str>);

pub(crate) const ADMIN: Caller = ("admin", "alpha", Role::TenantAdmin, None);
pub(crate) const SUPPORT: Caller = ("support", "alpha", Role::Support, None);
pub(crate) const STAFF: Caller = ("staff", "alpha", Role::PlatformAdmin, None);
/// Sees Bosch by a grant.
pub(crate) const VIEWER: Caller = ("viewer", "alpha", Role::Viewer, None);
/// Sees one SIM by a grant, which went from Bosch to Dyer.
pub(crate) const POOL: Caller = ("pool", "alpha", Role::Viewer, None);
/// Was granted nothing.
pub(crate) const NOBODY: Caller = ("nobody", "alpha", Role::Viewer, None);
pub(crate) const BOSCH: Caller = ("user", "alpha", Role::CustomerUser, Some("bosch"));
pub(crate) const DYER: Caller = ("user", "alpha", Role::CustomerUser, Some("dyer"));
pub(crate) const INGEST: Caller = ("gateway", "alpha", Role::Ingest, None);
pub(crate) const BETA: Caller = ("admin", "beta", Role::TenantAdmin, None);

pub(crate) const QUESTION: &str =
    r#"{"period": {"between": {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}}}"#;
const EVER: &str =
    r#"{"period": {"between": {"from": "2020-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"}}}"#;
const CUBES: &str = r#"{"measures": ["RECORDS", "ACTIVE_SIMS"], "group_by": [{"dimension": "CUSTOMER"}],
    "period": {"between": {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}}}"#;

/// Of these nobody knows before how many rows there will be.
const OF_CUBES: [DataSet; 3] = [
    DataSet::Usage,
    DataSet::CustomerUsage,
    DataSet::NetworkUsage,
];

struct StandingClock(DateTime<Utc>);

impl Clock for StandingClock {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

pub(crate) struct World {
    pub(crate) db: Db,
    store: Store,
    pub(crate) postgres: testkit::PostgresDb,
    pub(crate) clickhouse: testkit::ClickHouseDb,
}

fn claims((subject, tenant, role, customer): Caller) -> VerifiedClaims {
    let customer = customer.map(Into::into);
    VerifiedClaims::new(subject.into(), tenant.into(), role, customer).expect("claims")
}

impl World {
    pub(crate) async fn new() -> Self {
        let (postgres, clickhouse) = (testkit::postgres(), testkit::clickhouse());
        let now = Utc.with_ymd_and_hms(2026, 11, 21, 12, 0, 0).unwrap();
        let db = Db::connect(postgres.url(), 4, Arc::new(StandingClock(now)));
        let store = Store::remote(clickhouse.url()).expect("a URL");
        let world = Self {
            db: db.await.expect("Postgres"),
            store: store.with_database(clickhouse.database()),
            postgres,
            clickhouse,
        };
        for (tenant, prefix) in [("alpha", "8944501"), ("beta", "8946007")] {
            world.tenant(tenant, prefix).await;
        }
        world
    }

    pub(crate) async fn scope(&self, caller: Caller) -> Scope {
        let cx = Known::default().open(&self.db, &claims(caller)).await;
        cx.expect("a snapshot").scope().clone()
    }

    /// Three SIMs of Bosch, one of Dyer and one of nobody, each in a device and with two records. Then the third goes to Dyer.
    async fn tenant(&self, slug: &'static str, prefix: &str) {
        let system = self.db.system().await.expect("the platform");
        let new = NewTenant {
            slug: slug.into(),
            name: slug.to_uppercase(),
            simulated: false,
        };
        tenant::create(&system, new).await.expect("a tenant");
        system.commit().await.expect("committed");
        let admin = self.scope(("admin", slug, Role::TenantAdmin, None)).await;
        let mut csv = "customer,iccid,state,device,valid_from\n".to_owned();
        for (n, customer) in ["Bosch", "Bosch", "Bosch", "Dyer", ""].iter().enumerate() {
            let from = if n == 4 { "" } else { "2026-01-01" };
            writeln!(
                csv,
                "{customer},{prefix}00000000000{n},ACTIVE,{slug}-device-{n},{from}"
            )
            .unwrap();
        }
        self.import(&admin, csv).await;
        self.usage(slug, &admin).await;
        let moved = format!(
            "customer,iccid,state,device,valid_from\nDyer,{prefix}000000000002,ACTIVE,{slug}-other,2026-11-10\n"
        );
        self.import(&admin, moved).await;
        let source = format!("{slug}-gateway");
        self.postgres.run(&format!(
            "INSERT INTO intake_rejection (tenant_id, source, identity, record_id, code, message, raw, received_at)
             SELECT tenant_id, '{source}', NULL, '{slug}-refused', 'UNKNOWN_ICCID', 'no such SIM', '{{}}', '2026-10-01' FROM tenant WHERE slug = '{slug}';
             INSERT INTO intake_accounting (tenant_id, source, received_hour, event_hour, received, accepted, duplicate, rejected, bytes_up, bytes_down)
             SELECT tenant_id, '{source}', '2026-10-01', '2026-10-01', 11, 10, 0, 1, 10, 20 FROM tenant WHERE slug = '{slug}'"
        ));
    }

    async fn import(&self, admin: &Scope, csv: String) {
        let file = Cursor::new(csv);
        let report = domain::fleet::import_file(&self.db, admin, file, &self.store, |_| ()).await;
        let report = report.expect("an import");
        assert_eq!(report.rejected, 0, "{:?}", report.errors);
    }

    async fn usage(&self, slug: &str, admin: &Scope) {
        let cx = self.db.read(admin).await.expect("a snapshot");
        let sims = sims(&cx).await;
        let ids: Vec<_> = sims.iter().map(|sim| sim.id).collect();
        let devices = device::by_sims(&cx, &ids).await.expect("devices");
        let source = format!("{slug}-gateway");
        let batch = BatchId::new(Uuid::now_v7());
        let mut rows = Vec::new();
        for (n, sim) in sims.iter().enumerate() {
            for day in [1, 2] {
                let start = Utc.with_ymd_and_hms(2026, 10, day, 10, 0, 0).unwrap();
                let record_id = format!("{}-{day}", sim.iccid);
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
                    bytes_up: n as u64 + 1,
                    bytes_down: 10,
                    units: 0,
                    sign: 1,
                    batch,
                    received_at: start + TimeDelta::hours(1),
                });
            }
        }
        let attempt = Attempt {
            batch,
            apply_by: SystemClock.now() + TimeDelta::hours(1),
        };
        let payload = cdr::encode(&rows);
        let kept = Retentions::default();
        let applied = self
            .store
            .apply(&attempt, rows.len() as u64, &payload, &kept);
        applied.await.expect("applied");
    }

    pub(crate) async fn customer(&self, slug: &str) -> CustomerId {
        let admin = self.scope(ADMIN).await;
        let cx = self.db.read(&admin).await.expect("a snapshot");
        let customer = customer::get_by_slug(&cx, slug).await;
        customer.expect("a customer").id
    }

    pub(crate) async fn open(&self, customer: &str, visibility: Visibility) {
        let id = self.customer(customer).await;
        let cx = self
            .db
            .write(&self.scope(ADMIN).await)
            .await
            .expect("a change");
        let set = customer::set_visibility(cx, id, visibility).await;
        set.expect("set");
    }

    pub(crate) async fn grant(&self, (subject, ..): Caller, target: GrantTarget) {
        let cx = self
            .db
            .write(&self.scope(ADMIN).await)
            .await
            .expect("a change");
        grant::add(cx, subject, vec![target])
            .await
            .expect("granted");
    }

    pub(crate) async fn session(&self, caller: Caller) -> Session {
        let entry = Entry::new(self.db.clone(), self.store.clone());
        let session = entry.enter(&claims(caller), "export").await;
        session.expect("entered")
    }

    /// The file of a data set, or the code of the refusal.
    pub(crate) async fn export(
        &self,
        caller: Caller,
        data_set: DataSet,
    ) -> Result<(Manifest, String), String> {
        let json = match (data_set, data_set.entry().asked) {
            (_, Asked::Filter) => None,
            (DataSet::Usage, _) => Some(CUBES),
            (DataSet::Audit | DataSet::IngestAccounting, _) => Some(EVER),
            _ => Some(QUESTION),
        };
        let request = Request::parse(data_set, json).expect("a request");
        let session = self.session(caller).await;
        let export = Export {
            session: &session,
            request: &request,
            form: Format::Csv.into(),
        };
        let code = |error: exports::Error| error.code().to_string();
        let mut begun = export.begin().await.map_err(code)?;
        let expected = begun.count().await.map_err(code)?;
        let (mut file, mut told) = (Vec::new(), Vec::new());
        let written = begun.write(&mut file, expected, |progress| told.push(progress.expected));
        let manifest = written.await.map_err(code)?;
        // What is foreseen is what comes.
        let rows = manifest.contents.rows;
        let known = (!OF_CUBES.contains(&data_set)).then_some(rows);
        assert_eq!(expected, known, "{caller:?} {data_set:?}");
        assert!(told.iter().all(|told| *told == expected));
        Ok((manifest, String::from_utf8(file).expect("text")))
    }
}

/// The SIMs that are seen, by ICCID.
pub(crate) async fn sims(cx: &ReadCx) -> Vec<Sim> {
    let (filter, first) = (SimFilter::default(), PageRequest::first_page());
    let page = Sim::page(cx, &filter, Order::default(), &first).await;
    let rows = page.expect("SIMs").rows.into_iter();
    rows.map(|(_, sim)| sim).collect()
}

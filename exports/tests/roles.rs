//! What each caller gets of each data set: nothing that is closed to it, and no rows of others.

use std::{fmt::Write as _, io::Cursor, sync::Arc};

use analytics::{
    CdrRow, Store,
    cdr::{self, Attempt},
};
use chrono::{DateTime, TimeDelta, TimeZone as _, Utc};
use domain::{
    Clock, Db, ReadCx, Role, Scope, SystemClock, assignment, customer, device,
    grant::{self, GrantTarget},
    id::{BatchId, CustomerId},
    identity::{Known, VerifiedClaims},
    journal,
    list::{List as _, Order},
    paging::PageRequest,
    scope::Visibility,
    sim::{Sim, SimFilter},
    tenant::{self, NewTenant},
};
use exports::{Asked, DataSet, Export, Format, Manifest, Request};
use service::Entry;
use strum::VariantArray as _;
use uuid::Uuid;

/// A caller: subject, tenant, role, and the customer that its token names.
type Caller = (&'static str, &'static str, Role, Option<&'static str>);

const ADMIN: Caller = ("admin", "alpha", Role::TenantAdmin, None);
const SUPPORT: Caller = ("support", "alpha", Role::Support, None);
const STAFF: Caller = ("staff", "alpha", Role::PlatformAdmin, None);
/// Sees Bosch by a grant.
const VIEWER: Caller = ("viewer", "alpha", Role::Viewer, None);
/// Sees one SIM by a grant, which went from Bosch to Dyer.
const POOL: Caller = ("pool", "alpha", Role::Viewer, None);
/// Was granted nothing.
const NOBODY: Caller = ("nobody", "alpha", Role::Viewer, None);
const BOSCH: Caller = ("user", "alpha", Role::CustomerUser, Some("bosch"));
const DYER: Caller = ("user", "alpha", Role::CustomerUser, Some("dyer"));
const INGEST: Caller = ("gateway", "alpha", Role::Ingest, None);
const BETA: Caller = ("admin", "beta", Role::TenantAdmin, None);

const QUESTION: &str =
    r#"{"period": {"between": {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}}}"#;
const EVER: &str =
    r#"{"period": {"between": {"from": "2020-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z"}}}"#;
const CUBES: &str = r#"{"measures": ["RECORDS", "ACTIVE_SIMS"], "group_by": [{"dimension": "CUSTOMER"}],
    "period": {"between": {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"}}}"#;

struct StandingClock(DateTime<Utc>);

impl Clock for StandingClock {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

struct World {
    db: Db,
    store: Store,
    postgres: testkit::PostgresDb,
    _clickhouse: testkit::ClickHouseDb,
}

fn claims((subject, tenant, role, customer): Caller) -> VerifiedClaims {
    let customer = customer.map(Into::into);
    VerifiedClaims::new(subject.into(), tenant.into(), role, customer).expect("claims")
}

impl World {
    async fn new() -> Self {
        let (postgres, clickhouse) = (testkit::postgres(), testkit::clickhouse());
        let now = Utc.with_ymd_and_hms(2026, 11, 21, 12, 0, 0).unwrap();
        let db = Db::connect(postgres.url(), 4, Arc::new(StandingClock(now)));
        let store = Store::remote(clickhouse.url()).expect("a URL");
        let world = Self {
            db: db.await.expect("Postgres"),
            store: store.with_database(clickhouse.database()),
            postgres,
            _clickhouse: clickhouse,
        };
        for (tenant, prefix) in [("alpha", "8944501"), ("beta", "8946007")] {
            world.tenant(tenant, prefix).await;
        }
        world
    }

    async fn scope(&self, caller: Caller) -> Scope {
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
        let applied = self.store.apply(&attempt, rows.len() as u64, &payload);
        applied.await.expect("applied");
    }

    async fn customer(&self, slug: &str) -> CustomerId {
        let admin = self.scope(ADMIN).await;
        let cx = self.db.read(&admin).await.expect("a snapshot");
        let customer = customer::get_by_slug(&cx, slug).await;
        customer.expect("a customer").id
    }

    async fn open(&self, customer: &str, visibility: Visibility) {
        let id = self.customer(customer).await;
        let cx = self
            .db
            .write(&self.scope(ADMIN).await)
            .await
            .expect("a change");
        let set = customer::set_visibility(cx, id, visibility).await;
        set.expect("set");
    }

    async fn grant(&self, (subject, ..): Caller, target: GrantTarget) {
        let cx = self
            .db
            .write(&self.scope(ADMIN).await)
            .await
            .expect("a change");
        grant::add(cx, subject, vec![target])
            .await
            .expect("granted");
    }

    /// The file of a data set, or the code of the refusal.
    async fn export(
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
        let entry = Entry::new(self.db.clone(), self.store.clone());
        let session = entry
            .enter(&claims(caller), "export")
            .await
            .expect("entered");
        let export = Export {
            session: &session,
            request: &request,
            format: Format::Csv,
        };
        let mut file = Vec::new();
        let written = export.write(&mut file, |_| ()).await;
        let manifest = written.map_err(|error| error.code().to_string())?;
        Ok((manifest, String::from_utf8(file).expect("text")))
    }

    /// What a caller gets of some data sets. Identifiers are masked, and rows sorted, because both differ from run to run.
    async fn seen(&self, caller: Caller, data_sets: &[DataSet]) -> String {
        let mut text = String::new();
        for data_set in data_sets {
            writeln!(text, "# {}", data_set.as_ref()).unwrap();
            match self.export(caller, *data_set).await {
                Err(code) => writeln!(text, "{code}").unwrap(),
                Ok((manifest, file)) => {
                    let closed = manifest.contents.closed.join(" ");
                    writeln!(text, "closed: {closed}").unwrap();
                    let mut lines = file.lines().map(masked);
                    writeln!(text, "{}", lines.next().expect("a header")).unwrap();
                    let mut lines: Vec<String> = lines.collect();
                    lines.sort();
                    for line in lines {
                        writeln!(text, "{line}").unwrap();
                    }
                }
            }
        }
        text
    }
}

/// The SIMs that are seen, by ICCID.
async fn sims(cx: &ReadCx) -> Vec<Sim> {
    let (filter, first) = (SimFilter::default(), PageRequest::first_page());
    let page = Sim::page(cx, &filter, Order::default(), &first).await;
    let rows = page.expect("SIMs").rows.into_iter();
    rows.map(|(_, sim)| sim).collect()
}

/// A line without what is random in it.
fn masked(line: &str) -> String {
    let cell = |cell: &str| match cell.split_once('_') {
        Some((prefix, rest)) if rest.len() == 32 => format!("{prefix}_#"),
        _ => cell.to_owned(),
    };
    line.split(',').map(cell).collect::<Vec<_>>().join(",")
}

/// Data sets whose rows have no moment of this run.
const ROWS: [DataSet; 6] = [
    DataSet::Records,
    DataSet::Assignments,
    DataSet::CustomerUsage,
    DataSet::NetworkUsage,
    DataSet::IngestRejections,
    DataSet::IngestAccounting,
];

#[tokio::test]
async fn each_caller_gets_its_rows_and_its_columns() {
    let world = World::new().await;
    world.open("bosch", Visibility::ALL).await;
    world.open("dyer", Visibility::DEVICES_ONLY).await;
    let bosch = world.customer("bosch").await;
    world.grant(VIEWER, GrantTarget::Customer(bosch)).await;
    let admin = world.scope(ADMIN).await;
    let cx = world.db.read(&admin).await.expect("a snapshot");
    let moved = sims(&cx).await[2].id;
    let spans = assignment::by_sims(&cx, &[moved]).await.expect("spans");
    assert_eq!(spans[&moved].len(), 2);
    drop(cx);
    world.grant(POOL, GrantTarget::Sim(moved)).await;

    for (name, caller) in [
        ("admin", ADMIN),
        ("viewer_of_a_customer", VIEWER),
        ("viewer_of_a_sim", POOL),
        ("viewer_of_nothing", NOBODY),
        ("customer", BOSCH),
        ("devices_only_customer", DYER),
    ] {
        insta::assert_snapshot!(name, world.seen(caller, &ROWS).await);
    }
    // Staff and support see the tenant; what intake did, too.
    let all = world.seen(ADMIN, &ROWS).await;
    assert_eq!(world.seen(STAFF, &ROWS).await, all);
    assert_eq!(world.seen(SUPPORT, &ROWS).await, all);
    // Another tenant sees the same of its own, and nothing of this one.
    let beta = world.seen(BETA, &ROWS).await;
    assert_eq!(
        beta.replace("beta", "alpha").replace("8946007", "8944501"),
        all
    );
    assert!(!beta.contains("alpha") && !all.contains("beta"));
}

#[tokio::test]
async fn each_switch_closes_its_columns_and_data_sets() {
    let world = World::new().await;
    let mut text = String::new();
    for (name, closed) in [
        (
            "devices",
            Visibility {
                devices: false,
                ..Visibility::ALL
            },
        ),
        (
            "sims",
            Visibility {
                sims: false,
                ..Visibility::ALL
            },
        ),
        (
            "sessions",
            Visibility {
                sessions: false,
                ..Visibility::ALL
            },
        ),
        (
            "usage",
            Visibility {
                usage: false,
                ..Visibility::ALL
            },
        ),
        (
            "billing",
            Visibility {
                billing: false,
                ..Visibility::ALL
            },
        ),
    ] {
        world.open("bosch", closed).await;
        writeln!(text, "## without {name}").unwrap();
        text.push_str(&world.seen(BOSCH, &ROWS[..3]).await);
    }
    insta::assert_snapshot!("switches", text);
}

#[tokio::test]
async fn whoever_may_not_ask_is_refused() {
    let world = World::new().await;
    world.open("bosch", Visibility::ALL).await;
    world.open("dyer", Visibility::DEVICES_ONLY).await;
    let mut text = String::new();
    for data_set in DataSet::VARIANTS {
        write!(text, "{}:", data_set.as_ref()).unwrap();
        for caller in [STAFF, ADMIN, SUPPORT, VIEWER, BOSCH, DYER, INGEST] {
            let got = match world.export(caller, *data_set).await {
                Ok((manifest, _)) => manifest.contents.rows.to_string(),
                Err(code) => code,
            };
            let (subject, _, role, customer) = caller;
            write!(text, " {}={got}", customer.unwrap_or(subject)).unwrap();
            let is_open = role.permissions().contains(&data_set.entry().needs);
            assert!(is_open || got == "FORBIDDEN", "{caller:?} {data_set:?}");
        }
        text.push('\n');
    }
    insta::assert_snapshot!("refusals", text);
}

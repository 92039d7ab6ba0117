//! Two tenants on a real Postgres, and the means to import and to look.

use std::{
    collections::HashMap,
    io::Cursor,
    sync::{Arc, Mutex},
};

use chrono::{DateTime, Utc};
use domain::{
    Clock, Db, Result, Role, Scope,
    fleet::{self, CountedUsage, Report},
    id::{SimId, TenantId},
    identity::VerifiedClaims,
    scope::{Segment, Visibility},
    tenant::{self, NewTenant},
};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use testkit::PostgresDb;

pub(crate) const NOW: &str = "2026-06-01T12:00:00Z";

pub(crate) fn moment(text: &str) -> DateTime<Utc> {
    text.parse().expect("a moment")
}

/// A clock that a test moves on.
#[derive(Clone)]
pub(crate) struct Hands(Arc<Mutex<DateTime<Utc>>>);

impl Clock for Hands {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().expect("clock")
    }
}

/// Counted usage by SIM; `Everywhere` is the same moment for all.
pub(crate) enum Counted {
    Nowhere,
    Everywhere(DateTime<Utc>),
}

impl CountedUsage for Counted {
    async fn last_counted(
        &self,
        _: &Scope,
        sims: &[SimId],
    ) -> Result<HashMap<SimId, DateTime<Utc>>> {
        Ok(match self {
            Self::Nowhere => HashMap::new(),
            Self::Everywhere(at) => sims.iter().map(|sim| (*sim, *at)).collect(),
        })
    }
}

pub(crate) struct House {
    _postgres: PostgresDb,
    pub(crate) url: String,
    pub(crate) db: Db,
    pub(crate) clock: Hands,
    pub(crate) alpha: Scope,
    pub(crate) beta: Scope,
}

pub(crate) fn scope(tenant: TenantId, role: Role) -> Scope {
    let customer = (role == Role::CustomerUser).then(|| "bosch".into());
    let claims = VerifiedClaims::new("test".into(), "alpha".into(), role, customer);
    let claims = claims.expect("claims");
    Scope::of_token(tenant, &claims, Segment::default(), Visibility::ALL)
}

impl House {
    pub(crate) async fn new() -> Self {
        let postgres = tokio::task::spawn_blocking(testkit::postgres)
            .await
            .expect("a test database");
        let url = postgres.url().to_owned();
        let clock = Hands(Arc::new(Mutex::new(moment(NOW))));
        let db = Db::connect(&url, 2, Arc::new(clock.clone()))
            .await
            .expect("connected");
        let mut tenants = Vec::new();
        for name in ["alpha", "beta"] {
            let cx = db.system().await.expect("system");
            let new = NewTenant {
                slug: name.into(),
                name: name.into(),
                simulated: false,
            };
            let tenant = tenant::create(&cx, new).await.expect("tenant");
            cx.commit().await.expect("committed");
            tenants.push(scope(tenant.id, Role::TenantAdmin));
        }
        let beta = tenants.pop().expect("beta");
        let alpha = tenants.pop().expect("alpha");
        Self {
            _postgres: postgres,
            url,
            db,
            clock,
            alpha,
            beta,
        }
    }

    pub(crate) async fn import_as(
        &self,
        scope: &Scope,
        csv: &str,
        counted: &Counted,
    ) -> Result<Report> {
        let reader = Cursor::new(csv.as_bytes().to_vec());
        fleet::import_file(&self.db, scope, reader, counted, |_| {}).await
    }

    pub(crate) async fn import(&self, csv: &str) -> Report {
        self.import_as(&self.alpha, csv, &Counted::Nowhere)
            .await
            .expect("imported")
    }

    /// The rows of a statement as text, by the superuser.
    pub(crate) async fn text(&self, sql: &str) -> Vec<String> {
        let server = Database::connect(&self.url).await.expect("connected");
        let statement = Statement::from_string(DbBackend::Postgres, "SET timezone = 'UTC'");
        server.execute_raw(statement).await.expect("UTC");
        let statement = Statement::from_string(
            DbBackend::Postgres,
            format!("SELECT row_to_json(x)::text AS t FROM ({sql}) x"),
        );
        let rows = server.query_all_raw(statement).await.expect("rows");
        rows.iter()
            .map(|row| row.try_get("", "t").expect("text"))
            .collect()
    }

    pub(crate) async fn assignments(&self) -> Vec<String> {
        self.text(
            "SELECT right(iccid, 2) AS sim, slug, valid::text FROM sim_customer
            JOIN sim USING (tenant_id, sim_id) JOIN customer ON customer.tenant_id = sim.tenant_id
                AND customer.customer_id = sim_customer.customer_id ORDER BY iccid, valid",
        )
        .await
    }

    /// Whose the devices were, and who sees them now.
    pub(crate) async fn owners(&self) -> Vec<String> {
        self.text(
            "SELECT device.name AS device, was.slug, valid::text, now.slug AS now FROM device
            LEFT JOIN device_customer USING (tenant_id, device_id)
            LEFT JOIN customer was ON was.tenant_id = device.tenant_id AND was.customer_id = device_customer.customer_id
            LEFT JOIN customer now ON now.tenant_id = device.tenant_id AND now.customer_id = device.customer_id
            ORDER BY device.name, valid",
        )
        .await
    }

    /// Tenant, device, label and value.
    pub(crate) async fn device_labels(&self) -> Vec<String> {
        self.text(
            "SELECT slug || ' ' || device.name || ' ' || key || '=' || value AS label FROM device_label
            JOIN label_definition USING (tenant_id, label_id) JOIN device USING (tenant_id, device_id)
            JOIN tenant USING (tenant_id) ORDER BY 1",
        )
        .await
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let server = Database::connect(&self.url).await.expect("connected");
        server.execute_unprepared(sql).await.expect("executed");
    }

    /// Takes in a row of this tenant, of an event at this moment, that is not counted yet.
    pub(crate) async fn journal(&self, slug: &str, event_at: &str) {
        let sql = format!(
            "INSERT INTO intake_batch_tenant (tenant_id, part, batch_id, state, rows, bytes_up, bytes_down, units, checksum,
                                              first_at, last_at, received_at)
            SELECT tenant_id, nextval('intake_part_seq'), uuidv7(), 'JOURNALED', 1, 0, 0, 0, 0,
                   '{event_at}', '{event_at}', '{event_at}' FROM tenant WHERE slug = '{slug}'"
        );
        self.execute(&sql).await;
    }

    /// Says of all that was taken in where it stands.
    pub(crate) async fn set_state(&self, state: &str) {
        let sql = format!("UPDATE intake_batch_tenant SET state = '{state}'");
        self.execute(&sql).await;
    }

    pub(crate) fn set_clock(&self, text: &str) {
        *self.clock.0.lock().expect("clock") = moment(text);
    }
}

pub(crate) fn counts(report: &Report) -> (u64, u64, u64, u64) {
    assert_eq!(
        report.rows,
        report.created + report.updated + report.unchanged + report.rejected
    );
    (
        report.created,
        report.updated,
        report.unchanged,
        report.rejected,
    )
}

pub(crate) fn errors(report: &Report) -> Vec<(u64, &str)> {
    report
        .errors
        .iter()
        .map(|error| (error.line, error.code.as_ref()))
        .collect()
}

//! What both sides of every comparison stand on: private engines, filled, and the server with its peers on loopback.

use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use analytics::{Store, migration::Step, network::Network};
use anyhow::{Context as _, Result, bail};
use axum::Router;
use chrono::{DateTime, Datelike as _, Months, NaiveDate, NaiveTime, Utc};
use domain::{
    Clock as _, Db, Role, Scope, SystemClock,
    id::TenantId,
    identifier::Plmn,
    identity::VerifiedClaims,
    scope::{Segment, Visibility},
};
use engines::{
    ClickHouseAddress, Engines,
    clickhouse::{Engine, InProcess},
};
use exports::{Exports, Files};
use ingest::pipeline::{Intake, NoFault};
use migrations::clickhouse::Layout;
use resolvers::Api;
use server::{
    auth::{DevelopmentKey, Verifier, development::Claims},
    config::Config,
    listener,
    route::{self, Metrics, Parts},
    stop::Stop,
    worker::{self, Worker},
};
use service::{Deliverer, Entry};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{
    engine::Socket,
    explain, fleet,
    plain::{self, Plain},
    process::{self, Served},
    say,
};

/// Everything that runs.
pub(crate) struct Stage {
    /// Records and cubes.
    pub(crate) store: Store,
    /// The same engine, straight.
    pub(crate) socket: Socket,
    /// The way in that the server uses.
    pub(crate) intake: Intake,
    /// Where the ledger is.
    pub(crate) db: Db,
    /// Where callers come in.
    pub(crate) entry: Entry,
    /// An administrator of the tenant.
    pub(crate) admin: Scope,
    /// Their leave to deliver usage records.
    pub(crate) deliverer: Deliverer,
    /// A token of the administrator.
    pub(crate) token: String,
    /// The month that has usage, half-open.
    pub(crate) month: (DateTime<Utc>, DateTime<Utc>),
    /// The server.
    pub(crate) server: SocketAddr,
    /// Handlers without GraphQL.
    pub(crate) peers: SocketAddr,
    /// The handler that shares nothing with the product, in a process of its own.
    pub(crate) floor: Served,
    stop: Stop,
    _socket_folder: TempDir,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.ask();
    }
}

impl Stage {
    /// Fills empty engines and serves on them.
    pub(crate) async fn build(engines: &Engines, config: &Config) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ClickHouseAddress::Embedded(engine) = engines.clickhouse() else {
            bail!("the engine is not in this process");
        };
        let socket = serve_engine(engine.clone(), folder.path());
        let store = Store::embedded(InProcess(engine.clone()));
        migrate(engines.database_url(), &store).await?;
        fleet::check_durable(engines.database_url()).await?;
        let now = SystemClock.now();
        let month = last_month(now).context("the calendar ends here")?;
        fill(engines.database_url(), &socket, month).await?;
        let db = Db::connect(
            engines.database_url(),
            config.pool.connections,
            Arc::new(SystemClock),
        );
        let db = db.await.map_err(|error| explain(&error))?;
        let intake = Intake::new(store.clone(), db.clone(), config.intake.settings(), NoFault);
        let (worker, looked_after) = (Worker::default(), intake.clone());
        let running = worker::intake::recover(&worker, &intake).await;
        let running = running.context("nobody stops the worker")?;
        // As in a server: payloads that are no longer needed are dropped meanwhile.
        tokio::spawn(async move {
            Box::pin(worker::intake::look_after(&worker, &looked_after)).await;
            drop(running);
        });
        let admin = administrator(fleet::tenant());
        let stop = Stop::default();
        let entry = Entry::new(db.clone(), store.clone());
        let deliverer = entry.enter_to_deliver(&admin, "bench").await;
        let deliverer = deliverer.map_err(|error| explain(&error))?;
        let files = Files::in_folder(&config.data.join("exports"));
        let files = files.map_err(|error| explain(&error))?;
        let exports = Exports::new(entry.clone(), files, config.exports.settings());
        let parts = Parts {
            verifier: Arc::new(verifier(config)?),
            entry: entry.clone(),
            api: Api::new(config.graphql, exports.clone()),
            exports: exports.clone(),
            intake: intake.clone(),
            checks: Vec::new(),
            metrics: Metrics::new(db.clone(), intake.clone(), None),
            http: config.http.clone(),
            stop: stop.clone(),
        };
        let plain = Plain {
            verifier: verifier(config)?,
            entry: entry.clone(),
            api: Api::new(config.graphql, exports),
            claims: claims(),
        };
        Ok(Self {
            token: token(config, now)?,
            server: serve(route::router(parts), config, &stop).await?,
            peers: serve(plain::router(plain), config, &stop).await?,
            floor: process::floor(engines.database_url(), &config.data).await?,
            store,
            socket,
            intake,
            db,
            entry,
            admin,
            deliverer,
            month,
            stop,
            _socket_folder: folder,
        })
    }
}

/// An administrator of the tenant, as a token has them.
pub(crate) fn claims() -> VerifiedClaims {
    let claims = VerifiedClaims::new("bench".into(), "bench".into(), Role::TenantAdmin, None);
    claims.expect("an administrator's claims")
}

/// Who sees all of a tenant.
pub(crate) fn administrator(tenant: TenantId) -> Scope {
    let (segment, visibility) = (Segment::default(), Visibility::ALL);
    Scope::of_token(tenant, &claims(), segment, visibility)
}

fn verifier(config: &Config) -> Result<Verifier> {
    Verifier::open(&config.oidc, &config.data, true, Arc::new(SystemClock))
}

fn token(config: &Config, now: DateTime<Utc>) -> Result<String> {
    let claims = Claims {
        tenant: fleet::SLUG.into(),
        role: Role::TenantAdmin,
        customer: None,
        subject: None,
    };
    let hour = Duration::from_hours(1);
    DevelopmentKey::open(&config.data)?.sign(&claims, &config.oidc.audience, now, hour)
}

/// Serves the engine itself, for whoever is to be compared with.
fn serve_engine(engine: Arc<Engine>, folder: &Path) -> Socket {
    let path = folder.join("engine.sock");
    let served = path.clone();
    tokio::spawn(async move { engine.serve_unix(&served, std::future::pending()).await });
    Socket::new(&path)
}

/// Both sides are served by the product's own listener.
async fn serve(router: Router, config: &Config, stop: &Stop) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (connections, stop) = (config.http.connections, stop.clone());
    let grace = Duration::from_secs(1);
    tokio::spawn(listener::serve(listener, router, connections, stop, grace));
    Ok(address)
}

async fn migrate(database_url: &str, store: &Store) -> Result<()> {
    migrations::up(database_url).await?;
    let steps: Vec<Step> = migrations::clickhouse::statements(&Layout::Single)
        .into_iter()
        .map(|migration| Step {
            version: migration.version,
            name: migration.name.to_owned(),
            up: migration.sql,
            down: migration.down,
        })
        .collect();
    let networks = migrations::networks().into_iter().map(|network| {
        Ok(Network {
            plmn: Plmn::new(&network.mcc, &network.mnc)?,
            name: network.name,
            operator: network.operator.unwrap_or_default(),
            country_code: network.country_code.unwrap_or_default(),
            country: network.country.unwrap_or_default(),
        })
    });
    let migrated = async {
        let networks: Vec<Network> = networks.collect::<domain::Result<_>>()?;
        store.create_database().await?;
        store.migrate(&steps).await?;
        store.load_networks(&networks).await
    };
    migrated.await.map_err(|error| explain(&error))?;
    Ok(())
}

async fn fill(
    database_url: &str,
    socket: &Socket,
    (from, to): (DateTime<Utc>, DateTime<Utc>),
) -> Result<()> {
    let started = Instant::now();
    fleet::fill_inventory(database_url)
        .await
        .context("cannot fill the inventory")?;
    say(&format!(
        "{} SIMs in {:.1} s",
        fleet::SIMS,
        started.elapsed().as_secs_f64()
    ));
    let started = Instant::now();
    let mut raw = socket.connect().await?;
    let filled = fleet::fill_cubes(&mut raw, from.timestamp(), to.timestamp());
    filled.await.context("cannot fill the cubes")?;
    say(&format!(
        "{} records in {:.1} s",
        fleet::RECORDS,
        started.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// The last month that is over.
pub(crate) fn last_month(now: DateTime<Utc>) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
    let this = NaiveDate::from_ymd_opt(now.year(), now.month(), 1)?;
    let last = this.checked_sub_months(Months::new(1))?;
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    Some((midnight(last), midnight(this)))
}

//! Both stores, opened and migrated, for a command that needs them.

use std::sync::Arc;

use analytics::{Store, migration::Step};
use anyhow::{Context as _, Result};
use domain::{Code, Db, Scope, SystemClock};
use engines::{
    Access, ClickHouseAddress, Engines, Settings,
    clickhouse::{InProcess, UnixSocket},
};
use ingest::{
    fill,
    operator::{Beside, Operator},
    pairing::{self, Pairing},
};
use migrations::clickhouse::Layout;
use service::{Entry, Session};

use crate::{
    config::{self, Config, Secret},
    refused::Refused,
};

/// What the person at the terminal is called in the audit log.
const TERMINAL: &str = "command line";

/// Why another installation's ClickHouse is not used.
const FOREIGN: &str = "the ClickHouse (CLICKHOUSE_URL, or in the data folder) does not belong to the Postgres (DATABASE_URL, \
    or in the data folder): it has the usage of another one. Correct the settings, or restore both from one backup";

/// Why an empty ClickHouse is not used.
const EMPTIED: &str = "the ClickHouse (CLICKHOUSE_URL, or in the data folder) is empty, and the Postgres (DATABASE_URL, or in \
    the data folder) has accepted usage before: correct the settings, or restore ClickHouse from a backup. If that usage is \
    lost for good, `simcube migrate --adopt-usage-store` goes on without it";

/// The two stores of this installation.
pub(super) struct Stores {
    /// Inventory and journal.
    pub(super) db: Db,
    /// Records and cubes.
    pub(super) store: Store,
    engines: Engines,
}

impl Stores {
    /// Opens the stores and brings both schemas up to date, with what is in them. They must be of one installation.
    pub(super) async fn open(config: &Config, access: Access) -> Result<Self> {
        let stores = Self::open_any(config, access).await?;
        let ready = async {
            stores.pair().await?;
            let loaded = service::load_networks(&stores.db, &stores.store).await;
            loaded.map_err(|error| explain(&error))?;
            let filled = fill::fill(&stores.db, &stores.store).await;
            filled.map_err(|error| explain(&error))
        };
        match ready.await {
            Ok(()) => Ok(stores),
            Err(error) => {
                stores.close().await;
                Err(error)
            }
        }
    }

    /// Opens the stores, whosever they are, and brings both schemas up to date.
    pub(super) async fn open_any(config: &Config, access: Access) -> Result<Self> {
        let engines = Engines::open(Settings::from(config), access)
            .await
            .map_err(|error| refused(&error))?;
        match Self::connect(config, &engines).await {
            Ok((db, store)) => Ok(Self { db, store, engines }),
            Err(error) => {
                engines.close().await;
                Err(error)
            }
        }
    }

    async fn connect(config: &Config, engines: &Engines) -> Result<(Db, Store)> {
        let store = store(engines.clickhouse()).map_err(|error| Refused(error.to_string()))?;
        migrations::up(engines.database_url())
            .await
            .with_context(|| named("DATABASE_URL", config.database_url.as_ref()))?;
        migrate(&store, &layout(config))
            .await
            .map_err(|error| explain(&error))
            .with_context(|| named("CLICKHOUSE_URL", config.clickhouse_url.as_ref()))?;
        let clock = Arc::new(SystemClock);
        let db = Db::connect(engines.database_url(), config.pool.connections, clock).await;
        Ok((db.map_err(|error| explain(&error))?, store))
    }

    /// Refuses stores that do not go together.
    async fn pair(&self) -> Result<()> {
        let paired = pairing::pair(&self.db, &self.store).await;
        let sentence = match paired.map_err(|error| explain(&error))? {
            Pairing::Paired => return Ok(()),
            Pairing::Foreign => FOREIGN,
            Pairing::Emptied => EMPTIED,
        };
        Err(Refused(sentence.into()).into())
    }

    /// Makes them go together, whosever they were.
    pub(super) async fn adopt(&self) -> Result<()> {
        let adopted = pairing::adopt(&self.db, &self.store).await;
        adopted.map_err(|error| explain(&error))
    }

    /// Whoever looks after the intake. The process that holds the data folder knows that no server runs.
    pub(super) fn operator(&self, intake: &config::Intake) -> Operator {
        let beside = if self.engines.is_holder() {
            Beside::Nobody
        } else {
            Beside::Servers
        };
        Operator::new(
            self.store.clone(),
            self.db.clone(),
            intake.settings(),
            beside,
        )
    }

    /// The person at the terminal, as an administrator of one tenant.
    pub(super) async fn administrator(&self, tenant: &str) -> Result<Scope> {
        let scope = self.entry().identify_operator(tenant, TERMINAL).await;
        scope.map_err(|error| unknown(tenant, &error))
    }

    /// The same, at work over both stores.
    pub(super) async fn session(&self, tenant: &str) -> Result<Session> {
        let session = self.entry().enter_operator(tenant, TERMINAL).await;
        session.map_err(|error| unknown(tenant, &error))
    }

    fn entry(&self) -> Entry {
        Entry::new(self.db.clone(), self.store.clone())
    }

    /// Waits until a private engine ends by itself, and says how.
    pub(super) fn lost(&self) -> impl Future<Output = engines::Error> + Send + use<> {
        self.engines.lost()
    }

    /// Lets go of the stores; private engines stop.
    pub(super) async fn close(self) {
        drop((self.db, self.store));
        self.engines.close().await;
    }
}

/// The cubes, wherever they are.
fn store(address: &ClickHouseAddress) -> domain::Result<Store> {
    match address {
        ClickHouseAddress::Embedded(engine) => Ok(Store::embedded(InProcess(engine.clone()))),
        ClickHouseAddress::Unix(socket) => Ok(Store::embedded(UnixSocket(socket.as_path().into()))),
        ClickHouseAddress::Url(url) => Store::remote(url),
    }
}

/// Why nobody acts for the tenant with this slug.
fn unknown(tenant: &str, error: &domain::Error) -> anyhow::Error {
    match error.code() {
        Code::NotFound => Refused(format!(
            "there is no tenant `{tenant}`: simcube tenant create"
        ))
        .into(),
        _ => explain(error),
    }
}

/// What the engines say is a sentence for the operator already.
fn refused(error: &engines::Error) -> Refused {
    Refused(error.to_string())
}

/// The message and the cause that clients never see, for the person at the terminal.
pub(super) fn explain(error: &domain::Error) -> anyhow::Error {
    match error.cause() {
        Some(cause) => anyhow::anyhow!("{error}: {cause}"),
        None => anyhow::anyhow!("{error}"),
    }
}

/// Where the tables of ClickHouse live.
fn layout(config: &Config) -> Layout {
    match config.clickhouse_cluster.clone() {
        Some(cluster) => Layout::Replicated { cluster },
        None => Layout::Single,
    }
}

/// A store as the operator knows it.
fn named(setting: &str, url: Option<&Secret>) -> String {
    url.map_or_else(
        || "the data folder".to_owned(),
        |url| format!("{setting} ({})", url.place()),
    )
}

/// Applies what is missing in ClickHouse. Doing it again, or twice at once, changes nothing.
async fn migrate(store: &Store, layout: &Layout) -> domain::Result<()> {
    let steps: Vec<Step> = migrations::clickhouse::statements(layout)
        .into_iter()
        .map(|migration| Step {
            version: migration.version,
            name: migration.name.to_owned(),
            up: migration.sql,
            down: migration.down,
        })
        .collect();
    store.create_database().await?;
    store.migrate(&steps).await?;
    Ok(())
}

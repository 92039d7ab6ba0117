//! Postgres migrations: which ones there are, and how they are applied once by however many servers start together.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use sea_orm_migration::{
    MigrationName, MigrationStatus, MigrationTrait, MigratorTrait, SchemaManager, async_trait,
    sea_orm::{
        ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, DbErr,
        RuntimeErr, Statement,
    },
};

use crate::network;

const NETWORKS_UP: &str = include_str!("../postgres/0002_networks.up.sql");

/// The oldest server that has what the schema uses: `uuidv7()` and temporal keys.
const OLDEST_SERVER: i32 = 18;

/// Key of the advisory lock that lets one program migrate at a time; any number will do as long as it stays.
const LOCK: i64 = 0x51AC_0BE5;

/// Why the schema could not be brought to where this program needs it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server does not answer or refuses the login.
    #[error("cannot connect to Postgres: {0}")]
    Connect(String),
    /// The server is too old.
    #[error(
        "Postgres {OLDEST_SERVER} or newer is needed, this server is version {0}: upgrade it, or unset the \
             database URL to use the private one"
    )]
    OldServer(String),
    /// The database has a migration that this program does not know.
    #[error(
        "the database was migrated by a newer version of this program ({0}): run that version, or restore a backup"
    )]
    NewerSchema(String),
    /// A statement failed; what the server said about it.
    #[error("migrating Postgres failed: {0}")]
    Statement(String),
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        Self::Statement(cause(&error))
    }
}

/// What the server said, or what kept it from saying anything, once.
fn cause(error: &DbErr) -> String {
    let (DbErr::Conn(RuntimeErr::SqlxError(cause))
    | DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
    else {
        return error.to_string();
    };
    let said = cause
        .as_database_error()
        .map(|said| said.message().to_owned());
    said.unwrap_or_else(|| cause.to_string())
}

/// One migration and whether this database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Its name, for example `m0001_foundation`.
    pub name: String,
    /// Whether it was applied here.
    pub applied: bool,
}

/// Applies what is missing. Several programs may call this at the same moment: one works, the others wait and find
/// nothing to do. `url` is a connection string of a role that owns the database and may create roles.
///
/// # Errors
/// See [`Error`]; each migration is one transaction, so a failed one leaves nothing behind.
pub async fn up(url: &str) -> Result<(), Error> {
    let db = connect(url).await?;
    let result = migrate(&db, Direction::Up).await;
    close(db).await;
    result
}

/// Takes back the last `steps` migrations, or all of them.
///
/// # Errors
/// See [`Error`].
pub async fn down(url: &str, steps: Option<u32>) -> Result<(), Error> {
    let db = connect(url).await?;
    let result = migrate(&db, Direction::Down(steps)).await;
    close(db).await;
    result
}

/// Every migration this program knows, in order. Changes nothing.
///
/// # Errors
/// See [`Error`].
pub async fn status(url: &str) -> Result<Vec<Applied>, Error> {
    let db = connect(url).await?;
    let result = Migrator::get_migration_with_status_read_only(&db)
        .await
        .map_err(known);
    close(db).await;
    Ok(result?
        .iter()
        .map(|migration| Applied {
            name: migration.name().to_owned(),
            applied: migration.status() == MigrationStatus::Applied,
        })
        .collect())
}

/// A number that changes when any migration does; names the template database of the tests.
pub fn fingerprint() -> u64 {
    let mut hasher = DefaultHasher::new();
    [
        FOUNDATION.up,
        FLEET_VERSION.up,
        IDENTITY_PLACE.up,
        COUNTED_BY_EVIDENCE.up,
        DEVICE_CUSTOMER.up,
        ANNOUNCED_MARK.up,
        CORRECTION.up,
        CUSTOMER_ARCHIVE.up,
        IDEMPOTENCY.up,
        STORE_IDENTITY.up,
    ]
    .hash(&mut hasher);
    [NETWORKS_UP, network::CSV].hash(&mut hasher);
    hasher.finish()
}

enum Direction {
    Up,
    Down(Option<u32>),
}

/// One connection only: the lock belongs to the session, and the migrations must run on the same one.
async fn connect(url: &str) -> Result<DatabaseConnection, Error> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .idle_timeout(None)
        .max_lifetime(None)
        .sqlx_logging(false);
    let db = Database::connect(options)
        .await
        .map_err(|error| Error::Connect(cause(&error)))?;
    let row = db
        .query_one_raw(sql(
            "SELECT current_setting('server_version_num')::int / 10000 AS major, \
                            current_setting('server_version') AS version",
        ))
        .await?;
    let (major, version): (i32, String) = match row {
        Some(row) => (row.try_get("", "major")?, row.try_get("", "version")?),
        None => {
            return Err(Error::Connect("it does not say its version".into()));
        }
    };
    if major < OLDEST_SERVER {
        close(db).await;
        return Err(Error::OldServer(version));
    }
    Ok(db)
}

async fn migrate(db: &DatabaseConnection, direction: Direction) -> Result<(), Error> {
    db.execute_raw(lock("SELECT pg_advisory_lock($1)")).await?;
    let result = match direction {
        Direction::Up => Migrator::up(db, None).await,
        Direction::Down(steps) => Migrator::down(db, steps).await,
    };
    db.execute_raw(lock("SELECT pg_advisory_unlock($1)"))
        .await?;
    result.map_err(known)
}

/// Closing frees the lock too; the server does the same when the connection breaks.
async fn close(db: DatabaseConnection) {
    if let Err(error) = db.close().await {
        tracing::debug!(%error, "closing the migration connection");
    }
}

fn known(error: DbErr) -> Error {
    match error {
        // The only custom error of the migrator: it lists applied migrations that it does not know.
        DbErr::Custom(text) => Error::NewerSchema(text),
        other => other.into(),
    }
}

fn sql(text: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, text)
}

fn lock(text: &str) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, [LOCK.into()])
}

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(FOUNDATION),
            Box::new(Networks),
            Box::new(FLEET_VERSION),
            Box::new(IDENTITY_PLACE),
            Box::new(COUNTED_BY_EVIDENCE),
            Box::new(DEVICE_CUSTOMER),
            Box::new(ANNOUNCED_MARK),
            Box::new(CORRECTION),
            Box::new(CUSTOMER_ARCHIVE),
            Box::new(IDEMPOTENCY),
            Box::new(STORE_IDENTITY),
            Box::new(ACCESS_VERSION),
        ]
    }
}

/// A migration that is nothing but SQL.
struct Script {
    name: &'static str,
    up: &'static [&'static str],
    down: &'static str,
}

const FOUNDATION: Script = Script {
    name: "m0001_foundation",
    up: &[
        include_str!("../postgres/0000_roles.sql"),
        include_str!("../postgres/0001_foundation.up.sql"),
    ],
    down: include_str!("../postgres/0001_foundation.down.sql"),
};

const FLEET_VERSION: Script = Script {
    name: "m0003_fleet_version",
    up: &[include_str!("../postgres/0003_fleet_version.up.sql")],
    down: include_str!("../postgres/0003_fleet_version.down.sql"),
};

const IDENTITY_PLACE: Script = Script {
    name: "m0004_identity_place",
    up: &[include_str!("../postgres/0004_identity_place.up.sql")],
    down: include_str!("../postgres/0004_identity_place.down.sql"),
};

const COUNTED_BY_EVIDENCE: Script = Script {
    name: "m0005_counted_by_evidence",
    up: &[include_str!("../postgres/0005_counted_by_evidence.up.sql")],
    down: include_str!("../postgres/0005_counted_by_evidence.down.sql"),
};

const DEVICE_CUSTOMER: Script = Script {
    name: "m0006_device_customer",
    up: &[include_str!("../postgres/0006_device_customer.up.sql")],
    down: include_str!("../postgres/0006_device_customer.down.sql"),
};

const ANNOUNCED_MARK: Script = Script {
    name: "m0007_announced_mark",
    up: &[include_str!("../postgres/0007_announced_mark.up.sql")],
    down: include_str!("../postgres/0007_announced_mark.down.sql"),
};

const CORRECTION: Script = Script {
    name: "m0008_correction",
    up: &[include_str!("../postgres/0008_correction.up.sql")],
    down: include_str!("../postgres/0008_correction.down.sql"),
};

const CUSTOMER_ARCHIVE: Script = Script {
    name: "m0009_customer_archive",
    up: &[include_str!("../postgres/0009_customer_archive.up.sql")],
    down: include_str!("../postgres/0009_customer_archive.down.sql"),
};

const IDEMPOTENCY: Script = Script {
    name: "m0010_idempotency",
    up: &[include_str!("../postgres/0010_idempotency.up.sql")],
    down: include_str!("../postgres/0010_idempotency.down.sql"),
};

const STORE_IDENTITY: Script = Script {
    name: "m0011_store_identity",
    up: &[include_str!("../postgres/0011_store_identity.up.sql")],
    down: include_str!("../postgres/0011_store_identity.down.sql"),
};

const ACCESS_VERSION: Script = Script {
    name: "m0012_access_version",
    up: &[include_str!("../postgres/0012_access_version.up.sql")],
    down: include_str!("../postgres/0012_access_version.down.sql"),
};

impl MigrationName for Script {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Script {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for sql in self.up {
            manager.get_connection().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(self.down).await?;
        Ok(())
    }
}

/// Loads the reference networks.
struct Networks;

impl MigrationName for Networks {
    fn name(&self) -> &'static str {
        "m0002_networks"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Networks {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let rows = serde_json::to_string(&network::networks())
            .map_err(|error| DbErr::Migration(error.to_string()))?;
        let values = [
            rows.into(),
            network::SOURCE.into(),
            network::SOURCE_VERSION.into(),
        ];
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, NETWORKS_UP, values);
        manager.get_connection().execute_raw(statement).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared("DELETE FROM network").await?;
        Ok(())
    }
}

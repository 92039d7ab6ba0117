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
    for script in SCRIPTS {
        script.up.hash(&mut hasher);
    }
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

/// The migration of the files `NAME.up.sql` and `NAME.down.sql`, after another file's where one is named.
macro_rules! script {
    ($name:literal $(, after $first:literal)?) => {
        Script {
            name: concat!("m", $name),
            up: &[
                $(include_str!(concat!("../postgres/", $first, ".sql")),)?
                include_str!(concat!("../postgres/", $name, ".up.sql")),
            ],
            down: include_str!(concat!("../postgres/", $name, ".down.sql")),
        }
    };
}

/// All that are nothing but SQL, in order: a new one is a line here.
const SCRIPTS: &[Script] = &[
    script!("0001_foundation", after "0000_roles"),
    script!("0003_fleet_version"),
    script!("0004_identity_place"),
    script!("0005_counted_by_evidence"),
    script!("0006_device_customer"),
    script!("0007_announced_mark"),
    script!("0008_correction"),
    script!("0009_customer_archive"),
    script!("0010_idempotency"),
    script!("0011_store_identity"),
    script!("0012_access_version"),
    script!("0013_version"),
    script!("0014_label_cover"),
    script!("0015_saved_filter"),
    script!("0016_job"),
    script!("0017_tenant_settings"),
    script!("0018_schedule_notification"),
    script!("0019_topic"),
    script!("0020_session"),
    script!("0022_session_interval"),
    script!("0024_topic_quarantine_kind"),
    script!("0025_progress"),
    script!("0026_network_set"),
    script!("0027_session_index"),
    script!("0028_topic_unreadable"),
    script!("0029_topic_held"),
    script!("0031_topic_passage"),
];

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        let scripts = SCRIPTS.iter().copied();
        let mut all: Vec<Box<dyn MigrationTrait>> =
            scripts.map(|script| Box::new(script) as Box<_>).collect();
        // What it fills is made by the first.
        all.insert(1, Box::new(Networks));
        all
    }
}

/// A migration that is nothing but SQL.
#[derive(Clone, Copy)]
struct Script {
    name: &'static str,
    up: &'static [&'static str],
    down: &'static str,
}

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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    #[test]
    fn every_file_is_a_migration() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("postgres");
        let files = fs::read_dir(folder).expect("the migrations");
        let files: BTreeSet<String> = files
            .filter_map(|file| {
                let name = file.expect("a file").file_name();
                let name = name.to_str()?.strip_suffix(".up.sql")?;
                Some(format!("m{name}"))
            })
            .collect();
        let listed = Migrator::migrations();
        let listed: BTreeSet<String> = listed.iter().map(|it| it.name().to_owned()).collect();
        let forgotten: Vec<_> = files.difference(&listed).collect();
        assert!(forgotten.is_empty(), "not in `SCRIPTS`: {forgotten:?}");
    }
}

//! A migrated Postgres database per test, cloned from a template that is migrated once.

use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbBackend,
    DbErr, Statement, TransactionTrait,
};
use url::Url;

use crate::{address, block_on, unique};

/// Key of the advisory lock under which the template is made.
const LOCK: i64 = 0x7E57_0001;

/// A database of one test. It is dropped with this value, connections or not.
pub struct PostgresDb {
    name: String,
    url: String,
}

impl PostgresDb {
    /// Connection string of a superuser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Runs statements past the program, as a superuser.
    ///
    /// # Panics
    /// When one of them fails.
    pub fn run(&self, statements: &str) {
        let ran = block_on(async {
            let server = connect(&self.name).await?;
            server.execute_unprepared(statements).await?;
            server.close().await
        });
        ran.unwrap_or_else(|error| panic!("{statements}: {error}"));
    }

    /// The texts that a statement with one column finds, past the program, as a superuser.
    ///
    /// # Panics
    /// When it fails, or the column is no text.
    pub fn texts(&self, statement: &str) -> Vec<String> {
        let found = block_on(async {
            let server = connect(&self.name).await?;
            let query = Statement::from_string(DbBackend::Postgres, statement);
            let rows = server.query_all_raw(query).await?;
            server.close().await?;
            rows.iter()
                .map(|row| row.try_get_by_index(0))
                .collect::<Result<Vec<String>, DbErr>>()
        });
        found.unwrap_or_else(|error| panic!("{statement}: {error}"))
    }

    /// Another transaction that has run a statement, as a superuser. It is taken back when it is dropped.
    ///
    /// # Panics
    /// When the statement fails.
    pub async fn hold(&self, statement: &str) -> Held {
        let held = async {
            let other = connect(&self.name).await?.begin().await?;
            other.execute_unprepared(statement).await?;
            Ok::<_, DbErr>(Held(other))
        };
        held.await
            .unwrap_or_else(|error| panic!("{statement}: {error}"))
    }
}

/// What [`PostgresDb::hold`] holds, for as long as this lives.
pub struct Held(#[expect(dead_code, reason = "it is only kept")] DatabaseTransaction);

impl Drop for PostgresDb {
    fn drop(&mut self) {
        let drop = format!(r#"DROP DATABASE IF EXISTS "{}" WITH (FORCE)"#, self.name);
        let dropped = block_on(async {
            let server = connect("postgres").await?;
            server.execute_unprepared(&drop).await?;
            server.close().await
        });
        if let Err(error) = dropped {
            eprintln!("the test database {} stays behind: {error}", self.name);
        }
    }
}

/// A fresh database with every migration applied.
///
/// # Panics
/// When `./dev test` did not start the engines, or the server refuses.
pub fn postgres() -> PostgresDb {
    create(true)
}

/// A fresh database without anything in it.
///
/// # Panics
/// As [`postgres`].
pub fn empty_postgres() -> PostgresDb {
    create(false)
}

fn create(migrated: bool) -> PostgresDb {
    let name = unique("test");
    let created = block_on(async {
        let server = connect("postgres").await?;
        let from = if migrated {
            template(&server).await?
        } else {
            "template0".to_owned()
        };
        server
            .execute_unprepared(&format!(r#"CREATE DATABASE "{name}" TEMPLATE "{from}""#))
            .await?;
        server.close().await
    });
    created.unwrap_or_else(|error| panic!("creating a test database failed: {error}"));
    PostgresDb {
        url: database_url(&name),
        name,
    }
}

/// Makes the template unless another test, perhaps of another program, made it already.
async fn template(server: &DatabaseConnection) -> Result<String, DbErr> {
    let name = format!("simcube_template_{:016x}", migrations::fingerprint());
    let draft = format!("{name}_draft");
    server
        .execute_raw(sql("SELECT pg_advisory_lock($1)", LOCK))
        .await?;
    let known = sql("SELECT FROM pg_database WHERE datname = $1", name.as_str());
    if server.query_one_raw(known).await?.is_none() {
        server
            .execute_unprepared(&format!(
                r#"DROP DATABASE IF EXISTS "{draft}" WITH (FORCE)"#
            ))
            .await?;
        server
            .execute_unprepared(&format!(r#"CREATE DATABASE "{draft}" TEMPLATE template0"#))
            .await?;
        migrations::up(&database_url(&draft))
            .await
            .unwrap_or_else(|error| panic!("migrating the template database failed: {error}"));
        server
            .execute_unprepared(&format!(r#"ALTER DATABASE "{draft}" RENAME TO "{name}""#))
            .await?;
    }
    server
        .execute_raw(sql("SELECT pg_advisory_unlock($1)", LOCK))
        .await?;
    Ok(name)
}

async fn connect(database: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(database_url(database));
    options
        .max_connections(1)
        .min_connections(1)
        .sqlx_logging(false);
    Database::connect(options).await
}

fn database_url(database: &str) -> String {
    let address = address("SIMCUBE_TEST_DATABASE_URL");
    let mut url = Url::parse(&address)
        .unwrap_or_else(|error| panic!("SIMCUBE_TEST_DATABASE_URL is not a URL: {error}"));
    url.set_path(database);
    url.to_string()
}

fn sql(text: &str, value: impl Into<sea_orm_migration::sea_orm::Value>) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, [value.into()])
}

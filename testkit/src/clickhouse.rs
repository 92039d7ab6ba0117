//! A migrated ClickHouse database per test, over plain HTTP.

use migrations::clickhouse::{Layout, statements};
use url::Url;

use crate::{address, block_on, unique};

/// A database of one test on the shared server. It is dropped with this value.
pub struct ClickHouseDb {
    url: String,
    database: String,
}

impl ClickHouseDb {
    /// Address of the server, `http://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Name of the database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Runs a statement past the program and returns what it answers.
    ///
    /// # Panics
    /// When it fails.
    pub fn run(&self, statement: &str) -> String {
        block_on(run(&self.url, &self.database, statement))
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Applies every migration, those again that are applied.
    ///
    /// # Panics
    /// When one of them fails.
    pub fn migrate(&self) {
        for migration in statements(&Layout::Single) {
            for statement in &migration.sql {
                self.run(statement);
            }
        }
    }
}

impl Drop for ClickHouseDb {
    fn drop(&mut self) {
        let drop = format!("DROP DATABASE IF EXISTS {} SYNC", self.database);
        if let Err(error) = block_on(run(&self.url, "default", &drop)) {
            eprintln!("the test database {} stays behind: {error}", self.database);
        }
    }
}

/// A fresh database with every migration applied.
///
/// # Panics
/// When `./dev test` did not start the engines, or the server refuses.
pub fn clickhouse() -> ClickHouseDb {
    let db = ClickHouseDb {
        url: address("SIMCUBE_TEST_CLICKHOUSE_URL"),
        database: unique("test"),
    };
    let created = block_on(async {
        run(
            &db.url,
            "default",
            &format!("CREATE DATABASE {}", db.database),
        )
        .await
    });
    created.unwrap_or_else(|error| panic!("creating a test database failed: {error}"));
    db.migrate();
    db
}

async fn run(url: &str, database: &str, statement: &str) -> Result<String, String> {
    // Needed to build a client at all, though no test speaks TLS; a second installation is refused and harmless.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let address = Url::parse_with_params(url, [("database", database)]).map_err(text)?;
    let reply = reqwest::Client::new()
        .post(address)
        .body(statement.to_owned())
        .send()
        .await
        .map_err(text)?;
    let status = reply.status();
    let answer = reply.text().await.map_err(text)?;
    if status.is_success() {
        Ok(answer)
    } else {
        Err(format!("{status}: {answer}: {statement}"))
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

//! The crate on the real engine, in this process. One binary, because a process can hold one engine.

mod apply;
mod engine;
mod expiry;
mod fleet;
mod insert;
mod migration;
mod oracle;
mod running;
mod session;
mod settle;
mod shared;
mod usage;
mod verify;

use std::{ops::Deref, sync::Arc};

use analytics::{Store, migration::Step};
use engines::clickhouse::InProcess;
use migrations::clickhouse::Layout;
use shared::{Shared, shared};

/// A database of one test.
struct Db {
    store: Store,
    shared: Shared,
}

impl Deref for Db {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Db {
    /// A client for statements that the crate would never send, over TCP.
    fn raw(&self) -> clickhouse::Client {
        clickhouse::Client::default()
            .with_url(self.shared.url())
            .with_database(self.database())
    }

    /// Runs such a statement.
    async fn run(&self, sql: &str) {
        let outcome = self.raw().query_raw(sql).execute().await;
        outcome.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// The schema as this crate wants it.
fn schema() -> Vec<Step> {
    migrations::clickhouse::statements(&Layout::Single)
        .into_iter()
        .map(|m| Step {
            version: m.version,
            name: m.name.to_owned(),
            up: m.sql,
            down: m.down,
        })
        .collect()
}

/// A fresh database without tables.
async fn empty() -> Db {
    let shared = shared();
    let name = format!("t{}", uuid::Uuid::new_v4().simple());
    let store = Store::embedded(InProcess(Arc::clone(&shared))).with_database(&name);
    store.create_database().await.expect("a database");
    Db { store, shared }
}

/// A fresh, migrated database.
async fn migrated() -> Db {
    let db = empty().await;
    db.migrate(&schema()).await.expect("the schema");
    db
}

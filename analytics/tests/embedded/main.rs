//! The crate on the real engine, in this process. One binary, because a process can hold one engine.

mod apply;
mod engine;
mod fleet;
mod migration;
mod oracle;
mod usage;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};

use analytics::{Engine, EngineError, EngineLimits, Store, migration::Step};
use migrations::clickhouse::Layout;

/// The engine's library, as `./dev test` names it.
fn library() -> PathBuf {
    match std::env::var_os("SIMCUBE_TEST_LIBCHDB") {
        Some(path) => path.into(),
        None => {
            panic!("SIMCUBE_TEST_LIBCHDB does not name libchdb.so: run the tests with ./dev test")
        }
    }
}

/// The engine that all tests share, each in a database of its own. What an earlier run left behind is wiped first;
/// two runs at the same time use two folders.
fn engine() -> &'static Arc<Engine> {
    static ENGINE: OnceLock<Arc<Engine>> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
        for run in 0..16 {
            let data = root.join(format!("analytics-embedded-{run}"));
            let engine = match Engine::open(&library(), &data, EngineLimits::default()) {
                Err(EngineError::InUse(_)) => continue,
                opened => opened.unwrap_or_else(|error| panic!("{error}")),
            };
            return engine;
        }
        panic!("16 test runs are going on in {}", root.display());
    })
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

/// A store in a fresh database without tables.
async fn empty() -> Store {
    let name = format!("t{}", uuid::Uuid::new_v4().simple());
    let store = Store::embedded(engine()).with_database(&name);
    store.create_database().await.expect("a database");
    store
}

/// A store in a fresh, migrated database.
async fn migrated() -> Store {
    let store = empty().await;
    store.migrate(&schema()).await.expect("the schema");
    store
}

//! Databases for tests, on real engines: each test gets its own, which is dropped afterwards. And a way to one of them that can be closed,
//! places in buckets and topics.
//!
//! `./dev test` starts the engines and names them in the environment. A missing engine fails the test.

mod clickhouse;
mod gate;
mod kafka;
mod postgres;
mod s3;
mod server;

pub use clickhouse::{ClickHouseDb, clickhouse};
pub use gate::Gate;
pub use kafka::{Kafka, KafkaServer, kafka};
pub use postgres::{Held, PostgresDb, empty_postgres, postgres};
pub use s3::{Bucket, S3Server, bucket};

use std::future::Future;

/// What every function here says when an engine is missing.
#[expect(
    clippy::disallowed_methods,
    reason = "`./dev test` speaks to the tests through it"
)]
fn address(variable: &str) -> String {
    match std::env::var(variable) {
        Ok(value) if !value.is_empty() => value,
        _ => {
            panic!("{variable} is not set: run the tests with ./dev test, which starts the engines")
        }
    }
}

/// The OIDC issuer of the tests: a realm of Keycloak, made by `engines/keycloak/realm.json`.
pub fn issuer() -> String {
    address("SIMCUBE_TEST_ISSUER")
}

/// Runs async work to its end from a test that may or may not be async itself.
fn block_on<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .unwrap_or_else(|error| panic!("no runtime for the test: {error}"))
                .block_on(work)
        });
        match thread.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// A name that no other test uses.
fn unique(prefix: &str) -> String {
    format!("{prefix}_{}", uuid::Uuid::new_v4().simple())
}

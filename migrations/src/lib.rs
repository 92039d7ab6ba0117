//! The schemas of both engines, in order, and the reference data that comes with them.
//!
//! Postgres goes through [`postgres`]: SQL files run by sea-orm-migration under an advisory lock. README.md beside
//! this crate has the rules for writing a migration.

pub mod clickhouse;
pub mod network;
pub mod postgres;

pub use network::{Network, networks};
pub use postgres::{Applied, Error, down, fingerprint, status, up};

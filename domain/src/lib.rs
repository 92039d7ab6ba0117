//! What Simcube is about, without any transport: identifiers, who may see what, time, paging,
//! and one module per aggregate that owns its Postgres statements.
//!
//! Nothing here knows GraphQL, HTTP or ClickHouse. The first argument of every function that touches
//! tenant data is a [`ReadCx`] or [`WriteCx`] (one tenant, one caller) or a [`SystemCx`] (the platform itself).

pub mod assignment;
pub mod audit;
pub mod calendar;
pub mod change;
pub mod clock;
pub mod customer;
pub mod db;
pub mod decimal;
pub mod device;
#[cfg(test)]
mod entities;
pub mod error;
pub mod filter;
pub mod fleet;
pub mod grant;
pub mod group;
pub mod id;
pub mod idempotency;
pub mod identifier;
pub mod identity;
pub mod job;
pub mod journal;
mod kept;
pub mod label;
pub mod link_key;
pub mod list;
pub mod network;
pub mod notification;
pub mod paging;
pub mod period;
mod plans;
pub mod radio_access;
pub mod rating;
mod row;
pub mod saved_filter;
pub mod schedule;
pub mod scope;
pub mod session;
pub mod share;
pub mod sim;
pub mod slice;
mod sql;
pub mod tenant;
mod text;
pub mod topic;
pub mod usage;
mod version;

pub use clock::{Clock, FixedClock, SystemClock};
pub use db::{Db, ReadCx, SystemCx, WriteCx};
pub use error::{Code, Details, Error, Result};
pub use idempotency::IdempotencyKey;
pub use period::Period;
pub use scope::{Area, Permission, Role, Scope};
pub use version::Footing;

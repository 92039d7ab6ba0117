//! What Simcube is about, without any transport: identifiers, who may see what, time, paging,
//! and one module per aggregate that owns its Postgres statements.
//!
//! Nothing here knows GraphQL, HTTP or ClickHouse. The first argument of every function that touches
//! tenant data is a [`Cx`] (one tenant, one caller) or a [`SystemCx`] (the platform itself).

pub mod clock;
pub mod db;
pub mod error;
pub mod id;
pub mod identifier;
pub mod period;
pub mod scope;

pub use clock::{Clock, FixedClock, SystemClock};
pub use db::{Cx, Db, SystemCx};
pub use error::{Code, Error, Result};
pub use period::Period;
pub use scope::{Area, Permission, Role, Scope};

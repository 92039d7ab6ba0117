//! Usage records and their cubes in ClickHouse: what is written, what is asked.
//!
//! - [`Store`] is a ClickHouse database, on a server or in an embedded engine, and hides which.
//! - [`migration`] brings the schema up, [`network`] loads reference data, [`cdr`] writes usage records.
//! - [`session`] has the rows of sessions, and `binary` how rows are encoded.
//! - `expiry` says on which day a record may go.
//! - [`cube`] names the levels at which usage is summed up.
//! - [`usage`] answers questions to the cubes. It holds the one builder of tenant-facing statements.
//! - [`family`] says what tells the tables of usage records and those of sessions apart.
//! - [`settle`] looks up what of a batch is there.
//! - [`verify`] proves that records and cubes agree, and corrects a cube that does not.
//!
//! Tenant-facing functions take a [`domain::Scope`]; those across tenants take a [`System`].

mod binary;
pub mod cdr;
mod checksum;
pub mod cube;
mod expiry;
pub mod family;
pub mod migration;
pub mod network;
pub mod session;
pub mod settle;
mod store;
pub mod usage;
pub mod verify;

pub use cdr::CdrRow;
pub use family::Family;
pub use session::SessionRow;
pub use store::{Store, System};

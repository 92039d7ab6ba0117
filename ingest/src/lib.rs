//! Usage records and session rollups from outside: read, decoded, resolved, counted once.
//!
//! [`mod@format`] turns the bytes of a record into a CDR or a rejection, [`read`] turns a body of any length into records in
//! memory that [`admission`] shares fairly between tenants, [`pipeline`] journals and applies them exactly once, [`verify`]
//! proves it, [`operator`] is what a person asks of it from the command line, [`pairing`] keeps a journal from another one's
//! usage store, [`mod@fill`] fills the small cubes of one that is older than they are, and [`topic`] reads topics of Kafka. HTTP and when
//! background work runs live with the server.

pub mod admission;
pub mod fill;
pub mod format;
mod kind;
pub mod operator;
pub mod pairing;
pub mod pipeline;
pub mod read;
pub mod restore;
mod standstill;
pub mod topic;
pub mod verify;

//! Sessions: what SIMs are doing. What they used is usage.

mod query;
mod types;

pub(crate) use query::SessionQuery;
pub(crate) use types::{LiveSession, SessionLogConnection, last_seen, live, log};

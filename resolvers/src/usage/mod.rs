//! Usage.

mod query;
mod question;
mod types;

pub(crate) use query::UsageQuery;
pub(crate) use types::{Usage, nested, root};

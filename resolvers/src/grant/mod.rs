//! Segment grants.

mod mutation;
mod query;
mod types;

pub(crate) use mutation::GrantMutation;
pub(crate) use query::GrantQuery;
pub(crate) use types::SegmentGrant;

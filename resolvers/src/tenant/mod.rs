//! The tenant and the caller.

mod me;
mod query;
mod types;

pub(crate) use me::Me;
pub(crate) use query::TenantQuery;
pub(crate) use types::Tenant;

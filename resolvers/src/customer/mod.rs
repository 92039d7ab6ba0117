//! Customers.

mod mutation;
mod query;
mod types;
mod visibility;

pub(crate) use mutation::CustomerMutation;
pub(crate) use query::CustomerQuery;
pub(crate) use types::Customer;
pub(crate) use visibility::Visibility;

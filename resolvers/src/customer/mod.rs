//! Customers.

mod mutation;
mod query;
mod types;
mod visibility;

pub(crate) use mutation::CustomerMutation;
pub(crate) use query::{CustomerList, CustomerQuery};
pub(crate) use types::Customer;
pub(crate) use visibility::Visibility;

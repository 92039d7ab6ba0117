//! Usage.

mod answer;
mod catalog;
mod key;
mod period;
mod provenance;
mod query;
mod question;
mod reconciliation;
mod row;
mod top;
mod values;

pub(crate) use answer::{Usage, nested, root};
pub(crate) use query::UsageQuery;
pub(crate) use question::{file_query, located, most_rows, selection, span, zone};

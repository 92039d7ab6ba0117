//! Object types, one file each: the published fields first, how a page of them is loaded below.

pub(crate) mod accounting;
pub(crate) mod customer;
pub(crate) mod device;
pub(crate) mod fleet_report;
pub(crate) mod grant;
pub(crate) mod ingest_batch;
pub(crate) mod ingest_record;
pub(crate) mod ingest_rejection;
pub(crate) mod label;
pub(crate) mod me;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod payload;
pub(crate) mod sim;
pub(crate) mod tenant;
pub(crate) mod usage;
pub(crate) mod visibility;

//! The rules of the Postgres schema, checked on a real server against its own catalogue.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod catalogue;
mod isolation;
mod migrate;
mod support;

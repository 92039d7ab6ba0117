//! Sessions: what their rollups came to, row by row, in the log and in the cubes that it feeds.
//!
//! A rollup carries the counters of its session so far. What it counts is the difference to the one before it, which intake knows; it is
//! a row here. One that comes late changes what its successor counts: a row takes back what that one was worth, and another one says what it
//! is worth now. Sums are read with `sign`, and the row by which a rollup came is the only one that has `arrived`.
//!
//! # What the ledger knows of them
//! A tenant's part of a batch has all of its rows, corrections included, each as if its sign were 1: their number, their bytes, and the
//! checksum of their identities. So the part proves that they are there. Accounts have rollups, by the hour in which they were made: as
//! many as rows that have `arrived`, and as the cube of hours has `records`. What corrections do to the bytes of an hour, no account says.

mod base;
pub(crate) mod line;
pub(crate) mod live;
mod neighbour;
mod read;
mod row;
mod scoped;
mod store;

pub use neighbour::{Late, Neighbours};
pub use read::{LastSeen, Narrowed, Place, Seek, Shown};
pub use row::{ENCODING, Order, SessionRow, decode, due, encode};
pub use store::Arrival;

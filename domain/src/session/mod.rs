//! Sessions: a SIM's connection says again and again, by a [`Rollup`], what it has used since it began.
//!
//! Counters are totals, so what a rollup counts is the difference to the one before it ([`usage()`]). Rollups come late, repeated and in any
//! order; a late one changes what its successor counts, and both changes are rows with a sign ([`Entry`]): whatever the way in which
//! rollups come, their rows add up to the same. For that the one before and the one after must be known. Most rollups are newer than all of
//! their session; of each session Postgres keeps a few *points* ([`points`]), so that such a rollup needs nothing else.

mod entries;
mod order;
pub mod points;
mod replay;
mod rollup;
mod status;
mod store;
mod usage;

pub use entries::{Entry, Keys, Point};
pub use order::{Order, Reading};
pub use replay::replay;
pub use rollup::{Request, Rollup, session_key};
pub use status::SessionStatus;
pub use store::{Changes, Held, Known, New, drop_silent, hold, keep, parts_of};
pub(crate) use store::{move_points, none_left};
pub use usage::{FORGET, Usage, usage};

/// What the accounting of intake calls the stream of rollups, which name no source.
pub const SOURCE: &str = "session.rollups";

#[cfg(test)]
mod tests;

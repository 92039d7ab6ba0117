//! Exports as jobs, by a clock that is moved by hand.

mod fixture;
mod kept;
mod link;
mod monthly;
mod revoked;

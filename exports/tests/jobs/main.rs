//! Exports as jobs, by a clock that is moved by hand.

mod fixture;
mod link;
mod monthly;

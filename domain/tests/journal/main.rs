//! The journal on a real Postgres: nothing that does not add up, and every step of a batch's way to the cubes.

mod accounting;
mod batch;
mod house;
mod lock;
mod mark;
mod piece;
mod progress;
mod session;
mod source;

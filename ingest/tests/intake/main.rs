//! Intake on real engines: what is counted, what is refused, and that a stop at any moment loses and doubles nothing.

mod body;
mod counting;
mod evidence;
mod expired;
mod fault;
mod harm;
mod mended;
mod operator;
mod resolution;
mod session;
mod session_retention;
mod shared;
mod slow;
mod topic;
mod world;

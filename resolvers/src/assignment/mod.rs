//! Assignments.

mod types;

pub(crate) use types::{Assignment, shown};

//! Why a statement failed.

use std::io;

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::Error;

/// A statement that failed.
pub(crate) type Failure = tokio_postgres::Error;

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        if is_passing(&failure) {
            unavailable(failure)
        } else {
            Self::internal(failure)
        }
    }
}

impl Error {
    /// Whether a lock was waited for longer than [`crate::journal::bound_waits`] allows.
    pub fn is_lock_timeout(&self) -> bool {
        self.database().is_some_and(is_lock_timeout)
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        unavailable(error)
    }
}

fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unavailable("the inventory store does not answer", cause)
}

/// Whether a statement failed because of the connection or the server's condition, and not by its own fault: lost
/// connections (08), conflicts between transactions (40), no disk, memory or connections (53), a lock that others keep
/// (55P03), shutting down (57), system errors (58), a migration that changed what a prepared statement answers (0A).
fn is_passing(failure: &Failure) -> bool {
    let classes = ["08", "40", "53", "55P03", "57", "58", "0A"];
    match failure.code() {
        Some(state) => classes.iter().any(|class| state.code().starts_with(class)),
        None => failure.is_closed() || is_cut_off(failure),
    }
}

fn is_cut_off(failure: &Failure) -> bool {
    let cause = std::error::Error::source(failure);
    cause.is_some_and(<dyn std::error::Error>::is::<io::Error>)
}

/// Whether a lock was waited for longer than `lock_timeout` allows.
pub(crate) fn is_lock_timeout(failure: &Failure) -> bool {
    failure.code() == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

/// The name of the constraint that a statement violated, if that is why it failed.
pub(crate) fn violated_constraint(failure: &Failure) -> Option<&str> {
    failure.as_db_error()?.constraint()
}

/// A constraint's name and the client's error for violating it.
pub(crate) type OnViolation = (&'static str, fn() -> Error);

/// Turns a violated constraint into an error for the client, by the constraint's name.
pub(crate) fn on_constraint(error: impl Into<Error>, known: &[OnViolation]) -> Error {
    let error = error.into();
    let name = error.database().and_then(violated_constraint);
    let known = name.and_then(|name| known.iter().find(|(constraint, _)| *constraint == name));
    known.map_or(error, |(_, to_error)| to_error())
}

//! `UserError`: why a change was not made, as data of its payload.

use async_graphql::SimpleObject;
use domain::{Code, Error};
use schema::error::ErrorCode;

use crate::error::{camel, to_graphql};

/// What is wrong with the input of a change. Nothing of the change was kept. What is not permitted, what exceeds a limit, and
/// our own faults are errors of the answer instead.
#[derive(SimpleObject)]
pub(crate) struct UserError {
    /// Why, for programs: `NOT_FOUND`, `CONFLICT`, `USAGE_ALREADY_COUNTED` or `INVALID_INPUT`.
    code: ErrorCode,
    /// Why, for people.
    message: String,
    /// The field of the input that is to blame, with its parents and places in lists, as in `set.1.value`; null when no
    /// single one is.
    field: Option<String>,
}

impl From<&Error> for UserError {
    fn from(error: &Error) -> Self {
        let field = error.details().and_then(|details| details.field.as_deref());
        Self {
            code: error.code().into(),
            message: error.to_string(),
            field: field.map(camel),
        }
    }
}

/// What a change came to: its result, or what the caller did wrong.
///
/// # Errors
/// What the caller cannot correct by another input.
pub(crate) fn outcome<T>(
    result: domain::Result<T>,
) -> async_graphql::Result<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(error) if error.all().all(is_users) => {
            Ok((None, error.all().map(UserError::from).collect()))
        }
        Err(error) => Err(to_graphql(&error)),
    }
}

fn is_users(error: &Error) -> bool {
    matches!(
        error.code(),
        Code::NotFound | Code::Conflict | Code::UsageAlreadyCounted | Code::InvalidInput
    )
}

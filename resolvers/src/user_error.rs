//! `UserError`: why a change was not made, as data of its payload.

use async_graphql::SimpleObject;
use domain::{Code, Error};
use schema::error::ErrorCode;

use crate::error::{camel, to_graphql};

/// Why a change was not made, and by whom it can be helped: the caller. Nothing of the change was kept. What is not
/// permitted, what exceeds a limit, and our own faults are errors of the answer instead.
#[derive(SimpleObject)]
pub(crate) struct UserError {
    /// Why, for programs: `NOT_FOUND`, `CONFLICT`, `USAGE_ALREADY_COUNTED` or `INVALID_INPUT`.
    code: ErrorCode,
    /// Why, for people.
    message: String,
    /// The field of the input that is to blame, with its parents; null when no single one is.
    field: Option<String>,
}

/// What a change came to: its result, or what the caller did wrong.
///
/// # Errors
/// What is not the caller's to mend by another input.
pub(crate) fn outcome<T>(
    result: domain::Result<T>,
) -> async_graphql::Result<(Option<T>, Vec<UserError>)> {
    match result {
        Ok(value) => Ok((Some(value), Vec::new())),
        Err(error) if is_users(&error) => {
            let field = error.details().and_then(|details| details.field.as_deref());
            let refused = UserError {
                code: error.code().into(),
                message: error.to_string(),
                field: field.map(camel),
            };
            Ok((None, vec![refused]))
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

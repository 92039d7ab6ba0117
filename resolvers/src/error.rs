//! The one place where a domain error becomes a GraphQL error.

use async_graphql::ErrorExtensions as _;
use domain::Code;

/// A GraphQL error with `extensions.code`. The cause of our own faults is logged here, once, and masked.
pub(crate) fn to_graphql(error: &domain::Error) -> async_graphql::Error {
    if let (Code::Internal | Code::Unavailable, Some(cause)) = (error.code(), error.cause()) {
        tracing::error!(error.code = %error.code(), error.cause = %cause, "request failed");
    }
    let answer = coded(error.code(), &error.to_string());
    let Some(details) = error.details() else {
        return answer;
    };
    answer.extend_with(|_, extensions| {
        if let Some(field) = &details.field {
            extensions.set("field", camel(field));
        }
        if let Some(limit) = details.limit {
            extensions.set("limit", limit);
        }
        if let Some(actual) = details.actual {
            extensions.set("actual", actual);
        }
        if let Some(suggestion) = &details.suggestion {
            extensions.set("suggestion", suggestion.clone());
        }
    })
}

/// The path of an input field as the contract spells it: `filter.record_ids` is `filter.recordIds`.
pub(crate) fn camel(path: &str) -> String {
    let mut spelt = String::with_capacity(path.len());
    let mut upper = false;
    for letter in path.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                spelt.extend(letter.to_uppercase());
                upper = false;
            }
            letter => spelt.push(letter),
        }
    }
    spelt
}

/// A GraphQL error with a code and a message.
pub(crate) fn coded(code: Code, message: &str) -> async_graphql::Error {
    async_graphql::Error::new(message)
        .extend_with(|_, extensions| extensions.set("code", code.as_ref()))
}

/// Turns the results of the domain into those of a resolver.
pub(crate) trait IntoGraphql<T> {
    /// The value, or the error with its code.
    fn gql(self) -> async_graphql::Result<T>;
}

impl<T> IntoGraphql<T> for domain::Result<T> {
    fn gql(self) -> async_graphql::Result<T> {
        self.map_err(|error| to_graphql(&error))
    }
}

impl<T> IntoGraphql<T> for Result<T, std::sync::Arc<domain::Error>> {
    fn gql(self) -> async_graphql::Result<T> {
        self.map_err(|error| to_graphql(&error))
    }
}

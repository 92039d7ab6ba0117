//! The one place where a domain error becomes a GraphQL error.

use async_graphql::ErrorExtensionValues;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::{Code, Details};

/// A GraphQL error with its [`extensions`]. The cause of our own faults is logged here, once, and masked.
pub(crate) fn to_graphql(error: &domain::Error) -> async_graphql::Error {
    if let (Code::Internal | Code::Unavailable, Some(cause)) = (error.code(), error.cause()) {
        tracing::error!(error.code = %error.code(), error.cause = %cause, "request failed");
    }
    async_graphql::Error {
        extensions: Some(extensions(error.code(), error.details())),
        ..async_graphql::Error::new(error.to_string())
    }
}

/// What a client's program can do something with: the code, and those of `field`, `limit`, `actual`, `suggestion`, and `from` and `to` of
/// a period that would do, that
/// are known.
pub fn extensions(code: Code, details: Option<&Details>) -> ErrorExtensionValues {
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code.as_ref());
    let Some(Details {
        field,
        limit,
        actual,
        suggestion,
        period,
    }) = details
    else {
        return extensions;
    };
    if let Some(field) = field {
        extensions.set("field", camel(field));
    }
    for (name, number) in [("limit", limit), ("actual", actual)] {
        if let Some(number) = *number {
            extensions.set(name, number);
        }
    }
    if let Some(suggestion) = suggestion {
        extensions.set("suggestion", suggestion.as_str());
    }
    if let Some(period) = period {
        let text = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        extensions.set("from", text(period.from()));
        extensions.set("to", text(period.to()));
    }
    extensions
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

//! The closed set of ways in which a request can fail.
//!
//! A [`Code`] is part of the public contract (`extensions.code` in GraphQL, `code` in REST); its text never
//! changes. Messages are for people and may. The cause of an `Internal` or `Unavailable` error is logged
//! where it is turned into an answer and never reaches a client.

use strum::{AsRefStr, Display, EnumMessage, EnumString, VariantArray};

use crate::Period;

/// Stable machine code of a failure.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Display,
    AsRefStr,
    EnumMessage,
    EnumString,
    VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The document is not GraphQL.
    ParseFailed,
    /// The document does not fit the contract.
    ValidationFailed,
    /// An input is malformed: an impossible value, an id of another kind, fields that contradict each other.
    InvalidInput,
    /// A cursor is damaged, or belongs to another list, filter or order.
    InvalidCursor,
    /// No token, or one that does not verify.
    Unauthenticated,
    /// The caller is known and may not do this.
    Forbidden,
    /// Whoever asked for it may not see all of it any more, so it is not done, or not given out.
    RightsChanged,
    /// No such object for this caller. Objects of other tenants and segments answer the same.
    NotFound,
    /// The request contradicts what is stored: a name that is taken, something that is still in use.
    Conflict,
    /// An assignment would reach into usage that is already counted.
    UsageAlreadyCounted,
    /// A limit was exceeded: `actual` is more than `limit`. What is counted only up to the limit has one more as `actual`. A
    /// question that takes the usage store too much time or memory has neither.
    LimitExceeded,
    /// No cube answers this question exactly, so it is not answered; `suggestion` says what would do.
    NotExact,
    /// Too many requests; try again later.
    Throttled,
    /// An engine is down or starting; try again later.
    Unavailable,
    /// Our fault. `requestId` finds it in the log.
    Internal,
}

/// A failure with its stable code, a message for people and, for our own faults, the hidden cause.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    code: Code,
    message: String,
    details: Option<Box<Details>>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    also: Vec<Error>,
}

/// What a client's program can do something with, besides the code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// The input field that is wrong, with its parents, as the domain spells it: `filter.iccids`.
    pub field: Option<String>,
    /// The limit that was exceeded.
    pub limit: Option<u64>,
    /// What there was instead.
    pub actual: Option<u64>,
    /// What would do instead.
    pub suggestion: Option<String>,
    /// The period that would do instead.
    pub period: Option<Period>,
}

/// Result of every fallible domain function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure that the client can understand and correct.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            details: None,
            source: None,
            also: Vec::new(),
        }
    }

    /// Shorthand for [`Code::InvalidInput`].
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidInput, message)
    }

    /// Shorthand for [`Code::NotFound`]; the message never says whether the object exists elsewhere.
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("no such {what}"))
    }

    /// Shorthand for [`Code::Forbidden`].
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, message)
    }

    /// Our fault: the cause is kept for the log, the client sees only `internal error`.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            code: Code::Internal,
            message: "internal error".into(),
            details: None,
            source: Some(source.into()),
            also: Vec::new(),
        }
    }

    /// An engine does not answer: the cause is kept for the log.
    pub fn unavailable(
        message: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            code: Code::Unavailable,
            message: message.into(),
            details: None,
            source: Some(source.into()),
            also: Vec::new(),
        }
    }

    /// Shorthand for [`Code::LimitExceeded`].
    pub fn limit(message: impl Into<String>, limit: u64, actual: u64) -> Self {
        let mut error = Self::new(Code::LimitExceeded, message);
        let details = error.details_mut();
        details.limit = Some(limit);
        details.actual = Some(actual);
        error
    }

    /// Fails with all of `errors`, if there are any, the first one first: a form shows each beside its field.
    pub fn none_of<E: Into<Self>>(errors: impl IntoIterator<Item = E>) -> Result<()> {
        let mut errors = errors.into_iter().map(Into::into);
        match errors.next() {
            None => Ok(()),
            Some(first) => Err(Self {
                also: errors.collect(),
                ..first
            }),
        }
    }

    /// This one and those that came with it.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.also)
    }

    /// Says which input field is wrong; called from the inside out, so that parents come before.
    #[must_use]
    pub fn at(mut self, field: &str) -> Self {
        let details = self.details_mut();
        details.field = Some(match details.field.take() {
            Some(within) => format!("{field}.{within}"),
            None => field.to_owned(),
        });
        self
    }

    /// Says what would do instead.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.details_mut().suggestion = Some(suggestion.into());
        self
    }

    /// Says which period would do instead.
    #[must_use]
    pub fn would_do(mut self, period: Period) -> Self {
        self.details_mut().period = Some(period);
        self
    }

    fn details_mut(&mut self) -> &mut Details {
        self.details.get_or_insert_default()
    }

    /// Further details for a client's program.
    pub fn details(&self) -> Option<&Details> {
        self.details.as_deref()
    }

    /// The stable code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// What the database said, if it is the cause.
    pub(crate) fn database(&self) -> Option<&tokio_postgres::Error> {
        self.source.as_ref()?.downcast_ref()
    }

    /// The hidden cause as text, for the log only.
    pub fn cause(&self) -> Option<String> {
        self.source.as_ref().map(|source| {
            let mut text = source.to_string();
            let mut next = source.source();
            while let Some(cause) = next {
                let said = cause.to_string();
                // Many an error repeats its cause in its own words.
                if !text.contains(&said) {
                    text.push_str(": ");
                    text.push_str(&said);
                }
                next = cause.source();
            }
            text
        })
    }
}

//! Words about errors.

use async_graphql::Enum;
use domain::Code;

/// Why something failed: `extensions.code` of an error, and the code of a user error. Codes are added, never changed; a
/// client treats one that it does not know as `INTERNAL`.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq)]
#[graphql(remote = "Code")]
pub enum ErrorCode {
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

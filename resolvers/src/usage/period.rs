//! `Period`: a span of time.

use async_graphql::SimpleObject;
use schema::scalar::DateTime;

/// A half-open span of time.
#[derive(SimpleObject)]
pub(crate) struct Period {
    /// First moment inside.
    from: DateTime,
    /// First moment after it.
    to: DateTime,
}

impl From<domain::Period> for Period {
    fn from(period: domain::Period) -> Self {
        Self {
            from: period.from().into(),
            to: period.to().into(),
        }
    }
}

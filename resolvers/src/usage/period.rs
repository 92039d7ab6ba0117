//! `Period`: a span of time.

use async_graphql::SimpleObject;
use schema::scalar::DateTime;

/// A span of time.
#[derive(SimpleObject)]
pub(crate) struct Period {
    /// Its start, which is part of it.
    from: DateTime,
    /// Its end, which is not part of it.
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

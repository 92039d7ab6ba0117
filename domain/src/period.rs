//! Half-open spans of UTC time.

use chrono::{DateTime, Utc};

use crate::{Error, Result};

/// `[from, to)` in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Period {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl Period {
    /// # Errors
    /// `INVALID_INPUT` when `from` is not before `to`.
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Self> {
        if from < to {
            Ok(Self { from, to })
        } else {
            let text = "a period is half-open: `from` must be before `to`";
            Err(Error::invalid(text).at("to"))
        }
    }

    /// First moment inside.
    pub const fn from(&self) -> DateTime<Utc> {
        self.from
    }

    /// First moment outside.
    pub const fn to(&self) -> DateTime<Utc> {
        self.to
    }
}

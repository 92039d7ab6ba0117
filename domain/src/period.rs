//! Half-open spans of UTC time.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// `[from, to)` in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Bounds")]
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

/// A period as it is read, before it is known to be one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl TryFrom<Bounds> for Period {
    type Error = Error;

    fn try_from(Bounds { from, to }: Bounds) -> Result<Self> {
        Self::new(from, to)
    }
}

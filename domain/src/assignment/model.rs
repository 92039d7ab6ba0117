//! What an assignment is.

use chrono::{DateTime, Utc};

use crate::id::CustomerId;

/// A span in which a SIM or device belonged to one customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// To whom.
    pub customer: CustomerId,
    /// Since when; none: always.
    pub from: Option<DateTime<Utc>>,
    /// Until when, this moment excluded; none: still.
    pub to: Option<DateTime<Utc>>,
}

//! Money of a card, to nine decimal places.

use std::fmt;

use serde::{Serialize, Serializer};

use super::RatingError;
use crate::decimal::Decimal;

/// Money in 10⁻⁹ of the card's currency. It prints with nine decimal places, and is text in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(i128);

impl Amount {
    /// Decimal places.
    pub const PLACES: u32 = 9;
    /// Most that a month of a tenant may come to: 10¹² of the currency.
    pub const MOST: Self = Self(10_i128.pow(12 + Self::PLACES));

    /// From 10⁻⁹ of the currency.
    pub const fn of_nanos(nanos: i128) -> Self {
        Self(nanos)
    }

    /// In 10⁻⁹ of the currency.
    pub const fn nanos(self) -> i128 {
        self.0
    }

    /// Itself, if it is not more than a month may come to.
    ///
    /// # Errors
    /// `AMOUNT_TOO_LARGE`.
    pub(super) fn bounded(self) -> Result<Self, RatingError> {
        (self <= Self::MOST)
            .then_some(self)
            .ok_or(RatingError::AmountTooLarge)
    }
}

impl From<Amount> for Decimal {
    fn from(amount: Amount) -> Self {
        Self {
            scaled: amount.0,
            places: Amount::PLACES,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Decimal::from(*self).fmt(f)
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

//! What usage of a month costs: rate cards, and the rule by which they are applied.
//!
//! Nothing here reads or writes. `docs/rating.md` publishes the rule.

mod amount;
pub mod card;
mod country;
mod currency;
mod error;
mod rates;

pub use amount::Amount;
pub use card::{
    Band, Base, BillPeriod, Card, CardCode, CardZone, Match, RateScope, RateUnit, Refusal, RoundPer,
};
pub use currency::Currency;
pub use error::RatingError;
pub use rates::{Place, RateZone, Rates, Step};

#[cfg(test)]
mod tests;

//! What usage of a month costs: rate cards, and the rule by which they are applied.
//!
//! Nothing here reads or writes. `docs/rating.md` publishes the rule, and a test holds both to the same digits.
//!
//! ```text
//! Card::check -> Rates           all that is wrong with a card, or what it says
//! Piece::new                     rows of some SIMs: netted, zones, rounding; what these SIMs decide alone
//! Sums::add, Sums::prices        first pass over the pieces: what goes through the bands as one
//! Prices::rate, Totals::add      second pass: every cell and record has its share
//! Totals::finish                 lines and roll-ups, which add up to the same
//! ```
//!
//! Amounts and quantities are checked integers of 128 bits. The order of rows and how they are cut into pieces change nothing.

mod amount;
pub mod card;
mod country;
mod currency;
mod error;
mod month;
mod pass;
mod piece;
mod price;
mod rates;
mod row;
mod total;

pub use amount::Amount;
pub use card::{
    Band, Base, BillPeriod, Card, CardCode, CardZone, Match, RateScope, RateUnit, Refusal, RoundPer,
};
pub use currency::Currency;
pub use error::RatingError;
pub use month::{Day, Month, Terms};
pub use pass::{Charge, Prices, Rated, RatedCell, RatedRecord, Sums};
pub use piece::{Piece, Unrated};
pub use rates::{Place, RateZone, Rates, Step};
pub use row::{CellKey, Row};
pub use total::{
    AccessLine, Cost, CustomerCost, Line, NetworkCost, RatedMonth, SimCost, Totals, UsageLine,
};

#[cfg(test)]
mod tests;

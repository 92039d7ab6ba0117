//! Why a month can't be rated.

use super::card::MOST_QUANTITY;

/// Why there is no result. Nothing of it is right then.
#[derive(Clone, Debug, PartialEq, Eq, strum::AsRefStr, thiserror::Error)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum RatingError {
    /// Usage that goes through the bands together, or an amount, is larger than a bill can have.
    #[error("usage of more than {MOST_QUANTITY}, or an amount of more than 10^12")]
    AmountTooLarge,
    /// Usage of another month.
    #[error("usage that did not begin in the month")]
    OutsideMonth,
    /// Rows of one record, by its source and id, differ in more than customer and device.
    #[error("rows of the record {1} of {0} differ")]
    RowsDiffer(String, String),
    /// Rows of one record, by its source and id, count it more than once or less than not at all.
    #[error("rows of the record {1} of {0} do not count it once")]
    NotOnce(String, String),
    /// A SIM's usage came in two pieces.
    #[error("the usage of a SIM came in two pieces")]
    SimDivided,
    /// The second pass has usage that the first one had not.
    #[error("usage that was not summed is to be priced")]
    NotSummed,
}

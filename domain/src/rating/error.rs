//! Why a month can't be rated.

/// Why there is no result. Nothing of it is right then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RatingError {
    /// A group of usage is more than 10¹⁷, or an amount more than 10¹² of the currency.
    #[error("AMOUNT_TOO_LARGE: usage or an amount is larger than a bill can have")]
    AmountTooLarge,
}

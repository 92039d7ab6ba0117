//! Shares of a whole that add up to it exactly.

/// Parts of a hundred percent, in hundredths of a percent.
pub const WHOLE: u128 = 10_000;

/// What each of these amounts is of their sum, in hundredths of a percent: rounded so that all of them make [`WHOLE`]. Each
/// is rounded down, and what is left goes to those that lost most by that, the earlier first (the method of largest
/// remainders). `None` when there is nothing to share, or when the sum has more than 114 bits.
pub fn shares(amounts: &[u128]) -> Option<Vec<u128>> {
    let sum = amounts
        .iter()
        .try_fold(0_u128, |sum, amount| sum.checked_add(*amount))?;
    sum.checked_mul(WHOLE).filter(|_| sum > 0)?;
    let mut shares: Vec<u128> = amounts.iter().map(|amount| amount * WHOLE / sum).collect();
    let left = WHOLE - shares.iter().sum::<u128>();
    let mut places: Vec<usize> = (0..amounts.len()).collect();
    places.sort_by_key(|place| std::cmp::Reverse(amounts[*place] * WHOLE % sum));
    for (place, _) in places.into_iter().zip(0..left) {
        shares[place] += 1;
    }
    Some(shares)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_goes_to_the_largest_remainders() {
        assert_eq!(shares(&[1, 1, 1]), Some(vec![3_334, 3_333, 3_333]));
        assert_eq!(shares(&[2, 1]), Some(vec![6_667, 3_333]));
        assert_eq!(shares(&[7, 0]), Some(vec![10_000, 0]));
        assert_eq!(shares(&[0, 0]), None);
        assert_eq!(shares(&[]), None);
        assert_eq!(shares(&[u128::MAX, 1]), None);
    }

    proptest! {
        #[test]
        fn they_make_a_hundred_percent(amounts in prop::collection::vec(0..1_u128 << 100, 1..50)) {
            let Some(shares) = shares(&amounts) else {
                return Ok(());
            };
            prop_assert_eq!(shares.iter().sum::<u128>(), WHOLE);
            let sum: u128 = amounts.iter().sum();
            for (share, amount) in shares.iter().zip(&amounts) {
                let down = amount * WHOLE / sum;
                prop_assert!(down <= *share && *share <= down + 1);
            }
        }
    }
}

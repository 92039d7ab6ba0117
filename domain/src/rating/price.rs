//! Integers that the rule is made of: quantities, rounding up, prices, and shares that add up.
//!
//! Every operation is checked. Its bounds leave room: a quantity of 10¹⁷ times an amount of 10²¹ are 10³⁸, and 128 bits hold 1.7 × 10³⁸.

use super::{Amount, RateZone, RatingError, card::MOST_QUANTITY};
use crate::usage::Service;

/// Result of an operation that may not fit.
pub(super) type Checked<T> = Result<T, RatingError>;

const LARGE: RatingError = RatingError::AmountTooLarge;

/// What a record counts: bytes both ways, messages, of which a record has at least one, or seconds.
pub(super) fn quantity(service: Service, bytes_up: u64, bytes_down: u64, units: u64) -> i128 {
    match service {
        Service::Data => i128::from(bytes_up) + i128::from(bytes_down),
        Service::Sms => units.max(1).into(),
        Service::Voice => units.into(),
    }
}

/// Adds to a sum.
pub(super) fn add(sum: &mut i128, more: i128) -> Checked<()> {
    *sum = sum.checked_add(more).ok_or(LARGE)?;
    Ok(())
}

/// A quantity up to the next multiple of the increment.
pub(super) fn round_up(quantity: i128, increment: i128) -> Checked<i128> {
    let below = increment - 1;
    let steps = quantity.checked_add(below).ok_or(LARGE)? / increment;
    bounded(steps.checked_mul(increment).ok_or(LARGE)?)
}

/// A quantity that may be multiplied with an amount.
pub(super) fn bounded(quantity: i128) -> Checked<i128> {
    (quantity <= i128::from(MOST_QUANTITY))
        .then_some(quantity)
        .ok_or(LARGE)
}

/// What a quantity costs that goes through the bands of a zone together, half up to nine decimal places. `sims` are those whose bounds
/// are put together.
pub(super) fn price(zone: &RateZone, quantity: i128, sims: u64) -> Checked<Amount> {
    let quantity = bounded(quantity)?;
    let factor = if zone.per_sim { sims.into() } else { 1 };
    let (mut from, mut sum) = (0, 0_i128);
    for step in &zone.bands {
        let to = match step.up_to {
            Some(bound) => bound.checked_mul(factor).ok_or(LARGE)?.min(quantity),
            None => quantity,
        };
        let part = (to - from).checked_mul(step.price.nanos()).ok_or(LARGE)?;
        add(&mut sum, part)?;
        from = to;
    }
    let twice = sum.checked_mul(2).ok_or(LARGE)?;
    let rounded = twice.checked_add(zone.unit).ok_or(LARGE)? / (2 * zone.unit);
    Amount::of_nanos(rounded).bounded()
}

/// A whole that is shared by weights, one after the other. Part *i* is ⌊T·Wᵢ/W⌋ − ⌊T·Wᵢ₋₁/W⌋, where Wᵢ is the sum of the weights so far:
/// never negative, and all of them make the whole.
pub(super) struct Share {
    whole: i128,
    weights: i128,
    seen: i128,
    given: i128,
}

impl Share {
    /// Of a whole, by weights that make this sum, of which the first make `seen` and had theirs already. A sum of 0 is of a whole of 0.
    pub(super) fn new(whole: i128, weights: i128, seen: i128) -> Checked<Self> {
        let given = Self::up_to(whole, weights, seen)?;
        Ok(Self {
            whole,
            weights,
            seen,
            given,
        })
    }

    /// The part of the next weight.
    pub(super) fn part(&mut self, weight: i128) -> Checked<i128> {
        add(&mut self.seen, weight)?;
        let up_to = Self::up_to(self.whole, self.weights, self.seen)?;
        let part = up_to - self.given;
        self.given = up_to;
        Ok(part)
    }

    fn up_to(whole: i128, weights: i128, seen: i128) -> Checked<i128> {
        if weights == 0 {
            return Ok(0);
        }
        Ok(whole.checked_mul(seen).ok_or(LARGE)? / weights)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rating::{
        Base, RateScope,
        card::LARGEST_UNIT,
        tests::{band, card, zone},
    };

    const MOST: i128 = MOST_QUANTITY as i128;

    /// A zone of this unit and these bands.
    fn of(unit: i64, bands: &[(Option<i64>, &str)], per_sim: bool) -> RateZone {
        let mut zone = zone(Base::Bytes);
        zone.unit.size = unit;
        zone.bands = bands
            .iter()
            .map(|(up_to, price)| band(*up_to, price))
            .collect();
        zone.scope = RateScope::Tenant;
        zone.per_sim = per_sim;
        let rates = card(&[zone]).check().expect("a card");
        rates.zones()[0].clone()
    }

    fn cost(zone: &RateZone, quantity: i128, sims: u64) -> String {
        price(zone, quantity, sims).map_or_else(|error| error.to_string(), |it| it.to_string())
    }

    #[test]
    fn records_count_what_their_service_is_counted_in() {
        assert_eq!(quantity(Service::Data, 7, 5, 3), 12);
        let most = quantity(Service::Data, u64::MAX, u64::MAX, 0);
        assert_eq!(most, 2 * i128::from(u64::MAX));
        assert_eq!(quantity(Service::Sms, 7, 5, 0), 1);
        assert_eq!(quantity(Service::Sms, 7, 5, 3), 3);
        assert_eq!(quantity(Service::Voice, 7, 5, 0), 0);
        assert_eq!(quantity(Service::Voice, 7, 5, 61), 61);
    }

    #[test]
    fn usage_is_rounded_up_to_increments() {
        for (quantity, increment, expected) in [
            (0, 60, 0),
            (1, 60, 60),
            (60, 60, 60),
            (61, 60, 120),
            (7, 1, 7),
            (MOST, 1, MOST),
            (MOST - 1, 1_000, MOST),
            (1, LARGEST_UNIT.into(), LARGEST_UNIT.into()),
        ] {
            assert_eq!(round_up(quantity, increment), Ok(expected));
        }
        assert_eq!(round_up(MOST + 1, 1), Err(LARGE));
        assert_eq!(round_up(MOST - 1, 3), Ok(MOST - 1));
        assert_eq!(round_up(MOST, 3), Err(LARGE));
        assert_eq!(round_up(i128::MAX, 2), Err(LARGE));
    }

    #[test]
    fn a_price_is_per_unit() {
        let zone = of(1_000_000, &[(None, "0.02")], false);
        assert_eq!(cost(&zone, 0, 1), "0.000000000");
        assert_eq!(cost(&zone, 1_500_000, 1), "0.030000000");
        // 2^20 is another unit.
        let zone = of(1 << 20, &[(None, "0.02")], false);
        assert_eq!(cost(&zone, 1_500_000, 1), "0.028610229");
    }

    #[test]
    fn it_is_rounded_once_half_up() {
        // 0.000000001 for two: one costs half of it.
        let zone = of(2, &[(None, "0.000000001")], false);
        assert_eq!(cost(&zone, 1, 1), "0.000000001");
        assert_eq!(cost(&zone, 2, 1), "0.000000001");
        assert_eq!(cost(&zone, 3, 1), "0.000000002");
        let zone = of(3, &[(None, "0.000000001")], false);
        assert_eq!(cost(&zone, 1, 1), "0.000000000");
        assert_eq!(cost(&zone, 2, 1), "0.000000001");
        // Two bands of a half each make one, not two.
        let zone = of(2, &[(Some(1), "0.000000001"), (None, "0.000000001")], false);
        assert_eq!(cost(&zone, 2, 1), "0.000000001");
    }

    #[test]
    fn bounds_are_inclusive() {
        let zone = of(1, &[(Some(10), "0"), (Some(20), "2"), (None, "1")], false);
        for (quantity, expected) in [
            (10, "0.000000000"),
            (11, "2.000000000"),
            (20, "20.000000000"),
            (21, "21.000000000"),
            (30, "30.000000000"),
        ] {
            assert_eq!(cost(&zone, quantity, 9), expected, "{quantity}");
        }
    }

    #[test]
    fn a_pool_is_as_large_as_there_are_sims() {
        let zone = of(1, &[(Some(10), "0"), (None, "1")], true);
        assert_eq!(cost(&zone, 31, 3), "1.000000000");
        assert_eq!(cost(&zone, 30, 3), "0.000000000");
        assert_eq!(cost(&zone, 30, 0), "30.000000000");
        let zone = of(1, &[(Some(MOST_QUANTITY), "0"), (None, "1")], true);
        assert_eq!(cost(&zone, MOST, u64::MAX), "0.000000000");
    }

    #[test]
    fn quantities_and_amounts_are_bounded() {
        let large = LARGE.to_string();
        let zone = of(LARGEST_UNIT, &[(None, "1000000")], false);
        assert_eq!(cost(&zone, MOST, 1), "100000000.000000000");
        assert_eq!(cost(&zone, MOST + 1, 1), large);
        let zone = of(1, &[(None, "1000000")], false);
        assert_eq!(cost(&zone, 1_000_000, 1), "1000000000000.000000000");
        assert_eq!(cost(&zone, 1_000_001, 1), large);
        assert_eq!(cost(&zone, MOST, 1), large);
        // Half of the last decimal place is rounded down to the bound, and not refused.
        let zone = of(
            3,
            &[(Some(3_000_000), "1000000"), (None, "0.000000001")],
            false,
        );
        assert_eq!(cost(&zone, 3_000_001, 1), "1000000000000.000000000");
        assert_eq!(cost(&zone, 3_000_002, 1), large);
    }

    #[test]
    fn nothing_is_shared_by_nothing() {
        let mut share = Share::new(0, 0, 0).expect("a share");
        assert_eq!(share.part(0), Ok(0));
    }

    #[test]
    fn the_largest_shares_fit() {
        let whole = Amount::MOST.nanos();
        let mut share = Share::new(whole, MOST, 0).expect("a share");
        assert_eq!(share.part(MOST - 1), Ok(whole - 10_000));
        assert_eq!(share.part(1), Ok(10_000));
        assert_eq!(Share::new(whole, MOST, MOST * 2).err(), Some(LARGE));
    }

    proptest! {
        #[test]
        fn shares_are_never_negative_and_add_up(
            whole in prop_oneof![0..100_i128, 0..=Amount::MOST.nanos()],
            weights in prop::collection::vec(prop_oneof![Just(0), 0..10_i128, 0..=MOST / 40], 1..40),
            split in 0..40_usize,
        ) {
            let sum: i128 = weights.iter().sum();
            prop_assume!(sum > 0);
            let mut share = Share::new(whole, sum, 0).expect("a share");
            let parts: Vec<i128> = weights.iter().map(|it| share.part(*it).expect("a part")).collect();
            prop_assert!(parts.iter().zip(&weights).all(|(part, weight)| *part >= 0 && (*weight > 0 || *part == 0)));
            prop_assert_eq!(parts.iter().sum::<i128>(), whole);
            // Whoever begins in the middle gives the same.
            let split = split.min(weights.len());
            let mut rest = Share::new(whole, sum, weights[..split].iter().sum()).expect("a share");
            for (weight, part) in weights.iter().zip(&parts).skip(split) {
                prop_assert_eq!(rest.part(*weight), Ok(*part));
            }
        }

        #[test]
        fn what_costs_something_never_costs_less_for_more(
            bounds in prop::collection::btree_set(1..1_000_i64, 0..5),
            prices in prop::collection::vec(0..2_000_000_000_u64, 6),
            unit in 1..50_i64,
            quantity in 0..2_000_i128,
        ) {
            let texts: Vec<String> = prices.iter().map(|it| Amount::of_nanos((*it).into()).to_string()).collect();
            let bounds = bounds.into_iter().map(Some).chain([None]);
            let bands: Vec<_> = bounds.zip(texts.iter().map(String::as_str)).collect();
            let zone = of(unit, &bands, false);
            prop_assert!(price(&zone, quantity, 1).ok() <= price(&zone, quantity + 1, 1).ok());
        }
    }
}

//! Cards and usage of tests.

use super::{Band, Base, BillPeriod, Card, CardZone, Match, RateScope, RateUnit, RoundPer};
use crate::usage::Service;

/// A card in euro for months, without an access charge.
pub(super) fn card(zones: &[CardZone]) -> Card {
    Card {
        bill_period: BillPeriod::Month,
        currency: "EUR".to_owned(),
        access_charge: Some("0".to_owned()),
        zones: zones.to_vec(),
    }
}

/// A zone anywhere: 1 for each byte, message or second, nothing rounded.
pub(super) fn zone(of: Base) -> CardZone {
    CardZone {
        place: Match::default(),
        service: match of {
            Base::Bytes => Service::Data,
            Base::Messages => Service::Sms,
            Base::Seconds => Service::Voice,
        },
        unit: RateUnit { of, size: 1 },
        increment: 1,
        round_per: RoundPer::Record,
        scope: RateScope::Sim,
        per_sim: false,
        bands: vec![band(None, "1")],
    }
}

pub(super) fn band(up_to: Option<i64>, price: &str) -> Band {
    Band {
        up_to,
        price: Some(price.to_owned()),
    }
}

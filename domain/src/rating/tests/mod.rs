//! Cards and usage of tests.

mod example;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{
    Band, Base, BillPeriod, Card, CardZone, Match, Month, Piece, RateScope, RateUnit, Rated,
    RatedMonth, RatingError, RoundPer, Row, Sums, Terms,
};
use crate::{
    id::{CustomerId, DeviceId, SimId},
    usage::Service,
};

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

/// October 2026 in Berlin, with two networks of Germany and one of Switzerland.
pub(super) fn terms(card: &Card) -> Terms {
    let first = "2026-10-01".parse().expect("a date");
    let month = Month::new("Europe/Berlin".parse().expect("a zone"), first);
    let countries = [("262-01", "DE"), ("262-02", "DE"), ("228-01", "CH")];
    Terms {
        rates: card.check().expect("a card"),
        month: month.expect("a month"),
        countries: countries
            .map(|(network, country)| (network.to_owned(), country.to_owned()))
            .into(),
    }
}

pub(super) fn sim(number: u128) -> SimId {
    SimId::new(Uuid::from_u128(number))
}

pub(super) fn customer(number: u128) -> CustomerId {
    CustomerId::new(Uuid::from_u128(number))
}

pub(super) fn device(number: u128) -> DeviceId {
    DeviceId::new(Uuid::from_u128(number))
}

pub(super) fn at(moment: &str) -> DateTime<Utc> {
    moment.parse().expect("a moment")
}

/// Bytes that the first SIM sent at noon of 10 October on 262-01.
pub(super) fn row(record_id: &'static str, bytes_up: u64) -> Row<'static> {
    Row {
        source: "gw1",
        record_id,
        customer: None,
        device: None,
        sim: sim(1),
        network: "262-01",
        access_type: "LTE",
        service: Service::Data,
        start: at("2026-10-10T12:00:00Z"),
        bytes_up,
        bytes_down: 0,
        units: 0,
        sign: 1,
    }
}

/// A call of the first SIM.
pub(super) fn call(record_id: &'static str, start: &str, seconds: u64) -> Row<'static> {
    Row {
        service: Service::Voice,
        start: at(start),
        units: seconds,
        ..row(record_id, 0)
    }
}

/// A month whose usage is in one piece, and in which these SIMs count.
pub(super) fn rate<'a>(
    terms: &Terms,
    rows: &[Row<'a>],
    sims: &[SimId],
) -> Result<(Rated<'a>, RatedMonth), RatingError> {
    let piece = Piece::new(rows.to_vec(), terms)?;
    let mut first_pass = Sums::new(&terms.rates);
    first_pass.add(&piece)?;
    let prices = first_pass.prices(sims.iter().copied().collect())?;
    let rated = prices.rate(&piece)?;
    let mut totals = prices.totals();
    totals.add(&rated)?;
    Ok((rated, totals.finish()?))
}

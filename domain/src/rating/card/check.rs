//! What is wrong with a card: all of it, not the first that is found.

use std::{collections::HashMap, fmt};

use super::{
    Band, Base, Card, CardCode, CardZone, HIGHEST_PRICE, LARGEST_UNIT, MOST_BANDS, MOST_QUANTITY,
    MOST_REFUSALS, MOST_ZONES, Match, RateScope, Refusal,
};
use crate::{
    decimal::Decimal,
    identifier::Plmn,
    radio_access::RadioAccess,
    rating::{Amount, Currency, Place, RateZone, Rates, Step, country::is_country},
    text::is_trimmed,
};

/// Most characters of a radio access type: those of a record, and the words around a code without a meaning.
const LONGEST_ACCESS_TYPE: usize = 42;

impl Card {
    /// Its rates, if nothing is wrong with it. Whether the network dictionary knows its networks is not looked at.
    ///
    /// # Errors
    /// All that is wrong, in the order in which it is written; the first [`MOST_REFUSALS`].
    pub fn check(&self) -> Result<Rates, Vec<Refusal>> {
        let mut refusals = Refusals::default();
        let currency: Option<Currency> = self.currency.parse().ok();
        if currency.is_none() {
            let text = "a currency is a code of ISO 4217, such as EUR";
            refusals.add(CardCode::UnknownCurrency, "/currency", text);
        }
        let access_charge =
            refusals.price(self.access_charge.as_deref(), "/accessCharge".to_owned());
        let zones = refusals.zones(&self.zones);
        match (currency, access_charge, zones) {
            (Some(currency), Some(access_charge), Some(zones)) if refusals.0.is_empty() => {
                Ok(Rates::new(self.bill_period, currency, access_charge, zones))
            }
            _ => Err(refusals.0),
        }
    }
}

/// What is wrong so far. Each of its functions gives what it looked at if that is right, or tells why not.
#[derive(Default)]
struct Refusals(Vec<Refusal>);

impl Refusals {
    fn add(&mut self, code: CardCode, field: impl fmt::Display, message: impl Into<String>) {
        if self.0.len() < MOST_REFUSALS {
            self.0.push(Refusal {
                code,
                field: field.to_string(),
                message: message.into(),
            });
        }
    }

    fn price(&mut self, text: Option<&str>, field: String) -> Option<Amount> {
        match price(text) {
            Ok(price) => Some(price),
            Err((code, message)) => {
                self.add(code, field, message);
                None
            }
        }
    }

    fn zones(&mut self, zones: &[CardZone]) -> Option<Vec<RateZone>> {
        if zones.is_empty() {
            let text = "a card has zones; without any, all usage is unrated";
            self.add(CardCode::NoZones, "/zones", text);
        }
        if zones.len() > MOST_ZONES {
            let text = format!("a card has {MOST_ZONES} zones at most");
            self.add(CardCode::TooManyZones, "/zones", text);
            return None;
        }
        let mut seen = HashMap::new();
        let checked = zones.iter().enumerate().map(|(at, zone)| {
            let field = format!("/zones/{at}");
            let place = self.place(&zone.place, &field);
            if let Some((place, access_type)) = &place {
                let key = (place.clone(), access_type.clone(), zone.service);
                if let Some(first) = seen.insert(key, at) {
                    let text = format!("matches the same usage as zone {first}");
                    self.add(CardCode::AmbiguousZone, format_args!("{field}/match"), text);
                }
            }
            self.zone(zone, place, &field)
        });
        // All of them are looked at before one that is wrong ends it.
        checked.collect::<Vec<_>>().into_iter().collect()
    }

    fn place(&mut self, place: &Match, field: &str) -> Option<(Place, Option<String>)> {
        let before = self.0.len();
        let found = match (&place.network, &place.country) {
            (None, None) => Place::Any,
            (Some(network), None) => {
                if !Plmn::parse(network).is_ok_and(|plmn| plmn.as_str() == network) {
                    let text = "a network is its MCC and MNC, such as 262-01";
                    let field = format_args!("{field}/match/network");
                    self.add(CardCode::UnknownNetwork, field, text);
                }
                Place::Network(network.clone())
            }
            (None, Some(country)) => {
                if !is_country(country) {
                    let text = "a country is a code of ISO 3166-1 alpha-2, such as DE";
                    let field = format_args!("{field}/match/country");
                    self.add(CardCode::UnknownCountry, field, text);
                }
                Place::Country(country.clone())
            }
            (Some(_), Some(_)) => {
                let text = "a zone matches a network or a country, not both";
                self.add(CardCode::TwoPlaces, format_args!("{field}/match"), text);
                Place::Any
            }
        };
        if let Some(text) = &place.access_type {
            // A code never matches: usage has its words.
            let is_word = is_trimmed(text, LONGEST_ACCESS_TYPE)
                && RadioAccess::new(text).words() == text.as_str();
            if !is_word {
                let text = "a radio access type is written as usage shows it, such as LTE";
                let field = format_args!("{field}/match/accessType");
                self.add(CardCode::UnknownAccessType, field, text);
            }
        }
        (self.0.len() == before).then(|| (found, place.access_type.clone()))
    }

    fn zone(
        &mut self,
        zone: &CardZone,
        place: Option<(Place, Option<String>)>,
        field: &str,
    ) -> Option<RateZone> {
        let base = Base::of(zone.service);
        if zone.unit.of != base {
            let (service, base) = (zone.service.as_ref(), base.as_ref());
            let text = format!("{service} is counted in {base}");
            self.add(
                CardCode::UnitMismatch,
                format_args!("{field}/unit/of"),
                text,
            );
        }
        let (small, large) = (CardCode::UnitTooSmall, CardCode::UnitTooLarge);
        self.size(zone.unit.size, format!("{field}/unit/size"), small, large);
        let (small, large) = (CardCode::IncrementTooSmall, CardCode::IncrementTooLarge);
        self.size(zone.increment, format!("{field}/increment"), small, large);
        if zone.per_sim && zone.scope != RateScope::Tenant {
            let text = "bounds for each SIM need the scope TENANT";
            self.add(
                CardCode::PerSimWithoutTenant,
                format_args!("{field}/perSim"),
                text,
            );
        }
        let bands = self.bands(&zone.bands, field)?;
        let (place, access_type) = place?;
        Some(RateZone {
            place,
            access_type,
            service: zone.service,
            unit: zone.unit.size.into(),
            increment: zone.increment.into(),
            round_per: zone.round_per,
            scope: zone.scope,
            per_sim: zone.per_sim,
            bands,
        })
    }

    fn size(&mut self, size: i64, field: String, small: CardCode, large: CardCode) {
        if size < 1 {
            self.add(small, field, "at least 1 is needed");
        } else if size > LARGEST_UNIT {
            self.add(large, field, format!("{LARGEST_UNIT} is the most"));
        }
    }

    fn bands(&mut self, bands: &[Band], zone: &str) -> Option<Vec<Step>> {
        if bands.is_empty() {
            let text = "a zone has a band, which has its price";
            self.add(CardCode::NoBands, format_args!("{zone}/bands"), text);
        }
        if bands.len() > MOST_BANDS {
            let text = format!("a zone has {MOST_BANDS} bands at most");
            self.add(CardCode::TooManyBands, format_args!("{zone}/bands"), text);
            return None;
        }
        let mut highest = None;
        let checked = bands.iter().enumerate().map(|(at, band)| {
            let field = format!("{zone}/bands/{at}");
            let is_last = at + 1 == bands.len();
            if let Err((code, message)) = bound(band.up_to, highest, is_last) {
                self.add(code, format_args!("{field}/upTo"), message);
            }
            highest = highest.max(band.up_to);
            let price = self.price(band.price.as_deref(), format!("{field}/price"))?;
            Some(Step {
                up_to: band.up_to.map(Into::into),
                price,
            })
        });
        checked.collect::<Vec<_>>().into_iter().collect()
    }
}

/// A price or an access charge.
fn price(text: Option<&str>) -> Result<Amount, (CardCode, String)> {
    let text = text.ok_or((CardCode::PriceMissing, "a price is missing".to_owned()))?;
    let number: Decimal = text.parse().map_err(|_| {
        let text = "a price is a decimal number of 36 digits at most, such as 0.25";
        (CardCode::PriceInvalid, text.to_owned())
    })?;
    if number.scaled < 0 {
        let text = "a price is not negative".to_owned();
        return Err((CardCode::PriceNegative, text));
    }
    if number.places > Amount::PLACES {
        let text = format!("a price has {} decimal places at most", Amount::PLACES);
        return Err((CardCode::PriceTooPrecise, text));
    }
    let most = HIGHEST_PRICE * 10_i128.pow(Amount::PLACES);
    let nanos = number.at(Amount::PLACES).filter(|nanos| *nanos <= most);
    nanos.map(Amount::of_nanos).ok_or_else(|| {
        let text = format!("a price is {HIGHEST_PRICE} at most");
        (CardCode::PriceTooHigh, text)
    })
}

/// The bound of a band, behind bands of which `before` is the highest bound.
fn bound(
    up_to: Option<i64>,
    before: Option<i64>,
    is_last: bool,
) -> Result<(), (CardCode, &'static str)> {
    match up_to {
        None if is_last => Ok(()),
        None => Err((
            CardCode::BandAfterOpen,
            "only the last band is without a bound",
        )),
        Some(_) if is_last => Err((
            CardCode::LastBandBounded,
            "the last band has no bound, so that all usage has a price",
        )),
        Some(..1) => Err((CardCode::BoundTooLow, "a bound is at least 1")),
        Some(bound) if bound > MOST_QUANTITY => {
            Err((CardCode::BoundTooHigh, "a bound is 10^17 at most"))
        }
        Some(bound) if before.is_some_and(|before| bound <= before) => Err((
            CardCode::BandsNotRising,
            "a bound is above those of the bands before",
        )),
        Some(_) => Ok(()),
    }
}

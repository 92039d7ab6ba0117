//! The rates of a card that was checked, and which of them usage has.

use std::collections::HashMap;

use super::{Amount, BillPeriod, Currency, RateScope, RoundPer};
use crate::usage::Service;

/// A card with which nothing is wrong.
#[derive(Clone, Debug)]
pub struct Rates {
    bill_period: BillPeriod,
    currency: Currency,
    access_charge: Amount,
    zones: Vec<RateZone>,
    /// Zones by the text of their place, sorted by service and access type.
    by_place: HashMap<String, Vec<usize>>,
}

/// A zone of it. Quantities are in bytes, messages or seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateZone {
    /// Where.
    pub place: Place,
    /// By which radio access type; none: by any.
    pub access_type: Option<String>,
    /// Of which service.
    pub service: Service,
    /// What prices are per, 1 to 10¹⁵.
    pub unit: i128,
    /// What usage is rounded up to multiples of, 1 to 10¹⁵.
    pub increment: i128,
    /// What is rounded up at once.
    pub round_per: RoundPer,
    /// Whose usage goes through the bands together.
    pub scope: RateScope,
    /// Whether bounds are for each SIM.
    pub per_sim: bool,
    /// Rising bounds; the last one has none.
    pub bands: Vec<Step>,
}

/// Where a zone is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// On a network, `262-01`.
    Network(String),
    /// In a country, ISO 3166-1 alpha-2.
    Country(String),
    /// Anywhere.
    Any,
}

/// A price and the last quantity that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// 1 to 10¹⁷, or for each SIM; none: all that is left.
    pub up_to: Option<i128>,
    /// Of a unit.
    pub price: Amount,
}

impl Place {
    /// Networks have a hyphen and countries are two letters, so texts of places differ.
    fn text(&self) -> &str {
        match self {
            Self::Network(text) | Self::Country(text) => text,
            Self::Any => "",
        }
    }
}

impl RateZone {
    fn key(&self) -> (Service, Option<&str>) {
        (self.service, self.access_type.as_deref())
    }
}

impl Rates {
    pub(super) fn new(
        bill_period: BillPeriod,
        currency: Currency,
        access_charge: Amount,
        zones: Vec<RateZone>,
    ) -> Self {
        let mut by_place: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, zone) in zones.iter().enumerate() {
            let places = by_place.entry(zone.place.text().to_owned()).or_default();
            places.push(at);
        }
        for places in by_place.values_mut() {
            places.sort_by_key(|at| zones[*at].key());
        }
        Self {
            bill_period,
            currency,
            access_charge,
            zones,
            by_place,
        }
    }

    /// How often is billed.
    pub const fn bill_period(&self) -> BillPeriod {
        self.bill_period
    }

    /// Of all its amounts.
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Of a SIM for a month.
    pub const fn access_charge(&self) -> Amount {
        self.access_charge
    }

    /// In the order of the card: a zone's number is its place here.
    pub fn zones(&self) -> &[RateZone] {
        &self.zones
    }

    /// The number of the zone that usage has: the network's before its country's before any, each first with the access type. `network` is
    /// as `262-01` and `access_type` in words, both empty where unknown. None: it is unrated.
    pub fn zone(
        &self,
        network: &str,
        country: Option<&str>,
        service: Service,
        access_type: &str,
    ) -> Option<usize> {
        let network = Some(network).filter(|text| !text.is_empty());
        let places = [network, country, Some(Place::Any.text())];
        places.into_iter().flatten().find_map(|place| {
            let zones = self.by_place.get(place)?;
            let find = |access_type: Option<&str>| {
                let found = zones
                    .binary_search_by_key(&(service, access_type), |at| self.zones[*at].key())
                    .ok()?;
                Some(zones[found])
            };
            find(Some(access_type)).or_else(|| find(None))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rating::{
        Base,
        tests::{card, zone},
    };

    #[test]
    fn a_network_goes_before_its_country_before_any_and_an_access_type_first() {
        let matches = [
            (None, None, None),
            (None, None, Some("LTE")),
            (None, Some("DE"), None),
            (None, Some("DE"), Some("LTE")),
            (Some("262-01"), None, None),
            (Some("262-01"), None, Some("LTE")),
        ];
        let zones = matches.map(|(network, country, access_type)| {
            let mut zone = zone(Base::Bytes);
            zone.place.network = network.map(str::to_owned);
            zone.place.country = country.map(str::to_owned);
            zone.place.access_type = access_type.map(str::to_owned);
            zone
        });
        let germany = Some("DE");
        // Each zone that is taken away leaves the usage to the next one.
        for (left, expected) in [(6, 5), (5, 4), (4, 3), (3, 2), (2, 1), (1, 0)] {
            let rates = card(&zones[..left]).check().expect("a card");
            let found = rates.zone("262-01", germany, Service::Data, "LTE");
            assert_eq!(found, Some(expected));
        }
        let rates = card(&zones).check().expect("a card");
        let found = |network, country, access_type| {
            rates.zone(network, country, Service::Data, access_type)
        };
        assert_eq!(found("262-01", germany, "NB-IoT"), Some(4));
        assert_eq!(found("262-01", germany, ""), Some(4));
        assert_eq!(found("262-02", germany, "LTE"), Some(3));
        assert_eq!(found("262-02", germany, "2G"), Some(2));
        assert_eq!(found("901-28", None, "LTE"), Some(1));
        assert_eq!(found("", None, ""), Some(0));
        assert_eq!(rates.zone("262-01", germany, Service::Sms, "LTE"), None);
    }
}

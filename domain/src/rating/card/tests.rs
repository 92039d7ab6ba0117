use super::*;
use crate::rating::{
    Amount, Place, RateZone, Step,
    tests::{band, card, zone},
};

type Written = (CardCode, &'static str);

fn refused(card: &Card) -> Vec<(CardCode, String)> {
    let refusals = card.check().err().unwrap_or_default();
    assert!(refusals.iter().all(|refusal| !refusal.message.is_empty()));
    refusals
        .into_iter()
        .map(|refusal| (refusal.code, refusal.field))
        .collect()
}

/// What is refused of a card with one zone, after this change to it.
fn with(change: impl FnOnce(&mut Card, &mut CardZone)) -> Vec<(CardCode, String)> {
    let mut one = zone(Base::Bytes);
    let mut card = card(&[]);
    change(&mut card, &mut one);
    card.zones.push(one);
    refused(&card)
}

fn is(found: &[(CardCode, String)], expected: &[Written]) {
    let found: Vec<_> = found
        .iter()
        .map(|(code, at)| (*code, at.as_str()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn a_card_is_read_and_written_as_json() {
    let text = r#"{"billPeriod":"QUARTER","currency":"EUR","accessCharge":"0.50","zones":[{"match":{"network":"262-01","accessType":"LTE"},"service":"DATA","unit":{"of":"BYTES","size":1000000},"increment":1000,"roundPer":"DAY","scope":"TENANT","perSim":true,"bands":[{"upTo":5000000,"price":"0"},{"price":"0.02"}]}]}"#;
    let card: Card = serde_json::from_str(text).expect("a card");
    assert_eq!(serde_json::to_string(&card).expect("JSON"), text);
    let rates = card.check().expect("rates");
    assert_eq!(rates.bill_period(), BillPeriod::Quarter);
    assert_eq!(rates.currency().digits(), 2);
    assert_eq!(rates.access_charge(), Amount::of_nanos(500_000_000));
    let expected = RateZone {
        place: Place::Network("262-01".to_owned()),
        access_type: Some("LTE".to_owned()),
        service: Service::Data,
        unit: 1_000_000,
        increment: 1_000,
        round_per: RoundPer::Day,
        scope: RateScope::Tenant,
        per_sim: true,
        bands: vec![
            Step {
                up_to: Some(5_000_000),
                price: Amount::of_nanos(0),
            },
            Step {
                up_to: None,
                price: Amount::of_nanos(20_000_000),
            },
        ],
    };
    assert_eq!(rates.zones(), [expected]);
}

#[test]
fn what_is_not_of_a_card_is_no_card() {
    let good = serde_json::to_value(card(&[zone(Base::Bytes)])).expect("JSON");
    assert!(serde_json::from_value::<Card>(good.clone()).is_ok());
    for (pointer, field, value) in [
        ("", "minimum", "5".into()),
        ("/zones/0", "weight", 1.into()),
        ("/zones/0", "increment", 1.5.into()),
        ("/zones/0", "increment", serde_json::Value::Null),
        ("/zones/0", "service", "FAX".into()),
        ("/zones/0/unit", "of", "BITS".into()),
        ("/zones/0/bands/0", "price", 0.1.into()),
    ] {
        let mut card = good.clone();
        card.pointer_mut(pointer).expect("is there")[field] = value;
        assert!(serde_json::from_value::<Card>(card).is_err(), "{field}");
    }
}

#[test]
fn a_price_is_a_decimal_number_within_bounds() {
    let long = "9".repeat(40);
    for (text, code) in [
        ("0", None),
        ("0.000000001", None),
        ("1000000", None),
        ("1000000.000000000", None),
        ("1000000.000000001", Some(CardCode::PriceTooHigh)),
        ("1000001", Some(CardCode::PriceTooHigh)),
        ("0.0000000001", Some(CardCode::PriceTooPrecise)),
        ("0.1000000000", Some(CardCode::PriceTooPrecise)),
        ("-0.01", Some(CardCode::PriceNegative)),
        ("1e3", Some(CardCode::PriceInvalid)),
        ("=1+1", Some(CardCode::PriceInvalid)),
        ("1,5", Some(CardCode::PriceInvalid)),
        ("", Some(CardCode::PriceInvalid)),
        (&long, Some(CardCode::PriceInvalid)),
    ] {
        let expected = |field| {
            code.map(|code| (code, field))
                .into_iter()
                .collect::<Vec<_>>()
        };
        let of_band = with(|_, zone| zone.bands = vec![band(None, text)]);
        is(&of_band, &expected("/zones/0/bands/0/price"));
        let of_access = with(|card, _| card.access_charge = Some(text.to_owned()));
        is(&of_access, &expected("/accessCharge"));
    }
    let missing = with(|card, zone| {
        card.access_charge = None;
        zone.bands[0].price = None;
    });
    is(
        &missing,
        &[
            (CardCode::PriceMissing, "/accessCharge"),
            (CardCode::PriceMissing, "/zones/0/bands/0/price"),
        ],
    );
}

#[test]
fn a_currency_is_known() {
    for text in ["XXX", "", "EURO", "eur"] {
        let found = with(|card, _| text.clone_into(&mut card.currency));
        is(&found, &[(CardCode::UnknownCurrency, "/currency")]);
    }
}

#[test]
fn units_and_increments_are_within_bounds() {
    for (size, unit, increment) in [
        (1, None, None),
        (LARGEST_UNIT, None, None),
        (
            LARGEST_UNIT + 1,
            Some(CardCode::UnitTooLarge),
            Some(CardCode::IncrementTooLarge),
        ),
        (
            0,
            Some(CardCode::UnitTooSmall),
            Some(CardCode::IncrementTooSmall),
        ),
        (
            -1,
            Some(CardCode::UnitTooSmall),
            Some(CardCode::IncrementTooSmall),
        ),
    ] {
        let at = |code: Option<CardCode>, field| code.map(|code| (code, field));
        let expected: Vec<Written> = at(unit, "/zones/0/unit/size")
            .into_iter()
            .chain(at(increment, "/zones/0/increment"))
            .collect();
        let found = with(|_, zone| {
            zone.unit.size = size;
            zone.increment = size;
        });
        is(&found, &expected);
    }
}

#[test]
fn a_unit_is_what_the_service_is_counted_in() {
    for service in [Service::Data, Service::Sms, Service::Voice] {
        for of in [Base::Bytes, Base::Messages, Base::Seconds] {
            let found = with(|_, zone| {
                zone.service = service;
                zone.unit.of = of;
            });
            if Base::of(service) == of {
                is(&found, &[]);
            } else {
                is(&found, &[(CardCode::UnitMismatch, "/zones/0/unit/of")]);
            }
        }
    }
}

#[test]
fn bands_rise_and_the_last_one_is_open() {
    let most = MOST_QUANTITY;
    let cases: [(&[Option<i64>], &[Written]); 9] = [
        (&[None], &[]),
        (&[Some(1), Some(2), Some(most), None], &[]),
        (&[], &[(CardCode::NoBands, "/zones/0/bands")]),
        (
            &[Some(5)],
            &[(CardCode::LastBandBounded, "/zones/0/bands/0/upTo")],
        ),
        (
            &[None, Some(5), None],
            &[(CardCode::BandAfterOpen, "/zones/0/bands/0/upTo")],
        ),
        (
            &[Some(0), Some(-1), None],
            &[
                (CardCode::BoundTooLow, "/zones/0/bands/0/upTo"),
                (CardCode::BoundTooLow, "/zones/0/bands/1/upTo"),
            ],
        ),
        (
            &[Some(most + 1), None],
            &[(CardCode::BoundTooHigh, "/zones/0/bands/0/upTo")],
        ),
        (
            &[Some(5), Some(5), None],
            &[(CardCode::BandsNotRising, "/zones/0/bands/1/upTo")],
        ),
        (
            &[Some(5), None, Some(4), Some(6), None],
            &[
                (CardCode::BandAfterOpen, "/zones/0/bands/1/upTo"),
                (CardCode::BandsNotRising, "/zones/0/bands/2/upTo"),
            ],
        ),
    ];
    for (bounds, expected) in cases {
        let found = with(|_, zone| {
            zone.bands = bounds.iter().map(|bound| band(*bound, "1")).collect();
        });
        is(&found, expected);
    }
}

#[test]
fn bands_are_limited() {
    let bands = |most: usize| {
        with(|_, zone| {
            let most = i64::try_from(most).expect("few");
            let bounds = (1..most).map(Some).chain([None]);
            zone.bands = bounds.map(|bound| band(bound, "1")).collect();
        })
    };
    is(&bands(MOST_BANDS), &[]);
    let expected = [(CardCode::TooManyBands, "/zones/0/bands")];
    is(&bands(MOST_BANDS + 1), &expected);
}

#[test]
fn a_pool_is_of_the_tenant() {
    let pool = |scope| {
        with(|_, zone| {
            zone.scope = scope;
            zone.per_sim = true;
        })
    };
    is(&pool(RateScope::Tenant), &[]);
    let expected = [(CardCode::PerSimWithoutTenant, "/zones/0/perSim")];
    is(&pool(RateScope::Sim), &expected);
}

#[test]
fn places_are_networks_countries_and_words() {
    let place = |network: Option<&str>, country: Option<&str>, access_type: Option<&str>| {
        with(|_, zone| {
            zone.place = Match {
                network: network.map(str::to_owned),
                country: country.map(str::to_owned),
                access_type: access_type.map(str::to_owned),
            }
        })
    };
    is(&place(Some("310-026"), None, Some("LTE Cat 1")), &[]);
    is(&place(None, Some("DE"), Some("Unknown (23)")), &[]);
    for network in ["26201", "262-1", "262-0001", "26-01", "", "DE", "262-01 "] {
        let expected = [(CardCode::UnknownNetwork, "/zones/0/match/network")];
        is(&place(Some(network), None, None), &expected);
    }
    for country in ["de", "", "UK", "Germany", "262-01"] {
        let expected = [(CardCode::UnknownCountry, "/zones/0/match/country")];
        is(&place(None, Some(country), None), &expected);
    }
    // 6 is the code of LTE.
    for access_type in ["", " LTE", "6", "23", "LTE\n", &"x".repeat(43)] {
        let expected = [(CardCode::UnknownAccessType, "/zones/0/match/accessType")];
        is(&place(None, None, Some(access_type)), &expected);
    }
    let expected = [(CardCode::TwoPlaces, "/zones/0/match")];
    is(&place(Some("262-01"), Some("DE"), None), &expected);
}

#[test]
fn two_zones_of_the_same_usage_are_refused() {
    let places = [
        Match::default(),
        Match {
            access_type: Some("LTE".to_owned()),
            ..Match::default()
        },
        Match {
            country: Some("DE".to_owned()),
            ..Match::default()
        },
        Match {
            network: Some("262-01".to_owned()),
            ..Match::default()
        },
    ];
    let mut zones = Vec::new();
    for base in [Base::Bytes, Base::Messages] {
        zones.extend(places.clone().map(|place| CardZone {
            place,
            ..zone(base)
        }));
    }
    is(&refused(&card(&zones)), &[]);
    zones.extend([zones[3].clone(), zones[0].clone(), zones[0].clone()]);
    // What they cost does not matter.
    zones[8].bands = vec![band(None, "7")];
    is(
        &refused(&card(&zones)),
        &[
            (CardCode::AmbiguousZone, "/zones/8/match"),
            (CardCode::AmbiguousZone, "/zones/9/match"),
            (CardCode::AmbiguousZone, "/zones/10/match"),
        ],
    );
}

/// A card with as many zones that differ.
fn large(zones: usize) -> Card {
    let zone = |at: usize| {
        let mut zone = zone(Base::Bytes);
        zone.place.network = Some(format!("{:03}-{:03}", 200 + at / 1_000, at % 1_000));
        zone
    };
    card(&(0..zones).map(zone).collect::<Vec<_>>())
}

#[test]
fn zones_are_limited() {
    assert_eq!(
        large(MOST_ZONES).check().expect("rates").zones().len(),
        MOST_ZONES
    );
    for zones in [MOST_ZONES + 1, 100_000] {
        is(
            &refused(&large(zones)),
            &[(CardCode::TooManyZones, "/zones")],
        );
    }
    is(&refused(&card(&[])), &[(CardCode::NoZones, "/zones")]);
}

#[test]
fn all_that_is_wrong_is_told_up_to_a_limit() {
    let found = with(|card, zone| {
        card.currency = "XXX".to_owned();
        card.access_charge = Some("-1".to_owned());
        zone.place.country = Some("EU".to_owned());
        zone.unit.size = 0;
        zone.bands = vec![band(Some(3), "x"), band(Some(2), "1")];
    });
    is(
        &found,
        &[
            (CardCode::UnknownCurrency, "/currency"),
            (CardCode::PriceNegative, "/accessCharge"),
            (CardCode::UnknownCountry, "/zones/0/match/country"),
            (CardCode::UnitTooSmall, "/zones/0/unit/size"),
            (CardCode::PriceInvalid, "/zones/0/bands/0/price"),
            (CardCode::LastBandBounded, "/zones/0/bands/1/upTo"),
        ],
    );
    let mut card = large(MOST_REFUSALS + 1);
    card.zones.iter_mut().for_each(|zone| zone.increment = 0);
    assert_eq!(refused(&card).len(), MOST_REFUSALS);
}

#[test]
fn a_refusal_is_an_error_of_its_field() {
    let refusals = card(&[]).check().err().unwrap_or_default();
    let error = Error::none_of(refusals).expect_err("refused");
    let details = error.details().expect("details");
    assert_eq!(details.field.as_deref(), Some("/zones"));
    assert!(error.to_string().starts_with("NO_ZONES: "));
}

//! Months that chance makes up: a card, a time zone with its odd days, SIMs, and usage with corrections and faults.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    id::{CustomerId, DeviceId, SimId},
    rating::{
        Amount, Band, Base, BillPeriod, Card, CardZone, Match, Month, Piece, RateScope, RateUnit,
        Rated, RatedMonth, RatingError, RoundPer, Row, Sums, Terms,
    },
    usage::Service,
};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::chance::Chance;

/// Networks with their countries; one is of no country, one is of no dictionary.
const NETWORKS: [(&str, Option<&str>); 6] = [
    ("262-01", Some("DE")),
    ("262-02", Some("DE")),
    ("228-01", Some("CH")),
    ("901-28", None),
    ("999-99", None),
    ("", None),
];
const ACCESS_TYPES: [&str; 4] = ["LTE", "NB-IoT", "5G NR", ""];
/// Their order is that of code points; JSON escapes some of them.
const SOURCES: [&str; 5] = ["gw1", "gw2", "GW", "é\"\n", "\u{1F600}"];
/// Months with a day of 23 or 25 hours, with a clock that is set back past midnight, and without a 30 December.
const MONTHS: [(&str, &str); 8] = [
    ("UTC", "2026-02-01"),
    ("Europe/Berlin", "2026-10-01"),
    ("Europe/Berlin", "2026-03-01"),
    ("America/Havana", "2023-11-01"),
    ("America/St_Johns", "2010-11-01"),
    ("America/Nuuk", "2024-10-01"),
    ("Pacific/Apia", "2011-12-01"),
    ("Asia/Kolkata", "2026-11-01"),
];

/// What a month has much of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Cells.
    Wide,
    /// Records in a cell, at the same time too.
    Narrow,
    /// Usage: as much as a bill can have, or one more.
    Large,
}

/// All that a month is rated by.
pub(crate) struct MadeUp {
    kind: Kind,
    pub(crate) card: Card,
    pub(crate) terms: Terms,
    pub(crate) sims: BTreeSet<SimId>,
    /// Ids of records.
    ids: Vec<String>,
    /// Rows, by the place of their record's id.
    usage: Vec<(usize, Row<'static>)>,
}

/// What the published program writes of a month.
#[derive(Serialize)]
pub(crate) struct Written<'a> {
    #[serde(flatten)]
    pub(crate) rated: Rated<'a>,
    #[serde(flatten)]
    pub(crate) month: RatedMonth,
}

impl MadeUp {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let (zone, first) = chance.pick(&MONTHS);
        let month = Month::new(
            zone.parse().expect("a zone"),
            first.parse().expect("a date"),
        );
        let kind = match chance.below(15) {
            0 => Kind::Large,
            1..6 => Kind::Narrow,
            _ => Kind::Wide,
        };
        let card = match kind {
            Kind::Large => large_card(&mut chance),
            Kind::Wide | Kind::Narrow => card(&mut chance),
        };
        let countries = NETWORKS.iter().filter_map(|(network, country)| {
            country.map(|country| ((*network).to_owned(), country.to_owned()))
        });
        let terms = Terms {
            rates: card.check().expect("a card"),
            month: month.expect("a month"),
            countries: countries.collect(),
        };
        let sims = (0..chance.below(8)).map(|number| sim(number + chance.below(3)));
        let mut made_up = Self {
            kind,
            card,
            sims: sims.collect(),
            ids: Vec::new(),
            usage: Vec::new(),
            terms,
        };
        match kind {
            Kind::Large => made_up.use_much(&mut chance),
            Kind::Wide | Kind::Narrow => made_up.use_sims(&mut chance),
        }
        made_up
    }

    /// Two halves of what a bill can have, and one byte more once in two times.
    fn use_much(&mut self, chance: &mut Chance) {
        let is_amount = self.card.zones[0].unit.size == 1;
        let half = if is_amount {
            500_000
        } else {
            50_000_000_000_000_000
        };
        for more in [0, chance.below(2)] {
            let row = Row {
                service: Service::Data,
                bytes_up: half,
                bytes_down: more,
                ..self.row(chance, 1)
            };
            self.ids.push(self.ids.len().to_string());
            self.usage.push((self.ids.len() - 1, row));
        }
    }

    /// Makes usage up, and a fault once in a while.
    fn use_sims(&mut self, chance: &mut Chance) {
        // Messages and seconds, bytes, or what comes near to the bounds.
        let size = match chance.below(20) {
            0..8 => 30,
            8..19 => 20_000_000,
            _ => 20_000_000_000_000_000,
        };
        for number in 0..chance.below(60) {
            let record = self.ids.len();
            let odd = chance.pick(&["", "é", "\\", "\u{1F600}"]);
            self.ids.push(format!("{odd}{number}"));
            let row = self.row(chance, size);
            self.usage.push((record, row));
            // A late change of the assignment moves it, takes it away, or gives it back.
            for _ in 0..chance.pick(&[0, 0, 0, 1, 2]) {
                let last = self.usage[self.usage.len() - 1].1;
                let taken = Row { sign: -1, ..last };
                let (customer, device) = (customer(chance), device(chance));
                let moved = Row {
                    customer,
                    device,
                    ..last
                };
                self.usage.extend([(record, taken), (record, moved)]);
            }
            if chance.one_in(20) {
                let last = self.usage[self.usage.len() - 1].1;
                self.usage.push((record, Row { sign: -1, ..last }));
            }
        }
        if chance.one_in(12) {
            self.fault(chance);
        }
        chance.shuffle(&mut self.usage);
    }

    /// Adds a record for which the month is refused.
    fn fault(&mut self, chance: &mut Chance) {
        let row = self.row(chance, 10);
        let taken = Row { sign: -1, ..row };
        let days: Vec<_> = self.terms.month.days().collect();
        let before = days[0].from - TimeDelta::milliseconds(1);
        let after = days[days.len() - 1].to;
        let rows = match chance.below(6) {
            0 => vec![row, row],
            1 => vec![taken],
            2 => vec![row, Row { sign: 0, ..row }],
            3 => {
                let customer = Some(CustomerId::new(Uuid::from_u128(99)));
                vec![row, Row { customer, ..row }]
            }
            4 => {
                let bytes_up = row.bytes_up + 1;
                vec![row, Row { bytes_up, ..taken }]
            }
            _ => {
                let start = chance.pick(&[before, after]);
                vec![Row { start, ..row }]
            }
        };
        let record = self.ids.len();
        self.ids.push("fault".to_owned());
        self.usage.extend(rows.into_iter().map(|row| (record, row)));
    }

    fn row(&self, chance: &mut Chance, size: u64) -> Row<'static> {
        let amount = |chance: &mut Chance| {
            let size = chance.pick(&[1, 4, size, size]);
            chance.below(size)
        };
        let is_wide = self.kind == Kind::Wide;
        Row {
            source: chance.pick(&SOURCES),
            record_id: "",
            customer: customer(chance).filter(|_| is_wide),
            device: device(chance).filter(|_| is_wide),
            sim: sim(chance.below(if is_wide { 6 } else { 2 })),
            network: chance
                .pick(if is_wide { &NETWORKS } else { &NETWORKS[..1] })
                .0,
            access_type: chance.pick(if is_wide {
                &ACCESS_TYPES
            } else {
                &ACCESS_TYPES[..1]
            }),
            service: chance.pick(&[Service::Data, Service::Data, Service::Sms, Service::Voice]),
            start: self.start(chance),
            bytes_up: amount(chance),
            bytes_down: amount(chance),
            units: amount(chance),
            sign: 1,
        }
    }

    /// A moment of the month, often the first or last one of a day, and often of one of a few days.
    fn start(&self, chance: &mut Chance) -> DateTime<Utc> {
        let days: Vec<_> = self
            .terms
            .month
            .days()
            .filter(|day| day.from < day.to)
            .collect();
        let of = chance.pick(&[3, days.len()]);
        let day = days[days.len() - 1 - chance.index(of)];
        let length = (day.to - day.from).num_milliseconds();
        let past = match chance.below(4) {
            0 => 0,
            1 => length - 1,
            2 => 1,
            _ => i64::try_from(chance.below(length.unsigned_abs())).expect("a part of a day"),
        };
        day.from + TimeDelta::milliseconds(past)
    }

    /// In the order in which they came.
    pub(crate) fn rows(&self) -> Vec<Row<'_>> {
        let row = |(record, row): &(usize, Row<'static>)| Row {
            record_id: &self.ids[*record],
            ..*row
        };
        self.usage.iter().map(row).collect()
    }

    /// The month in these pieces, which come in this order first and in the other one then.
    pub(crate) fn rate<'a>(
        &'a self,
        pieces: Vec<Vec<Row<'a>>>,
    ) -> Result<Written<'a>, RatingError> {
        let pieces = pieces.into_iter().map(|rows| Piece::new(rows, &self.terms));
        let pieces = pieces.collect::<Result<Vec<_>, _>>()?;
        let mut sums = Sums::new(&self.terms.rates);
        for piece in &pieces {
            sums.add(piece)?;
        }
        let prices = sums.prices(self.sims.clone())?;
        let mut totals = prices.totals();
        let mut all = Rated {
            records: Vec::new(),
            cells: Vec::new(),
        };
        for piece in pieces.iter().rev() {
            let rated = prices.rate(piece)?;
            totals.add(&rated)?;
            all.records.extend(rated.records);
            all.cells.extend(rated.cells);
        }
        all.cells.sort_by_key(|cell| cell.key);
        all.records
            .sort_by_key(|it| (it.key, it.start, it.source, it.record_id));
        Ok(Written {
            rated: all,
            month: totals.finish()?,
        })
    }

    /// What comes of it, as the published program writes it.
    pub(crate) fn text(&self, pieces: Vec<Vec<Row<'_>>>) -> String {
        match self.rate(pieces) {
            Ok(written) => serde_json::to_string(&written).expect("JSON"),
            Err(error) => json!({ "refused": error.as_ref() }).to_string(),
        }
    }

    /// The month as the published program reads it.
    pub(crate) fn json(&self) -> Value {
        let days = self.terms.month.days().map(|day| {
            let (from, to) = (day.from.timestamp_millis(), day.to.timestamp_millis());
            json!({ "date": day.date, "from": from, "to": to })
        });
        let rows = self.rows().into_iter().map(|row| {
            json!({
                "sim": row.sim, "customer": row.customer, "device": row.device,
                "network": row.network, "accessType": row.access_type, "service": row.service,
                "source": row.source, "recordId": row.record_id,
                "start": row.start.timestamp_millis(),
                "bytesUp": row.bytes_up, "bytesDown": row.bytes_down, "units": row.units,
                "sign": row.sign,
            })
        });
        json!({
            "card": self.card,
            "days": days.collect::<Vec<_>>(),
            "countries": self.terms.countries,
            "sims": self.sims,
            "rows": rows.collect::<Vec<_>>(),
        })
    }
}

/// One of 16, whose order is not that of their numbers.
fn sim(number: u64) -> SimId {
    let first = u128::from(number * 7 % 16);
    SimId::new(Uuid::from_u128(first << 100))
}

fn customer(chance: &mut Chance) -> Option<CustomerId> {
    let number = chance.below(4);
    (number > 0).then(|| CustomerId::new(Uuid::from_u128(number.into())))
}

fn device(chance: &mut Chance) -> Option<DeviceId> {
    let number = chance.below(3);
    (number > 0).then(|| DeviceId::new(Uuid::from_u128(number.into())))
}

fn card(chance: &mut Chance) -> Card {
    let mut seen = HashSet::new();
    let zones = (0..=chance.below(12)).map(|_| zone(chance));
    let zones: Vec<CardZone> = zones.collect();
    let differs = |zone: &CardZone| {
        let Match {
            network,
            country,
            access_type,
        } = zone.place.clone();
        seen.insert((network, country, access_type, zone.service))
    };
    Card {
        bill_period: BillPeriod::Month,
        currency: "EUR".to_owned(),
        access_charge: Some(price(chance)),
        zones: zones.into_iter().filter(differs).collect(),
    }
}

/// One zone for all data: 10⁶ bytes are the largest amount, or 10¹⁷ bytes are far from it.
fn large_card(chance: &mut Chance) -> Card {
    let size = chance.pick(&[1, 1_000_000_000_000_000]);
    let band = Band {
        up_to: None,
        price: Some("1000000".to_owned()),
    };
    let zone = CardZone {
        place: Match::default(),
        service: Service::Data,
        unit: RateUnit {
            of: Base::Bytes,
            size,
        },
        increment: 1,
        per_sim: false,
        bands: vec![band],
        ..zone(chance)
    };
    Card {
        bill_period: BillPeriod::Month,
        currency: "EUR".to_owned(),
        access_charge: Some("0".to_owned()),
        zones: vec![zone],
    }
}

fn zone(chance: &mut Chance) -> CardZone {
    let service = chance.pick(&[Service::Data, Service::Data, Service::Sms, Service::Voice]);
    let (network, country) = chance.pick(&NETWORKS);
    let place = chance.below(3);
    let access_type = chance.pick(&ACCESS_TYPES);
    let scope = chance.pick(&[RateScope::Sim, RateScope::Tenant]);
    CardZone {
        place: Match {
            network: Some(network.to_owned()).filter(|text| place == 0 && !text.is_empty()),
            country: country.filter(|_| place == 1).map(str::to_owned),
            access_type: Some(access_type.to_owned())
                .filter(|text| !text.is_empty() && chance.one_in(2)),
        },
        service,
        unit: RateUnit {
            of: Base::of(service),
            size: size(chance),
        },
        increment: size(chance),
        round_per: chance.pick(&[RoundPer::Record, RoundPer::Day, RoundPer::Month]),
        scope,
        per_sim: scope == RateScope::Tenant && chance.one_in(2),
        bands: bands(chance),
    }
}

fn size(chance: &mut Chance) -> i64 {
    chance.pick(&[1, 1, 7, 60, 1_000, 1_000_000, 1 << 20, 100_000_000])
}

fn bands(chance: &mut Chance) -> Vec<Band> {
    let most = chance.pick(&[40, 10_000_000, 1_000_000_000]);
    let bounds: BTreeSet<u64> = (0..chance.below(4))
        .map(|_| 1 + chance.below(most))
        .collect();
    let bounds = bounds.into_iter().map(|bound| i64::try_from(bound).ok());
    let bounds: Vec<Option<i64>> = bounds.chain([None]).collect();
    let band = |up_to| Band {
        up_to,
        price: Some(price(chance)),
    };
    bounds.into_iter().map(band).collect()
}

fn price(chance: &mut Chance) -> String {
    let nanos = i128::from(chance.below(3_000_000_000));
    let any = Amount::of_nanos(nanos).to_string();
    let fixed = chance.pick(&["0", "0.01", "0.000000001", "12.5", "-0", "1000000"]);
    if chance.one_in(2) {
        any
    } else {
        fixed.to_owned()
    }
}

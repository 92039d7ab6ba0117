//! Months that were computed by hand.

use super::{at, band, call, card, customer, device, rate, row, sim, terms, zone};
use crate::{
    id::SimId,
    rating::{
        AccessLine, Amount, Base, Card, CardZone, Line, Piece, RateScope, Rated, RatingError,
        RoundPer, Row, Sums, Unrated, card::MOST_QUANTITY,
    },
    usage::Service,
};

const MB: u64 = 1_000_000;

/// Data at a price for 10⁶ bytes, after so many that are included.
fn data(included: Option<i64>, price: &str) -> CardZone {
    let mut zone = zone(Base::Bytes);
    zone.unit.size = 1_000_000;
    let first = included.map(|bound| band(Some(bound), "0"));
    zone.bands = first.into_iter().chain([band(None, price)]).collect();
    zone
}

/// Calls at 0.01 a second, in minutes.
fn calls(round_per: RoundPer) -> CardZone {
    let mut zone = zone(Base::Seconds);
    zone.bands = vec![band(None, "0.01")];
    zone.increment = 60;
    zone.round_per = round_per;
    zone
}

/// What is billed of each record, and what it costs.
fn charges(rated: &Rated<'_>) -> Vec<(i128, String)> {
    let charges = rated.records.iter().filter_map(|record| record.charge);
    charges
        .map(|it| (it.billed, it.amount.to_string()))
        .collect()
}

fn costs(zone: CardZone, rows: &[Row<'_>], sims: &[SimId]) -> (Vec<(i128, String)>, String) {
    let (rated, month) = rate(&terms(&card(&[zone])), rows, sims).expect("rated");
    (charges(&rated), month.total.to_string())
}

fn texts(charges: &[(i128, &str)]) -> Vec<(i128, String)> {
    charges
        .iter()
        .map(|(billed, amount)| (*billed, (*amount).to_owned()))
        .collect()
}

fn of_sim(number: u128, row: Row<'static>) -> Row<'static> {
    Row {
        sim: sim(number),
        ..row
    }
}

#[test]
fn usage_costs_its_price_per_unit() {
    let zone = CardZone {
        increment: 1_000,
        ..data(None, "0.02")
    };
    let (charges, total) = costs(zone, &[row("1", 1_499_001)], &[]);
    assert_eq!(charges, texts(&[(1_500_000, "0.030000000")]));
    assert_eq!(total, "0.030000000");
}

#[test]
fn a_bundle_is_each_sims_own() {
    let rows = [row("1", 6 * MB), of_sim(2, row("2", 2 * MB))];
    let (charges, total) = costs(data(Some(5_000_000), "0.01"), &rows, &[]);
    let expected = [(6_000_000, "0.010000000"), (2_000_000, "0.000000000")];
    assert_eq!(charges, texts(&expected));
    assert_eq!(total, "0.010000000");
}

#[test]
fn a_pool_is_shared_by_usage() {
    let zone = CardZone {
        scope: RateScope::Tenant,
        per_sim: true,
        ..data(Some(5_000_000), "0.01")
    };
    let rows = [row("1", 9 * MB), of_sim(2, row("2", 3 * MB))];
    let (charges, total) = costs(zone.clone(), &rows, &[sim(1), sim(2)]);
    let expected = [(9_000_000, "0.015000000"), (3_000_000, "0.005000000")];
    assert_eq!(charges, texts(&expected));
    assert_eq!(total, "0.020000000");
    // A third SIM without usage brings its bound, too.
    let (_, total) = costs(zone, &rows, &[sim(1), sim(2), sim(7)]);
    assert_eq!(total, "0.000000000");
}

#[test]
fn a_package_is_bought_by_the_first_byte() {
    let mut zone = data(None, "5.00");
    zone.unit.size = 100_000_000;
    zone.increment = 100_000_000;
    zone.round_per = RoundPer::Month;
    let rows = [
        row("1", 1),
        of_sim(2, row("2", 100 * MB)),
        of_sim(2, row("3", 1)),
    ];
    let (charges, total) = costs(zone, &rows, &[]);
    let expected = [
        (100_000_000, "5.000000000"),
        // 200 MB by 100000000 to 1: 199999998.00000002.
        (199_999_998, "9.999999900"),
        (2, "0.000000100"),
    ];
    assert_eq!(charges, texts(&expected));
    assert_eq!(total, "15.000000000");
}

#[test]
fn usage_is_rounded_per_record_day_or_month() {
    let rows = [
        call("1", "2026-10-10T12:00:00Z", 10),
        call("2", "2026-10-10T13:00:00Z", 20),
        call("3", "2026-10-11T12:00:00Z", 70),
    ];
    for (round_per, expected, sum) in [
        (
            RoundPer::Record,
            [
                (60, "0.600000000"),
                (60, "0.600000000"),
                (120, "1.200000000"),
            ],
            "2.400000000",
        ),
        (
            RoundPer::Day,
            [
                (20, "0.200000000"),
                (40, "0.400000000"),
                (120, "1.200000000"),
            ],
            "1.800000000",
        ),
        (
            RoundPer::Month,
            [
                (12, "0.120000000"),
                (24, "0.240000000"),
                (84, "0.840000000"),
            ],
            "1.200000000",
        ),
    ] {
        let (charges, total) = costs(calls(round_per), &rows, &[]);
        assert_eq!(charges, texts(&expected));
        assert_eq!(total, sum);
    }
}

#[test]
fn a_day_is_a_local_one() {
    // 25 October has 25 hours in Berlin.
    let rows = [
        call("1", "2026-10-24T21:59:59.999Z", 10),
        call("2", "2026-10-24T22:00:00Z", 10),
        call("3", "2026-10-25T22:59:59.999Z", 20),
        call("4", "2026-10-25T23:00:00Z", 10),
    ];
    let (charges, _) = costs(calls(RoundPer::Day), &rows, &[]);
    let billed: Vec<i128> = charges.into_iter().map(|(billed, _)| billed).collect();
    assert_eq!(billed, [60, 20, 40, 60]);
}

#[test]
fn a_day_goes_over_customers_devices_and_networks_of_a_sim() {
    let call = |id, start| call(id, start, 10);
    let rows = [
        Row {
            customer: Some(customer(9)),
            ..call("1", "2026-10-10T12:00:00Z")
        },
        Row {
            device: Some(device(9)),
            ..call("2", "2026-10-10T12:00:00Z")
        },
        Row {
            network: "228-01",
            ..call("3", "2026-10-10T12:00:00Z")
        },
        of_sim(2, call("4", "2026-10-10T12:00:00Z")),
    ];
    let (charges, total) = costs(calls(RoundPer::Day), &rows, &[]);
    let billed: Vec<i128> = charges.into_iter().map(|(billed, _)| billed).collect();
    assert_eq!(billed, [20, 20, 20, 60]);
    assert_eq!(total, "1.200000000");
}

#[test]
fn a_sim_that_moves_is_split_by_its_usage() {
    let mut zone = data(None, "1.00");
    zone.unit.size = 100_000_000;
    zone.increment = 100_000_000;
    zone.round_per = RoundPer::Month;
    let rows = [
        Row {
            customer: Some(customer(1)),
            ..row("1", 1)
        },
        Row {
            customer: Some(customer(2)),
            ..row("2", 2)
        },
    ];
    let (rated, month) = rate(&terms(&card(&[zone])), &rows, &[]).expect("rated");
    // 33333333 and 66666667 bytes of the package.
    let expected = [(33_333_333, "0.333333330"), (66_666_667, "0.666666670")];
    assert_eq!(charges(&rated), texts(&expected));
    let of_customers = month
        .customers
        .iter()
        .map(|it| (it.customer, it.usage.amount.to_string()));
    let expected = [
        (Some(customer(1)), "0.333333330".to_owned()),
        (Some(customer(2)), "0.666666670".to_owned()),
    ];
    assert_eq!(of_customers.collect::<Vec<_>>(), expected);
    assert_eq!(month.total.to_string(), "1.000000000");
}

#[test]
fn what_has_no_price_is_shown_beside_the_cost() {
    let mut germany = data(None, "1");
    germany.place.country = Some("DE".to_owned());
    let swiss = Row {
        network: "228-01",
        ..row("2", MB)
    };
    let unknown = Row {
        network: "",
        access_type: "",
        ..row("3", 7)
    };
    let message = Row {
        service: Service::Sms,
        ..row("4", 100)
    };
    let rows = [
        row("1", MB),
        swiss,
        unknown,
        message,
        call("5", "2026-10-10T12:00:00Z", 0),
        call("6", "2026-10-10T12:00:01Z", 61),
    ];
    let zones = [germany, calls(RoundPer::Record)];
    let (rated, month) = rate(&terms(&card(&zones)), &rows, &[]).expect("rated");
    let unrated = Unrated {
        bytes: 1_000_007,
        units: 1,
        records: 4,
    };
    assert_eq!(month.usage.unrated, unrated);
    assert_eq!(month.total.to_string(), "2.200000000");
    let of_networks = month.networks.iter().map(|it| {
        let unrated = it.usage.unrated;
        (
            it.network.as_str(),
            unrated.bytes,
            unrated.units,
            unrated.records,
        )
    });
    let expected = [
        ("", 7, 0, 1),
        ("228-01", 1_000_000, 0, 1),
        ("262-01", 0, 1, 2),
    ];
    assert_eq!(of_networks.collect::<Vec<_>>(), expected);
    // The call of no time is in the cell of the other one, and takes no part of what that costs.
    let calls = rated
        .cells
        .iter()
        .find(|cell| cell.key.service == Service::Voice);
    let calls = calls.expect("a cell");
    assert_eq!(
        (calls.records, calls.quantity, calls.unrated.records),
        (1, 61, 1)
    );
    let of_call = |id| rated.records.iter().find(|record| record.record_id == id);
    assert_eq!(of_call("5").expect("a record").charge, None);
    let charge = of_call("6").expect("a record").charge.expect("a charge");
    assert_eq!((charge.zone, charge.billed), (1, 120));
    assert_eq!(Some(charge), calls.charge);
}

#[test]
fn data_of_no_bytes_has_a_price_and_costs_nothing() {
    let mut zone = data(None, "1");
    zone.increment = 1_000;
    let (charges, total) = costs(zone, &[row("1", 0)], &[]);
    assert_eq!(charges, texts(&[(0, "0.000000000")]));
    assert_eq!(total, "0.000000000");
}

#[test]
fn sims_that_count_cost_their_access_charge() {
    let mut card = card(&[data(None, "1")]);
    card.access_charge = Some("0.333333333".to_owned());
    let sims = [sim(2), sim(3), sim(3), sim(4)];
    // A record that came late for SIM 1, which was not found when the month was first rated.
    let (_, month) = rate(&terms(&card), &[row("1", MB)], &sims).expect("rated");
    let access = AccessLine {
        sims: 3,
        price: Amount::of_nanos(333_333_333),
        amount: Amount::of_nanos(999_999_999),
    };
    assert_eq!(month.lines.last(), Some(&Line::Access(access)));
    assert_eq!(month.total.to_string(), "1.999999999");
    assert_eq!(month.usage.amount.to_string(), "1.000000000");
    let counts = month.sims.iter().map(|it| (it.sim, it.access.is_some()));
    let expected = [
        (sim(1), false),
        (sim(2), true),
        (sim(3), true),
        (sim(4), true),
    ];
    assert_eq!(counts.collect::<Vec<_>>(), expected);
}

#[test]
fn lines_are_of_zones_and_networks() {
    let mut germany = data(None, "0.3");
    germany.place.country = Some("DE".to_owned());
    let on = |network, row| Row { network, ..row };
    let rows = [
        row("1", MB),
        on("262-02", row("2", 2 * MB)),
        on("228-01", row("3", 3 * MB)),
        of_sim(2, row("4", 4 * MB)),
    ];
    let zones = [data(None, "0.1"), germany];
    let (_, month) = rate(&terms(&card(&zones)), &rows, &[]).expect("rated");
    let lines = month.lines.iter().filter_map(|line| match line {
        Line::Usage(line) => {
            let amount = line.amount.to_string();
            Some((
                line.zone,
                line.network.clone(),
                line.records,
                line.quantity,
                amount,
            ))
        }
        Line::Access(_) => None,
    });
    let line = |zone, network: &str, records, quantity, amount: &str| {
        (
            zone,
            network.to_owned(),
            records,
            quantity,
            amount.to_owned(),
        )
    };
    let expected = [
        line(0, "228-01", 1, 3_000_000, "0.300000000"),
        line(1, "262-01", 2, 5_000_000, "1.500000000"),
        line(1, "262-02", 1, 2_000_000, "0.600000000"),
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
}

#[test]
fn an_empty_month_costs_the_access_charges() {
    let (rated, month) = rate(&terms(&card(&[data(None, "1")])), &[], &[]).expect("rated");
    assert_eq!((rated.records.len(), rated.cells.len()), (0, 0));
    assert_eq!((month.lines.len(), month.total), (1, Amount::default()));
}

#[test]
fn what_is_too_large_is_refused_at_the_bound() {
    let large = Some(RatingError::AmountTooLarge);
    let most = u64::try_from(MOST_QUANTITY).expect("positive");
    for scope in [RateScope::Sim, RateScope::Tenant] {
        for round_per in [RoundPer::Record, RoundPer::Day, RoundPer::Month] {
            // Each record is within the bounds, and all of them together are not.
            let mut zone = data(None, "0.000000001");
            (zone.scope, zone.round_per) = (scope, round_per);
            let terms = terms(&card(&[zone]));
            let found = |more| {
                let rows = [row("1", most / 2), row("2", most - most / 2 + more)];
                rate(&terms, &rows, &[]).err()
            };
            assert_eq!(found(0), None);
            assert_eq!(found(1), large);
        }
    }
    // Each SIM's is within the bounds.
    let mut zone = data(None, "0");
    zone.scope = RateScope::Tenant;
    let rows = [row("1", most), of_sim(2, row("2", 1))];
    assert_eq!(
        rate(&terms(&card(&[zone.clone()])), &rows, &[]).err(),
        large
    );
    zone.scope = RateScope::Sim;
    assert_eq!(rate(&terms(&card(&[zone])), &rows, &[]).err(), None);
}

#[test]
fn a_month_that_is_too_large_is_refused_at_the_bound() {
    let large = Some(RatingError::AmountTooLarge);
    let mut card = card(&[CardZone {
        bands: vec![band(None, "1000000")],
        ..zone(Base::Bytes)
    }]);
    let found = |card: &Card, second, sims: &[SimId]| {
        let rows = [row("1", 500_000), of_sim(2, row("2", second))];
        rate(&terms(card), &rows, sims).err()
    };
    assert_eq!(found(&card, 500_000, &[]), None);
    assert_eq!(found(&card, 500_001, &[]), large);
    card.access_charge = Some("1000000".to_owned());
    assert_eq!(found(&card, 499_999, &[sim(1)]), None);
    assert_eq!(found(&card, 499_999, &[sim(1), sim(2)]), large);
    card.access_charge = Some("0.000000001".to_owned());
    assert_eq!(found(&card, 500_000, &[sim(1)]), large);
}

#[test]
fn unrated_usage_has_no_bound() {
    let mut zone = data(None, "1");
    zone.place.country = Some("CH".to_owned());
    let rows = [row("1", u64::MAX), row("2", u64::MAX)];
    let (_, month) = rate(&terms(&card(&[zone])), &rows, &[]).expect("rated");
    assert_eq!(month.usage.unrated.bytes, 2 * i128::from(u64::MAX));
}

#[test]
fn pieces_are_of_whole_sims_and_the_same_in_both_passes() {
    let mut zone = data(None, "1");
    zone.scope = RateScope::Tenant;
    let terms = terms(&card(&[zone]));
    let piece = |rows: &[Row<'static>]| Piece::new(rows.to_vec(), &terms).expect("a piece");
    let (first, more) = (piece(&[row("1", 1)]), piece(&[row("1", 1), row("2", 1)]));
    let mut sums = Sums::new(&terms.rates);
    sums.add(&first).expect("added");
    assert_eq!(sums.add(&more), Err(RatingError::SimDivided));

    let mut sums = Sums::new(&terms.rates);
    sums.add(&first).expect("added");
    assert_eq!(sums.sims().iter().collect::<Vec<_>>(), [&sim(1)]);
    let prices = sums.prices([sim(1)].into()).expect("prices");
    assert!(prices.rate(&first).is_ok());
    assert_eq!(prices.rate(&more).err(), Some(RatingError::NotSummed));
    let other = piece(&[of_sim(2, row("3", 1))]);
    assert_eq!(prices.rate(&other).err(), Some(RatingError::NotSummed));
}

#[test]
fn records_of_a_cell_are_in_the_order_of_start_source_and_id() {
    // One nano for three records: the last one gets it.
    let mut zone = zone(Base::Bytes);
    zone.unit.size = 3;
    zone.bands = vec![band(None, "0.000000001")];
    let rows = [
        Row {
            start: at("2026-10-10T12:00:00.001Z"),
            ..row("0", 1)
        },
        Row {
            source: "gw0",
            ..row("9", 1)
        },
        row("1", 1),
    ];
    let (rated, _) = rate(&terms(&card(&[zone])), &rows, &[]).expect("rated");
    let ids: Vec<&str> = rated
        .records
        .iter()
        .map(|record| record.record_id)
        .collect();
    assert_eq!(ids, ["9", "1", "0"]);
    let amounts = charges(&rated);
    assert_eq!(
        amounts,
        texts(&[(1, "0.000000000"), (1, "0.000000000"), (1, "0.000000001")])
    );
}

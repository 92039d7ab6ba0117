//! What holds of any month.

use std::collections::{BTreeMap, HashMap};

use domain::rating::{Amount, Line, RatedCell, Row, Unrated};
use proptest::prelude::*;

use crate::{
    chance::Chance,
    made_up::{MadeUp, Written},
};

/// Rows in any order, cut into pieces of whole SIMs in any way.
fn cut<'a>(made_up: &'a MadeUp, chance: &mut Chance) -> Vec<Vec<Row<'a>>> {
    let mut pieces = vec![Vec::new(); chance.index(5) + 1];
    let mut of_sims = HashMap::new();
    let mut rows = made_up.rows();
    chance.shuffle(&mut rows);
    for row in rows {
        let piece = of_sims
            .entry(row.sim)
            .or_insert_with(|| chance.index(pieces.len()));
        pieces[*piece].push(row);
    }
    pieces
}

fn amounts(amounts: impl Iterator<Item = Amount>) -> i128 {
    amounts.map(Amount::nanos).sum()
}

fn unrated(all: impl Iterator<Item = Unrated>) -> (i128, i128, u64) {
    all.fold((0, 0, 0), |(bytes, units, records), more| {
        (
            bytes + more.bytes,
            units + more.units,
            records + more.records,
        )
    })
}

fn of_cells(cells: &[RatedCell<'_>]) -> i128 {
    amounts(cells.iter().filter_map(|cell| Some(cell.charge?.amount)))
}

/// Of each cell: its records add up to it.
fn records_make_cells(written: &Written<'_>) -> Result<(), TestCaseError> {
    let mut cells = BTreeMap::new();
    for record in &written.rated.records {
        let charge = record.charge;
        let (records, quantity, billed, amount) = cells.entry(record.key).or_insert((0, 0, 0, 0));
        if let Some(charge) = charge {
            prop_assert!(charge.amount >= Amount::default());
            prop_assert!(charge.billed >= record.quantity);
            *records += 1_u64;
            *quantity += record.quantity;
            *billed += charge.billed;
            *amount += charge.amount.nanos();
        }
    }
    prop_assert_eq!(cells.len(), written.rated.cells.len());
    for (cell, (key, sums)) in written.rated.cells.iter().zip(cells) {
        let charge = cell.charge.map(|it| (it.billed, it.amount.nanos()));
        let (billed, amount) = charge.unwrap_or_default();
        prop_assert_eq!(cell.key, key);
        prop_assert_eq!((cell.records, cell.quantity, billed, amount), sums);
        prop_assert_eq!(cell.charge.is_some(), cell.records > 0);
    }
    Ok(())
}

/// Cells add up to lines, SIMs, customers and networks, and these to the month.
fn cells_make_the_month(written: &Written<'_>) -> Result<(), TestCaseError> {
    let (cells, month) = (&written.rated.cells, &written.month);
    let usage = month.usage.amount.nanos();
    prop_assert_eq!(of_cells(cells), usage);
    prop_assert_eq!(amounts(month.sims.iter().map(|it| it.usage.amount)), usage);
    prop_assert_eq!(
        amounts(month.customers.iter().map(|it| it.usage.amount)),
        usage
    );
    prop_assert_eq!(
        amounts(month.networks.iter().map(|it| it.usage.amount)),
        usage
    );
    let lines = month.lines.iter().map(|line| match line {
        Line::Usage(line) => line.amount,
        Line::Access(line) => line.amount,
    });
    prop_assert_eq!(amounts(lines), month.total.nanos());
    let access = amounts(month.sims.iter().filter_map(|it| it.access));
    prop_assert_eq!(usage + access, month.total.nanos());

    let expected = unrated([month.usage.unrated].into_iter());
    prop_assert_eq!(unrated(cells.iter().map(|it| it.unrated)), expected);
    prop_assert_eq!(
        unrated(month.sims.iter().map(|it| it.usage.unrated)),
        expected
    );
    prop_assert_eq!(
        unrated(month.customers.iter().map(|it| it.usage.unrated)),
        expected
    );
    prop_assert_eq!(
        unrated(month.networks.iter().map(|it| it.usage.unrated)),
        expected
    );
    let records = cells
        .iter()
        .map(|it| it.records + it.unrated.records)
        .sum::<u64>();
    prop_assert_eq!(records, written.rated.records.len() as u64);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn the_order_of_rows_and_how_they_are_cut_change_no_byte(seed in any::<u64>(), cuts in any::<u64>()) {
        let made_up = MadeUp::new(seed);
        let expected = made_up.text(vec![made_up.rows()]);
        let mut chance = Chance::new(cuts);
        for _ in 0..3 {
            prop_assert_eq!(made_up.text(cut(&made_up, &mut chance)), &*expected);
        }
    }

    #[test]
    fn sums_hold_at_every_level(seed in any::<u64>()) {
        let made_up = MadeUp::new(seed);
        if let Ok(written) = made_up.rate(vec![made_up.rows()]) {
            records_make_cells(&written)?;
            cells_make_the_month(&written)?;
        }
    }
}

//! Cells of the cubes: which are in an answer, and which are listed.

use std::collections::BTreeMap;

use analytics::{
    cube::{Cube, Level},
    usage::{CubeQuery, Dimension, Group, Inventory, Key, Measure},
    verify::{Count, Table},
};
use uuid::Uuid;

use super::{system, world};
use crate::{
    fleet::{month, now},
    usage,
};

#[tokio::test]
async fn cells_that_were_corrected_away_are_in_no_answer() {
    let world = world().await;
    let stranger = Uuid::from_u128(4_711);
    for table in Cube::ALL.map(Cube::table) {
        let column = if table == "usage_small" {
            "customer"
        } else {
            "sim"
        };
        world
            .db
            .run(&format!(
                "INSERT INTO {table} SELECT * REPLACE (toUUID('{stranger}') AS {column}) FROM {table} LIMIT 3"
            ))
            .await;
    }
    let cells = world.correct_all().await;
    assert!(cells.iter().any(|cells| *cells > 0));
    world.agrees().await;
    let staff = usage::staff(world.tenant);
    for measures in [
        vec![Measure::BytesUp],
        vec![Measure::ActiveSims, Measure::Records],
    ] {
        let question = CubeQuery {
            group_by: vec![Group::Dimension(Dimension::Sim)],
            ..CubeQuery::of(&measures, usage::between(month(4), month(0)))
        };
        let answer = world
            .db
            .usage(&staff, &question, &Inventory::default(), now())
            .await
            .expect("an answer");
        assert_eq!(answer.rows.len(), 100);
        assert!(
            answer
                .rows
                .iter()
                .all(|row| row.keys != [Some(Key::Id(stranger))])
        );
        let active = answer.totals.get(Measure::ActiveSims);
        assert!(active.is_none_or(|sims| sims == 100), "{active:?}");
    }
    let whole = CubeQuery::of(&[Measure::Records], usage::between(month(6), month(5)));
    let nothing = world
        .db
        .usage(&staff, &whole, &Inventory::default(), now())
        .await
        .expect("an answer");
    assert_eq!(
        nothing.rows.len(),
        1,
        "the whole of a period is always one row"
    );
    assert_eq!(nothing.totals.get(Measure::Records), Some(0));
}

#[tokio::test]
async fn every_table_lists_every_cell_by_everything_it_knows() {
    let world = world().await;
    let tables = world.db.tables(&system());
    for table in Table::ALL {
        let width = table.listed_by(Level::Day);
        let mut expected: BTreeMap<_, Count> = BTreeMap::new();
        for row in &world.rows {
            let start = width.period_at(row.start).expect("in range").from();
            *expected
                .entry((
                    start,
                    row.customer,
                    Some(row.sim).filter(|_| table.knows(Dimension::Sim)),
                    row.device.filter(|_| table.knows(Dimension::Device)),
                ))
                .or_default() += Count {
                records: 1,
                bytes_up: 1,
                bytes_down: 2,
                ..Count::default()
            };
        }
        let period = width.widened(world.area().period).expect("in range");
        let listed = tables
            .list(&system(), table, Level::Day, world.tenant, period)
            .await
            .expect("listed");
        let found: BTreeMap<_, Count> = listed
            .into_iter()
            .map(|cell| {
                let key = (cell.start, cell.key.customer, cell.key.sim, cell.key.device);
                (key, cell.count)
            })
            .collect();
        assert_eq!(found, expected, "{table:?}");
    }
}

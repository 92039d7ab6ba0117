//! What a repair corrects, and what it leaves and reports.

use std::time::Duration;

use analytics::cube::{Cube, Level};
use chrono::{Datelike as _, TimeDelta};
use domain::journal;
use ingest::{fill::fill, verify::RecordsFromJournal};
use uuid::Uuid;

use crate::world::{Delivered, World, day, month};

#[tokio::test(flavor = "multi_thread")]
async fn cubes_are_repaired_up_the_chain_and_a_second_repair_changes_nothing() {
    let (world, _) = World::sound().await;
    let sound = world.cubes().await;
    let (hours, _) = Level::Hour.partition_at(month(2)).expect("a partition");
    world.cubes.run(&format!(
        "ALTER TABLE usage_hour DROP PARTITION ID '{hours}'"
    ));
    world.swap(
        Level::Day,
        "toUUID('00000000-0000-0000-0000-00000000000c') AS customer",
        "toUInt128(sim) % 2 = 0",
    );
    world
        .cubes
        .run("INSERT INTO usage_month SELECT * FROM usage_month");
    world.swap(
        Level::Year,
        "toUUID('00000000-0000-0000-0000-0000000000dd') AS device",
        "toUInt128(sim) % 3 = 0",
    );
    assert!(world.look().await.count() > 0);
    let repaired = world.repair().await;
    assert_eq!(repaired.refused, [""; 0]);
    assert_eq!(repaired.report.differences, [""; 0]);
    for cube in Level::ALL.map(Cube::Full) {
        let named = format!("cells of {} of alpha in ", cube.table());
        assert!(
            repaired.done.iter().any(|text| text.contains(&named)),
            "{:?}",
            repaired.done
        );
    }
    assert_eq!(world.cubes().await, sound);
    world.agrees().await;
    let again = world.repair().await;
    assert_eq!((again.done, again.refused), (vec![], vec![]));
    assert_eq!(world.cubes().await, sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_went_in_twice_is_there_once_again() {
    let (world, _) = World::sound().await;
    let sound = world.cubes().await;
    // Records and cubes alike.
    world.cubes.run(&format!(
        "INSERT INTO cdr SELECT * REPLACE (now() + 60 AS apply_by) FROM cdr WHERE start >= toDateTime({}, 'UTC')",
        month(1).timestamp()
    ));
    let repaired = world.repair().await;
    assert_eq!(repaired.report.differences, [""; 0]);
    assert!(
        repaired.done[0].contains("dropped copies of 1000 records"),
        "{:?}",
        repaired.done
    );
    assert_eq!(world.cubes().await, sound);
}

#[tokio::test(flavor = "multi_thread")]
async fn cubes_are_not_made_to_forget_what_records_lack() {
    let (world, batches) = World::sound().await;
    let sound = world.cubes().await;
    let short = batches[0];
    world.lose(&format!(
        "batch = '{}' AND start < toDateTime({}, 'UTC')",
        short.batch.uuid(),
        (day(short.from) + TimeDelta::days(2)).timestamp()
    ));
    // Days broke too: they can be repaired, since hours agree with the ledger.
    let (days, _) = Level::Day.partition_at(short.from).expect("a partition");
    world
        .cubes
        .run(&format!("ALTER TABLE usage_day DROP PARTITION ID '{days}'"));
    let repaired = world.repair().await;
    assert_eq!(
        world.cubes().await,
        sound,
        "nothing was forgotten, days are back"
    );
    let [sentence] = &repaired.refused[..] else {
        panic!("{:?}", repaired.refused)
    };
    let records = short.rows - short.rows_after(day(short.from) + TimeDelta::days(2));
    let expected = format!(
        "records of alpha in {}-{:02} are short by {records} of batch {} whose payload was deleted: usage_hour is left as it is",
        short.from.year(),
        short.from.month(),
        short.batch
    );
    assert_eq!(*sentence, expected);
    assert!(repaired.report.count() > 0, "it still differs, and says so");
    let again = world.repair().await;
    assert_eq!(again.done, [""; 0]);
    assert_eq!(again.refused, repaired.refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_corrected_from_a_cube_that_is_itself_short() {
    let (world, batches) = World::sound().await;
    let sound = world.cubes().await;
    let short = batches[1];
    let (partition, _) = Level::Hour.partition_at(short.from).expect("a partition");
    for table in ["cdr", "usage_hour"] {
        world.cubes.run(&format!(
            "ALTER TABLE {table} DROP PARTITION ID '{partition}'"
        ));
    }
    let repaired = world.repair().await;
    let left = world.cubes().await;
    assert_eq!(left[1..], sound[1..], "days, months and years still know");
    assert!(
        repaired
            .refused
            .iter()
            .any(|text| text.contains("days, months, years and small cubes are left as they are")),
        "{:?}",
        repaired.refused
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_small_cube_that_was_changed_is_named_and_repaired() {
    let (world, _) = World::sound().await;
    let row = "(SELECT * FROM usage_small FINAL WHERE grain = 'day' ORDER BY period LIMIT 1)";
    // Totals agree.
    world.cubes.run(&format!(
        "INSERT INTO usage_small SELECT * REPLACE (-bytes_up AS bytes_up, -bytes_down AS bytes_down, -units AS units, \
         -records AS records) FROM {row} UNION ALL SELECT * REPLACE ('901-99' AS network) FROM {row}"
    ));
    let seen = world.look().await;
    let named = |text: &str| seen.differences.iter().any(|said| said.contains(text));
    assert!(
        named("901-99") && named("usage_small (day) says"),
        "{:?}",
        seen.differences
    );
    let repaired = world.repair().await;
    assert_eq!(repaired.refused, [""; 0]);
    assert!(
        repaired.done[0].starts_with("corrected 2 cells of usage_small (day) of alpha in "),
        "{:?}",
        repaired.done
    );
    world.agrees().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_older_than_the_small_cubes_is_filled_before_it_is_asked() {
    let (world, _) = World::sound().await;
    let more = Delivered::new(month(1) + TimeDelta::days(20), 60);
    // As a version without them left it, and goes on beside the new one.
    world.cubes.run("DROP VIEW usage_small_view SYNC");
    world.cubes.run("DROP VIEW usage_small_year_view SYNC");
    world.cubes.run("TRUNCATE TABLE usage_small");
    world.insert(&more);
    world.book(&more, "COUNTED").await;
    world.cubes.migrate();
    assert!(world.look().await.count() > 0);
    let during = Delivered::new(month(2) + TimeDelta::days(20), 60);
    let inserted = async {
        let applying = world.db.system().await.expect("a transaction");
        let held = journal::hold_apply(&applying, Duration::from_secs(9)).await;
        held.expect("held");
        world.insert(&during);
        applying.commit().await.expect("applied");
        world.book(&during, "COUNTED").await;
    };
    let (filled, ()) = tokio::join!(fill(&world.db, &world.store), inserted);
    filled.expect("filled");
    world.agrees().await;
    // Once for all: what breaks later is for verify to find.
    world.cubes.run("TRUNCATE TABLE usage_small");
    fill(&world.db, &world.store).await.expect("nothing to do");
    assert_eq!(
        world.cubes.run("SELECT count() FROM usage_small").trim(),
        "0"
    );
    assert_eq!(world.repair().await.report.differences, [""; 0]);
}

/// A journal that still has one batch.
struct Journal<'a> {
    world: &'a World,
    batch: Delivered,
}

impl RecordsFromJournal for Journal<'_> {
    async fn settle_all(&self) -> domain::Result<u64> {
        self.world.insert(&self.batch);
        Ok(1)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_gives_first() {
    let (world, _) = World::sound().await;
    let batch = Delivered::new(month(1) + TimeDelta::days(20), 60);
    world.insert(&batch);
    world.book(&batch, "COUNTED").await;
    let sound = world.cubes().await;
    world.lose(&format!("batch = '{}'", batch.batch.uuid()));
    let journal = Journal {
        world: &world,
        batch,
    };
    // It brings the records back through the views, so cubes have them twice until they are corrected.
    let repaired = world.verifier().repair(Uuid::new_v4(), &journal).await;
    let repaired = repaired.expect("repaired");
    assert_eq!(repaired.done[0], "settled 1 batches from the journal");
    assert_eq!(repaired.refused, [""; 0]);
    assert_eq!(repaired.report.differences, [""; 0]);
    assert_eq!(world.cubes().await, sound);
}

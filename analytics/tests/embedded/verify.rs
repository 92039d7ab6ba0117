//! Breaking tables on purpose, seeing it, healing it.

use std::collections::BTreeMap;

use analytics::{
    CdrRow, System,
    cube::Level,
    usage::{Dimension, Key, Measure, UsageQuery},
    verify::{Area, Comparison, Corrected, Count, Table},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Period,
    id::{BatchId, CustomerId, DeviceId, SimId, TenantId},
};
use uuid::Uuid;

use crate::{
    Db,
    fleet::{self, Leave, batch, everything, insert, month, now, record, tenant},
    migrated, usage,
};

/// A store with the usage of one tenant.
struct World {
    db: Db,
    tenant: TenantId,
    rows: Vec<CdrRow>,
}

const RECORDS: u32 = 600;

const SOUND: Count = Count {
    records: 600,
    bytes_up: 600,
    bytes_down: 1200,
    units: 0,
};

fn system() -> System {
    System::new(now())
}

/// Two batches of 300 records over three months up to the last one.
async fn world() -> World {
    let db = migrated().await;
    let tenant = tenant();
    let mut rows = Vec::new();
    for n in 0..2_u32 {
        let batch = batch();
        let start = month(3) + TimeDelta::days(10) + TimeDelta::hours(n.into());
        let of_batch: Vec<CdrRow> = (0..RECORDS / 2)
            .map(|i| {
                let start = start + TimeDelta::hours(i64::from(i) * 5);
                CdrRow {
                    identity: Uuid::new_v4(),
                    device: Some(DeviceId::new(Uuid::from_u128(u128::from(i % 3) + 50))),
                    ..record(tenant, batch, n * RECORDS / 2 + i, start)
                }
            })
            .collect();
        db.run(&insert(&of_batch)).await;
        rows.extend(of_batch);
    }
    World { db, tenant, rows }
}

impl World {
    /// Compares clones of the tables as they are now.
    async fn compare(&self) -> Comparison {
        self.compare_at(now()).await
    }

    async fn compare_at(&self, at: DateTime<Utc>) -> Comparison {
        let system = System::new(at);
        let clones = self.db.clones(&system, Uuid::new_v4()).await;
        let tables = clones.expect("clones").fill().await.expect("filled");
        let compared = tables.compare(&system, 42, 50).await.expect("compared");
        tables.thaw().await.expect("dropped");
        compared
    }

    async fn agrees(&self) {
        let compared = self.compare().await;
        assert_eq!(compared.differences, []);
        assert!(compared.compared > 0);
    }

    /// Everything that the tenant may have.
    fn area(&self) -> Area {
        Area {
            tenant: self.tenant,
            period: Period::new(month(6), now()).expect("a period"),
            sims: None,
        }
    }

    async fn correct(&self, level: Level) -> Corrected {
        let corrected = self
            .db
            .correct(&system(), level, &self.area(), &fleet::leave())
            .await;
        corrected.unwrap_or_else(|error| panic!("{error}: {:?}", error.cause()))
    }

    async fn correct_all(&self) -> Vec<u64> {
        let mut cells = Vec::new();
        for level in Level::ALL {
            cells.push(self.correct(level).await.cells);
        }
        cells
    }
}

/// Takes `change` from the rows that hold, and enters the row as it should not be.
fn swap(cube: Level, change: &str, condition: &str) -> String {
    let key = "tenant, period, customer, sim, device, network, rat, service, source";
    let receipt = if cube == Level::Year {
        ", received_at"
    } else {
        ""
    };
    let columns = format!("{key}, bytes_up, bytes_down, units, records{receipt}");
    format!(
        "INSERT INTO {cube} ({columns}) SELECT {columns} FROM (\
         SELECT * REPLACE (-bytes_up AS bytes_up, -bytes_down AS bytes_down, -records AS records) FROM {cube} FINAL \
         WHERE {condition} UNION ALL SELECT * REPLACE ({change}) FROM {cube} FINAL WHERE {condition})"
    )
}

#[tokio::test]
async fn a_sound_store_has_no_differences_and_keeps_no_clones() {
    let world = world().await;
    world.agrees().await;
    assert_eq!(everything(&world.db).await, [SOUND; 5]);
    assert_eq!(world.correct_all().await, [0; 4], "nothing to correct");
    // What an ended process left behind goes with the next verification.
    let _left = world.db.clones(&system(), Uuid::new_v4()).await;
    world.agrees().await;
    let left: u64 = world
        .db
        .raw()
        .query("SELECT count() FROM system.tables WHERE database = currentDatabase() AND name LIKE 'verify%'")
        .fetch_one()
        .await
        .expect("a count");
    assert_eq!(left, 0);
}

#[tokio::test]
async fn clones_show_the_moment_at_which_they_were_made() {
    let world = world().await;
    let clones = world.db.clones(&system(), Uuid::new_v4()).await;
    let tables = clones.expect("clones").fill().await.expect("filled");
    world.db.run("TRUNCATE TABLE usage_day").await;
    let later = record(world.tenant, batch(), 9_999, month(1));
    world.db.run(&insert(&[later])).await;
    let compared = tables.compare(&system(), 7, 50).await.expect("compared");
    assert_eq!(compared.differences, []);
    tables.thaw().await.expect("dropped");
    let differs = world.compare().await.differences;
    assert!(differs.iter().any(|d| d.level == Level::Day), "{differs:?}");
}

#[tokio::test]
async fn usage_that_moved_to_another_customer_is_seen_and_brought_back() {
    let world = world().await;
    let other = CustomerId::new(Uuid::from_u128(8));
    let change = format!("toUUID('{}') AS customer", other.uuid());
    world
        .db
        .run(&swap(
            Level::Month,
            &change,
            "toUInt128(sim) <= 60 AND toMonth(period) = (SELECT max(toMonth(period)) FROM usage_month)",
        ))
        .await;
    assert_eq!(everything(&world.db).await, [SOUND; 5], "totals agree");
    let seen = world.compare().await.differences;
    let [month, year] = &seen[..] else {
        panic!("{seen:?}")
    };
    assert_eq!((month.level, year.level), (Level::Month, Level::Year));
    assert_eq!(month.expected, month.found, "sums alone say nothing");
    let surplus = month
        .cells
        .iter()
        .find(|cell| cell.key.customer == Some(other));
    let surplus = surplus.expect("the other customer is named");
    assert_eq!(surplus.expected, Count::default());
    assert!(surplus.found.records > 0);

    let corrected = world.correct(Level::Month).await;
    assert_eq!(corrected.added, Count::default());
    assert!(corrected.cells >= 2, "{corrected:?}");
    world.agrees().await;
    assert_eq!(world.correct_all().await, [0; 4]);
}

#[tokio::test]
async fn a_device_that_was_swapped_in_a_year_is_seen_and_brought_back() {
    let world = world().await;
    let change = format!("toUUID('{}') AS device", Uuid::from_u128(99));
    world
        .db
        .run(&swap(Level::Year, &change, "toUInt128(sim) = 7"))
        .await;
    let seen = world.compare().await.differences;
    assert!(!seen.is_empty() && seen.iter().all(|d| d.level == Level::Year));
    let device = Some(DeviceId::new(Uuid::from_u128(99)));
    let named = seen.iter().flat_map(|d| &d.cells);
    assert!(named.map(|cell| cell.key.device).any(|d| d == device));
    assert!(world.correct(Level::Year).await.cells > 0);
    world.agrees().await;
}

#[tokio::test]
async fn a_broken_cube_is_healed_from_the_next_finer_one() {
    let world = world().await;
    let elsewhere = month(5).timestamp();
    let lost = |level: Level| {
        let (partition, _) = level.partition_at(month(2)).expect("a partition");
        format!("ALTER TABLE {level} DROP PARTITION ID '{partition}'")
    };
    let breaks = [
        (Level::Hour, "INSERT INTO usage_hour SELECT * FROM usage_hour LIMIT 5".to_owned()),
        (
            Level::Day,
            "ALTER TABLE usage_day DELETE WHERE toDayOfMonth(period) = 13 SETTINGS mutations_sync = 1".into(),
        ),
        (
            Level::Day,
            format!("INSERT INTO usage_day SELECT * REPLACE (toDateTime({elsewhere}) AS period) FROM usage_day"),
        ),
        (Level::Month, "INSERT INTO usage_month SELECT * FROM usage_month".into()),
        (
            Level::Month,
            "ALTER TABLE usage_month UPDATE units = units + 1 WHERE 1 SETTINGS mutations_sync = 1".into(),
        ),
        (
            Level::Year,
            "ALTER TABLE usage_year UPDATE bytes_up = bytes_up + 1 WHERE 1 SETTINGS mutations_sync = 1".into(),
        ),
        (Level::Hour, lost(Level::Hour)),
        (Level::Day, lost(Level::Day)),
        (Level::Month, lost(Level::Month)),
        (Level::Year, lost(Level::Year)),
    ];
    for (level, sql) in breaks {
        world.db.run(&sql).await;
        let seen = world.compare().await.differences;
        assert!(seen.iter().any(|d| d.level == level), "{level}: {seen:?}");
        let before = everything(&world.db).await[level as usize + 1];
        let corrected = world.correct(level).await;
        assert!(corrected.cells > 0, "{sql}");
        assert_eq!(before + corrected.added, SOUND, "{sql}");
        world.agrees().await;
        assert_eq!(world.correct(level).await, Corrected::default(), "{sql}");
    }
    assert_eq!(everything(&world.db).await, [SOUND; 5]);
}

#[tokio::test]
async fn the_year_knows_the_newest_receipt_again_after_a_correction() {
    let world = world().await;
    let newest = || async {
        let sql = "SELECT toUnixTimestamp64Milli(max(received_at)) FROM usage_year";
        let newest: i64 = world.db.raw().query(sql).fetch_one().await.expect("a time");
        newest
    };
    let known = newest().await;
    world.db.run("TRUNCATE TABLE usage_year").await;
    assert!(world.correct(Level::Year).await.cells > 0);
    assert_eq!(newest().await, known);
    world
        .db
        .run("ALTER TABLE usage_year UPDATE received_at = received_at - 1000 WHERE 1 SETTINGS mutations_sync = 1")
        .await;
    let seen = world.compare().await.differences;
    assert!(
        !seen.is_empty() && seen.iter().all(|d| d.receipt),
        "{seen:?}"
    );
    let corrected = world.correct(Level::Year).await;
    assert!(corrected.cells > 0);
    assert_eq!(corrected.added, Count::default());
    world.agrees().await;
    assert_eq!(newest().await, known);
}

#[tokio::test]
async fn a_correction_that_comes_late_enters_nothing() {
    let world = world().await;
    world.db.run("TRUNCATE TABLE usage_day").await;
    let late = Leave(DateTime::from_timestamp(1_000_000_000, 0).expect("a time"));
    let area = world.area();
    let corrected = world.db.correct(&system(), Level::Day, &area, &late).await;
    assert!(corrected.is_err());
    assert_eq!(everything(&world.db).await[2], Count::default());
    assert!(world.correct(Level::Day).await.cells > 0);
    world.agrees().await;
}

#[tokio::test]
async fn a_correction_keeps_to_its_area() {
    let world = world().await;
    world.db.run("TRUNCATE TABLE usage_hour").await;
    let sim = SimId::new(Uuid::from_u128(3));
    let some = Area {
        sims: Some(vec![sim, SimId::new(Uuid::new_v4())]),
        ..world.area()
    };
    let of_sim = world.rows.iter().filter(|row| row.sim == sim).count();
    let corrected = world
        .db
        .correct(&system(), Level::Hour, &some, &fleet::leave())
        .await;
    let corrected = corrected.expect("corrected");
    assert_eq!(usize::try_from(corrected.added.records), Ok(of_sim));
    let day = Area {
        period: Period::new(
            world.rows[0].start + TimeDelta::minutes(1),
            world.rows[0].start + TimeDelta::minutes(2),
        )
        .expect("a period"),
        ..world.area()
    };
    let hour = world
        .db
        .correct(&system(), Level::Hour, &day, &fleet::leave())
        .await;
    assert_eq!(
        hour.expect("corrected").added.records,
        1,
        "one hour, widened"
    );
    let many: Vec<SimId> = (0..200_000)
        .map(|n| SimId::new(Uuid::from_u128(n)))
        .collect();
    let many = Area {
        sims: Some(many),
        ..world.area()
    };
    let rest = world
        .db
        .correct(&system(), Level::Hour, &many, &fleet::leave())
        .await;
    let rest = rest.unwrap_or_else(|error| panic!("{error}: {:?}", error.cause()));
    assert_eq!(rest.added.records, 600 - 1 - corrected.added.records);
    world.agrees().await;
}

#[tokio::test]
async fn what_may_have_expired_is_compared_among_the_cubes_only() {
    let world = world().await;
    // Records of the first half of the oldest month may have expired.
    let border = month(3) + TimeDelta::days(15);
    let later = border + TimeDelta::days(390);
    let (oldest, _) = Level::Day.partition_at(month(3)).expect("a partition");
    let delete = |condition: &str| {
        format!("ALTER TABLE cdr DELETE WHERE {condition} SETTINGS mutations_sync = 1")
    };
    let before = format!("start < toDateTime({}, 'UTC')", border.timestamp());
    world.db.run(&delete(&before)).await;
    let compared = world.compare_at(later).await;
    assert_eq!(
        compared.differences,
        [],
        "expired records are no difference"
    );
    assert!(compared.without_records);
    // Hours are never made to forget them.
    let system = System::new(later);
    let corrected = world
        .db
        .correct(&system, Level::Hour, &world.area(), &fleet::leave())
        .await;
    assert_eq!(corrected.expect("corrected"), Corrected::default());
    // The rest of the month is still compared.
    let day = format!(
        "start >= toDateTime({}, 'UTC') AND start < toDateTime({}, 'UTC')",
        border.timestamp(),
        (border + TimeDelta::days(1)).timestamp()
    );
    world.db.run(&delete(&day)).await;
    let [difference] = &world.compare_at(later).await.differences[..] else {
        panic!("one difference")
    };
    assert_eq!(difference.level, Level::Hour);
    assert_eq!(difference.period.from(), border);
    assert!(difference.cells.iter().all(|cell| cell.start >= border));
    let drop = format!("ALTER TABLE usage_day DROP PARTITION ID '{oldest}'");
    world.db.run(&drop).await;
    let seen = world.compare_at(later).await.differences;
    let days = seen.iter().find(|d| d.level == Level::Day);
    assert_eq!(days.map(|d| d.period.from()), Some(month(3)));
}

fn wrapped<'a>(rows: impl Iterator<Item = &'a CdrRow>) -> i64 {
    rows.fold(0_i64, |sum, row| {
        sum.wrapping_add(row.identity.as_u64_pair().1.cast_signed())
    })
}

#[tokio::test]
async fn records_of_a_batch_have_the_checksum_that_the_ledger_gives_them() {
    let world = world().await;
    let tables = world.db.tables(&system());
    let counted = tables.batches(&system(), None, None).await;
    let counted = counted.expect("counted");
    let ids: Vec<BatchId> = counted.iter().map(|found| found.batch).collect();
    assert!(ids.len() == 2 && ids.is_sorted());
    for found in &counted {
        let of_batch: Vec<&CdrRow> = world
            .rows
            .iter()
            .filter(|row| row.batch == found.batch)
            .collect();
        assert_eq!(found.checksum, wrapped(of_batch.iter().copied()));
        assert_eq!(found.count.records, 300);
        assert_eq!(
            Some(found.first),
            of_batch.iter().map(|row| row.start).min()
        );
        assert_eq!(Some(found.last), of_batch.iter().map(|row| row.start).max());
    }
    let bound = Some((ids[0], world.tenant));
    let one = |after, until| {
        let tables = &tables;
        async move {
            tables
                .batches(&system(), after, until)
                .await
                .expect("counted")
        }
    };
    assert_eq!(one(None, bound).await, counted[..1]);
    assert_eq!(one(bound, None).await, counted[1..]);
    let asked = tables.batches_of(&system(), world.tenant, &ids[1..]).await;
    assert_eq!(asked.expect("counted"), counted[1..]);
}

#[tokio::test]
async fn a_copy_in_the_place_of_a_missing_record_is_seen_and_dropped() {
    let world = world().await;
    let first = world.rows[0].clone();
    // Two records of one hour that are alike but for their identity.
    let twin = CdrRow {
        identity: Uuid::new_v4(),
        ..first.clone()
    };
    world.db.run(&insert(std::slice::from_ref(&twin))).await;
    world.agrees().await;
    // One becomes a copy of the other, past the views: cubes keep counting two.
    for sql in [
        "CREATE TABLE beside AS cdr".to_owned(),
        format!(
            "INSERT INTO beside SELECT * REPLACE (now() + 1800 AS apply_by) FROM cdr WHERE identity = '{}'",
            first.identity
        ),
        format!(
            "ALTER TABLE cdr DELETE WHERE identity = '{}' SETTINGS mutations_sync = 1",
            twin.identity
        ),
        "ALTER TABLE cdr ATTACH PARTITION ALL FROM beside".to_owned(),
    ] {
        world.db.run(&sql).await;
    }
    assert_eq!(world.compare().await.differences, [], "sums are no proof");

    let tables = world.db.tables(&system());
    let twice = tables.twice(&system(), 10).await.expect("looked");
    let [copy] = &twice[..] else {
        panic!("{twice:?}")
    };
    assert_eq!((copy.identity, copy.records), (first.identity, 2));
    assert_eq!(copy.batches, [first.batch]);
    let checksums: BTreeMap<BatchId, i64> = tables
        .batches(&system(), None, None)
        .await
        .expect("counted")
        .into_iter()
        .map(|found| (found.batch, found.checksum))
        .collect();
    let ledger = wrapped(
        world
            .rows
            .iter()
            .chain([&twin])
            .filter(|row| row.batch == first.batch),
    );
    assert_ne!(checksums[&first.batch], ledger);

    let doubled = async |batch| {
        let rows = world.db.doubled(&system(), world.tenant, batch).await;
        rows.expect("looked")
    };
    assert_eq!(doubled(first.batch).await, std::slice::from_ref(&first));
    // One that says something else under the same identity is not a copy.
    world
        .db
        .run(&format!(
            "ALTER TABLE cdr UPDATE bytes_up = bytes_up + 1 WHERE identity = '{}' AND apply_by < now() + 2000 \
             SETTINGS mutations_sync = 1",
            first.identity
        ))
        .await;
    assert_eq!(doubled(first.batch).await.len(), 2);
}

#[tokio::test]
async fn cells_that_were_corrected_away_are_in_no_answer() {
    let world = world().await;
    let stranger = Uuid::from_u128(4_711);
    for level in Level::ALL {
        world
            .db
            .run(&format!(
                "INSERT INTO {level} SELECT * REPLACE (toUUID('{stranger}') AS sim) FROM {level} LIMIT 3"
            ))
            .await;
    }
    assert!(world.correct_all().await.iter().all(|cells| *cells > 0));
    let staff = usage::staff(world.tenant);
    for measures in [
        vec![Measure::BytesUp],
        vec![Measure::ActiveSims, Measure::Records],
    ] {
        let question = UsageQuery {
            measures,
            dimensions: vec![Dimension::Sim],
            grain: None,
            period: Period::new(month(4), month(0)).expect("a period"),
            filter: None,
            order_by: vec![],
            limit: 1_000,
        };
        let answer = world.db.usage(&staff, &question).await.expect("an answer");
        assert_eq!(answer.rows.len(), 100);
        assert!(
            answer
                .rows
                .iter()
                .all(|row| row.keys != [Key::Id(stranger)])
        );
        let active = answer.totals.active_sims;
        assert!(active.is_none_or(|sims| sims == 100), "{active:?}");
    }
    let whole = UsageQuery {
        measures: vec![Measure::Records],
        dimensions: vec![],
        grain: None,
        period: Period::new(month(6), month(5)).expect("a period"),
        filter: None,
        order_by: vec![],
        limit: 1,
    };
    let nothing = world.db.usage(&staff, &whole).await.expect("an answer");
    assert_eq!(
        nothing.rows.len(),
        1,
        "the whole of a period is always one row"
    );
    assert_eq!(nothing.totals.records, Some(0));
}

#[tokio::test]
async fn every_table_lists_every_cell_by_everything_it_knows() {
    let world = world().await;
    let tables = world.db.tables(&system());
    for table in Table::ALL {
        let width = table.listed_by();
        let mut expected: BTreeMap<_, Count> = BTreeMap::new();
        for row in &world.rows {
            let start = width.period_at(row.start).expect("in range").from();
            *expected
                .entry((start, row.customer, row.sim, row.device))
                .or_default() += Count {
                records: 1,
                bytes_up: 1,
                bytes_down: 2,
                units: 0,
            };
        }
        let period = width.widened(world.area().period).expect("in range");
        let listed = tables
            .list(&system(), table, world.tenant, period)
            .await
            .expect("listed");
        let found: BTreeMap<_, Count> = listed
            .into_iter()
            .map(|cell| {
                let key = (cell.start, cell.key.customer, cell.key.sim, cell.key.device);
                (key, cell.count)
            })
            .collect();
        assert_eq!(found, expected, "{table}");
    }
}

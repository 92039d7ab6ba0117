//! Breaking tables on purpose, seeing it, correcting it.

mod batch;
mod cell;

use analytics::{
    CdrRow, System,
    cube::{Cube, Level},
    verify::{Area, Comparison, Corrected, Count, Table},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Period,
    id::{CustomerId, DeviceId, SimId, TenantId},
    tenant::{Retention, Retentions},
};
use uuid::Uuid;

use crate::{
    Db,
    fleet::{self, Leave, batch, everything, insert, month, now, record, tenant},
    migrated,
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
    sessions: 0,
    resets: 0,
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
        self.compare_kept(at, &Retentions::default()).await
    }

    async fn compare_kept(&self, at: DateTime<Utc>, retentions: &Retentions) -> Comparison {
        let system = System::new(at);
        let clones = self.db.clones(&system, Uuid::new_v4()).await;
        let tables = clones.expect("clones").fill().await.expect("filled");
        let compared = tables
            .compare(&system, 42, 50, retentions)
            .await
            .expect("compared");
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
            retention: Retention::default(),
        }
    }

    async fn correct(&self, cube: Cube) -> Corrected {
        let corrected = self
            .db
            .correct(&system(), cube, &self.area(), &fleet::leave())
            .await;
        corrected.unwrap_or_else(|error| panic!("{error}: {:?}", error.cause()))
    }

    /// What is entered into a full cube for a test has reached the small ones by their views, so they follow once more.
    async fn correct_small(&self) {
        for cube in SMALL {
            self.correct(cube).await;
        }
    }

    async fn correct_all(&self) -> Vec<u64> {
        let mut cells = Vec::new();
        for cube in Cube::ALL {
            cells.push(self.correct(cube).await.cells);
        }
        cells
    }
}

const SMALL: [Cube; 4] = [
    Cube::Small(Level::Hour),
    Cube::Small(Level::Day),
    Cube::Small(Level::Month),
    Cube::Small(Level::Year),
];

/// Takes `change` from the rows that hold, and enters the row as it should not be.
fn swap(level: Level, change: &str, condition: &str) -> String {
    let key = "tenant, period, customer, sim, device, network, rat, service, source";
    let receipt = if level == Level::Year {
        ", received_at"
    } else {
        ""
    };
    let columns = format!("{key}, bytes_up, bytes_down, units, records{receipt}");
    let cube = Cube::Full(level).table();
    format!(
        "INSERT INTO {cube} ({columns}) SELECT {columns} FROM (\
         SELECT * REPLACE (-bytes_up AS bytes_up, -bytes_down AS bytes_down, -records AS records) FROM {cube} FINAL \
         WHERE {condition} UNION ALL SELECT * REPLACE ({change}) FROM {cube} FINAL WHERE {condition})"
    )
}

/// Alone in its part, so that the engine decides by this record whether to read any.
#[tokio::test]
async fn a_record_in_the_last_millisecond_of_a_month_is_held_against_its_month() {
    let (db, tenant) = (migrated().await, tenant());
    let last = month(2) - TimeDelta::milliseconds(1);
    let rows = vec![record(tenant, batch(), 1, last)];
    db.run(&insert(&rows)).await;
    World { db, tenant, rows }.agrees().await;
}

#[tokio::test]
async fn a_sound_store_has_no_differences_and_keeps_no_clones() {
    let world = world().await;
    world.agrees().await;
    assert_eq!(everything(&world.db).await, [SOUND; Table::ALL.len()]);
    assert_eq!(
        world.correct_all().await,
        [0; Cube::ALL.len()],
        "nothing to correct"
    );
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
    let compared = tables
        .compare::<Retention>(&system(), 7, 50, &Retentions::default())
        .await
        .expect("compared");
    assert_eq!(compared.differences, []);
    tables.thaw().await.expect("dropped");
    let differs = world.compare().await.differences;
    assert!(
        differs.iter().any(|d| d.cube == Cube::Full(Level::Day)),
        "{differs:?}"
    );
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
    assert_eq!(
        everything(&world.db).await,
        [SOUND; Table::ALL.len()],
        "totals agree"
    );
    let seen = world.compare().await.differences;
    let [month, year] = &seen[..] else {
        panic!("{seen:?}")
    };
    let full = (Cube::Full(Level::Month), Cube::Full(Level::Year));
    assert_eq!((month.cube, year.cube), full);
    assert_eq!(month.expected, month.found, "sums alone say nothing");
    let surplus = month
        .cells
        .iter()
        .find(|cell| cell.key.customer == Some(other));
    let surplus = surplus.expect("the other customer is named");
    assert_eq!(surplus.expected, Count::default());
    assert!(surplus.found.records > 0);

    let corrected = world.correct(Cube::Full(Level::Month)).await;
    assert_eq!(corrected.added, Count::default());
    assert!(corrected.cells >= 2, "{corrected:?}");
    world.agrees().await;
    assert_eq!(world.correct_all().await, [0; Cube::ALL.len()]);
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
    assert!(!seen.is_empty() && seen.iter().all(|d| d.cube.level() == Level::Year));
    let device = Some(DeviceId::new(Uuid::from_u128(99)));
    let named = seen.iter().flat_map(|d| &d.cells);
    assert!(named.map(|cell| cell.key.device).any(|d| d == device));
    assert!(world.correct(Cube::Full(Level::Year)).await.cells > 0);
    world.agrees().await;
}

#[tokio::test]
async fn a_row_of_a_small_cube_that_was_changed_is_seen_and_brought_back() {
    let world = world().await;
    let columns = "tenant, grain, period, customer, network, rat, service, source, bytes_up, bytes_down, units, records";
    for cube in SMALL {
        let row = format!(
            "(SELECT * FROM usage_small FINAL WHERE grain = '{}' ORDER BY period LIMIT 1)",
            cube.level()
        );
        // Totals agree: what one network has too much, another one lacks.
        world
            .db
            .run(&format!(
                "INSERT INTO usage_small ({columns}) SELECT {columns} FROM (\
                 SELECT * REPLACE (-bytes_up AS bytes_up, -bytes_down AS bytes_down, -records AS records) FROM {row} \
                 UNION ALL SELECT * REPLACE ('901-99' AS network) FROM {row})"
            ))
            .await;
        assert_eq!(everything(&world.db).await, [SOUND; Table::ALL.len()]);
        let seen = world.compare().await.differences;
        let Some(found) = seen.iter().find(|found| found.cube == cube) else {
            panic!("{cube:?}: {seen:?}")
        };
        assert_eq!(found.expected, found.found, "sums alone say nothing");
        let [wrong, right] = &found.cells[..] else {
            panic!("{found:?}")
        };
        let networks = [&wrong.key, &right.key].map(|key| (&*key.network, key.sim, key.device));
        assert!(networks.contains(&("901-99", None, None)), "{networks:?}");
        assert_eq!(world.correct(cube).await.cells, 2);
        assert_eq!(world.correct_all().await, [0; Cube::ALL.len()]);
        world.agrees().await;
    }
}

#[tokio::test]
async fn what_is_corrected_in_the_full_cubes_reaches_the_small_ones() {
    let world = world().await;
    // As settling does it: a batch goes from the records past the views, and the cubes follow.
    let batch = world.rows[0].batch;
    world
        .db
        .run(&format!(
            "ALTER TABLE cdr DELETE WHERE batch = '{}' SETTINGS mutations_sync = 1",
            batch.uuid()
        ))
        .await;
    let cells = world.correct_all().await;
    assert!(cells[..4].iter().all(|cells| *cells > 0), "{cells:?}");
    assert_eq!(cells[4..], [0; 4], "their views were enough");
    world.agrees().await;
    let left = everything(&world.db).await;
    assert!(left.iter().all(|sums| sums.records == 300), "{left:?}");
}

#[tokio::test]
async fn a_store_that_is_older_than_the_small_cubes_is_filled_once() {
    let world = world().await;
    // Of the last month the views saw everything, before it nothing; a fill that was broken off has entered the oldest one.
    let before = format!("period < toDateTime({}, 'UTC')", month(1).timestamp());
    world
        .db
        .run(&format!(
            "ALTER TABLE usage_small DELETE WHERE {before} OR grain = 'year' SETTINGS mutations_sync = 1"
        ))
        .await;
    assert!(!world.db.is_filled(&system()).await.expect("asked"));
    let fill = async |ago| {
        let filled = world.db.fill(&system(), month(ago), &fleet::leave()).await;
        filled.unwrap_or_else(|error| panic!("{error}: {:?}", error.cause()))
    };
    assert!(fill(3).await.cells > 0);
    // Records come in meanwhile.
    let later = record(world.tenant, batch(), 9_999, month(2));
    world.db.run(&insert(&[later])).await;
    for ago in (0..4).rev() {
        fill(ago).await;
    }
    world.agrees().await;
    assert_eq!(fill(3).await, Corrected::default());
    world.db.set_filled(&system()).await.expect("noted");
    assert!(world.db.is_filled(&system()).await.expect("asked"));
    let now = everything(&world.db).await;
    assert!(now.iter().all(|sums| sums.records == 601), "{now:?}");
}

#[tokio::test]
async fn a_broken_cube_is_corrected_from_the_next_finer_one() {
    let world = world().await;
    let elsewhere = month(5).timestamp();
    let lost = |level: Level| {
        let (partition, _) = level.partition_at(month(2)).expect("a partition");
        format!("ALTER TABLE usage_{level} DROP PARTITION ID '{partition}'")
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
        assert!(
            seen.iter().any(|d| d.cube == Cube::Full(level)),
            "{level}: {seen:?}"
        );
        let before = everything(&world.db).await[level as usize + 1];
        let corrected = world.correct(Cube::Full(level)).await;
        assert!(corrected.cells > 0, "{sql}");
        assert_eq!(before + corrected.added, SOUND, "{sql}");
        world.correct_small().await;
        world.agrees().await;
        assert_eq!(
            world.correct(Cube::Full(level)).await,
            Corrected::default(),
            "{sql}"
        );
    }
    assert_eq!(everything(&world.db).await, [SOUND; Table::ALL.len()]);
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
    assert!(world.correct(Cube::Full(Level::Year)).await.cells > 0);
    assert_eq!(newest().await, known);
    world.correct_small().await;
    world
        .db
        .run("ALTER TABLE usage_year UPDATE received_at = received_at - 1000 WHERE 1 SETTINGS mutations_sync = 1")
        .await;
    let seen = world.compare().await.differences;
    assert!(
        !seen.is_empty() && seen.iter().all(|d| d.receipt),
        "{seen:?}"
    );
    let corrected = world.correct(Cube::Full(Level::Year)).await;
    assert!(corrected.cells > 0);
    assert_eq!(corrected.added, Count::default());
    world.agrees().await;
    assert_eq!(newest().await, known);
}

#[tokio::test]
async fn each_customer_is_told_of_its_own_newest_receipt() {
    let world = world().await;
    // Another one, and nobody, whose records came earlier.
    let (other, earlier) = (CustomerId::new(Uuid::from_u128(8)), month(3));
    let of_others: Vec<CdrRow> = [Some(other), None]
        .into_iter()
        .zip(10_000..)
        .map(|(customer, n)| CdrRow {
            customer,
            ..record(world.tenant, batch(), n, earlier)
        })
        .collect();
    world.db.run(&insert(&of_others)).await;
    world.agrees().await;
    let customers = world.rows.iter().take(1).chain(&of_others);
    for customer in customers.map(|row| row.customer) {
        let customer = customer.map_or(Uuid::nil(), CustomerId::uuid);
        for (cube, rows) in [
            (Cube::Full(Level::Year), "usage_year UPDATE"),
            (Cube::Small(Level::Year), "usage_small UPDATE"),
        ] {
            let grain = if cube == Cube::Small(Level::Year) {
                " AND grain = 'year'"
            } else {
                ""
            };
            let sql = format!(
                "ALTER TABLE {rows} received_at = received_at - 1000 WHERE customer = '{customer}'{grain} SETTINGS mutations_sync = 1"
            );
            world.db.run(&sql).await;
            let seen = world.compare().await.differences;
            assert!(
                seen.iter().any(|d| d.receipt && d.cube == cube),
                "{sql}: {seen:?}"
            );
            assert!(world.correct(cube).await.cells > 0, "{sql}");
            world.agrees().await;
        }
    }
}

#[tokio::test]
async fn a_correction_that_comes_late_enters_nothing() {
    let world = world().await;
    world.db.run("TRUNCATE TABLE usage_day").await;
    let late = Leave(DateTime::from_timestamp(1_000_000_000, 0).expect("a time"));
    let area = world.area();
    let corrected = world
        .db
        .correct(&system(), Cube::Full(Level::Day), &area, &late)
        .await;
    assert!(corrected.is_err());
    assert_eq!(everything(&world.db).await[2], Count::default());
    assert!(world.correct(Cube::Full(Level::Day)).await.cells > 0);
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
        .correct(&system(), Cube::Full(Level::Hour), &some, &fleet::leave())
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
        .correct(&system(), Cube::Full(Level::Hour), &day, &fleet::leave())
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
        .correct(&system(), Cube::Full(Level::Hour), &many, &fleet::leave())
        .await;
    let rest = rest.unwrap_or_else(|error| panic!("{error}: {:?}", error.cause()));
    assert_eq!(rest.added.records, 600 - 1 - corrected.added.records);
    world.correct_small().await;
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
        .correct(
            &system,
            Cube::Full(Level::Hour),
            &world.area(),
            &fleet::leave(),
        )
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
    assert_eq!(difference.cube, Cube::Full(Level::Hour));
    assert_eq!(difference.period.from(), border);
    assert!(difference.cells.iter().all(|cell| cell.start >= border));
    let drop = format!("ALTER TABLE usage_day DROP PARTITION ID '{oldest}'");
    world.db.run(&drop).await;
    let seen = world.compare_at(later).await.differences;
    let days = seen.iter().find(|d| d.cube == Cube::Full(Level::Day));
    assert_eq!(days.map(|d| d.period.from()), Some(month(3)));
}

//! Records go, each tenant's by its own retention; what was summed up of them stays.

use analytics::{
    CdrRow, System,
    cube::{self, Cube, Level},
    usage::{Alignment, CubeQuery, Inventory, Measure, Span},
    verify::{Area, Corrected, Table, Tables},
};
use chrono::{DateTime, Datelike as _, NaiveDate, TimeDelta, Utc};
use domain::{
    Code, Period,
    id::TenantId,
    tenant::{Retention, Retentions, Settings},
};
use uuid::Uuid;

use crate::{
    Db, empty,
    fleet::{self, apply, apply_kept, batch, everything, month, now, record, tenant},
    migrated, schema,
    usage::staff,
};

/// Months ago: records of a tenant that keeps them for two months have gone, those of the others have not.
const OLD: u32 = 4;

fn system() -> System {
    System::new(now())
}

fn kept(days: u16) -> Retention {
    Retention::new(days, None)
}

/// Ten records of an old month, and ten of the present one.
fn rows(tenant: TenantId) -> Vec<CdrRow> {
    let batch = batch();
    let record = |n, start| CdrRow {
        identity: Uuid::new_v4(),
        ..record(tenant, batch, n, start)
    };
    let old = (0..10).map(|n| record(n, month(OLD) + TimeDelta::days(n.into())));
    let new = (10..20).map(|n| record(n, month(0) + TimeDelta::minutes(n.into())));
    old.chain(new).collect()
}

/// How many records of a tenant there are, and on which days they go.
async fn left(db: &Db, tenant: TenantId) -> (u64, Vec<String>) {
    let of = format!("FROM cdr WHERE tenant = '{}'", tenant.uuid());
    let count = format!("SELECT count() {of}");
    let count = db.raw().query_raw(&count).fetch_one().await;
    let days = format!("SELECT DISTINCT toString(expires) AS day {of} ORDER BY day");
    let days = db.raw().query_raw(&days).fetch_all().await;
    (count.expect("a count"), days.expect("days"))
}

/// The days after the ends of the old month and of the present one.
fn days(days: i64) -> Vec<String> {
    let day = |ago: u32| {
        let end = if ago == 0 {
            (month(0) + TimeDelta::days(31)).date_naive()
        } else {
            month(ago - 1).date_naive()
        };
        let first = NaiveDate::from_ymd_opt(end.year(), end.month(), 1);
        (first.expect("a first") + TimeDelta::days(days)).to_string()
    };
    vec![day(OLD), day(0)]
}

/// Lets everything expire that may.
async fn expire(db: &Db) {
    db.run("OPTIMIZE TABLE cdr FINAL").await;
}

async fn clones(db: &Db) -> Tables {
    let clones = db.clones(&system(), Uuid::new_v4()).await;
    clones.expect("clones").fill().await.expect("filled")
}

#[tokio::test]
async fn records_go_by_the_retention_of_their_tenant_and_every_cube_stays() {
    let db = migrated().await;
    let (brief, usual) = (tenant(), tenant());
    let retentions: Retentions = [(brief, kept(60))].into_iter().collect();
    for whose in [brief, usual] {
        let rows = rows(whose);
        apply_kept(&db, rows[0].batch, &rows, &retentions).await;
    }
    // One part for each month, with records of both.
    let before = everything(&db).await;
    expire(&db).await;
    assert_eq!(left(&db, brief).await, (10, days(60)[1..].to_vec()));
    assert_eq!(left(&db, usual).await, (20, days(400)));
    let after = everything(&db).await;
    assert_eq!(after[0].records, 30);
    assert_eq!(after[1..], before[1..]);
    assert!(after[1..].iter().all(|count| count.records == 40));

    // What expired is no difference, and nothing is made to forget it.
    let tables = clones(&db).await;
    let by = async |retentions: &Retentions| {
        let compared = tables.compare(&system(), 42, 50, retentions).await;
        compared.expect("compared").differences
    };
    assert_eq!(by(&retentions).await, []);
    let [difference] = &by(&Retentions::default()).await[..] else {
        panic!("the usual tenant's old hours alone are compared")
    };
    assert_eq!(
        (difference.tenant, difference.cube),
        (brief, Cube::Full(Level::Hour))
    );
    tables.thaw().await.expect("dropped");
    let area = Area {
        tenant: brief,
        period: Period::new(month(OLD), now()).expect("a period"),
        sims: None,
        retention: retentions.of(brief),
    };
    for cube in Cube::ALL {
        let corrected = db.correct(&system(), cube, &area, &fleet::leave()).await;
        assert_eq!(corrected.expect("corrected"), Corrected::default());
    }
    assert_eq!(everything(&db).await, after);
}

#[tokio::test]
async fn a_part_of_records_that_all_expired_is_dropped() {
    let db = migrated().await;
    let brief = tenant();
    let retentions: Retentions = [(brief, kept(60))].into_iter().collect();
    let rows = rows(brief);
    apply_kept(&db, rows[0].batch, &rows, &retentions).await;
    expire(&db).await;
    let months: Vec<String> = db
        .raw()
        .query_raw("SELECT DISTINCT partition FROM system.parts WHERE database = currentDatabase() AND table = 'cdr' AND active AND rows > 0")
        .fetch_all()
        .await
        .expect("parts");
    assert_eq!(months, [month(0).format("%Y%m").to_string()]);
}

#[tokio::test]
async fn a_retention_that_changed_holds_for_records_that_are_there_but_none_goes_at_once() {
    let db = migrated().await;
    let (changed, other) = (tenant(), tenant());
    for whose in [changed, other] {
        let rows = rows(whose);
        apply(&db, rows[0].batch, &rows).await;
    }
    let all = everything(&db).await;
    let keep = async |days, at_least| {
        for _ in 0..600 {
            let is_kept = db.keep(&system(), changed, kept(days), at_least).await;
            if is_kept.unwrap_or_else(|error| panic!("{error}: {:?}", error.cause())) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the engine is not done");
    };
    keep(1_000, now()).await;
    assert_eq!(left(&db, changed).await, (20, days(1_000)));
    let soon = now() + Retention::GRACE;
    keep(60, soon).await;
    expire(&db).await;
    let grace = vec![soon.date_naive().to_string(), days(60)[1].clone()];
    assert_eq!(left(&db, changed).await, (20, grace));
    // Taken back in time.
    keep(400, now() + Retention::GRACE).await;
    expire(&db).await;
    assert_eq!(left(&db, changed).await, (20, days(400)));
    assert_eq!(everything(&db).await, all);
    // And not.
    keep(60, month(1)).await;
    expire(&db).await;
    assert_eq!(left(&db, changed).await, (10, days(60)[1..].to_vec()));
    assert_eq!(left(&db, other).await, (20, days(400)));
    assert_eq!(everything(&db).await[1..], all[1..]);
}

#[tokio::test]
async fn a_store_of_the_version_before_keeps_what_it_has_and_rewrites_nothing() {
    let db = empty().await;
    db.migrate(&schema()[..4]).await.expect("as it was");
    let rows = rows(tenant());
    let columns = "(tenant, customer, sim, device, network, rat, service, source, record_id, identity, start, end, bytes_up, \
                   bytes_down, units, sign, batch, received_at, apply_by)";
    let insert = fleet::insert(&rows).replace("(* EXCEPT(expires))", columns);
    db.run(&insert).await;
    let parts = "SELECT name FROM system.parts WHERE database = currentDatabase() AND table = 'cdr' AND active ORDER BY name";
    let before: Vec<String> = db.raw().query_raw(parts).fetch_all().await.expect("parts");
    assert_eq!(db.migrate(&schema()).await.expect("up"), [4, 5]);
    let after: Vec<String> = db.raw().query_raw(parts).fetch_all().await.expect("parts");
    assert_eq!(before, after);
    let mutations =
        "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND table = 'cdr'";
    let mutations: u64 = (db.raw().query_raw(mutations).fetch_one().await).expect("a count");
    assert_eq!(mutations, 0);
    // The program of the version before goes on beside.
    db.run(&insert).await;
    expire(&db).await;
    assert_eq!(left(&db, rows[0].tenant).await, (40, days(400)));
    let totals = everything(&db).await;
    let full = totals.iter().filter(|count| count.records == 40).count();
    assert_eq!(full, Table::ALL.len());
}

#[tokio::test]
async fn years_months_and_days_answer_after_records_are_gone_and_parts_of_hours_name_what_would_do()
{
    let db = migrated().await;
    let brief = tenant();
    let retentions: Retentions = [(brief, kept(60))].into_iter().collect();
    let rows = rows(brief);
    apply_kept(&db, rows[0].batch, &rows, &retentions).await;
    expire(&db).await;
    assert_eq!(left(&db, brief).await.0, 10);
    let scope = staff(brief).under(Settings {
        records: kept(60),
        ..Settings::default()
    });
    let asked = async |from: DateTime<Utc>, to: DateTime<Utc>| {
        let align = Alignment::Exact;
        let query = CubeQuery::of(&[Measure::Records], Span::Between { from, to, align });
        let answer = db.usage(&scope, &query, &Inventory::default(), now()).await;
        answer.map(|answer| {
            (
                answer.totals.get(Measure::Records),
                answer.provenance.tables,
            )
        })
    };
    let years = [month(OLD), month(0)].map(|moment| Level::Year.period_at(moment).expect("a year"));
    let whole = asked(years[0].from(), years[1].to())
        .await
        .expect("an answer");
    assert_eq!(
        whole,
        (Some(20), vec![cube::Table::Cube(Cube::Small(Level::Year))])
    );
    let old = month(OLD);
    let of_month = asked(old, month(OLD - 1)).await.expect("an answer");
    assert_eq!(
        of_month,
        (Some(10), vec![cube::Table::Cube(Cube::Small(Level::Month))])
    );
    let of_day = asked(old, old + TimeDelta::days(3))
        .await
        .expect("an answer");
    assert_eq!(
        of_day,
        (Some(3), vec![cube::Table::Cube(Cube::Small(Level::Day))])
    );
    let part = asked(old + TimeDelta::minutes(30), old + TimeDelta::hours(2)).await;
    let refused = part.expect_err("records that old are gone");
    assert_eq!(refused.code(), Code::NotExact);
    let would_do = refused
        .details()
        .and_then(|details| details.period)
        .expect("a period");
    let hours = asked(would_do.from(), would_do.to())
        .await
        .expect("an answer");
    assert_eq!(
        hours,
        (Some(1), vec![cube::Table::Cube(Cube::Small(Level::Hour))])
    );
}

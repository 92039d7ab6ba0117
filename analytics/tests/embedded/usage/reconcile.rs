//! Usage records and sessions side by side, compared with what both come to in memory.

use std::collections::BTreeMap;

use analytics::usage::{Bytes, Disagreement, Pair, Reconciling, Source};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use domain::{
    Code, Period, Role,
    id::SimId,
    scope::{Segment, Visibility},
};

use super::{fixed, loaded, scope, staff};
use crate::{
    fleet::{apply, at, batch, record, tenant},
    migrated,
    oracle::World,
    session::{self, rollup},
};

fn days(from: &str, to: &str) -> Period {
    Period::new(at(from), at(to)).expect("a period")
}

/// What both say of each SIM and day, where either has something: rows of records and of rollups that were not taken back.
fn sides(
    world: &World,
    whose: domain::id::TenantId,
    period: Period,
) -> BTreeMap<(SimId, DateTime<Utc>), (Pair, [i128; 2])> {
    let mut sides: BTreeMap<_, (Pair, [i128; 2])> = BTreeMap::new();
    let is_of = |tenant, moment| tenant == whose && period.from() <= moment && moment < period.to();
    let day = |moment: DateTime<Utc>| moment.duration_trunc(TimeDelta::days(1)).expect("a day");
    let add = |bytes: &mut Bytes, sign: i8, up: u64, down: u64| {
        bytes.up += i128::from(up) * i128::from(sign);
        bytes.down += i128::from(down) * i128::from(sign);
    };
    for row in world.rows.iter().filter(|row| is_of(row.tenant, row.start)) {
        let (pair, rows) = sides.entry((row.sim, day(row.start))).or_default();
        add(&mut pair.cdr, row.sign, row.bytes_up, row.bytes_down);
        rows[0] += i128::from(row.sign);
    }
    for row in (world.rollups.iter()).filter(|row| is_of(row.tenant, row.event_at)) {
        let (pair, rows) = sides.entry((row.sim, day(row.event_at))).or_default();
        add(&mut pair.session, row.sign, row.bytes_up, row.bytes_down);
        rows[1] += i128::from(row.sign);
    }
    sides.retain(|_, (_, rows)| *rows != [0, 0]);
    sides
}

#[tokio::test(flavor = "multi_thread")]
async fn sims_and_days_come_in_the_order_of_how_far_apart_both_are() {
    let (world, tenants) = fixed();
    let db = loaded(world).await;
    let whole = days("2028-10-27T00:00:00Z", "2028-11-07T00:00:00Z");
    let sides = sides(world, tenants[0], whole);
    let apart = |pair: &Pair| {
        let Bytes { up, down } = pair.difference();
        up.abs() + down.abs()
    };
    let mut expected: Vec<Disagreement> = sides
        .iter()
        .map(|((sim, day), (bytes, _))| Disagreement {
            sim: *sim,
            day: *day,
            bytes: *bytes,
        })
        .filter(|row| row.bytes.difference() != Bytes::default())
        .collect();
    // Stable, so that ties stay by SIM and day.
    expected.sort_by_key(|row| std::cmp::Reverse(apart(&row.bytes)));
    assert!(expected.len() > 60, "{}", expected.len());

    let scope = staff(tenants[0]);
    let mut found = Vec::new();
    loop {
        let asked = Reconciling {
            // Within the first day and the last.
            period: days("2028-10-27T05:00:00Z", "2028-11-06T00:00:01Z"),
            first: 25,
            offset: u32::try_from(found.len()).expect("few"),
        };
        let page = db.reconcile(&scope, asked).await.expect("compared");
        assert_eq!(page.period, whole);
        assert_eq!(page.compared, sides.len() as u64);
        assert_eq!(page.differing, expected.len() as u64);
        let mut totals = Pair::default();
        for (pair, _) in sides.values() {
            for (sum, one) in [
                (&mut totals.cdr, pair.cdr),
                (&mut totals.session, pair.session),
            ] {
                sum.up += one.up;
                sum.down += one.down;
            }
        }
        assert_eq!(page.totals, totals);
        found.extend(page.rows);
        if !page.truncated {
            break;
        }
    }
    assert_eq!(found, expected);
}

#[tokio::test]
async fn of_each_source_it_is_said_where_it_comes_from() {
    let db = migrated().await;
    let (tenant, batch) = (tenant(), batch());
    let scope = staff(tenant);
    let asked = Reconciling {
        period: days("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"),
        first: 10,
        offset: 0,
    };
    let nothing = db.reconcile(&scope, asked).await.expect("compared");
    assert_eq!((nothing.compared, nothing.rows.len()), (0, 0));
    assert!(nothing.provenance.iter().all(|one| one.watermark.is_none()));

    apply(
        &db,
        batch,
        &[record(tenant, batch, 0, at("2026-11-01T10:00:00Z"))],
    )
    .await;
    let mut rollup = rollup(tenant, crate::fleet::batch(), at("2026-11-01T20:00:00Z"));
    session::apply(&db, std::slice::from_ref(&rollup)).await;
    let same = db.reconcile(&scope, asked).await.expect("compared");
    assert_eq!(
        (same.compared, same.differing),
        (1, 0),
        "both count one byte up and two down"
    );
    let said: Vec<_> = same
        .provenance
        .iter()
        .map(|one| (one.source, one.names(), one.watermark))
        .collect();
    let of = |source, table: &str, received| (source, vec![table.to_owned()], Some(at(received)));
    let expected = [
        of(Source::Cdr, "usage_day", "2026-11-01T10:01:00Z"),
        of(Source::Session, "session_day", "2026-11-01T20:01:00Z"),
    ];
    assert_eq!(said, expected);

    rollup.batch = crate::fleet::batch();
    rollup.bytes_up = 8;
    session::apply(&db, &[rollup]).await;
    let apart = db.reconcile(&scope, asked).await.expect("compared");
    assert_eq!(apart.rows.len(), 1);
    assert_eq!(apart.rows[0].bytes.difference(), Bytes { up: 8, down: 2 });

    // It is for who looks after intake.
    for role in [Role::Viewer, Role::CustomerUser] {
        let other = scope_of(tenant, role);
        let refused = db.reconcile(&other, asked).await;
        assert_eq!(
            refused.err().map(|error| error.code()),
            Some(Code::Forbidden)
        );
    }
}

fn scope_of(tenant: domain::id::TenantId, role: Role) -> domain::Scope {
    scope(tenant, role, Segment::default(), Visibility::ALL)
}

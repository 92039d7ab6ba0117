//! What came just before and just after a late rollup.

use analytics::{
    SessionRow, System,
    session::{Late, Neighbours},
};
use chrono::TimeDelta;
use domain::id::TenantId;
use uuid::Uuid;

use super::{apply, correction, rollup, sim};
use crate::{
    fleet::{batch, now, tenant},
    migrated,
};

fn late(row: &SessionRow) -> Late {
    Late {
        tenant: row.tenant,
        sim: row.sim,
        session: row.session,
        order: row.order(),
    }
}

/// A stream of numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Rollups of a few SIMs and sessions of two tenants, most of them close together, some far apart, many at the same moment.
fn rollups(tenants: [TenantId; 2], count: usize) -> Vec<SessionRow> {
    let mut dice = Dice(7);
    let mut row = || {
        let tenant = tenants[usize::from(dice.below(2) == 1)];
        let ago = if dice.below(4) == 0 {
            TimeDelta::hours(i64::try_from(dice.below(190)).expect("small"))
        } else {
            TimeDelta::seconds(i64::try_from(dice.below(600)).expect("small"))
        };
        let number = u128::from(dice.below(3));
        SessionRow {
            sim: sim(number),
            session: Uuid::from_u128(10 + number * 2 + u128::from(dice.below(2))),
            identity: Uuid::from_u64_pair(dice.below(1 << 31) << 33, dice.below(1 << 31) << 33),
            terminates: dice.below(5) == 0,
            counter_in: dice.below(2),
            counter_out: dice.below(2),
            bytes_up: dice.below(100),
            ..rollup(tenant, batch(), now() - ago)
        }
    };
    (0..count).map(|_| row()).collect()
}

/// The same by looking at every row.
fn expected(log: &[SessionRow], of: &SessionRow) -> Neighbours {
    let same =
        |row: &&SessionRow| (row.tenant, row.sim, row.session) == (of.tenant, of.sim, of.session);
    let older = log
        .iter()
        .filter(same)
        .filter(|row| row.order() < of.order());
    let newer = log
        .iter()
        .filter(same)
        .filter(|row| row.order() > of.order());
    Neighbours {
        before: older.max_by_key(|row| row.order()).cloned(),
        after: newer.min_by_key(|row| row.order()).cloned(),
    }
}

#[tokio::test]
async fn neighbours_are_those_that_a_look_at_every_row_finds() {
    let db = migrated().await;
    let rows = rollups([tenant(), tenant()], 3_000);
    let (log, asked) = (&rows[..600], &rows[300..]);
    for some in log.chunks(150) {
        apply(&db, some).await;
    }
    // Corrections are no rollups, whatever they come to.
    for place in (0..600).step_by(41) {
        for up in [1_000, 2_000] {
            apply(&db, &correction(&log[place], batch(), up)).await;
        }
    }
    let questions: Vec<Late> = asked.iter().map(late).collect();
    let found = db.neighbours(&System::new(now()), &questions).await;
    let found = found.expect("looked up");
    assert_eq!(found.len(), asked.len());
    let mut missing = 0;
    for (of, found) in asked.iter().zip(&found) {
        let expected = expected(log, of);
        missing += usize::from(expected.before.is_none() || expected.after.is_none());
        assert_eq!(*found, expected, "of {:?}", of.order());
    }
    assert!(missing > 0, "some have nobody on one side");
}

#[tokio::test]
async fn nobody_asked_nobody_told() {
    let db = migrated().await;
    let system = System::new(now());
    assert_eq!(db.neighbours(&system, &[]).await.expect("nothing"), []);
    let lonely = rollup(tenant(), batch(), now());
    let found = db.neighbours(&system, &[late(&lonely)]).await;
    assert_eq!(found.expect("nobody"), [Neighbours::default()]);
}

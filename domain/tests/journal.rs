//! The journal on a real Postgres: one identity, one acceptance; nothing that does not add up.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Db, FixedClock,
    id::{BatchId, TenantId},
    journal::{self, Claim, Expected, NewBatch, NewRejection, RejectionCode, Tally, Verdict},
    tenant::{self, NewTenant},
};
use testkit::PostgresDb;
use uuid::Uuid;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).expect("a time")
}

fn batch(n: u128) -> BatchId {
    BatchId::new(Uuid::from_u128(n))
}

fn claim(identity: u128, content: u128) -> Claim {
    Claim {
        place: 7,
        identity: Uuid::from_u128(identity),
        content: Uuid::from_u128(content),
        event_at: now(),
    }
}

fn tally(received: u64, accepted: u64, rejected: u64) -> Tally {
    Tally {
        source: "pgw-1".into(),
        event_hour: journal::hour_of(now()),
        received,
        accepted,
        duplicate: 0,
        rejected,
        bytes_up: u128::from(u64::MAX) * 3,
        bytes_down: 0,
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the journal takes a batch or none"
)]
fn rows(id: BatchId, rows: u64) -> Option<NewBatch<'static>> {
    Some(NewBatch {
        id,
        source: "pgw-1",
        rows,
        payload: b"rows",
    })
}

struct House {
    db: Db,
    alpha: TenantId,
    beta: TenantId,
    _postgres: PostgresDb,
}

impl House {
    async fn new() -> Self {
        let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
        let postgres = postgres.expect("a test database");
        let db = Db::connect(postgres.url(), 4, Arc::new(FixedClock(now()))).await;
        let db = db.expect("connected");
        let mut tenants = Vec::new();
        for slug in ["alpha", "beta"] {
            let cx = db.system().await.expect("system");
            let new = NewTenant {
                slug: slug.into(),
                name: slug.into(),
                simulated: false,
            };
            tenants.push(tenant::create(&cx, new).await.expect("a tenant").id);
            cx.commit().await.expect("committed");
        }
        Self {
            db,
            alpha: tenants[0],
            beta: tenants[1],
            _postgres: postgres,
        }
    }

    /// Claims and commits, having seen that the other expectation gives the same verdicts.
    async fn claim(&self, tenant: TenantId, id: BatchId, claims: &[Claim]) -> Vec<Verdict> {
        let cx = self.db.system().await.expect("system");
        let surprised = journal::claim(&cx, tenant, id, claims, Expected::AllNew).await;
        drop(cx);
        let verdicts = self
            .claim_expecting(Expected::SomeKnown, tenant, id, claims)
            .await;
        assert_eq!(surprised.expect("verdicts"), verdicts);
        verdicts
    }

    async fn claim_expecting(
        &self,
        expected: Expected,
        tenant: TenantId,
        id: BatchId,
        claims: &[Claim],
    ) -> Vec<Verdict> {
        let cx = self.db.system().await.expect("system");
        let verdicts = journal::claim(&cx, tenant, id, claims, expected).await;
        cx.commit().await.expect("committed");
        verdicts.expect("verdicts")
    }
}

#[tokio::test]
async fn the_first_of_an_identity_is_accepted_in_each_tenant() {
    use Verdict::{Accepted, Conflict, Duplicate};
    let house = House::new().await;
    let first = [claim(2, 1), claim(1, 1), claim(2, 9), claim(2, 1)];
    let verdicts = house.claim(house.alpha, batch(1), &first).await;
    assert_eq!(verdicts, [Accepted, Accepted, Conflict, Duplicate]);
    let second = [claim(3, 1), claim(2, 9), claim(1, 1), claim(2, 9)];
    let verdicts = house.claim(house.alpha, batch(2), &second).await;
    assert_eq!(verdicts, [Accepted, Conflict, Duplicate, Conflict]);
    let verdicts = house.claim(house.beta, batch(3), &second).await;
    assert_eq!(verdicts, [Accepted, Accepted, Accepted, Duplicate]);
}

#[tokio::test]
async fn what_is_rolled_back_was_never_claimed() {
    let house = House::new().await;
    let cx = house.db.system().await.expect("system");
    let claims = [claim(1, 1)];
    journal::claim(&cx, house.alpha, batch(1), &claims, Expected::AllNew)
        .await
        .expect("verdicts");
    drop(cx);
    let verdicts = house.claim(house.alpha, batch(2), &claims).await;
    assert_eq!(verdicts, [Verdict::Accepted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_share_records_wait_for_each_other_and_never_in_a_circle() {
    let house = Arc::new(House::new().await);
    let up: Vec<Claim> = (0..2_000).map(|n| claim(n, 1)).collect();
    let down: Vec<Claim> = up.iter().rev().copied().collect();
    let claims = [
        (1, Expected::AllNew, up.clone()),
        (2, Expected::SomeKnown, down.clone()),
        (3, Expected::SomeKnown, up),
        (4, Expected::AllNew, down),
    ];
    let running = claims.map(|(n, expected, claims)| {
        let house = house.clone();
        tokio::spawn(async move {
            house
                .claim_expecting(expected, house.alpha, batch(n), &claims)
                .await
        })
    });
    let mut accepted = 0;
    for verdicts in running {
        let verdicts = verdicts.await.expect("no deadlock");
        accepted += verdicts
            .iter()
            .filter(|verdict| **verdict == Verdict::Accepted)
            .count();
    }
    assert_eq!(accepted, 2_000);
}

#[tokio::test]
async fn accounts_that_do_not_add_up_are_refused() {
    let house = House::new().await;
    let refused = NewRejection {
        source: String::new(),
        identity: None,
        record_id: None,
        code: RejectionCode::Malformed,
        message: "no".into(),
        raw: "x".into(),
    };
    let one = [refused];
    let cases: [(Option<NewBatch<'_>>, Tally, &[NewRejection]); 4] = [
        (rows(batch(1), 1), tally(2, 1, 0), &[]),
        (rows(batch(1), 2), tally(1, 1, 0), &[]),
        (None, tally(1, 1, 0), &[]),
        (None, tally(1, 0, 1), &[]),
    ];
    for (new, tally, rejections) in cases {
        let cx = house.db.system().await.expect("system");
        let tallies = [tally];
        let recorded = journal::record(&cx, house.alpha, new, &tallies, rejections, now()).await;
        assert!(recorded.is_err(), "{tallies:?}");
    }
    let cx = house.db.system().await.expect("system");
    let tallies = [tally(3, 2, 1)];
    let recorded =
        journal::record(&cx, house.alpha, rows(batch(1), 2), &tallies, &one, now()).await;
    recorded.expect("recorded");
    cx.commit().await.expect("committed");
    let cx = house.db.system().await.expect("system");
    let ledger = journal::ledger(&cx, house.alpha).await.expect("a ledger");
    assert_eq!(
        (ledger[0].received, ledger[0].accepted, ledger[0].rejected),
        (3, 2, 1)
    );
    assert_eq!(ledger[0].bytes_up, u128::from(u64::MAX) * 3);
    assert!(
        journal::ledger(&cx, house.beta)
            .await
            .expect("a ledger")
            .is_empty()
    );
}

#[tokio::test]
async fn a_batch_is_open_until_it_is_marked_and_repeatable_until_it_is_dropped() {
    let house = House::new().await;
    for n in 1..=3 {
        let cx = house.db.system().await.expect("system");
        let tallies = [tally(100, 100, 0)];
        let new = rows(batch(n), 100);
        journal::record(&cx, house.alpha, new, &tallies, &[], now())
            .await
            .expect("recorded");
        cx.commit().await.expect("committed");
    }
    let cx = house.db.system().await.expect("system");
    assert_eq!(
        journal::unapplied(&cx, now(), 2)
            .await
            .expect("a list")
            .len(),
        2
    );
    let before = now() - TimeDelta::seconds(1);
    assert!(
        journal::unapplied(&cx, before, 9)
            .await
            .expect("a list")
            .is_empty()
    );
    for n in 1..=2_u32 {
        let at = now() + TimeDelta::seconds(n.into());
        journal::mark_applied(&cx, house.alpha, batch(n.into()), at)
            .await
            .expect("marked");
    }
    let open = journal::unapplied(&cx, now(), 9).await.expect("a list");
    assert_eq!(
        open.iter().map(|pending| pending.batch).collect::<Vec<_>>(),
        [batch(3)]
    );

    // Two batches of 15 parts; room for one, the newest.
    let recent = |parts| journal::recently_applied(&cx, now(), parts);
    assert_eq!(recent(30).await.expect("a list").len(), 2);
    let newest = recent(29).await.expect("a list");
    assert_eq!(
        newest
            .iter()
            .map(|pending| pending.batch)
            .collect::<Vec<_>>(),
        [batch(2)]
    );
    let payload = journal::payload(&cx, house.alpha, batch(2))
        .await
        .expect("a payload");
    assert_eq!(payload.as_deref(), Some(&b"rows"[..]));

    let later = now() + TimeDelta::hours(1);
    assert_eq!(
        journal::drop_payloads(&cx, later, 9)
            .await
            .expect("dropped"),
        2
    );
    assert!(recent(1_000).await.expect("a list").is_empty());
    assert_eq!(
        journal::unapplied(&cx, now(), 9)
            .await
            .expect("a list")
            .len(),
        1
    );
}

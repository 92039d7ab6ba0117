//! The journal on a real Postgres: nothing that does not add up, and every step of a batch's way to the cubes.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Code, Db, FixedClock, Role, Scope, SystemCx,
    id::{BatchId, TenantId},
    identity::VerifiedClaims,
    journal::{
        self, BatchState, Claim, Expected, Mark, Month, NewBatch, NewRejection, Older, Part, Piece,
        RejectionCode, Running, Tally, Verdict,
        ledger::{self, Sums},
    },
    scope::{Segment, Visibility},
    tenant::{self, NewTenant},
};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement};
use testkit::PostgresDb;
use uuid::Uuid;

/// Longer than any test.
const PATIENCE: Duration = Duration::from_mins(1);

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).expect("a time")
}

fn after(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

fn batch(n: u128) -> BatchId {
    BatchId::new(Uuid::from_u128(n))
}

/// A part of `identities`, each of three bytes up and one down.
fn part(tenant: TenantId, sequence: i64, identities: &[u128]) -> Part {
    let mut part = Part::new(tenant, Month::of(now()).part(sequence));
    for identity in identities {
        part.add(Uuid::from_u128(*identity), now(), [3, 1, 0]);
    }
    part
}

/// What the ledger says of so many such records.
fn sums_of(rows: i64, checksum: i64) -> (Sums, i64) {
    let sums = Sums {
        rows,
        bytes_up: i128::from(rows) * 3,
        bytes_down: i128::from(rows),
        units: 0,
    };
    (sums, checksum)
}

/// What the accounting says of `accepted` such records and some refused ones.
fn tally(tenant: TenantId, accepted: u64, rejected: u64) -> Tally {
    Tally {
        tenant,
        source: "pgw-1".into(),
        event_hour: journal::hour_of(now()),
        received: accepted + rejected,
        accepted,
        duplicate: 0,
        rejected,
        bytes_up: u128::from(accepted) * 3,
        bytes_down: u128::from(accepted),
    }
}

fn refused(tenant: TenantId) -> NewRejection {
    NewRejection {
        tenant,
        source: String::new(),
        identity: None,
        record_id: None,
        code: RejectionCode::Malformed,
        message: "no".into(),
        raw: "x".into(),
    }
}

fn new_batch(id: BatchId, parts: &[Part]) -> NewBatch<'_> {
    NewBatch {
        id,
        rows: parts.iter().map(|part| part.rows).sum(),
        encoding: 7,
        payload: b"rows",
        apply_by: after(4),
        parts,
    }
}

struct House {
    db: Db,
    owner: DatabaseConnection,
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
        let owner = Database::connect(postgres.url()).await.expect("connected");
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
            owner,
            alpha: tenants[0],
            beta: tenants[1],
            _postgres: postgres,
        }
    }

    async fn system(&self) -> SystemCx {
        self.db.system().await.expect("system")
    }

    /// Journals a batch of these parts.
    async fn journal(&self, id: BatchId, parts: &[Part]) {
        let cx = self.system().await;
        let tallies: Vec<Tally> = parts
            .iter()
            .map(|part| tally(part.tenant, part.rows, 0))
            .collect();
        let recorded = journal::record(&cx, Some(new_batch(id, parts)), &tallies, &[], now()).await;
        recorded.expect("recorded");
        cx.commit().await.expect("committed");
    }

    /// Batches in a state, by number.
    async fn in_state(&self, state: BatchState) -> Vec<u128> {
        let cx = self.system().await;
        let pending = journal::pending(&cx, state, None, 9).await.expect("a list");
        assert_eq!(
            journal::count(&cx, state).await.expect("a count"),
            pending.len() as u64
        );
        let ids = pending.iter().map(|pending| pending.batch.uuid().as_u128());
        ids.collect()
    }

    /// Waits until somebody waits for an advisory lock.
    async fn until_somebody_waits(&self) {
        let sql = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted \
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let waits = async {
            loop {
                let sql = Statement::from_string(DbBackend::Postgres, sql);
                let row = self.owner.query_one_raw(sql).await.expect("an answer");
                if row.is_some() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waits).await;
        waited.expect("somebody waits");
    }
}

#[tokio::test]
async fn accounts_that_do_not_add_up_in_each_tenant_are_refused() {
    let house = House::new().await;
    let (alpha, beta) = (house.alpha, house.beta);
    let parts = [part(alpha, 1, &[1, 2]), part(beta, 2, &[3])];
    let good = [tally(alpha, 2, 1), tally(beta, 1, 0)];
    let of_alpha = [refused(alpha)];
    let more = |change: fn(&mut Tally)| {
        let mut tallies = good.to_vec();
        change(&mut tallies[0]);
        tallies
    };
    let crossed = [tally(alpha, 1, 1), tally(beta, 2, 0)].to_vec();
    let wrong: [(&str, Vec<Tally>, Vec<NewRejection>); 7] = [
        ("received", more(|t| t.received += 1), of_alpha.to_vec()),
        ("another tenant's rows", crossed, of_alpha.to_vec()),
        (
            "another tenant's refusal",
            good.to_vec(),
            vec![refused(beta)],
        ),
        ("no refusal", good.to_vec(), Vec::new()),
        ("bytes up", more(|t| t.bytes_up += 1), of_alpha.to_vec()),
        ("bytes down", more(|t| t.bytes_down += 1), of_alpha.to_vec()),
        ("a tenant less", good[..1].to_vec(), of_alpha.to_vec()),
    ];
    for (why, tallies, rejections) in wrong {
        let cx = house.system().await;
        let new = Some(new_batch(batch(1), &parts));
        let recorded = journal::record(&cx, new, &tallies, &rejections, now()).await;
        assert_eq!(recorded.expect_err(why).code(), Code::Internal, "{why}");
    }
    for (why, new) in [
        ("no batch", None),
        (
            "more rows than its parts have",
            Some(NewBatch {
                rows: 4,
                ..new_batch(batch(1), &parts)
            }),
        ),
    ] {
        let cx = house.system().await;
        let recorded = journal::record(&cx, new, &good, &of_alpha, now()).await;
        assert!(recorded.is_err(), "{why}");
    }
    let cx = house.system().await;
    let new = Some(new_batch(batch(1), &parts));
    let recorded = journal::record(&cx, new, &good, &of_alpha, now()).await;
    recorded.expect("recorded");
    cx.commit().await.expect("committed");
    let cx = house.system().await;
    for (tenant, expected) in [(alpha, (3, 2, 1, 6)), (beta, (1, 1, 0, 3))] {
        let ledger = journal::ledger(&cx, tenant).await.expect("a ledger");
        let row = &ledger[0];
        assert_eq!(ledger.len(), 1);
        assert_eq!(
            (row.received, row.accepted, row.rejected, row.bytes_up),
            expected
        );
    }
}

#[tokio::test]
async fn sums_beyond_64_bits_are_kept() {
    let house = House::new().await;
    let mut large = Part::new(house.alpha, Month::of(now()).part(1));
    for n in 0..3 {
        large.add(Uuid::from_u128(n), now(), [u64::MAX, 0, u64::MAX]);
    }
    let bytes = u128::from(u64::MAX) * 3;
    let tallies = [Tally {
        bytes_up: bytes,
        bytes_down: 0,
        ..tally(house.alpha, 3, 0)
    }];
    let (cx, parts) = (house.system().await, [large]);
    let new = Some(new_batch(batch(1), &parts));
    let recorded = journal::record(&cx, new, &tallies, &[], now()).await;
    recorded.expect("recorded");
    let ledger = journal::ledger(&cx, house.alpha).await.expect("a ledger");
    assert_eq!(ledger[0].bytes_up, bytes);
}

#[tokio::test]
async fn journaled_batches_come_by_turns_of_their_tenants() {
    let house = House::new().await;
    let mut tenants = [house.alpha, house.beta];
    tenants.sort_unstable();
    let [alpha, beta] = tenants;
    for n in 1..=3 {
        let sequence = i64::try_from(n).expect("small");
        house
            .journal(batch(n), &[part(alpha, sequence, &[n])])
            .await;
    }
    // One that both share is the first one's, and comes after what that one journaled before.
    let both = [part(alpha, 4, &[4]), part(beta, 5, &[5])];
    house.journal(batch(4), &both).await;
    house.journal(batch(5), &[part(beta, 6, &[6])]).await;
    let cx = house.system().await;
    let by_turns = async |limit| {
        let pending = journal::journaled_by_turns(&cx, limit).await;
        let pending = pending.expect("a list");
        let ids = pending.iter().map(|pending| pending.batch.uuid().as_u128());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(by_turns(2).await, [1, 5]);
    assert_eq!(by_turns(9).await, [1, 5, 2, 3, 4]);
    let counted = journal::mark_counted(&cx, &[batch(1)], after(1)).await;
    counted.expect("marked");
    assert_eq!(by_turns(2).await, [2, 5], "what is counted has no turn");
}

#[tokio::test]
async fn a_batch_is_pending_until_it_is_counted_and_kept_until_it_is_forgotten() {
    let house = House::new().await;
    for n in [3, 1, 2] {
        let (sequence, identities) = (i64::try_from(n).expect("small"), [n, 10 + n]);
        let parts = [
            part(house.alpha, sequence, &identities),
            part(house.beta, 10 + sequence, &identities),
        ];
        house.journal(batch(n), &parts).await;
    }
    // In the order of journaling, whatever their ids are.
    assert_eq!(house.in_state(BatchState::Journaled).await, [3, 1, 2]);
    let cx = house.system().await;
    let first = journal::pending(&cx, BatchState::Journaled, None, 1).await;
    let first = first.expect("a list");
    assert_eq!(
        (first.len(), first[0].batch, first[0].rows),
        (1, batch(3), 4)
    );
    assert_eq!((first[0].apply_by, first[0].attempts), (after(4), 0));

    let sums = ledger::sums_of(&cx, &[batch(1), batch(3), batch(9)]).await;
    let expected = HashMap::from([(batch(1), sums_of(4, 24)), (batch(3), sums_of(4, 32))]);
    assert_eq!(sums.expect("sums"), expected);
    let months = journal::months_of(&cx, batch(1)).await.expect("months");
    let month = Month::of(now());
    assert_eq!(
        months,
        HashMap::from([(house.alpha, month), (house.beta, month)])
    );

    journal::mark_counted(&cx, &[batch(3), batch(1)], after(1))
        .await
        .expect("marked");
    cx.commit().await.expect("committed");
    assert_eq!(house.in_state(BatchState::Journaled).await, [2]);
    assert_eq!(house.in_state(BatchState::Counted).await, [3, 1]);
    let cx = house.system().await;
    let asked: Vec<i64> = [1, 2, 3, 11, 12, 13].map(|n| month.part(n)).to_vec();
    let mut open = journal::uncounted_parts(&cx, &asked).await.expect("parts");
    open.sort_unstable_by_key(|(part, _)| *part);
    let journaled = |n| (month.part(n), Some(BatchState::Journaled));
    assert_eq!(open, [journaled(2), journaled(12)]);

    // What is not counted cannot be forgotten.
    let forgotten = journal::forget(&cx, &[batch(3), batch(2)]).await;
    assert_eq!(forgotten.expect("forgotten"), 1);
    for (n, kept) in [(1, true), (2, true), (3, false)] {
        let payload = journal::payload(&cx, batch(n)).await.expect("an answer");
        let expected = kept.then(|| (7, b"rows".to_vec()));
        let found = payload.map(|payload| (payload.encoding, payload.bytes));
        assert_eq!(found, expected, "{n}");
    }
    let parts = ledger::sums_of(&cx, &[batch(3)]).await.expect("sums");
    assert_eq!(
        parts[&batch(3)],
        sums_of(4, 32),
        "the parts outlive the payload"
    );
    journal::reopen(&cx, &[batch(1)]).await.expect("reopened");
    cx.commit().await.expect("committed");
    assert_eq!(house.in_state(BatchState::Journaled).await, [1, 2]);
}

#[tokio::test]
async fn only_the_attempt_that_is_the_last_one_can_be_ended() {
    let house = House::new().await;
    let parts = [part(house.alpha, 1, &[1])];
    house.journal(batch(1), &parts).await;
    let cx = house.system().await;
    let state = async |cx: &SystemCx| {
        let pending = journal::pending(cx, BatchState::Journaled, None, 1).await;
        let pending = pending.expect("a list").remove(0);
        (pending.apply_by, pending.attempts, pending.reason)
    };
    let end = async |apply_by, reason| {
        let ended = journal::end_attempt(&cx, batch(1), apply_by, after(0), reason).await;
        ended.expect("ended");
    };
    let begin = async |apply_by| {
        let begun = journal::begin_attempt(&cx, batch(1), apply_by).await;
        begun.expect("asked")
    };
    assert!(begin(after(20)).await);
    assert!(!begin(after(19)).await, "somebody else has begun since");
    end(after(4), Some("of an attempt before")).await;
    assert_eq!(state(&cx).await, (after(20), 0, None));
    end(after(20), Some("no disk")).await;
    assert_eq!(state(&cx).await, (after(0), 1, Some("no disk".into())));
    end(after(20), Some("twice")).await;
    assert_eq!(state(&cx).await, (after(0), 1, Some("no disk".into())));
    // An attempt that was broken off is none that was refused.
    end(after(0), None).await;
    assert_eq!(state(&cx).await, (after(0), 1, Some("no disk".into())));
    journal::mark_counted(&cx, &[batch(1)], now())
        .await
        .expect("marked");
    end(after(0), Some("late")).await;
    assert!(!begin(after(30)).await, "it is counted");
    let counted = journal::pending(&cx, BatchState::Counted, None, 1).await;
    let counted = &counted.expect("a list")[0];
    assert_eq!((counted.attempts, counted.reason.as_deref()), (1, None));
}

#[tokio::test]
async fn a_quarantined_batch_keeps_its_reason_until_it_is_released() {
    let house = House::new().await;
    for n in [1, 2] {
        let sequence = i64::try_from(n).expect("small");
        house
            .journal(batch(n), &[part(house.alpha, sequence, &[n])])
            .await;
    }
    let cx = house.system().await;
    let ended = journal::end_attempt(&cx, batch(1), after(4), now(), Some("no")).await;
    ended.expect("ended");
    journal::quarantine(&cx, batch(1), "no such column")
        .await
        .expect("quarantined");
    cx.commit().await.expect("committed");
    assert_eq!(house.in_state(BatchState::Journaled).await, [2]);
    let cx = house.system().await;
    let kept = journal::pending(&cx, BatchState::Quarantined, None, 9).await;
    let kept = kept.expect("a list");
    assert_eq!(
        (kept.len(), kept[0].batch, kept[0].reason.as_deref()),
        (1, batch(1), Some("no such column"))
    );
    let asked = [1, 2].map(|n| Month::of(now()).part(n));
    let mut open = journal::uncounted_parts(&cx, &asked).await.expect("parts");
    open.sort_unstable_by_key(|(part, _)| *part);
    let states: Vec<BatchState> = open.into_iter().filter_map(|(_, state)| state).collect();
    assert_eq!(states, [BatchState::Quarantined, BatchState::Journaled]);

    assert_eq!(journal::release(&cx).await.expect("released"), 1);
    assert_eq!(journal::release(&cx).await.expect("released"), 0);
    let tried = journal::pending(&cx, BatchState::Journaled, None, 9).await;
    let tried = tried.expect("a list");
    assert_eq!((tried.len(), tried[0].batch), (2, batch(1)));
    assert_eq!((tried[0].attempts, &tried[0].reason), (0, &None));
}

/// Claims identities for the parts that shall have them.
async fn claim(house: &House, owned: &[(u128, i64)]) {
    journal::open_month(&house.db, now()).await.expect("opened");
    let cx = house.system().await;
    let month = journal::hold_month(&cx).await.expect("held");
    let month = month.expect("a month");
    let claims: Vec<Claim> = owned
        .iter()
        .map(|(identity, sequence)| Claim {
            identity: Uuid::from_u128(*identity),
            content: 1,
            part: month.part(*sequence),
            event_at: now(),
        })
        .collect();
    let verdicts = journal::claim(&cx, month, &claims, &Older::new(0), Expected::AllNew).await;
    let accepted = vec![Verdict::Accepted; owned.len()];
    assert_eq!(verdicts.expect("verdicts"), accepted);
    cx.commit().await.expect("committed");
}

/// A piece with the only part `own`, into which its identities move.
fn piece<'a>(id: BatchId, own: &'a [Part], identities: &[u128]) -> Piece<'a> {
    let moved = |identity: &u128| (Uuid::from_u128(*identity), own[0].number);
    Piece {
        batch: new_batch(id, own),
        identities: identities.iter().map(moved).collect(),
        received_at: now(),
    }
}

#[tokio::test]
async fn the_pieces_of_a_batch_take_its_identities_over() {
    let house = House::new().await;
    claim(&house, &[(1, 1), (2, 1), (3, 1), (9, 5)]).await;
    house
        .journal(batch(1), &[part(house.alpha, 1, &[1, 2, 3])])
        .await;
    let (same, other) = (
        [part(house.alpha, 2, &[1, 2])],
        [part(house.alpha, 3, &[3])],
    );
    let pieces = [
        piece(batch(1), &same, &[1, 2]),
        piece(batch(2), &other, &[3]),
    ];
    let cx = house.system().await;
    let replaced = journal::replace(&cx, batch(1), &pieces).await;
    replaced.expect("replaced");
    cx.commit().await.expect("committed");
    assert_eq!(house.in_state(BatchState::Journaled).await, [1, 2]);
    let cx = house.system().await;
    let sums = ledger::sums_of(&cx, &[batch(1), batch(2)]).await;
    let expected = HashMap::from([(batch(1), sums_of(2, 3)), (batch(2), sums_of(1, 3))]);
    assert_eq!(sums.expect("sums"), expected);
    // Each identity stands for its new part, and nobody takes the part that is gone for counted.
    let month = journal::hold_month(&cx).await.expect("held");
    let month = month.expect("a month");
    let gone = journal::uncounted_parts(&cx, &[month.part(1)]).await;
    assert_eq!(gone.expect("parts"), [(month.part(1), None)]);
    let asked = [1, 3, 9, 77].map(Uuid::from_u128);
    let moved = journal::parts_of(&cx, month, &asked).await;
    let parts = [(1, 2), (3, 3), (9, 5)];
    let parts = parts.map(|(identity, n)| (Uuid::from_u128(identity), month.part(n)));
    assert_eq!(moved.expect("parts"), HashMap::from(parts));
    let again: Vec<Claim> = [1, 2, 3, 9]
        .map(|identity| Claim {
            identity: Uuid::from_u128(identity),
            content: 1,
            part: month.part(20 + i64::try_from(identity).expect("small")),
            event_at: now(),
        })
        .to_vec();
    let verdicts = journal::claim(&cx, month, &again, &Older::new(0), Expected::SomeKnown).await;
    let of = [2, 2, 3, 5].map(|n| Verdict::Duplicate { of: month.part(n) });
    assert_eq!(verdicts.expect("verdicts"), of);
}

#[tokio::test]
async fn an_identity_of_another_batch_is_in_no_piece() {
    let house = House::new().await;
    claim(&house, &[(1, 1), (9, 5)]).await;
    house.journal(batch(1), &[part(house.alpha, 1, &[1])]).await;
    for foreign in [9, 10] {
        let own = [part(house.alpha, 2, &[foreign])];
        let pieces = [piece(batch(2), &own, &[foreign])];
        let cx = house.system().await;
        let replaced = journal::replace(&cx, batch(1), &pieces).await;
        assert_eq!(replaced.expect_err("not its own").code(), Code::Internal);
        drop(cx);
        assert_eq!(house.in_state(BatchState::Journaled).await, [1]);
    }
}

/// Takes sources down in a transaction that stays open.
async fn know(
    house: &House,
    tenant: TenantId,
    named: &[&str],
    limit: u32,
) -> (SystemCx, BTreeSet<String>) {
    let cx = house.system().await;
    let named: BTreeSet<&str> = named.iter().copied().collect();
    let known = journal::known_sources(&cx, tenant, &named, limit).await;
    (cx, known.expect("sources").into_iter().collect())
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn a_tenant_has_as_many_sources_as_it_may_and_keeps_them() {
    let house = House::new().await;
    let (cx, known) = know(&house, house.alpha, &["c", "a"], 3).await;
    assert_eq!(known, set(&["a", "c"]));
    cx.commit().await.expect("committed");
    let (cx, known) = know(&house, house.alpha, &["e", "d", "a", "B"], 3).await;
    assert_eq!(known, set(&["B", "a"]), "the first by name");
    cx.commit().await.expect("committed");
    let (_, known) = know(&house, house.alpha, &["B", "a", "c", "d"], 1).await;
    assert_eq!(
        known,
        set(&["B", "a", "c"]),
        "a lower limit takes none away"
    );
    let (_, known) = know(&house, house.beta, &["d"], 1).await;
    assert_eq!(known, set(&["d"]), "each tenant has its own");
}

/// What one transaction gets that asks for "b" and "c" after one that took "a" and "b", of three.
async fn second_of_two(commit: bool) -> BTreeSet<String> {
    let house = Arc::new(House::new().await);
    let (first, known) = know(&house, house.alpha, &["a", "b"], 3).await;
    assert_eq!(known, set(&["a", "b"]));
    let second = tokio::spawn({
        let house = house.clone();
        async move { know(&house, house.alpha, &["b", "c", "d"], 3).await.1 }
    });
    house.until_somebody_waits().await;
    assert!(!second.is_finished());
    if commit {
        first.commit().await.expect("committed");
    } else {
        drop(first);
    }
    second.await.expect("known")
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_transactions_at_once_the_second_gets_what_the_first_left() {
    assert_eq!(second_of_two(true).await, set(&["b", "c"]));
    assert_eq!(second_of_two(false).await, set(&["b", "c", "d"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_keeps_its_own_tenant_waiting_and_no_other() {
    let house = Arc::new(House::new().await);
    let tenants = [house.alpha, house.beta];
    let claims = VerifiedClaims::new("ada".into(), "alpha".into(), Role::TenantAdmin, None);
    let claims = claims.expect("claims");
    let scope = Scope::of_token(house.alpha, &claims, Segment::default(), Visibility::ALL);
    let importing = house.db.write(&scope).await.expect("write");
    journal::freeze_attribution(&importing)
        .await
        .expect("frozen");
    let first = house.system().await;
    let held = journal::hold_attribution(&first, &tenants, PATIENCE).await;
    assert_eq!(held.expect("held"), HashSet::from([house.beta]));
    // Its connection rolls back when it is used again, or before.
    drop(importing);
    let both_held = async {
        loop {
            let second = house.system().await;
            let held = journal::hold_attribution(&second, &tenants, PATIENCE).await;
            if held.expect("held") == HashSet::from(tenants) {
                return second;
            }
        }
    };
    let second = tokio::time::timeout(PATIENCE, both_held).await;
    let second = second.expect("both, when the import has ended");

    // The next import waits for the batches that are being attributed.
    let next = tokio::spawn({
        let house = house.clone();
        async move {
            let cx = house.db.write(&scope).await.expect("write");
            journal::freeze_attribution(&cx).await.expect("frozen");
        }
    });
    house.until_somebody_waits().await;
    assert!(!next.is_finished());
    second.commit().await.expect("committed");
    next.await.expect("frozen");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cubes_stand_still_when_nothing_is_being_applied() {
    let house = Arc::new(House::new().await);
    let applying = house.system().await;
    journal::hold_apply(&applying, PATIENCE)
        .await
        .expect("held");
    let also = house.system().await;
    journal::hold_apply(&also, PATIENCE).await.expect("held");
    also.commit().await.expect("committed");
    let still = house.system().await;
    assert!(!journal::try_freeze_apply(&still).await.expect("tried"));
    // The transaction goes on.
    assert!(!journal::try_freeze_apply(&still).await.expect("tried"));
    applying.commit().await.expect("committed");
    assert!(journal::try_freeze_apply(&still).await.expect("tried"));
    let next = tokio::spawn({
        let house = house.clone();
        async move {
            let cx = house.system().await;
            journal::hold_apply(&cx, PATIENCE).await.expect("held");
        }
    });
    house.until_somebody_waits().await;
    assert!(!next.is_finished());
    drop(still);
    next.await.expect("held");
}

#[tokio::test]
async fn a_process_that_went_silent_keeps_nobody_waiting() {
    let house = House::new().await;
    let silent = house.system().await;
    journal::hold_apply(&silent, Duration::from_millis(50))
        .await
        .expect("held");
    let cx = house.system().await;
    let freezing = async { while !journal::try_freeze_apply(&cx).await.expect("tried") {} };
    let frozen = tokio::time::timeout(PATIENCE, freezing).await;
    frozen.expect("Postgres ended the transaction");
    assert!(silent.commit().await.is_err());
}

#[tokio::test]
async fn one_process_settles_at_a_time() {
    let house = House::new().await;
    let (first, second) = (house.system().await, house.system().await);
    for (cx, settles) in [(&first, true), (&second, false)] {
        let tried = journal::try_settle(cx).await;
        assert_eq!(tried.expect("tried"), settles);
    }
    first.commit().await.expect("committed");
    let tried = journal::try_settle(&second).await;
    assert!(tried.expect("tried"));
}

#[tokio::test]
async fn the_last_server_to_stop_is_told_so() {
    let house = House::new().await;
    let first = Running::start(&house.db).await.expect("running");
    let second = Running::start(&house.db).await.expect("running");
    assert!(first.stop(&house.db).await.expect("stopped").is_none());
    assert!(second.stop(&house.db).await.expect("stopped").is_some());
}

#[tokio::test]
async fn a_mark_is_announced_and_then_confirmed() {
    let house = House::new().await;
    let cx = house.system().await;
    let mark = |count| Uuid::from_u64_pair(count, 7);
    let is = async |clean, confirmed: Option<u64>, announced: Option<u64>| {
        let expected = Mark {
            clean,
            mark: confirmed.map(mark),
            announced: announced.map(mark),
        };
        assert_eq!(journal::mark(&cx).await.expect("a mark"), expected);
    };
    let announce = async |theirs: Option<u64>, next| {
        let announced = journal::announce_mark(&cx, theirs.map(mark), mark(next)).await;
        announced.expect("announced");
    };
    is(true, None, None).await;
    announce(None, 1).await;
    is(false, None, Some(1)).await;
    let confirmed = journal::confirm_mark(&cx, mark(1), true).await;
    confirmed.expect("confirmed");
    is(true, Some(1), None).await;
    // One that never got there, then one that did and was not confirmed.
    announce(Some(1), 2).await;
    is(false, Some(1), Some(2)).await;
    announce(Some(1), 3).await;
    is(false, Some(1), Some(3)).await;
    announce(Some(3), 4).await;
    is(false, Some(3), Some(4)).await;
    // A server that was late confirms nothing.
    let late = journal::confirm_mark(&cx, mark(3), true).await;
    late.expect("asked");
    is(false, Some(3), Some(4)).await;
}

#[tokio::test]
async fn whatever_is_journaled_takes_the_word_of_a_stop_in_order_back() {
    let house = House::new().await;
    let cx = house.system().await;
    let mark = Uuid::from_u64_pair(1, 7);
    let announced = journal::announce_mark(&cx, None, mark).await;
    announced.expect("announced");
    let confirmed = journal::confirm_mark(&cx, mark, true).await;
    confirmed.expect("confirmed");
    cx.commit().await.expect("committed");
    house.journal(batch(1), &[part(house.alpha, 1, &[1])]).await;
    let cx = house.system().await;
    let found = journal::mark(&cx).await.expect("a mark");
    assert_eq!((found.clean, found.mark), (false, Some(mark)));
}

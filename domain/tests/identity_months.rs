//! Identities by month of receipt, on a real Postgres: one identity, one acceptance, also while a month turns.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Db, FixedClock, Role, Scope, SystemCx,
    id::TenantId,
    identity::VerifiedClaims,
    journal::{
        self, Claim, Expected, FateState, Month, Older,
        Verdict::{self, Accepted, Conflict, Duplicate},
    },
    scope::{Segment, Visibility},
    tenant::{self, NewTenant},
};
use proptest::{prelude::*, test_runner::TestRunner};
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use testkit::PostgresDb;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// Room for every filter of these tests.
const ROOM: u64 = 1 << 20;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// The middle of a month of 2026.
fn month(n: u32) -> DateTime<Utc> {
    at(&format!("2026-{n:02}-15T12:00:00Z"))
}

/// A tenant that needs no row: identities know it by its id.
fn tenant_id(n: u128) -> TenantId {
    TenantId::new(Uuid::from_u128(n))
}

struct House {
    db: Db,
    owner: DatabaseConnection,
    sequence: AtomicI64,
    _postgres: PostgresDb,
}

impl House {
    async fn new() -> Self {
        let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
        let postgres = postgres.expect("a test database");
        let clock = Arc::new(FixedClock(month(6)));
        let db = Db::connect(postgres.url(), 6, clock).await;
        let db = db.expect("connected");
        let owner = Database::connect(postgres.url()).await.expect("connected");
        Self {
            db,
            owner,
            sequence: AtomicI64::new(1),
            _postgres: postgres,
        }
    }

    async fn open(&self, at: DateTime<Utc>) {
        journal::open_month(&self.db, at).await.expect("opened");
    }

    /// A record of one tenant with the next part of `month`.
    fn claim(&self, month: Month, record_id: &str, content: i64) -> Claim {
        Claim {
            identity: journal::identity(tenant_id(0xa), "pgw-1", record_id),
            content,
            part: month.part(self.sequence.fetch_add(1, Ordering::Relaxed)),
            event_at: at("2026-01-01T00:00:00Z"),
        }
    }

    /// A transaction that holds the month, and the month.
    async fn hold(&self) -> (SystemCx, Month) {
        let cx = self.db.system().await.expect("system");
        let month = journal::hold_month(&cx).await.expect("held");
        (cx, month.expect("a month"))
    }

    /// Claims and commits, having seen that the other expectation gives the same verdicts. Says which parts were asked for.
    async fn deliver(&self, older: &Older, records: &[(&str, i64)]) -> (Vec<i64>, Vec<Verdict>) {
        let (cx, month) = self.hold().await;
        let claim = |(id, content): &(&str, i64)| self.claim(month, id, *content);
        let claims: Vec<Claim> = records.iter().map(claim).collect();
        let surprised = journal::claim(&cx, month, &claims, older, Expected::AllNew).await;
        drop(cx);
        let (cx, _) = self.hold().await;
        let verdicts = journal::claim(&cx, month, &claims, older, Expected::SomeKnown).await;
        cx.commit().await.expect("committed");
        let verdicts = verdicts.expect("verdicts");
        assert_eq!(surprised.expect("verdicts"), verdicts);
        let parts = claims.iter().map(|claim| claim.part).collect();
        (parts, verdicts)
    }

    async fn number(&self, sql: &str) -> i64 {
        let sql = Statement::from_string(sea_orm::DbBackend::Postgres, sql);
        let row = self.owner.query_one_raw(sql).await.expect("an answer");
        let number = row.expect("a row").try_get_by_index(0);
        number.expect("a number")
    }

    /// Waits until somebody waits for the lock that a claim holds.
    async fn until_somebody_waits(&self) {
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' \
             AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        let waits = async {
            while self.number(sql).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        let minute = std::time::Duration::from_mins(1);
        tokio::time::timeout(minute, waits)
            .await
            .expect("somebody waits");
    }
}

#[tokio::test]
async fn the_first_of_an_identity_is_accepted_whatever_part_it_is_of() {
    let house = House::new().await;
    house.open(month(6)).await;
    let older = Older::new(ROOM);
    let first = [("b", 1), ("a", 1), ("b", 9), ("b", 1)];
    let (parts, verdicts) = house.deliver(&older, &first).await;
    let (a, b) = (parts[1], parts[0]);
    assert_eq!(
        verdicts,
        [Accepted, Accepted, Conflict, Duplicate { of: b }]
    );
    let second = [("c", 1), ("b", 9), ("a", 1), ("b", 9), ("c", 2), ("b", 1)];
    let (_, verdicts) = house.deliver(&older, &second).await;
    let expected = [
        Accepted,
        Conflict,
        Duplicate { of: a },
        Conflict,
        Conflict,
        Duplicate { of: b },
    ];
    assert_eq!(verdicts, expected);

    let (cx, month) = house.hold().await;
    let own = house.claim(month, "d", 1);
    let mut foreign = house.claim(month, "d", 1);
    foreign.identity = journal::identity(tenant_id(0xb), "pgw-1", "d");
    let claimed = [own, foreign];
    let verdicts = journal::claim(&cx, month, &claimed, &older, Expected::AllNew).await;
    assert_eq!(verdicts.expect("verdicts"), [Accepted, Accepted]);
}

#[tokio::test]
async fn what_is_rolled_back_was_never_claimed() {
    let house = House::new().await;
    house.open(month(6)).await;
    let older = Older::new(ROOM);
    let (cx, month) = house.hold().await;
    let claims = [house.claim(month, "a", 1)];
    let claimed = journal::claim(&cx, month, &claims, &older, Expected::AllNew).await;
    claimed.expect("verdicts");
    drop(cx);
    let (_, verdicts) = house.deliver(&older, &[("a", 2)]).await;
    assert_eq!(verdicts, [Accepted]);
}

#[tokio::test]
async fn identities_are_claimed_in_the_open_month_only() {
    let house = House::new().await;
    let cx = house.db.system().await.expect("system");
    assert_eq!(journal::hold_month(&cx).await.expect("none"), None);
    drop(cx);
    house.open(month(6)).await;
    let (cx, june) = house.hold().await;
    let of_june = [house.claim(june, "a", 1)];
    drop(cx);
    house.open(month(7)).await;
    let (cx, july) = house.hold().await;
    let older = Older::new(ROOM);
    for wrong in [june, july] {
        let claimed = journal::claim(&cx, wrong, &of_june, &older, Expected::AllNew).await;
        assert!(claimed.is_err(), "{wrong:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_share_records_wait_for_each_other_and_never_in_a_circle() {
    let house = Arc::new(House::new().await);
    house.open(month(6)).await;
    let up: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let down: Vec<String> = up.iter().rev().cloned().collect();
    let bodies = [
        (Expected::AllNew, up.clone()),
        (Expected::SomeKnown, down.clone()),
        (Expected::SomeKnown, up),
        (Expected::AllNew, down),
    ];
    let running = bodies.map(|(expected, ids)| {
        let house = house.clone();
        tokio::spawn(async move {
            let (cx, month) = house.hold().await;
            let claims: Vec<Claim> = ids.iter().map(|id| house.claim(month, id, 1)).collect();
            let older = Older::new(ROOM);
            let verdicts = journal::claim(&cx, month, &claims, &older, expected).await;
            cx.commit().await.expect("committed");
            verdicts.expect("verdicts")
        })
    });
    let mut accepted = 0;
    for verdicts in running {
        let verdicts = verdicts.await.expect("no deadlock");
        accepted += verdicts
            .iter()
            .filter(|verdict| **verdict == Accepted)
            .count();
    }
    assert_eq!(accepted, 2_000);
}

/// Claims "a" in June, opens July meanwhile, and claims "a" in July. `commit` says how the first one ends.
async fn at_the_turn(content: i64, commit: bool) -> (i64, Vec<Verdict>) {
    let house = Arc::new(House::new().await);
    house.open(month(6)).await;
    let (late, june) = house.hold().await;
    let claims = [house.claim(june, "a", 1)];
    let older = Older::new(ROOM);
    let verdicts = journal::claim(&late, june, &claims, &older, Expected::AllNew).await;
    assert_eq!(verdicts.expect("verdicts"), [Accepted]);

    let opening: JoinHandle<()> = tokio::spawn({
        let house = house.clone();
        async move { house.open(month(7)).await }
    });
    house.until_somebody_waits().await;
    let early = tokio::spawn({
        let (house, older) = (house.clone(), older.clone());
        async move {
            // As a maintaining process does at any time.
            older.refresh(&house.db).await.expect("refreshed");
            let (cx, july) = house.hold().await;
            assert!(july > june);
            drop(cx);
            older.refresh(&house.db).await.expect("refreshed");
            house.deliver(&older, &[("a", content)]).await.1
        }
    });
    assert!(!opening.is_finished() && !early.is_finished());
    if commit {
        late.commit().await.expect("committed");
    } else {
        drop(late);
    }
    opening.await.expect("opened");
    (claims[0].part, early.await.expect("claimed"))
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_months_turn_one_of_two_is_accepted() {
    let (part, verdicts) = at_the_turn(1, true).await;
    assert_eq!(verdicts, [Duplicate { of: part }]);
    let (_, verdicts) = at_the_turn(2, true).await;
    assert_eq!(verdicts, [Conflict]);
    let (_, verdicts) = at_the_turn(1, false).await;
    assert_eq!(verdicts, [Accepted]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_is_opened_once_and_a_clock_that_steps_back_opens_none() {
    let house = Arc::new(House::new().await);
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let house = house.clone();
            tokio::spawn(async move { house.open(month(7)).await })
        })
        .collect();
    for opening in opening {
        opening.await.expect("opened");
    }
    let older = Older::new(ROOM);
    let (parts, _) = house.deliver(&older, &[("a", 1)]).await;
    house.open(month(6)).await;
    let (_cx, current) = house.hold().await;
    assert_eq!(current, Month::of(month(7)));
    let (_, verdicts) = house.deliver(&older, &[("a", 1)]).await;
    assert_eq!(verdicts, [Duplicate { of: parts[0] }]);
    assert_eq!(house.number("SELECT count(*) FROM intake_month").await, 1);
}

#[tokio::test]
async fn a_record_of_an_older_month_is_known_with_and_without_filters() {
    let house = House::new().await;
    let mut of = HashMap::new();
    for n in 4..=7 {
        house.open(month(n)).await;
        let id = format!("of {n}");
        let (parts, verdicts) = house.deliver(&Older::new(0), &[(&id, 1)]).await;
        assert_eq!(verdicts, [Accepted]);
        of.insert(n, parts[0]);
    }
    let none = Older::new(0);
    assert_eq!(none.refresh(&house.db).await.expect("refreshed"), 0);
    let all = Older::new(ROOM);
    let bytes = all.refresh(&house.db).await.expect("refreshed");
    let newest = Older::new(bytes / 3);
    assert_eq!(
        newest.refresh(&house.db).await.expect("refreshed"),
        bytes / 3
    );
    // From now on July is closed too, and nobody has a filter of it.
    house.open(month(8)).await;
    let expected = [
        Duplicate { of: of[&4] },
        Duplicate { of: of[&7] },
        Conflict,
        Duplicate { of: of[&6] },
        Conflict,
    ];
    let records = [
        ("of 4", 1),
        ("of 7", 1),
        ("of 5", 2),
        ("of 6", 1),
        ("of 7", 2),
    ];
    for older in [&none, &newest, &all] {
        let (_, verdicts) = house.deliver(older, &records).await;
        assert_eq!(verdicts, expected);
    }
    assert!(all.refresh(&house.db).await.expect("refreshed") > bytes);
    assert_eq!(house.deliver(&all, &records).await.1, expected);
}

#[tokio::test]
async fn filters_spare_the_look_ups_of_what_is_new_and_a_maybe_is_looked_up() {
    let house = House::new().await;
    for n in 5..=7 {
        house.open(month(n)).await;
        let ids: Vec<String> = (0..1_000).map(|id| format!("{n}-{id}")).collect();
        let records: Vec<(&str, i64)> = ids.iter().map(|id| (id.as_str(), 1)).collect();
        house.deliver(&Older::new(0), &records).await;
    }
    let older = Older::new(ROOM);
    older.refresh(&house.db).await.expect("refreshed");
    let statements = async |older: &Older, ids: std::ops::Range<u32>| {
        let (cx, month) = house.hold().await;
        let claims: Vec<Claim> = ids
            .map(|id| house.claim(month, &format!("new-{id}"), 1))
            .collect();
        let before = cx.statements();
        let verdicts = journal::claim(&cx, month, &claims, older, Expected::AllNew).await;
        assert_eq!(verdicts.expect("verdicts"), vec![Accepted; claims.len()]);
        cx.statements() - before
    };
    let unfiltered = statements(&Older::new(0), 0..1).await;
    assert_eq!(statements(&older, 0..1).await, unfiltered - 1);
    // One in 256 and two closed months: of 3,000 new ones some twenty may be there, and are not.
    assert_eq!(statements(&older, 0..3_000).await, unfiltered);
}

#[tokio::test]
async fn only_one_process_makes_filters_and_all_read_them() {
    let house = House::new().await;
    for n in 4..=6 {
        house.open(month(n)).await;
        house.deliver(&Older::new(0), &[(&n.to_string(), 1)]).await;
    }
    let (one, other) = (Older::new(ROOM), Older::new(ROOM));
    let (first, second) = tokio::join!(one.refresh(&house.db), other.refresh(&house.db));
    first.expect("refreshed");
    second.expect("refreshed");
    let made = "SELECT count(*) FROM intake_filter";
    assert_eq!(house.number(made).await, 2);
    let held = one.refresh(&house.db).await.expect("refreshed");
    assert_eq!(other.refresh(&house.db).await.expect("refreshed"), held);
    assert_eq!(house.number(made).await, 2);
}

#[tokio::test]
async fn a_month_is_dropped_when_no_record_of_it_can_come_again() {
    let house = House::new().await;
    let older = Older::new(ROOM);
    for n in 4..=6 {
        house.open(month(n)).await;
        house.deliver(&older, &[(&format!("of {n}"), 1)]).await;
    }
    let all = older.refresh(&house.db).await.expect("refreshed");
    let (past, future) = (TimeDelta::days(20), TimeDelta::hours(1));
    let drop_at = async |now: DateTime<Utc>| {
        let dropped = journal::drop_months(&house.db, now, past, future).await;
        dropped.expect("dropped")
    };
    let end_of_april = at("2026-05-01T00:00:00Z") + past + future;
    assert_eq!(drop_at(end_of_april - TimeDelta::milliseconds(1)).await, 0);
    // A claim that does not end keeps the month for now.
    let (cx, _) = house.hold().await;
    assert_eq!(drop_at(end_of_april).await, 0);
    drop(cx);
    assert_eq!(drop_at(end_of_april).await, 1);
    assert_eq!(drop_at(end_of_april).await, 0);
    let partitions =
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'intake_identity'::regclass";
    assert_eq!(house.number(partitions).await, 2);
    assert_eq!(older.refresh(&house.db).await.expect("refreshed"), all / 2);
    let (_, verdicts) = house.deliver(&older, &[("of 4", 1), ("of 5", 2)]).await;
    assert_eq!(verdicts, [Accepted, Conflict]);

    // The newest stays, whatever the clock says.
    assert_eq!(drop_at(at("2036-01-01T00:00:00Z")).await, 1);
    assert_eq!(drop_at(DateTime::<Utc>::MIN_UTC).await, 0);
    let (_, verdicts) = house.deliver(&older, &[("of 6", 2)]).await;
    assert_eq!(verdicts, [Conflict]);
}

#[tokio::test]
async fn another_tenants_record_is_unknown() {
    let house = House::new().await;
    let mut tenants = Vec::new();
    for slug in ["alpha", "beta"] {
        let cx = house.db.system().await.expect("system");
        let new = NewTenant {
            slug: slug.into(),
            name: slug.into(),
            simulated: false,
        };
        tenants.push(tenant::create(&cx, new).await.expect("a tenant").id);
        cx.commit().await.expect("committed");
    }
    house.open(month(6)).await;
    let (cx, june) = house.hold().await;
    let mut claims = [house.claim(june, "a", 1)];
    claims[0].identity = journal::identity(tenants[0], "pgw-1", "a");
    let older = Older::new(ROOM);
    let claimed = journal::claim(&cx, june, &claims, &older, Expected::AllNew).await;
    claimed.expect("verdicts");
    cx.commit().await.expect("committed");
    let part = format!(
        "INSERT INTO intake_batch_tenant (tenant_id, part, batch_id, state, rows, bytes_up, bytes_down, units, \
                                          checksum, first_at, last_at, received_at) \
         VALUES ('{}', {}, uuidv7(), 'JOURNALED', 1, 0, 0, 0, 0, now(), now(), now())",
        tenants[0].uuid(),
        claims[0].part
    );
    house.owner.execute_unprepared(&part).await.expect("a part");
    // The month turns, and the record is found where it is.
    house.open(month(7)).await;
    for (tenant, state) in [
        (tenants[0], FateState::Accepted),
        (tenants[1], FateState::Unknown),
    ] {
        let ada = VerifiedClaims::new("ada".into(), "alpha".into(), Role::TenantAdmin, None);
        let ada = ada.expect("claims");
        let scope = Scope::of_token(tenant, &ada, Segment::default(), Visibility::ALL);
        let cx = house.db.read(&scope).await.expect("read");
        let fate = journal::fate(&cx, "pgw-1", "a").await.expect("a fate");
        assert_eq!(fate.state, state);
        let event_at = (state == FateState::Accepted).then_some(claims[0].event_at);
        assert_eq!(fate.event_at, event_at);
    }
}

/// Delivers `ids` in batches of 10,000 and says what one of them takes on disk, with its index.
async fn bytes_each(house: &House, ids: &[String]) -> i64 {
    let older = Older::new(ROOM);
    for ids in ids.chunks(10_000) {
        let (cx, month) = house.hold().await;
        let claims: Vec<Claim> = ids.iter().map(|id| house.claim(month, id, 1)).collect();
        let claimed = journal::claim(&cx, month, &claims, &older, Expected::AllNew).await;
        claimed.expect("verdicts");
        cx.commit().await.expect("committed");
    }
    let size = "SELECT pg_total_relation_size('intake_identity_677')";
    house.number(size).await / i64::try_from(ids.len()).expect("a number")
}

#[tokio::test]
async fn a_record_takes_a_hundred_bytes_and_its_filter_nine_bits() {
    let house = House::new().await;
    house.open(at("2026-06-01T00:00:00Z")).await;
    let ids: Vec<String> = (0..300_000)
        .map(|n| (2_154_000_000_u32 + n).to_string())
        .collect();
    let bytes = bytes_each(&house, &ids).await;
    assert!(bytes <= 104, "{bytes} bytes");
    house.open(month(7)).await;
    let older = Older::new(ROOM);
    let filter = older.refresh(&house.db).await.expect("refreshed");
    assert!(filter * 8 < 300_000 * 96 / 10, "{filter} bytes");
    assert_eq!(house.number("SELECT count(*) FROM intake_filter").await, 2);
    // Each is found in its piece; the ends of the pieces are among them.
    for ids in ids.chunks(50_000) {
        let (cx, july) = house.hold().await;
        let claims: Vec<Claim> = ids.iter().map(|id| house.claim(july, id, 1)).collect();
        let verdicts = journal::claim(&cx, july, &claims, &older, Expected::AllNew).await;
        let verdicts = verdicts.expect("verdicts");
        assert!(
            verdicts
                .iter()
                .all(|verdict| matches!(verdict, Duplicate { .. }))
        );
    }
}

#[tokio::test]
async fn a_record_whose_id_begins_at_random_takes_a_tenth_more() {
    let house = House::new().await;
    house.open(at("2026-06-01T00:00:00Z")).await;
    let random = |n: i64| {
        journal::identity(tenant_id(0xa), "chance", &n.to_string())
            .as_u64_pair()
            .1
    };
    let ids: Vec<String> = (0..200_000)
        .map(|n| format!("{:016x}", random(n)))
        .collect();
    let bytes = bytes_each(&house, &ids).await;
    assert!((100..=116).contains(&bytes), "{bytes} bytes");
}

/// What happens next in a life of several months.
#[derive(Clone, Debug)]
enum Event {
    /// Records by number and content, and what is expected of them.
    Delivery(Vec<(u8, i64)>, Expected),
    MonthTurns,
    Maintenance,
}

fn event() -> impl Strategy<Value = Event> {
    let records = proptest::collection::vec((0_u8..40, 1_i64..3), 1..30);
    let expected = prop_oneof![Just(Expected::AllNew), Just(Expected::SomeKnown)];
    prop_oneof![
        6 => (records, expected).prop_map(|(records, expected)| Event::Delivery(records, expected)),
        1 => Just(Event::MonthTurns),
        1 => Just(Event::Maintenance),
    ]
}

#[test]
fn permuted_repeated_and_batched_anew_each_record_is_accepted_once() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let house = runtime.block_on(House::new());
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    });
    let life = (proptest::collection::vec(event(), 1..25), any::<bool>());
    let lives = AtomicI64::new(0);
    let outcome = runner.run(&life, |(events, filtered)| {
        // Each life has records and months of its own.
        let life = lives.fetch_add(1, Ordering::Relaxed);
        runtime.block_on(live(&house, life, &events, filtered));
        Ok(())
    });
    outcome.expect("each record once");
}

async fn live(house: &House, life: i64, events: &[Event], filtered: bool) {
    let older = Older::new(if filtered { ROOM } else { 0 });
    let turn = async || {
        let opened = house.number("SELECT count(*) FROM intake_month").await;
        house.open(month(1) + TimeDelta::days(31 * opened)).await;
    };
    turn().await;
    let mut known: HashMap<u8, (i64, i64)> = HashMap::new();
    for event in events {
        match event {
            Event::MonthTurns => turn().await,
            Event::Maintenance => {
                older.refresh(&house.db).await.expect("refreshed");
            }
            Event::Delivery(records, expected) => {
                let (cx, month) = house.hold().await;
                let claim = |(id, content): &(u8, i64)| {
                    house.claim(month, &format!("{id}-{life}"), *content)
                };
                let claims: Vec<Claim> = records.iter().map(claim).collect();
                let verdicts = journal::claim(&cx, month, &claims, &older, *expected).await;
                cx.commit().await.expect("committed");
                let mut model = Vec::new();
                for ((id, content), claim) in records.iter().zip(&claims) {
                    model.push(match known.get(id) {
                        None => Accepted,
                        Some((stands, part)) if stands == content => Duplicate { of: *part },
                        Some(_) => Conflict,
                    });
                    known.entry(*id).or_insert((*content, claim.part));
                }
                assert_eq!(verdicts.expect("verdicts"), model);
            }
        }
    }
}

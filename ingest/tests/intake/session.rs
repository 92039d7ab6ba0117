//! Rollups of sessions: what is counted, whatever the order, the repetition and the process in which they come.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::{
    Clock as _, Code, Result, journal, session,
    tenant::{self, SetSettings},
};
use futures::future::join_all;
use ingest::{
    format::Framing,
    pipeline::{Account, Intake, NoFault, Step},
    read::Encoding,
};
use service::Entry;

use crate::{
    fault::StopAt,
    world::{Caller, FOREIGN, LONG, SHORT, World, body, codes, impatient, numbers},
};

/// A rollup as a sender makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    session: String,
    iccid: &'static str,
    at: DateTime<Utc>,
    network: &'static str,
    counters: [u64; 2],
    ends: bool,
}

impl Sent {
    fn json(&self) -> String {
        let Self {
            session,
            iccid,
            at,
            network,
            counters: [bytes_in, bytes_out],
            ends,
        } = self;
        let at = at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let request = if *ends { "TERMINATE" } else { "UPDATE" };
        format!(
            "{{\"session_id\":\"{session}\",\"iccid\":\"{iccid}\",\"event_timestamp\":\"{at}\",\"mcc_mnc\":\"{network}\",\
             \"radio_access_type\":\"6\",\"ip_address\":\"10.0.0.1\",\"total_bytes_in\":{bytes_in},\
             \"total_bytes_out\":{bytes_out},\"request_type\":\"{request}\",\"cell_id\":\"17\"}}"
        )
    }
}

/// Midnight of the day before the tests' clock.
fn midnight() -> DateTime<Utc> {
    "2026-03-19T00:00:00Z".parse().expect("a time")
}

fn sent(session: &str, minute: i64, bytes_in: u64) -> Sent {
    Sent {
        session: session.into(),
        iccid: LONG,
        at: midnight() + TimeDelta::minutes(minute),
        network: "262-02",
        counters: [bytes_in, 0],
        ends: false,
    }
}

fn lines(rollups: &[Sent]) -> String {
    rollups.iter().map(|sent| sent.json() + "\n").collect()
}

async fn post(world: &World, intake: &Intake, caller: &Caller, text: &str) -> Result<Account> {
    let entry = Entry::new(world.db.clone(), world.store.clone());
    let deliverer = entry.enter_to_deliver_sessions(caller, "test").await?;
    let submitted = intake.submit_sessions(
        &deliverer,
        Framing::Lines,
        Encoding::Identity,
        body(text.to_owned()),
    );
    submitted.await
}

async fn deliver(world: &World, intake: &Intake, rollups: &[Sent]) -> [u64; 4] {
    let posted = post(world, intake, &world.alpha, &lines(rollups)).await;
    numbers(&posted.expect("taken"))
}

/// What rows of one session, network and day come to: bytes up and down, sessions, resets, rollups.
type Net = BTreeMap<(String, String, String), [i128; 5]>;

fn net(text: &str) -> Net {
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let number = |at: usize| columns[at].parse::<i128>().expect("a number");
        let key = (columns[0].into(), columns[1].into(), columns[2].into());
        (key, [3, 4, 5, 6, 7].map(number))
    };
    text.lines().map(row).collect()
}

/// The log of a tenant, added up; the cubes must say the same.
async fn logged(world: &World, caller: &Caller) -> Net {
    let tenant = caller.tenant().uuid();
    let log = world
        .ask(&format!(
            "SELECT session_id, network, toDate(event_at), sum(sign * toInt128(bytes_up)), sum(sign * toInt128(bytes_down)), \
             sum(sign * sessions), sum(sign * resets), sum(arrived) FROM session_log WHERE tenant = '{tenant}' \
             GROUP BY ALL ORDER BY ALL FORMAT TSV"
        ))
        .await;
    let net = net(&log);
    let days = world
        .ask(&format!(
            "SELECT '', network, toDate(period), sum(bytes_up), sum(bytes_down), sum(sessions), sum(resets), sum(records) \
             FROM session_day WHERE tenant = '{tenant}' GROUP BY ALL HAVING sum(records) <> 0 ORDER BY ALL FORMAT TSV"
        ))
        .await;
    let mut added = Net::new();
    for ((_, network, day), sums) in &net {
        let of_day = added.entry((String::new(), network.clone(), day.clone()));
        let of_day = of_day.or_default();
        for (sum, value) in of_day.iter_mut().zip(sums) {
            *sum += value;
        }
    }
    assert_eq!(
        super::session::net(&days),
        added,
        "the cube of days differs"
    );
    net
}

/// The same from all that was sent, sorted: an account of its own.
fn plain(truth: &[Sent]) -> Net {
    let mut sorted: Vec<&Sent> = truth.iter().collect();
    sorted.sort_by_key(|it| (it.iccid, &it.session, it.at, it.ends, it.counters));
    sorted.dedup();
    let mut net = Net::new();
    let mut last: Option<&Sent> = None;
    for sent in sorted {
        let same = |last: &&Sent| (last.iccid, &last.session) == (sent.iccid, &sent.session);
        let [i, o] = sent.counters.map(i128::from);
        let sums = match last.filter(same) {
            None => [i, o, 1, 0, 1],
            Some(before) => {
                let [pi, po] = before.counters.map(i128::from);
                match (before.ends, i < pi || o < po) {
                    (true, true) => [i, o, 1, 0, 1],
                    (_, false) => [i - pi, o - po, 0, 0, 1],
                    (false, true) => {
                        let counted =
                            |new: i128, old: i128| if new < old { new } else { new - old };
                        [counted(i, pi), counted(o, po), 0, 1, 1]
                    }
                }
            }
        };
        let day = sent.at.format("%Y-%m-%d").to_string();
        let key = (sent.session.clone(), sent.network.to_owned(), day);
        for (sum, value) in net.entry(key).or_insert([0; 5]).iter_mut().zip(sums) {
            *sum += value;
        }
        last = Some(sent);
    }
    net
}

async fn ledger(world: &World, caller: &Caller) -> [u64; 4] {
    let cx = world.db.system().await.expect("system");
    let ledger = journal::ledger(&cx, journal::Kind::Session, caller.tenant()).await;
    let mut sums = [0; 4];
    for account in ledger.expect("a ledger") {
        assert_eq!(account.source, session::SOURCE);
        let counts = [
            account.received,
            account.accepted,
            account.duplicate,
            account.rejected,
        ];
        for (sum, count) in sums.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    sums
}

/// A number that is different each time and the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits") % most
    }

    fn shuffled<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        let mut all = all.to_vec();
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at + 1));
        }
        all
    }
}

/// Sessions of two SIMs over midnight, with resets, ends, roaming and equal times. Those that have one place are the same in all.
fn stream(dice: &mut Dice, count: usize) -> Vec<Sent> {
    (0..count)
        .map(|_| {
            let (minute, up, down) = (dice.below(60), dice.below(6), dice.below(6));
            let after = TimeDelta::minutes(i64::try_from(minute).expect("small") - 30);
            Sent {
                session: format!("s{}", dice.below(4)),
                iccid: [LONG, SHORT][dice.below(2)],
                at: midnight() + after,
                network: ["262-01", "262-02", "208-10"][(minute + up + down) % 3],
                counters: [up, down].map(|n| n as u64 * 100),
                ends: dice.below(5) == 0,
            }
        })
        .collect()
}

#[tokio::test]
async fn the_examples_come_to_their_numbers_in_any_order() {
    let world = World::new().await;
    let intake = world.intake();
    let day = "2026-03-19".to_owned();
    let mut roaming = [sent("roaming", 0, 100), sent("roaming", 5, 250)];
    roaming[0].network = "262-01";
    let mut ended = [
        sent("ended", 0, 10),
        sent("ended", 10, 30),
        sent("ended", 5, 20),
    ];
    ended[1].ends = true;
    let examples: Vec<Sent> = [
        &[
            sent("totals", 0, 100),
            sent("totals", 5, 250),
            sent("totals", 10, 400),
        ][..],
        &[
            sent("night", -5, 100),
            sent("night", 0, 250),
            sent("night", 5, 400),
        ],
        &[sent("reset", 0, 400), sent("reset", 5, 50)],
        &roaming,
        &ended,
    ]
    .concat();
    // In order one by one, then in reverse one by one under other names, then all at once.
    let renamed = |suffix: &str, all: &[Sent]| -> Vec<Sent> {
        let renamed = all.iter().cloned();
        renamed
            .map(|sent| Sent {
                session: format!("{}{suffix}", sent.session),
                ..sent
            })
            .collect()
    };
    for sent in &examples {
        assert_eq!(
            deliver(&world, &intake, std::slice::from_ref(sent)).await,
            [1, 1, 0, 0]
        );
    }
    for sent in renamed("-2", &examples).iter().rev() {
        assert_eq!(
            deliver(&world, &intake, std::slice::from_ref(sent)).await,
            [1, 1, 0, 0]
        );
    }
    let count = examples.len() as u64;
    let together = renamed("-3", &examples);
    assert_eq!(
        deliver(&world, &intake, &together).await,
        [count, count, 0, 0]
    );
    let net = logged(&world, &world.alpha).await;
    for suffix in ["", "-2", "-3"] {
        let sums = |session: &str, network: &str, day: &str| {
            net[&(format!("{session}{suffix}"), network.into(), day.into())]
        };
        assert_eq!(sums("totals", "262-02", &day), [400, 0, 1, 0, 3]);
        assert_eq!(sums("night", "262-02", "2026-03-18"), [100, 0, 1, 0, 1]);
        assert_eq!(sums("night", "262-02", &day), [300, 0, 0, 0, 2]);
        assert_eq!(sums("reset", "262-02", &day), [450, 0, 1, 1, 2]);
        assert_eq!(sums("roaming", "262-01", &day), [100, 0, 1, 0, 1]);
        assert_eq!(sums("roaming", "262-02", &day), [150, 0, 0, 0, 1]);
        assert_eq!(sums("ended", "262-02", &day), [30, 0, 1, 0, 3]);
    }
    let live = world
        .ask(
            "SELECT DISTINCT argMax(request_type, version), argMax(counter_in, version) FROM session_live \
             WHERE session_id LIKE 'ended%' GROUP BY session FORMAT TSV",
        )
        .await;
    assert_eq!(live, "TERMINATE\t30\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_share_sessions_come_to_the_same_and_a_replay_changes_nothing() {
    let world = Arc::new(World::new().await);
    let mut dice = Dice(7);
    let truth = stream(&mut dice, 300);
    let mut unique = truth.clone();
    unique.sort_by_key(Sent::json);
    unique.dedup();
    let intakes = [world.intake(), world.intake()];
    let mut sent = 0;
    for round in 0..3 {
        let shuffled = dice.shuffled(&truth);
        // Each piece goes to a process, and every third to both.
        let pieces: Vec<Vec<Sent>> = shuffled.chunks(17 + round).map(<[Sent]>::to_vec).collect();
        let mut posts = Vec::new();
        for (n, piece) in pieces.into_iter().enumerate() {
            let one = [n % 2];
            let to: &[usize] = if n % 3 == 0 { &[0, 1] } else { &one };
            for process in to {
                sent += piece.len() as u64;
                let (world, intake, piece) =
                    (world.clone(), intakes[*process].clone(), piece.clone());
                posts.push(tokio::spawn(async move {
                    deliver(&world, &intake, &piece).await
                }));
            }
        }
        let numbers = join_all(posts).await;
        let accepted: u64 = numbers.into_iter().map(|it| it.expect("posted")[1]).sum();
        let expected = if round == 0 { unique.len() as u64 } else { 0 };
        assert_eq!(accepted, expected, "round {round}");
        assert_eq!(
            logged(&world, &world.alpha).await,
            plain(&truth),
            "round {round}"
        );
    }
    let unique = unique.len() as u64;
    assert_eq!(
        ledger(&world, &world.alpha).await,
        [sent, unique, sent - unique, 0]
    );
}

#[tokio::test]
async fn a_stop_before_the_commit_leaves_nothing_and_the_retry_counts() {
    let world = World::new().await;
    let mut dice = Dice(11);
    let truth = stream(&mut dice, 60);
    let (first, rest) = truth.split_at(20);
    let intake = world.intake();
    deliver(&world, &intake, first).await;
    for step in [Step::Decoded, Step::Resolved, Step::Claimed, Step::Recorded] {
        let stopped = world.intake_with(impatient(), StopAt::first(step));
        let posted = post(&world, &stopped, &world.alpha, &lines(rest)).await;
        assert!(posted.is_err(), "{step:?}");
        assert_eq!(logged(&world, &world.alpha).await, plain(first), "{step:?}");
    }
    deliver(&world, &intake, &dice.shuffled(&truth)).await;
    assert_eq!(logged(&world, &world.alpha).await, plain(&truth));
}

#[tokio::test]
async fn nothing_is_called_a_duplicate_before_it_is_counted() {
    let world = World::new().await;
    let rollups = [sent("s", 0, 100), sent("s", 5, 250)];
    let stopped = world.intake_with(impatient(), StopAt::first(Step::Committed));
    let posted = post(&world, &stopped, &world.alpha, &lines(&rollups)).await;
    assert_eq!(posted.map_err(|error| error.code()), Err(Code::Unavailable));
    let intake = world.intake_with(impatient(), NoFault);
    let again = post(&world, &intake, &world.alpha, &lines(&rollups)).await;
    assert_eq!(again.map_err(|error| error.code()), Err(Code::Unavailable));
    // What comes next counts its difference to what is not in the log yet.
    let intake = world.intake();
    assert_eq!(
        deliver(&world, &intake, &[sent("s", 10, 400)]).await,
        [1, 1, 0, 0]
    );
    let net = logged(&world, &world.alpha).await;
    let key = ("s".into(), "262-02".into(), "2026-03-19".into());
    assert_eq!(net, [(key, [150, 0, 0, 0, 1])].into());
}

#[tokio::test]
async fn bad_rollups_are_refused_with_their_codes_and_take_no_other_along() {
    let world = World::new().await;
    let intake = world.intake();
    let good = sent("s", 0, 100).json();
    let bad = [
        (good.replace("100", "-1"), "INVALID_VOLUME"),
        (good.replace("100", "1.5"), "INVALID_VOLUME"),
        (
            good.replace("100", "18446744073709551616"),
            "INVALID_VOLUME",
        ),
        (good.replace("10.0.0.1", "10.0.0.256"), "INVALID_ADDRESS"),
        (good.replace("\"s\"", "\"\""), "MISSING_IDENTITY"),
        (good.replace("2026-03-19", "2199-03-19"), "IN_FUTURE"),
        (good.replace("2026-03-19", "2201-03-19"), "INVALID_TIME"),
        (good.replace("2026-03-19", "2026-03-12"), "TOO_OLD"),
        (good.replace("UPDATE", "START"), "INVALID_REQUEST_TYPE"),
        (good.replace('{', "{\"rating_group\":1,"), "MALFORMED"),
        (good.replace(",\"cell_id\":\"17\"", ""), "MALFORMED"),
        (good.replace(LONG, FOREIGN), "UNKNOWN_ICCID"),
        (good.replace("262-02", "2"), "INVALID_NETWORK"),
        ("hello".into(), "MALFORMED"),
    ];
    let ipv6 = sent("v6", 0, 100).json().replace("10.0.0.1", "2001:db8::1");
    let mut text: String = bad.iter().map(|(json, _)| format!("{json}\n")).collect();
    text.push_str(&format!("{good}\n{ipv6}\n"));
    let account = post(&world, &intake, &world.alpha, &text)
        .await
        .expect("taken");
    let count = bad.len() as u64;
    assert_eq!(numbers(&account), [count + 2, 2, 0, count]);
    let expected: Vec<&str> = bad.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes(&account), expected);
    assert_eq!(ledger(&world, &world.alpha).await, [count + 2, 2, 0, count]);
    for rejected in &account.rejections {
        for hidden in ["cell", "mcc_mnc", "rating"] {
            let shown = rejected.message.replace("the cell is not", "");
            assert!(!shown.contains(hidden), "{}", rejected.message);
        }
    }
    // What is kept of them is shown to nobody.
    let shown = world
        .postgres
        .texts("SELECT count(*)::text FROM intake_rejection WHERE kind = 'SESSION' AND raw <> ''");
    assert_eq!(shown, [count.to_string()]);
    let cx = world.db.read(&world.alpha).await.expect("a snapshot");
    let page = domain::paging::PageRequest::relay(Some(100), None, None, None).expect("a page");
    let all = domain::filter::Filter::default();
    let list = <journal::Rejection as domain::list::List>::page(
        &cx,
        &all,
        domain::list::Order::default(),
        &page,
    );
    for (_, rejection) in list.await.expect("rejections").rows {
        assert_eq!(rejection.raw, "");
    }
}

#[tokio::test]
async fn late_rollups_are_taken_as_far_as_the_log_is_whole() {
    let world = World::new().await;
    let intake = world.intake();
    let now = world.clock.now();
    let at = |days: i64, name: &str| Sent {
        at: now - TimeDelta::days(days),
        ..sent(name, 0, 100)
    };
    assert_eq!(deliver(&world, &intake, &[at(7, "a")]).await, [1, 1, 0, 0]);
    let cx = world.db.system().await.expect("system");
    let set = SetSettings {
        session_days: Some(Some(14)),
        ..SetSettings::default()
    };
    tenant::set(&cx, "alpha", set).await.expect("set");
    cx.commit().await.expect("committed");
    assert_eq!(deliver(&world, &intake, &[at(8, "b")]).await, [1, 0, 0, 1]);
    world.clock.pass(TimeDelta::days(8));
    let kept = Sent {
        at: now + TimeDelta::hours(3),
        ..sent("c", 0, 100)
    };
    assert_eq!(deliver(&world, &intake, &[kept]).await, [1, 1, 0, 0]);
    assert_eq!(deliver(&world, &intake, &[at(1, "d")]).await, [1, 0, 0, 1]);
}

#[tokio::test]
async fn usage_records_and_rollups_have_accounts_of_their_own() {
    let world = World::new().await;
    let intake = world.intake();
    let record = crate::world::Record {
        source: session::SOURCE.into(),
        ..crate::world::record(1, LONG)
    };
    let cdrs = crate::world::lines(&[record]);
    crate::world::post_lines(&intake, &world.alpha, &cdrs)
        .await
        .expect("taken");
    deliver(&world, &intake, &[sent("s", 0, 100)]).await;
    assert_eq!(world.proved(&world.alpha).await.records, 1);
    assert_eq!(world.ledger(&world.alpha).await, [1, 1, 0, 0]);
    assert_eq!(ledger(&world, &world.alpha).await, [1, 1, 0, 0]);
}

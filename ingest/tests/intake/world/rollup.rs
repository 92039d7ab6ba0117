//! Rollups as senders make them, what became of them, and what they must come to.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::{Result, journal, session};
use ingest::{
    format::Framing,
    pipeline::{Account, Intake},
    read::Encoding,
};
use service::Entry;

use super::{Caller, Event, LONG, SHORT, World, body};

/// A rollup as a sender makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) session: String,
    pub(crate) iccid: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) network: &'static str,
    pub(crate) counters: [u64; 2],
    pub(crate) ends: bool,
}

impl Sent {
    pub(crate) fn json(&self) -> String {
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

impl Event for Sent {
    fn iccid(&self) -> &str {
        &self.iccid
    }

    fn json(&self) -> String {
        self.json()
    }
}

/// Midnight of the day before the tests' clock.
pub(crate) fn midnight() -> DateTime<Utc> {
    "2026-03-19T00:00:00Z".parse().expect("a time")
}

pub(crate) fn sent(session: &str, minute: i64, bytes_in: u64) -> Sent {
    Sent {
        session: session.into(),
        iccid: LONG.into(),
        at: midnight() + TimeDelta::minutes(minute),
        network: "262-02",
        counters: [bytes_in, 0],
        ends: false,
    }
}

/// Delivers lines of rollups.
pub(crate) async fn post_text(
    world: &World,
    intake: &Intake,
    caller: &Caller,
    text: &str,
) -> Result<Account> {
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

pub(crate) async fn post_rollups(
    world: &World,
    intake: &Intake,
    caller: &Caller,
    rollups: &[Sent],
) -> Result<Account> {
    let lines: String = rollups.iter().map(|sent| sent.json() + "\n").collect();
    post_text(world, intake, caller, &lines).await
}

/// What rows of one session, network and day come to: bytes up and down, sessions, resets, rollups.
pub(crate) type Net = BTreeMap<(String, String, String), [i128; 5]>;

fn net(text: &str) -> Net {
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let number = |at: usize| columns[at].parse::<i128>().expect("a number");
        let key = (columns[0].into(), columns[1].into(), columns[2].into());
        (key, [3, 4, 5, 6, 7].map(number))
    };
    text.lines().map(row).collect()
}

/// The log of a tenant, added up.
pub(crate) async fn net_of_log(world: &World, caller: &Caller) -> Net {
    let tenant = caller.tenant().uuid();
    let log = world
        .ask(&format!(
            "SELECT session_id, network, toDate(event_at), sum(sign * toInt128(bytes_up)), sum(sign * toInt128(bytes_down)), \
             sum(sign * sessions), sum(sign * resets), sum(arrived) FROM session_log WHERE tenant = '{tenant}' \
             GROUP BY ALL ORDER BY ALL FORMAT TSV"
        ))
        .await;
    net(&log)
}

/// The newest rollup of each session of the log, by what is said of its order.
async fn newest_of_log(world: &World, caller: &Caller) -> BTreeMap<String, String> {
    let tenant = caller.tenant().uuid();
    let log = world
        .ask(&format!(
            "SELECT sim, session_id, toUnixTimestamp64Milli(event_at), toUInt8(request_type), counter_in, counter_out, \
             toUInt128(identity), network, customer, batch FROM session_log WHERE tenant = '{tenant}' AND arrived = 1 FORMAT TSV"
        ))
        .await;
    let mut newest: BTreeMap<String, (Vec<u128>, String)> = BTreeMap::new();
    for line in log.lines() {
        let columns: Vec<&str> = line.split('\t').collect();
        let order = columns[2..7].iter().map(|it| it.parse().expect("a number"));
        let order: Vec<u128> = order.collect();
        let said = [&columns[2..6], &columns[7..]].concat().join("\t");
        let known = newest.entry(columns[..2].join("\t")).or_default();
        if order > known.0 {
            *known = (order, said);
        }
    }
    let newest = newest.into_iter();
    newest.map(|(session, (_, said))| (session, said)).collect()
}

/// The same as sessions that are live.
async fn live(world: &World, caller: &Caller) -> BTreeMap<String, String> {
    let tenant = caller.tenant().uuid();
    let live = world
        .ask(&format!(
            "SELECT sim, session_id, toUnixTimestamp64Milli(event_at), toUInt8(request_type), counter_in, counter_out, \
             network, customer, batch FROM session_live FINAL WHERE tenant = '{tenant}' FORMAT TSV"
        ))
        .await;
    let sessions = live.lines().map(|line| {
        let columns: Vec<&str> = line.split('\t').collect();
        (columns[..2].join("\t"), columns[2..].join("\t"))
    });
    sessions.collect()
}

/// The same; what is live and the cubes must say it, too.
pub(crate) async fn logged(world: &World, caller: &Caller) -> Net {
    let tenant = caller.tenant().uuid();
    let net = net_of_log(world, caller).await;
    let newest = newest_of_log(world, caller).await;
    assert_eq!(live(world, caller).await, newest, "what is live differs");
    let [hours, days] = ["hour", "day"].map(|of| {
        format!(
            "SELECT network, toDate(period), sum(bytes_up), sum(bytes_down), sum(sessions), sum(resets), sum(records) \
             FROM session_{of} WHERE tenant = '{tenant}' GROUP BY ALL HAVING sum(records) <> 0 ORDER BY ALL FORMAT TSV"
        )
    });
    let hours = world.ask(&hours).await;
    assert_eq!(world.ask(&days).await, hours, "hours and days differ");
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
    assert_eq!(self::net(&days), added, "the cube of days differs");
    net
}

/// The same from all that was sent, sorted: an account of its own.
pub(crate) fn plain(truth: &[Sent]) -> Net {
    let mut sorted: Vec<&Sent> = truth.iter().collect();
    sorted.sort_by_key(|it| (&it.iccid, &it.session, it.at, it.ends, it.counters));
    sorted.dedup();
    let mut net = Net::new();
    let mut last: Option<&Sent> = None;
    for sent in sorted {
        let same = |last: &&Sent| (&last.iccid, &last.session) == (&sent.iccid, &sent.session);
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

pub(crate) async fn session_ledger(world: &World, caller: &Caller) -> [u64; 4] {
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
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).expect("31 bits") % most
    }

    pub(crate) fn shuffled<T: Clone>(&mut self, all: &[T]) -> Vec<T> {
        let mut all = all.to_vec();
        for at in (1..all.len()).rev() {
            all.swap(at, self.below(at + 1));
        }
        all
    }
}

/// Sessions of two SIMs over midnight, with resets, ends, roaming and equal times. Those that have one place are the same in all.
pub(crate) fn stream(dice: &mut Dice, count: usize) -> Vec<Sent> {
    (0..count)
        .map(|_| {
            let (minute, up, down) = (dice.below(60), dice.below(6), dice.below(6));
            let after = TimeDelta::minutes(i64::try_from(minute).expect("small") - 30);
            Sent {
                session: format!("s{}", dice.below(4)),
                iccid: [LONG, SHORT][dice.below(2)].into(),
                at: midnight() + after,
                network: ["262-01", "262-02", "208-10"][(minute + up + down) % 3],
                counters: [up, down].map(|n| n as u64 * 100),
                ends: dice.below(5) == 0,
            }
        })
        .collect()
}

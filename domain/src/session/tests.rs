//! Rollups in any order, repeated and cut into any batches, come to what a plain computation over all of them, sorted, comes to.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::{
    Entry, FORGET, Keys, Point, Reading, Request, Usage,
    points::{GAP, Kept, Sight, Sights, forgotten_before, touch},
    replay, usage,
};
use crate::id::{BatchId, CustomerId};

/// A rollup of one of a few sessions, in values that often meet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sent {
    session: u8,
    minute: i64,
    ends: bool,
    bytes_in: u64,
    bytes_out: u64,
    place: u8,
}

impl Sent {
    fn event_at(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::minutes(self.minute)
    }

    /// A number that no other rollup has, and that is in no order with them.
    fn identity(&self) -> Uuid {
        let mut mixed: u64 = 0xcbf2_9ce4_8422_2325;
        for byte in format!("{self:?}").bytes() {
            mixed = (mixed ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Uuid::from_u64_pair(mixed, mixed.rotate_left(17))
    }

    fn point(&self) -> Point {
        Point {
            reading: Reading {
                event_at: self.event_at(),
                request: if self.ends {
                    Request::Terminate
                } else {
                    Request::Update
                },
                bytes_in: self.bytes_in,
                bytes_out: self.bytes_out,
                identity: self.identity(),
            },
            keys: Keys {
                customer: (self.place > 0)
                    .then(|| CustomerId::new(Uuid::from_u128(self.place.into()))),
                device: None,
                network: format!("262-0{}", self.place),
                rat: "LTE".into(),
                ip: "10.0.0.1".into(),
            },
        }
    }
}

/// What rows of one rollup with one key come to: bytes up and down, sessions, resets, rollups.
type Sums = [i128; 5];
type Net = BTreeMap<(Uuid, String), Sums>;
/// A row with its batch: which rollup of which key, what it counts, its sign, and whether the rollup comes by it.
type Made = (u128, Point, Usage, i8, bool);

fn made(batch: u128, entry: &Entry<'_>) -> Made {
    let Entry {
        point,
        usage,
        sign,
        arrived,
    } = *entry;
    (batch, point.clone(), usage, sign, arrived)
}

/// What intake is: points, a log that forgets, and rows.
struct World {
    kept: BTreeMap<u8, Vec<Kept>>,
    log: BTreeMap<u8, Vec<Point>>,
    net: Net,
    rows: BTreeMap<u8, Vec<Made>>,
    /// What was not refused, with its batch.
    came: BTreeMap<u8, Vec<(u128, Point)>>,
    accepted: BTreeSet<Sent>,
    batches: u128,
    looked: usize,
}

impl World {
    fn new() -> Self {
        Self {
            kept: BTreeMap::new(),
            log: BTreeMap::new(),
            net: Net::new(),
            rows: BTreeMap::new(),
            came: BTreeMap::new(),
            accepted: BTreeSet::new(),
            batches: 0,
            looked: 0,
        }
    }

    /// Takes a batch in. The log shows what was made since `logged_from`.
    fn deliver(&mut self, batch: &[Sent], horizon: DateTime<Utc>, logged_from: DateTime<Utc>) {
        self.batches += 1;
        let sessions: BTreeSet<u8> = batch.iter().map(|sent| sent.session).collect();
        for session in sessions {
            let of: Vec<&Sent> = batch.iter().filter(|it| it.session == session).collect();
            self.enter(session, &of, horizon, logged_from);
        }
    }

    fn enter(
        &mut self,
        session: u8,
        of: &[&Sent],
        horizon: DateTime<Utc>,
        logged_from: DateTime<Utc>,
    ) {
        let kept = self.kept.remove(&session).unwrap_or_default();
        // As the statement of [`super::hold`] reads them.
        let at = |kept: &Kept| kept.point.reading.event_at;
        let oldest = of.iter().map(|sent| sent.event_at()).min();
        let older = kept.iter().map(at).filter(|at| Some(*at) < oldest);
        let before = older.max();
        let (kept, unread): (Vec<Kept>, Vec<Kept>) = kept
            .into_iter()
            .partition(|it| it.has_gap || it.is_settled || Some(at(it)) >= before);
        let sights = Sights::by(&kept);
        let log = self.log.entry(session).or_default();
        let mut shown: Vec<&Point> = log.iter().collect();
        shown.retain(|point| point.reading.event_at >= logged_from);
        let came = self.came.entry(session).or_default();
        let mut arrived: Vec<Point> = Vec::new();
        let mut logged: Vec<Point> = Vec::new();
        for sent in of.iter().filter(|sent| sent.event_at() >= horizon) {
            let point = sent.point();
            came.push((self.batches, point.clone()));
            let same = |other: &Point| other.reading.identity == point.reading.identity;
            if arrived.iter().any(same) {
                continue;
            }
            match sights.sight(&point.reading) {
                Sight::Repeats(_) => continue,
                Sight::Newest => {}
                Sight::Late => {
                    self.looked += 1;
                    if shown.iter().any(|other| same(other)) {
                        continue;
                    }
                    let own = point.reading.order();
                    let place = |point: &&&Point| point.reading.order();
                    let before = shown.iter().filter(|it| it.reading.order() < own);
                    let after = shown.iter().filter(|it| it.reading.order() > own);
                    let beside = before
                        .max_by_key(place)
                        .into_iter()
                        .chain(after.min_by_key(place));
                    logged.extend(beside.map(|point| (*point).clone()));
                }
            }
            assert!(
                self.accepted.insert((*sent).clone()),
                "counted twice: {sent:?}"
            );
            arrived.push(point);
        }
        let touched = touch(&kept, &logged, &arrived, horizon);
        let rows = touched.entries.iter().map(|it| made(self.batches, it));
        self.rows.entry(session).or_default().extend(rows);
        for entry in &touched.entries {
            let key = (
                entry.point.reading.identity,
                entry.point.keys.network.clone(),
            );
            let Usage {
                bytes_up,
                bytes_down,
                sessions,
                resets,
            } = entry.usage;
            let sign = i128::from(entry.sign);
            let values: [i128; 4] = [
                bytes_up.into(),
                bytes_down.into(),
                sessions.into(),
                resets.into(),
            ];
            let sums = self.net.entry(key).or_default();
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += sign * value;
            }
            sums[4] += i128::from(entry.arrived);
        }
        let added: Vec<Kept> = touched
            .added
            .iter()
            .map(|(point, has_gap)| Kept {
                point: (*point).clone(),
                part: 1,
                batch: BatchId::new(Uuid::from_u128(self.batches)),
                is_settled: false,
                has_gap: *has_gap,
            })
            .collect();
        let (gone, gaps) = (touched.gone, touched.gaps);
        let mut kept = kept;
        kept.retain(|it| !gone.contains(&it.point.reading.identity));
        for it in &mut kept {
            let changed = gaps.iter().find(|(id, _)| *id == it.point.reading.identity);
            it.has_gap = changed.map_or(it.has_gap, |(_, has_gap)| *has_gap);
        }
        kept.extend(added);
        kept.extend(unread);
        self.kept.insert(session, kept);
    }

    /// What was taken in so far is seen in the log.
    fn settle(&mut self) {
        for (session, kept) in &mut self.kept {
            let log = self.log.entry(*session).or_default();
            for it in kept.iter_mut().filter(|it| !it.is_settled) {
                it.is_settled = true;
                log.push(it.point.clone());
            }
        }
    }

    /// Sessions that were silent for long leave.
    fn sweep(&mut self, horizon: DateTime<Utc>) {
        self.kept.retain(|_, kept| {
            let newest = kept.iter().map(|it| it.point.reading.event_at).max();
            newest.is_some_and(|newest| newest >= forgotten_before(horizon))
        });
    }

    /// The rows that come of all that came, at once.
    fn replayed(&self) -> BTreeMap<u8, Vec<Made>> {
        let sessions = self.came.iter();
        let rows = sessions.map(|(session, came)| {
            let rows = replay(came.iter().rev().map(|(batch, point)| (*batch, point)));
            let rows = rows.iter().map(|(batch, entry)| made(*batch, entry));
            (*session, rows.collect())
        });
        rows.collect()
    }

    /// Rows that come to nothing are the same as none.
    fn net(&self) -> Net {
        let mut net = self.net.clone();
        net.retain(|_, sums| *sums != Sums::default());
        net
    }
}

/// The same from all of the truth at once: sorted, one after the other.
fn plain(truth: &BTreeSet<Sent>) -> Net {
    let mut sorted: Vec<&Sent> = truth.iter().collect();
    sorted.sort_by_key(|it| {
        (
            it.session,
            it.minute,
            it.ends,
            it.bytes_in,
            it.bytes_out,
            it.identity(),
        )
    });
    let mut net = Net::new();
    let mut last: Option<&Sent> = None;
    for sent in sorted {
        let before = last.filter(|last| {
            last.session == sent.session && sent.minute - last.minute <= 90 * 24 * 60
        });
        let (i, o) = (i128::from(sent.bytes_in), i128::from(sent.bytes_out));
        let sums = match before {
            None => [i, o, 1, 0, 1],
            Some(p) => {
                let (pi, po) = (i128::from(p.bytes_in), i128::from(p.bytes_out));
                match (p.ends, i < pi || o < po) {
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
        net.insert((sent.identity(), format!("262-0{}", sent.place)), sums);
        last = Some(sent);
    }
    net
}

fn sent(minutes: impl Strategy<Value = i64>) -> impl Strategy<Value = Sent> {
    let counter = || prop_oneof![4 => (0..6_u64).prop_map(|n| n * 100), 1 => Just(u64::MAX)];
    (
        0..2_u8,
        minutes,
        prop::bool::weighted(0.2),
        counter(),
        counter(),
        0..3_u8,
    )
        .prop_map(|(session, minute, ends, bytes_in, bytes_out, place)| Sent {
            session,
            minute,
            ends,
            bytes_in,
            bytes_out,
            place,
        })
}

const LONG_AGO: DateTime<Utc> = DateTime::UNIX_EPOCH;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Minutes are few, so that equal times are many; midnight is among them.
    #[test]
    fn any_order_repetition_and_batching_comes_to_the_same(
        stream in prop::collection::vec(sent(1_430..1_450_i64), 1..20),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..60),
        cuts in prop::collection::vec((1..5_usize, any::<bool>()), 1..80),
    ) {
        let mut deliveries: Vec<Sent> = order.iter().map(|at| at.get(&stream).clone()).collect();
        deliveries.extend(stream.iter().rev().cloned());
        let mut world = World::new();
        let mut rest = &deliveries[..];
        for (size, settles) in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (batch, later) = rest.split_at((*size).min(rest.len()));
            world.deliver(batch, LONG_AGO, LONG_AGO);
            rest = later;
            if *settles {
                world.settle();
            }
        }
        let truth: BTreeSet<Sent> = stream.into_iter().collect();
        prop_assert_eq!(&world.accepted, &truth);
        prop_assert_eq!(world.net(), plain(&truth));
        prop_assert_eq!(world.replayed(), world.rows);
    }

    /// The log forgets all that it may forget, at the moment at which it may: what is kept in its place is enough.
    #[test]
    fn what_is_kept_stands_in_for_a_log_that_forgets(
        stream in prop::collection::vec(
            (sent(prop_oneof![0..20 * 1_440_i64, 110 * 1_440..112 * 1_440_i64]), 0..5 * 1_440_i64, any::<bool>()), 1..40),
    ) {
        const DAYS: i64 = 2;
        let mut deliveries = stream;
        deliveries.sort_by_key(|(sent, delay, _)| sent.minute + delay);
        let mut world = World::new();
        for (sent, delay, settles) in &deliveries {
            let now = sent.event_at() + TimeDelta::minutes(*delay);
            let horizon = now - TimeDelta::days(DAYS);
            world.deliver(std::slice::from_ref(sent), horizon, horizon - TimeDelta::days(1));
            // Repeated at once.
            world.deliver(std::slice::from_ref(sent), horizon, horizon - TimeDelta::days(1));
            world.sweep(horizon);
            if *settles {
                world.settle();
            }
        }
        prop_assert_eq!(world.net(), plain(&world.accepted));
        prop_assert_eq!(world.replayed(), world.rows);
    }

    #[test]
    fn what_is_newer_than_its_session_needs_no_look_at_the_log(gaps in prop::collection::vec(0..3_000_i64, 1..60)) {
        let mut world = World::new();
        let mut minute = 0;
        for (n, gap) in (1_u64..).zip(gaps) {
            minute += gap;
            let sent = Sent { session: 0, minute, ends: false, bytes_in: n, bytes_out: n, place: 0 };
            let horizon = sent.event_at() - TimeDelta::days(7);
            world.deliver(&[sent], horizon, horizon);
            world.settle();
        }
        prop_assert_eq!(world.looked, 0);
    }
}

fn update(minute: i64, bytes_in: u64) -> Sent {
    Sent {
        session: 0,
        minute,
        ends: false,
        bytes_in,
        bytes_out: 0,
        place: 1,
    }
}

/// What is left of rollups that came in this order, each by itself, by the place that it names: bytes up, sessions, resets.
fn by_place(stream: &[Sent]) -> BTreeMap<u8, [i128; 3]> {
    let mut world = World::new();
    for sent in stream {
        world.deliver(std::slice::from_ref(sent), LONG_AGO, LONG_AGO);
        world.settle();
    }
    let mut places: BTreeMap<u8, [i128; 3]> = BTreeMap::new();
    for sent in &world.accepted {
        let network = format!("262-0{}", sent.place);
        let [up, _, sessions, resets, _] = world.net[&(sent.identity(), network)];
        let sums = places.entry(sent.place).or_default();
        for (sum, value) in sums.iter_mut().zip([up, sessions, resets]) {
            *sum += value;
        }
    }
    places
}

/// SES-10 and SES-11.
#[test]
fn totals_are_not_added_up_and_repeating_them_changes_nothing() {
    let in_order = [update(0, 100), update(5, 250), update(10, 400)];
    assert_eq!(by_place(&in_order), [(1, [400, 1, 0])].into());
    let [a, b, c] = in_order;
    let shuffled = [c.clone(), a.clone(), c, b.clone(), a, b];
    assert_eq!(by_place(&shuffled), [(1, [400, 1, 0])].into());
}

/// SES-10.
#[test]
fn a_session_over_midnight_counts_on_both_days() {
    let mut day = [update(1_435, 100), update(1_440, 250), update(1_445, 400)];
    day[0].place = 2;
    assert_eq!(by_place(&day), [(2, [100, 1, 0]), (1, [300, 0, 0])].into());
}

/// SES-20.
#[test]
fn a_counter_that_falls_begins_again() {
    let reset = [update(0, 400), update(5, 50)];
    assert_eq!(by_place(&reset), [(1, [450, 1, 1])].into());
    let both = usage(
        Some(&update(0, 400).point().reading),
        &update(1, 50).point().reading,
    );
    assert_eq!((both.bytes_up, both.resets, both.sessions), (50, 1, 0));
}

/// SES-21.
#[test]
fn what_was_used_since_the_last_network_counts_for_the_new_one() {
    let mut roaming = [update(0, 100), update(5, 250)];
    roaming[1].place = 2;
    assert_eq!(
        by_place(&roaming),
        [(1, [100, 1, 0]), (2, [150, 0, 0])].into()
    );
    roaming.reverse();
    assert_eq!(
        by_place(&roaming),
        [(1, [100, 1, 0]), (2, [150, 0, 0])].into()
    );
}

#[test]
fn what_came_is_told_again_with_what_it_corrected() {
    let points = [update(0, 100), update(10, 400), update(5, 250)].map(|sent| sent.point());
    let [a, c, b] = &points;
    // The second batch brings one that is late, one again, and itself twice.
    let came = [(2, b), (1, c), (2, a), (1, a), (2, b)];
    let rows: Vec<_> = replay(came)
        .into_iter()
        .map(|(batch, entry)| {
            let at = entry.point.reading.bytes_in;
            (batch, at, entry.usage.bytes_up, entry.sign, entry.arrived)
        })
        .collect();
    let first = [(1, 100, 100, 1, true), (1, 400, 300, 1, true)];
    let second = [
        (2, 250, 150, 1, true),
        (2, 400, 300, -1, false),
        (2, 400, 150, 1, false),
    ];
    assert_eq!(rows, [&first[..], &second].concat());
    // Without the first batch nothing is what it was.
    let alone = replay([(2, b), (2, a)]);
    let usage: Vec<_> = alone.iter().map(|(_, it)| it.usage.bytes_up).collect();
    assert_eq!(usage, [100, 150]);
}

/// SES-06.
#[test]
fn an_end_stays_the_newest_when_an_older_update_comes_late() {
    let mut end = update(10, 300);
    end.ends = true;
    let mut world = World::new();
    for sent in [update(0, 100), end.clone(), update(5, 200)] {
        world.deliver(&[sent], LONG_AGO, LONG_AGO);
    }
    let newest = world.kept[&0]
        .iter()
        .max_by_key(|kept| kept.point.reading.order())
        .expect("a point");
    assert_eq!(newest.point.reading.request, Request::Terminate);
    // At the same time an end is newer, too.
    let same = update(10, 900).point().reading;
    assert!(same.order() < end.point().reading.order());
}

#[test]
fn after_an_end_rising_counters_go_on_and_fallen_ones_begin_a_session() {
    let end = |bytes_in, bytes_out| Reading {
        request: Request::Terminate,
        bytes_out,
        ..update(0, bytes_in).point().reading
    };
    let next = |bytes_in, bytes_out| Reading {
        bytes_out,
        ..update(5, bytes_in).point().reading
    };
    let counts = |before: &Reading, reading: &Reading| {
        let it = usage(Some(before), reading);
        [
            it.bytes_up,
            it.bytes_down,
            it.sessions.into(),
            it.resets.into(),
        ]
    };
    assert_eq!(counts(&end(10, 10), &next(10, 15)), [0, 5, 0, 0]);
    assert_eq!(counts(&end(10, 10), &next(20, 5)), [20, 5, 1, 0]);
    assert_eq!(counts(&end(10, 10), &next(3, 5)), [3, 5, 1, 0]);
    assert_eq!(counts(&next(10, 10), &next(20, 5)), [10, 5, 0, 1]);
    assert_eq!(counts(&next(10, 10), &next(3, 5)), [3, 5, 0, 1]);
}

#[test]
fn what_comes_after_a_long_silence_begins_a_session() {
    let first = update(0, 100).point().reading;
    let after = |silence| Reading {
        event_at: first.event_at + silence,
        bytes_in: 150,
        ..first
    };
    let counts = |reading: &Reading| {
        let it = usage(Some(&first), reading);
        (it.bytes_up, it.sessions)
    };
    assert_eq!(counts(&after(FORGET)), (50, 0));
    assert_eq!(
        counts(&after(FORGET + TimeDelta::milliseconds(1))),
        (150, 1)
    );
}

#[test]
fn few_points_are_kept_of_a_long_session() {
    let mut world = World::new();
    for n in 0..3_000 {
        let sent = update(5 * n, n.cast_unsigned());
        let horizon = sent.event_at() - TimeDelta::days(7);
        world.deliver(&[sent], horizon, horizon - TimeDelta::days(1));
        world.settle();
    }
    assert_eq!(world.kept[&0].len(), 1);
    let gap = GAP.num_minutes() + 1;
    for n in 1..=20 {
        let sent = update(15_000 + gap * n, 3_000 + n.cast_unsigned());
        let horizon = sent.event_at() - TimeDelta::days(7);
        world.deliver(&[sent], horizon, horizon - TimeDelta::days(1));
        world.settle();
    }
    // One for each gap in seven days and a half, one older, and the newest.
    assert!(
        (15..=18).contains(&world.kept[&0].len()),
        "{}",
        world.kept[&0].len()
    );
}

//! What is known of one partition that is being read: where it is, what waits to be delivered, what is under way.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use domain::topic::{Digest, End, Partition, Position, Stop};

use super::Settings;
use crate::pipeline::{Fetched, Passing};

/// Passages of one partition under way at the same time: one is journaled while the one before is being counted.
const DEPTH: usize = 2;

/// Where reading begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    /// The first offset that is asked for.
    pub(super) offset: i64,
    /// What the message before the position must be, which is read again.
    pub(super) expects: Option<Digest>,
}

/// Where to read from, by the ledger's position and the offsets that the partition has, from `low` to before `high`.
///
/// # Errors
/// What an operator has to decide.
pub(super) fn start(position: Position, [low, high]: [i64; 2]) -> Result<Start, Stop> {
    let Position {
        next,
        digest,
        stopped,
    } = position;
    match stopped {
        Some(why) => Err(why),
        None if next < 0 => Ok(Start {
            offset: low,
            expects: None,
        }),
        None if next > high => Err(Stop::TopicReplaced),
        None if next < low => Err(Stop::OffsetLost),
        None => {
            let expects = digest.filter(|_| next > low);
            Ok(Start {
                offset: next - i64::from(expects.is_some()),
                expects,
            })
        }
    }
}

/// What a partition is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is read.
    Reading,
    /// Something failed: it is begun again where the ledger is, not before this moment.
    Failed(Instant),
    /// An operator has to decide; the ledger is asked again at this moment.
    Stopped(Stop, Instant),
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// It waits to be delivered, or is known.
    Taken,
    /// The message that was expected is not there any more: whether the topic is the same cannot be told.
    Unconfirmed,
    /// The message before the position is another one.
    Replaced,
}

/// Messages that are delivered together.
pub(super) struct Run {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) digest: Digest,
    pub(super) messages: Vec<Fetched>,
}

/// A passage that was delivered.
pub(super) struct Underway {
    /// The offset after its last message.
    pub(super) to: i64,
    pub(super) since: Instant,
    pub(super) passing: Passing,
}

/// See the module.
pub(super) struct Lane {
    pub(super) partition: Partition,
    pub(super) state: State,
    /// Something of the topics cannot be read, maybe here: nothing is taken until it was begun again with a look at its next message.
    pub(super) doubted: bool,
    /// Where the next run begins, by the ledger and what is under way.
    pub(super) next: i64,
    pub(super) paused: bool,
    /// Up to where all is counted; none before it was begun.
    counted: Option<i64>,
    /// Messages that nobody delivered yet, when the broker was asked last.
    pub(super) lag: Option<i64>,
    /// Where it ended then.
    end: i64,
    /// Passages, in order.
    pub(super) underway: VecDeque<Underway>,
    expects: Option<Digest>,
    waiting: Vec<Fetched>,
    bytes: usize,
    since: Option<Instant>,
    /// When it was begun, or something came last.
    heard: Instant,
    /// From where on there was no message before which end: ends of transactions are none.
    barren: Option<(i64, i64)>,
    most: (usize, usize),
    linger: Duration,
}

impl Lane {
    /// A partition that rests, as its position is not known yet.
    pub(super) fn new(partition: Partition, settings: &Settings, now: Instant) -> Self {
        Self {
            partition,
            state: State::Failed(now),
            doubted: false,
            next: -1,
            paused: false,
            counted: None,
            lag: None,
            end: -1,
            underway: VecDeque::new(),
            expects: None,
            waiting: Vec::new(),
            bytes: 0,
            since: None,
            heard: now,
            barren: None,
            most: (settings.records, settings.bytes),
            linger: settings.linger,
        }
    }

    /// Begins where the ledger is, with what the partition has up to `end`.
    pub(super) fn begin(&mut self, next: i64, start: Start, end: i64, now: Instant) {
        self.heard = now;
        self.next = next;
        self.counted = Some(next);
        self.end = end;
        self.expects = start.expects;
        self.state = State::Reading;
    }

    /// Forgets what waits: it is read again.
    pub(super) fn forget(&mut self, state: State) {
        self.state = state;
        self.expects = None;
        self.waiting.clear();
        self.bytes = 0;
        self.since = None;
    }

    /// Takes a message.
    pub(super) fn accept(&mut self, message: Fetched, now: Instant) -> Accepted {
        self.heard = now;
        if self.state != State::Reading || self.doubted {
            return Accepted::Taken;
        }
        // What waits has it already.
        let last = self.waiting.last();
        if last.is_some_and(|last| message.offset <= last.offset) {
            return Accepted::Taken;
        }
        let expected = self.expects.take();
        if message.offset < self.next {
            let found = Digest::of(message.key.as_deref(), message.payload.as_deref());
            return match expected {
                Some(expected) if message.offset == self.next - 1 && expected != found => {
                    Accepted::Replaced
                }
                _ => Accepted::Taken,
            };
        }
        self.bytes += message.bytes();
        self.since.get_or_insert(now);
        self.waiting.push(message);
        match expected {
            Some(_) => Accepted::Unconfirmed,
            None => Accepted::Taken,
        }
    }

    /// Whether it has as much as it may hold.
    pub(super) fn is_full(&self) -> bool {
        let (records, bytes) = self.most;
        self.waiting.len() >= records || self.bytes >= bytes
    }

    /// Whether the broker is to send nothing for now.
    pub(super) fn rests(&self) -> bool {
        self.doubted || self.is_full()
    }

    /// Whether nothing waits and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.underway.is_empty()
    }

    /// Learns that a passage is counted, and with it all before its end.
    pub(super) fn count(&mut self, to: i64) {
        self.counted = Some(to);
    }

    /// Hears that the partition has the offsets from `low` to before `high`, and says where it ends for the ledger; nothing where the ledger
    /// did not say yet how far it is. Messages wait that were there at the last look and are not counted: what came since is on its way.
    pub(super) fn measure(&mut self, [low, high]: [i64; 2]) -> Option<End> {
        let counted = self.counted?;
        let left = |from: i64| match self.barren {
            Some(there) if there == (from, high) => 0,
            _ => high - from.max(low),
        };
        let waits = self.end > counted.max(low) && left(counted) > 0;
        self.lag = Some(left(self.next));
        self.end = high;
        Some(End {
            partition: self.partition.clone(),
            offset: if waits { high } else { self.next },
            waits,
        })
    }

    /// Where the partition ends of which this run is.
    pub(super) fn end_behind(&self, run: &Run) -> i64 {
        self.end.max(run.to)
    }

    /// Whether it is read, has more, and has sent nothing for `patience`: what there is may be no message, or the client has lost its place.
    pub(super) fn is_silent(&self, now: Instant, patience: Duration) -> bool {
        self.state == State::Reading
            && self.lag.is_some_and(|lag| lag > 0)
            && self.is_idle()
            && now.duration_since(self.heard) >= patience
    }

    /// Learns that there is no message before its end that is not delivered.
    pub(super) fn is_read_to_its_end(&mut self) {
        self.barren = Some((self.next, self.end));
        self.lag = Some(0);
    }

    /// Since when the message that was read first, of those that are not counted, is here.
    pub(super) fn oldest(&self) -> Option<Instant> {
        let underway = self.underway.front().map(|it| it.since);
        underway.or(self.since)
    }

    /// What is to be delivered now, if anything: a full run, one whose first message has waited for long enough, or what waits when
    /// nothing more is taken.
    pub(super) fn take(&mut self, now: Instant) -> Option<Run> {
        let is_due = |since: Instant| now.duration_since(since) >= self.linger;
        let ready = self.rests() || self.since.is_some_and(is_due);
        if !ready || self.state != State::Reading || self.underway.len() >= DEPTH {
            return None;
        }
        let last = self.waiting.last()?;
        let digest = Digest::of(last.key.as_deref(), last.payload.as_deref());
        let (from, to) = (self.next, last.offset + 1);
        self.next = to;
        self.bytes = 0;
        self.since = None;
        Some(Run {
            from,
            to,
            digest,
            messages: std::mem::take(&mut self.waiting),
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(offset: i64) -> Fetched {
        Fetched {
            offset,
            key: None,
            payload: Some(Bytes::from(offset.to_string())),
        }
    }

    fn digest(offset: i64) -> Digest {
        Digest::of(None, Some(offset.to_string().as_bytes()))
    }

    fn position(next: i64) -> Position {
        Position {
            next,
            digest: Some(digest(next - 1)),
            stopped: None,
        }
    }

    fn lane(next: i64, expects: Option<Digest>) -> Lane {
        let partition = Partition {
            cluster: "c".into(),
            topic: "t".into(),
            number: 0,
        };
        let settings = Settings {
            records: 3,
            ..Settings::new("", "")
        };
        let mut lane = Lane::new(partition, &settings, Instant::now());
        let offset = next;
        lane.begin(next, Start { offset, expects }, next, Instant::now());
        lane
    }

    #[test]
    fn reading_begins_at_the_message_before_the_position() {
        let begins = |offset, expects| Ok(Start { offset, expects });
        let fresh = Position {
            next: -1,
            digest: None,
            stopped: None,
        };
        assert_eq!(start(fresh, [7, 9]), begins(7, None));
        assert_eq!(start(position(9), [7, 9]), begins(8, Some(digest(8))));
        assert_eq!(start(position(7), [7, 9]), begins(7, None));
        let skipped = Position {
            digest: None,
            ..position(9)
        };
        assert_eq!(start(skipped, [7, 9]), begins(9, None));
        assert_eq!(start(position(6), [7, 9]), Err(Stop::OffsetLost));
        assert_eq!(start(position(10), [7, 9]), Err(Stop::TopicReplaced));
        let stopped = Position {
            stopped: Some(Stop::OffsetLost),
            ..position(8)
        };
        assert_eq!(start(stopped, [7, 9]), Err(Stop::OffsetLost));
    }

    #[test]
    fn another_message_before_the_position_is_another_topic() {
        let now = Instant::now();
        let mut same = lane(5, Some(digest(4)));
        assert_eq!(same.accept(message(4), now), Accepted::Taken);
        assert_eq!(same.accept(message(5), now), Accepted::Taken);
        let mut other = lane(5, Some(digest(3)));
        assert_eq!(other.accept(message(4), now), Accepted::Replaced);
        let mut compacted = lane(5, Some(digest(4)));
        assert_eq!(compacted.accept(message(6), now), Accepted::Unconfirmed);
        assert_eq!(compacted.accept(message(7), now), Accepted::Taken);
    }

    #[test]
    fn runs_follow_each_other_over_gaps() {
        let now = Instant::now();
        let mut lane = lane(5, None);
        for offset in [5, 9] {
            lane.accept(message(offset), now);
        }
        assert!(lane.take(now).is_none());
        let later = now + Duration::from_secs(1);
        let run = lane.take(later).expect("waited for long enough");
        assert_eq!((run.from, run.to, run.messages.len()), (5, 10, 2));
        assert_eq!(run.digest, digest(9));
        for offset in [9, 12, 13, 14] {
            lane.accept(message(offset), later);
        }
        let run = lane.take(later).expect("full");
        assert_eq!((run.from, run.to, run.messages.len()), (10, 15, 3));
    }

    #[test]
    fn what_comes_again_waits_once() {
        let now = Instant::now();
        let mut lane = lane(5, Some(digest(4)));
        for offset in [4, 5, 6, 4, 5, 6, 5] {
            assert_eq!(lane.accept(message(offset), now), Accepted::Taken);
        }
        assert_eq!(lane.oldest(), Some(now));
        let later = now + Duration::from_secs(1);
        let run = lane.take(later).expect("waited for long enough");
        assert_eq!((run.from, run.to, run.messages.len()), (5, 7, 2));
        assert_eq!(run.digest, digest(6));
        assert_eq!(lane.oldest(), None);
    }

    #[test]
    fn what_is_doubted_delivers_what_it_has_and_takes_no_more() {
        let now = Instant::now();
        let mut lane = lane(5, None);
        lane.accept(message(5), now);
        lane.doubted = true;
        lane.accept(message(7), now);
        assert!(lane.rests() && !lane.is_idle());
        let run = lane.take(now).expect("at once");
        assert_eq!((run.from, run.to, run.messages.len()), (5, 6, 1));
        assert!(lane.is_idle());
    }

    #[test]
    fn what_has_more_and_sends_nothing_is_silent_until_it_has_no_message() {
        let begun = Instant::now();
        let patience = Duration::from_secs(10);
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut lane = lane(5, None);
        assert!(!lane.is_silent(after(20), patience));
        lane.measure([0, 5]);
        assert!(!lane.is_silent(after(20), patience));
        lane.measure([0, 7]);
        assert!(!lane.is_silent(after(9), patience));
        lane.accept(message(5), after(9));
        assert!(!lane.is_silent(after(30), patience));
        lane.take(after(30)).expect("waited for long enough");
        assert!(lane.is_silent(after(30), patience));
        lane.is_read_to_its_end();
        assert_eq!(lane.lag, Some(0));
        lane.measure([0, 7]);
        assert!(!lane.is_silent(after(60), patience));
        lane.measure([0, 8]);
        assert!(lane.is_silent(after(60), patience));
        lane.forget(State::Failed(begun));
        assert!(!lane.is_silent(after(90), patience));
    }

    #[test]
    fn messages_wait_that_were_there_at_the_last_look_and_are_not_counted() {
        let mut lane = lane(5, None);
        let look = |lane: &mut Lane, low, high| {
            let End { offset, waits, .. } = lane.measure([low, high]).expect("begun");
            (offset, waits)
        };
        assert_eq!(look(&mut lane, 0, 5), (5, false));
        assert_eq!(look(&mut lane, 0, 9), (5, false));
        assert_eq!(look(&mut lane, 0, 11), (11, true));
        let now = Instant::now();
        lane.accept(message(10), now);
        let run = lane.take(now + Duration::from_secs(2));
        assert_eq!(run.expect("waited for long enough").to, 11);
        // On its way, and nothing else is left to be delivered.
        assert_eq!((look(&mut lane, 0, 11), lane.lag), ((11, true), Some(0)));
        lane.count(11);
        assert_eq!(look(&mut lane, 0, 11), (11, false));
        look(&mut lane, 0, 12);
        assert_eq!((look(&mut lane, 0, 12), lane.lag), ((12, true), Some(1)));
        lane.is_read_to_its_end();
        assert_eq!((look(&mut lane, 0, 12), lane.lag), ((11, false), Some(0)));
        // Of what expired before anybody read it, nothing can come.
        assert_eq!(look(&mut lane, 13, 13), (11, false));
    }

    #[test]
    fn an_empty_partition_that_was_never_read_has_nothing_that_waits() {
        let mut lane = lane(-1, None);
        let mut look = |high| lane.measure([0, high]).expect("begun").waits;
        assert!(!look(0) && !look(0) && !look(1));
        assert!(look(1));
    }

    #[test]
    fn of_what_was_not_begun_nobody_knows_where_it_ends() {
        let partition = lane(5, None).partition;
        let settings = Settings::new("", "");
        let mut lane = Lane::new(partition, &settings, Instant::now());
        for _ in 0..3 {
            assert_eq!((lane.measure([0, 9]), lane.lag), (None, None));
        }
    }

    #[tokio::test]
    async fn two_runs_are_under_way_and_what_comes_next_waits_in_the_topic() {
        let now = Instant::now();
        let mut lane = lane(5, None);
        for first in [5, 8] {
            for offset in first..first + 3 {
                lane.accept(message(offset), now);
            }
            let to = lane.take(now).expect("full").to;
            lane.underway.push_back(Underway {
                to,
                since: now,
                passing: Passing::endless(),
            });
        }
        for offset in 11..14 {
            lane.accept(message(offset), now);
        }
        assert!(lane.rests() && lane.take(now).is_none());
        lane.underway.pop_front();
        assert_eq!(lane.take(now).expect("full").to, 14);
    }

    #[test]
    fn what_failed_takes_nothing() {
        let now = Instant::now();
        let mut lane = lane(5, None);
        lane.accept(message(5), now);
        lane.forget(State::Failed(now));
        lane.accept(message(6), now);
        lane.state = State::Reading;
        assert!(lane.take(now + Duration::from_secs(2)).is_none());
    }
}

//! Reads the partitions that the group assigns, from where the ledger is, until it is told to stop.
//!
//! One thread polls the broker and does nothing else that takes long; passages are journaled and counted by tasks of the runtime.
//! A partition whose passages are not counted is paused, so what the usage store cannot take stays in the topic.
//!
//! **Whatever fails is begun again from the ledger**: a stale passage, an engine that does not answer. Nothing is remembered of
//! it here, so nothing can be remembered wrong.
//!
//! **Nobody waits for it.** The group has its answers at once, and while the ledger does not answer here the group is left: others have the
//! partitions, until it does.

use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use domain::{
    Code, Db, Error, Result,
    topic::{self, End, Partition, Position, Stop, Way},
};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    config::FromClientConfigAndContext as _,
    consumer::{BaseConsumer, CommitMode, Consumer as _},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode,
};
use tokio::{runtime::Handle, task::JoinHandle, time::timeout};

use super::{
    Settings,
    client::{Change, Context, PATIENCE, list_of, read_from, sharing, unavailable},
    lane::{Accepted, Lane, Start, State, Underway, start},
    manage,
    probe::{self, Next, is_unreadable},
};
use crate::pipeline::{Fetched, Intake};

/// How long a poll waits when nothing is to be done.
const IDLE: Duration = Duration::from_millis(50);
/// Most messages that are taken before anything else gets a turn.
const AT_ONCE: usize = 2_000;
/// Between two looks at how much is left to be read.
const LOOK: Duration = Duration::from_secs(2);
/// How long a look at the end of a partition may take.
const GLANCE: Duration = Duration::from_secs(1);
/// Before a partition that failed is begun again.
const REST: Duration = Duration::from_millis(500);
/// How long the ledger may be silent before the partitions are left to others.
const ENDURES: Duration = Duration::from_secs(10);
/// A partition that has more and sends nothing for so long is begun again.
const SILENCE: Duration = Duration::from_secs(10);
/// What was read and is not counted for so long is told.
const STILL: Duration = Duration::from_secs(30);

/// A member of the group. Dropping it ends the reading, too, without waiting for the end.
pub struct Consumer {
    stop: Arc<AtomicBool>,
    seen: Seen,
    thread: JoinHandle<()>,
}

/// What a consumer sees of the broker. Cloning is cheap and shares it.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<View>>);

/// A partition that a consumer has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneState {
    /// Which.
    pub partition: Partition,
    /// Messages that nobody delivered yet, when the broker was asked last.
    pub lag: Option<i64>,
    /// Why it is not read.
    pub stopped: Option<Stop>,
}

#[derive(Default)]
struct View {
    problem: Option<String>,
    lanes: Vec<LaneState>,
}

impl Seen {
    fn lock(&self) -> std::sync::MutexGuard<'_, View> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing, or not everything, is read; none when all is well.
    pub fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    /// The partitions that this consumer has.
    pub fn lanes(&self) -> Vec<LaneState> {
        self.lock().lanes.clone()
    }
}

impl Consumer {
    /// Starts reading, and shows in `seen` what it sees. A broker that does not answer is waited for. Must be called on a Tokio
    /// runtime.
    ///
    /// # Errors
    /// `INVALID_INPUT` when the settings are none for a client.
    pub fn start(intake: Intake, db: Db, settings: Settings, seen: Seen) -> Result<Self> {
        let invalid = |error: KafkaError| Error::invalid(format!("the settings of Kafka: {error}"));
        let consumer =
            BaseConsumer::from_config_and_context(&sharing(&settings), Context::default())
                .map_err(invalid)?;
        join(&consumer, &settings).map_err(invalid)?;
        let stop = Arc::new(AtomicBool::new(false));
        seen.lock().problem = Some("Kafka has not answered yet".to_owned());
        let reader = Reader {
            intake,
            db,
            settings,
            runtime: Handle::current(),
            consumer,
            cluster: None,
            lanes: BTreeMap::new(),
            assigned: Vec::new(),
            silent: Cell::default(),
            away: false,
            looked: None,
            seen: seen.clone(),
        };
        let told = stop.clone();
        let thread = tokio::task::spawn_blocking(move || reader.run(&told));
        Ok(Self { stop, seen, thread })
    }

    /// What it sees.
    pub fn seen(&self) -> Seen {
        self.seen.clone()
    }

    /// Waits until it ends by itself, which only a panic does.
    pub async fn ended(&mut self) {
        // What it said is in the log.
        let _ = (&mut self.thread).await;
    }

    /// Leaves the group. What is under way goes on and is counted.
    pub async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Err(error) = (&mut self.thread).await {
            tracing::error!(%error, "reading topics ended by itself");
        }
    }
}

/// The runtime waits for the thread when it ends: whoever forgets to stop reading, or panics, must not wait for ever.
impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What the thread has.
struct Reader {
    intake: Intake,
    db: Db,
    settings: Settings,
    runtime: Handle,
    consumer: BaseConsumer<Context>,
    cluster: Option<Arc<str>>,
    lanes: BTreeMap<(String, i32), Lane>,
    /// Partitions that are ours and have no lane yet.
    assigned: Vec<(String, i32)>,
    /// Since when the ledger does not answer.
    silent: Cell<Option<Instant>>,
    /// Whether the group is left.
    away: bool,
    looked: Option<Instant>,
    seen: Seen,
}

impl Reader {
    fn run(mut self, told: &AtomicBool) {
        while !told.load(Ordering::Relaxed) {
            self.poll();
            self.rebalance();
            let now = Instant::now();
            let mut lanes = std::mem::take(&mut self.lanes);
            for lane in lanes.values_mut() {
                self.tend(lane, now);
            }
            self.lanes = lanes;
            if self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
                self.look();
                self.looked = Some(Instant::now());
            }
        }
    }

    /// Waits for work of the runtime.
    #[expect(
        clippy::disallowed_methods,
        reason = "this thread is none of the runtime's workers"
    )]
    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Takes what the broker has sent, until a partition has as much as it may hold.
    fn poll(&mut self) {
        let mut patience = IDLE;
        for _ in 0..AT_ONCE {
            let (key, fetched) = match self.consumer.poll(patience) {
                None => return,
                Some(Ok(message)) => {
                    let key = (message.topic().to_owned(), message.partition());
                    let fetched = Fetched {
                        offset: message.offset(),
                        key: message.key().map(Bytes::copy_from_slice),
                        payload: message.payload().map(Bytes::copy_from_slice),
                    };
                    (key, fetched)
                }
                Some(Err(error)) => {
                    self.refused(&error);
                    return;
                }
            };
            patience = Duration::ZERO;
            if self.accept(&key, fetched) {
                return;
            }
        }
    }

    /// Takes a message, and says whether its partition has as much as it may hold.
    fn accept(&mut self, key: &(String, i32), fetched: Fetched) -> bool {
        let now = Instant::now();
        let Some(lane) = self.lanes.get_mut(key) else {
            return false;
        };
        let offset = fetched.offset;
        let accepted = lane.accept(fetched, now);
        let is_full = lane.is_full();
        match accepted {
            Accepted::Taken => {}
            Accepted::Unconfirmed => {
                tracing::warn!(partition = %lane.partition, offset, "the last message that was read is gone: whether the topic is the same cannot be told");
            }
            Accepted::Replaced => self.halt(key, Stop::TopicReplaced),
        }
        is_full
    }

    /// An error that the broker or the client reports. Those of single messages do not say where.
    fn refused(&mut self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        tracing::warn!(%error, "Kafka");
        if code == Some(RDKafkaErrorCode::AutoOffsetReset) {
            let again = State::Failed(Instant::now());
            self.lanes.values_mut().for_each(|lane| lane.forget(again));
        }
        if is_unreadable(error) {
            self.doubt();
        }
        self.looked = None;
    }

    /// Something cannot be read, and it may be of any partition that is read: each is begun again when what was taken of it is counted.
    fn doubt(&mut self) {
        let mut lanes = std::mem::take(&mut self.lanes);
        let read = lanes
            .iter_mut()
            .filter(|(_, lane)| lane.state == State::Reading && !lane.doubted);
        for (key, lane) in read {
            lane.doubted = true;
            self.pause(key);
            lane.paused = true;
        }
        self.lanes = lanes;
    }

    /// Deals with changes of the assignment.
    fn rebalance(&mut self) {
        for change in self.consumer.context().changes() {
            match change {
                Change::Assigned(partitions) => {
                    tracing::info!(?partitions, "partitions are ours");
                    self.assigned.extend(partitions);
                }
                Change::Revoked(partitions) => {
                    tracing::info!(?partitions, "partitions are not ours any more");
                    self.assigned.retain(|it| !partitions.contains(it));
                    self.lanes.retain(|key, _| !partitions.contains(key));
                }
            }
        }
        if let Err(error) = self.open_lanes() {
            self.troubled(&error);
        }
    }

    /// Partitions that are ours get lanes, which begin where the ledger is.
    fn open_lanes(&mut self) -> Result<()> {
        if self.assigned.is_empty() {
            return Ok(());
        }
        let cluster = self.cluster()?;
        let now = Instant::now();
        for (topic, number) in std::mem::take(&mut self.assigned) {
            let partition = Partition {
                cluster: cluster.clone(),
                topic: topic.as_str().into(),
                number,
            };
            let lane = Lane::new(partition, &self.settings, now);
            self.lanes.insert((topic, number), lane);
        }
        Ok(())
    }

    fn cluster(&mut self) -> Result<Arc<str>> {
        if let Some(cluster) = &self.cluster {
            return Ok(cluster.clone());
        }
        let cluster = self.consumer.client().fetch_cluster_id(PATIENCE);
        let cluster = cluster.ok_or_else(|| {
            Error::unavailable("Kafka does not answer", "the cluster has no identity")
        })?;
        Ok(self.cluster.insert(cluster.into()).clone())
    }

    /// Asks the ledger where a partition is, and the broker whether it has that. Returns from where to read; none where an
    /// operator has to decide.
    fn begin(&self, lane: &mut Lane) -> Result<Option<i64>> {
        let Partition { topic, number, .. } = &lane.partition;
        let position = self.wait(open(&self.db, &lane.partition));
        let position = position.inspect_err(|_| self.unheard())?;
        let (low, high) = self
            .consumer
            .fetch_watermarks(topic, *number, PATIENCE)
            .map_err(unavailable)?;
        let mut started = start(position, [low, high]);
        if let Ok(Start { offset, .. }) = started
            && lane.doubted
            && probe::look(&self.settings, &lane.partition, offset, position.next)?
                == Next::Unreadable
        {
            started = Err(Stop::Unreadable);
        }
        lane.doubted = false;
        match started {
            Ok(start) => {
                if position.digest.is_some() && start.expects.is_none() {
                    tracing::warn!(partition = %lane.partition, next = position.next, "the last message that was read has expired: whether the topic is the same cannot be told");
                }
                lane.begin(position.next, start, high, Instant::now());
                Ok(Some(start.offset))
            }
            Err(why) => {
                if position.stopped.is_none() {
                    self.report(lane, position.next, why)?;
                }
                lane.forget(State::Stopped(why, Instant::now() + LOOK));
                Ok(None)
            }
        }
    }

    /// Writes down why a partition is not read from now on.
    fn report(&self, lane: &Lane, seen: i64, why: Stop) -> Result<()> {
        tracing::error!(partition = %lane.partition, %why, "nothing is read of a partition until an operator skips: simcube topics skip");
        self.wait(in_time(async {
            let cx = self.db.system().await?;
            topic::stop(&cx, &lane.partition, seen, why).await?;
            cx.commit().await
        }))
    }

    /// Stops reading a partition that is being read.
    fn halt(&mut self, key: &(String, i32), why: Stop) {
        let Some(mut lane) = self.lanes.remove(key) else {
            return;
        };
        let state = match self.report(&lane, lane.next, why) {
            Ok(()) => State::Stopped(why, Instant::now() + LOOK),
            Err(error) => {
                self.troubled(&error);
                State::Failed(Instant::now() + REST)
            }
        };
        lane.forget(state);
        self.pause(key);
        lane.paused = true;
        self.lanes.insert(key.clone(), lane);
    }

    /// Does what is to be done for a partition.
    fn tend(&self, lane: &mut Lane, now: Instant) {
        self.harvest(lane, now);
        match lane.state {
            State::Reading => {
                self.deliver(lane, now);
                if lane.doubted && lane.is_idle() {
                    lane.forget(State::Failed(now));
                }
            }
            State::Failed(until) | State::Stopped(_, until) => {
                if now >= until && lane.underway.is_empty() && self.silent.get().is_none() {
                    self.resume(lane);
                }
            }
        }
    }

    /// Hears what became of passages, in order.
    fn harvest(&self, lane: &mut Lane, now: Instant) {
        while lane.underway.front().is_some_and(|it| it.passing.is_over()) {
            let Some(over) = lane.underway.pop_front() else {
                return;
            };
            match self.wait(over.passing.outcome()) {
                Ok(_) => {
                    lane.count(over.to);
                    self.show(lane, over.to);
                }
                Err(error) => self.failed(lane, &error, now),
            }
        }
    }

    fn failed(&self, lane: &mut Lane, error: &Error, now: Instant) {
        if error.code() != Code::Conflict {
            self.troubled(error);
        }
        if lane.state == State::Reading {
            lane.forget(State::Failed(now + REST));
        }
    }

    /// Tells the broker how far the group is. Nothing depends on it.
    fn show(&self, lane: &Lane, to: i64) {
        let mut list = TopicPartitionList::new();
        let Partition { topic, number, .. } = &lane.partition;
        let added = list.add_partition_offset(topic, *number, Offset::Offset(to));
        let shown = added.and_then(|()| self.consumer.commit(&list, CommitMode::Async));
        if let Err(error) = shown {
            tracing::debug!(%error, "the broker was not told how far its group is");
        }
    }

    /// Delivers what has waited for long enough, and has the broker wait while there is too much.
    fn deliver(&self, lane: &mut Lane, now: Instant) {
        if self.silent.get().is_none()
            && let Some(run) = lane.take(now)
        {
            let way = Way::Consume {
                from: run.from,
                to: run.to,
                digest: run.digest,
                end: lane.end_behind(&run),
            };
            let kind = self.settings.kind_of(&lane.partition.topic);
            let passing = self.intake.pass(&lane.partition, kind, way, run.messages);
            match self.wait(within(ENDURES, passing)) {
                Ok(passing) => lane.underway.push_back(Underway {
                    to: run.to,
                    since: now,
                    passing,
                }),
                Err(error) => {
                    self.unheard();
                    self.failed(lane, &error, now);
                }
            }
        }
        let rest = lane.rests();
        if rest == lane.paused {
            return;
        }
        let list = list_of(&lane.partition);
        let changed = if rest {
            self.consumer.pause(&list)
        } else {
            self.consumer.resume(&list)
        };
        match changed {
            Ok(()) => lane.paused = rest,
            Err(error) => {
                tracing::warn!(%error, partition = %lane.partition, "not paused or resumed");
            }
        }
    }

    fn pause(&self, (topic, number): &(String, i32)) {
        let mut list = TopicPartitionList::new();
        list.add_partition(topic, *number);
        if let Err(error) = self.consumer.pause(&list) {
            tracing::warn!(%error, topic, number, "not paused");
        }
    }

    /// Begins a partition where the ledger is.
    fn resume(&self, lane: &mut Lane) {
        let begun = self.begin(lane).and_then(|offset| {
            let Some(offset) = offset else { return Ok(()) };
            read_from(&self.consumer, &lane.partition, offset).map_err(unavailable)?;
            lane.paused = false;
            Ok(())
        });
        if let Err(error) = begun {
            self.troubled(&error);
            lane.forget(State::Failed(Instant::now() + REST));
        }
    }

    /// The ledger did not answer: it is asked for nothing before it was looked at.
    fn unheard(&self) {
        let since = self.silent.get().unwrap_or_else(Instant::now);
        self.silent.set(Some(since));
    }

    /// Leaves the group when the ledger has been silent for long, and joins it again when it answers.
    fn attend(&mut self) -> Result<()> {
        if let Err(error) = self.wait(ask(&self.db)) {
            self.unheard();
            let has_endured = |since: Instant| since.elapsed() >= ENDURES;
            if !self.away && self.silent.get().is_some_and(has_endured) {
                tracing::warn!("the ledger does not answer: the partitions are left to others");
                self.consumer.unsubscribe();
                self.away = true;
            }
            return Err(error);
        }
        self.silent.set(None);
        if self.away {
            join(&self.consumer, &self.settings).map_err(unavailable)?;
            self.away = false;
        }
        Ok(())
    }

    fn troubled(&self, error: &Error) {
        tracing::warn!(cause = error.cause(), "topics are not read: {error}");
        self.seen.lock().problem = Some(error.to_string());
    }

    /// Looks at how much is left to be read, and whether everything is there.
    fn look(&mut self) {
        let problem = match self.attend() {
            Ok(()) => self.problem(),
            Err(error) if self.away => Some(format!("{error}: partitions are left to others")),
            Err(error) => Some(error.to_string()),
        };
        let lanes = self.lanes.values().map(|lane| LaneState {
            partition: lane.partition.clone(),
            lag: lane.lag,
            stopped: match lane.state {
                State::Stopped(why, _) => Some(why),
                State::Reading | State::Failed(_) => None,
            },
        });
        let mut view = self.seen.lock();
        view.lanes = lanes.collect();
        if view.problem != problem {
            if let Some(problem) = &problem {
                tracing::warn!("topics: {problem}");
            } else {
                tracing::info!("topics are read without trouble");
            }
        }
        view.problem = problem;
    }

    fn problem(&mut self) -> Option<String> {
        let mut problem = None;
        for (topic, _) in self.settings.topics() {
            match manage::partitions(&self.consumer, topic) {
                Err(error) => return Some(error.to_string()),
                Ok(0) => {
                    problem = Some(format!("there is no topic {topic}: simcube topics create"));
                }
                Ok(_) => {}
            }
        }
        let mut ends = Vec::new();
        for lane in self.lanes.values_mut() {
            let Partition { topic, number, .. } = &lane.partition;
            match self.consumer.fetch_watermarks(topic, *number, GLANCE) {
                Ok((low, high)) => ends.extend(lane.measure([low, high])),
                // Where nobody answers for a partition, nobody writes to it either. The others go on.
                Err(error) => problem = Some(unavailable(error).to_string()),
            }
            if lane.is_silent(Instant::now(), SILENCE) {
                urge(&self.settings, lane);
            }
            let waits = lane
                .oldest()
                .map_or(Duration::ZERO, |since| since.elapsed());
            match lane.state {
                State::Reading if waits >= STILL => {
                    let seconds = waits.as_secs();
                    problem = Some(format!(
                        "{} stands still: what was read {seconds} s ago is not counted",
                        lane.partition
                    ));
                }
                State::Reading => {}
                State::Failed(_) => {
                    problem = Some(format!("{} could not be read", lane.partition));
                }
                State::Stopped(why, _) => {
                    problem = Some(format!("{} is stopped: {why}", lane.partition));
                }
            }
        }
        match self.wait(tell(&self.db, &ends)) {
            Ok(()) => problem,
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Whoever panics says nothing more: others have the partitions, and this process is not well.
impl Drop for Reader {
    fn drop(&mut self) {
        if thread::panicking() {
            self.seen.lock().problem = Some("reading topics ended by itself".to_owned());
        }
    }
}

/// Begins a partition again that has more and sends nothing, unless there is no message.
fn urge(settings: &Settings, lane: &mut Lane) {
    match probe::look(settings, &lane.partition, lane.next, lane.next) {
        Ok(Next::Nothing) => lane.is_read_to_its_end(),
        Ok(Next::Message | Next::Unreadable) | Err(_) => {
            tracing::warn!(partition = %lane.partition, next = lane.next, "there is more, and nothing comes: begun again");
            lane.forget(State::Failed(Instant::now()));
        }
    }
}

/// Joins the group.
fn join(consumer: &BaseConsumer<Context>, settings: &Settings) -> KafkaResult<()> {
    let topics = settings.topics().map(|(topic, _)| topic);
    consumer.subscribe(&topics)
}

async fn open(db: &Db, partition: &Partition) -> Result<Position> {
    in_time(async {
        let cx = db.system().await?;
        let position = topic::open(&cx, partition).await?;
        cx.commit().await?;
        Ok(position)
    })
    .await
}

/// Whether the ledger answers.
async fn ask(db: &Db) -> Result<()> {
    in_time(async { db.system().await?.commit().await }).await
}

async fn tell(db: &Db, ends: &[End]) -> Result<()> {
    in_time(async {
        let cx = db.system().await?;
        topic::ends(&cx, ends).await?;
        cx.commit().await
    })
    .await
}

async fn in_time<T>(answer: impl Future<Output = Result<T>>) -> Result<T> {
    within(PATIENCE, answer).await
}

/// What the ledger answers. One that is silent is as bad as one that is gone.
async fn within<T>(patience: Duration, answer: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |late| Error::unavailable("Postgres does not answer", late);
    timeout(patience, answer).await.map_err(late)?
}

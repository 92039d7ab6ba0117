//! What goes wrong: faults of each process, when they come, and somebody who starts again what has ended, as a service
//! manager would.

use std::{collections::VecDeque, time::Duration};

use anyhow::Result;
use rand::RngExt as _;
use rustix::process::{Pid, Signal};
use tokio::{
    net::TcpStream,
    sync::{oneshot, watch},
    time::Instant,
};

use crate::{
    aim,
    dice::Dice,
    process::{postgres, send},
    stage::{Engines, Server},
};

/// How long a process that was asked to end may take.
pub(crate) const GRACE: Duration = Duration::from_secs(20);
/// Until a process that ended by itself is started again.
const PAUSE: Duration = Duration::from_millis(300);
/// Bytes that ClickHouse must have to begin something, and a little more; Postgres goes on to the last byte.
const ROOM: u64 = 290 << 20;
/// Between two looks at Postgres or the broker.
pub(crate) const LOOK: Duration = Duration::from_millis(500);

/// What happens to a server.
#[derive(Clone, Copy, Debug)]
enum ServerFault {
    /// kill -9, and started again after this time.
    Kill(Duration),
    /// Stopped in its tracks for so long that others take over what it was at.
    Stop(Duration),
    /// Asked to end, and started again after this time.
    End(Duration),
}

/// What happens to the engines.
#[derive(Clone, Copy, Debug)]
enum EnginesFault {
    /// Everything ends at once, as when a machine stops.
    Crash,
    /// kill -9 of the process with ClickHouse; its Postgres is interrupted.
    Kill,
    /// The disk is full but for these bytes, for this time.
    Full(u64, Duration),
    /// The disk is full so many times, for moments: work that began with room ends without.
    Flicker(u32),
}

/// Faults in order of their moments.
pub(crate) struct FaultPlan<F>(VecDeque<(Instant, Planned<F>)>);

/// A fault, and whether it waits for a part to be written: so long after the part was seen.
pub(crate) struct Planned<F> {
    pub(crate) fault: F,
    aim: Option<Duration>,
}

impl<F> FaultPlan<F> {
    /// So many within `span`.
    pub(crate) fn draw(
        dice: &mut Dice,
        count: usize,
        span: Duration,
        mut one: impl FnMut(&mut Dice) -> F,
    ) -> Self {
        let begin = Instant::now();
        let mut moments: Vec<Duration> = (0..count)
            .map(|_| millis(dice, 300..as_millis(span)))
            .collect();
        moments.sort_unstable();
        let planned = |moment| {
            let aim = dice.random_bool(0.5);
            let aim = aim.then(|| Duration::from_micros(dice.random_range(0..5_000)));
            let fault = one(dice);
            (begin + moment, Planned { fault, aim })
        };
        Self(moments.into_iter().map(planned).collect())
    }

    /// Whether there are no more.
    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// Waits for the moment of the next fault; for ever if there is none.
    pub(crate) async fn next(&mut self) -> Planned<F> {
        match self.0.front() {
            Some((moment, _)) => tokio::time::sleep_until(*moment).await,
            None => std::future::pending().await,
        }
        match self.0.pop_front() {
            Some((_, planned)) => planned,
            None => std::future::pending().await,
        }
    }
}

pub(crate) fn millis(dice: &mut Dice, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(dice.random_range(range))
}

fn as_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Whom to tell that the last fault is over, and who says when all is.
pub(crate) struct Signals {
    /// Dropped or sent when nothing goes wrong on purpose any more.
    pub(crate) calm: oneshot::Sender<()>,
    /// Changes when the process is not needed any more.
    pub(crate) over: watch::Receiver<()>,
}

impl Server {
    /// Goes through the faults that the dice draw within `span` and keeps running until all is over.
    pub(crate) async fn live(
        mut self,
        mut dice: Dice,
        span: Duration,
        mut signals: Signals,
    ) -> Result<Self> {
        let silence = self.takeover_seconds * 1_000;
        // Whoever has to be silent for long suffers less often, so that all is over in time.
        let count = dice.random_range(1..if silence > 5_000 { 3 } else { 4 });
        let mut plan = FaultPlan::draw(&mut dice, count, span, |dice| {
            match dice.random_range(0..5) {
                0 | 1 => ServerFault::Kill(millis(dice, 0..1_500)),
                2 | 3 => ServerFault::Stop(millis(dice, silence + 500..silence + 2_500)),
                _ => ServerFault::End(millis(dice, 0..500)),
            }
        });
        let mut calm = Some(signals.calm);
        loop {
            if plan.is_over()
                && let Some(calm) = calm.take()
            {
                // Nobody may listen any more when the run failed.
                calm.send(()).ok();
            }
            tokio::select! {
                ended = self.process.child().wait() => {
                    self.log.event(format_args!("{} ended by itself: {}", self.name, ended?));
                    self.log.count(|tally| tally.own_ends += 1);
                    tokio::time::sleep(PAUSE).await;
                    self.process = self.launch.start()?;
                }
                planned = plan.next() => self.suffer(planned).await?,
                _ = signals.over.changed() => return Ok(self),
            }
        }
    }

    async fn suffer(&mut self, planned: Planned<ServerFault>) -> Result<()> {
        let fault = planned.fault;
        let signal = match fault {
            ServerFault::Kill(_) => Signal::KILL,
            ServerFault::Stop(_) => Signal::STOP,
            ServerFault::End(_) => Signal::TERM,
        };
        let victim = self.process.pid();
        let blow = move || send(victim.as_slice(), signal);
        let hit = aim::strike(&self.engines, planned.aim, blow).await?;
        self.log.event(format_args!(
            "{}: {fault:?}, while a part was written: {hit}",
            self.name
        ));
        match fault {
            ServerFault::Kill(pause) => {
                self.log.count(|tally| tally.kills += 1);
                self.process.kill().await?;
                tokio::time::sleep(pause).await;
                self.process = self.launch.start()?;
            }
            ServerFault::Stop(time) => {
                self.log.count(|tally| tally.stops += 1);
                tokio::time::sleep(time).await;
                self.process.signal(Signal::CONT);
            }
            ServerFault::End(pause) => {
                self.log.count(|tally| tally.ends += 1);
                if !self.process.ended(GRACE).await? {
                    self.log
                        .event(format_args!("{} did not end in {GRACE:?}", self.name));
                }
                tokio::time::sleep(pause).await;
                self.process = self.launch.start()?;
            }
        }
        self.log.event(format_args!("{}: goes on", self.name));
        Ok(())
    }
}

impl Engines {
    /// As a server does.
    pub(crate) async fn live(
        mut self,
        mut dice: Dice,
        span: Duration,
        mut signals: Signals,
    ) -> Result<Self> {
        let count = dice.random_range(2..5);
        let mut plan = FaultPlan::draw(&mut dice, count, span, |dice| {
            match dice.random_range(0..6) {
                0 | 1 => EnginesFault::Crash,
                2 => EnginesFault::Kill,
                3 => EnginesFault::Full(0, millis(dice, 200..1_500)),
                4 => EnginesFault::Full(dice.random_range(1..300) << 20, millis(dice, 200..1_500)),
                _ => EnginesFault::Flicker(dice.random_range(2..8)),
            }
        });
        let mut calm = Some(signals.calm);
        loop {
            if plan.is_over()
                && self.is_well().await
                && let Some(calm) = calm.take()
            {
                calm.send(()).ok();
            }
            tokio::select! {
                ended = self.process.child().wait() => {
                    self.log_own_end(&format!("the engines ended by themselves: {}", ended?));
                    self.start_again().await?;
                }
                planned = plan.next() => self.suffer(planned).await?,
                () = tokio::time::sleep(LOOK) => {
                    if !self.is_well().await {
                        // The program does not start it again; an operator does.
                        self.log_own_end("Postgres has ended, the engines are started again");
                        self.process.stop(GRACE).await?;
                        self.start_again().await?;
                    }
                }
                _ = signals.over.changed() => return Ok(self),
            }
        }
    }

    fn log_own_end(&self, text: &str) {
        self.log.event(text);
        self.log.count(|tally| tally.own_ends += 1);
    }

    async fn is_well(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.postgres))
            .await
            .is_ok()
    }

    async fn suffer(&mut self, planned: Planned<EnginesFault>) -> Result<()> {
        let fault = planned.fault;
        self.log.event(format_args!("engines: {fault:?}"));
        match fault {
            EnginesFault::Crash | EnginesFault::Kill => {
                self.log.count(|tally| tally.engine_kills += 1);
                let mut victims: Vec<Pid> = self.process.pid().into_iter().collect();
                if matches!(fault, EnginesFault::Crash) {
                    // It may be down already, because of a full disk.
                    victims.extend(postgres(&self.data).unwrap_or_default());
                }
                let blow = move || send(&victims, Signal::KILL);
                let hit = aim::strike(&self.data, planned.aim, blow).await?;
                self.log
                    .event(format_args!("killed while a part was written: {hit}"));
                self.process.kill().await?;
                self.start_again().await?;
            }
            EnginesFault::Full(leave, time) => {
                self.log.count(|tally| tally.full_disks += 1);
                let _full = self.disk.fill(leave)?;
                tokio::time::sleep(time).await;
            }
            EnginesFault::Flicker(times) => {
                let _base = self.disk.fill(ROOM)?;
                for _ in 0..times {
                    self.log.count(|tally| tally.full_disks += 1);
                    drop(self.disk.fill(0)?);
                    tokio::time::sleep(PAUSE / 2).await;
                }
            }
        }
        self.log.event("engines: go on");
        Ok(())
    }
}

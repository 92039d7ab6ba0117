//! A broker of Kafka, and what goes wrong with it.

use std::{path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use rand::RngExt as _;
use rustix::process::Signal;
use tokio::{net::TcpStream, time::Instant};

use crate::{
    dice::Dice,
    fault::{FaultPlan, GRACE, LOOK, Signals, millis},
    log::Log,
    process::{Launch, Process},
    run::Ground,
};

/// How long a broker may take to start after a crash.
const READY: Duration = Duration::from_mins(1);

/// What happens to the broker.
#[derive(Clone, Copy, Debug)]
enum BrokerFault {
    /// kill -9, and started again after this time.
    Kill(Duration),
    /// Stopped in its tracks for this time.
    Stop(Duration),
    /// Asked to end, and started again after this time.
    End(Duration),
}

/// One node, whose topics outlive it.
pub(crate) struct Broker {
    pub(crate) process: Process,
    port: u16,
    launch: Launch,
    log: Arc<Log>,
}

impl Broker {
    /// Starts one without topics by the script engines/kafka/run, and does not wait until it is ready.
    pub(crate) fn open(ground: &Ground, folder: &Path, port: u16, log: Arc<Log>) -> Result<Self> {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let launch = Launch {
            program: ground.kafka.clone(),
            arguments: vec![text(&folder.join("kafka")), port.to_string()],
            environment: vec![
                ("PATH".into(), ground.path.clone()),
                ("SIMCUBE_ENGINES".into(), text(&ground.engines)),
            ],
            log: folder.join("kafka.log"),
        };
        Ok(Self {
            process: launch.start()?,
            port,
            launch,
            log,
        })
    }

    /// Waits until it answers.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        let begun = Instant::now();
        loop {
            if let Some(ended) = self.process.child().try_wait()? {
                bail!("it ended: {ended}; see {}", self.launch.log.display());
            }
            if self.is_well().await {
                return Ok(());
            }
            if begun.elapsed() > READY {
                bail!("it is not ready after {READY:?}");
            }
            tokio::time::sleep(LOOK / 5).await;
        }
    }

    async fn is_well(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).await.is_ok()
    }

    /// Goes through the faults that the dice draw within `span` and keeps it running until all is over.
    pub(crate) async fn live(
        mut self,
        mut dice: Dice,
        span: Duration,
        mut signals: Signals,
    ) -> Result<Self> {
        let count = dice.random_range(0..3);
        let mut plan = FaultPlan::draw(&mut dice, count, span, |dice| {
            match dice.random_range(0..4) {
                0 | 1 => BrokerFault::Kill(millis(dice, 0..1_500)),
                2 => BrokerFault::Stop(millis(dice, 500..4_000)),
                _ => BrokerFault::End(millis(dice, 0..500)),
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
                    self.log.event(format_args!("the broker ended by itself: {}", ended?));
                    self.log.count(|tally| tally.own_ends += 1);
                    self.start_again(Duration::ZERO).await?;
                }
                planned = plan.next() => self.suffer(planned.fault).await?,
                _ = signals.over.changed() => return Ok(self),
            }
        }
    }

    async fn suffer(&mut self, fault: BrokerFault) -> Result<()> {
        self.log.event(format_args!("broker: {fault:?}"));
        self.log.count(|tally| tally.broker_faults += 1);
        match fault {
            BrokerFault::Kill(pause) => {
                self.process.kill().await?;
                self.start_again(pause).await?;
            }
            BrokerFault::Stop(time) => {
                self.process.signal(Signal::STOP);
                tokio::time::sleep(time).await;
                self.process.signal(Signal::CONT);
            }
            BrokerFault::End(pause) => {
                if !self.process.stop(GRACE).await? {
                    self.log
                        .event(format_args!("the broker did not end in {GRACE:?}"));
                }
                self.start_again(pause).await?;
            }
        }
        self.log.event("broker: goes on");
        Ok(())
    }

    async fn start_again(&mut self, pause: Duration) -> Result<()> {
        tokio::time::sleep(pause).await;
        self.process = self.launch.start()?;
        self.ready().await.context("the broker does not start")
    }
}

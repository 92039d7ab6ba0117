//! The processes, each with somebody who breaks it and starts it again.

use anyhow::{Context as _, Result};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::{
    broker::Broker,
    dice::{Stream, dice},
    fault::{GRACE, Signals},
    stage::{Engines, SPAN, Server},
};

/// All processes of a run.
pub(crate) struct Lives {
    engines: JoinHandle<Result<Engines>>,
    broker: JoinHandle<Result<Broker>>,
    servers: Vec<JoinHandle<Result<Server>>>,
    calm: Vec<oneshot::Receiver<()>>,
}

impl Lives {
    /// Things begin to go wrong, as the seed says.
    pub(crate) fn begin(
        seed: u64,
        engines: Engines,
        broker: Broker,
        servers: Vec<Server>,
        over: &watch::Receiver<()>,
    ) -> Self {
        let mut calm = Vec::new();
        let mut signals = || {
            let (tell, told) = oneshot::channel();
            calm.push(told);
            Signals {
                calm: tell,
                over: over.clone(),
            }
        };
        let engines = tokio::spawn(engines.live(dice(seed, Stream::Engines), SPAN, signals()));
        let broker = tokio::spawn(broker.live(dice(seed, Stream::Broker), SPAN, signals()));
        let servers = (0..).zip(servers).map(|(number, server)| {
            tokio::spawn(server.live(dice(seed, Stream::Server(number)), SPAN, signals()))
        });
        let servers = servers.collect();
        Self {
            engines,
            broker,
            servers,
            calm,
        }
    }

    /// Waits until the last fault is over.
    pub(crate) async fn calm(&mut self) -> Result<()> {
        while let Some(last) = self.calm.last_mut() {
            last.await
                .context("a process could not be started again: see events.log")?;
            self.calm.pop();
        }
        Ok(())
    }

    /// Ends all processes, the servers first.
    pub(crate) async fn end(self) -> Result<()> {
        for server in self.servers {
            server.await??.process.stop(GRACE).await?;
        }
        self.engines.await??.process.stop(GRACE).await?;
        // Nothing of it is asked for any more.
        self.broker.await??.process.kill().await
    }
}

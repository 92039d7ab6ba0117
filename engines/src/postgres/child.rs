//! A server that this process started: watched until it ends, and stopped when it is dropped.

use std::{
    future::pending,
    io,
    path::PathBuf,
    process::{Command, ExitStatus},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, TryRecvError},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

use crate::Error;

/// How a server ended that nobody stopped.
#[derive(Clone, Debug)]
pub(crate) struct Lost {
    status: String,
    log: PathBuf,
}

impl From<Lost> for Error {
    fn from(Lost { status, log }: Lost) -> Self {
        Self::PostgresEnded { status, log }
    }
}

/// The process and how it ended.
#[derive(Debug)]
pub(super) struct Child {
    cluster: PathBuf,
    pid: Pid,
    ended: Receiver<io::Result<ExitStatus>>,
    /// Says so when it ended by itself.
    lost: watch::Receiver<Option<Lost>>,
    /// Set when it is us who end it.
    stopping: Arc<AtomicBool>,
}

impl Child {
    /// Starts the server on a thread that lives as long as it does: Linux signals the parent's death to a child when the
    /// thread that started it ends, not when the process does.
    pub(super) fn start(mut command: Command, cluster: PathBuf, log: PathBuf) -> io::Result<Self> {
        let (started, start) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let (sender, lost) = watch::channel(None);
        let wanted = stopping.clone();
        let run = move || match command.spawn() {
            Ok(mut child) => {
                // The receivers are dropped only when nobody waits any more.
                started.send(Ok(child.id())).ok();
                let status = child.wait();
                if !wanted.load(Ordering::Acquire) {
                    let status = match &status {
                        Ok(status) => status.to_string(),
                        Err(error) => error.to_string(),
                    };
                    sender.send_replace(Some(Lost { status, log }));
                }
                end.send(status).ok();
            }
            Err(error) => {
                started.send(Err(error)).ok();
            }
        };
        thread::Builder::new().name("postgres".into()).spawn(run)?;
        let id = start
            .recv()
            .unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        let pid =
            pid.ok_or_else(|| io::Error::other(format!("process id {id} is out of range")))?;
        Ok(Self {
            cluster,
            pid,
            ended,
            lost,
            stopping,
        })
    }

    /// Its process id, as the server writes it into files.
    pub(super) fn id(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits until it ends by itself; for ever if it is stopped.
    pub(super) fn lost(&self) -> impl Future<Output = Lost> + Send + use<> {
        let mut lost = self.lost.clone();
        async move {
            let known = lost.wait_for(Option::is_some).await;
            match known.ok().and_then(|lost| lost.clone()) {
                Some(lost) => lost,
                None => pending().await,
            }
        }
    }

    /// Waits so long for its end.
    pub(super) fn ends_within(&self, patience: Duration) -> bool {
        !matches!(
            self.ended.recv_timeout(patience),
            Err(RecvTimeoutError::Timeout)
        )
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Release);
        if !matches!(self.ended.try_recv(), Err(TryRecvError::Empty)) {
            return; // Ended already; its id may be somebody else's by now.
        }
        // Fast shutdown, then immediate, then none at all.
        for (signal, patience) in [(Signal::INT, 60), (Signal::QUIT, 5), (Signal::KILL, 5)] {
            if kill_process(self.pid, signal).is_err()
                || self.ends_within(Duration::from_secs(patience))
            {
                return;
            }
            tracing::warn!(cluster = %self.cluster.display(), "Postgres is slow to stop");
        }
    }
}

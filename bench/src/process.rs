//! Servers in processes of their own, and what they cost the processor, which Linux says in `/proc`.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::Path,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdin, Command},
};

/// In which the kernel tells a process's time; the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// A server that does not end, or does not come to rest, is an error.
const PATIENCE: Duration = Duration::from_mins(2);

/// Processor time used so far, seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Cpu {
    /// By the process itself.
    pub(crate) own: f64,
    /// By all processes below it, those that have ended included.
    pub(crate) below: f64,
}

impl Cpu {
    /// By all of them.
    pub(crate) fn total(self) -> f64 {
        self.own + self.below
    }

    /// What was used since an earlier moment.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            own: self.own - before.own,
            below: self.below - before.below,
        }
    }
}

/// What the servers that are compared with say before their address.
pub(crate) const READY: &str = "ready at http://";

/// Starts the floor, with the key of a data folder.
pub(crate) async fn floor(database_url: &str, data: &Path) -> Result<Served> {
    // Built beside this program.
    let mut command = Command::new(std::env::current_exe()?.with_file_name("bench-floor"));
    command
        .arg("--key")
        .arg(data.join("development.key"))
        .env("DATABASE_URL", database_url);
    Served::start(command, READY).await.context("the floor")
}

/// A server that has said where it serves.
pub(crate) struct Served {
    child: Child,
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// Open as long as this process lives: its end is how the peers notice.
    _stdin: Option<ChildStdin>,
}

impl Served {
    /// Starts a server and waits for the line that begins with `ready` and ends with its address.
    pub(crate) async fn start(mut command: Command, ready: &str) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let address = loop {
            match lines.next_line().await? {
                Some(line) => {
                    if let Some(address) = line.strip_prefix(ready) {
                        break address.parse()?;
                    }
                }
                None => bail!("the server did not start"),
            }
        };
        Ok(Self {
            _stdin: child.stdin.take(),
            child,
            address,
        })
    }

    /// Asks it to end, and waits until it has.
    pub(crate) async fn stop(mut self) -> Result<ExitStatus> {
        let mut kill = Command::new("kill");
        kill.arg(self.id()?.to_string()).status().await?;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        Ok(ended.context("the server does not end")??)
    }

    /// What it has cost so far.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        cpu(self.id()?)
    }

    /// Waits until neither it nor a process below it has anything to do any more: what one side left behind would be on
    /// the next one's clock.
    pub(crate) async fn rest(&self) -> Result<()> {
        const WATCHED: Duration = Duration::from_millis(500);
        /// Of a core.
        const IDLE: f64 = 0.05;
        let started = Instant::now();
        let mut calm = 0;
        while calm < 2 {
            ensure!(
                started.elapsed() < PATIENCE,
                "the server does not come to rest"
            );
            let before = self.cpu()?;
            tokio::time::sleep(WATCHED).await;
            let is_idle = self.cpu()?.since(before).total() <= IDLE * WATCHED.as_secs_f64();
            calm = if is_idle { calm + 1 } else { 0 };
        }
        Ok(())
    }

    fn id(&self) -> Result<u32> {
        self.child.id().context("the server ended by itself")
    }
}

/// One process as `/proc` has it.
struct Stat {
    parent: u32,
    /// Of its own threads, ticks.
    own: f64,
    /// Of its children that have ended, ticks.
    ended: f64,
}

/// The processor time of a process and of those below it.
fn cpu(id: u32) -> Result<Cpu> {
    let mut processes = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // A process may end meanwhile; its parent has its time then.
        if let Ok(text) = fs::read_to_string(format!("/proc/{id}/stat")) {
            processes.insert(id, stat(&text)?);
        }
    }
    let top = processes.get(&id).context("the process ended by itself")?;
    let below: f64 = (processes.iter())
        .filter(|(process, _)| is_below(**process, id, &processes))
        .map(|(_, stat)| stat.own + stat.ended)
        .sum();
    Ok(Cpu {
        own: top.own / TICKS_PER_SECOND,
        below: (below + top.ended) / TICKS_PER_SECOND,
    })
}

fn is_below(mut process: u32, top: u32, processes: &HashMap<u32, Stat>) -> bool {
    while let Some(stat) = processes.get(&process) {
        process = stat.parent;
        if process == top {
            return true;
        }
    }
    false
}

/// `pid (name) state parent`, nine more, and then the four times: the name may hold anything.
fn stat(text: &str) -> Result<Stat> {
    let (_, rest) = text.rsplit_once(')').context("no name")?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    let ticks =
        |place: usize| -> Result<f64> { Ok(fields.get(place).context("no time")?.parse()?) };
    Ok(Stat {
        parent: fields.get(1).context("no parent")?.parse()?,
        own: ticks(11)? + ticks(12)?,
        ended: ticks(13)? + ticks(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        let stat = stat("7 (a) b 1) S 3 7 7 0 -1 0 0 0 0 0 110 20 4 5 20 0 1 0 0 0").unwrap();
        assert_eq!(stat.parent, 3);
        assert!((stat.own - 130.0).abs() < 1e-9 && (stat.ended - 9.0).abs() < 1e-9);
    }

    #[test]
    fn a_process_of_a_child_is_below() {
        let stat = |parent| Stat {
            parent,
            own: 0.0,
            ended: 0.0,
        };
        let processes = HashMap::from([(1, stat(0)), (2, stat(1)), (3, stat(2)), (4, stat(1))]);
        assert!(is_below(3, 2, &processes) && is_below(2, 1, &processes));
        assert!(!is_below(4, 2, &processes) && !is_below(2, 2, &processes));
    }
}

//! Processes of the program: started with a log file, and ended in every way that there is.

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// How to start a process of the program, again and again.
#[derive(Clone)]
pub(crate) struct Launch {
    /// The program.
    pub(crate) program: PathBuf,
    /// What it is asked to do.
    pub(crate) arguments: Vec<String>,
    /// Its whole environment.
    pub(crate) environment: Vec<(String, String)>,
    /// Where it writes what it has to say; appended to.
    pub(crate) log: PathBuf,
}

impl Launch {
    fn command(&self) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            // No configuration file lies beside the log.
            .current_dir(self.log.parent().unwrap_or(Path::new("/")))
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stderr(self.log()?)
            // A Ctrl-C in the terminal is for the harness, which then ends what it started.
            .process_group(0)
            .kill_on_drop(true);
        Ok(command)
    }

    fn log(&self) -> Result<File> {
        let opened = OpenOptions::new().create(true).append(true).open(&self.log);
        opened.with_context(|| format!("cannot write {}", self.log.display()))
    }

    /// Starts it; what it prints goes to the log.
    pub(crate) fn start(&self) -> Result<Process> {
        let mut command = self.command()?;
        command.stdout(self.log()?);
        Ok(Process(
            command.spawn().context("the program does not start")?,
        ))
    }

    /// Starts it with its output in a pipe.
    pub(crate) fn start_piped(&self) -> Result<Process> {
        let mut command = self.command()?;
        command.stdout(Stdio::piped());
        Ok(Process(
            command.spawn().context("the program does not start")?,
        ))
    }

    /// Runs it to its end: exit code 0 or not, and what it printed.
    pub(crate) async fn run(&self) -> Result<(bool, String)> {
        let mut command = self.command()?;
        let output = command.stdout(Stdio::piped()).output().await?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok((output.status.success(), said))
    }
}

/// A running process. Dropping it kills it.
pub(crate) struct Process(Child);

impl Process {
    /// The child, to be waited for.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Its id, if it has not ended already.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.0.id().and_then(pid)
    }

    /// Sends a signal; one that has ended already gets none.
    pub(crate) fn signal(&self, signal: Signal) {
        send(self.pid().as_slice(), signal);
    }

    /// Ends it without a chance to do anything.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        self.0.kill().await.context("cannot be killed")
    }

    /// Asks it to stop and waits; kills it after `patience`. Says whether it stopped by itself.
    pub(crate) async fn stop(&mut self, patience: Duration) -> Result<bool> {
        self.signal(Signal::TERM);
        self.ended(patience).await
    }

    /// Waits until a process that was asked to stop has done so; kills it after `patience`. Says whether it stopped by
    /// itself.
    pub(crate) async fn ended(&mut self, patience: Duration) -> Result<bool> {
        if let Ok(ended) = tokio::time::timeout(patience, self.0.wait()).await {
            ended?;
            return Ok(true);
        }
        self.kill().await?;
        Ok(false)
    }
}

fn pid(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

/// Sends a signal to processes, of which any may end at this very moment.
pub(crate) fn send(pids: &[Pid], signal: Signal) {
    for pid in pids {
        kill_process(*pid, signal).ok();
    }
}

/// The Postgres of a data folder and everything that it started.
pub(crate) fn postgres(data: &Path) -> Result<Vec<Pid>> {
    #[derive(serde::Deserialize)]
    struct Record {
        cluster: PathBuf,
    }
    let record: Record = serde_json::from_slice(&fs::read(data.join("postgres.json"))?)?;
    let file = data.join(record.cluster).join("postmaster.pid");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let first = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok());
    let postmaster: u32 = first.context("no process id in postmaster.pid")?;
    let children = children_of(postmaster)?;
    Ok(std::iter::once(postmaster)
        .chain(children)
        .filter_map(pid)
        .collect())
}

fn children_of(parent: u32) -> Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(id) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // A process may end while it is looked at.
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // pid (name) state parent: the name may hold anything.
        let above = stat
            .rsplit_once(')')
            .and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        if above == Some(parent) {
            children.push(id);
        }
    }
    Ok(children)
}

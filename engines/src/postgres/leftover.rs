//! A Postgres that a crashed run left behind is recognised by its process id and folder, and ended.

use std::{
    fs, io,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::Error;

/// How long a fast shutdown may take before the hard way: it writes a checkpoint.
const PATIENCE: Duration = Duration::from_mins(1);

/// A crashed run's server may still be running, or have left its pid file to a process that is none of ours.
pub(super) fn end_leftover(cluster: &Path) -> Result<(), Error> {
    let path = cluster.join("postmaster.pid");
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::file(&path, error)),
    };
    let pid = text
        .lines()
        .next()
        .and_then(|line| Pid::from_raw(line.trim().parse().ok()?));
    match pid {
        Some(pid) if works_on(pid, cluster) => {
            tracing::info!(
                pid = pid.as_raw_nonzero(),
                "ending the Postgres of a crashed run"
            );
            end(pid, cluster);
        }
        _ => {}
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::file(&path, error)),
        _ => Ok(()),
    }
}

/// Whether the process exists and its command line names `folder`: ids are reused, so existing is not enough.
fn works_on(pid: Pid, folder: &Path) -> bool {
    if test_kill_process(pid).is_err() {
        return false;
    }
    let id = pid.as_raw_nonzero();
    let line = fs::read(format!("/proc/{id}/cmdline")).or_else(|_| {
        // macOS has no /proc.
        let listed = Command::new("ps")
            .args(["-o", "command=", "-p", &id.to_string()])
            .output();
        listed.map(|output| output.stdout)
    });
    line.is_ok_and(|line| String::from_utf8_lossy(&line).contains(&*folder.to_string_lossy()))
}

/// Ends the process that works on `folder`: by an orderly shutdown, else by killing it. Returns when it has ended.
fn end(pid: Pid, folder: &Path) {
    for (signal, patience) in [
        (Signal::INT, PATIENCE),
        (Signal::QUIT, Duration::from_secs(5)),
        (Signal::KILL, PATIENCE),
    ] {
        if kill_process(pid, signal).is_err() || has_ended(pid, folder, patience) {
            return;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "only its parent is notified when a process ends"
)]
fn has_ended(pid: Pid, folder: &Path, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if !works_on(pid, folder) {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

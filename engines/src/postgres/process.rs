//! Processes by id: telling whether one is a Postgres of ours, and ending it.

use std::{
    fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// How long a fast shutdown may take before the hard way: it writes a checkpoint.
const PATIENCE: Duration = Duration::from_mins(1);

/// Whether the process exists and its command line names `folder`: ids are reused, so existing is not enough.
pub(super) fn works_on(pid: Pid, folder: &Path) -> bool {
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

/// Ends the process that works on `folder`: politely, then not. Returns when it is gone.
pub(super) fn end(pid: Pid, folder: &Path) {
    for (signal, patience) in [
        (Signal::INT, PATIENCE),
        (Signal::QUIT, Duration::from_secs(5)),
        (Signal::KILL, PATIENCE),
    ] {
        if kill_process(pid, signal).is_err() || is_gone(pid, folder, patience) {
            return;
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "nobody but its parent is told when a process ends"
)]
fn is_gone(pid: Pid, folder: &Path, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if !works_on(pid, folder) {
            return true;
        }
        thread::sleep(Duration::from_millis(20));
    }
    false
}

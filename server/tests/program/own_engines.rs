//! Engines of one test, which it may kill and start again.

use std::{
    fs::{self, File, Permissions},
    io::{self, ErrorKind},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::sleep,
};

use crate::support::{PROGRAM, Program};

/// Postgres and ClickHouse at addresses that stay. They end with this value.
pub(crate) struct OwnEngines {
    data: TempDir,
    ports: [u16; 2],
    process: Child,
    servers: [String; 2],
}

impl OwnEngines {
    pub(crate) async fn start() -> Self {
        let data = tempfile::tempdir().expect("a temporary folder");
        // As root, Postgres runs as somebody else, who must be able to pass.
        fs::set_permissions(data.path(), Permissions::from_mode(0o711)).expect("permissions");
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
        let ports = listeners.map(|one| one.local_addr().expect("an address").port());
        let (process, servers) = run(&data, ports).await;
        Self {
            data,
            ports,
            process,
            servers,
        }
    }

    /// The program on them.
    pub(crate) fn program(&self) -> Program {
        Program::at(self.servers.clone())
    }

    /// Ends both without a chance to do anything, and starts them where they were.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.kill().expect("killed");
        self.process.wait().await.expect("a process");
        let (process, servers) = run(&self.data, self.ports).await;
        assert_eq!(servers, self.servers);
        self.process = process;
    }

    fn kill(&mut self) -> io::Result<()> {
        self.process.start_kill()?;
        let pid = fs::read_to_string(self.data.path().join("data/postgres/postmaster.pid"))?;
        let pid = pid.lines().next().and_then(|line| line.parse().ok());
        let postgres = pid.and_then(Pid::from_raw).ok_or(ErrorKind::InvalidData)?;
        Ok(kill_process(postgres, Signal::KILL)?)
    }
}

impl Drop for OwnEngines {
    fn drop(&mut self) {
        // They may be gone already.
        self.kill().ok();
    }
}

/// Runs the engines, as often as whoever looks after them would: of a Postgres that was killed something may still be there.
async fn run(data: &TempDir, ports: [u16; 2]) -> (Child, [String; 2]) {
    for _ in 0..20 {
        if let Some(running) = try_run(data, ports).await {
            return running;
        }
        sleep(Duration::from_millis(250)).await;
    }
    let log = fs::read_to_string(data.path().join("log"));
    panic!("the engines did not start: {log:?}");
}

async fn try_run(data: &TempDir, [postgres, clickhouse]: [u16; 2]) -> Option<(Child, [String; 2])> {
    let log = File::create(data.path().join("log")).expect("a log file");
    let mut process = Command::new(PROGRAM)
        .args(["engines", "--postgres-port", &postgres.to_string()])
        .args(["--clickhouse-listen", &format!("127.0.0.1:{clickhouse}")])
        .env("SIMCUBE_DATA", data.path().join("data"))
        .stdout(Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("the engines start");
    let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
    let mut servers = [const { String::new() }; 2];
    while let Some(line) = lines.next_line().await.expect("text") {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        match name {
            "SIMCUBE_TEST_DATABASE_URL" => value.clone_into(&mut servers[0]),
            "SIMCUBE_TEST_CLICKHOUSE_URL" => value.clone_into(&mut servers[1]),
            "SIMCUBE_TEST_READY" => return Some((process, servers)),
            _ => {}
        }
    }
    None
}

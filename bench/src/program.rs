//! The program as a process of its own, with small tenants: so that what it costs is kept apart from its clients.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    client::{Bodies, Shots},
    engine::Socket,
    intake::TYPE,
};

/// Tenants with a fleet of their own.
pub(crate) const TENANTS: usize = 8;
/// SIMs of each.
const SIMS: usize = 1_000;
/// In which the kernel tells a process's time; the same on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// A server that does not end is an error.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server with private engines: ClickHouse in the same process, Postgres beside it.
pub(crate) struct Program {
    server: Child,
    /// Where it serves.
    pub(crate) address: SocketAddr,
    /// Its ClickHouse, straight.
    pub(crate) socket: Socket,
    /// A token of each tenant.
    tokens: Vec<String>,
}

/// How to call the program.
struct Commands<'a> {
    engines: &'a Path,
    data: &'a Path,
}

impl Commands<'_> {
    fn command(&self, arguments: &[&str]) -> Result<Command> {
        // Built beside this one.
        let program = std::env::current_exe()?.with_file_name("simcube");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .arg("--data")
            .arg(self.data)
            .current_dir(self.data)
            .env_clear()
            .env("SIMCUBE_ENGINES", self.engines)
            .env("SIMCUBE_LOG__LEVEL", "warn")
            .stdin(Stdio::null());
        Ok(command)
    }

    async fn print(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments)?.output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

impl Program {
    /// Serves on a data folder that nobody holds, and makes the tenants.
    pub(crate) async fn start(engines: &Path, data: &Path) -> Result<Self> {
        let (engines, data) = (engines.canonicalize()?, data.canonicalize()?);
        let commands = Commands {
            engines: &engines,
            data: &data,
        };
        let mut command = commands.command(&["serve", "--listen", "127.0.0.1:0"])?;
        let mut server = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(server.stdout.take().context("no output")?).lines();
        let address = loop {
            match lines.next_line().await? {
                Some(line) => {
                    if let Some(address) = line.strip_prefix("simcube is ready at http://") {
                        break address.parse()?;
                    }
                }
                None => bail!("the server did not start"),
            }
        };
        let mut tokens = Vec::new();
        for tenant in 0..TENANTS {
            tokens.push(commands.tenant(tenant).await?);
        }
        Ok(Self {
            server,
            address,
            socket: Socket::new(&data.join("clickhouse.sock")),
            tokens,
        })
    }

    /// Asks it to end, and waits.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = self.server.id().context("the server ended by itself")?;
        let mut kill = Command::new("kill");
        kill.arg(id.to_string()).status().await?;
        let ended = tokio::time::timeout(PATIENCE, self.server.wait()).await;
        ensure!(
            ended.context("the server does not end")??.success(),
            "the server failed"
        );
        Ok(())
    }

    /// Processor time that the process has used so far, seconds: HTTP, intake and ClickHouse with its merges; not
    /// Postgres, which is another process.
    pub(crate) fn processor_time(&self) -> Result<f64> {
        let id = self.server.id().context("the server ended by itself")?;
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        // pid (name) state and then ten more before utime and stime: the name may hold anything.
        let (_, rest) = stat.rsplit_once(')').context("no name")?;
        let mut times = rest.split_whitespace().skip(11).take(2).map(str::parse);
        let mut next = || -> Result<f64> { Ok(times.next().context("no time")??) };
        Ok((next()? + next()?) / TICKS_PER_SECOND)
    }

    /// Deliveries of a tenant.
    pub(crate) fn shots(&self, tenant: usize, bodies: Bodies) -> Shots {
        Shots {
            address: self.address,
            path: "/api/v1/ingest/cdrs",
            content_type: TYPE,
            token: self.tokens[tenant].clone(),
            bodies,
        }
    }
}

impl Commands<'_> {
    /// Makes a tenant with its fleet, and a token of its administrator.
    async fn tenant(&self, tenant: usize) -> Result<String> {
        let slug = format!("sharing-{tenant}");
        self.print(&["tenant", "create", &slug]).await?;
        let rows = (0..SIMS).map(|sim| format!("{},ACTIVE\n", iccid(tenant, sim)));
        let file: PathBuf = self.data.join(format!("{slug}.csv"));
        fs::write(
            &file,
            "iccid,state\n".to_owned() + &rows.collect::<String>(),
        )?;
        let file = file.to_string_lossy();
        self.print(&["import", &file, "--tenant", &slug]).await?;
        let words = ["token", "--tenant", &slug, "--role", "tenant_admin"];
        self.print(&words).await
    }
}

fn iccid(tenant: usize, sim: usize) -> String {
    format!("8946{tenant:02}{sim:013}")
}

/// Usage of the last hours as lines, `count` of them from number `first` on. Records of one series and tenant are distinguished
/// by their number.
pub(crate) fn lines(
    tenant: usize,
    series: &str,
    now: DateTime<Utc>,
    first: usize,
    count: usize,
) -> Bytes {
    let text = |seconds: usize| {
        let moment = now - TimeDelta::seconds(i64::try_from(seconds).unwrap_or_default());
        moment.to_rfc3339_opts(SecondsFormat::Secs, true)
    };
    let line = |n: usize| {
        let iccid = iccid(tenant, n % SIMS);
        let (start, end) = (text(600 + n % 7_200), text(300 + n % 7_200));
        format!(
            r#"{{"record_id":"{series}-{n:09}","source":"bench","iccid":"{iccid}","mcc_mnc":"262-01","radio_access_type":"LTE","service":"DATA","start":"{start}","end":"{end}","bytes_up":{n},"bytes_down":{}}}"#,
            n * 7
        ) + "\n"
    };
    (first..first + count).map(line).collect::<String>().into()
}

/// Deliveries of `size` records each, made when they are sent and never the same twice.
pub(crate) fn fresh(tenant: usize, series: String, now: DateTime<Utc>, size: usize) -> Bodies {
    // Connections are numbered far from each other, so that none reaches the next one's records.
    const APART: usize = 1_000_000;
    Arc::new(move |place, n| lines(tenant, &series, now, place * APART + n * size, size))
}

//! The program as a process of its own, known by its command line and its HTTP only: so that what it costs is kept apart
//! from its clients, and so that it may be another version than this one.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Result, ensure};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::process::Command;

use crate::{
    client::{Bodies, Shots},
    engine::Socket,
    intake::TYPE,
    process::{Cpu, Served},
    record::Record,
};

/// Tenants with a small fleet of their own.
pub(crate) const TENANTS: usize = 8;
/// SIMs of each.
const SIMS: usize = 1_000;

/// A `simcube` and the data folder that it works on.
#[derive(Clone)]
pub(crate) struct Installation {
    program: PathBuf,
    engines: PathBuf,
    data: PathBuf,
}

impl Installation {
    /// The program that was built beside this one, on an existing folder.
    pub(crate) fn built(engines: &Path, data: &Path) -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("simcube");
        Self::of(&program, engines, data)
    }

    /// Any program, on an existing folder.
    pub(crate) fn of(program: &Path, engines: &Path, data: &Path) -> Result<Self> {
        Ok(Self {
            program: program.canonicalize()?,
            engines: engines.canonicalize()?,
            data: data.canonicalize()?,
        })
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .arg("--data")
            .arg(&self.data)
            .current_dir(&self.data)
            .env_clear()
            .env("SIMCUBE_ENGINES", &self.engines)
            .env("SIMCUBE_LOG__LEVEL", "warn");
        command
    }

    async fn print(&self, arguments: &[&str]) -> Result<String> {
        let output = self.command(arguments).output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// A token of a tenant's administrator that outlasts every run.
    pub(crate) async fn token(&self, slug: &str) -> Result<String> {
        let words = ["token", "--tenant", slug, "--role", "tenant_admin"];
        self.print(&[&words[..], &["--ttl", "1d"]].concat()).await
    }

    /// Makes a tenant with the fleet of a CSV text, and a token of its administrator.
    pub(crate) async fn tenant(&self, slug: &str, fleet: &str) -> Result<String> {
        self.print(&["tenant", "create", slug]).await?;
        let file = self.data.join(format!("{slug}.csv"));
        fs::write(&file, fleet)?;
        let file = file.to_string_lossy();
        self.print(&["import", &file, "--tenant", slug]).await?;
        self.token(slug).await
    }
}

/// A running server with private engines: ClickHouse in the same process, Postgres in processes below it.
pub(crate) struct Program {
    installation: Installation,
    /// The server.
    pub(crate) server: Served,
    /// Its ClickHouse, straight.
    pub(crate) socket: Socket,
    /// A token of each tenant that was made.
    tokens: Vec<String>,
}

impl Program {
    /// Serves on a data folder that nobody holds.
    pub(crate) async fn start(installation: Installation) -> Result<Self> {
        let command = installation.command(&["serve", "--listen", "127.0.0.1:0"]);
        let server = Served::start(command, "simcube is ready at http://").await?;
        Ok(Self {
            server,
            socket: Socket::new(&installation.data.join("clickhouse.sock")),
            tokens: Vec::new(),
            installation,
        })
    }

    /// Its command line.
    pub(crate) fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Makes the small tenants.
    pub(crate) async fn add_tenants(&mut self) -> Result<()> {
        for tenant in 0..TENANTS {
            let rows = (0..SIMS).map(|sim| format!("{},ACTIVE\n", iccid(tenant, sim)));
            let fleet = "iccid,state\n".to_owned() + &rows.collect::<String>();
            let slug = format!("sharing-{tenant}");
            let token = self.installation.tenant(&slug, &fleet).await?;
            self.tokens.push(token);
        }
        Ok(())
    }

    /// Asks it to end, and waits.
    pub(crate) async fn stop(self) -> Result<()> {
        ensure!(self.server.stop().await?.success(), "the server failed");
        Ok(())
    }

    /// Processor time so far: HTTP, intake and ClickHouse with its merges are the process itself, Postgres is below it.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        self.server.cpu()
    }

    /// Requests with a token.
    pub(crate) fn requests(
        &self,
        path: &'static str,
        content_type: &'static str,
        token: &str,
        bodies: Bodies,
    ) -> Shots {
        Shots {
            address: self.server.address,
            path,
            content_type,
            token: token.to_owned(),
            bodies,
        }
    }

    /// Deliveries of a small tenant.
    pub(crate) fn shots(&self, tenant: usize, bodies: Bodies) -> Shots {
        self.requests("/api/v1/ingest/cdrs", TYPE, &self.tokens[tenant], bodies)
    }

    /// GraphQL requests of a small tenant.
    pub(crate) fn questions(&self, tenant: usize, bodies: Bodies) -> Shots {
        self.requests("/graphql", "application/json", &self.tokens[tenant], bodies)
    }
}

fn iccid(tenant: usize, sim: usize) -> String {
    format!("8946{tenant:02}{sim:013}")
}

/// Usage of a small tenant in the last hours as lines, `count` of them from number `first` on. Records of one series and tenant
/// are distinguished by their number.
pub(crate) fn lines(
    tenant: usize,
    series: &str,
    now: DateTime<Utc>,
    first: usize,
    count: usize,
) -> Bytes {
    let iccid = |n| iccid(tenant, n % SIMS);
    recent(series, iccid, now, first, count)
}

/// Usage of the last hours as lines, `count` of them from number `first` on, of the SIMs that `iccid` says.
pub(crate) fn recent(
    series: &str,
    iccid: impl Fn(usize) -> String,
    now: DateTime<Utc>,
    first: usize,
    count: usize,
) -> Bytes {
    let ago = |seconds: usize| now - TimeDelta::seconds(i64::try_from(seconds).unwrap_or_default());
    let line = |n: usize| {
        let record = Record {
            id: format!("{series}-{n:09}"),
            iccid: &iccid(n),
            network: "262-01",
            start: ago(600 + n % 7_200),
            end: ago(300 + n % 7_200),
            bytes_up: n as u64,
            bytes_down: n as u64 * 7,
        };
        format!("{record}\n")
    };
    (first..first + count).map(line).collect::<String>().into()
}

/// Deliveries of `size` records each, made when they are sent and never the same twice.
pub(crate) fn fresh(tenant: usize, series: String, now: DateTime<Utc>, size: usize) -> Bodies {
    Arc::new(move |place, n| lines(tenant, &series, now, first_of(place, n, size), size))
}

/// The number of the first record in a connection's `n`th delivery of `size` records. Connections are far from each other, so
/// that none reaches the next one's records.
pub(crate) fn first_of(place: usize, n: usize, size: usize) -> usize {
    const APART: usize = 1_000_000;
    place * APART + n * size
}

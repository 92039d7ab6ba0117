//! Files of usage records: written by Simcube, beside the engine's own CSV, `DuckDB`'s Parquet and Python's workbooks. And how much memory a
//! long file takes beside a short one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Instant,
};

use analytics::usage::{Alignment, Selection, Span};
use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Months, Utc};
use domain::calendar::Zone;
use exports::{Export, Form, Format, Request};
use tokio::{
    fs::File,
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};

use crate::{
    fleet,
    intake::rest,
    peers::install,
    report::{Aim, Comparison},
    say,
    stage::{Stage, claims},
};

/// Records of the long month.
const MANY: u32 = 10_000_000;

/// Where files go, and what they are made of.
struct Bench<'a> {
    stage: &'a Stage,
    folder: &'a Path,
    peers: &'a Path,
}

/// Half-open.
type Period = (DateTime<Utc>, DateTime<Utc>);

pub(crate) async fn run(stage: &Stage, peers: &Path, rounds: u32) -> Result<Vec<Comparison>> {
    install(peers).await?;
    let folder = tempfile::tempdir()?;
    let bench = Bench {
        stage,
        folder: folder.path(),
        peers,
    };
    let mut comparisons = vec![
        bench.csv(rounds).await?,
        bench.parquet(rounds).await?,
        bench.workbook(rounds).await?,
    ];
    comparisons.extend(bench.memory().await?);
    Ok(comparisons)
}

impl Bench<'_> {
    /// The records of a period as a file; how many rows it has, and in how many seconds it was there.
    async fn export(&self, format: Format, (from, to): Period) -> Result<(u64, f64)> {
        let entered = self.stage.entry.enter(&claims(), "bench").await;
        let session = entered.map_err(|error| crate::explain(&error))?;
        let request = Request::Records(Selection {
            period: Span::Between {
                from,
                to,
                align: Alignment::Exact,
            },
            time_zone: Zone::UTC,
            filter: None,
        });
        let export = Export {
            session: &session,
            request: &request,
            form: Form::from(format),
        };
        let started = Instant::now();
        let mut file = File::create(self.path(format)).await?;
        let manifest = export.write(&mut file, |_| ()).await?;
        file.sync_all().await?;
        Ok((manifest.contents.rows, started.elapsed().as_secs_f64()))
    }

    fn path(&self, format: Format) -> PathBuf {
        self.folder.join(format!("records.{}", format.extension()))
    }

    /// Thousands of rows a second, beside a peer that takes so many seconds for as many rows.
    async fn beside(
        &self,
        comparison: &mut Comparison,
        format: Format,
        period: Period,
        peer: &mut Peer<'_>,
        rounds: u32,
    ) -> Result<()> {
        for round in 0..=rounds {
            say(&format!("{}, round {round} of {rounds}", comparison.name));
            let (rows, seconds) = self.export(format, period).await?;
            let (their_rows, their_seconds) = peer.write().await?;
            ensure!(rows == their_rows, "{rows} rows beside {their_rows}");
            // The first round only warms up.
            if round > 0 {
                let thousands = u32::try_from(rows).map_or(f64::MAX, f64::from) / 1_000.0;
                comparison.push(thousands / seconds, thousands / their_seconds);
            }
        }
        Ok(())
    }

    async fn csv(&self, rounds: u32) -> Result<Comparison> {
        let mut comparison = Comparison::new(
            "1,000,000 records to CSV, to the engine's own CSV",
            "1000 rows/s",
            Aim::AtLeast(0.8),
        );
        let mut peer = Peer::Engine(self.stage, self.folder);
        let month = self.stage.month;
        self.beside(&mut comparison, Format::Csv, month, &mut peer, rounds)
            .await?;
        Ok(comparison)
    }

    async fn parquet(&self, rounds: u32) -> Result<Comparison> {
        let mut comparison = Comparison::new(
            "1,000,000 records to Parquet, to DuckDB's COPY of its table",
            "1000 rows/s",
            Aim::AtLeast(0.8),
        );
        let month = self.stage.month;
        self.export(Format::Parquet, month).await?;
        let read = self.path(Format::Parquet);
        let mut command = Command::new("node");
        command.arg(self.peers.join("copy.mjs")).arg(read);
        command.arg(self.folder.join("peer.parquet"));
        let mut peer = Peer::start(command).await?;
        self.beside(&mut comparison, Format::Parquet, month, &mut peer, rounds)
            .await?;
        Ok(comparison)
    }

    async fn workbook(&self, rounds: u32) -> Result<Comparison> {
        let mut comparison = Comparison::new(
            "three days of records to Excel, to XlsxWriter in constant memory",
            "1000 rows/s",
            Aim::AtLeast(4.0),
        );
        let (from, _) = self.stage.month;
        let days = (from, from + chrono::TimeDelta::days(3));
        self.export(Format::Csv, days).await?;
        let mut command = Command::new("python3");
        command
            .arg(self.peers.join("workbook.py"))
            .arg(self.path(Format::Csv));
        command.arg(self.folder.join("peer.xlsx"));
        command.env("PYTHONPATH", python(self.peers).await?);
        let mut peer = Peer::start(command).await?;
        self.beside(&mut comparison, Format::Xlsx, days, &mut peer, rounds)
            .await?;
        Ok(comparison)
    }

    /// The most memory that this process has, which is also the engine's, while a month is written and while three days of it are.
    async fn memory(&self) -> Result<Vec<Comparison>> {
        let (to, _) = self.stage.month;
        let from = to.checked_sub_months(Months::new(1)).context("a month")?;
        say(&format!("a month of {MANY} records"));
        let mut raw = self.stage.socket.connect().await?;
        fleet::fill_month(&mut raw, MANY, from.timestamp(), to.timestamp()).await?;
        rest(&self.stage.socket).await?;
        let part = |divisor: i32| (from, from + (to - from) / divisor);
        let mut comparisons = Vec::new();
        for (format, parts) in [
            (Format::Csv, [1, 10]),
            (Format::Parquet, [1, 10]),
            (Format::Xlsx, [5, 50]),
        ] {
            // The first of a kind fills caches that stay.
            self.export(format, part(100)).await?;
            let (few, small) = self.peak(format, part(parts[1])).await?;
            let (many, large) = self.peak(format, part(parts[0])).await?;
            let name = format!(
                "memory for {many} records to {}, to that for {few}",
                format.as_ref()
            );
            let mut memory = Comparison::new(name, "MiB", Aim::AtMost(1.2));
            memory.push(large, small);
            comparisons.push(memory);
        }
        Ok(comparisons)
    }

    /// Rows of a file, and the most MiB that were in memory meanwhile.
    async fn peak(&self, format: Format, period: Period) -> Result<(u64, f64)> {
        // Begins to count anew (proc(5), clear_refs).
        fs::write("/proc/self/clear_refs", "5").context("cannot count memory anew")?;
        let (rows, _) = self.export(format, period).await?;
        let status = fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        let kibibytes = kibibytes.context("Linux does not say how much memory there was")?;
        fs::remove_file(self.path(format))?;
        Ok((rows, kibibytes / 1024.0))
    }
}

/// Who else writes the same rows.
enum Peer<'a> {
    /// The engine itself, over its socket.
    Engine(&'a Stage, &'a Path),
    /// A program that writes once for each line that it is told, and answers with rows and seconds.
    Program(Box<Child>, BufReader<tokio::process::ChildStdout>),
}

impl Peer<'_> {
    async fn start(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let output = child.stdout.take().context("no output")?;
        let mut lines = BufReader::new(output);
        let mut ready = String::new();
        lines.read_line(&mut ready).await?;
        ensure!(ready.trim() == "ready", "the peer said {ready:?}");
        Ok(Self::Program(Box::new(child), lines))
    }

    async fn write(&mut self) -> Result<(u64, f64)> {
        match self {
            Self::Engine(stage, folder) => engine(stage, folder).await,
            Self::Program(child, lines) => {
                let input = child.stdin.as_mut().context("no input")?;
                input.write_all(b"write\n").await?;
                let mut said = String::new();
                lines.read_line(&mut said).await?;
                let (rows, seconds) = said.trim().split_once(' ').context("the peer ended")?;
                Ok((rows.parse()?, seconds.parse()?))
            }
        }
    }
}

/// The same records in the same order, as the engine writes them.
async fn engine(stage: &Stage, folder: &Path) -> Result<(u64, f64)> {
    let (from, to) = stage.month;
    let tenant = fleet::tenant();
    let sql = format!(
        "SELECT record_id, source, start, end, received_at, sim, customer, device, network, rat, service, bytes_up, bytes_down, units,
                sign, batch
           FROM cdr WHERE tenant = '{}' AND start >= {} AND start < {} ORDER BY customer, sim, start, identity FORMAT CSVWithNames",
        tenant.uuid(),
        from.timestamp(),
        to.timestamp(),
    );
    let path = folder.join("peer.csv");
    let mut raw = stage.socket.connect().await?;
    let started = Instant::now();
    let bytes = raw.bytes(&sql).await?;
    let mut file = File::create(&path).await?;
    file.write_all(&bytes).await?;
    file.sync_all().await?;
    let seconds = started.elapsed().as_secs_f64();
    let lines = str::from_utf8(&bytes)?.lines().count() as u64;
    Ok((lines - 1, seconds))
}

/// The folder with the one package of Python that is needed.
async fn python(peers: &Path) -> Result<PathBuf> {
    let folder = peers.join("python");
    if !folder.join("xlsxwriter").is_dir() {
        say("fetching XlsxWriter");
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--target",
        ]);
        let output = pip
            .arg(&folder)
            .arg("-r")
            .arg(peers.join("requirements.txt"));
        let output = output.output().await.context("Python is missing")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pip could not fetch it: {said}");
    }
    Ok(folder)
}

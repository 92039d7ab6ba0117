//! The truth about a plan, written down before anything is sent, and its comparison with what a server answers.
//!
//! Four files: `expected_usage.parquet` ([`UsageRow`]), `expected_sessions.parquet` ([`SessionRow`]), `expected_accounting.parquet`
//! ([`AccountingRow`]) and `manifest.json` ([`Manifest`]). They speak of accepted records, exactly. How many duplicates there were
//! depends on retries and is not in them; of refusals they say how many distinct ones there are at least. Rollups are all booked
//! under one source, whoever sends them: how many were accepted is what the sums of sessions say.

mod compare;
mod row;
mod session;

use std::{
    collections::BTreeMap,
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use domain::fleet::slug;
use exports::{Record, Writer};
use serde::{Deserialize, Serialize};

use crate::{
    block::{self, Block, sources},
    plan::FleetPlan,
    record::Feed,
};

use compare::sums;
pub use compare::{Difference, Row, compare, compare_accounting};
pub use row::{AccountingRow, UsageRow};
pub use session::SessionRow;
#[cfg(test)]
pub(crate) use session::sessions_of as expected_sessions;

const USAGE: &str = "expected_usage.parquet";
const SESSIONS: &str = "expected_sessions.parquet";
const ACCOUNTING: &str = "expected_accounting.parquet";
const MANIFEST: &str = "manifest.json";
/// Version of the files' meaning.
const VERSION: u32 = 4;

/// Why an oracle cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A damaged or foreign Parquet file.
    #[error("{path}: {source}", path = path.display())]
    Parquet {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: exports::Error,
    },
    /// A damaged or foreign manifest.
    #[error("{path} is not a manifest of this version")]
    Manifest {
        /// Which file.
        path: PathBuf,
    },
}

/// What the oracle is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the files' meaning.
    pub version: u32,
    /// Slug of the tenant.
    pub tenant: String,
    /// Seed of the plan.
    pub seed: u64,
    /// SIMs.
    pub sims: u32,
    /// First moment of the range.
    pub from: DateTime<Utc>,
    /// First moment after it.
    pub until: DateTime<Utc>,
    /// First moment at which a session may begin; `until` when there are none.
    pub sessions_from: DateTime<Utc>,
    /// Fewest bytes of a data record.
    pub min_bytes: u64,
    /// Most bytes of a data record.
    pub max_bytes: u64,
    /// Faults, as on the command line.
    pub faults: String,
    /// Sources as intake names them. Only their usage is compared.
    pub sources: Vec<String>,
    /// True records.
    pub records: u64,
    /// Deliveries of one run without retries.
    pub deliveries: u64,
    /// Rows of `expected_usage.parquet`.
    pub usage_rows: u64,
    /// True rollups of sessions.
    pub rollups: u64,
    /// Rows of `expected_sessions.parquet`.
    pub session_rows: u64,
    /// Sum of bytes from devices, as text because it may exceed 64 bits.
    pub bytes_up: String,
    /// Sum of bytes to devices.
    pub bytes_down: String,
}

/// An oracle that was read.
#[derive(Clone, Debug)]
pub struct Oracle {
    /// What it is about.
    pub manifest: Manifest,
    /// Expected usage.
    pub usage: Vec<UsageRow>,
    /// Expected sums of sessions.
    pub sessions: Vec<SessionRow>,
    /// Expected books.
    pub accounting: Vec<AccountingRow>,
}

type Books = BTreeMap<(String, String), (u64, i128, i128)>;

/// Writes the oracle of `plan` into the directory `dir`, which is created.
///
/// # Errors
/// When a file cannot be written.
pub fn write(plan: &FleetPlan, dir: &Path) -> Result<Manifest, Error> {
    std::fs::create_dir_all(dir).map_err(|source| Error::File {
        path: dir.into(),
        source,
    })?;
    let mut usage = create::<UsageRow>(dir.join(USAGE))?;
    let mut sessions = create::<SessionRow>(dir.join(SESSIONS))?;
    let mut books = Books::new();
    let (mut deliveries, mut rollups) = (0, 0);
    for number in 0..block::count(plan) {
        let block = Block::new(plan, number);
        deliveries += block.deliveries();
        for row in usage_of(plan, &block) {
            usage.push(&row)?;
        }
        rollups += block.passages.len() as u64;
        for row in session::sessions_of(&block) {
            sessions.push(&row)?;
        }
        book(plan, &block, &mut books);
    }
    let usage_rows = usage.finish()?;
    let session_rows = sessions.finish()?;
    let mut accounting = create::<AccountingRow>(dir.join(ACCOUNTING))?;
    let (mut records, mut up, mut down) = (0, 0, 0);
    for ((source, code), (count, bytes_up, bytes_down)) in books {
        if code.is_empty() {
            (records, up, down) = (records + count, up + bytes_up, down + bytes_down);
        }
        accounting.push(&AccountingRow {
            source,
            code,
            records: count,
            bytes_up,
            bytes_down,
        })?;
    }
    accounting.finish()?;
    let manifest = Manifest {
        version: VERSION,
        tenant: plan.tenant.clone(),
        seed: plan.seed,
        sims: plan.sims,
        from: plan.from(),
        until: plan.until,
        sessions_from: plan.sessions_from(),
        min_bytes: plan.min_bytes,
        max_bytes: plan.max_bytes,
        faults: plan.faults.to_string(),
        sources: sources(plan).into(),
        records,
        deliveries,
        usage_rows,
        rollups,
        session_rows,
        bytes_up: up.to_string(),
        bytes_down: down.to_string(),
    };
    let path = dir.join(MANIFEST);
    let text =
        serde_json::to_vec_pretty(&manifest).map_err(|_| Error::Manifest { path: path.clone() })?;
    std::fs::write(&path, text).map_err(|source| Error::File { path, source })?;
    Ok(manifest)
}

/// How many deliveries one run of `plan` makes, retries aside.
pub fn deliveries(plan: &FleetPlan) -> u64 {
    (0..block::count(plan))
        .map(|number| Block::new(plan, number).deliveries())
        .sum()
}

/// A Parquet file that knows its path.
struct Sheet<R: Record> {
    writer: Writer<BufWriter<File>, R>,
    path: PathBuf,
}

fn create<R: Record>(path: PathBuf) -> Result<Sheet<R>, Error> {
    let file = File::create(&path).map_err(|source| Error::File {
        path: path.clone(),
        source,
    })?;
    match Writer::new(BufWriter::new(file)) {
        Ok(writer) => Ok(Sheet { writer, path }),
        Err(source) => Err(Error::Parquet { path, source }),
    }
}

impl<R: Record> Sheet<R> {
    fn push(&mut self, row: &R) -> Result<(), Error> {
        let path = &self.path;
        self.writer.push(row).map_err(|source| Error::Parquet {
            path: path.clone(),
            source,
        })
    }

    fn finish(self) -> Result<u64, Error> {
        let path = self.path;
        let (file, rows) = self.writer.finish().map_err(|source| Error::Parquet {
            path: path.clone(),
            source,
        })?;
        file.into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .map_err(|source| Error::File { path, source })?;
        Ok(rows)
    }
}

fn day_of(moment: DateTime<Utc>) -> DateTime<Utc> {
    moment.duration_trunc(TimeDelta::days(1)).unwrap_or(moment)
}

/// The expected usage of one block, sorted.
fn usage_of(plan: &FleetPlan, block: &Block) -> Vec<UsageRow> {
    let [gateway, streamer] = sources(plan);
    let row = |journey: &block::Journey| {
        let (record, sim) = (&journey.record, &block.sims[journey.sim]);
        UsageRow {
            source: match record.feed {
                Feed::Gateway => gateway.clone(),
                Feed::Streamer => streamer.clone(),
            },
            customer: slug(sim.customer_at(record.start)),
            iccid: sim.iccid.clone(),
            device: sim.device_name().to_owned(),
            network: record.network(),
            rat: record.rat().to_owned(),
            service: record.service().to_owned(),
            day: day_of(record.start),
            records: 1,
            bytes_up: i128::from(record.up),
            bytes_down: i128::from(record.down),
        }
    };
    sums(block.journeys.iter().map(row)).into_values().collect()
}

fn book(plan: &FleetPlan, block: &Block, books: &mut Books) {
    let [gateway, streamer] = sources(plan);
    let mut enter = |source: &str, code: &str, up: u64, down: u64| {
        let line = books
            .entry((source.to_owned(), code.to_owned()))
            .or_default();
        *line = (
            line.0 + 1,
            line.1 + i128::from(up),
            line.2 + i128::from(down),
        );
    };
    for journey in &block.journeys {
        let record = &journey.record;
        let source = match record.feed {
            Feed::Gateway => &gateway,
            Feed::Streamer => &streamer,
        };
        enter(source, "", record.up, record.down);
        if journey.is_disputed {
            enter(source, "CONFLICT", 0, 0);
        }
    }
    let booked = block.broken.iter().filter(|it| it.is_booked(plan));
    for broken in booked {
        enter(&broken.source, broken.code, 0, 0);
    }
}

/// Reads an oracle back.
///
/// # Errors
/// When a file is missing, damaged or of another version.
pub fn read(dir: &Path) -> Result<Oracle, Error> {
    let path = dir.join(MANIFEST);
    let text = std::fs::read(&path).map_err(|source| Error::File {
        path: path.clone(),
        source,
    })?;
    let manifest: Manifest =
        serde_json::from_slice(&text).map_err(|_| Error::Manifest { path: path.clone() })?;
    if manifest.version != VERSION {
        return Err(Error::Manifest { path });
    }
    Ok(Oracle {
        manifest,
        usage: rows(dir.join(USAGE))?,
        sessions: rows(dir.join(SESSIONS))?,
        accounting: rows(dir.join(ACCOUNTING))?,
    })
}

fn rows<R: Record>(path: PathBuf) -> Result<Vec<R>, Error> {
    let file = File::open(&path).map_err(|source| Error::File {
        path: path.clone(),
        source,
    })?;
    exports::read(file)
        .and_then(Iterator::collect)
        .map_err(|source| Error::Parquet { path, source })
}

//! From a body of any length to batches of raw records, in bounded memory.
//!
//! What came and what was passed on is counted in a [`Place`] of the tenant: the bytes, and [`RECORD_COST`] for each
//! record. A reader without room waits, or passes on what it has. Whole records wait for others at most
//! [`BodyLimits::linger`], so a slow stream of lines holds the tail of one line and no more.
//!
//! A body is optionally gzipped and framed as [`Framing::Json`] (read whole, at most [`BodyLimits::body_bytes`]
//! decompressed, so a limit refuses it before anything is recorded) or as [`Framing::Lines`] (streamed; only a batch is
//! in memory). What cannot be split into records any further, such as the end of a truncated gzip, becomes one last
//! record with a [`Flaw`], so that what came before it counts and the sender hears of it.

mod pace;
mod split;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_compression::tokio::bufread::GzipDecoder;
use bytes::{Bytes, BytesMut};
use domain::{Code, Error, Result};
use futures::{Stream, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    time::Instant,
};
use tokio_util::io::StreamReader;

use crate::{admission::Place, format::Framing};
use pace::Pace;
use split::{Lines, Values};

/// Bytes of memory that a record takes beside its own, decoded and on its way to the cubes.
pub const RECORD_COST: u64 = 512;

/// Bytes asked for at once.
const CHUNK: usize = 64 * 1024;
/// Bytes of a buffer below which a new one is made. Records keep their buffer alive, so that a buffer for each reading
/// would cost a slow sender's records many times their bytes.
const SPARE: usize = CHUNK / 16;

/// What one body may cost.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimits {
    /// Most bytes of one record; a longer one is refused, its neighbours are not.
    pub record_bytes: usize,
    /// Most records of one batch.
    pub batch_records: usize,
    /// Most bytes of one batch, decompressed.
    pub batch_bytes: usize,
    /// Most bytes of a body that is read whole, decompressed. Lines are not limited.
    pub body_bytes: usize,
    /// Most bytes that one compressed byte may become. Usage records compress 10 to 30 times; a gzip bomb 1,000 times.
    pub expansion: u64,
    /// Decompressed bytes up to which the expansion is not looked at.
    pub expansion_free_bytes: u64,
    /// How long a sender may be silent in the middle of a body.
    pub silence: Duration,
    /// Bytes per second, as sent, that come at least, unless whole records come.
    pub rate: u64,
    /// The time over which the rate is measured, and in which a whole record excuses a lower one.
    pub rate_window: Duration,
    /// How long a whole line waits for others before it is passed on.
    pub linger: Duration,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            record_bytes: 256 * 1024,
            batch_records: 10_000,
            batch_bytes: 8 * 1024 * 1024,
            body_bytes: 10 * 1024 * 1024,
            expansion: 100,
            expansion_free_bytes: 1024 * 1024,
            silence: Duration::from_secs(30),
            rate: 1024,
            rate_window: Duration::from_secs(30),
            linger: Duration::from_secs(1),
        }
    }
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// RFC 1952, one or more members.
    Gzip,
}

impl Encoding {
    /// By the `Content-Encoding` header.
    ///
    /// # Errors
    /// `INVALID_INPUT` for another encoding.
    pub fn parse(header: Option<&str>) -> Result<Self> {
        match header
            .map(|text| text.trim().to_ascii_lowercase())
            .as_deref()
        {
            None | Some("" | "identity") => Ok(Self::Identity),
            Some("gzip" | "x-gzip") => Ok(Self::Gzip),
            Some(_) => Err(Error::invalid(
                "unsupported content encoding: use gzip or none",
            )),
        }
    }
}

/// One record as received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    /// Position in the body, from 0.
    pub index: u64,
    /// Its bytes; only the beginning when it has a flaw.
    pub bytes: Bytes,
    /// Why it cannot be decoded, if so.
    pub flaw: Option<Flaw>,
}

/// Why a piece of a body is no record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Longer than [`BodyLimits::record_bytes`].
    TooLong,
    /// The rest of the body cannot be read.
    Rest {
        /// What is said when nothing before it could be read either.
        code: Code,
        /// Why.
        why: &'static str,
    },
}

impl Flaw {
    fn invalid(why: &'static str) -> Self {
        Self::Rest {
            code: Code::InvalidInput,
            why,
        }
    }
}

/// Records that are passed on together.
pub struct Batch {
    /// At least one.
    pub records: Vec<Raw>,
    /// What they occupy.
    pub room: Room,
}

/// Memory of a batch. Keep it until the batch is answered, then drop it.
pub struct Room {
    _batch: Place,
    /// Records of a body that was read whole keep all of it.
    _body: Option<Arc<Place>>,
}

/// Reads a body batch by batch.
pub struct Reader {
    input: Box<dyn AsyncRead + Send + Unpin>,
    framing: Framing,
    limits: BodyLimits,
    buffer: BytesMut,
    splitter: Splitter,
    compressed: bool,
    /// Bytes that came, as they were sent.
    came: Arc<AtomicU64>,
    broke_off: Arc<AtomicBool>,
    /// Bytes that were read, decompressed.
    read: u64,
    next_index: u64,
    pace: Pace,
    /// For the buffer and the records that are passed on next.
    place: Place,
    /// For a body that was read whole.
    body: Option<Arc<Place>>,
    records: Vec<Raw>,
    /// Bytes of these records.
    record_bytes: usize,
    /// When the first of them was found.
    since: Option<Instant>,
    /// What is said after them.
    failed: Option<Error>,
}

enum Splitter {
    Lines(Lines),
    /// Before the whole body is here.
    Waiting,
    Values(Values),
}

/// What reading once did.
enum Filled {
    /// Something came, or nothing for as long as may be waited now.
    More,
    /// The body ended, properly or with a flaw.
    End(Option<Flaw>),
}

impl Reader {
    /// A reader over a body's chunks.
    pub fn new<E>(
        body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        framing: Framing,
        encoding: Encoding,
        limits: BodyLimits,
        place: Place,
    ) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let broke_off = Arc::new(AtomicBool::new(false));
        let came = Arc::new(AtomicU64::new(0));
        let (flag, counter) = (broke_off.clone(), came.clone());
        let body = body.map(move |chunk| match chunk {
            Ok(bytes) => {
                counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Ok(bytes)
            }
            Err(error) => {
                flag.store(true, Ordering::Relaxed);
                Err(io::Error::other(error))
            }
        });
        let body = StreamReader::new(body);
        let input: Box<dyn AsyncRead + Send + Unpin> = match encoding {
            Encoding::Identity => Box::new(body),
            Encoding::Gzip => {
                let mut decoder = GzipDecoder::new(body);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
        };
        let splitter = match framing {
            Framing::Lines => Splitter::Lines(Lines::new(limits.record_bytes)),
            Framing::Json => Splitter::Waiting,
        };
        Self {
            input,
            framing,
            limits,
            buffer: BytesMut::new(),
            splitter,
            compressed: encoding == Encoding::Gzip,
            came,
            broke_off,
            read: 0,
            next_index: 0,
            pace: Pace::default(),
            place,
            body: None,
            records: Vec::new(),
            record_bytes: 0,
            since: None,
            failed: None,
        }
    }

    /// The next records, none at the end. Dropped before it is ready, it loses nothing.
    ///
    /// # Errors
    /// `INVALID_INPUT` when the sender broke off; whole records that came before were passed on. `LIMIT_EXCEEDED` when
    /// a body that is read whole is too large; of such a body nothing was passed on. `THROTTLED` when there was no room
    /// for too long.
    pub async fn next_batch(&mut self) -> Result<Option<Batch>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        loop {
            if !self.place.try_cover(self.held()) {
                if !self.records.is_empty() {
                    return Ok(Some(self.hand_out()));
                }
                self.place.cover(self.held()).await?;
            }
            if let Some((bytes, flaw)) = self.split() {
                self.add(bytes, flaw);
                if self.is_full() {
                    return Ok(Some(self.hand_out()));
                }
                continue;
            }
            if self.is_at_end() || self.has_lingered() {
                return Ok((!self.records.is_empty()).then(|| self.hand_out()));
            }
            if let Err(error) = self.advance().await {
                if self.records.is_empty() {
                    return Err(error);
                }
                self.failed = Some(error);
                return Ok(Some(self.hand_out()));
            }
        }
    }

    /// Bytes of memory that its place has to cover.
    fn held(&self) -> u64 {
        self.buffer.len() as u64 + self.held_by_records()
    }

    fn held_by_records(&self) -> u64 {
        // Records of a body that was read whole are a part of it.
        let bytes = if self.body.is_none() {
            self.record_bytes
        } else {
            0
        };
        bytes as u64 + self.records.len() as u64 * RECORD_COST
    }

    fn add(&mut self, bytes: Bytes, flaw: Option<Flaw>) {
        self.pace.delivered();
        self.since.get_or_insert_with(Instant::now);
        self.record_bytes += bytes.len();
        self.records.push(Raw {
            index: self.next_index,
            bytes,
            flaw,
        });
        self.next_index += 1;
    }

    fn is_full(&self) -> bool {
        self.records.len() >= self.limits.batch_records
            || self.record_bytes >= self.limits.batch_bytes
    }

    fn has_lingered(&self) -> bool {
        self.since
            .is_some_and(|since| since.elapsed() >= self.limits.linger)
    }

    fn hand_out(&mut self) -> Batch {
        let room = Room {
            _batch: self.place.split(self.held_by_records()),
            _body: self.body.clone(),
        };
        self.place.shrink_to(self.buffer.len() as u64);
        if self.framing == Framing::Lines {
            self.place.step_back();
        }
        self.record_bytes = 0;
        self.since = None;
        Batch {
            records: std::mem::take(&mut self.records),
            room,
        }
    }

    fn split(&mut self) -> Option<(Bytes, Option<Flaw>)> {
        match &mut self.splitter {
            Splitter::Lines(lines) => lines.next(&mut self.buffer),
            Splitter::Waiting => None,
            Splitter::Values(values) => values.next(),
        }
    }

    fn is_at_end(&self) -> bool {
        match &self.splitter {
            Splitter::Lines(lines) => lines.is_at_end(),
            Splitter::Waiting => false,
            Splitter::Values(_) => true,
        }
    }

    /// Reads once, and prepares for splitting when the body has ended.
    async fn advance(&mut self) -> Result<()> {
        let end = match self.fill().await? {
            Filled::More => return Ok(()),
            Filled::End(flaw) => flaw,
        };
        match &mut self.splitter {
            Splitter::Lines(lines) => lines.end(end),
            Splitter::Waiting | Splitter::Values(_) => {
                let place = self.place.split(self.buffer.len() as u64);
                self.body = Some(Arc::new(place));
                let body = std::mem::take(&mut self.buffer).freeze();
                self.splitter = Splitter::Values(Values::new(body, end, self.limits.record_bytes));
            }
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<Filled> {
        self.pace.judge(&self.limits)?;
        if self.buffer.capacity() - self.buffer.len() < SPARE {
            self.buffer.reserve(CHUNK);
        }
        let mut patience = self.pace.patience(&self.limits);
        if let Some(since) = self.since {
            patience = patience.min(self.limits.linger.saturating_sub(since.elapsed()));
        }
        let (began, before) = (Instant::now(), self.came.load(Ordering::Relaxed));
        let reading = self.input.read_buf(&mut self.buffer);
        let reading = tokio::time::timeout(patience, reading).await;
        let came = self.came.load(Ordering::Relaxed) - before;
        self.pace.waited(began.elapsed(), came);
        let count = match reading {
            Err(_) => return Ok(Filled::More),
            Ok(Ok(0)) => return Ok(Filled::End(None)),
            Ok(Ok(count)) => count,
            Ok(Err(_)) if self.broke_off.load(Ordering::Relaxed) => {
                return Err(Error::invalid("the body broke off"));
            }
            Ok(Err(_)) => {
                let flaw = Flaw::invalid("the rest of the body is not gzip, or was cut off");
                return Ok(Filled::End(Some(flaw)));
            }
        };
        self.read += count as u64;
        if self.framing == Framing::Json && self.read > self.limits.body_bytes as u64 {
            let text = format!(
                "a body that is not one record per line has at most {} bytes",
                self.limits.body_bytes
            );
            return Err(Error::limit(text, self.limits.body_bytes as u64, self.read));
        }
        if !self.expands_too_far() {
            return Ok(Filled::More);
        }
        match self.framing {
            Framing::Json => Err(Error::limit(
                "the body is compressed beyond the limit",
                self.may_expand(),
                self.read,
            )),
            Framing::Lines => Ok(Filled::End(Some(Flaw::Rest {
                code: Code::LimitExceeded,
                why: "the rest of the body was not read: it is compressed beyond the limit",
            }))),
        }
    }

    fn expands_too_far(&self) -> bool {
        self.compressed && self.read > self.may_expand()
    }

    /// Bytes that what came so far may become.
    fn may_expand(&self) -> u64 {
        let allowed = self.came.load(Ordering::Relaxed) * self.limits.expansion;
        allowed.max(self.limits.expansion_free_bytes)
    }
}

#[cfg(test)]
mod tests;

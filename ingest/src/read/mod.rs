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

mod input;
mod limits;
mod pace;
mod split;

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use domain::{Code, Error, Result};
use futures::Stream;
use tokio::time::Instant;

pub use input::Encoding;
pub use limits::BodyLimits;
pub use split::Flaw;

use crate::{admission::Place, format::Framing};
use input::Input;
use pace::Pace;
use split::{Lines, Values};

/// Bytes of memory that a record takes beside its own, decoded and on its way to the cubes.
pub const RECORD_COST: u64 = 512;

/// Bytes asked for at once.
const CHUNK: usize = 64 * 1024;
/// Bytes of a buffer below which a new one is made. Records keep their buffer alive, so that a buffer for each reading
/// would cost a slow sender's records many times their bytes.
const SPARE: usize = CHUNK / 16;

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
    input: Input,
    framing: Framing,
    limits: BodyLimits,
    buffer: BytesMut,
    splitter: Splitter,
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
        let splitter = match framing {
            Framing::Lines => Splitter::Lines(Lines::new(limits.record_bytes)),
            Framing::Json => Splitter::Waiting,
        };
        Self {
            input: Input::new(body, encoding),
            framing,
            limits,
            buffer: BytesMut::new(),
            splitter,
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
        let (began, before) = (Instant::now(), self.input.came());
        let patience = self.patience();
        let reading = self.input.read(&mut self.buffer);
        let reading = tokio::time::timeout(patience, reading).await;
        let came = self.input.came() - before;
        self.pace.waited(began.elapsed(), came);
        match reading {
            Err(_) => Ok(Filled::More),
            Ok(Ok(0)) => Ok(Filled::End(None)),
            Ok(Ok(_)) => self.within_limits(),
            Ok(Err(_)) if self.input.broke_off() => Err(Error::invalid("the body broke off")),
            Ok(Err(_)) => {
                let flaw = Flaw::invalid("the rest of the body is not gzip, or was cut off");
                Ok(Filled::End(Some(flaw)))
            }
        }
    }

    /// How long may be waited now.
    fn patience(&self) -> Duration {
        let patience = self.pace.patience(&self.limits);
        match self.since {
            Some(since) => patience.min(self.limits.linger.saturating_sub(since.elapsed())),
            None => patience,
        }
    }

    /// Goes on unless a limit is exceeded.
    fn within_limits(&self) -> Result<Filled> {
        let (read, most) = (self.input.was_read(), self.limits.body_bytes as u64);
        if self.framing == Framing::Json && read > most {
            let text = format!("a body that is not one record per line has at most {most} bytes");
            return Err(Error::limit(text, most, read));
        }
        let allowed = self.may_expand();
        if !self.input.expands_beyond(allowed) {
            return Ok(Filled::More);
        }
        match self.framing {
            Framing::Json => {
                let text = "the body is compressed beyond the limit";
                Err(Error::limit(text, allowed, read))
            }
            Framing::Lines => Ok(Filled::End(Some(Flaw::Rest {
                code: Code::LimitExceeded,
                why: "the rest of the body was not read: it is compressed beyond the limit",
            }))),
        }
    }

    /// Bytes that what came so far may become.
    fn may_expand(&self) -> u64 {
        let allowed = self.input.came() * self.limits.expansion;
        allowed.max(self.limits.expansion_free_bytes)
    }
}

#[cfg(test)]
mod tests;

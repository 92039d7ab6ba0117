//! From a body of any length to batches of raw records, in bounded memory.
//!
//! A body is optionally gzipped and framed as [`Framing::Json`] (read whole, at most [`Limits::body_bytes`]
//! decompressed, so a limit refuses it before anything is recorded) or as [`Framing::Lines`] (streamed; only a batch is
//! in memory). What cannot be split into records any further, such as the end of a truncated gzip, becomes one last
//! record with a [`Flaw`], so that what came before it counts and the sender is told.

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
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::io::StreamReader;

use crate::format::Framing;
use split::{Lines, Values};

/// Bytes asked for at once.
const CHUNK: usize = 64 * 1024;

/// What one body may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            record_bytes: 256 * 1024,
            batch_records: 10_000,
            batch_bytes: 8 * 1024 * 1024,
            body_bytes: 10 * 1024 * 1024,
            expansion: 100,
            expansion_free_bytes: 1024 * 1024,
            silence: Duration::from_secs(30),
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
    /// Longer than [`Limits::record_bytes`].
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

/// Reads a body batch by batch.
pub struct Reader {
    input: Box<dyn AsyncRead + Send + Unpin>,
    framing: Framing,
    limits: Limits,
    buffer: BytesMut,
    splitter: Splitter,
    compressed: Option<Arc<AtomicU64>>,
    broke_off: Arc<AtomicBool>,
    read: u64,
    next_index: u64,
}

enum Splitter {
    Lines(Lines),
    /// Before the whole body is here.
    Waiting,
    Values(Values),
}

/// What reading once did.
enum Filled {
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
        limits: Limits,
    ) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let broke_off = Arc::new(AtomicBool::new(false));
        let received = Arc::new(AtomicU64::new(0));
        let (flag, counter) = (broke_off.clone(), received.clone());
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
        let (input, compressed): (Box<dyn AsyncRead + Send + Unpin>, _) = match encoding {
            Encoding::Identity => (Box::new(body), None),
            Encoding::Gzip => {
                let mut decoder = GzipDecoder::new(body);
                decoder.multiple_members(true);
                (Box::new(decoder), Some(received))
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
            compressed,
            broke_off,
            read: 0,
            next_index: 0,
        }
    }

    /// The next records, none at the end.
    ///
    /// # Errors
    /// `INVALID_INPUT` when the sender broke off, `LIMIT_EXCEEDED` when a body that is read whole is too large; of
    /// such a body nothing was handed out.
    pub async fn next_batch(&mut self) -> Result<Option<Vec<Raw>>> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        loop {
            while let Some((piece, flaw)) = self.split() {
                bytes += piece.len();
                batch.push(Raw {
                    index: self.next_index,
                    bytes: piece,
                    flaw,
                });
                self.next_index += 1;
                if batch.len() >= self.limits.batch_records || bytes >= self.limits.batch_bytes {
                    return Ok(Some(batch));
                }
            }
            if self.is_at_end() {
                return Ok((!batch.is_empty()).then_some(batch));
            }
            self.advance().await?;
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
                let body = std::mem::take(&mut self.buffer).freeze();
                self.splitter = Splitter::Values(Values::new(body, end, self.limits.record_bytes));
            }
        }
        Ok(())
    }

    async fn fill(&mut self) -> Result<Filled> {
        self.buffer.reserve(CHUNK);
        let reading = self.input.read_buf(&mut self.buffer);
        let reading = tokio::time::timeout(self.limits.silence, reading).await;
        let silent = |_| Error::invalid("the body broke off: nothing came for too long");
        let count = match reading.map_err(silent)? {
            Ok(0) => return Ok(Filled::End(None)),
            Ok(count) => count,
            Err(_) if self.broke_off.load(Ordering::Relaxed) => {
                return Err(Error::invalid("the body broke off"));
            }
            Err(_) => {
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
            return Err(Error::new(Code::LimitExceeded, text));
        }
        if self.expands_too_far() {
            return Ok(Filled::End(Some(Flaw::Rest {
                code: Code::LimitExceeded,
                why: "the rest of the body was not read: it is compressed beyond the limit",
            })));
        }
        Ok(Filled::More)
    }

    fn expands_too_far(&self) -> bool {
        self.compressed.as_ref().is_some_and(|compressed| {
            let allowed = compressed.load(Ordering::Relaxed) * self.limits.expansion;
            self.read > allowed.max(self.limits.expansion_free_bytes)
        })
    }
}

#[cfg(test)]
mod tests;

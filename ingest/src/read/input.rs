//! What comes, decompressed, and what it was before.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use async_compression::tokio::bufread::GzipDecoder;
use bytes::{Bytes, BytesMut};
use domain::{Error, Result};
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::io::StreamReader;

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

/// A body on its way.
pub(super) struct Input {
    decompressed: Box<dyn AsyncRead + Send + Unpin>,
    compressed: bool,
    came: Arc<AtomicU64>,
    broke_off: Arc<AtomicBool>,
    read: u64,
}

impl Input {
    pub(super) fn new<E>(
        body: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static,
        encoding: Encoding,
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
        Self {
            decompressed: decompress(StreamReader::new(body), encoding),
            compressed: encoding == Encoding::Gzip,
            came,
            broke_off,
            read: 0,
        }
    }

    /// Appends what there is next to `buffer` and says how much it is: nothing at the end. Dropped before it is ready, it
    /// loses nothing.
    pub(super) async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let count = self.decompressed.read_buf(buffer).await?;
        self.read += count as u64;
        Ok(count)
    }

    /// Bytes that came, as they were sent.
    pub(super) fn came(&self) -> u64 {
        self.came.load(Ordering::Relaxed)
    }

    /// Bytes that were read, decompressed.
    pub(super) fn was_read(&self) -> u64 {
        self.read
    }

    /// Whether the sender ended before the body did.
    pub(super) fn broke_off(&self) -> bool {
        self.broke_off.load(Ordering::Relaxed)
    }

    /// Whether it became more than the allowed number of bytes by decompression.
    pub(super) fn expands_beyond(&self, allowed: u64) -> bool {
        self.compressed && self.read > allowed
    }
}

fn decompress<B: tokio::io::AsyncBufRead + Send + Unpin + 'static>(
    body: B,
    encoding: Encoding,
) -> Box<dyn AsyncRead + Send + Unpin> {
    match encoding {
        Encoding::Identity => Box::new(body),
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(body);
            decoder.multiple_members(true);
            Box::new(decoder)
        }
    }
}

//! Rows to bytes, on a thread of its own: meanwhile the next rows are read, and the last bytes are taken.
//!
//! Between the three there is one batch and one piece of the file at most, so that each waits for the slowest.

use std::io::Read as _;

use arrow::array::RecordBatch;
use domain::Error as Refusal;
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    task::{self, JoinHandle},
};

use crate::{Error, buffer::Buffer, format::Rows, manifest::Contents, run::Progress};

/// Bytes that are read from the disk at once.
const CHUNK: usize = 256 << 10;

/// What a coder is told.
pub(crate) enum Step {
    /// These rows come next.
    Rows(RecordBatch),
    /// There are no more, and this is what they are.
    End(Box<Contents>),
}

/// The next piece of a file, and how far it is with it.
pub(crate) struct Piece {
    pub(crate) bytes: Vec<u8>,
    pub(crate) progress: Progress,
}

/// A file that is whole.
pub(crate) struct Coded {
    pub(crate) bytes: u64,
    /// SHA-256, in hexadecimal digits.
    pub(crate) sha256: String,
}

/// A file that is being coded.
pub(crate) struct Coder {
    /// Takes rows. When nobody takes them, `coded` says why.
    pub(crate) steps: Sender<Step>,
    pub(crate) pieces: Receiver<Piece>,
    pub(crate) coded: JoinHandle<Result<Coded, Error>>,
}

impl Coder {
    /// `buffer` is where `file` writes to, and so many rows there will be, where that is known. Without its other ends a coder ends, too.
    pub(crate) fn start(
        file: Box<dyn Rows<Buffer>>,
        buffer: Buffer,
        expected: Option<u64>,
    ) -> Self {
        let (steps, told) = mpsc::channel(1);
        let (sender, pieces) = mpsc::channel(1);
        let out = Out {
            pieces: sender,
            hash: Sha256::new(),
            progress: Progress {
                expected,
                ..Progress::default()
            },
        };
        let coded = task::spawn_blocking(move || code(file, &buffer, told, out));
        Self {
            steps,
            pieces,
            coded,
        }
    }
}

fn code(
    mut file: Box<dyn Rows<Buffer>>,
    buffer: &Buffer,
    mut steps: Receiver<Step>,
    mut out: Out,
) -> Result<Coded, Error> {
    let contents = loop {
        match steps.blocking_recv().ok_or_else(alone)? {
            Step::Rows(rows) => {
                file.write(&rows)?;
                out.progress.rows += rows.num_rows() as u64;
                out.put(buffer.take())?;
            }
            Step::End(contents) => break contents,
        }
    };
    let (_, spooled) = file.finish(&contents)?;
    out.put(buffer.take())?;
    if let Some(mut spooled) = spooled {
        loop {
            let mut chunk = vec![0; CHUNK];
            match spooled.read(&mut chunk)? {
                0 => break,
                read => chunk.truncate(read),
            }
            out.put(chunk)?;
        }
    }
    Ok(Coded {
        bytes: out.progress.bytes,
        sha256: digits(&out.hash.finalize()),
    })
}

/// Nobody is told, because nobody is there.
fn alone() -> Error {
    Refusal::internal("nobody waits for the file").into()
}

/// Bytes on their way, counted and hashed.
struct Out {
    pieces: Sender<Piece>,
    hash: Sha256,
    progress: Progress,
}

impl Out {
    fn put(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        self.hash.update(&bytes);
        self.progress.bytes += bytes.len() as u64;
        let piece = Piece {
            bytes,
            progress: self.progress,
        };
        self.pieces.blocking_send(piece).map_err(|_| alone())
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Any text, compressed as it is written.

use std::{fs::File, io::Write};

use arrow::array::RecordBatch;
use flate2::{Compression, GzBuilder, write::GzEncoder};

use super::Rows;
use crate::{Error, manifest::Contents};

/// A compressed file. Its head has neither a name nor a time (RFC 1952, 2.3.1), so that the same rows are the same bytes.
pub(super) struct Gzip<'a, W: Write>(pub(super) Box<dyn Rows<GzEncoder<W>> + 'a>);

pub(super) fn encoder<W: Write>(sink: W) -> GzEncoder<W> {
    GzBuilder::new()
        .mtime(0)
        .write(sink, Compression::default())
}

impl<W: Write + Send> Rows<W> for Gzip<'_, W> {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        self.0.write(rows)
    }

    fn finish(self: Box<Self>, contents: &Contents) -> Result<(W, Option<File>), Error> {
        let (encoder, spooled) = self.0.finish(contents)?;
        Ok((encoder.finish()?, spooled))
    }
}

//! Parquet, typed.

use std::{fs::File, io::Write};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{WriterProperties, WriterVersion},
    },
};

pub use super::batch::BATCH;

use super::Rows;
use crate::{
    Error,
    manifest::{Contents, MANIFEST_KEY},
};

/// Most rows of a row group.
pub const ROW_GROUP: usize = 1_000_000;
/// Bytes of a row group in memory, after which it ends with the batch.
pub const ROW_GROUP_BYTES: usize = 16 << 20;

/// What a row group may be.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Rows.
    pub(super) rows: usize,
    /// Bytes in memory, after which it ends with the batch.
    pub(super) bytes: usize,
}

impl Limits {
    const DEFAULT: Self = Self {
        rows: ROW_GROUP,
        bytes: ROW_GROUP_BYTES,
    };
}

/// A Parquet file.
pub(crate) struct Parquet<W: Write + Send> {
    inner: ArrowWriter<W>,
    limits: Limits,
}

impl<W: Write + Send> Parquet<W> {
    pub(crate) fn new(schema: SchemaRef, sink: W) -> Result<Self, Error> {
        Self::within(Limits::DEFAULT, schema, sink)
    }

    pub(super) fn within(limits: Limits, schema: SchemaRef, sink: W) -> Result<Self, Error> {
        let properties = WriterProperties::builder()
            .set_created_by("simcube".to_owned())
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(limits.rows))
            .build();
        let inner = ArrowWriter::try_new(sink, schema, Some(properties))?;
        Ok(Self { inner, limits })
    }

    /// Ends the file and returns the sink.
    pub(crate) fn end(mut self, contents: Option<&Contents>) -> Result<W, Error> {
        if let Some(contents) = contents {
            let manifest = KeyValue::new(MANIFEST_KEY.to_owned(), contents.json()?);
            self.inner.append_key_value_metadata(manifest);
        }
        Ok(self.inner.into_inner()?)
    }
}

impl<W: Write + Send> Rows<W> for Parquet<W> {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        self.inner.write(rows)?;
        if self.inner.in_progress_size() >= self.limits.bytes {
            self.inner.flush()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, contents: &Contents) -> Result<(W, Option<File>), Error> {
        Ok((self.end(Some(contents))?, None))
    }
}

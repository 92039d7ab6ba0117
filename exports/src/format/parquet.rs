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

/// A Parquet file.
pub(crate) struct Parquet<W: Write + Send>(ArrowWriter<W>);

impl<W: Write + Send> Parquet<W> {
    pub(crate) fn new(schema: SchemaRef, sink: W) -> Result<Self, Error> {
        let properties = WriterProperties::builder()
            .set_created_by("simcube".to_owned())
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        let inner = ArrowWriter::try_new(sink, schema, Some(properties))?;
        Ok(Self(inner))
    }

    /// Ends the file and returns the sink.
    pub(crate) fn end(mut self, contents: Option<&Contents>) -> Result<W, Error> {
        if let Some(contents) = contents {
            let manifest = KeyValue::new(MANIFEST_KEY.to_owned(), contents.json()?);
            self.0.append_key_value_metadata(manifest);
        }
        Ok(self.0.into_inner()?)
    }
}

impl<W: Write + Send> Rows<W> for Parquet<W> {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        self.0.write(rows)?;
        if self.0.in_progress_size() >= ROW_GROUP_BYTES {
            self.0.flush()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, contents: &Contents) -> Result<(W, Option<File>), Error> {
        Ok((self.end(Some(contents))?, None))
    }
}

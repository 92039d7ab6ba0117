//! Parquet, typed.

use std::{fs::File, io::Write};

use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{WriterProperties, WriterVersion},
    },
};

pub use super::batch::BATCH;

use super::{Rows, batch::Batch};
use crate::{
    Cell, Column, Error,
    column::schema,
    manifest::{Contents, MANIFEST_KEY},
};

/// Most rows of a row group.
pub const ROW_GROUP: usize = 1_000_000;
/// Bytes of a row group in memory, after which it ends with the batch.
pub const ROW_GROUP_BYTES: usize = 32 << 20;

/// A Parquet file.
pub(crate) struct Parquet<W: Write + Send> {
    batch: Batch,
    inner: ArrowWriter<W>,
}

impl<W: Write + Send> Parquet<W> {
    pub(crate) fn new(columns: &[Column], sink: W) -> Result<Self, Error> {
        let batch = Batch::new(columns, schema(columns).into());
        let properties = WriterProperties::builder()
            .set_created_by("simcube".to_owned())
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        let inner = ArrowWriter::try_new(sink, batch.schema().clone(), Some(properties))?;
        Ok(Self { batch, inner })
    }

    /// Ends the file and returns the sink.
    pub(crate) fn end(mut self, contents: Option<&Contents>) -> Result<W, Error> {
        self.encode()?;
        if let Some(contents) = contents {
            let manifest = KeyValue::new(MANIFEST_KEY.to_owned(), contents.json()?);
            self.inner.append_key_value_metadata(manifest);
        }
        Ok(self.inner.into_inner()?)
    }

    fn encode(&mut self) -> Result<(), Error> {
        let Some(batch) = self.batch.take()? else {
            return Ok(());
        };
        self.inner.write(&batch)?;
        if self.inner.in_progress_size() >= ROW_GROUP_BYTES {
            self.inner.flush()?;
        }
        Ok(())
    }
}

impl<W: Write + Send> Rows<W> for Parquet<W> {
    fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), Error> {
        self.batch.push(cells)?;
        if self.batch.is_full() {
            self.encode()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, contents: &Contents) -> Result<(W, Option<File>), Error> {
        Ok((self.end(Some(contents))?, None))
    }
}

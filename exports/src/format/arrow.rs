//! Apache Arrow's IPC stream: batches of typed columns, each of which can be read before the next one is there.

use std::{fs::File, io::Write};

use arrow::ipc::writer::StreamWriter;

use super::{Rows, batch::Batch};
use crate::{
    Cell, Column, Error,
    column::schema,
    manifest::{Contents, Head, MANIFEST_KEY},
};

/// A stream of batches. Its schema says what is known of the answer before the first row.
pub(super) struct Arrow<W: Write> {
    batch: Batch,
    inner: StreamWriter<W>,
}

impl<W: Write> Arrow<W> {
    pub(super) fn new(head: &Head, columns: &[Column], sink: W) -> Result<Self, Error> {
        let mut schema = schema(columns);
        schema.metadata.insert(MANIFEST_KEY, head.json()?);
        let batch = Batch::new(columns, schema.into());
        let inner = StreamWriter::try_new(sink, batch.schema())?;
        Ok(Self { batch, inner })
    }

    fn encode(&mut self) -> Result<(), Error> {
        if let Some(batch) = self.batch.take()? {
            self.inner.write(&batch)?;
        }
        Ok(())
    }
}

impl<W: Write + Send> Rows<W> for Arrow<W> {
    fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), Error> {
        self.batch.push(cells)?;
        if self.batch.is_full() {
            self.encode()?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, _: &Contents) -> Result<(W, Option<File>), Error> {
        self.encode()?;
        Ok((self.inner.into_inner()?, None))
    }
}

//! Apache Arrow's IPC stream: batches of typed columns, each of which can be read before the next one is there.

use std::{fs::File, io::Write};

use arrow::{array::RecordBatch, ipc::writer::StreamWriter};

use super::Rows;
use crate::{
    Column, Error,
    column::schema,
    manifest::{Contents, Head, MANIFEST_KEY},
};

/// A stream of batches. Its schema says what is known of the answer before the first row.
pub(super) struct Arrow<W: Write>(StreamWriter<W>);

impl<W: Write> Arrow<W> {
    pub(super) fn new(head: &Head, columns: &[Column], sink: W) -> Result<Self, Error> {
        let mut schema = schema(columns);
        schema.metadata.insert(MANIFEST_KEY, head.json()?);
        Ok(Self(StreamWriter::try_new(sink, &schema)?))
    }
}

impl<W: Write + Send> Rows<W> for Arrow<W> {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        Ok(self.0.write(rows)?)
    }

    fn finish(self: Box<Self>, _: &Contents) -> Result<(W, Option<File>), Error> {
        Ok((self.0.into_inner()?, None))
    }
}

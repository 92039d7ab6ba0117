//! Rows of one Rust type to Parquet.

use std::{io::Write, marker::PhantomData};

use crate::{
    Error, Record,
    format::{Rows as _, batch::Batch, parquet::Parquet},
};

/// Writes rows of one type. Dropped without [`Writer::finish`], it leaves no readable file.
pub struct Writer<W: Write + Send, R: Record> {
    batch: Batch,
    file: Parquet<W>,
    rows: u64,
    record: PhantomData<fn(&R)>,
}

impl<W: Write + Send, R: Record> Writer<W, R> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`Error::Parquet`] when `sink` does not take bytes.
    pub fn new(sink: W) -> Result<Self, Error> {
        let batch = Batch::new(R::COLUMNS);
        Ok(Self {
            file: Parquet::new(batch.schema().clone(), sink)?,
            batch,
            rows: 0,
            record: PhantomData,
        })
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`Error::Cell`] or [`Error::TooLarge`] for a row that does not fit its columns; the file is then of no use.
    pub fn push(&mut self, record: &R) -> Result<(), Error> {
        let mut cells = Vec::with_capacity(R::COLUMNS.len());
        record.cells(&mut cells);
        self.rows += 1;
        self.batch.push(&cells)?;
        if self.batch.is_full() {
            self.encode()?;
        }
        Ok(())
    }

    fn encode(&mut self) -> Result<(), Error> {
        match self.batch.take()? {
            Some(rows) => self.file.write(&rows),
            None => Ok(()),
        }
    }

    /// Ends the file and returns the sink and how many rows it holds.
    ///
    /// # Errors
    /// [`Error::Parquet`] when `sink` does not take bytes.
    pub fn finish(mut self) -> Result<(W, u64), Error> {
        self.encode()?;
        Ok((self.file.end(None)?, self.rows))
    }
}

//! Rows of one Rust type to Parquet.

use std::{io::Write, marker::PhantomData};

use crate::{
    Error, Record,
    format::{Rows as _, parquet::Parquet},
};

/// Writes rows of one type. Dropped without [`Writer::finish`], it leaves no readable file.
pub struct Writer<W: Write + Send, R: Record> {
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
        Ok(Self {
            file: Parquet::new(R::COLUMNS, sink)?,
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
        self.file.push(&cells)
    }

    /// Ends the file and returns the sink and how many rows it holds.
    ///
    /// # Errors
    /// [`Error::Parquet`] when `sink` does not take bytes.
    pub fn finish(self) -> Result<(W, u64), Error> {
        Ok((self.file.end(None)?, self.rows))
    }
}

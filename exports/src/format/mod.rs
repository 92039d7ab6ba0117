//! Formats of files.

mod arrow;
pub(crate) mod batch;
mod csv;
mod gzip;
mod ndjson;
pub(crate) mod parquet;
#[cfg(test)]
mod tests;
pub(crate) mod xlsx;

use std::{fs::File, io::Write};

use ::arrow::array::RecordBatch;
use strum::{AsRefStr, EnumMessage, EnumString, VariantArray};

#[cfg(doc)]
use self::batch::Batch;
use self::gzip::Gzip;
use crate::{
    Column, Compression, Error, Form,
    column::schema,
    manifest::{Contents, Head},
};

/// Format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsRefStr, EnumMessage, EnumString, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Format {
    /// Comma-separated values (RFC 4180): UTF-8, lines end with LF. A text that a spreadsheet would take for a formula has an
    /// apostrophe in front.
    Csv,
    /// An Excel workbook, with a sheet that says what it holds.
    Xlsx,
    /// Apache Parquet, typed columns.
    Parquet,
    /// Apache Arrow's IPC stream, the same columns as Parquet.
    Arrow,
    /// A JSON object a line. Numbers of more than 53 bits are told as text, in every row, because most readers round them.
    Ndjson,
}

/// What takes rows and makes a file of them. Dropped before it is finished, it leaves none that is whole.
pub(crate) trait Rows<W>: Send {
    /// Adds rows, gathered by a [`Batch`].
    ///
    /// # Errors
    /// [`Error::TooLong`] or [`Error::TooMuch`] for rows that the format does not hold; the file is then of no use.
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Error>;

    /// Ends the file, which says what it holds, and returns the sink and what has to be read from the disk after it.
    ///
    /// # Errors
    /// When the sink does not take bytes.
    fn finish(self: Box<Self>, contents: &Contents) -> Result<(W, Option<File>), Error>;
}

impl Format {
    /// Media type of a file.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Ndjson => "application/x-ndjson",
        }
    }

    /// What names of files end with, after the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Parquet => "parquet",
            // As Arrow names its streams; `arrow` is another format, which needs to seek.
            Self::Arrow => "arrows",
            Self::Ndjson => "ndjson",
        }
    }
}

impl Form {
    /// Begins a file.
    ///
    /// # Errors
    /// When `sink` does not take bytes.
    pub(crate) fn begin<'a, W: Write + Send + 'a>(
        self,
        head: &Head,
        columns: &[Column],
        sink: W,
    ) -> Result<Box<dyn Rows<W> + 'a>, Error> {
        match self.compression() {
            Compression::None => self.begin_plain(head, columns, sink),
            Compression::Gzip => {
                let inner = self.begin_plain(head, columns, gzip::encoder(sink))?;
                Ok(Box::new(Gzip(inner)))
            }
        }
    }

    fn begin_plain<'a, W: Write + Send + 'a>(
        self,
        head: &Head,
        columns: &[Column],
        sink: W,
    ) -> Result<Box<dyn Rows<W> + 'a>, Error> {
        Ok(match self.format() {
            Format::Csv => {
                let dialect = self.dialect().unwrap_or_default();
                Box::new(csv::Csv::new(dialect, columns, sink)?)
            }
            Format::Xlsx => Box::new(xlsx::Xlsx::new(head.data_set, columns, sink)?),
            Format::Parquet => Box::new(parquet::Parquet::new(schema(columns).into(), sink)?),
            Format::Arrow => Box::new(arrow::Arrow::new(head, columns, sink)?),
            Format::Ndjson => Box::new(ndjson::Ndjson::new(columns, sink)),
        })
    }
}

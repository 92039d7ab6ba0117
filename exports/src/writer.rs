//! Rows to Parquet, streaming.

use std::{io::Write, marker::PhantomData, sync::Arc};

use arrow::{
    array::{
        ArrayRef, Decimal128Builder, RecordBatch, StringBuilder, TimestampMillisecondBuilder,
        UInt64Builder,
    },
    datatypes::{DECIMAL128_MAX_PRECISION, SchemaRef},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::{WriterProperties, WriterVersion},
};

use crate::{
    Error,
    record::{Cell, Column, Kind, Record, SUM_DIGITS, schema},
};

/// Rows per row group, and at most in memory: as columns, then encoded. Ten columns of short text are about 10 MB.
pub const ROW_GROUP: usize = 50_000;

/// Largest magnitude of [`SUM_DIGITS`] digits.
const SUM_LIMIT: u128 = 10u128.pow(SUM_DIGITS as u32);

enum Builder {
    Text(StringBuilder),
    Count(UInt64Builder),
    Sum(Decimal128Builder),
    Moment(TimestampMillisecondBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Count => Self::Count(UInt64Builder::new()),
            Kind::Sum => {
                let builder = Decimal128Builder::new().with_data_type(kind.data_type());
                Self::Sum(builder)
            }
            Kind::Moment => {
                let builder = TimestampMillisecondBuilder::new().with_data_type(kind.data_type());
                Self::Moment(builder)
            }
        }
    }

    fn push(&mut self, column: &Column, cell: Cell<'_>) -> Result<(), Error> {
        match (self, cell) {
            (Self::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Self::Count(builder), Cell::Count(count)) => builder.append_value(count),
            (Self::Sum(builder), Cell::Sum(sum)) if sum.unsigned_abs() < SUM_LIMIT => {
                builder.append_value(sum);
            }
            (Self::Sum(_), Cell::Sum(_)) => return Err(Error::TooLarge { name: column.name }),
            (Self::Moment(builder), Cell::Moment(moment)) => {
                builder.append_value(moment.timestamp_millis());
            }
            _ => return Err(Error::Cell { name: column.name }),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Count(builder) => Arc::new(builder.finish()),
            Self::Sum(builder) => Arc::new(builder.finish()),
            Self::Moment(builder) => Arc::new(builder.finish()),
        }
    }
}

/// Writes rows of one type. Dropped without [`Writer::finish`], it leaves no readable file.
pub struct Writer<W: Write + Send, R: Record> {
    inner: ArrowWriter<W>,
    schema: SchemaRef,
    builders: Vec<Builder>,
    pending: usize,
    rows: u64,
    record: PhantomData<fn(&R)>,
}

impl<W: Write + Send, R: Record> Writer<W, R> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`Error::Parquet`] when `sink` does not take bytes.
    pub fn new(sink: W) -> Result<Self, Error> {
        let schema = Arc::new(schema(R::COLUMNS));
        let properties = WriterProperties::builder()
            .set_created_by("simcube".to_owned())
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        Ok(Self {
            inner: ArrowWriter::try_new(sink, schema.clone(), Some(properties))?,
            schema,
            builders: R::COLUMNS
                .iter()
                .map(|column| Builder::new(column.kind))
                .collect(),
            pending: 0,
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
        if let Some(column) = R::COLUMNS.get(cells.len()) {
            return Err(Error::Cell { name: column.name });
        }
        for ((column, builder), cell) in R::COLUMNS.iter().zip(&mut self.builders).zip(cells) {
            builder.push(column, cell)?;
        }
        self.pending += 1;
        self.rows += 1;
        if self.pending == ROW_GROUP {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Ends the file and returns the sink and how many rows it holds.
    ///
    /// # Errors
    /// [`Error::Parquet`] when `sink` does not take bytes.
    pub fn finish(mut self) -> Result<(W, u64), Error> {
        self.flush()?;
        Ok((self.inner.into_inner()?, self.rows))
    }

    fn flush(&mut self) -> Result<(), Error> {
        if self.pending > 0 {
            let columns = self.builders.iter_mut().map(Builder::finish).collect();
            self.inner
                .write(&RecordBatch::try_new(self.schema.clone(), columns)?)?;
            self.inner.flush()?;
            self.pending = 0;
        }
        Ok(())
    }
}

const _: () = assert!(SUM_DIGITS == DECIMAL128_MAX_PRECISION);

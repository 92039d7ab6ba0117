//! Parquet, typed.

use std::{fs::File, io::Write, sync::Arc};

use arrow::{
    array::{
        ArrayRef, BooleanBuilder, Decimal128Builder, Int64Builder, RecordBatch, StringBuilder,
        TimestampMicrosecondBuilder, UInt64Builder,
    },
    datatypes::{DECIMAL128_MAX_PRECISION, SchemaRef},
};
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::{
        metadata::KeyValue,
        properties::{WriterProperties, WriterVersion},
    },
};

use super::{Rows, mismatch};
use crate::{
    Cell, Column, Error, Kind,
    column::{DIGITS, schema},
    manifest::Contents,
};

/// Most rows in memory as columns, before they are encoded.
pub const BATCH: usize = 8_192;
/// Most bytes of text among them.
const BATCH_BYTES: usize = 8 << 20;
/// Most rows of a row group.
pub const ROW_GROUP: usize = 1_000_000;
/// Bytes of a row group in memory, after which it ends with the batch.
pub const ROW_GROUP_BYTES: usize = 32 << 20;

/// What the file's metadata has of the manifest.
const MANIFEST_KEY: &str = "simcube";

/// Largest magnitude of [`DIGITS`] digits.
const LIMIT: u128 = 10u128.pow(DIGITS as u32);

const _: () = assert!(DIGITS == DECIMAL128_MAX_PRECISION);

enum Builder {
    Text(StringBuilder),
    Flag(BooleanBuilder),
    Count(UInt64Builder),
    Integer(Int64Builder),
    Sum(Decimal128Builder),
    Average(Decimal128Builder),
    Moment(TimestampMicrosecondBuilder),
}

impl Builder {
    fn new(kind: Kind) -> Self {
        let decimal = || Decimal128Builder::new().with_data_type(kind.data_type());
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Flag => Self::Flag(BooleanBuilder::new()),
            Kind::Count => Self::Count(UInt64Builder::new()),
            Kind::Integer => Self::Integer(Int64Builder::new()),
            Kind::Sum => Self::Sum(decimal()),
            Kind::Average => Self::Average(decimal()),
            Kind::Moment => {
                let builder = TimestampMicrosecondBuilder::new().with_data_type(kind.data_type());
                Self::Moment(builder)
            }
        }
    }

    fn push(&mut self, column: &Column, cell: Cell<'_>) -> Result<(), Error> {
        match (self, cell) {
            (builder, Cell::Empty) if column.nullable => builder.push_empty(),
            (Self::Text(builder), Cell::Text(text)) => builder.append_value(text),
            (Self::Flag(builder), Cell::Flag(flag)) => builder.append_value(flag),
            (Self::Count(builder), Cell::Count(count)) => builder.append_value(count),
            (Self::Integer(builder), Cell::Integer(integer)) => builder.append_value(integer),
            (Self::Sum(builder), Cell::Sum(value))
            | (Self::Average(builder), Cell::Average(value)) => {
                if value.unsigned_abs() >= LIMIT {
                    let name = column.name.to_string();
                    return Err(Error::TooLarge { name });
                }
                builder.append_value(value);
            }
            (Self::Moment(builder), Cell::Moment(moment)) => {
                builder.append_value(moment.timestamp_micros());
            }
            _ => return Err(mismatch(Some(column))),
        }
        Ok(())
    }

    fn push_empty(&mut self) {
        match self {
            Self::Text(builder) => builder.append_null(),
            Self::Flag(builder) => builder.append_null(),
            Self::Count(builder) => builder.append_null(),
            Self::Integer(builder) => builder.append_null(),
            Self::Sum(builder) | Self::Average(builder) => builder.append_null(),
            Self::Moment(builder) => builder.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(builder) => Arc::new(builder.finish()),
            Self::Flag(builder) => Arc::new(builder.finish()),
            Self::Count(builder) => Arc::new(builder.finish()),
            Self::Integer(builder) => Arc::new(builder.finish()),
            Self::Sum(builder) | Self::Average(builder) => Arc::new(builder.finish()),
            Self::Moment(builder) => Arc::new(builder.finish()),
        }
    }
}

/// A Parquet file.
pub(crate) struct Parquet<W: Write + Send> {
    columns: Vec<Column>,
    inner: ArrowWriter<W>,
    schema: SchemaRef,
    builders: Vec<Builder>,
    /// Rows that are not encoded yet, and bytes of text among them.
    pending: (usize, usize),
}

impl<W: Write + Send> Parquet<W> {
    pub(crate) fn new(columns: &[Column], sink: W) -> Result<Self, Error> {
        let schema = Arc::new(schema(columns));
        let properties = WriterProperties::builder()
            .set_created_by("simcube".to_owned())
            .set_writer_version(WriterVersion::PARQUET_1_0)
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_max_row_group_row_count(Some(ROW_GROUP))
            .build();
        Ok(Self {
            inner: ArrowWriter::try_new(sink, schema.clone(), Some(properties))?,
            schema,
            builders: columns
                .iter()
                .map(|column| Builder::new(column.kind))
                .collect(),
            columns: columns.to_vec(),
            pending: (0, 0),
        })
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
        if self.pending.0 == 0 {
            return Ok(());
        }
        self.pending = (0, 0);
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        self.inner
            .write(&RecordBatch::try_new(self.schema.clone(), columns)?)?;
        if self.inner.in_progress_size() >= ROW_GROUP_BYTES {
            self.inner.flush()?;
        }
        Ok(())
    }
}

impl<W: Write + Send> Rows<W> for Parquet<W> {
    fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), Error> {
        if cells.len() != self.columns.len() {
            return Err(mismatch(self.columns.get(cells.len())));
        }
        let builders = self.columns.iter().zip(&mut self.builders);
        for ((column, builder), cell) in builders.zip(cells) {
            if let Cell::Text(text) = cell {
                self.pending.1 += text.len();
            }
            builder.push(column, *cell)?;
        }
        self.pending.0 += 1;
        if self.pending.0 == BATCH || self.pending.1 >= BATCH_BYTES {
            self.encode()?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>, contents: &Contents) -> Result<(W, Option<File>), Error> {
        Ok((self.end(Some(contents))?, None))
    }
}

//! Rows, gathered as typed columns, and read from them again.

use std::{mem, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, AsArray as _, BooleanArray, BooleanBuilder, Decimal128Array,
        Decimal128Builder, Int64Array, Int64Builder, RecordBatch, StringArray, StringBuilder,
        TimestampMicrosecondArray, TimestampMicrosecondBuilder, UInt64Array, UInt64Builder,
    },
    datatypes::{DECIMAL128_MAX_PRECISION, SchemaRef},
};
use chrono::DateTime;
use domain::Error as Refusal;

use crate::{
    Cell, Column, Error, Kind,
    column::{DIGITS, schema},
};

/// Most rows in memory as columns, before they are encoded.
pub const BATCH: usize = 8_192;
/// Most bytes of text among them.
const BATCH_BYTES: usize = 8 << 20;

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

/// Rows that are not encoded yet.
pub(crate) struct Batch {
    columns: Vec<Column>,
    schema: SchemaRef,
    builders: Vec<Builder>,
    rows: usize,
    /// Bytes of text among them.
    bytes: usize,
}

impl Batch {
    pub(crate) fn new(columns: &[Column]) -> Self {
        Self {
            columns: columns.to_vec(),
            schema: schema(columns).into(),
            builders: (columns.iter().map(|column| Builder::new(column.kind))).collect(),
            rows: 0,
            bytes: 0,
        }
    }

    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// # Errors
    /// [`Error::Cell`] or [`Error::TooLarge`] for a row that does not fit its columns; the file is then of no use.
    pub(crate) fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), Error> {
        if cells.len() != self.columns.len() {
            return Err(mismatch(self.columns.get(cells.len())));
        }
        let builders = self.columns.iter().zip(&mut self.builders);
        for ((column, builder), cell) in builders.zip(cells) {
            if let Cell::Text(text) = cell {
                self.bytes += text.len();
            }
            builder.push(column, *cell)?;
        }
        self.rows += 1;
        Ok(())
    }

    /// Whether they should be encoded before there are more.
    pub(crate) fn is_full(&self) -> bool {
        self.rows == BATCH || self.bytes >= BATCH_BYTES
    }

    /// Takes the rows that are there, if there are any.
    pub(crate) fn take(&mut self) -> Result<Option<RecordBatch>, Error> {
        self.bytes = 0;
        if mem::take(&mut self.rows) == 0 {
            return Ok(None);
        }
        let columns = self.builders.iter_mut().map(Builder::finish).collect();
        Ok(Some(RecordBatch::try_new(self.schema.clone(), columns)?))
    }
}

/// A cell that its column does not take.
fn mismatch(column: Option<&Column>) -> Error {
    let name = column.map(|column| column.name.to_string());
    Error::Cell {
        name: name.unwrap_or_default(),
    }
}

/// The cells of a column, of one of the types that a [`Kind`] has.
pub(crate) enum Cells<'a> {
    Text(&'a StringArray),
    Flag(&'a BooleanArray),
    Count(&'a UInt64Array),
    Integer(&'a Int64Array),
    Sum(&'a Decimal128Array),
    Average(&'a Decimal128Array),
    Moment(&'a TimestampMicrosecondArray),
}

impl<'a> Cells<'a> {
    /// None for an array of another type.
    pub(crate) fn of(kind: Kind, array: &'a dyn Array) -> Option<Self> {
        Some(match kind {
            Kind::Text => Self::Text(array.as_string_opt()?),
            Kind::Flag => Self::Flag(array.as_boolean_opt()?),
            Kind::Count => Self::Count(array.as_primitive_opt()?),
            Kind::Integer => Self::Integer(array.as_primitive_opt()?),
            Kind::Sum => Self::Sum(array.as_primitive_opt()?),
            Kind::Average => Self::Average(array.as_primitive_opt()?),
            Kind::Moment => Self::Moment(array.as_primitive_opt()?),
        })
    }

    /// The cell of a row; none for a moment that is not one.
    pub(crate) fn get(&self, row: usize) -> Option<Cell<'a>> {
        fn of<'a, A: Array>(
            array: &'a A,
            row: usize,
            value: impl FnOnce(&'a A) -> Option<Cell<'a>>,
        ) -> Option<Cell<'a>> {
            if array.is_null(row) {
                Some(Cell::Empty)
            } else {
                value(array)
            }
        }
        match self {
            Self::Text(all) => of(*all, row, |all| Some(Cell::Text(all.value(row)))),
            Self::Flag(all) => of(*all, row, |all| Some(Cell::Flag(all.value(row)))),
            Self::Count(all) => of(*all, row, |all| Some(Cell::Count(all.value(row)))),
            Self::Integer(all) => of(*all, row, |all| Some(Cell::Integer(all.value(row)))),
            Self::Sum(all) => of(*all, row, |all| Some(Cell::Sum(all.value(row)))),
            Self::Average(all) => of(*all, row, |all| Some(Cell::Average(all.value(row)))),
            Self::Moment(all) => of(*all, row, |all| {
                DateTime::from_timestamp_micros(all.value(row)).map(Cell::Moment)
            }),
        }
    }
}

/// Passes rows on, one after the other: a cell for each column, in order.
///
/// # Errors
/// Those of `pass`.
pub(super) fn each_row(
    columns: &[Column],
    rows: &RecordBatch,
    mut pass: impl FnMut(&[Cell<'_>]) -> Result<(), Error>,
) -> Result<(), Error> {
    let odd = || Refusal::internal("rows of other columns");
    let columns = columns.iter().zip(rows.columns());
    let columns: Vec<Cells<'_>> = columns
        .map(|(column, array)| Cells::of(column.kind, array).ok_or_else(odd))
        .collect::<Result<_, _>>()?;
    let mut cells = Vec::with_capacity(columns.len());
    for row in 0..rows.num_rows() {
        cells.clear();
        for column in &columns {
            cells.push(column.get(row).ok_or_else(odd)?);
        }
        pass(&cells)?;
    }
    Ok(())
}

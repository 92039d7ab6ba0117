//! What a row is: named columns of few kinds, none of them a float.

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use chrono::{DateTime, Utc};

use crate::Error;

/// Digits of a [`Kind::Sum`].
pub(crate) const SUM_DIGITS: u8 = 38;

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// Unsigned 64-bit integer.
    Count,
    /// Signed integer of up to 38 digits: `Decimal128(38, 0)`.
    Sum,
    /// Moment in whole milliseconds, UTC.
    Moment,
}

impl Kind {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Count => DataType::UInt64,
            Self::Sum => DataType::Decimal128(SUM_DIGITS, 0),
            Self::Moment => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        }
    }
}

/// A named, typed column; never null.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in the file.
    pub name: &'static str,
    /// Type.
    pub kind: Kind,
}

impl Column {
    /// A column of this name and type.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind }
    }
}

/// A value of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// For [`Kind::Text`].
    Text(&'a str),
    /// For [`Kind::Count`].
    Count(u64),
    /// For [`Kind::Sum`].
    Sum(i128),
    /// For [`Kind::Moment`].
    Moment(DateTime<Utc>),
}

/// A type whose values are rows of a file.
pub trait Record: Sized {
    /// The columns, in file order.
    const COLUMNS: &'static [Column];

    /// Appends one cell per column, in order.
    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>);

    /// Rebuilds the value.
    ///
    /// # Errors
    /// [`Error::Cell`] or [`Error::Value`] when the row does not make one.
    fn from_row(row: &FileRow<'_>) -> Result<Self, Error>;
}

/// The cells of one row that was read, by position in [`Record::COLUMNS`].
#[derive(Debug)]
pub struct FileRow<'a> {
    pub(crate) columns: &'static [Column],
    pub(crate) cells: Vec<Cell<'a>>,
}

impl<'a> FileRow<'a> {
    fn wrong(&self, index: usize) -> Error {
        Error::Cell {
            name: self.columns.get(index).map_or("", |column| column.name),
        }
    }

    /// The text at `index`.
    pub fn text(&self, index: usize) -> Result<&'a str, Error> {
        match self.cells.get(index) {
            Some(Cell::Text(text)) => Ok(text),
            _ => Err(self.wrong(index)),
        }
    }

    /// The count at `index`.
    pub fn count(&self, index: usize) -> Result<u64, Error> {
        match self.cells.get(index) {
            Some(Cell::Count(count)) => Ok(*count),
            _ => Err(self.wrong(index)),
        }
    }

    /// The sum at `index`.
    pub fn sum(&self, index: usize) -> Result<i128, Error> {
        match self.cells.get(index) {
            Some(Cell::Sum(sum)) => Ok(*sum),
            _ => Err(self.wrong(index)),
        }
    }

    /// The moment at `index`.
    pub fn moment(&self, index: usize) -> Result<DateTime<Utc>, Error> {
        match self.cells.get(index) {
            Some(Cell::Moment(moment)) => Ok(*moment),
            _ => Err(self.wrong(index)),
        }
    }
}

pub(crate) fn schema(columns: &[Column]) -> Schema {
    let field = |column: &Column| Field::new(column.name, column.kind.data_type(), false);
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

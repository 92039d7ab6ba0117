//! Rows of one Rust type.

use chrono::{DateTime, Utc};

use crate::{Cell, Column, Error};

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
        let name = self.columns.get(index).map(|column| column.name.as_ref());
        Error::Cell {
            name: name.unwrap_or_default().to_owned(),
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

    /// The integer at `index`.
    pub fn integer(&self, index: usize) -> Result<i64, Error> {
        match self.cells.get(index) {
            Some(Cell::Integer(integer)) => Ok(*integer),
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

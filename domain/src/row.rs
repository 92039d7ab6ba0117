//! Rows are decoded by the position of their columns, in the order in which the statement names them.

use std::{num::ParseIntError, str::FromStr};

use chrono::{DateTime, Utc};
use sea_orm::{QueryResult, TryGetable};
use uuid::Uuid;

use crate::{Error, Result, id::Id};

/// What one row of a statement is read into.
pub(crate) trait Decode: Sized {
    /// Reads the columns, first to last.
    ///
    /// # Errors
    /// `INTERNAL` when a column is not what it is read as: what is stored is damaged, or the statement is another one.
    fn decode(row: &mut Columns<'_>) -> Result<Self>;
}

/// The columns of a row that are not read yet.
pub(crate) struct Columns<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(row: &'a QueryResult) -> Self {
        Self { row, next: 0 }
    }

    /// The next column.
    pub(crate) fn get<T: TryGetable>(&mut self) -> Result<T> {
        let at = self.next;
        self.next += 1;
        self.row.try_get_by_index(at).map_err(Error::internal)
    }

    /// The next column, as an id.
    pub(crate) fn id<I: Id>(&mut self) -> Result<I> {
        self.get().map(I::new)
    }

    /// The next column, as the id of something that there may not be.
    pub(crate) fn id_if_any<I: Id>(&mut self) -> Result<Option<I>> {
        Ok(self.get::<Option<Uuid>>()?.map(I::new))
    }

    /// The next column, as a word of a closed set.
    pub(crate) fn word<W: FromStr>(&mut self) -> Result<W> {
        word(&self.get::<String>()?)
    }

    /// The next column, as words of a closed set.
    pub(crate) fn words<W: FromStr>(&mut self) -> Result<Vec<W>> {
        let texts: Vec<String> = self.get()?;
        texts.iter().map(|text| word(text)).collect()
    }

    /// The next column, as a count.
    pub(crate) fn count(&mut self) -> Result<u64> {
        u64::try_from(self.get::<i64>()?).map_err(Error::internal)
    }

    /// The next column, text that has the digits of a number.
    pub(crate) fn number<N: FromStr<Err = ParseIntError>>(&mut self) -> Result<N> {
        self.get::<String>()?.parse().map_err(Error::internal)
    }

    /// The next column, as a moment.
    pub(crate) fn moment(&mut self) -> Result<DateTime<Utc>> {
        self.get()
    }
}

/// What is stored and unknown is our fault, not the caller's.
fn word<W: FromStr>(text: &str) -> Result<W> {
    let unknown = |_| Error::internal(format!("`{text}` is stored and is no word of ours"));
    text.parse().map_err(unknown)
}

/// A statement with one column.
impl<T: TryGetable> Decode for (T,) {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok((row.get()?,))
    }
}

/// A statement with two columns.
impl<A: TryGetable, B: TryGetable> Decode for (A, B) {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok((row.get()?, row.get()?))
    }
}

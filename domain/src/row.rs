//! Rows are decoded by the position of their columns, in the order in which the statement names them.

use std::{
    num::{ParseIntError, TryFromIntError},
    str::FromStr,
};

use tokio_postgres::{Row, types::FromSql};

use crate::{Error, Result};

/// What one row of a statement is read into.
pub(crate) trait Decode: Sized {
    /// Reads the columns, first to last.
    ///
    /// # Errors
    /// `INTERNAL` when a column is not what it is read as: what is stored is damaged, or the statement is another one.
    fn decode(row: &mut Columns<'_>) -> Result<Self>;

    /// Reads a whole row.
    ///
    /// # Errors
    /// Those of [`Self::decode`].
    fn read(row: &Row) -> Result<Self> {
        Self::decode(&mut Columns { row, next: 0 })
    }
}

/// The columns of a row that are not read yet.
pub(crate) struct Columns<'a> {
    row: &'a Row,
    next: usize,
}

impl<'a> Columns<'a> {
    /// The next column.
    pub(crate) fn get<T: FromSql<'a>>(&mut self) -> Result<T> {
        let at = self.next;
        self.next += 1;
        self.row.try_get(at).map_err(Error::internal)
    }

    /// The next column, as a word of a closed set.
    pub(crate) fn word<W: FromStr>(&mut self) -> Result<W> {
        word(self.get()?)
    }

    /// The next column, as a word of a closed set unless it is null.
    pub(crate) fn word_or_none<W: FromStr>(&mut self) -> Result<Option<W>> {
        self.get::<Option<&str>>()?.map(word).transpose()
    }

    /// The next column, as words of a closed set.
    pub(crate) fn words<W: FromStr>(&mut self) -> Result<Vec<W>> {
        let texts: Vec<&str> = self.get()?;
        texts.into_iter().map(word).collect()
    }

    /// The next column, as a number that is not negative.
    pub(crate) fn count<N: TryFrom<i64, Error = TryFromIntError>>(&mut self) -> Result<N> {
        self.get::<i64>()?.try_into().map_err(Error::internal)
    }

    /// The next column, text that has the digits of a number.
    pub(crate) fn number<N: FromStr<Err = ParseIntError>>(&mut self) -> Result<N> {
        self.get::<&str>()?.parse().map_err(Error::internal)
    }
}

/// What is stored and unknown is our fault, not the caller's.
fn word<W: FromStr>(text: &str) -> Result<W> {
    let unknown = |_| Error::internal(format!("`{text}` is stored and is no word of ours"));
    text.parse().map_err(unknown)
}

/// A row is read into a tuple of its columns.
macro_rules! tuples {
    ($(($($column:ident),+))+) => {$(
        impl<$($column: for<'a> FromSql<'a>),+> Decode for ($($column,)+) {
            fn decode(row: &mut Columns<'_>) -> Result<Self> {
                Ok(($(row.get::<$column>()?,)+))
            }
        }
    )+};
}

tuples! {
    (A)
    (A, B)
    (A, B, C)
    (A, B, C, D)
    (A, B, C, D, E)
    (A, B, C, D, E, F)
}

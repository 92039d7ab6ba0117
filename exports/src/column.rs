//! The vocabulary of files: named columns of few kinds, none of them a float.

use std::borrow::Cow;

use arrow::datatypes::{DataType, Field, Metadata, Schema, TimeUnit};
use chrono::{DateTime, Utc};
use domain::{
    Permission,
    decimal::Decimal,
    usage::{Expression, Unit},
};
use strum::AsRefStr;

/// Digits of a [`Kind::Sum`] and of a [`Kind::Average`].
pub(crate) const DIGITS: u8 = 38;

/// Decimal places of a [`Kind::Average`].
const PLACES: i8 = 2;
const _: () = assert!(Expression::PLACES == 2);

/// Type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsRefStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Kind {
    /// UTF-8 text.
    Text,
    /// True or false.
    Flag,
    /// Unsigned 64-bit integer.
    Count,
    /// Signed 64-bit integer.
    Integer,
    /// Signed integer of up to 38 digits: `Decimal128(38, 0)`.
    Sum,
    /// Number with two decimal places: `Decimal128(38, 2)`.
    Average,
    /// Moment in whole microseconds, UTC.
    Moment,
}

impl Kind {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Flag => DataType::Boolean,
            Self::Count => DataType::UInt64,
            Self::Integer => DataType::Int64,
            Self::Sum => DataType::Decimal128(DIGITS, 0),
            Self::Average => DataType::Decimal128(DIGITS, PLACES),
            Self::Moment => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// A named, typed column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name in the file.
    pub name: Cow<'static, str>,
    /// Type.
    pub kind: Kind,
    /// Whether a cell may be empty.
    pub nullable: bool,
    /// What is counted.
    pub unit: Option<Unit>,
    /// A sentence for people.
    pub description: Cow<'static, str>,
    /// What whoever is to see it must be permitted. Every column of a data set says so.
    pub needs: Option<Permission>,
    /// Whether its values add up, so that a manifest gives their total.
    pub additive: bool,
}

impl Column {
    /// A column of this name and type without empty cells.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self::named(Cow::Borrowed(name), kind)
    }

    /// The same, of a name that is known only when a question is asked.
    pub const fn named(name: Cow<'static, str>, kind: Kind) -> Self {
        Self {
            name,
            kind,
            nullable: false,
            unit: None,
            description: Cow::Borrowed(""),
            needs: None,
            additive: false,
        }
    }

    /// The column of a data set: what it says, and what whoever is to see it must be permitted.
    pub(crate) fn of(
        name: impl Into<Cow<'static, str>>,
        kind: Kind,
        needs: Permission,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            description: description.into(),
            needs: Some(needs),
            ..Self::named(name.into(), kind)
        }
    }

    /// The same column, with empty cells.
    pub(crate) fn or_empty(self) -> Self {
        Self {
            nullable: true,
            ..self
        }
    }
}

/// A value of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'a> {
    /// Nothing.
    Empty,
    /// For [`Kind::Text`].
    Text(&'a str),
    /// For [`Kind::Flag`].
    Flag(bool),
    /// For [`Kind::Count`].
    Count(u64),
    /// For [`Kind::Integer`].
    Integer(i64),
    /// For [`Kind::Sum`].
    Sum(i128),
    /// For [`Kind::Average`], in hundredths.
    Average(i128),
    /// For [`Kind::Moment`].
    Moment(DateTime<Utc>),
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Empty, Self::Text)
    }
}

/// A number of hundredths, with its two decimal places.
pub(crate) fn average(hundredths: i128) -> Decimal {
    Decimal {
        scaled: hundredths,
        places: Expression::PLACES,
    }
}

pub(crate) fn schema(columns: &[Column]) -> Schema {
    let field = |column: &Column| {
        let field = Field::new(
            column.name.as_ref(),
            column.kind.data_type(),
            column.nullable,
        );
        let description = Some(("description", column.description.to_string()))
            .filter(|(_, description)| !description.is_empty());
        let unit = column.unit.map(|unit| ("unit", unit.as_ref().to_owned()));
        let mut metadata = Metadata::new();
        for (key, value) in description.into_iter().chain(unit) {
            metadata.insert(key, value);
        }
        field.with_metadata(metadata)
    };
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

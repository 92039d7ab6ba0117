//! What a file holds, and how to check it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{Error, Period, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Column, Compression, Dialect, Part, Seen};

/// How texts of a CSV file are read back.
pub(crate) const TEXT_RULE: &str = "a text that begins with = + - @ ' tab or CR has an apostrophe in front: take one apostrophe away \
    from each text that begins with one";

/// Under which name the metadata of a file has what it says of itself.
pub(crate) const MANIFEST_KEY: &str = "simcube";

/// What is known of a file before its first row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// Name of the data set.
    pub data_set: &'static str,
    /// Format of the file.
    pub format: String,
    /// Whether the whole of the file is compressed, and how.
    #[serde(skip_serializing_if = "is_plain")]
    pub compression: Compression,
    /// How it is spelt, of CSV.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv: Option<Dialect>,
    /// The filter, or the question to the cubes, as it was asked.
    pub question: Value,
    /// SHA-256 of a question to the cubes, in hexadecimal digits: the same for the same one, whoever asks it and wherever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question_sha256: Option<String>,
    /// Short name of the tenant.
    pub tenant: String,
    /// Of which part of it the rows are.
    pub scope: Seen,
    /// The period that was meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<Span>,
    /// In which days and months are meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The columns, in file order.
    pub columns: Vec<Described>,
    /// Columns that were left out because they are closed to whoever asked.
    pub closed: Vec<String>,
    /// How texts of the file are read back, if not as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_rule: Option<&'static str>,
    /// Version of the program.
    pub product_version: &'static str,
    /// Version of the data sets' columns.
    pub schema_version: u32,
    /// Where usage comes from; what is said after the last row may be fresher.
    #[serde(skip)]
    pub foreseen: Option<Foreseen>,
}

impl Head {
    /// All of it, for whoever is told nothing after the last row.
    pub(crate) fn json(&self) -> Result<String> {
        #[derive(Serialize)]
        struct Whole<'a> {
            #[serde(flatten)]
            head: &'a Head,
            #[serde(skip_serializing_if = "Option::is_none")]
            provenance: Option<&'a Foreseen>,
        }
        let provenance = self.foreseen.as_ref();
        let whole = Whole {
            head: self,
            provenance,
        };
        serde_json::to_string(&whole).map_err(Error::internal)
    }
}

/// Where usage comes from, as it is known before the first row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Foreseen {
    /// The tables that are read, the coarsest first.
    pub tables: Vec<String>,
    /// Receipt of the newest record that was counted before the statement began, and is in the answer.
    pub watermark: Option<DateTime<Utc>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_plain(compression: &Compression) -> bool {
    *compression == Compression::None
}

/// What the file itself says of its rows: nothing of the clock, so that the same rows are the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contents {
    /// What is known before the first row.
    #[serde(flatten)]
    pub head: Head,
    /// Rows, headers not counted.
    pub rows: u64,
    /// Totals of the columns that add up, as numbers in text: they may have 38 digits.
    pub totals: BTreeMap<String, String>,
    /// Where usage comes from and how fresh it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Origin>,
}

/// A period, half-open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Span {
    /// First moment inside.
    pub from: DateTime<Utc>,
    /// First moment after.
    pub to: DateTime<Utc>,
}

impl From<Period> for Span {
    fn from(period: Period) -> Self {
        Self {
            from: period.from(),
            to: period.to(),
        }
    }
}

/// A column as a manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Described {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// What is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What it says.
    pub description: String,
}

impl From<&Column> for Described {
    fn from(column: &Column) -> Self {
        Self {
            name: column.name.to_string(),
            kind: column.kind.as_ref().to_owned(),
            unit: column.unit.map(|unit| unit.as_ref().to_owned()),
            description: column.description.to_string(),
        }
    }
}

/// Where usage comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The tables that were read, the coarsest first.
    pub tables: Vec<String>,
    /// Receipt of the newest record that is counted.
    pub watermark: Option<DateTime<Utc>>,
    /// Whether the period had ended by then.
    pub complete: bool,
    /// Whether the limit of the question cut rows off.
    pub truncated: bool,
    /// The whole of the period, whatever the file shows of it.
    pub whole: BTreeMap<String, String>,
}

impl Contents {
    pub(crate) fn json(&self) -> Result<String> {
        serde_json::to_string(self).map_err(Error::internal)
    }

    /// Names and values, for people.
    pub(crate) fn lines(&self) -> Result<Vec<(String, String)>> {
        let value = serde_json::to_value(self).map_err(Error::internal)?;
        let Value::Object(fields) = value else {
            return Err(Error::internal("a manifest is an object"));
        };
        let line = |(name, value)| match value {
            Value::String(text) => (name, text),
            value => (name, value.to_string()),
        };
        Ok(fields.into_iter().map(line).collect())
    }
}

/// What stands beside a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// What the file says itself.
    #[serde(flatten)]
    pub contents: Contents,
    /// Name of the file, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal digits; of several, each has its own.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// The files, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Part>,
    /// Moment of the snapshot that the inventory was read from, and what periods that move with the clock were counted from.
    pub snapshot_at: DateTime<Utc>,
}

//! What must be against what is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, Utc};

use super::row::AccountingRow;

/// A row of expected sums, and of what there is.
pub trait Row: Clone {
    /// Everything that it is known by.
    type Key: Ord;

    /// What makes two rows the same cell.
    fn key(&self) -> Self::Key;

    /// Whose it is: what is nobody's of the plan is left out.
    fn whose(&self) -> &str;

    /// When its period begins.
    fn at(&mut self) -> &mut DateTime<Utc>;

    /// Adds the sums of another row of the same cell.
    fn add(&mut self, other: &Self);

    /// Whether all sums are zero.
    fn is_nothing(&self) -> bool;

    /// The key's values, joined, for people.
    fn what(&self) -> String;

    /// The sums, for people.
    fn shown(&self) -> String;
}

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs: the key's values, joined.
    pub what: String,
    /// What must be; none when there must be nothing.
    pub expected: Option<String>,
    /// What is; none when there is nothing.
    pub actual: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |sums: &Option<String>| sums.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(
            f,
            "{}: expected {}, found {}",
            self.what,
            show(&self.expected),
            show(&self.actual)
        )
    }
}

/// Compares what is expected with what a table of the tenant says, in any order; `start_of` tells when the table's period
/// around a moment begins. Rows of `actual` that share a key are added up; rows that are nobody's of the expected ones are
/// somebody else's usage and are left out.
pub fn compare<R: Row>(
    expected: &[R],
    start_of: impl Fn(DateTime<Utc>) -> DateTime<Utc>,
    actual: impl IntoIterator<Item = R>,
) -> Vec<Difference> {
    let ours: BTreeSet<&str> = expected.iter().map(Row::whose).collect();
    let must = sums(expected.iter().cloned().map(|mut row| {
        let at = row.at();
        *at = start_of(*at);
        row
    }));
    let actual = actual.into_iter();
    let is = sums(actual.filter(|row| ours.contains(row.whose())));
    let wrong = must.iter().filter_map(|(key, row)| {
        let expected = Some(row.shown());
        let actual = is.get(key).map(Row::shown);
        (actual != expected).then(|| Difference {
            what: row.what(),
            expected,
            actual,
        })
    });
    // What a corrected record leaves behind counts nothing and is no difference.
    let extra = is
        .iter()
        .filter(|(key, row)| !must.contains_key(*key) && !row.is_nothing())
        .map(|(_, row)| Difference {
            what: row.what(),
            expected: None,
            actual: Some(row.shown()),
        });
    wrong.chain(extra).collect()
}

/// Rows by their keys, each cell once.
pub(super) fn sums<R: Row>(rows: impl IntoIterator<Item = R>) -> BTreeMap<R::Key, R> {
    let mut cells: BTreeMap<R::Key, R> = BTreeMap::new();
    for row in rows {
        match cells.get_mut(&row.key()) {
            Some(sum) => sum.add(&row),
            None => {
                cells.insert(row.key(), row);
            }
        }
    }
    cells
}

/// Records, bytes up, bytes down.
type Sums = (u64, i128, i128);

fn shown((records, up, down): Sums) -> String {
    format!("{records} records, {up} up, {down} down")
}

/// Compares the expected books with the tenant's: accepted exactly, each rejection code at least. Rows of `actual` that
/// share source and code are added up.
pub fn compare_accounting(
    expected: &[AccountingRow],
    actual: impl IntoIterator<Item = AccountingRow>,
) -> Vec<Difference> {
    let mut is: BTreeMap<(String, String), Sums> = BTreeMap::new();
    for row in actual {
        let sums = is.entry((row.source, row.code)).or_default();
        *sums = (
            sums.0 + row.records,
            sums.1 + row.bytes_up,
            sums.2 + row.bytes_down,
        );
    }
    let differs = |row: &&AccountingRow| {
        let actual = is.get(&(row.source.clone(), row.code.clone()));
        match actual {
            None => true,
            Some(actual) if row.code.is_empty() => {
                *actual != (row.records, row.bytes_up, row.bytes_down)
            }
            Some((records, ..)) => *records < row.records,
        }
    };
    let difference = |row: &AccountingRow| Difference {
        what: format!(
            "{} {}",
            if row.source.is_empty() {
                "no source"
            } else {
                &row.source
            },
            if row.code.is_empty() {
                "accepted"
            } else {
                &row.code
            }
        ),
        expected: Some(shown((row.records, row.bytes_up, row.bytes_down))),
        actual: is
            .get(&(row.source.clone(), row.code.clone()))
            .copied()
            .map(shown),
    };
    expected.iter().filter(differs).map(difference).collect()
}

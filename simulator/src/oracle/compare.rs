//! What must be against what is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chrono::{DateTime, Utc};

use super::row::{AccountingRow, UsageRow, add};

/// Records, bytes up, bytes down.
pub type Sums = (u64, i128, i128);

/// Something that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs: the key's values, joined.
    pub what: String,
    /// What must be; none when there must be nothing.
    pub expected: Option<Sums>,
    /// What is; none when there is nothing.
    pub actual: Option<Sums>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |sums: Option<Sums>| match sums {
            None => "nothing".to_owned(),
            Some((records, up, down)) => format!("{records} records, {up} up, {down} down"),
        };
        write!(
            f,
            "{}: expected {}, found {}",
            self.what,
            show(self.expected),
            show(self.actual)
        )
    }
}

/// Compares expected usage with what a table of the tenant says, in any order; `start_of` tells when the table's period
/// around a day begins. Rows of `actual` that share a key are added up; rows of other sources than the expected ones are
/// somebody else's usage and are left out.
pub fn compare(
    expected: &[UsageRow],
    start_of: impl Fn(DateTime<Utc>) -> DateTime<Utc>,
    actual: impl IntoIterator<Item = UsageRow>,
) -> Vec<Difference> {
    let mut must = BTreeMap::new();
    let mut sources = BTreeSet::new();
    for row in expected {
        sources.insert(row.source.clone());
        let day = start_of(row.day);
        add(&mut must, UsageRow { day, ..row.clone() });
    }
    let mut is = BTreeMap::new();
    for row in actual {
        if sources.contains(&row.source) {
            add(&mut is, row);
        }
    }
    let sums = |row: &UsageRow| (row.records, row.bytes_up, row.bytes_down);
    let what = |row: &UsageRow| {
        let customer = if row.customer.is_empty() {
            "unassigned"
        } else {
            &row.customer
        };
        format!(
            "{} {customer} {} {} {} {} {} {}",
            row.source,
            row.iccid,
            if row.device.is_empty() {
                "no device"
            } else {
                &row.device
            },
            row.network,
            row.rat,
            row.service,
            row.day.format("%Y-%m-%d")
        )
    };
    let wrong = must.iter().filter_map(|(key, row)| {
        let actual = is.get(key).map(sums);
        let expected = Some(sums(row));
        (actual != expected).then(|| Difference {
            what: what(row),
            expected,
            actual,
        })
    });
    // What a corrected record leaves behind counts nothing and is no difference.
    let extra = is
        .iter()
        .filter(|(key, row)| !must.contains_key(*key) && sums(row) != (0, 0, 0))
        .map(|(_, row)| Difference {
            what: what(row),
            expected: None,
            actual: Some(sums(row)),
        });
    wrong.chain(extra).collect()
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
        expected: Some((row.records, row.bytes_up, row.bytes_down)),
        actual: is.get(&(row.source.clone(), row.code.clone())).copied(),
    };
    expected.iter().filter(differs).map(difference).collect()
}

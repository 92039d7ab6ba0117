//! The typed Parquet writer: the same rows are the same bytes, and come back exactly.

use std::{fmt::Write as _, fs::File, io::Write as _};

use chrono::{DateTime, Utc};
use exports::{BATCH, Cell, Column, Error, FileRow, Kind, Record, Writer};
use sha2::{Digest, Sha256};

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    customer: String,
    records: u64,
    bytes: i128,
    day: DateTime<Utc>,
}

impl Record for Line {
    const COLUMNS: &'static [Column] = &[
        Column::new("customer", Kind::Text),
        Column::new("records", Kind::Count),
        Column::new("bytes", Kind::Sum),
        Column::new("day", Kind::Moment),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(&self.customer),
            Cell::Count(self.records),
            Cell::Sum(self.bytes),
            Cell::Moment(self.day),
        ]);
    }

    fn from_row(row: &FileRow<'_>) -> Result<Self, Error> {
        Ok(Self {
            customer: row.text(0)?.to_owned(),
            records: row.count(1)?,
            bytes: row.sum(2)?,
            day: row.moment(3)?,
        })
    }
}

fn lines(count: usize) -> impl Iterator<Item = Line> {
    (0..count).map(|n| Line {
        customer: ["bosch", "dyer", "3m", ""][n % 4].to_owned(),
        records: u64::MAX - n as u64,
        bytes: 99_999_999_999_999_999_999_999_999_999_999_999_999 - n as i128,
        day: DateTime::from_timestamp_millis(1_790_000_000_123 + i64::try_from(n).expect("small"))
            .expect("a moment"),
    })
}

fn write(lines: impl Iterator<Item = Line>) -> Result<(Vec<u8>, u64), Error> {
    let mut writer = Writer::new(Vec::new())?;
    for line in lines {
        writer.push(&line)?;
    }
    writer.finish()
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("written");
    file
}

#[test]
fn the_bytes_of_a_file_are_golden() {
    let (bytes, rows) = write(lines(1_000)).expect("written");
    assert_eq!(rows, 1_000);
    let mut hash = String::new();
    for byte in Sha256::digest(&bytes) {
        write!(hash, "{byte:02x}").expect("written");
    }
    insta::assert_snapshot!(hash, @"d135071031252d1dbd0bc50f380d5b0f50a4f08837e09a19298bc6bcf4a793c9");
}

#[test]
fn rows_come_back_exactly_over_several_batches() {
    let count = 2 * BATCH + 1;
    let (bytes, rows) = write(lines(count)).expect("written");
    assert_eq!(rows, count as u64);
    let read = exports::read::<Line>(file(&bytes)).expect("opened");
    assert!(read.map(|line| line.expect("a line")).eq(lines(count)));
}

#[test]
fn an_empty_file_has_columns_and_no_rows() {
    let (bytes, rows) = write(lines(0)).expect("written");
    assert_eq!(rows, 0);
    assert_eq!(
        exports::read::<Line>(file(&bytes)).expect("opened").count(),
        0
    );
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut line = lines(1).next().expect("a line");
    line.bytes += 1;
    assert!(matches!(
        write(std::iter::once(line)),
        Err(Error::TooLarge { name }) if name == "bytes"
    ));
    assert!(matches!(
        exports::read::<Line>(file(b"PAR1 not")),
        Err(Error::Parquet(_))
    ));
}

#[test]
fn another_kind_of_file_is_refused_by_column() {
    struct Other;
    impl Record for Other {
        const COLUMNS: &'static [Column] = &[
            Column::new("customer", Kind::Text),
            Column::new("bytes", Kind::Count),
        ];
        fn cells<'a>(&'a self, _: &mut Vec<Cell<'a>>) {}
        fn from_row(_: &FileRow<'_>) -> Result<Self, Error> {
            Ok(Self)
        }
    }
    let (bytes, _) = write(lines(1)).expect("written");
    let opened = exports::read::<Other>(file(&bytes));
    assert!(matches!(opened, Err(Error::Column { name }) if name == "bytes"));
}

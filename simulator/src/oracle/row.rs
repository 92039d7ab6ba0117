//! The rows of an oracle's files about usage records.

use chrono::{DateTime, Utc};
use exports::{Cell, Column, FileRow, Kind, Record};

use super::compare::Row;

/// Usage of one day, by everything that the cubes can be asked for. Compared with a coarser cube, `day` is the first day of
/// its period.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageRow {
    /// Source as intake names it.
    pub source: String,
    /// Slug of the customer at event time, empty when unassigned.
    pub customer: String,
    /// ICCID as in the inventory.
    pub iccid: String,
    /// Name of the device that the SIM sat in at event time, empty when none.
    pub device: String,
    /// `MCC-MNC`.
    pub network: String,
    /// Radio access type, empty when unknown.
    pub rat: String,
    /// `DATA` or `SMS`.
    pub service: String,
    /// First moment of the day of `start`, UTC.
    pub day: DateTime<Utc>,
    /// Accepted records.
    pub records: u64,
    /// Sum of bytes from the device.
    pub bytes_up: i128,
    /// Sum of bytes to the device.
    pub bytes_down: i128,
}

impl Record for UsageRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("source", Kind::Text),
        Column::new("customer", Kind::Text),
        Column::new("iccid", Kind::Text),
        Column::new("device", Kind::Text),
        Column::new("network", Kind::Text),
        Column::new("rat", Kind::Text),
        Column::new("service", Kind::Text),
        Column::new("day", Kind::Moment),
        Column::new("records", Kind::Count),
        Column::new("bytes_up", Kind::Sum),
        Column::new("bytes_down", Kind::Sum),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend(self.texts().map(|text| Cell::Text(text)));
        cells.extend([
            Cell::Moment(self.day),
            Cell::Count(self.records),
            Cell::Sum(self.bytes_up),
            Cell::Sum(self.bytes_down),
        ]);
    }

    fn from_row(row: &FileRow<'_>) -> Result<Self, exports::Error> {
        Ok(Self {
            source: row.text(0)?.to_owned(),
            customer: row.text(1)?.to_owned(),
            iccid: row.text(2)?.to_owned(),
            device: row.text(3)?.to_owned(),
            network: row.text(4)?.to_owned(),
            rat: row.text(5)?.to_owned(),
            service: row.text(6)?.to_owned(),
            day: row.moment(7)?,
            records: row.count(8)?,
            bytes_up: row.sum(9)?,
            bytes_down: row.sum(10)?,
        })
    }
}

/// What the books must say of one source. Without a code: accepted records and their bytes, exactly. With a rejection
/// code: distinct refused records; repetitions are booked again, so the books say this many or more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountingRow {
    /// Source, empty for records that name none.
    pub source: String,
    /// Rejection code, empty for accepted.
    pub code: String,
    /// Records.
    pub records: u64,
    /// Sum of bytes from the device; 0 for rejections.
    pub bytes_up: i128,
    /// Sum of bytes to the device; 0 for rejections.
    pub bytes_down: i128,
}

impl Record for AccountingRow {
    const COLUMNS: &'static [Column] = &[
        Column::new("source", Kind::Text),
        Column::new("code", Kind::Text),
        Column::new("records", Kind::Count),
        Column::new("bytes_up", Kind::Sum),
        Column::new("bytes_down", Kind::Sum),
    ];

    fn cells<'a>(&'a self, cells: &mut Vec<Cell<'a>>) {
        cells.extend([
            Cell::Text(&self.source),
            Cell::Text(&self.code),
            Cell::Count(self.records),
            Cell::Sum(self.bytes_up),
            Cell::Sum(self.bytes_down),
        ]);
    }

    fn from_row(row: &FileRow<'_>) -> Result<Self, exports::Error> {
        Ok(Self {
            source: row.text(0)?.to_owned(),
            code: row.text(1)?.to_owned(),
            records: row.count(2)?,
            bytes_up: row.sum(3)?,
            bytes_down: row.sum(4)?,
        })
    }
}

impl UsageRow {
    fn texts(&self) -> [&String; 7] {
        [
            &self.source,
            &self.customer,
            &self.iccid,
            &self.device,
            &self.network,
            &self.rat,
            &self.service,
        ]
    }
}

impl Row for UsageRow {
    type Key = ([String; 7], DateTime<Utc>);

    fn key(&self) -> Self::Key {
        (self.texts().map(String::clone), self.day)
    }

    fn whose(&self) -> &str {
        &self.source
    }

    fn at(&mut self) -> &mut DateTime<Utc> {
        &mut self.day
    }

    fn add(&mut self, other: &Self) {
        self.records += other.records;
        self.bytes_up += other.bytes_up;
        self.bytes_down += other.bytes_down;
    }

    fn is_nothing(&self) -> bool {
        (self.records, self.bytes_up, self.bytes_down) == (0, 0, 0)
    }

    fn what(&self) -> String {
        let or =
            |text: &str, otherwise: &str| if text.is_empty() { otherwise } else { text }.to_owned();
        format!(
            "{} {} {} {} {} {} {} {}",
            self.source,
            or(&self.customer, "unassigned"),
            self.iccid,
            or(&self.device, "no device"),
            self.network,
            self.rat,
            self.service,
            self.day.format("%Y-%m-%d")
        )
    }

    fn shown(&self) -> String {
        let Self {
            records,
            bytes_up,
            bytes_down,
            ..
        } = self;
        format!("{records} records, {bytes_up} up, {bytes_down} down")
    }
}

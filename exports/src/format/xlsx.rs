//! Excel workbooks. Rows spool to the folder for temporary files, because a workbook is written from its end, and are compressed beside
//! when it ends.

use std::{
    fs::File,
    io::{self, Seek as _, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::array::RecordBatch;
use rust_xlsxwriter::{
    ColNum, DocProperties, ExcelDateTime, Format as Style, RowNum, Workbook, Worksheet,
};

use super::{Rows, batch::each_row};
use crate::{Cell, Column, Error, Kind, column::average, manifest::Contents};

/// Rows of a sheet, its header included.
const SHEET_ROWS: RowNum = 1_048_576;
/// Characters of a cell, in UTF-16 as Excel counts them.
const CELL: usize = 32_767;
/// Digits that a number of Excel keeps are 15: what has more is text.
const NUMBER: u128 = 1_000_000_000_000_000;

/// Bytes that the rows of a workbook spool at most.
pub const SPOOL: u64 = 8 << 30;
/// Bytes that a row and a cell have around what is in them, at most: the library's XML with the longest place and style.
const ROW: u64 = 48;
const AROUND: u64 = 96;

/// What a workbook may be.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Rows of a sheet, its header included.
    pub(super) sheet_rows: RowNum,
    /// Bytes that all rows spool.
    pub(super) spool: u64,
}

impl Limits {
    pub(super) const DEFAULT: Self = Self {
        sheet_rows: SHEET_ROWS,
        spool: SPOOL,
    };
}

/// A workbook.
pub(super) struct Xlsx<W> {
    name: String,
    columns: Arc<[Column]>,
    book: Workbook,
    limits: Limits,
    /// Bytes of the rows so far, at most.
    spooled: u64,
    /// Sheets so far, and rows of the last one.
    sheets: usize,
    rows: RowNum,
    styles: Styles,
    sink: W,
}

struct Styles {
    header: Style,
    text: Style,
    integer: Style,
    average: Style,
    moment: Style,
}

impl<W: Write> Xlsx<W> {
    pub(super) fn new(name: &str, columns: &[Column], sink: W) -> Result<Self, Error> {
        Self::within(Limits::DEFAULT, name, columns, sink)
    }

    pub(super) fn within(
        limits: Limits,
        name: &str,
        columns: &[Column],
        sink: W,
    ) -> Result<Self, Error> {
        let mut book = Workbook::new();
        // The present moment would make another file of the same rows.
        let created = ExcelDateTime::from_ymd(2000, 1, 1)?;
        book.set_properties(&DocProperties::new().set_creation_datetime(&created));
        let mut workbook = Self {
            name: name.to_owned(),
            columns: columns.into(),
            book,
            limits,
            spooled: 0,
            sheets: 0,
            rows: 0,
            styles: Styles {
                header: Style::new().set_bold(),
                text: Style::new().set_num_format("@"),
                integer: Style::new().set_num_format("0"),
                average: Style::new().set_num_format("0.00"),
                moment: Style::new().set_num_format("yyyy-mm-dd hh:mm:ss.000"),
            },
            sink,
        };
        workbook.begin_sheet()?;
        Ok(workbook)
    }

    /// Bytes of the rows so far, at most.
    #[cfg(test)]
    pub(super) const fn spooled(&self) -> u64 {
        self.spooled
    }

    fn begin_sheet(&mut self) -> Result<(), Error> {
        self.sheets += 1;
        self.rows = 1;
        let name = match self.sheets {
            1 => self.name.clone(),
            several => format!("{} {several}", self.name),
        };
        let sheet = self.book.add_worksheet_with_constant_memory()?;
        sheet.set_name(name)?.set_freeze_panes(1, 0)?;
        for (place, column) in self.columns.iter().enumerate() {
            let place = place_of(place)?;
            let narrowest = match column.kind {
                Kind::Flag | Kind::Count => 10,
                Kind::Integer | Kind::Sum | Kind::Average => 18,
                Kind::Text | Kind::Moment => 24,
            };
            let characters = column.name.chars().count().clamp(narrowest, 60);
            let width = u32::try_from(characters).map_or(60.0, f64::from);
            sheet.set_column_width(place, width)?;
            sheet.write_string_with_format(0, place, column.name.as_ref(), &self.styles.header)?;
        }
        Ok(())
    }

    fn write_row(&mut self, cells: &[Cell<'_>]) -> Result<(), Error> {
        if self.rows == self.limits.sheet_rows {
            self.begin_sheet()?;
        }
        let row = self.rows;
        self.rows += 1;
        let sheet = self.book.worksheet_from_index(self.sheets - 1)?;
        for (place, (column, cell)) in self.columns.iter().zip(cells).enumerate() {
            write(sheet, row, place_of(place)?, column, *cell, &self.styles)?;
        }
        Ok(())
    }

    /// The sheet that says what the others hold.
    fn describe(&mut self, contents: &Contents) -> Result<(), Error> {
        let sheet = self.book.add_worksheet_with_constant_memory()?;
        sheet.set_name("manifest")?.set_column_width(0, 24)?;
        sheet.set_column_width(1, 100)?;
        for (row, (name, value)) in contents.lines()?.into_iter().enumerate() {
            let row = RowNum::try_from(row).map_err(domain::Error::internal)?;
            sheet.write_string_with_format(row, 0, name, &self.styles.header)?;
            let (most, _) = value
                .char_indices()
                .nth(CELL / 2)
                .unwrap_or((value.len(), ' '));
            sheet.write_string_with_format(row, 1, &value[..most], &self.styles.text)?;
        }
        Ok(())
    }
}

impl<W: Write + Send> Rows<W> for Xlsx<W> {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        let columns = Arc::clone(&self.columns);
        each_row(&columns, rows, |cells| {
            self.spooled += ROW + cells.iter().map(size).sum::<u64>();
            if self.spooled > self.limits.spool {
                let most = self.limits.spool;
                return Err(Error::TooMuch { most });
            }
            spooling(|| self.write_row(cells))
        })
    }

    fn finish(mut self: Box<Self>, contents: &Contents) -> Result<(W, Option<File>), Error> {
        self.describe(contents)?;
        let mut spool = tempfile::tempfile()?;
        spooling(|| Ok(self.book.save_to_writer(&mut spool)?))?;
        spool.rewind()?;
        Ok((self.sink, Some(spool)))
    }
}

/// Writes to the spool: where that does not take it, the library panics.
fn spooling(write: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let written = catch_unwind(AssertUnwindSafe(write));
    written.unwrap_or_else(|_| Err(unspooled().into()))
}

/// Why the folder for temporary files takes nothing.
fn unspooled() -> io::Error {
    let tried = tempfile::tempfile().and_then(|mut file| file.write_all(&vec![0; 1 << 16]));
    let odd =
        || io::Error::other("the folder for temporary files took what it did not take before");
    tried.err().unwrap_or_else(odd)
}

/// Bytes that a cell spools at most.
fn size(cell: &Cell<'_>) -> u64 {
    let escaped = |byte: u8| match byte {
        // `_x0000_`, and `_` itself where such a text begins.
        b'_' | ..=0x1f => 7,
        // A name as `&amp;`; the last is the first of three bytes that are escaped together, in some texts.
        b'&' | b'<' | b'>' | 0xef => 5,
        _ => 1,
    };
    match cell {
        Cell::Text(text) => AROUND + text.bytes().map(escaped).sum::<u64>(),
        _ => AROUND,
    }
}

fn write(
    sheet: &mut Worksheet,
    row: RowNum,
    place: ColNum,
    column: &Column,
    cell: Cell<'_>,
    styles: &Styles,
) -> Result<(), Error> {
    match cell {
        Cell::Empty => {}
        Cell::Text(text) => {
            // A character is one or two of UTF-16: most texts are short.
            if text.len() > CELL && text.encode_utf16().count() > CELL {
                let name = column.name.to_string();
                return Err(Error::TooLong { name, most: CELL });
            }
            sheet.write_string_with_format(row, place, text, &styles.text)?;
        }
        Cell::Flag(flag) => _ = sheet.write_boolean(row, place, flag)?,
        Cell::Count(count) => write_integer(sheet, row, place, count.into(), styles)?,
        Cell::Integer(integer) => write_integer(sheet, row, place, integer.into(), styles)?,
        Cell::Sum(sum) => write_integer(sheet, row, place, sum, styles)?,
        Cell::Average(hundredths) => match number(hundredths) {
            Some(number) => {
                sheet.write_number_with_format(row, place, number / 100.0, &styles.average)?;
            }
            None => {
                sheet.write_string_with_format(
                    row,
                    place,
                    average(hundredths).to_string(),
                    &styles.text,
                )?;
            }
        },
        Cell::Moment(moment) => {
            let text = moment.format("%Y-%m-%dT%H:%M:%S%.3f").to_string();
            // It tells milliseconds apart, from 1900 to 9999; what it has no number for is text.
            match ExcelDateTime::parse_from_str(&text) {
                Ok(moment) => {
                    sheet.write_datetime_with_format(row, place, moment, &styles.moment)?
                }
                Err(_) => sheet.write_string_with_format(row, place, text + "Z", &styles.text)?,
            };
        }
    }
    Ok(())
}

fn write_integer(
    sheet: &mut Worksheet,
    row: RowNum,
    place: ColNum,
    value: i128,
    styles: &Styles,
) -> Result<(), Error> {
    match number(value) {
        Some(number) => sheet.write_number_with_format(row, place, number, &styles.integer)?,
        None => sheet.write_string_with_format(row, place, value.to_string(), &styles.text)?,
    };
    Ok(())
}

/// The number that Excel keeps, if it keeps all digits.
#[expect(clippy::cast_precision_loss, reason = "it has at most 15 digits")]
fn number(value: i128) -> Option<f64> {
    (value.unsigned_abs() < NUMBER).then_some(value as f64)
}

fn place_of(place: usize) -> Result<ColNum, Error> {
    Ok(ColNum::try_from(place).map_err(domain::Error::internal)?)
}

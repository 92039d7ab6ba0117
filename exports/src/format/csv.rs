//! CSV as RFC 4180 has it.

use std::{fs::File, io::Write};

use arrow::array::RecordBatch;
use chrono::SecondsFormat;
use csv::{Terminator, WriterBuilder};

use super::{Rows, batch::each_row};
use crate::{Cell, Column, Dialect, Error, column::average, manifest::Contents};

/// What a text that begins with one of these gets in front. A reader takes one apostrophe away from each text that begins with one.
const APOSTROPHE: char = '\'';

/// A file of comma-separated values.
pub(super) struct Csv<W: Write> {
    columns: Vec<Column>,
    file: csv::Writer<W>,
    /// Reused from cell to cell.
    text: String,
}

impl<W: Write> Csv<W> {
    pub(super) fn new(dialect: Dialect, columns: &[Column], mut sink: W) -> Result<Self, Error> {
        if dialect.byte_order_mark {
            sink.write_all("\u{feff}".as_bytes())?;
        }
        let mut file = WriterBuilder::new()
            .terminator(Terminator::Any(b'\n'))
            .delimiter(dialect.separator.byte())
            .from_writer(sink);
        let mut text = String::new();
        for column in columns {
            inert(&mut text, &column.name);
            file.write_field(&text)?;
        }
        file.write_record(None::<&[u8]>)?;
        Ok(Self {
            columns: columns.to_vec(),
            file,
            text,
        })
    }
}

impl<W: Write + Send> Rows<W> for Csv<W> {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        let Self {
            columns,
            file,
            text,
        } = self;
        each_row(columns, rows, |cells| {
            for cell in cells {
                match cell {
                    Cell::Empty => text.clear(),
                    Cell::Text(value) => inert(text, value),
                    Cell::Flag(flag) => *text = flag.to_string(),
                    Cell::Count(count) => *text = count.to_string(),
                    Cell::Integer(integer) => *text = integer.to_string(),
                    Cell::Sum(sum) => *text = sum.to_string(),
                    Cell::Average(hundredths) => *text = average(*hundredths).to_string(),
                    Cell::Moment(moment) => {
                        *text = moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                    }
                }
                file.write_field(&*text)?;
            }
            Ok(file.write_record(None::<&[u8]>)?)
        })
    }

    fn finish(self: Box<Self>, _: &Contents) -> Result<(W, Option<File>), Error> {
        let sink = self.file.into_inner();
        let sink = sink.map_err(|error| Error::Io(error.into_error()))?;
        Ok((sink, None))
    }
}

/// A text of users as no spreadsheet takes it for a formula.
fn inert(into: &mut String, text: &str) {
    into.clear();
    if text.starts_with(['=', '+', '-', '@', APOSTROPHE, '\t', '\r']) {
        into.push(APOSTROPHE);
    }
    into.push_str(text);
}

//! A JSON object a line.

use std::{fs::File, io::Write};

use arrow::array::RecordBatch;
use chrono::SecondsFormat;
use serde_json::Value;

use super::{Rows, batch::each_row};
use crate::{Cell, Column, Error, column::average, manifest::Contents};

/// A file of JSON objects.
pub(super) struct Ndjson<W> {
    columns: Vec<Column>,
    /// What comes before each value: a brace or a comma, and the name.
    names: Vec<String>,
    sink: W,
    /// Reused from row to row.
    line: String,
}

impl<W: Write> Ndjson<W> {
    pub(super) fn new(columns: &[Column], sink: W) -> Self {
        let name = |(place, column): (usize, &Column)| {
            let before = if place == 0 { '{' } else { ',' };
            format!("{before}{}:", text(&column.name))
        };
        Self {
            columns: columns.to_vec(),
            names: columns.iter().enumerate().map(name).collect(),
            sink,
            line: String::new(),
        }
    }
}

impl<W: Write + Send> Rows<W> for Ndjson<W> {
    fn write(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        let Self {
            columns,
            names,
            sink,
            line,
        } = self;
        each_row(columns, rows, |cells| {
            line.clear();
            for (name, cell) in names.iter().zip(cells) {
                line.push_str(name);
                line.push_str(&value(*cell));
            }
            line.push_str(if cells.is_empty() { "{}\n" } else { "}\n" });
            Ok(sink.write_all(line.as_bytes())?)
        })
    }

    fn finish(self: Box<Self>, _: &Contents) -> Result<(W, Option<File>), Error> {
        Ok((self.sink, None))
    }
}

fn value(cell: Cell<'_>) -> String {
    match cell {
        Cell::Empty => "null".to_owned(),
        Cell::Text(value) => text(value),
        Cell::Flag(flag) => flag.to_string(),
        Cell::Count(count) => count.to_string(),
        Cell::Integer(integer) => format!("\"{integer}\""),
        Cell::Sum(sum) => format!("\"{sum}\""),
        Cell::Average(hundredths) => format!("\"{}\"", average(hundredths)),
        Cell::Moment(moment) => {
            let moment = moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            format!("\"{moment}\"")
        }
    }
}

fn text(value: &str) -> String {
    Value::from(value).to_string()
}

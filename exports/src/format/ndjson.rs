//! A JSON object a line.

use std::{fs::File, io::Write};

use chrono::SecondsFormat;
use serde_json::Value;

use super::{Rows, mismatch};
use crate::{Cell, Column, Error, column::average, manifest::Contents};

/// A file of JSON objects.
pub(super) struct Ndjson<W> {
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
            names: columns.iter().enumerate().map(name).collect(),
            sink,
            line: String::new(),
        }
    }
}

impl<W: Write + Send> Rows<W> for Ndjson<W> {
    fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), Error> {
        if cells.len() != self.names.len() {
            return Err(mismatch(None));
        }
        self.line.clear();
        for (name, cell) in self.names.iter().zip(cells) {
            self.line.push_str(name);
            let value = match cell {
                Cell::Empty => "null".to_owned(),
                Cell::Text(value) => text(value),
                Cell::Flag(flag) => flag.to_string(),
                Cell::Count(count) => count.to_string(),
                Cell::Integer(integer) => format!("\"{integer}\""),
                Cell::Sum(sum) => format!("\"{sum}\""),
                Cell::Average(hundredths) => format!("\"{}\"", average(*hundredths)),
                Cell::Moment(moment) => {
                    format!(
                        "\"{}\"",
                        moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)
                    )
                }
            };
            self.line.push_str(&value);
        }
        self.line
            .push_str(if cells.is_empty() { "{}\n" } else { "}\n" });
        Ok(self.sink.write_all(self.line.as_bytes())?)
    }

    fn finish(self: Box<Self>, _: &Contents) -> Result<(W, Option<File>), Error> {
        Ok((self.sink, None))
    }
}

fn text(value: &str) -> String {
    Value::from(value).to_string()
}

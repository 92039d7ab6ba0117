//! Workbooks, read by two libraries that know nothing of each other, one of them from npm.

use std::{collections::BTreeMap, path::Path};

use calamine::{Data, Reader as _, Xlsx, open_workbook};
use serde::Deserialize;
use serde_json::Value;

use crate::export::{Rows, columns, compare, empty_is_nothing, script};

/// The rows of a workbook, which both read alike.
pub(crate) fn read(path: &Path, manifest: &Value) -> Rows {
    let rows = of_calamine(path, manifest);
    let mut others = of_npm(path, manifest);
    // Excel knows no empty text.
    let known: Rows = rows.iter().cloned().map(empty_is_nothing).collect();
    for (other, row) in others.iter_mut().zip(&known) {
        moments_as_in(row, other, manifest);
    }
    compare(&others, &known, "read-excel-file");
    totals_are_those_of(&others, manifest);
    rows
}

/// The library from npm cuts moments to the millisecond, where the number of days that a workbook has is a little less than what was meant.
fn moments_as_in(row: &Row, other: &mut Row, manifest: &Value) {
    for (name, _) in columns(manifest)
        .iter()
        .filter(|(_, kind)| kind == "MOMENT")
    {
        let milliseconds = |row: &Row| {
            row[name]
                .as_deref()
                .and_then(|text| text.parse::<i64>().ok())
        };
        if milliseconds(row).is_some_and(|meant| milliseconds(other) == Some(meant - 1)) {
            other.insert(name.clone(), row[name].clone());
        }
    }
}

/// A cell as the script says it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Cell {
    Text(String),
    /// Its digits in the file.
    Number(String),
    Flag(bool),
    /// In milliseconds.
    Moment(i64),
}

type Row = BTreeMap<String, Option<String>>;
type Sheet = Vec<Vec<Option<Cell>>>;

/// By read-excel-file: identifiers are texts, numbers have all of their digits.
fn of_npm(path: &Path, manifest: &Value) -> Rows {
    let sheets = script("workbook.mjs", &path.to_string_lossy());
    let mut sheets: Vec<(String, Sheet)> = serde_json::from_slice(&sheets).expect("sheets");
    let (last, told) = sheets.pop().expect("a sheet");
    assert_eq!(last, "manifest");
    let says = |name: &str| {
        let row = told
            .iter()
            .find(|row| matches!(&row[0], Some(Cell::Text(text)) if text == name));
        match row.and_then(|row| row[1].as_ref()) {
            Some(Cell::Text(text)) => text.clone(),
            other => panic!("{name}: {other:?}"),
        }
    };
    for name in ["dataSet", "tenant"] {
        assert_eq!(says(name), manifest[name]);
    }
    for name in ["rows", "totals", "scope", "schemaVersion"] {
        assert_eq!(says(name), manifest[name].to_string());
    }
    let columns = columns(manifest);
    let mut rows = Rows::new();
    for (_, sheet) in sheets {
        let mut sheet = sheet.into_iter();
        let header = sheet.next().expect("a header");
        let names = header.iter().map(|cell| match cell {
            Some(Cell::Text(name)) => name,
            other => panic!("{other:?}"),
        });
        assert!(names.eq(columns.iter().map(|(name, _)| name)));
        rows.extend(sheet.map(|mut row| {
            row.resize_with(columns.len(), || None);
            let cells = columns.iter().zip(row);
            cells
                .map(|((name, kind), cell)| (name.clone(), cell.map(|cell| text_of(cell, kind))))
                .collect()
        }));
    }
    rows
}

/// A cell of a column of this kind.
fn text_of(cell: Cell, kind: &str) -> String {
    match (cell, kind) {
        (Cell::Text(text), "TEXT") => text,
        // More digits than Excel keeps.
        (Cell::Text(text), "COUNT" | "INTEGER" | "SUM" | "AVERAGE") if text.len() > 15 => text,
        (Cell::Number(digits), "COUNT" | "INTEGER" | "SUM") => {
            assert!(digits.parse::<i64>().is_ok(), "{digits}");
            digits
        }
        (Cell::Number(digits), "AVERAGE") => {
            let number: f64 = digits.parse().expect("a number");
            format!("{number:.2}")
        }
        (Cell::Flag(flag), "FLAG") => flag.to_string(),
        (Cell::Moment(milliseconds), "MOMENT") => milliseconds.to_string(),
        (other, kind) => panic!("{other:?} in a column of {kind}"),
    }
}

/// The rows add up to what the manifest says.
fn totals_are_those_of(rows: &Rows, manifest: &Value) {
    for (name, total) in manifest["totals"].as_object().expect("totals") {
        let values = rows.iter().filter_map(|row| row[name].as_deref());
        let sum: i128 = values
            .map(|text| text.parse::<i128>().expect("a whole number"))
            .sum();
        assert_eq!(total, &sum.to_string(), "{name}");
    }
}

/// By a library of Rust.
fn of_calamine(path: &Path, manifest: &Value) -> Rows {
    let mut book: Xlsx<_> = open_workbook(path).expect("a workbook");
    let name = manifest["dataSet"].as_str().expect("a name");
    let sheet = book.worksheet_range(name).expect("a sheet");
    let columns = columns(manifest);
    let mut rows = sheet.rows();
    let header: Vec<String> = rows
        .next()
        .expect("a header")
        .iter()
        .map(Data::to_string)
        .collect();
    assert!(header.iter().eq(columns.iter().map(|(name, _)| name)));
    let cell = |data: &Data, kind: &str| match (data, kind) {
        (Data::Empty, _) => None,
        (Data::DateTime(moment), "MOMENT") => {
            let moment = moment.as_datetime().expect("a moment");
            Some(moment.and_utc().timestamp_millis().to_string())
        }
        (Data::Float(number), "AVERAGE") => Some(format!("{number:.2}")),
        (Data::String(text), "TEXT" | "INTEGER" | "SUM" | "AVERAGE") => Some(text.clone()),
        (Data::Float(number), "INTEGER" | "SUM" | "COUNT") => Some(number.to_string()),
        (Data::Bool(flag), "FLAG") => Some(flag.to_string()),
        other => panic!("{other:?}"),
    };
    let row = |data: &[Data]| {
        let cells = columns.iter().enumerate().map(|(place, (name, kind))| {
            let data = data.get(place).unwrap_or(&Data::Empty);
            (name.clone(), cell(data, kind))
        });
        cells.collect()
    };
    rows.map(row).collect()
}

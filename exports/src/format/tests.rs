//! What is written is what independent readers read, and always the same bytes.

use std::{
    fs::File,
    io::{Cursor, Read as _, Write as _},
};

use ::arrow::{
    array::{AsArray as _, RecordBatch},
    datatypes::Decimal128Type,
    ipc::reader::StreamReader,
};
use ::parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
    basic::Encoding,
    file::{
        metadata::{ColumnChunkMetaData, RowGroupMetaData},
        reader::{FileReader as _, SerializedFileReader},
    },
};
use bytes::Bytes;
use calamine::{Data, Reader as _, Xlsx as Workbook, open_workbook_from_rs};
use chrono::{DateTime, Utc};
use domain::{Permission, Role, usage::Unit};
use serde_json::{Value, json};
use strum::VariantArray as _;
use zip::ZipArchive;

use super::{
    Format, Rows,
    batch::Batch,
    parquet::{self, Parquet},
    xlsx::{Limits, Xlsx},
};
use crate::{
    Cell, Column, Compression, Dialect, Error, FileRow, Form, Kind, Record, Seen, Separator,
    column::schema,
    manifest::{Contents, Described, Head},
};

const TEXTS: [&str; 12] = [
    "8988303000000000017",
    "=HYPERLINK(\"http://evil.example\", \"x\")",
    "+49",
    "-1",
    "@SUM(A1)",
    "'quoted",
    "\ttab",
    "\rreturn",
    "a \"b\", c",
    "two\nlines",
    "😀 عربى",
    "plain",
];

/// More than 15 digits, and no more.
const SUMS: [i128; 4] = [
    999_999_999_999_999,
    -1_000_000_000_000_000,
    99_999_999_999_999_999_999_999_999_999_999_999_999,
    -7,
];

/// The first have more than 15 digits.
const INTEGERS: [i64; 4] = [i64::MAX, i64::MIN, -999_999_999_999_999, 0];

/// Of which part of the tenant the rows are, as files say it.
const SCOPE: &str = r#"{"role":"support","wholeTenant":true}"#;

fn columns() -> Vec<Column> {
    let of = |name, kind| Column::of(name, kind, Permission::UsageRead, "Something.");
    vec![
        of("text", Kind::Text),
        of("label", Kind::Text).or_empty(),
        of("flag", Kind::Flag),
        of("count", Kind::Count),
        Column {
            unit: Some(Unit::Bytes),
            additive: true,
            ..of("sum", Kind::Sum)
        },
        Column {
            unit: Some(Unit::Bytes),
            ..of("integer", Kind::Integer)
        },
        of("average", Kind::Average).or_empty(),
        of("moment", Kind::Moment),
    ]
}

fn moment() -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_790_000_000_123_456).expect("a moment")
}

fn cells(n: usize) -> [Cell<'static>; 8] {
    let is_even = n.is_multiple_of(2);
    [
        Cell::Text(TEXTS[n % TEXTS.len()]),
        if is_even {
            Cell::Empty
        } else {
            Cell::Text(TEXTS[1])
        },
        Cell::Flag(is_even),
        Cell::Count(n as u64),
        Cell::Sum(SUMS[n % SUMS.len()]),
        Cell::Integer(INTEGERS[n % INTEGERS.len()]),
        if is_even {
            Cell::Average(-105)
        } else {
            Cell::Empty
        },
        Cell::Moment(moment()),
    ]
}

fn head(form: Form) -> Head {
    Head {
        data_set: "usage",
        format: form.format().as_ref().to_owned(),
        compression: form.compression(),
        csv: form.dialect(),
        question: json!({"measures": ["BYTES_TOTAL"]}),
        question_sha256: None,
        tenant: "alpha".to_owned(),
        scope: Seen {
            role: Role::Support,
            whole_tenant: true,
            within: None,
            customers: None,
            sims: None,
            devices: None,
        },
        period: None,
        time_zone: None,
        columns: columns().iter().map(Described::from).collect(),
        closed: Vec::new(),
        text_rule: None,
        product_version: "0",
        schema_version: 1,
        foreseen: None,
    }
}

fn contents(form: Form) -> Contents {
    Contents {
        head: head(form),
        rows: 0,
        totals: [("sum".to_owned(), "1".to_owned())].into(),
        provenance: None,
    }
}

fn written(form: impl Into<Form>, rows: usize) -> Vec<u8> {
    let form = form.into();
    let file = form.begin(&head(form), &columns(), Vec::new());
    let mut file = file.expect("begun");
    let mut batch = Batch::new(&columns());
    for n in 0..rows {
        batch.push(&cells(n)).expect("a row");
        if batch.is_full() || n == rows - 1 {
            let rows = batch.take().expect("a batch");
            file.write(&rows.expect("rows")).expect("written");
        }
    }
    whole(file.finish(&contents(form)))
}

/// Rows, gathered; none of none.
fn batch<'a>(rows: impl IntoIterator<Item = [Cell<'a>; 8]>) -> Option<RecordBatch> {
    let mut batch = Batch::new(&columns());
    for cells in rows {
        batch.push(&cells).expect("a row");
    }
    batch.take().expect("a batch")
}

/// All bytes of a file that ended.
fn whole(ended: Result<(Vec<u8>, Option<File>), Error>) -> Vec<u8> {
    let (mut bytes, spooled) = ended.expect("finished");
    if let Some(mut spooled) = spooled {
        spooled.read_to_end(&mut bytes).expect("read");
    }
    bytes
}

#[test]
fn the_same_rows_are_the_same_bytes() {
    let plain = Format::VARIANTS.iter().map(|format| Form::from(*format));
    let gzip = Form::new(Format::Csv, Compression::Gzip, None);
    for form in plain.chain([gzip.expect("a form")]) {
        let first = written(form, 100);
        assert_eq!(first, written(form, 100), "{}", form.extension());
    }
}

#[test]
fn a_csv_file_reads_back_and_no_text_is_a_formula() {
    let bytes = written(Format::Csv, 24);
    assert!(bytes.starts_with(b"text,label,flag,count,sum,integer,average,moment\n"));
    let mut reader = csv::Reader::from_reader(&bytes[..]);
    for (n, record) in reader.records().enumerate() {
        let record = record.expect("a record");
        for text in [&record[0], &record[1]] {
            let is_number = text.starts_with(['+', '-', '=', '@', '\t', '\r']);
            assert!(!is_number, "{text}");
        }
        let text = record[0].strip_prefix('\'').unwrap_or(&record[0]);
        assert_eq!(text, TEXTS[n % TEXTS.len()]);
        assert_eq!(&record[4], SUMS[n % SUMS.len()].to_string());
        assert_eq!(&record[5], INTEGERS[n % INTEGERS.len()].to_string());
        assert_eq!(&record[6], if n % 2 == 0 { "-1.05" } else { "" });
        assert_eq!(&record[7], "2026-09-21T14:13:20.123456Z");
    }
}

#[test]
fn a_csv_file_for_excel_has_a_mark_and_semicolons_and_a_compressed_one_is_the_same_inside() {
    let dialect = Dialect {
        separator: Separator::Semicolon,
        byte_order_mark: true,
    };
    let form = |compression| Form::new(Format::Csv, compression, Some(dialect)).expect("a form");
    let bytes = written(form(Compression::None), 24);
    let marked = bytes.strip_prefix("\u{feff}".as_bytes()).expect("a mark");
    assert!(marked.starts_with(b"text;label;flag;"));
    let mut reader = csv::ReaderBuilder::new();
    let mut reader = reader.delimiter(b';').from_reader(marked);
    for (n, record) in reader.records().enumerate() {
        let record = record.expect("a record");
        assert_eq!(record.len(), 8);
        let text = record[0].strip_prefix('\'').unwrap_or(&record[0]);
        assert_eq!(text, TEXTS[n % TEXTS.len()]);
    }
    let packed = written(form(Compression::Gzip), 24);
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(&packed[..]);
    reader.read_to_end(&mut unpacked).expect("gzip");
    assert_eq!(unpacked, bytes);
}

#[test]
fn lines_of_json_keep_every_digit() {
    let bytes = written(Format::Ndjson, 24);
    assert!(bytes.ends_with(b"\n"));
    let text = String::from_utf8(bytes).expect("UTF-8");
    for (n, line) in text.lines().enumerate() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let is_even = n % 2 == 0;
        let expected = json!({
            "text": TEXTS[n % TEXTS.len()],
            "label": (!is_even).then_some(TEXTS[1]),
            "flag": is_even,
            "count": n,
            "sum": SUMS[n % SUMS.len()].to_string(),
            "integer": INTEGERS[n % INTEGERS.len()].to_string(),
            "average": is_even.then_some("-1.05"),
            "moment": "2026-09-21T14:13:20.123456Z",
        });
        assert_eq!(row, expected);
    }
    assert_eq!(text.lines().count(), 24);
}

#[test]
fn a_stream_of_arrow_has_the_columns_of_parquet_and_says_what_it_holds() {
    let bytes = written(Format::Arrow, 20_000);
    let reader = StreamReader::try_new(&bytes[..], None).expect("a stream");
    let found = reader.schema();
    let manifest = found.metadata().get("simcube").expect("a manifest");
    assert!(manifest.contains(r#""tenant":"alpha""#));
    assert!(manifest.contains(&format!(r#""scope":{SCOPE}"#)));
    assert_eq!(found.fields(), schema(&columns()).fields());
    let batches: Vec<_> = reader.map(|batch| batch.expect("a batch")).collect();
    let rows: Vec<usize> = batches.iter().map(RecordBatch::num_rows).collect();
    assert_eq!(rows, [8_192, 8_192, 3_616]);
    let sums = batches[2].column(4).as_primitive::<Decimal128Type>();
    assert_eq!(sums.value(3_615), SUMS[19_999 % SUMS.len()]);
    let texts = batches[0].column(0).as_string::<i32>();
    assert_eq!(texts.value(7), TEXTS[7]);
}

/// What Excel shows of a cell.
fn shown(data: &Data) -> String {
    match data {
        Data::Empty => String::new(),
        Data::DateTime(moment) => {
            let moment = moment.as_datetime().expect("a moment");
            moment.format("%FT%T%.3f").to_string()
        }
        data => data.to_string(),
    }
}

#[test]
fn a_workbook_reads_back_and_keeps_every_digit() {
    let bytes = written(Format::Xlsx, 24);
    let mut book: Workbook<_> = open_workbook_from_rs(Cursor::new(bytes)).expect("a workbook");
    assert_eq!(book.sheet_names(), ["usage", "manifest"]);
    let sheet = book.worksheet_range("usage").expect("a sheet");
    let rows: Vec<&[Data]> = sheet.rows().collect();
    assert_eq!(rows.len(), 25);
    for (n, row) in rows[1..].iter().enumerate() {
        assert_eq!(row[0], Data::String(TEXTS[n % TEXTS.len()].to_owned()));
        let label = if n % 2 == 0 { "" } else { TEXTS[1] };
        assert_eq!(shown(&row[1]), label);
        assert_eq!(row[2], Data::Bool(n % 2 == 0));
        assert_eq!(shown(&row[3]), n.to_string());
        let sum = SUMS[n % SUMS.len()];
        assert_eq!(shown(&row[4]), sum.to_string());
        let is_text = matches!(row[4], Data::String(_));
        assert_eq!(is_text, sum.unsigned_abs() >= 1_000_000_000_000_000);
        let integer = INTEGERS[n % INTEGERS.len()];
        assert_eq!(shown(&row[5]), integer.to_string());
        let is_text = matches!(row[5], Data::String(_));
        assert_eq!(is_text, n % INTEGERS.len() < 2);
        assert_eq!(shown(&row[6]), if n % 2 == 0 { "-1.05" } else { "" });
        assert_eq!(shown(&row[7]), "2026-09-21T14:13:20.123");
    }
    let manifest = book.worksheet_range("manifest").expect("a sheet");
    let has = |name: &str, value: &str| {
        let mut rows = manifest.rows();
        rows.any(|row| shown(&row[0]) == name && shown(&row[1]) == value)
    };
    assert!(has("tenant", "alpha") && has("totals", r#"{"sum":"1"}"#));
    assert!(has("scope", SCOPE));
}

#[test]
fn a_moment_that_excel_has_no_number_for_is_text() {
    let columns = [Column::new("moment", Kind::Moment)];
    let early: DateTime<Utc> = "1850-02-03T04:05:06.789Z".parse().expect("a moment");
    let mut rows = Batch::new(&columns);
    for moment in [early, moment()] {
        rows.push(&[Cell::Moment(moment)]).expect("pushed");
    }
    let rows = rows.take().expect("rows").expect("some");
    let mut book = Box::new(Xlsx::new("usage", &columns, Vec::new()).expect("begun"));
    book.write(&rows).expect("written");
    let bytes = whole(book.finish(&contents(Format::Xlsx.into())));
    let mut book: Workbook<_> = open_workbook_from_rs(Cursor::new(bytes)).expect("a workbook");
    let sheet = book.worksheet_range("usage").expect("a sheet");
    let shown: Vec<String> = sheet.rows().skip(1).map(|row| shown(&row[0])).collect();
    assert_eq!(
        shown,
        ["1850-02-03T04:05:06.789Z", "2026-09-21T14:13:20.123"]
    );
}

#[test]
fn what_a_sheet_does_not_hold_goes_on_in_another_one() {
    let limits = Limits {
        sheet_rows: 11,
        ..Limits::DEFAULT
    };
    let book = Xlsx::within(limits, "usage", &columns(), Vec::new());
    let mut book: Box<Xlsx<Vec<u8>>> = Box::new(book.expect("begun"));
    let rows = batch((0..25).map(cells)).expect("rows");
    book.write(&rows).expect("written");
    let bytes = whole(book.finish(&contents(Format::Xlsx.into())));
    let mut book: Workbook<_> = open_workbook_from_rs(Cursor::new(bytes)).expect("a workbook");
    let sheets = ["usage", "usage 2", "usage 3"];
    assert_eq!(book.sheet_names()[..3], sheets);
    let mut sheets = sheets.map(|name| book.worksheet_range(name).expect("a sheet"));
    assert_eq!(sheets.each_mut().map(|sheet| sheet.height()), [11, 11, 6]);
    assert_eq!(shown(&sheets[2].rows().nth(1).expect("a row")[3]), "20");
    assert_eq!(
        shown(&sheets[2].rows().next().expect("a header")[3]),
        "count"
    );
}

#[test]
fn a_workbook_that_takes_more_of_the_disk_than_it_may_is_refused_before_it_does() {
    let limits = |spool| Limits {
        spool,
        ..Limits::DEFAULT
    };
    let written = |spool| {
        let mut book = Xlsx::within(limits(spool), "usage", &columns(), Vec::new()).expect("begun");
        let refused = (0..200).find_map(|n| {
            let row = batch([cells(n)]).expect("a row");
            book.write(&row).err().map(|error| (n, error))
        });
        (book.spooled(), refused)
    };
    let (bytes, refused) = written(u64::MAX);
    assert!(refused.is_none());
    assert!(written(bytes).1.is_none());
    let (_, refused) = written(bytes - 1);
    assert!(
        matches!(refused, Some((199, Error::TooMuch { most })) if most == bytes - 1),
        "{refused:?}"
    );
    // What is counted is no less than what the disk takes, and not much more.
    let sheet = |rows| {
        let book = Xlsx::within(Limits::DEFAULT, "usage", &columns(), Vec::new());
        let mut book: Box<Xlsx<Vec<u8>>> = Box::new(book.expect("begun"));
        if let Some(rows) = batch((0..rows).map(cells)) {
            book.write(&rows).expect("written");
        }
        bytes_of_sheet(&whole(book.finish(&contents(Format::Xlsx.into()))))
    };
    let taken = sheet(200) - sheet(0);
    assert!(taken <= bytes && bytes < 3 * taken, "{taken} {bytes}");
}

/// Bytes of the first sheet, as the archive's directory has them.
fn bytes_of_sheet(archive: &[u8]) -> u64 {
    let name: &[u8] = b"xl/worksheets/sheet1.xml";
    let entry = (archive.windows(46 + name.len()))
        .find(|entry| entry.starts_with(b"PK\x01\x02") && entry.ends_with(name));
    let size = entry.expect("a sheet")[24..28].try_into();
    u32::from_le_bytes(size.expect("four bytes")).into()
}

#[test]
fn a_text_that_excel_does_not_hold_is_refused() {
    let long = "x".repeat(32_768);
    let mut cells = cells(1);
    cells[0] = Cell::Text(&long);
    let form = Form::from(Format::Xlsx);
    let file = form.begin(&head(form), &columns(), Vec::new());
    let row = batch([cells]).expect("a row");
    let refused = file.expect("begun").write(&row);
    assert!(matches!(refused, Err(Error::TooLong { name, .. }) if name == "text"));
}

struct Row;

impl Record for Row {
    const COLUMNS: &'static [Column] = &[
        Column::new("text", Kind::Text),
        Column::new("count", Kind::Count),
        Column::new("sum", Kind::Sum),
        Column::new("moment", Kind::Moment),
        Column::new("integer", Kind::Integer),
    ];

    fn cells<'a>(&'a self, _: &mut Vec<Cell<'a>>) {}

    fn from_row(row: &FileRow<'_>) -> Result<Self, Error> {
        let n = usize::try_from(row.count(1)?).expect("small");
        assert_eq!(row.text(0)?, TEXTS[n % TEXTS.len()]);
        assert_eq!(row.sum(2)?, SUMS[n % SUMS.len()]);
        assert_eq!(row.moment(3)?, moment());
        assert_eq!(row.integer(4)?, INTEGERS[n % INTEGERS.len()]);
        Ok(Self)
    }
}

#[test]
fn a_parquet_file_describes_its_columns_and_reads_back() {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(&written(Format::Parquet, 20_000))
        .expect("written");
    let again: File = file.try_clone().expect("a file");
    let rows = crate::read::<Row>(again).expect("opened");
    let rows: Vec<Row> = rows.map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), 20_000);
    let reader = SerializedFileReader::new(file).expect("opened");
    let metadata = reader.metadata().file_metadata();
    let entries = metadata.key_value_metadata().expect("metadata");
    let manifest = entries.iter().find(|entry| entry.key == "simcube");
    let manifest = manifest.and_then(|entry| entry.value.as_deref());
    let manifest = manifest.expect("a manifest");
    assert!(manifest.contains(r#""tenant":"alpha""#));
    assert!(manifest.contains(&format!(r#""scope":{SCOPE}"#)));
}

/// The file of these rows, whose row groups are of such limits.
fn parquet_within(limits: parquet::Limits, rows: &[usize]) -> File {
    let sink = tempfile::tempfile().expect("a temporary file");
    let file = Parquet::within(limits, schema(&columns()).into(), sink);
    let mut file = Box::new(file.expect("begun"));
    for rows in rows {
        let rows = batch((0..*rows).map(cells)).expect("rows");
        file.write(&rows).expect("written");
    }
    let (sink, _) = file
        .finish(&contents(Format::Parquet.into()))
        .expect("ended");
    sink
}

#[test]
fn a_row_group_ends_with_its_rows_and_with_its_bytes() {
    let groups = |limits, rows: &[usize]| -> Vec<i64> {
        let reader = SerializedFileReader::new(parquet_within(limits, rows));
        let reader = reader.expect("opened");
        let groups = reader.metadata().row_groups().iter();
        groups.map(RowGroupMetaData::num_rows).collect()
    };
    let [rows, bytes] = [1_000, usize::MAX];
    let by_rows = groups(parquet::Limits { rows, bytes }, &[400, 700, 1_400]);
    assert_eq!(by_rows, [1_000, 1_000, 500]);
    let [rows, bytes] = [1_000, 1];
    let by_bytes = groups(parquet::Limits { rows, bytes }, &[400, 700, 1_400]);
    assert_eq!(by_bytes, [400, 700, 1_000, 400]);
}

#[test]
fn the_metadata_of_parquet_says_what_each_column_is() {
    let file = parquet_within(
        parquet::Limits {
            rows: 10,
            bytes: usize::MAX,
        },
        &[25],
    );
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("opened");
    let found = reader.schema();
    assert_eq!(found.fields(), schema(&columns()).fields());
    for (field, column) in found.fields().iter().zip(columns()) {
        let says = |name| field.metadata().get(name).map(String::as_str);
        assert_eq!(says("description"), Some("Something."), "{}", field.name());
        let unit = column.unit.map(|unit| unit.as_ref().to_owned());
        assert_eq!(says("unit"), unit.as_deref(), "{}", field.name());
    }
    // Whoever does not know Arrow reads it in the manifest.
    let metadata = reader.metadata().file_metadata();
    let entries = metadata.key_value_metadata().expect("metadata");
    let manifest = entries.iter().find(|entry| entry.key == "simcube");
    let manifest = manifest.and_then(|entry| entry.value.as_deref());
    let manifest: Value = serde_json::from_str(manifest.expect("a manifest")).expect("JSON");
    let described: Vec<Described> = columns().iter().map(Described::from).collect();
    assert_eq!(
        manifest["columns"],
        serde_json::to_value(described).expect("JSON")
    );
}

#[test]
fn a_text_that_comes_again_is_in_a_dictionary_and_one_that_does_not_is_not() {
    let columns = ["repeated", "unique"].map(|name| Column::new(name, Kind::Text));
    let file = Parquet::new(schema(&columns).into(), Vec::new());
    let mut file = Box::new(file.expect("begun"));
    let mut rows = Batch::new(&columns);
    // Together they are more than a dictionary holds.
    for n in 0..40_000 {
        let unique = format!("{n:040}");
        let cells = [
            Cell::Text(TEXTS[n % TEXTS.len()]),
            Cell::Text(unique.as_str()),
        ];
        rows.push(&cells).expect("a row");
        if rows.is_full() {
            let rows = rows.take().expect("a batch").expect("rows");
            file.write(&rows).expect("written");
        }
    }
    let bytes = whole(file.finish(&contents(Format::Parquet.into())));
    let reader = SerializedFileReader::new(Bytes::from(bytes)).expect("opened");
    let [group] = reader.metadata().row_groups() else {
        panic!("it is one row group");
    };
    let has = |column: &ColumnChunkMetaData, encoding| {
        let pages = column.page_encoding_stats_mask().expect("what pages are");
        pages.is_set(encoding)
    };
    let [repeated, unique] = group.columns() else {
        panic!("it has two columns");
    };
    assert!(repeated.dictionary_page_offset().is_some());
    assert!(!has(repeated, Encoding::PLAIN));
    assert!(has(unique, Encoding::PLAIN));
}

/// A file within a workbook.
fn inside(book: &[u8], name: &str) -> String {
    let mut book = ZipArchive::new(Cursor::new(book)).expect("a workbook");
    let mut text = String::new();
    let mut file = book.by_name(name).expect("a file in it");
    file.read_to_string(&mut text).expect("text");
    text
}

#[test]
fn each_sheet_has_a_header_that_stays_and_columns_wide_enough_to_be_read() {
    let limits = Limits {
        sheet_rows: 11,
        ..Limits::DEFAULT
    };
    let book = Xlsx::within(limits, "usage", &columns(), Vec::new());
    let mut book: Box<Xlsx<Vec<u8>>> = Box::new(book.expect("begun"));
    book.write(&batch((0..25).map(cells)).expect("rows"))
        .expect("written");
    let book = whole(book.finish(&contents(Format::Xlsx.into())));
    for sheet in 1..=3 {
        let sheet = inside(&book, &format!("xl/worksheets/sheet{sheet}.xml"));
        let (_, pane) = sheet.split_once("<pane ").expect("a pane");
        let (pane, _) = pane.split_once("/>").expect("its end");
        assert!(
            pane.contains(r#"ySplit="1""#) && pane.contains(r#"state="frozen""#),
            "{pane}"
        );
        let widths: Vec<usize> = (sheet.split("<col ").skip(1))
            .map(|column| {
                let (_, width) = column.split_once("width=\"").expect("a width");
                let (whole, _) = width.split_once(['.', '"']).expect("a number");
                whole.parse().expect("a number")
            })
            .collect();
        // Text, label, flag, count, sum, integer, average, moment; of some that are alike there is one.
        assert_eq!(widths, [24, 10, 18, 24], "{sheet}");
    }
}

#[test]
fn a_cell_is_shown_as_what_its_column_holds() {
    let book = written(Format::Xlsx, 24);
    let (sheet, styles) = (
        inside(&book, "xl/worksheets/sheet1.xml"),
        inside(&book, "xl/styles.xml"),
    );
    let words = |text: &str, before: &str| -> Vec<String> {
        let found = text.split(before).skip(1);
        let found = found.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
        found.collect()
    };
    let (formats, cells) = styles.split_once("<cellXfs").expect("what cells look like");
    let (numbers, codes) = (
        words(formats, "<numFmt numFmtId=\""),
        words(formats, "formatCode=\""),
    );
    let cells = words(cells, "<xf numFmtId=\"");
    let format_of = |cell: &str| {
        let style = words(&sheet, &format!("<c r=\"{cell}\" s=\"")).pop();
        let style: usize = style.expect(cell).parse().expect("a number");
        let place = numbers.iter().position(|number| *number == cells[style]);
        codes[place.expect("a format")].as_str()
    };
    // Text, a sum, an integer, an average and a moment.
    assert_eq!(
        ["A5", "E5", "F5", "G4", "H5"].map(format_of),
        ["@", "0", "0", "0.00", "yyyy-mm-dd hh:mm:ss.000"],
        "{styles}"
    );
}

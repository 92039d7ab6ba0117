//! CSV text to rows, purely. A byte order mark, CRLF, quoted fields, empty lines and foreign encodings are
//! all met in fleet files that people export from elsewhere.

mod fields;
mod header;
mod line_ends;

use std::io::Read;

use csv::{ByteRecord, ReaderBuilder};

use super::{
    FleetError,
    model::{FleetRow, RowCode, RowError},
};
use crate::{Result, identifier::Iccid};
use fields::Fields;
use header::Columns;
use line_ends::LineEnds;

/// The rows of one file, in file order.
pub struct Rows<R> {
    reader: csv::Reader<LineEnds<R>>,
    columns: Columns,
    record: ByteRecord,
    ended: bool,
}

/// Reads the header and returns the rows behind it.
///
/// # Errors
/// `INVALID_INPUT` when the header is missing, names an unknown column or one twice, or lacks `iccid` or `state`.
pub fn parse<R: Read>(reader: R) -> Result<Rows<R>> {
    let mut reader = ReaderBuilder::new()
        .has_headers(true)
        .flexible(true)
        .from_reader(LineEnds::new(reader));
    let header = reader
        .byte_headers()
        .map_err(|_| FleetError::Unreadable)?
        .clone();
    let columns = Columns::read(&header)?;
    Ok(Rows {
        reader,
        columns,
        record: ByteRecord::new(),
        ended: false,
    })
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<FleetRow, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(true)
                    if self
                        .record
                        .iter()
                        .all(|field| field.trim_ascii().is_empty()) => {}
                Ok(true) => return Some(self.row()),
                Ok(false) => self.ended = true,
                Err(_) => {
                    self.ended = true;
                    let line = self.reader.position().line();
                    return Some(Err(RowError::new(
                        line,
                        RowCode::Unreadable,
                        "the file cannot be read further",
                    )));
                }
            }
        }
        None
    }
}

impl<R: Read> Rows<R> {
    fn row(&self) -> Result<FleetRow, RowError> {
        let line = self.line();
        // The ICCID is read first, so that an error elsewhere in the row is known to concern this SIM.
        let iccid = self
            .columns
            .position("iccid")
            .and_then(|position| self.record.get(position))
            .and_then(|field| std::str::from_utf8(field).ok())
            .map(Iccid::parse);
        let known = iccid
            .as_ref()
            .and_then(|iccid| iccid.as_ref().ok())
            .cloned();
        let outcome = self.fields(line).and_then(|fields| {
            let iccid = iccid.and_then(Result::ok).ok_or_else(|| {
                fields.error(RowCode::InvalidIccid, "an ICCID has 19 or 20 digits")
            })?;
            fields.row(iccid)
        });
        outcome.map_err(|error| RowError {
            iccid: known,
            ..error
        })
    }

    /// Line on which the record begins. The reader's own start position counts from before any empty lines, so
    /// the line is taken from where the record ended, less the lines it covers; a quote that is never closed
    /// covers its line's end too.
    fn line(&self) -> u64 {
        let inside = self
            .record
            .iter()
            .flatten()
            .filter(|byte| **byte == b'\n')
            .count() as u64;
        let from_behind = self.reader.position().line().saturating_sub(inside + 1);
        self.record
            .position()
            .map_or(0, csv::Position::line)
            .max(from_behind)
    }

    fn fields(&self, line: u64) -> Result<Fields<'_>, RowError> {
        let (record, columns) = (&self.record, &self.columns);
        if record.len() != columns.width {
            let (fields, width) = (record.len(), columns.width);
            let reason = format!("{fields} fields where the header has {width}");
            return Err(RowError::new(line, RowCode::WrongFieldCount, reason));
        }
        if record
            .iter()
            .any(|field| std::str::from_utf8(field).is_err())
        {
            let reason = "the line is not UTF-8";
            return Err(RowError::new(line, RowCode::InvalidUtf8, reason));
        }
        Ok(Fields {
            line,
            columns,
            record,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::Cell;

    fn rows(text: &[u8]) -> Vec<Result<FleetRow, RowError>> {
        parse(text).expect("header").collect()
    }

    fn codes(text: &[u8]) -> Vec<(u64, RowCode)> {
        rows(text)
            .into_iter()
            .filter_map(Result::err)
            .map(|error| (error.line, error.code))
            .collect()
    }

    #[test]
    fn columns_go_by_header_and_foreign_line_ends_and_marks_are_read() {
        let text = b"\xef\xbb\xbfState,ICCID , labels,customer\r\n\r\nactive,\"8944501000000000001\",\" a = b;c=d=e; \",\"Bosch, GmbH\"\r\n";
        let rows = rows(text);
        let row = rows[0].as_ref().expect("good row");
        assert_eq!(row.line, 3);
        assert_eq!(row.customer, Cell::Text("Bosch, GmbH".into()));
        assert_eq!(row.device, Cell::Absent);
        assert_eq!(
            row.labels,
            [("a".into(), "b".into()), ("c".into(), "d=e".into())]
        );
    }

    #[test]
    fn every_bad_row_has_its_line_and_code_and_stops_nothing() {
        let text = b"iccid,state,valid_from,customer,labels\n\
            123,ACTIVE,,,\n\
            8944501000000000001,FLYING,,,\n\
            \n\
            8944501000000000001,ACTIVE\n\
            8944501000000000001,ACTIVE,2026-02-30,,\n\
            8944501000000000001,ACTIVE,,\xff,\n\
            8944501000000000001,AVAILABLE,,Bosch,\n\
            8944501000000000001,ACTIVE,,,a=1;a=2\n\
            8944501000000000001,ACTIVE,,\"two\nlines\",\n\
            8944501000000000001,ACTIVE,,---,\n\
            8944501000000000001,ACTIVE,2026-01-31,,\n\
            1";
        assert_eq!(
            codes(text),
            [
                (2, RowCode::InvalidIccid),
                (3, RowCode::InvalidState),
                (5, RowCode::WrongFieldCount),
                (6, RowCode::InvalidValidFrom),
                (7, RowCode::InvalidUtf8),
                (8, RowCode::InvalidState),
                (9, RowCode::InvalidLabel),
                (10, RowCode::InvalidCustomer),
                (12, RowCode::InvalidCustomer),
                (14, RowCode::WrongFieldCount),
            ]
        );
    }

    #[test]
    fn a_header_is_refused_by_name() {
        let message = |text: &str| parse(text.as_bytes()).err().map(|e| e.to_string());
        assert!(message("iccid,state,colour\n").is_some_and(|m| m.contains("`colour`")));
        assert!(message("iccid,state,iccid\n").is_some_and(|m| m.contains("twice")));
        assert!(message("iccid\n").is_some_and(|m| m.contains("`state`")));
        assert!(message("").is_some());
        for separated in ["iccid;state\n", "iccid\tstate\n"] {
            assert!(message(separated).is_some_and(|m| m.contains("use commas")));
        }
        for text in ["\u{feff}iccid,state\n", "iccid,state\n"] {
            let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let refused = parse(utf16.as_slice()).err().map(|e| e.to_string());
            assert!(refused.is_some_and(|m| m.contains("not UTF-8")), "{text}");
        }
    }

    #[test]
    fn moments_are_dates_or_rfc3339() {
        let text = b"iccid,state,valid_from\n8944501000000000001,ACTIVE,2026-01-31\n\
            8944501000000000001,ACTIVE,2026-01-31T02:00:00.1234567+02:00\n";
        let moments: Vec<_> = rows(text)
            .into_iter()
            .map(|row| {
                row.expect("good row")
                    .valid_from
                    .expect("dated")
                    .to_rfc3339()
            })
            .collect();
        assert_eq!(
            moments,
            [
                "2026-01-31T00:00:00+00:00",
                "2026-01-31T00:00:00.123456+00:00"
            ]
        );
    }
}

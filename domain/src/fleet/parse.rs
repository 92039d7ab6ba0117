//! CSV text to rows, purely. A byte order mark, CRLF, quoted fields, empty lines and foreign encodings are
//! all met in fleet files that people export from elsewhere.

use std::io::Read;

use chrono::{DateTime, NaiveDate, NaiveTime, SubsecRound, Utc};
use csv::{ByteRecord, ReaderBuilder};

use super::model::{COLUMNS, Cell, FleetRow, RowCode, RowError, StateWord};
use crate::{
    Error, Result,
    identifier::{Iccid, Imsi, Msisdn},
    text::is_printable,
};

/// The rows of one file, in file order.
pub struct Rows<R> {
    reader: csv::Reader<LineEnds<R>>,
    columns: Columns,
    record: ByteRecord,
    ended: bool,
}

/// Reads CR LF and a lone CR as LF and ends the last line, so that lines count alike whatever wrote the file.
struct LineEnds<R> {
    inner: R,
    last: u8,
}

impl<R: Read> Read for LineEnds<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let read = self.inner.read(buffer)?;
            if read == 0 && !matches!(self.last, b'\r' | b'\n') && !buffer.is_empty() {
                self.last = b'\n';
                buffer[0] = b'\n';
                return Ok(1);
            }
            let mut kept = 0;
            for index in 0..read {
                let byte = buffer[index];
                if (self.last, byte) != (b'\r', b'\n') {
                    buffer[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.last = byte;
            }
            if kept > 0 || read == 0 {
                return Ok(kept);
            }
        }
    }
}

/// Where each known column stands in this file.
struct Columns {
    index: [Option<usize>; COLUMNS.len()],
    width: usize,
}

/// Reads the header and returns the rows behind it.
///
/// # Errors
/// `INVALID_INPUT` when the header is missing, names an unknown column or one twice, or lacks `iccid` or `state`.
pub fn parse<R: Read>(reader: R) -> Result<Rows<R>> {
    let reader = LineEnds {
        inner: reader,
        last: b'\n',
    };
    let mut reader = ReaderBuilder::new()
        .has_headers(true)
        .flexible(true)
        .from_reader(reader);
    let header = reader
        .byte_headers()
        .map_err(|_| Error::invalid("the fleet file cannot be read"))?
        .clone();
    let columns = Columns::read(&header)?;
    Ok(Rows {
        reader,
        columns,
        record: ByteRecord::new(),
        ended: false,
    })
}

impl Columns {
    fn read(header: &ByteRecord) -> Result<Self> {
        let mut index = [None; COLUMNS.len()];
        for (position, name) in header.iter().enumerate() {
            // UTF-16 without a mark is UTF-8 with zeros.
            let text = std::str::from_utf8(name).ok();
            let Some(name) = text.filter(|name| !name.contains('\0')) else {
                return Err(Error::invalid(
                    "the fleet file is not UTF-8: save it as CSV in UTF-8",
                ));
            };
            let name = name.trim().to_ascii_lowercase();
            let Some(known) = COLUMNS.iter().position(|column| *column == name) else {
                if name.contains([';', '\t']) {
                    return Err(Error::invalid(
                        "the columns of the fleet file are not separated by commas: use commas",
                    ));
                }
                let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
                return Err(Error::invalid(format!(
                    "unknown column `{shown}`; known are {}",
                    COLUMNS.join(", ")
                )));
            };
            if index[known].replace(position).is_some() {
                return Err(Error::invalid(format!("column `{name}` is there twice")));
            }
        }
        let columns = Self {
            index,
            width: header.len(),
        };
        for required in ["iccid", "state"] {
            if columns.position(required).is_none() {
                return Err(Error::invalid(format!("column `{required}` is missing")));
            }
        }
        Ok(columns)
    }

    fn position(&self, name: &str) -> Option<usize> {
        COLUMNS
            .iter()
            .position(|column| *column == name)
            .and_then(|known| self.index[known])
    }
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
        if self.record.len() != self.columns.width {
            return Err(RowError::new(
                line,
                RowCode::WrongFieldCount,
                format!(
                    "{} fields where the header has {}",
                    self.record.len(),
                    self.columns.width
                ),
            ));
        }
        if self
            .record
            .iter()
            .any(|field| std::str::from_utf8(field).is_err())
        {
            return Err(RowError::new(
                line,
                RowCode::InvalidUtf8,
                "the line is not UTF-8",
            ));
        }
        Ok(Fields {
            line,
            columns: &self.columns,
            record: &self.record,
        })
    }
}

/// The cells of one record, known to be UTF-8.
struct Fields<'a> {
    line: u64,
    columns: &'a Columns,
    record: &'a ByteRecord,
}

impl<'a> Fields<'a> {
    fn error(&self, code: RowCode, reason: impl Into<String>) -> RowError {
        RowError::new(self.line, code, reason)
    }

    fn cell(&self, name: &str) -> Option<&'a str> {
        let field = self.record.get(self.columns.position(name)?)?;
        std::str::from_utf8(field).ok().map(str::trim)
    }

    /// The cell's text, if it has any.
    fn text(&self, name: &str) -> Option<&'a str> {
        self.cell(name).filter(|text| !text.is_empty())
    }

    /// A name of at most 200 characters without control characters.
    fn name(&self, column: &str, code: RowCode) -> Result<Cell, RowError> {
        match self.cell(column) {
            None => Ok(Cell::Absent),
            Some("") => Ok(Cell::Empty),
            Some(text) if is_printable(text, 200) => Ok(Cell::Text(text.to_owned())),
            Some(_) => Err(self.error(
                code,
                format!("`{column}` has at most 200 characters and no control characters"),
            )),
        }
    }

    fn row(&self, iccid: Iccid) -> Result<FleetRow, RowError> {
        let state = self.text("state").and_then(StateWord::parse).ok_or_else(|| {
            self.error(
                RowCode::InvalidState,
                "`state` is one of INACTIVE, ACTIVE, SUSPENDED, TERMINATED, AVAILABLE, RESERVED, LOST_STOLEN, DEACTIVATED",
            )
        })?;
        let customer = self.name("customer", RowCode::InvalidCustomer)?;
        if state == StateWord::Available && customer.text().is_some() {
            return Err(self.error(RowCode::InvalidState, "an AVAILABLE SIM has no customer"));
        }
        if customer.text().is_some_and(|name| slug(name).is_empty()) {
            return Err(self.error(
                RowCode::InvalidCustomer,
                "a customer's name has at least one letter a-z or digit",
            ));
        }
        let device = self.name("device", RowCode::InvalidDevice)?;
        let device_labels = self.labels("device_labels")?;
        if device.text().is_none() && !device_labels.is_empty() {
            let reason = "`device_labels` without a `device`";
            return Err(self.error(RowCode::InvalidLabel, reason));
        }
        Ok(FleetRow {
            line: self.line,
            iccid,
            state,
            customer,
            imsi: self.identifier("imsi", RowCode::InvalidImsi, Imsi::parse)?,
            msisdn: self.identifier("msisdn", RowCode::InvalidMsisdn, Msisdn::parse)?,
            device,
            device_kind: self
                .name("device_kind", RowCode::InvalidDevice)?
                .text()
                .map(str::to_owned),
            labels: self.labels("labels")?,
            device_labels,
            simulated: self.flag("simulated")?,
            valid_from: self.valid_from()?,
        })
    }

    fn identifier<T>(
        &self,
        column: &str,
        code: RowCode,
        parse: fn(&str) -> Result<T>,
    ) -> Result<Option<T>, RowError> {
        let parsed = self.text(column).map(parse).transpose();
        parsed.map_err(|error| self.error(code, error.to_string()))
    }

    fn flag(&self, column: &str) -> Result<bool, RowError> {
        match self.text(column).map(str::to_ascii_lowercase).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => {
                Err(self.error(RowCode::InvalidFlag, format!("`{column}` is true or false")))
            }
        }
    }

    fn labels(&self, column: &str) -> Result<Vec<(String, String)>, RowError> {
        let mut labels: Vec<(String, String)> = Vec::new();
        let pairs = self
            .text(column)
            .unwrap_or_default()
            .split(';')
            .map(str::trim);
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .map(|(key, value)| (key.trim(), value.trim()))
                .filter(|(key, value)| is_printable(key, 60) && is_printable(value, 200))
                .ok_or_else(|| {
                    self.error(
                        RowCode::InvalidLabel,
                        format!("`{column}` are `key=value;key=value`, a key of 1 to 60 and a value of 1 to 200 characters"),
                    )
                })?;
            if labels.iter().any(|(known, _)| known == key) {
                return Err(self.error(RowCode::InvalidLabel, "a label is there twice"));
            }
            labels.push((key.to_owned(), value.to_owned()));
        }
        Ok(labels)
    }

    fn valid_from(&self) -> Result<Option<DateTime<Utc>>, RowError> {
        let Some(text) = self.text("valid_from") else {
            return Ok(None);
        };
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map(|date| date.and_time(NaiveTime::MIN).and_utc())
            .ok();
        let moment = date
            .or_else(|| {
                DateTime::parse_from_rfc3339(text)
                    .ok()
                    .map(|moment| moment.to_utc())
            })
            .filter(|moment| (1900..=9999).contains(&chrono::Datelike::year(moment)));
        // Postgres keeps microseconds; what is compared must be what is stored.
        moment
            .map(|moment| Some(moment.trunc_subsecs(6)))
            .ok_or_else(|| {
                self.error(
                RowCode::InvalidValidFrom,
                "`valid_from` is a date (2026-01-31) or an RFC 3339 time (2026-01-31T08:00:00Z)",
            )
            })
    }
}

/// Slug that a new customer of this name gets, if it is free: lower case, everything but letters a-z and digits becomes one `-`, at most 58
/// characters so that a number still fits behind it.
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars().map(|c| c.to_ascii_lowercase()) {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() == 58 {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn slugs_are_plain() {
        assert_eq!(
            slug("Robert Bosch GmbH & Co. KG"),
            "robert-bosch-gmbh-co-kg"
        );
        assert_eq!(slug("3M"), "3m");
        assert_eq!(slug("  Ünïted  "), "n-ted");
        assert_eq!(slug("日本"), "");
        assert_eq!(slug(&"x-".repeat(80)).len(), 57);
    }
}

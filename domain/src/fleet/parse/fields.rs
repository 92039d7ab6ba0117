//! The cells of one record, and what each of them may say.

use chrono::{DateTime, NaiveDate, NaiveTime, SubsecRound, Utc};
use csv::ByteRecord;

use super::header::Columns;
use crate::{
    Result,
    fleet::{
        model::{Cell, FleetRow, RowCode, RowError, StateWord},
        slug::slug,
    },
    identifier::{Iccid, Imsi, Msisdn},
    text::is_printable,
};

/// The cells of one record, known to be UTF-8.
pub(super) struct Fields<'a> {
    pub(super) line: u64,
    pub(super) columns: &'a Columns,
    pub(super) record: &'a ByteRecord,
}

impl<'a> Fields<'a> {
    pub(super) fn error(&self, code: RowCode, reason: impl Into<String>) -> RowError {
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

    pub(super) fn row(&self, iccid: Iccid) -> Result<FleetRow, RowError> {
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

//! What is asked for when a file is: of which rows, as what, and in how many files.

use std::str::FromStr as _;

use analytics::usage::{Alignment, Span};
use chrono::{DateTime, Utc};
use domain::{Error, Period, Result, usage::Grain};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::{AsRefStr, EnumMessage, EnumString, VariantArray};

use crate::{DataSet, Form, Request, form};

/// Form of what is frozen now. Another form is another number, and is read by code of its own.
const VERSION: u16 = 1;
/// Most files of one order: ten years of months.
const FILES: u64 = 120;

/// How rows are spread over several files.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    AsRefStr,
    Deserialize,
    EnumMessage,
    EnumString,
    Serialize,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Partition {
    /// A folder for each month of the question's time zone, `month=YYYY-MM`, as Hive names partitions.
    Month,
}

/// What is asked for when a file is.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// What is exported.
    pub request: Request,
    /// As what.
    pub form: Form,
    /// In how many files; one by default.
    partition: Option<Partition>,
}

/// An order as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    version: u16,
    data_set: String,
    #[serde(flatten)]
    form: form::Stored,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partition_by: Option<Partition>,
    question: Value,
}

/// One of the files of an order.
pub(crate) struct Piece {
    /// Its path below the folder of all of them.
    pub(crate) path: String,
    /// What is asked of it.
    pub(crate) request: Request,
}

impl Order {
    /// An order of one file.
    pub fn new(request: Request, form: impl Into<Form>) -> Self {
        Self {
            request,
            form: form.into(),
            partition: None,
        }
    }

    /// The same in several files.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a data set whose rows are not each of one moment: sums of a period are not those of its months.
    pub fn by(self, partition: Option<Partition>) -> Result<Self> {
        let is_of_moments = matches!(
            self.request,
            Request::Records(_) | Request::IngestAccounting(_) | Request::Audit(_)
        );
        if partition.is_some() && !is_of_moments {
            let text = "only records, ingestAccounting and audit have rows of one month each";
            return Err(Error::invalid(text).at("partition_by"));
        }
        Ok(Self { partition, ..self })
    }

    /// How its rows are spread over files, if over several.
    pub fn partition(&self) -> Option<Partition> {
        self.partition
    }

    /// The same about another period; none of what has no period.
    pub(crate) fn within(mut self, of: Period) -> Option<Self> {
        let (period, _) = self.request.period_mut()?;
        *period = Span::Between {
            from: of.from(),
            to: of.to(),
            align: Alignment::Exact,
        };
        Some(self)
    }

    /// The same, whenever it is carried out: a period that moves with the clock is what it is at this moment.
    pub(crate) fn meant_at(mut self, at: DateTime<Utc>) -> Self {
        if let Some((period, _)) = self.request.period_mut() {
            *period = period.meant_at(at);
        }
        self
    }

    /// The files of it, in order of time, and the period of all.
    ///
    /// # Errors
    /// Those of its period, and `LIMIT_EXCEEDED` when there are too many.
    pub(crate) fn pieces(&self, now: DateTime<Utc>) -> Result<(Vec<Piece>, Option<Period>)> {
        let extension = self.form.extension();
        let mut request = self.request.clone();
        let (Some(Partition::Month), Some((span, zone))) = (self.partition, request.period_mut())
        else {
            let path = format!("file{extension}");
            return Ok((vec![Piece { path, request }], None));
        };
        let period = span.at(zone, now)?;
        let data_set = self.request.data_set();
        let (mut pieces, mut from) = (Vec::new(), period.from());
        while from < period.to() {
            let outside = || Error::invalid("the calendar does not reach that far").at("period");
            let month = zone.bucket(Grain::Month, from).ok_or_else(outside)?;
            let piece = Period::new(from, month.to().min(period.to()))?;
            let name = zone.local(month.from()).format("%Y-%m");
            let of_month = self.clone().within(piece);
            pieces.push(Piece {
                path: format!("month={name}/{}{extension}", data_set.as_ref()),
                request: of_month.ok_or_else(outside)?.request,
            });
            from = piece.to();
            if pieces.len() as u64 > FILES {
                let text = "an export has too many months for a file each";
                return Err(Error::limit(text, FILES, FILES + 1).at("period"));
            }
        }
        Ok((pieces, Some(period)))
    }

    /// # Errors
    /// Those of its period, which a list has none of, and of its files.
    pub(crate) fn check(&self, now: DateTime<Utc>) -> Result<()> {
        if let Some((span, zone)) = self.request.clone().period_mut() {
            span.at(zone, now)?;
        }
        self.pieces(now).map(drop)
    }

    pub(crate) fn freeze(&self) -> Result<Value> {
        let stored = Stored {
            version: VERSION,
            data_set: self.request.data_set().as_ref().to_owned(),
            form: self.form.freeze(),
            partition_by: self.partition,
            question: self.request.json()?,
        };
        serde_json::to_value(stored).map_err(Error::internal)
    }

    /// The order of a job.
    ///
    /// # Errors
    /// `INTERNAL` when what is stored is something else.
    pub fn of(job: &Value) -> Result<Self> {
        let stored = Stored::deserialize(job).map_err(Error::internal)?;
        if stored.version != VERSION {
            let text = format!("an export of the form {}", stored.version);
            return Err(Error::internal(text));
        }
        let data_set = DataSet::from_str(&stored.data_set).map_err(Error::internal)?;
        let question = stored.question.to_string();
        let request = Request::parse(data_set, Some(&question)).map_err(Error::internal)?;
        let order = Self::new(request, stored.form.form()?);
        order.by(stored.partition_by).map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use domain::Code;

    use super::*;
    use crate::Format;

    fn order(question: &str) -> Order {
        let request = Request::parse(DataSet::Records, Some(question)).expect("a request");
        Order::new(request, Format::Parquet)
    }

    fn now() -> DateTime<Utc> {
        "2026-11-24T12:00:00Z".parse().expect("a moment")
    }

    /// Path and period of each file.
    fn pieces(order: &Order) -> Vec<(String, String)> {
        let (pieces, _) = order.pieces(now()).expect("pieces");
        pieces
            .into_iter()
            .map(|mut piece| {
                let (span, zone) = piece.request.period_mut().expect("a period");
                let period = span.at(zone, now()).expect("a period");
                let text = |moment: DateTime<Utc>| moment.format("%m-%dT%H:%M").to_string();
                let period = format!("{}/{}", text(period.from()), text(period.to()));
                (piece.path, period)
            })
            .collect()
    }

    #[test]
    fn months_are_those_of_the_zone_and_cover_the_period_once() {
        let berlin = order(
            r#"{"period": {"between": {"from": "2026-09-15T00:00:00Z", "to": "2026-11-10T00:00:00Z"}}, "time_zone": "Europe/Berlin"}"#,
        );
        let berlin = berlin.by(Some(Partition::Month)).expect("an order");
        let expected = [
            ("month=2026-09/records.parquet", "09-15T00:00/09-30T22:00"),
            ("month=2026-10/records.parquet", "09-30T22:00/10-31T23:00"),
            ("month=2026-11/records.parquet", "10-31T23:00/11-10T00:00"),
        ];
        let expected = expected.map(|(path, period)| (path.to_owned(), period.to_owned()));
        assert_eq!(pieces(&berlin), expected);
        let stored = berlin.freeze().expect("frozen");
        assert_eq!(Order::of(&stored).expect("an order"), berlin);
    }

    #[test]
    fn what_moves_with_the_clock_stands_still_once_it_is_meant() {
        let moving =
            order(r#"{"period": {"preset": "LAST_24_HOURS"}, "time_zone": "Europe/Berlin"}"#);
        let meant = moving.clone().meant_at(now());
        let stored = meant.freeze().expect("frozen");
        let mut kept = Order::of(&stored).expect("an order");
        assert_eq!(kept, meant);
        let period = |order: &mut Order, at| {
            let (span, zone) = order.request.period_mut().expect("a period");
            span.at(zone, at).expect("a period")
        };
        let (then, later) = (now(), now() + chrono::TimeDelta::days(3));
        assert_eq!(period(&mut kept, later), period(&mut moving.clone(), then));
        assert_ne!(period(&mut kept, later), period(&mut moving.clone(), later));
        let fixed = order(
            r#"{"period": {"between": {"from": "2026-09-15T00:00:00Z", "to": "2026-11-10T00:00:00Z"}}}"#,
        );
        assert_eq!(fixed.clone().meant_at(now()), fixed);
    }

    #[test]
    fn an_order_is_one_file_unless_it_says_otherwise() {
        let one = order(r#"{"period": {"preset": "LAST_30_DAYS"}}"#);
        let (pieces, period) = one.pieces(now()).expect("pieces");
        assert_eq!((pieces.len(), pieces[0].path.as_str()), (1, "file.parquet"));
        assert_eq!(period, None);
        assert_eq!(pieces[0].request, one.request);
    }

    #[test]
    fn sums_are_not_parted_and_centuries_are_too_many_files() {
        let month = Some(Partition::Month);
        let lists = Request::parse(DataSet::Sims, None).expect("a request");
        let refused = Order::new(lists, Format::Csv)
            .by(month)
            .expect_err("refused");
        assert_eq!(refused.code(), Code::InvalidInput);
        let long = order(
            r#"{"period": {"between": {"from": "1999-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z"}}}"#,
        );
        let long = long.by(month).expect("an order");
        let refused = long.pieces(now()).err().expect("refused");
        assert_eq!(refused.code(), Code::LimitExceeded);
    }
}

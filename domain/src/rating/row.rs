//! Usage records as they are stored, and what is left of them when corrections are netted.

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::{RatingError, Terms, price::quantity};
use crate::{
    id::{CustomerId, DeviceId, SimId},
    usage::Service,
};

/// A row of the usage records: a record, or that it does not count any more where it was counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row<'a> {
    /// The stream that delivered it.
    pub source: &'a str,
    /// Its identity within the source.
    pub record_id: &'a str,
    /// Customer at `start`; none is "unassigned".
    pub customer: Option<CustomerId>,
    /// Device that the SIM sat in at `start`.
    pub device: Option<DeviceId>,
    /// The SIM.
    pub sim: SimId,
    /// Visited network, `262-01`; empty when unknown.
    pub network: &'a str,
    /// Radio access type in words; empty when unknown.
    pub access_type: &'a str,
    /// What was used.
    pub service: Service,
    /// When it began, whole milliseconds.
    pub start: DateTime<Utc>,
    /// Bytes sent by the device.
    pub bytes_up: u64,
    /// Bytes received by the device.
    pub bytes_down: u64,
    /// Messages or seconds.
    pub units: u64,
    /// 1, or -1 in a correction.
    pub sign: i8,
}

/// What usage is summed up by. Keys are in the order of their parts' texts; what is none or unknown comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CellKey<'a> {
    /// The SIM.
    pub sim: SimId,
    /// Customer at the time of use; none is "unassigned".
    pub customer: Option<CustomerId>,
    /// Device at the time of use.
    pub device: Option<DeviceId>,
    /// Visited network, `262-01`; empty when unknown.
    pub network: &'a str,
    /// Radio access type in words; empty when unknown.
    pub access_type: &'a str,
    /// What was used.
    pub service: Service,
    /// Local day of its begin.
    pub day: NaiveDate,
}

/// A record that counts. Records are in the order of their fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NetRecord<'a> {
    pub(super) key: CellKey<'a>,
    pub(super) start: DateTime<Utc>,
    pub(super) source: &'a str,
    pub(super) record_id: &'a str,
    pub(super) quantity: i128,
    /// Number of its zone; none: it is unrated.
    pub(super) zone: Option<usize>,
    /// What is billed of it, where that is its own increments.
    pub(super) billed: i128,
}

impl<'a> Row<'a> {
    /// What rows of one record agree in.
    fn content(&self) -> Self {
        Self {
            customer: None,
            device: None,
            sign: 0,
            ..*self
        }
    }

    /// An error that names its record.
    fn refused(&self, error: fn(String, String) -> RatingError) -> RatingError {
        error(self.source.to_owned(), self.record_id.to_owned())
    }

    fn record(&self, terms: &Terms) -> Result<NetRecord<'a>, RatingError> {
        let quantity = quantity(self.service, self.bytes_up, self.bytes_down, self.units);
        let country = terms.countries.get(self.network).map(String::as_str);
        let zone = (terms.rates).zone(self.network, country, self.service, self.access_type);
        // A call of no time has nothing to be priced by.
        let is_call = self.service != Service::Voice || quantity > 0;
        Ok(NetRecord {
            key: CellKey {
                sim: self.sim,
                customer: self.customer,
                device: self.device,
                network: self.network,
                access_type: self.access_type,
                service: self.service,
                day: terms.month.day(self.start)?,
            },
            start: self.start,
            source: self.source,
            record_id: self.record_id,
            quantity,
            zone: zone.filter(|_| is_call),
            billed: 0,
        })
    }
}

/// The records that count, in their order. Rows of one record are netted: it counts where its signs add up to 1.
///
/// # Errors
/// [`RatingError::RowsDiffer`], [`RatingError::NotOnce`] and [`RatingError::OutsideMonth`].
pub(super) fn net<'a>(
    mut rows: Vec<Row<'a>>,
    terms: &Terms,
) -> Result<Vec<NetRecord<'a>>, RatingError> {
    rows.sort_unstable();
    let mut records = Vec::with_capacity(rows.len());
    for of_record in rows.chunk_by(|a, b| (a.source, a.record_id) == (b.source, b.record_id)) {
        if let Some(row) = counted(of_record)? {
            records.push(row.record(terms)?);
        }
    }
    records.sort_unstable();
    Ok(records)
}

/// The row with the customer and device with which a record counts, if it does.
fn counted<'r, 'a>(of_record: &'r [Row<'a>]) -> Result<Option<&'r Row<'a>>, RatingError> {
    let first = &of_record[0];
    if of_record.iter().any(|row| row.content() != first.content()) {
        return Err(first.refused(RatingError::RowsDiffer));
    }
    let not_once = || first.refused(RatingError::NotOnce);
    if of_record.iter().any(|row| !matches!(row.sign, -1 | 1)) {
        return Err(not_once());
    }
    let mut counted = None;
    for of_place in of_record.chunk_by(|a, b| (a.customer, a.device) == (b.customer, b.device)) {
        match of_place.iter().map(|row| i64::from(row.sign)).sum() {
            0_i64 => {}
            1 if counted.is_none() => counted = of_place.first(),
            _ => return Err(not_once()),
        }
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rating::{
        Base,
        tests::{card, customer, device, row, sim, terms, zone},
    };

    fn netted(rows: &[Row<'static>]) -> Result<Vec<NetRecord<'static>>, RatingError> {
        net(rows.to_vec(), &terms(&card(&[zone(Base::Bytes)])))
    }

    #[test]
    fn a_record_counts_where_its_signs_add_up_to_one() {
        let here = row("1", 1);
        let there = Row {
            customer: Some(customer(2)),
            device: Some(device(5)),
            ..here
        };
        let taken = |row: Row<'static>| Row { sign: -1, ..row };
        let places = |rows: &[Row<'static>]| {
            let records = netted(rows).expect("records");
            let places = records.iter().map(|it| (it.key.customer, it.key.device));
            places.collect::<Vec<_>>()
        };
        assert_eq!(places(&[here]), [(None, None)]);
        assert_eq!(
            places(&[taken(here), there, here]),
            [(Some(customer(2)), Some(device(5)))]
        );
        assert_eq!(
            places(&[taken(here), here, here, there, taken(there)]),
            [(None, None)]
        );
        assert_eq!(places(&[here, taken(here)]), []);
        assert_eq!(places(&[]), []);
    }

    #[test]
    fn a_record_that_does_not_count_once_is_refused() {
        let here = row("1", 1);
        let there = Row {
            customer: Some(customer(2)),
            ..here
        };
        let taken = Row { sign: -1, ..here };
        let error = RatingError::NotOnce("gw1".to_owned(), "1".to_owned());
        let none = Row { sign: 0, ..here };
        let two = Row { sign: 2, ..here };
        for rows in [
            &[here, here][..],
            &[taken],
            &[here, there],
            &[there, taken],
            &[none],
            &[two, taken],
        ] {
            assert_eq!(netted(rows), Err(error.clone()), "{rows:?}");
        }
    }

    #[test]
    fn rows_of_a_record_that_differ_are_refused() {
        let one = row("1", 1);
        let error = RatingError::RowsDiffer("gw1".to_owned(), "1".to_owned());
        let later = one.start + chrono::TimeDelta::milliseconds(1);
        for other in [
            Row { bytes_up: 2, ..one },
            Row {
                bytes_down: 2,
                ..one
            },
            Row { units: 2, ..one },
            Row {
                start: later,
                ..one
            },
            Row {
                network: "262-02",
                ..one
            },
            Row {
                access_type: "2G",
                ..one
            },
            Row {
                service: Service::Sms,
                ..one
            },
            Row { sim: sim(9), ..one },
        ] {
            let other = Row { sign: -1, ..other };
            assert_eq!(netted(&[one, other]), Err(error.clone()), "{other:?}");
        }
        // Other records may.
        let sources = [
            one,
            Row {
                source: "gw2",
                ..one
            },
            row("2", 7),
        ];
        assert_eq!(netted(&sources).map(|it| it.len()), Ok(3));
    }

    #[test]
    fn a_record_of_another_month_is_refused() {
        let early = Row {
            start: "2026-09-30T21:59:59.999Z".parse().expect("a moment"),
            ..row("1", 1)
        };
        assert_eq!(netted(&[early]), Err(RatingError::OutsideMonth));
    }
}

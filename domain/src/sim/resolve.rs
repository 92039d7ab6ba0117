//! From the ICCID in a usage record to the SIM, and to the customer and device that it belonged to at event time.
//!
//! One statement fetches everything about the SIMs of a batch; records are then matched in memory by time.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    Result, SystemCx,
    id::{CustomerId, DeviceId, SimId, TenantId},
    identifier::Iccid,
    sql::texts,
};

/// Digits of an ICCID without its check digit.
const KEY_DIGITS: usize = 19;

/// A SIM as it was at event time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The SIM.
    pub sim: SimId,
    /// Its customer then; none is unassigned.
    pub customer: Option<CustomerId>,
    /// The device that it sat in then.
    pub device: Option<DeviceId>,
}

/// Why an ICCID names no SIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unresolved {
    /// Not in this tenant; whether another tenant has it is not looked at.
    Unknown,
    /// Several SIMs begin with these 19 digits, and none is exactly this one.
    Ambiguous,
}

/// The SIMs of one batch with their whole assignment history.
#[derive(Debug, Default)]
pub struct Resolver {
    by_key: HashMap<String, Vec<Candidate>>,
}

#[derive(Debug)]
struct Candidate {
    iccid: Iccid,
    sim: SimId,
    customers: Vec<Span>,
    devices: Vec<Span>,
}

/// `[from, to)`; an open end is none.
#[derive(Debug)]
struct Span {
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    owner: Uuid,
}

#[derive(FromQueryResult)]
struct Row {
    iccid: String,
    sim_id: Uuid,
    kind: i32,
    owner: Option<Uuid>,
    valid_from: Option<DateTime<Utc>>,
    valid_to: Option<DateTime<Utc>>,
}

/// The first 19 digits: what a SIM is looked up by.
fn key(iccid: &str) -> &str {
    iccid.get(..KEY_DIGITS).unwrap_or(iccid)
}

/// Fetches every SIM of `tenant` that one of `iccids` could mean.
pub async fn resolver<'a>(
    cx: &SystemCx,
    tenant: TenantId,
    iccids: impl IntoIterator<Item = &'a Iccid>,
) -> Result<Resolver> {
    let keys: HashSet<&str> = iccids
        .into_iter()
        .map(|iccid| key(iccid.as_str()))
        .collect();
    if keys.is_empty() {
        return Ok(Resolver::default());
    }
    let rows: Vec<Row> = cx
        .all(
            "WITH found AS MATERIALIZED ( \
                 SELECT sim.sim_id, sim.iccid FROM unnest($2::text[]) AS wanted(key) \
                 JOIN sim ON sim.iccid_key = wanted.key AND sim.tenant_id = $1) \
             SELECT found.iccid, found.sim_id, 0 AS kind, NULL::uuid AS owner, \
                    NULL::timestamptz AS valid_from, NULL::timestamptz AS valid_to FROM found \
             UNION ALL \
             SELECT found.iccid, found.sim_id, 1, link.customer_id, \
                    nullif(lower(link.valid), '-infinity'), nullif(upper(link.valid), 'infinity') \
             FROM found JOIN sim_customer AS link ON link.tenant_id = $1 AND link.sim_id = found.sim_id \
             UNION ALL \
             SELECT found.iccid, found.sim_id, 2, link.device_id, \
                    nullif(lower(link.valid), '-infinity'), nullif(upper(link.valid), 'infinity') \
             FROM found JOIN sim_device AS link ON link.tenant_id = $1 AND link.sim_id = found.sim_id \
             ORDER BY kind",
            [tenant.uuid().into(), texts(keys)],
        )
        .await?;
    let mut resolver = Resolver::default();
    for row in rows {
        resolver.add(&row)?;
    }
    Ok(resolver)
}

impl Resolver {
    /// Rows of kind 0 make candidates; those of kind 1 and 2 come later and add their spans.
    fn add(&mut self, row: &Row) -> Result<()> {
        let sim = SimId::new(row.sim_id);
        let known = self.by_key.entry(key(&row.iccid).to_owned()).or_default();
        let Some(owner) = row.owner else {
            known.push(Candidate {
                iccid: Iccid::parse(&row.iccid)?,
                sim,
                customers: Vec::new(),
                devices: Vec::new(),
            });
            return Ok(());
        };
        if let Some(candidate) = known.iter_mut().find(|candidate| candidate.sim == sim) {
            let span = Span {
                from: row.valid_from,
                to: row.valid_to,
                owner,
            };
            match row.kind {
                1 => candidate.customers.push(span),
                _ => candidate.devices.push(span),
            }
        }
        Ok(())
    }

    /// The SIM that `iccid` names, with its customer and device at `at`.
    ///
    /// The exact text wins. Otherwise a 19-digit text means the one 20-digit ICCID that begins with it, and a 20-digit
    /// text the 19-digit ICCID that it begins with, each only when the 20th digit is the valid check digit.
    ///
    /// # Errors
    /// [`Unresolved`], which is data: the record is refused with a code.
    pub fn find(&self, iccid: &Iccid, at: DateTime<Utc>) -> Result<Resolved, Unresolved> {
        let candidates = self
            .by_key
            .get(key(iccid.as_str()))
            .map_or(&[][..], Vec::as_slice);
        let candidate = match candidates.iter().find(|known| known.iccid == *iccid) {
            Some(exact) => exact,
            None => Self::by_check_digit(candidates, iccid)?,
        };
        Ok(Resolved {
            sim: candidate.sim,
            customer: owner_at(&candidate.customers, at).map(CustomerId::new),
            device: owner_at(&candidate.devices, at).map(DeviceId::new),
        })
    }

    /// Two 20-digit ICCIDs that share their first 19 digits cannot be told apart by those, even when only one of them
    /// has a valid check digit: not every vendor's 20th digit is one.
    fn by_check_digit<'a>(
        candidates: &'a [Candidate],
        iccid: &Iccid,
    ) -> Result<&'a Candidate, Unresolved> {
        let length = iccid.as_str().len();
        let mut others = candidates
            .iter()
            .filter(|known| known.iccid.as_str().len() != length);
        match (others.next(), others.next()) {
            (Some(_), Some(_)) => Err(Unresolved::Ambiguous),
            (Some(only), None) if is_same_card(&only.iccid, iccid) => Ok(only),
            _ => Err(Unresolved::Unknown),
        }
    }
}

/// Whether the 20-digit one of two texts that share 19 digits ends in its valid check digit.
fn is_same_card(a: &Iccid, b: &Iccid) -> bool {
    let long = if a.as_str().len() > b.as_str().len() {
        a
    } else {
        b
    };
    long.has_check_digit()
}

/// Ranges of one SIM do not overlap (the table's key), so the first that contains `at` is the only one.
fn owner_at(spans: &[Span], at: DateTime<Utc>) -> Option<Uuid> {
    spans
        .iter()
        .find(|span| span.from.is_none_or(|from| from <= at) && span.to.is_none_or(|to| at < to))
        .map(|span| span.owner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iccid(text: &str) -> Iccid {
        Iccid::parse(text).expect("19 or 20 digits")
    }

    fn resolver(stored: &[&str]) -> Resolver {
        let mut resolver = Resolver::default();
        for (n, text) in stored.iter().enumerate() {
            let row = Row {
                iccid: (*text).into(),
                sim_id: Uuid::from_u128(n as u128 + 1),
                kind: 0,
                owner: None,
                valid_from: None,
                valid_to: None,
            };
            resolver.add(&row).expect("an ICCID");
        }
        resolver
    }

    fn sim(resolver: &Resolver, text: &str) -> Result<u128, Unresolved> {
        resolver
            .find(&iccid(text), DateTime::UNIX_EPOCH)
            .map(|found| found.sim.uuid().as_u128())
    }

    const BODY: &str = "8988303000000000000";

    #[test]
    fn a_text_with_or_without_its_check_digit_is_the_same_card() {
        let long = Iccid::with_check_digit(BODY).expect("19 digits");
        assert_eq!(sim(&resolver(&[long.as_str()]), BODY), Ok(1));
        assert_eq!(sim(&resolver(&[BODY]), long.as_str()), Ok(1));
        assert_eq!(sim(&resolver(&[BODY, long.as_str()]), BODY), Ok(1));
        assert_eq!(sim(&resolver(&[BODY, long.as_str()]), long.as_str()), Ok(2));
    }

    #[test]
    fn a_wrong_check_digit_matches_only_itself() {
        let valid = Iccid::with_check_digit(BODY).expect("19 digits");
        let wrong = (b'0'..=b'9')
            .map(|digit| format!("{BODY}{}", char::from(digit)))
            .find(|text| text != valid.as_str())
            .expect("nine of ten are wrong");
        assert_eq!(sim(&resolver(&[BODY]), &wrong), Err(Unresolved::Unknown));
        assert_eq!(sim(&resolver(&[&wrong]), BODY), Err(Unresolved::Unknown));
        assert_eq!(sim(&resolver(&[&wrong]), &wrong), Ok(1));
    }

    #[test]
    fn nineteen_digits_that_two_cards_begin_with_are_ambiguous() {
        let cards = resolver(&["89883030000000000001", "89883030000000000002"]);
        assert_eq!(sim(&cards, BODY), Err(Unresolved::Ambiguous));
        assert_eq!(sim(&cards, "89883030000000000002"), Ok(2));
        assert_eq!(
            sim(&cards, "89883030000000000003"),
            Err(Unresolved::Unknown)
        );
    }

    #[test]
    fn ownership_is_half_open() {
        let at = |hour: i64| DateTime::from_timestamp(hour * 3_600, 0);
        let spans = [
            Span {
                from: at(1),
                to: at(2),
                owner: Uuid::from_u128(1),
            },
            Span {
                from: at(2),
                to: None,
                owner: Uuid::from_u128(2),
            },
        ];
        let owner = |hour| owner_at(&spans, at(hour).expect("a time")).map(|id| id.as_u128());
        assert_eq!(
            [owner(0), owner(1), owner(2), owner(9)],
            [None, Some(1), Some(2), Some(2)]
        );
    }
}

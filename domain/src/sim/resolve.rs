//! From the ICCID in a usage record to the SIM, and to the customer and device that it belonged to at event time.
//!
//! A SIM's whole assignment history is kept in memory once it was asked for, under the version of its tenant's fleet
//! (`tenant.fleet_version`, which triggers raise with every change that matters here). A transaction reads the version
//! first, so what it finds in memory is what the tables say; after a change nobody asks for the old version any more.
//! What is missing is fetched by one statement for all records of a batch, which are then matched by time.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use moka::{policy::EvictionPolicy, sync::Cache};
use uuid::Uuid;

use crate::{
    Result, SystemCx,
    id::{CustomerId, DeviceId, SimId, TenantId},
    identifier::Iccid,
    row::{Columns, Decode},
    sql::{texts, uuids},
};

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

/// SIMs of all tenants that usage named lately. Cloning is cheap and shares them.
#[derive(Clone)]
pub struct Resolver {
    known: Cache<Key, Arc<[Candidate]>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    tenant: TenantId,
    fleet_version: i64,
    body: u64,
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

/// A SIM (kind 0), one of its customers (1) or one of its devices (2).
struct Row {
    iccid: String,
    sim: SimId,
    kind: i32,
    owner: Option<Uuid>,
    valid_from: Option<DateTime<Utc>>,
    valid_to: Option<DateTime<Utc>>,
}

impl Decode for Row {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            iccid: row.get()?,
            sim: row.get()?,
            kind: row.get()?,
            owner: row.get()?,
            valid_from: row.get()?,
            valid_to: row.get()?,
        })
    }
}

impl Resolver {
    /// Keeps at most `sims` SIMs, the ones that were asked for last. A SIM with a customer and a device takes about
    /// 400 bytes; one with a longer history counts as several.
    pub fn new(sims: u64) -> Self {
        let weight = |_: &Key, candidates: &Arc<[Candidate]>| {
            let spans: usize = candidates.iter().map(Candidate::spans).sum();
            u32::try_from(1 + spans / 4).unwrap_or(u32::MAX)
        };
        let known = Cache::builder()
            .max_capacity(sims)
            .weigher(weight)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        Self { known }
    }

    /// What each of the ICCIDs names in `tenant` at its time, in their order. `fleet_version` is what
    /// [`fleet_versions`] read earlier in the same transaction.
    pub async fn resolve(
        &self,
        cx: &SystemCx,
        tenant: TenantId,
        fleet_version: i64,
        wanted: &[(&Iccid, DateTime<Utc>)],
    ) -> Result<Vec<Result<Resolved, Unresolved>>> {
        let key = |body| Key {
            tenant,
            fleet_version,
            body,
        };
        let get = |(iccid, _): &(&Iccid, _)| self.known.get(&key(iccid.body()));
        let known: Vec<Option<Arc<[Candidate]>>> = wanted.iter().map(get).collect();
        let missing: HashSet<&str> = known
            .iter()
            .zip(wanted)
            .filter(|(known, _)| known.is_none())
            .map(|(_, (iccid, _))| iccid.body_digits())
            .collect();
        let fetched = fetch(cx, tenant, missing).await?;
        for (body, candidates) in &fetched {
            // An ICCID that nobody has is not remembered: such could crowd out the others.
            self.known.insert(key(*body), candidates.clone());
        }
        let resolved = known.iter().zip(wanted).map(|(known, (iccid, at))| {
            let candidates = known.as_ref().or_else(|| fetched.get(&iccid.body()));
            find(candidates.map_or(&[], |candidates| candidates), iccid, *at)
        });
        Ok(resolved.collect())
    }
}

/// Versions of fleets. Read at the beginning of what follows: SIMs that are fetched later are of this version or of a
/// newer one. A tenant that does not exist has none.
pub async fn fleet_versions(cx: &SystemCx, tenants: &[TenantId]) -> Result<HashMap<TenantId, i64>> {
    let versions: Vec<(TenantId, i64)> = cx
        .all(
            "SELECT tenant_id, fleet_version FROM tenant WHERE tenant_id = ANY($1)",
            [uuids(tenants.iter().map(|tenant| tenant.uuid()))],
        )
        .await?;
    Ok(versions.into_iter().collect())
}

async fn fetch(
    cx: &SystemCx,
    tenant: TenantId,
    bodies: HashSet<&str>,
) -> Result<HashMap<u64, Arc<[Candidate]>>> {
    if bodies.is_empty() {
        return Ok(HashMap::new());
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
            [tenant.uuid().into(), texts(bodies)],
        )
        .await?;
    candidates(&rows)
}

fn candidates(rows: &[Row]) -> Result<HashMap<u64, Arc<[Candidate]>>> {
    let mut by_body = HashMap::new();
    for row in rows {
        add(&mut by_body, row)?;
    }
    let shared = by_body
        .into_iter()
        .map(|(body, found)| (body, found.into()));
    Ok(shared.collect())
}

/// Rows of kind 0 make candidates; those of kind 1 and 2 come later and add their spans.
fn add(by_body: &mut HashMap<u64, Vec<Candidate>>, row: &Row) -> Result<()> {
    let (iccid, sim) = (Iccid::parse(&row.iccid)?, row.sim);
    let known = by_body.entry(iccid.body()).or_default();
    let Some(owner) = row.owner else {
        known.push(Candidate {
            iccid,
            sim,
            customers: Vec::with_capacity(1),
            devices: Vec::with_capacity(1),
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

impl Candidate {
    fn spans(&self) -> usize {
        self.customers.len() + self.devices.len()
    }
}

/// The one of `candidates` that `iccid` names, with its customer and device at `at`.
fn find(
    candidates: &[Candidate],
    iccid: &Iccid,
    at: DateTime<Utc>,
) -> Result<Resolved, Unresolved> {
    let candidate = named(candidates, |known| &known.iccid, iccid)?;
    Ok(Resolved {
        sim: candidate.sim,
        customer: owner_at(&candidate.customers, at).map(CustomerId::new),
        device: owner_at(&candidate.devices, at).map(DeviceId::new),
    })
}

/// The one of `candidates`, which share 19 digits, that `iccid` names.
///
/// The exact text wins. Otherwise a 19-digit text means the one 20-digit ICCID that begins with it, and a 20-digit text
/// the 19-digit ICCID that it begins with, each only when the 20th digit is the valid check digit.
pub(super) fn named<'a, T>(
    candidates: &'a [T],
    iccid_of: fn(&T) -> &Iccid,
    iccid: &Iccid,
) -> Result<&'a T, Unresolved> {
    match candidates.iter().find(|known| iccid_of(known) == iccid) {
        Some(exact) => Ok(exact),
        None => by_check_digit(candidates, iccid_of, iccid),
    }
}

/// Two 20-digit ICCIDs that share their first 19 digits cannot be distinguished by those, even when only one of them has a
/// valid check digit: not every vendor's 20th digit is one.
fn by_check_digit<'a, T>(
    candidates: &'a [T],
    iccid_of: fn(&T) -> &Iccid,
    iccid: &Iccid,
) -> Result<&'a T, Unresolved> {
    let length = iccid.as_str().len();
    let mut others = candidates
        .iter()
        .filter(|known| iccid_of(known).as_str().len() != length);
    match (others.next(), others.next()) {
        (Some(_), Some(_)) => Err(Unresolved::Ambiguous),
        (Some(only), None) if is_same_card(iccid_of(only), iccid) => Ok(only),
        _ => Err(Unresolved::Unknown),
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

    fn sims(stored: &[&str]) -> HashMap<u64, Arc<[Candidate]>> {
        let row = |(n, text): (usize, &&str)| Row {
            iccid: (*text).into(),
            sim: SimId::new(Uuid::from_u128(n as u128 + 1)),
            kind: 0,
            owner: None,
            valid_from: None,
            valid_to: None,
        };
        let rows: Vec<Row> = stored.iter().enumerate().map(row).collect();
        candidates(&rows).expect("ICCIDs")
    }

    fn sim(sims: &HashMap<u64, Arc<[Candidate]>>, text: &str) -> Result<u128, Unresolved> {
        let iccid = iccid(text);
        let candidates = sims.get(&iccid.body()).map_or(&[][..], |found| found);
        find(candidates, &iccid, DateTime::UNIX_EPOCH).map(|found| found.sim.uuid().as_u128())
    }

    const BODY: &str = "8988303000000000000";

    #[test]
    fn a_text_with_or_without_its_check_digit_is_the_same_card() {
        let long = Iccid::with_check_digit(BODY).expect("19 digits");
        assert_eq!(sim(&sims(&[long.as_str()]), BODY), Ok(1));
        assert_eq!(sim(&sims(&[BODY]), long.as_str()), Ok(1));
        assert_eq!(sim(&sims(&[BODY, long.as_str()]), BODY), Ok(1));
        assert_eq!(sim(&sims(&[BODY, long.as_str()]), long.as_str()), Ok(2));
    }

    #[test]
    fn a_wrong_check_digit_matches_only_itself() {
        let valid = Iccid::with_check_digit(BODY).expect("19 digits");
        let wrong = (b'0'..=b'9')
            .map(|digit| format!("{BODY}{}", char::from(digit)))
            .find(|text| text != valid.as_str())
            .expect("nine of ten are wrong");
        assert_eq!(sim(&sims(&[BODY]), &wrong), Err(Unresolved::Unknown));
        assert_eq!(sim(&sims(&[&wrong]), BODY), Err(Unresolved::Unknown));
        assert_eq!(sim(&sims(&[&wrong]), &wrong), Ok(1));
    }

    #[test]
    fn nineteen_digits_that_two_cards_begin_with_are_ambiguous() {
        let cards = sims(&["89883030000000000001", "89883030000000000002"]);
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

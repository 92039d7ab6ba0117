//! Whose SIM an ICCID names, when nothing else says whose a record is.
//!
//! An ICCID is one SIM of the platform and no SIM changes tenants, so its owner now is its owner at any time.

use std::collections::{BTreeSet, HashMap};

use super::resolve::{Unresolved, named};
use crate::{Result, SystemCx, id::TenantId, identifier::Iccid, sql::texts};

struct Owned {
    iccid: Iccid,
    tenant: TenantId,
}

/// Whose SIMs these ICCIDs name, in their order: the exact text first; with or without its check digit only if one SIM of the
/// platform fits.
pub async fn owners(cx: &SystemCx, iccids: &[&Iccid]) -> Result<Vec<Result<TenantId, Unresolved>>> {
    let bodies: BTreeSet<&str> = iccids.iter().map(|iccid| iccid.body_digits()).collect();
    let rows: Vec<(String, TenantId)> = cx
        .all(
            "SELECT sim.iccid, sim.tenant_id FROM unnest($1::text[]) AS wanted(key) \
             JOIN sim ON sim.iccid_key = wanted.key",
            [texts(bodies)],
        )
        .await?;
    let mut by_body: HashMap<u64, Vec<Owned>> = HashMap::new();
    for (text, tenant) in rows {
        let iccid = Iccid::parse(&text)?;
        let owned = Owned { iccid, tenant };
        by_body.entry(owned.iccid.body()).or_default().push(owned);
    }
    let owner = |iccid: &&Iccid| {
        let known = by_body.get(&iccid.body()).map_or(&[][..], |known| known);
        named(known, |owned| &owned.iccid, iccid).map(|owned| owned.tenant)
    };
    Ok(iccids.iter().map(owner).collect())
}

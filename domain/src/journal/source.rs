//! The sources of a tenant. Their number is limited: every source opens accounts of its own, hour by hour.

use std::collections::{BTreeSet, HashSet};

use super::lock;
use crate::{Result, SystemCx, id::TenantId, sql::texts};

/// Takes `named` sources down as the tenant's, as far as it has room for at most `limit`, and returns those that it has now.
/// The first by name are taken. What was new before the transaction is nobody else's business until it commits.
pub async fn known_sources(
    cx: &SystemCx,
    tenant: TenantId,
    named: &BTreeSet<&str>,
    limit: u32,
) -> Result<HashSet<String>> {
    let mut known = stored(cx, tenant, named).await?;
    if known.len() == named.len() {
        return Ok(known);
    }
    lock::sources(cx, tenant).await?;
    let missing = named.iter().filter(|source| !known.contains(**source));
    let added: Vec<(String,)> = cx
        .all(
            "INSERT INTO intake_source (tenant_id, source) \
             SELECT $1, new.source FROM unnest($2::text[]) AS new(source) \
             WHERE NOT EXISTS (SELECT FROM intake_source AS own WHERE own.tenant_id = $1 AND own.source = new.source) \
             ORDER BY new.source COLLATE \"C\" \
             LIMIT greatest(0, $3 - (SELECT count(*) FROM intake_source WHERE tenant_id = $1)) \
             RETURNING source",
            [
                tenant.uuid().into(),
                texts(missing.copied()),
                i64::from(limit).into(),
            ],
        )
        .await?;
    known.extend(added.into_iter().map(|(source,)| source));
    if known.len() < named.len() {
        // Others may have added some of them while this one waited for the lock.
        known = stored(cx, tenant, named).await?;
    }
    Ok(known)
}

async fn stored(
    cx: &SystemCx,
    tenant: TenantId,
    named: &BTreeSet<&str>,
) -> Result<HashSet<String>> {
    let rows: Vec<(String,)> = cx
        .all(
            "SELECT source FROM intake_source WHERE tenant_id = $1 AND source = ANY($2)",
            [tenant.uuid().into(), texts(named.iter().copied())],
        )
        .await?;
    Ok(rows.into_iter().map(|(source,)| source).collect())
}

//! `UsageReconciliation`: usage records and sessions, side by side.

use analytics::usage::{self, Disagreement, Pair};
use async_graphql::SimpleObject;
use schema::scalar::{BigInt, DateTime};

use super::{key::UsageSimKey, period::Period, provenance::Provenance};

/// What SIMs used by usage records and by sessions, side by side.
#[derive(SimpleObject)]
pub(crate) struct UsageReconciliation {
    /// The whole days (UTC) that were compared.
    period: Period,
    /// SIMs and days on which the two disagree. Those that are furthest apart in both directions together come first.
    rows: Vec<UsageReconciliationRow>,
    /// True: there are more rows.
    truncated: bool,
    /// All usage of the period, whatever rows are returned.
    totals: UsagePair,
    /// SIMs and days of which either has something.
    compared: BigInt,
    /// Those of them on which the two disagree.
    differing: BigInt,
    /// Where it comes from and how fresh it is: first of usage records, then of sessions. Of a day that one of them is not complete up to, they
    /// may still come to agree.
    provenance: Vec<Provenance>,
}

/// A SIM on a day on which usage records and sessions disagree.
#[derive(SimpleObject)]
pub(crate) struct UsageReconciliationRow {
    /// The SIM.
    sim: UsageSimKey,
    /// Start of the day (UTC).
    day: DateTime,
    /// What both say.
    #[graphql(flatten)]
    bytes: UsagePair,
}

/// Bytes by usage records and by sessions.
#[derive(SimpleObject)]
pub(crate) struct UsagePair {
    /// By usage records.
    cdr: UsageBytes,
    /// By sessions.
    session: UsageBytes,
    /// What sessions have more than usage records; negative where they have less.
    difference: UsageBytes,
}

/// Bytes of both directions.
#[derive(SimpleObject)]
pub(crate) struct UsageBytes {
    /// Bytes sent by devices.
    bytes_up: BigInt,
    /// Bytes received by devices.
    bytes_down: BigInt,
}

impl From<usage::Bytes> for UsageBytes {
    fn from(bytes: usage::Bytes) -> Self {
        Self {
            bytes_up: BigInt(bytes.up),
            bytes_down: BigInt(bytes.down),
        }
    }
}

impl From<Pair> for UsagePair {
    fn from(pair: Pair) -> Self {
        Self {
            cdr: pair.cdr.into(),
            session: pair.session.into(),
            difference: pair.difference().into(),
        }
    }
}

impl From<Disagreement> for UsageReconciliationRow {
    fn from(row: Disagreement) -> Self {
        Self {
            sim: UsageSimKey::of(row.sim),
            day: row.day.into(),
            bytes: row.bytes.into(),
        }
    }
}

impl From<usage::Reconciliation> for UsageReconciliation {
    fn from(found: usage::Reconciliation) -> Self {
        Self {
            period: found.period.into(),
            rows: found.rows.into_iter().map(Into::into).collect(),
            truncated: found.truncated,
            totals: found.totals.into(),
            compared: BigInt(found.compared.into()),
            differing: BigInt(found.differing.into()),
            provenance: found.provenance.into_iter().map(Into::into).collect(),
        }
    }
}

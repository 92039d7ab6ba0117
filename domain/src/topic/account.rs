//! What became of messages, by partition, hour and reading.

use chrono::{DateTime, Utc};

use super::{Partition, Reading};
use crate::{
    Result, SystemCx,
    journal::hour_of,
    row::{Columns, Decode},
};

/// Messages read = tombstones + quarantined + decoded, and decoded = accepted + duplicate + rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Messages.
    pub read: u64,
    /// Without a payload.
    pub tombstones: u64,
    /// Nobody's, or read by nobody.
    pub quarantined: u64,
    /// Records of a tenant.
    pub decoded: u64,
    /// Counted then.
    pub accepted: u64,
    /// Counted before.
    pub duplicate: u64,
    /// Refused, and listed among the tenant's rejections.
    pub rejected: u64,
}

/// What became of one passage.
#[derive(Clone, Debug)]
pub struct Account {
    /// Of which partition.
    pub partition: Partition,
    /// Why it was read.
    pub reading: Reading,
    /// The counts.
    pub sums: Sums,
}

/// Adds what became of passages. Accounts are locked in one order, after positions.
///
/// # Errors
/// `INTERNAL` when the counts do not add up: the table refuses them.
pub async fn account(
    cx: &SystemCx,
    accounts: &[Account],
    received_at: DateTime<Utc>,
) -> Result<()> {
    let mut sorted: Vec<&Account> = accounts.iter().collect();
    sorted.sort_unstable_by_key(|account| (&account.partition, account.reading));
    for account in sorted {
        add(cx, account, received_at).await?;
    }
    Ok(())
}

async fn add(cx: &SystemCx, account: &Account, received_at: DateTime<Utc>) -> Result<()> {
    let Account {
        partition,
        reading,
        sums,
    } = account;
    let count = |count: u64| count.cast_signed().into();
    cx.execute(
        "INSERT INTO topic_account AS known \
             (cluster, topic, partition, reading, received_hour, read, tombstones, quarantined, decoded, accepted, \
              duplicate, rejected) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT ON CONSTRAINT topic_account_pkey DO UPDATE SET \
             read = known.read + excluded.read, \
             tombstones = known.tombstones + excluded.tombstones, \
             quarantined = known.quarantined + excluded.quarantined, \
             decoded = known.decoded + excluded.decoded, \
             accepted = known.accepted + excluded.accepted, \
             duplicate = known.duplicate + excluded.duplicate, \
             rejected = known.rejected + excluded.rejected",
        [
            partition.cluster.as_ref().into(),
            partition.topic.as_ref().into(),
            partition.number.into(),
            reading.as_ref().into(),
            hour_of(received_at).into(),
            count(sums.read),
            count(sums.tombstones),
            count(sums.quarantined),
            count(sums.decoded),
            count(sums.accepted),
            count(sums.duplicate),
            count(sums.rejected),
        ],
    )
    .await?;
    Ok(())
}

struct Row {
    partition: Partition,
    reading: Reading,
    sums: Sums,
}

impl Decode for Row {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            partition: Partition::decode(row)?,
            reading: row.word()?,
            sums: Sums {
                read: row.count()?,
                tombstones: row.count()?,
                quarantined: row.count()?,
                decoded: row.count()?,
                accepted: row.count()?,
                duplicate: row.count()?,
                rejected: row.count()?,
            },
        })
    }
}

/// What became of all messages, by partition and reading.
pub async fn sums(cx: &SystemCx) -> Result<Vec<(Partition, Reading, Sums)>> {
    let rows: Vec<Row> = cx
        .all(
            "SELECT cluster, topic, partition, reading, sum(read)::bigint, sum(tombstones)::bigint, sum(quarantined)::bigint, \
                    sum(decoded)::bigint, sum(accepted)::bigint, sum(duplicate)::bigint, sum(rejected)::bigint \
             FROM topic_account GROUP BY cluster, topic, partition, reading \
             ORDER BY cluster, topic, partition, reading",
            [],
        )
        .await?;
    let rows = rows.into_iter();
    Ok(rows
        .map(|row| (row.partition, row.reading, row.sums))
        .collect())
}

//! Months of receipt: the partitions of the identities, opened and dropped.

use crate::{
    Db, Result, SystemCx,
    db::{Failure, is_lock_timeout},
};
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};

/// Key of the lock around claiming: shared by claims until their transaction ends, exclusive while a month is opened or
/// dropped. No tenant's id ends in it.
const MONTH_LOCK: i64 = 0x006d_6f6e_7468;
/// Bits of a part that number it within its month: more parts than a month can bring.
const SEQUENCE_BITS: u32 = 40;

/// A calendar month in UTC, in which records are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month(i64);

impl Month {
    /// The month that `at` lies in.
    pub fn of(at: DateTime<Utc>) -> Self {
        Self((i64::from(at.year()) - 1970) * 12 + i64::from(at.month0()))
    }

    /// The month of a part.
    pub const fn of_part(part: i64) -> Self {
        Self(part >> SEQUENCE_BITS)
    }

    /// The part with the number `sequence`, of which the lower 40 bits count.
    pub const fn part(self, sequence: i64) -> i64 {
        self.0 << SEQUENCE_BITS | sequence & ((1 << SEQUENCE_BITS) - 1)
    }

    pub(super) const fn from_number(months: i64) -> Self {
        Self(months)
    }

    /// Months since January 1970.
    pub(super) const fn number(self) -> i64 {
        self.0
    }
}

/// Keeps the month from turning until the transaction ends, and says which one it is (many claims hold at once). See
/// [`current_month`].
pub async fn hold_month(cx: &SystemCx) -> Result<Option<Month>> {
    let sql = "SELECT pg_advisory_xact_lock_shared($1)";
    cx.execute(sql, [MONTH_LOCK.into()]).await?;
    current_month(cx).await
}

/// Waits for claims under way and keeps new ones out until the transaction ends, so that nothing is being journaled. It
/// waits for a second at most, and says whether it got there.
pub async fn try_freeze_claims(cx: &SystemCx) -> Result<bool> {
    cx.execute("SAVEPOINT claims", []).await?;
    cx.execute("SET LOCAL lock_timeout = '1s'", []).await?;
    let sql = "SELECT pg_advisory_xact_lock($1)";
    match cx.execute(sql, [MONTH_LOCK.into()]).await {
        Ok(_) => Ok(true),
        Err(error) if is_lock_timeout(&error) => {
            cx.execute("ROLLBACK TO SAVEPOINT claims", []).await?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// The newest month that was opened, if any was: the one to claim in. It stays so until the transaction ends if that
/// holds the month lock since an earlier statement.
///
/// A record that is received at `now` is claimed in the month of `now` or a newer one; while this is an older one, end
/// the transaction, [`open_month`] and begin again. [`drop_months`] relies on it.
pub async fn current_month(cx: &SystemCx) -> Result<Option<Month>> {
    Ok(months(cx).await?.first().copied())
}

/// All months that have a partition, newest first.
pub(super) async fn months(cx: &SystemCx) -> Result<Vec<Month>> {
    let sql = "SELECT month FROM intake_month ORDER BY month DESC";
    let rows = cx.all(sql, []).await?;
    Ok(rows.into_iter().map(|(month,)| Month(month)).collect())
}

/// Opens the month of `at`, unless it or a newer one is open: a clock that steps back changes nothing.
///
/// It waits for the claims that run and keeps new ones out, so every claim of the month before is committed when the
/// first one of this month begins.
pub async fn open_month(db: &Db, at: DateTime<Utc>) -> Result<()> {
    let month = Month::of(at);
    let cx = db.system().await?;
    if current_month(&cx).await? >= Some(month) {
        return Ok(());
    }
    // On disk before anybody claims in it: what is in memory about the month before must not outlive its end.
    let sql = "SELECT set_config('synchronous_commit', 'on', true), pg_advisory_xact_lock($1)";
    cx.execute(sql, [MONTH_LOCK.into()]).await?;
    let sql = "SELECT open_intake_month($1, $2)";
    cx.execute(sql, [month.0.into(), at.into()]).await?;
    cx.commit().await
}

/// Drops the months of which no record can come again, when records are taken from `past` before until `future` after
/// the time of their receipt. Says how many these were. The newest month stays.
///
/// Claims wait meanwhile, for a second at most if somebody is in the way; then the rest is left for another time.
pub async fn drop_months(
    db: &Db,
    now: DateTime<Utc>,
    past: TimeDelta,
    future: TimeDelta,
) -> Result<u32> {
    let horizon = now.checked_sub_signed(past);
    let Some(horizon) = horizon.and_then(|from| from.checked_sub_signed(future)) else {
        return Ok(0);
    };
    let cx = db.system().await?;
    let mut months = months(&cx).await?;
    drop(cx);
    let mut dropped = 0;
    // Every record of a month that ended before the horizon is too old by now.
    while let Some(oldest) = months.pop()
        && oldest < Month::of(horizon)
        && !months.is_empty()
    {
        let cx = db.system().await?;
        match drop_month(&cx, oldest).await {
            Ok(()) => cx.commit().await?,
            Err(error) if is_lock_timeout(&error) => break,
            Err(error) => return Err(error.into()),
        }
        dropped += 1;
    }
    Ok(dropped)
}

async fn drop_month(cx: &SystemCx, month: Month) -> Result<(), Failure> {
    cx.execute("SET LOCAL lock_timeout = '1s'", []).await?;
    let sql = "SELECT pg_advisory_xact_lock($1)";
    cx.execute(sql, [MONTH_LOCK.into()]).await?;
    let sql = "SELECT drop_intake_month($1)";
    cx.execute(sql, [month.0.into()]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    #[test]
    fn a_month_begins_with_its_first_millisecond_in_utc() {
        assert_eq!(Month::of(DateTime::UNIX_EPOCH), Month(0));
        assert_eq!(Month::of(at("2026-05-31T23:59:59.999Z")), Month(676));
        assert_eq!(Month::of(at("2026-06-01T00:00:00Z")), Month(677));
        assert_eq!(Month::of(at("2026-06-01T00:30:00+01:00")), Month(676));
        assert_eq!(Month::of(at("1969-12-31T00:00:00Z")), Month(-1));
    }

    #[test]
    fn a_part_tells_its_month_whatever_its_number() {
        for month in [Month(-1), Month(0), Month(676)] {
            for sequence in [0, 1, (1 << 40) - 1, 1 << 40, i64::MAX] {
                assert_eq!(Month::of_part(month.part(sequence)), month);
            }
            assert_eq!(month.part(7) + 1, month.part(8));
        }
        assert!(Month(676).part((1 << 40) - 1) < Month(677).part(0));
    }
}

//! Whether the last server stopped in order.
//!
//! Every running server holds a lock in a session of its own. The last one to stop in order leaves a mark here and in
//! ClickHouse; a start that finds the same mark in both stores knows that nothing was cut off and that neither store was
//! put back to an earlier state. Journaling a batch takes the word back that the last server stopped in order, in the
//! batch's transaction, so that word never stands beside usage that came later: not even where a server lost its session
//! and with it the lock, and went on.
//!
//! A mark is announced here, left in ClickHouse, and confirmed here, so a server that ends in between leaves a mark there
//! that is known here. Marks are numbered, so that finding the newest needs no clock.

use uuid::Uuid;

use crate::{
    Result, SystemCx,
    row::{Columns, Decode},
};

/// Held while a mark is left.
const MARK_LOCK: i64 = 0x6d61_726b;

/// What a start finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Whether the last server stopped in order.
    pub clean: bool,
    /// The mark that was confirmed last; none in a new database.
    pub mark: Option<Uuid>,
    /// A later one that ClickHouse may have instead.
    pub announced: Option<Uuid>,
}

impl Decode for Mark {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            clean: row.get()?,
            mark: row.get()?,
            announced: row.get()?,
        })
    }
}

impl Mark {
    /// Of a new database.
    const NEW: Self = Self {
        clean: true,
        mark: None,
        announced: None,
    };

    /// Whether this is of the same moment as ClickHouse, whose newest mark is `theirs`.
    pub fn goes_with(&self, theirs: Option<Uuid>) -> bool {
        theirs == self.mark || theirs.is_some() && theirs == self.announced
    }

    /// The mark to leave after this one and the newest one of ClickHouse. The upper half counts; the lower half is
    /// `unique`, so that two that follow the same mark differ.
    pub fn next(&self, theirs: Option<Uuid>, unique: u64) -> Uuid {
        let known = [self.mark, self.announced, theirs].into_iter().flatten();
        let last = known.map(|mark| mark.as_u64_pair().0).max();
        Uuid::from_u64_pair(last.unwrap_or_default().saturating_add(1), unique)
    }
}

/// Keeps others from leaving a mark until the transaction ends, so that both stores get them in one order. Postgres ends it
/// when nothing is heard of the process for 70 seconds.
pub async fn hold_marks(cx: &SystemCx) -> Result<()> {
    let sql = "SELECT set_config('idle_in_transaction_session_timeout', '70s', true), pg_advisory_xact_lock($1)";
    cx.execute(sql, [MARK_LOCK.into()]).await?;
    Ok(())
}

/// The mark.
pub async fn mark(cx: &SystemCx) -> Result<Mark> {
    let mark = cx.one("SELECT clean, mark, announced FROM intake_mark", []);
    Ok(mark.await?.unwrap_or(Mark::NEW))
}

/// Says that `next` is about to be left in ClickHouse, which has `theirs` until then. Nothing is clean from here on.
pub async fn announce_mark(cx: &SystemCx, theirs: Option<Uuid>, next: Uuid) -> Result<()> {
    cx.execute(
        "INSERT INTO intake_mark AS known (clean, mark, announced) VALUES (false, NULL, $2) \
         ON CONFLICT (only_row) DO UPDATE SET clean = false, announced = excluded.announced, \
             mark = CASE WHEN known.announced = $1 THEN known.announced ELSE known.mark END",
        [theirs.into(), next.into()],
    )
    .await?;
    Ok(())
}

/// Says that ClickHouse has the announced mark, and whether the last server stopped in order.
pub async fn confirm_mark(cx: &SystemCx, announced: Uuid, clean: bool) -> Result<()> {
    cx.execute(
        "UPDATE intake_mark SET clean = $2, mark = announced, announced = NULL WHERE announced = $1",
        [announced.into(), clean.into()],
    )
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "a mark may be missing")]
    const fn mark(count: u64) -> Option<Uuid> {
        Some(Uuid::from_u64_pair(count, 9))
    }

    #[test]
    fn a_mark_follows_every_one_that_is_known() {
        assert_eq!(Mark::NEW.next(None, 5), Uuid::from_u64_pair(1, 5));
        for (ours, announced, theirs) in [(7, 3, 3), (3, 7, 3), (3, 3, 7)] {
            let known = Mark {
                clean: false,
                mark: mark(ours),
                announced: mark(announced),
            };
            let next = known.next(mark(theirs), 5);
            assert_eq!(next, Uuid::from_u64_pair(8, 5));
        }
    }

    #[test]
    fn a_store_has_the_mark_that_was_confirmed_or_the_one_that_was_announced() {
        let confirmed = Mark {
            clean: true,
            mark: mark(3),
            announced: None,
        };
        let announced = Mark {
            announced: mark(4),
            ..confirmed
        };
        let first = Mark {
            mark: None,
            ..announced
        };
        for (ours, theirs, expected) in [
            (Mark::NEW, None, true),
            (Mark::NEW, mark(1), false),
            (confirmed, mark(3), true),
            (confirmed, mark(4), false),
            (confirmed, None, false),
            (announced, mark(3), true),
            (announced, mark(4), true),
            (announced, mark(5), false),
            (announced, None, false),
            (first, None, true),
            (first, mark(4), true),
        ] {
            assert_eq!(ours.goes_with(theirs), expected, "{ours:?} {theirs:?}");
        }
    }
}

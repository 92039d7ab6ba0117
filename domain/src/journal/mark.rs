//! Whether the last server stopped in order.
//!
//! Every running server holds a lock in a session of its own. The last one to stop in order leaves a mark here and in
//! ClickHouse; a start that finds the same mark in both stores knows that nothing was cut off and that neither store was
//! put back to an earlier state.

use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{Result, SystemCx};

/// Held while a mark is left.
const MARK_LOCK: i64 = 0x6d61_726b;

/// What a start finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Mark {
    /// Whether the last server stopped in order.
    pub clean: bool,
    /// The mark that ClickHouse must have as well.
    pub mark: Uuid,
}

/// Keeps others from leaving a mark until the transaction ends, so that both stores get them in one order.
pub async fn hold_marks(cx: &SystemCx) -> Result<()> {
    cx.execute("SELECT pg_advisory_xact_lock($1)", [MARK_LOCK.into()])
        .await?;
    Ok(())
}

/// The mark, none in a new database.
pub async fn mark(cx: &SystemCx) -> Result<Option<Mark>> {
    cx.one("SELECT clean, mark FROM intake_mark", []).await
}

/// Sets the mark.
pub async fn set_mark(cx: &SystemCx, mark: Mark) -> Result<()> {
    cx.execute(
        "INSERT INTO intake_mark (clean, mark) VALUES ($1, $2) \
         ON CONFLICT (only_row) DO UPDATE SET clean = excluded.clean, mark = excluded.mark",
        [mark.clean.into(), mark.mark.into()],
    )
    .await?;
    Ok(())
}

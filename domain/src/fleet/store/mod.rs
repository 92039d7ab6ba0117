//! The statements of fleet import: a constant number per chunk, each for all rows at once.

mod history;
mod known;
mod write;

pub(super) use history::{History, history, replace_history, stays};
pub(super) use known::known;
pub(super) use write::{
    NewDevice, SimRecord, create_customers, create_devices, create_labels, create_sims, set_labels,
    set_owners, touch_devices, update_sims,
};

use crate::{Result, WriteCx};

/// Imports of one tenant take turns, so that what a plan read still holds when it is written.
pub(super) async fn take_turn(cx: &WriteCx) -> Result<()> {
    let sql =
        "SELECT pg_advisory_xact_lock(hashtextextended('fleet.import ' || current_tenant(), 0))";
    cx.execute(sql, []).await?;
    Ok(())
}

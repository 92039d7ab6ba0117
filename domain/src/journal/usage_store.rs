//! Which usage store the usage of this journal is in: another one knows nothing of it.

use uuid::Uuid;

use crate::{Result, SystemCx};

/// Held while the usage store is being decided on.
const USAGE_STORE_LOCK: i64 = 0x7374_6f72;

/// Keeps others from deciding on the usage store until the transaction ends. Postgres ends it when nothing is heard of the
/// process for 70 seconds.
pub async fn hold_usage_store(cx: &SystemCx) -> Result<()> {
    let sql = "SELECT set_config('idle_in_transaction_session_timeout', '70s', true), pg_advisory_xact_lock($1)";
    cx.execute(sql, [USAGE_STORE_LOCK.into()]).await?;
    Ok(())
}

/// The identity of the usage store; none before the first start.
pub async fn usage_store(cx: &SystemCx) -> Result<Option<Uuid>> {
    let identity = cx.one("SELECT identity FROM store_identity", []).await?;
    Ok(identity.map(|(identity,): (Uuid,)| identity))
}

/// From now on the usage goes to the store with this identity.
pub async fn set_usage_store(cx: &SystemCx, identity: Uuid) -> Result<()> {
    cx.execute(
        "INSERT INTO store_identity (identity) VALUES ($1) \
         ON CONFLICT (only_row) DO UPDATE SET identity = excluded.identity",
        [identity.into()],
    )
    .await?;
    Ok(())
}

/// Whether no usage was ever accepted.
pub async fn is_new(cx: &SystemCx) -> Result<bool> {
    let sql = "SELECT NOT EXISTS (SELECT FROM intake_batch_tenant)";
    let new = cx.one(sql, []).await?;
    Ok(new.is_none_or(|(new,): (bool,)| new))
}

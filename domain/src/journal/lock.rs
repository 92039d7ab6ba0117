//! The advisory locks of intake. Each is held until its transaction ends.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};

use crate::{Db, Error, Result, SystemCx, WriteCx, db::is_lock_timeout, id::TenantId, sql::uuids};

/// Around inserts into the cubes; no tenant's id ends in it.
const APPLY_LOCK: i64 = 0x0061_7070_6c79;
/// Around every batch of one process after the other being settled.
const SETTLE_LOCK: i64 = 0x7365_7474_6c65;
/// Held by every server that runs.
const RUNNING_LOCK: i64 = 0x0072_756e_6e69_6e67;

/// Keeps assignments that reach over usage out of `tenants` until the transaction ends (many batches hold at once), and
/// says of which tenants: an import that is under way keeps its tenant, and only that one, waiting. The locks are asked
/// for in the order of `tenants`. Postgres ends the transaction when nothing is heard of the process for `patience`, so a
/// process that was stopped keeps nobody waiting.
pub async fn hold_attribution(
    cx: &SystemCx,
    tenants: &[TenantId],
    patience: Duration,
) -> Result<HashSet<TenantId>> {
    let keys: Vec<i64> = tenants.iter().map(|tenant| lock_key(*tenant)).collect();
    let rows: Vec<(TenantId, bool)> = cx
        .all(
            "SELECT wanted.tenant_id, pg_try_advisory_xact_lock_shared(wanted.key), \
                    set_config('idle_in_transaction_session_timeout', $3, true) \
             FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS wanted(tenant_id, key, place) \
             ORDER BY wanted.place",
            [
                uuids(tenants.iter().map(|tenant| tenant.uuid())),
                keys.into(),
                patience.as_millis().to_string().into(),
            ],
        )
        .await?;
    let held = rows.into_iter().filter(|(_, held)| *held);
    Ok(held.map(|(tenant, _)| tenant).collect())
}

/// Lets the transaction wait for `patience` at most, from here on, for each lock that another one holds: a process that was
/// stopped keeps its identities, sources and accounts until Postgres ends its transaction. What waits longer fails with
/// [`crate::Error::is_lock_timeout`].
pub async fn bound_waits(cx: &SystemCx, patience: Duration) -> Result<()> {
    let sql = "SELECT set_config('lock_timeout', $1, true)";
    cx.execute(sql, [patience.as_millis().to_string().into()])
        .await?;
    Ok(())
}

/// Waits for batches that are being attributed and keeps new ones out until the transaction ends. Taken before an
/// assignment that may reach over usage is checked against what is counted; see [`super::uncounted`]. Postgres ends the transaction
/// when nothing is heard of the process for ten seconds, so one that was stopped keeps no topic waiting; who asks another store
/// meanwhile says [`still_frozen`].
pub async fn freeze_attribution(cx: &WriteCx) -> Result<()> {
    let sql = "SELECT set_config('idle_in_transaction_session_timeout', '10s', true), pg_advisory_xact_lock($1)";
    cx.execute(sql, [lock_key(cx.scope().tenant()).into()])
        .await?;
    Ok(())
}

/// Lets Postgres hear of a transaction that keeps batches out.
pub async fn still_frozen(cx: &WriteCx) -> Result<()> {
    cx.execute("SELECT 1", []).await?;
    Ok(())
}

/// Says that a batch is being applied, until the transaction ends (many at once). Postgres ends it when nothing is heard
/// of the process for `patience`, so a process that was stopped keeps nobody waiting. The commit is not waited for on
/// disk: if a power loss takes the note that the batch is counted, its records are looked up again.
///
/// # Errors
/// `UNAVAILABLE` when a correction of a process that is gone may still run: whoever freezes next sees to it.
pub async fn hold_apply(cx: &SystemCx, patience: Duration) -> Result<()> {
    let sql = "SELECT set_config('synchronous_commit', 'off', true), \
                      set_config('idle_in_transaction_session_timeout', $2, true), \
                      pg_advisory_xact_lock_shared($1)";
    let patience = patience.as_millis().to_string();
    cx.execute(sql, [APPLY_LOCK.into(), patience.into()])
        .await?;
    // A statement of its own, which sees what was committed while this one waited for the lock.
    match correction(cx).await? {
        None => Ok(()),
        Some(_) => Err(Error::unavailable(
            "the usage store is being corrected, try again",
            "a correction was left behind",
        )),
    }
}

/// Waits for batches that are being applied, in every process, and keeps new ones out until the transaction ends: the
/// cubes stand still. It stands in line for 200 ms at most, because batches that come later wait behind it, and says whether
/// it got there: the caller tries again after a pause, in which intake goes on.
///
/// Postgres ends the transaction when nothing is heard of the process for longer than the longest statement of the cubes
/// takes, so a process that was stopped does not stop intake for good. It must know that it still holds the lock
/// ([`still_held`]) before it changes the cubes.
pub async fn try_freeze_apply(cx: &SystemCx) -> Result<bool> {
    let sql = "SELECT set_config('idle_in_transaction_session_timeout', '70s', true)";
    cx.execute(sql, []).await?;
    cx.execute("SAVEPOINT standstill", []).await?;
    cx.execute("SET LOCAL lock_timeout = '200ms'", []).await?;
    let locked = cx
        .execute("SELECT pg_advisory_xact_lock($1)", [APPLY_LOCK.into()])
        .await;
    match locked {
        Ok(_) => {
            cx.execute("SET LOCAL lock_timeout = 0", []).await?;
            Ok(true)
        }
        Err(error) if is_lock_timeout(&error) => {
            cx.execute("ROLLBACK TO SAVEPOINT standstill", []).await?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Says, whatever becomes of the transaction that froze the cubes, that a statement may begin until `begin_by` that changes
/// them or the records.
pub async fn begin_correction(db: &Db, begin_by: DateTime<Utc>) -> Result<()> {
    let cx = db.system().await?;
    cx.execute(
        "INSERT INTO intake_correction (begin_by) VALUES ($1) \
         ON CONFLICT (only_row) DO UPDATE SET begin_by = greatest(intake_correction.begin_by, excluded.begin_by)",
        [begin_by.into()],
    )
    .await?;
    cx.commit().await
}

/// Until when a statement of somebody's correction may begin, if one is under way or was left behind.
pub async fn correction(cx: &SystemCx) -> Result<Option<DateTime<Utc>>> {
    let left = cx.one("SELECT begin_by FROM intake_correction", []).await?;
    Ok(left.map(|(begin_by,)| begin_by))
}

/// Says that every statement of the correction is over, when the transaction that froze the cubes commits.
pub async fn end_correction(cx: &SystemCx) -> Result<()> {
    cx.execute("DELETE FROM intake_correction", []).await?;
    Ok(())
}

/// Fails when the transaction is over, and with it the locks that it held.
pub async fn still_held(cx: &SystemCx) -> Result<()> {
    cx.execute("SELECT 1", []).await?;
    Ok(())
}

/// Whether the caller settles from here on until the transaction ends: one process at a time does.
pub async fn try_settle(cx: &SystemCx) -> Result<bool> {
    try_lock(cx, SETTLE_LOCK).await
}

/// Says that a server runs, for as long as it lives.
pub struct Running {
    cx: SystemCx,
}

impl Running {
    /// Says so from now on. It keeps a connection.
    pub async fn start(db: &Db) -> Result<Self> {
        let cx = db.system().await?;
        cx.execute(
            "SELECT pg_advisory_xact_lock_shared($1)",
            [RUNNING_LOCK.into()],
        )
        .await?;
        cx.rest().await?;
        Ok(Self { cx })
    }

    /// Ends it. If no other server runs, the transaction that is returned keeps any from starting until it ends.
    pub async fn stop(self, db: &Db) -> Result<Option<SystemCx>> {
        self.cx.commit().await?;
        let cx = db.system().await?;
        let last = try_lock(&cx, RUNNING_LOCK).await?;
        Ok(last.then_some(cx))
    }
}

/// Takes a lock until the transaction ends, unless somebody else has it, and says whether it did.
pub(super) async fn try_lock(cx: &SystemCx, key: i64) -> Result<bool> {
    let sql = "SELECT pg_try_advisory_xact_lock($1)";
    let taken: Option<(bool,)> = cx.one(sql, [key.into()]).await?;
    Ok(taken.is_some_and(|(taken,)| taken))
}

/// The random half of a tenant's version 7 id.
fn lock_key(tenant: TenantId) -> i64 {
    i64::from_be_bytes(tenant.uuid().as_u64_pair().1.to_be_bytes())
}

/// One transaction at a time adds sources to a tenant.
pub(super) async fn sources(cx: &SystemCx, tenant: TenantId) -> Result<()> {
    let sql = "SELECT pg_advisory_xact_lock($1)";
    cx.execute(sql, [(!lock_key(tenant)).into()]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uuid::Uuid;

    use super::*;
    use crate::{
        Role, Scope, SystemClock,
        identity::VerifiedClaims,
        scope::{Segment, Visibility},
    };

    #[tokio::test]
    async fn whoever_is_silent_loses_its_locks_in_time() {
        let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
        let postgres = postgres.expect("a test database");
        let db = Db::connect(postgres.url(), 2, Arc::new(SystemClock)).await;
        let db = db.expect("connected");
        let patience = async |cx: &SystemCx| {
            let sql = "SELECT current_setting('idle_in_transaction_session_timeout')";
            let setting: Option<(String,)> = cx.one(sql, []).await.expect("an answer");
            setting.map(|(patience,)| patience)
        };
        let cx = db.system().await.expect("system");
        assert!(try_freeze_apply(&cx).await.expect("asked"));
        assert_eq!(patience(&cx).await.as_deref(), Some("70s"));
        drop(cx);
        for holds_apply in [true, false] {
            let cx = db.system().await.expect("system");
            let seconds = Duration::from_secs(9);
            if holds_apply {
                hold_apply(&cx, seconds).await.expect("held");
            } else {
                let tenant = TenantId::new(Uuid::from_u128(1));
                let held = hold_attribution(&cx, &[tenant], seconds).await;
                assert_eq!(held.expect("held"), HashSet::from([tenant]));
            }
            assert_eq!(patience(&cx).await.as_deref(), Some("9s"));
        }
        let claims = VerifiedClaims::new("ada".into(), "alpha".into(), Role::TenantAdmin, None);
        let tenant = TenantId::new(Uuid::from_u128(1));
        let claims = claims.expect("claims");
        let scope = Scope::of_token(tenant, &claims, Segment::default(), Visibility::ALL);
        let importing = db.write(&scope).await.expect("write");
        freeze_attribution(&importing).await.expect("frozen");
        let sql = "SELECT current_setting('idle_in_transaction_session_timeout')";
        let setting: Option<(String,)> = importing.one(sql, []).await.expect("an answer");
        assert_eq!(setting, Some(("10s".to_owned(),)));
        still_frozen(&importing).await.expect("frozen");
    }

    #[tokio::test]
    async fn a_server_that_runs_for_long_keeps_nothing_from_being_cleaned_up() {
        let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
        let postgres = postgres.expect("a test database");
        let db = Db::connect(postgres.url(), 2, Arc::new(SystemClock)).await;
        let db = db.expect("connected");
        let running = Running::start(&db).await.expect("started");
        let held = postgres.texts(
            "SELECT coalesce(backend_xmin::text, 'nothing') FROM pg_stat_activity \
             WHERE datname = current_database() AND state = 'idle in transaction'",
        );
        assert_eq!(held, ["nothing"]);
        assert!(running.stop(&db).await.expect("stopped").is_some());
    }
}

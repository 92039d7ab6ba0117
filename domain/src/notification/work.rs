//! How notifications come and go. All of it is the platform's own work.

use chrono::TimeDelta;

use crate::{Result, SystemCx, id::JobId, sql::uuids};

/// How long a notification is kept, read or not.
const KEPT: TimeDelta = TimeDelta::days(90);
/// Notifications that go at once.
const SWEPT: i64 = 10_000;

/// Tells whoever asked for these jobs that nothing more comes of them, and what did.
pub(crate) async fn of_jobs(cx: &SystemCx, jobs: &[JobId]) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    cx.execute(
        "INSERT INTO notification (tenant_id, subject, kind, object_id, name, code, created_at)
         SELECT tenant_id, requested_by, kind || '_' || state, job_id, name, code, $2 FROM job WHERE job_id = ANY($1)",
        [uuids(jobs.iter().map(|job| job.uuid())), cx.now().into()],
    )
    .await?;
    Ok(())
}

/// Removes notifications that are old, some of them at a time; how many.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn sweep(cx: SystemCx) -> Result<u64> {
    let before = cx.now() - KEPT;
    let swept = cx
        .execute(
            "DELETE FROM notification WHERE (tenant_id, notification_id) IN
                 (SELECT tenant_id, notification_id FROM notification WHERE created_at < $1 ORDER BY created_at LIMIT $2)",
            [before.into(), SWEPT.into()],
        )
        .await?;
    cx.commit().await?;
    Ok(swept)
}

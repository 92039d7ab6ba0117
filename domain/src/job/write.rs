//! How jobs are asked for, taken back and asked for again.

use sea_orm::ActiveValue::Set;
use serde_json::Value;
use uuid::Uuid;

use super::{Asker, Job, JobError, JobKind, JobState, entity::ActiveModel};
use crate::{
    Error, Permission, Result, WriteCx, change::Change, id::JobId, identity::VerifiedClaims, list,
    text::is_trimmed,
};

/// Jobs of one tenant that may wait or run at the same time.
pub const OPEN: u64 = 100;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Kind of work.
    pub kind: JobKind,
    /// Name of the job and of its file.
    pub name: String,
    /// What is asked, in the form that the kind of work gives it.
    pub request: Value,
    /// What the asker's token said.
    pub claims: VerifiedClaims,
    /// Bytes that what the tenant keeps may take.
    pub quota: u64,
}

/// Whether a file can have this name, which has so many characters at most.
pub(crate) fn is_file_name(name: &str, longest: usize) -> bool {
    is_trimmed(name, longest) && !name.contains(['/', '\\']) && !name.starts_with('.')
}

fn check_name(name: &str) -> Result<(), JobError> {
    let fits = is_file_name(name, 100);
    fits.then_some(()).ok_or(JobError::Name)
}

/// Asks for work.
///
/// # Errors
/// `FORBIDDEN` without `EXPORTS_WRITE`; `LIMIT_EXCEEDED` when the tenant has [`OPEN`] open jobs, or keeps all the bytes that it may;
/// those of [`JobError`].
pub async fn create(cx: WriteCx, new: NewJob) -> Result<Job> {
    cx.scope().require(Permission::ExportsWrite)?;
    if let Some(id) = cx.earlier().await? {
        return list::get(&cx, JobId::new(id)).await;
    }
    check_name(&new.name)?;
    check_room(&cx, new.quota).await?;
    let asker = Asker {
        claims: new.claims,
        rights: cx.scope().rights(),
    };
    let id = JobId::new(Uuid::now_v7());
    let row = ActiveModel {
        tenant_id: Set(cx.scope().tenant().uuid()),
        job_id: Set(id.uuid()),
        kind: Set(new.kind.as_ref().to_owned()),
        name: Set(new.name.clone()),
        request: Set(new.request),
        requested_by: Set(cx.scope().actor().to_owned()),
        asker: Set(serde_json::to_value(asker).map_err(Error::internal)?),
        created_at: Set(cx.now()),
        ..ActiveModel::default()
    };
    cx.insert(row).await?;
    let job = list::get(&cx, id).await?;
    let (kind, name) = (new.kind, new.name);
    cx.commit(Change::JobRequested {
        job: id,
        kind,
        name,
    })
    .await?;
    Ok(job)
}

/// Lock of whoever looks how much room a tenant has left.
pub(super) const ROOM: &str =
    "SELECT pg_advisory_xact_lock(hashtextextended('job' || $1::text, 0))";

/// Whether the tenant may have another one. Those who ask at the same time wait for each other.
async fn check_room(cx: &WriteCx, quota: u64) -> Result<()> {
    let tenant = cx.scope().tenant().uuid();
    cx.execute(ROOM, [tenant.into()]).await?;
    let sql = "SELECT count(*) FILTER (WHERE state IN ('QUEUED', 'RUNNING')), coalesce(sum(bytes), 0)::bigint
        FROM job WHERE tenant_id = $1 AND (state IN ('QUEUED', 'RUNNING') OR place IS NOT NULL AND expires_at > $2)";
    let counted = cx.one(sql, [tenant.into(), cx.now().into()]).await?;
    let (open, bytes): (i64, i64) = counted.unwrap_or_default();
    let (open, bytes) = (
        u64::try_from(open).map_err(Error::internal)?,
        u64::try_from(bytes).map_err(Error::internal)?,
    );
    if open >= OPEN {
        let text = "too many jobs of the tenant wait or run";
        let error = Error::limit(text, OPEN, open + 1);
        return Err(error.suggest("wait until some are done, or cancel some"));
    }
    if bytes >= quota {
        let text = "the tenant keeps as many bytes of files as it may";
        let error = Error::limit(text, quota, bytes);
        return Err(error.suggest("wait until older files expire"));
    }
    Ok(())
}

/// One change of a job comes after the other.
async fn locked(cx: &WriteCx, id: JobId) -> Result<Job> {
    cx.lock("UPDATE", ("job", "job_id"), id).await?;
    list::get(cx, id).await
}

/// Takes a job back, before or while it is done. Whoever is at it stops, and what was made of it goes.
///
/// # Errors
/// `FORBIDDEN` without `EXPORTS_WRITE`; `NOT_FOUND`; `CONFLICT` when it is over.
pub async fn cancel(cx: WriteCx, id: JobId) -> Result<Job> {
    cx.scope().require(Permission::ExportsWrite)?;
    if let Some(()) = cx.earlier().await? {
        return list::get(&cx, id).await;
    }
    let job = locked(&cx, id).await?;
    if job.state.is_over() {
        return Err(JobError::Over(job.state).into());
    }
    set(
        &cx,
        id,
        "state = 'CANCELLED', lease_until = NULL, ended_at = $3",
    )
    .await?;
    let job = list::get(&cx, id).await?;
    cx.commit(Change::JobCancelled { job: id }).await?;
    Ok(job)
}

/// Asks again for a job that ended without a result, as it was asked for first. Only its asker does, and of what a schedule made
/// whoever looks after it.
///
/// # Errors
/// `FORBIDDEN` without `EXPORTS_WRITE` or to somebody else; `NOT_FOUND`; `CONFLICT` when it did not fail and was not cancelled;
/// `LIMIT_EXCEEDED` as for a new one.
pub async fn retry(cx: WriteCx, id: JobId, claims: VerifiedClaims, quota: u64) -> Result<Job> {
    cx.scope().require(Permission::ExportsWrite)?;
    if let Some(()) = cx.earlier().await? {
        return list::get(&cx, id).await;
    }
    check_room(&cx, quota).await?;
    let job = locked(&cx, id).await?;
    if !job.is_of(cx.scope()) {
        return Err(JobError::NotAsker.into());
    }
    if !matches!(job.state, JobState::Failed | JobState::Cancelled) {
        return Err(JobError::NotFailed(job.state).into());
    }
    let asker = Asker {
        claims,
        rights: cx.scope().rights(),
    };
    let asker = serde_json::to_value(asker).map_err(Error::internal)?;
    let changed = cx.execute(
        "UPDATE job SET state = 'QUEUED', asker = $3, created_at = $4, attempts = 0, rows_done = 0, rows_expected = NULL, code = NULL,
            message = NULL, not_before = NULL, started_at = NULL, heartbeat_at = NULL, ended_at = NULL
         WHERE tenant_id = $1 AND job_id = $2",
        [
            cx.scope().tenant().uuid().into(),
            id.uuid().into(),
            asker.into(),
            cx.now().into(),
        ],
    );
    changed.await?;
    let job = list::get(&cx, id).await?;
    cx.commit(Change::JobRetried { job: id }).await?;
    Ok(job)
}

/// Leaves the trace of a download of a job's file, or of this one of several, which is durable before the first byte goes out.
///
/// # Errors
/// `UNAVAILABLE` when it cannot be written: then nothing may go out.
pub async fn downloaded(cx: WriteCx, id: JobId, part: Option<String>) -> Result<()> {
    cx.commit(Change::FileDownloaded { job: id, part }).await
}

async fn set(cx: &WriteCx, id: JobId, columns: &str) -> Result<()> {
    let sql = format!("UPDATE job SET {columns} WHERE tenant_id = $1 AND job_id = $2");
    let values = [
        cx.scope().tenant().uuid().into(),
        id.uuid().into(),
        cx.now().into(),
    ];
    cx.execute(&sql, values).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_that_a_file_can_have() {
        for good in ["a", "SIMs of May.csv", "Größe 😀", "a..b"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            " a",
            "a ",
            "a/b",
            "..",
            ".a",
            "a\\b",
            "a\nb",
            "a\0",
            &"x".repeat(101),
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }
}

//! How jobs are done: claimed, kept, ended, and cleared away. All of it is the platform's own work.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::{Value as Parameter, sea_query::ArrayType};
use serde_json::Value;
use tokio_postgres::types::Json;

use super::{Asker, JobError, JobKind, Progress, write::ROOM};
use crate::{
    Code, Error, Result, SystemCx,
    id::{JobId, ScheduleId, TenantId},
    notification,
    row::{Columns, Decode},
    scope::Rights,
    sql::uuids,
};

/// Lock of whoever claims: claims come one after the other, so that each sees those before it.
const CLAIMING: i64 = 0x6a6f_6273;

/// On which terms jobs are done.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How long a process has a job without a word.
    pub lease: Duration,
    /// Jobs of a tenant that are done at the same time.
    pub per_tenant: u32,
    /// Times that a job is begun. One that breaks off as often has something about it that ends processes.
    pub attempts: u32,
}

/// The right to work on a job, until somebody else has a larger fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose job.
    pub tenant: TenantId,
    /// Which.
    pub job: JobId,
    /// Number of the claim.
    pub fence: u64,
}

/// A job that a process has claimed.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The right to work on it.
    pub lease: Lease,
    /// Name of the job and of its file.
    pub name: String,
    /// What was asked.
    pub request: Value,
    /// Who asked.
    pub asker: Asker,
    /// The schedule that made it.
    pub schedule: Option<ScheduleId>,
    /// Times that it was begun, with this one.
    pub attempts: u32,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Bytes of files that the tenant keeps. What has expired does not count, whether or not it is removed already.
    pub kept_bytes: u64,
    /// Bytes that these may take; none is what the installation gives everybody.
    pub quota: Option<u64>,
}

impl Decode for Lease {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            tenant: row.get()?,
            job: row.get()?,
            fence: row.count()?,
        })
    }
}

impl Decode for Claim {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            lease: Lease::decode(row)?,
            name: row.get()?,
            request: row.get()?,
            asker: row.get::<Json<_>>()?.0,
            schedule: row.get()?,
            attempts: u32::try_from(row.get::<i32>()?).map_err(Error::internal)?,
            created_at: row.get()?,
            kept_bytes: row.count()?,
            quota: (row.get::<Option<i64>>()?)
                .map(|bytes| u64::try_from(bytes).map_err(Error::internal))
                .transpose()?,
        })
    }
}

/// What a job made.
#[derive(Clone, Debug)]
pub struct Made {
    /// What it is, as the kind of work describes it.
    pub result: Value,
    /// Where it lies.
    pub place: String,
    /// Bytes of it.
    pub bytes: u64,
    /// When it goes.
    pub expires_at: DateTime<Utc>,
    /// What whoever asked saw when it was made.
    pub rights: Rights,
    /// Rows of it.
    pub rows: u64,
    /// Bytes of files that the tenant keeps at most, this one included.
    pub quota: u64,
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

/// The next job of a kind: of those that wait and those whose process is silent, that of the tenant whose turn was longest ago.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn claim(cx: SystemCx, kind: JobKind, terms: Terms) -> Result<Option<Claim>> {
    cx.ends_when_silent().await?;
    cx.execute("SELECT pg_advisory_xact_lock($1)", [CLAIMING.into()])
        .await?;
    let most = i32::try_from(terms.attempts).unwrap_or(i32::MAX);
    let message =
        format!("the work was broken off {most} times, by the end of the process that did it");
    let given_up = cx.all(
        "UPDATE job SET state = 'FAILED', code = $2, message = $3, lease_until = NULL, ended_at = $4
         WHERE kind = $1 AND state = 'RUNNING' AND lease_until < clock_timestamp() AND attempts >= $5
         RETURNING job_id",
        [
            kind.as_ref().into(),
            Code::Unavailable.as_ref().into(),
            message.into(),
            cx.now().into(),
            most.into(),
        ],
    );
    let given_up: Vec<(JobId,)> = given_up.await?;
    let given_up: Vec<JobId> = given_up.into_iter().map(|(job,)| job).collect();
    notification::of_jobs(&cx, &given_up).await?;
    let claimed = cx.one(
        "WITH busy AS (
             SELECT tenant_id, count(*) AS jobs FROM job
             WHERE state = 'RUNNING' AND lease_until >= clock_timestamp() GROUP BY tenant_id
         ), next AS (
             SELECT tenant_id, job_id FROM job LEFT JOIN busy USING (tenant_id)
             WHERE kind = $1 AND coalesce(busy.jobs, 0) < $2
               AND (state = 'QUEUED' AND coalesce(not_before, '-infinity') <= clock_timestamp()
                    OR state = 'RUNNING' AND lease_until < clock_timestamp())
             ORDER BY (SELECT max(begun.started_at) FROM job AS begun WHERE begun.tenant_id = job.tenant_id) NULLS FIRST,
                      created_at, job_id
             LIMIT 1
         )
         UPDATE job SET state = 'RUNNING', fence = fence + 1, attempts = attempts + 1,
                lease_until = clock_timestamp() + make_interval(secs => $3), started_at = $4, heartbeat_at = $4,
                rows_done = 0, rows_expected = NULL
         FROM next WHERE job.tenant_id = next.tenant_id AND job.job_id = next.job_id
         RETURNING job.tenant_id, job.job_id, job.fence, job.name, job.request, job.asker, job.schedule_id, job.attempts,
                job.created_at,
                (SELECT coalesce(sum(kept.bytes), 0)::bigint FROM job AS kept
                 WHERE kept.tenant_id = next.tenant_id AND kept.place IS NOT NULL AND kept.expires_at > $4),
                (SELECT export_bytes FROM tenant WHERE tenant.tenant_id = next.tenant_id)",
        [
            kind.as_ref().into(),
            i64::from(terms.per_tenant).into(),
            seconds(terms.lease).into(),
            cx.now().into(),
        ],
    );
    let claimed = claimed.await?;
    cx.commit().await?;
    Ok(claimed)
}

/// Says that somebody is still at a job, and how far; whether it still has it. One that was cancelled or claimed by somebody else it has
/// not.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn beat(cx: SystemCx, lease: Lease, progress: Progress, terms: Terms) -> Result<bool> {
    let set = "lease_until = clock_timestamp() + make_interval(secs => $4), heartbeat_at = $5, rows_done = $6, rows_expected = $7";
    let values = [
        seconds(terms.lease).into(),
        cx.now().into(),
        count(progress.rows)?.into(),
        progress.expected.map(count).transpose()?.into(),
    ];
    let is_own = change(&cx, lease, set, values).await?;
    cx.commit().await?;
    Ok(is_own)
}

/// What becomes of a job that somebody was at.
#[derive(Clone, Debug)]
pub enum End {
    /// It is done.
    Complete(Made),
    /// It came to nothing, for this reason.
    Fail(Code, String),
    /// It is begun again, after this time at the earliest.
    Again(Duration),
    /// It is given back by a process that stops, or could not begin yet: begun again after this time at the earliest by whoever has the
    /// time, and this one does not count.
    Back(Duration),
}

impl End {
    /// It made more than the tenant may still keep.
    pub fn beyond_room() -> Self {
        let text = "the file is larger than what the tenant may still keep";
        Self::Fail(Code::LimitExceeded, text.to_owned())
    }
}

/// Ends an attempt; whether the job was still its own and came to that. Whoever asked for it is told when nothing more comes. One that made
/// more than the tenant may still keep has failed: of several that end at the same time, too.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer: then nobody knows yet.
pub async fn end(cx: SystemCx, lease: Lease, end: &End) -> Result<bool> {
    let now = cx.now();
    let beyond = match end {
        End::Complete(made) if !has_room(&cx, lease.tenant, made).await? => {
            Some(End::beyond_room())
        }
        _ => None,
    };
    let end = beyond.as_ref().unwrap_or(end);
    let is_own = match end {
        End::Complete(made) => {
            let rights = serde_json::to_value(&made.rights).map_err(Error::internal)?;
            let set = "state = 'COMPLETE', lease_until = NULL, heartbeat_at = $4, ended_at = $4, result = $5, place = $6, bytes = $7,
                expires_at = greatest(keep_until, $8), rows_done = $9, rows_expected = $9, asker = jsonb_set(asker, '{rights}', $10)";
            let values = [
                now.into(),
                made.result.clone().into(),
                made.place.as_str().into(),
                count(made.bytes)?.into(),
                made.expires_at.into(),
                count(made.rows)?.into(),
                rights.into(),
            ];
            change(&cx, lease, set, values).await?
        }
        End::Fail(code, message) => {
            let set =
                "state = 'FAILED', lease_until = NULL, ended_at = $4, code = $5, message = $6";
            let values = [now.into(), code.as_ref().into(), message.as_str().into()];
            change(&cx, lease, set, values).await?
        }
        End::Again(wait) => {
            let set = "state = 'QUEUED', lease_until = NULL, not_before = clock_timestamp() + make_interval(secs => $4)";
            change(&cx, lease, set, [seconds(*wait).into()]).await?
        }
        End::Back(wait) => {
            let set = "state = 'QUEUED', lease_until = NULL, attempts = attempts - 1,
                not_before = clock_timestamp() + make_interval(secs => $4)";
            change(&cx, lease, set, [seconds(*wait).into()]).await?
        }
    };
    if is_own && !matches!(end, End::Again(_) | End::Back(_)) {
        notification::of_jobs(&cx, &[lease.job]).await?;
    }
    cx.commit().await?;
    Ok(is_own && beyond.is_none())
}

/// Whether the tenant may keep what was made, beside what it keeps. Those that end at the same time wait for each other.
async fn has_room(cx: &SystemCx, tenant: TenantId, made: &Made) -> Result<bool> {
    cx.ends_when_silent().await?;
    cx.execute(ROOM, [tenant.uuid().into()]).await?;
    let sql = "SELECT coalesce(sum(bytes), 0)::bigint FROM job
        WHERE tenant_id = $1 AND place IS NOT NULL AND expires_at > $2";
    let kept: Option<(i64,)> = (cx.one(sql, [tenant.uuid().into(), cx.now().into()])).await?;
    let (kept,) = kept.unwrap_or_default();
    let kept = u64::try_from(kept).map_err(Error::internal)?;
    Ok(kept.saturating_add(made.bytes) <= made.quota)
}

/// Changes a job that is still its own.
async fn change(
    cx: &SystemCx,
    lease: Lease,
    set: &str,
    values: impl IntoIterator<Item = Parameter>,
) -> Result<bool> {
    let sql = format!(
        "UPDATE job SET {set} WHERE tenant_id = $1 AND job_id = $2 AND fence = $3 AND state = 'RUNNING'"
    );
    let key = [
        lease.tenant.uuid().into(),
        lease.job.uuid().into(),
        count(lease.fence)?.into(),
    ];
    cx.ends_when_silent().await?;
    let changed = cx.execute(&sql, key.into_iter().chain(values)).await?;
    Ok(changed > 0)
}

/// What a job made, and its time has come.
#[derive(Clone, Debug)]
pub struct Expired {
    /// Whose job.
    pub tenant: TenantId,
    /// Which.
    pub job: JobId,
    /// Where it lies.
    pub place: String,
    /// When its time came.
    pub at: DateTime<Utc>,
}

impl Decode for Expired {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            tenant: row.get()?,
            job: row.get()?,
            place: row.get()?,
            at: row.get()?,
        })
    }
}

/// What is to be removed: what expired by now, oldest first; at most so many of those after `last`.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn expired(cx: &SystemCx, last: Option<&Expired>, most: u32) -> Result<Vec<Expired>> {
    cx.all(
        "SELECT tenant_id, job_id, place, expires_at FROM job
         WHERE place IS NOT NULL AND expires_at <= $1 AND ($3::uuid IS NULL OR (expires_at, job_id) > ($2, $3))
         ORDER BY expires_at, job_id LIMIT $4",
        [
            cx.now().into(),
            last.map(|last| last.at).into(),
            last.map(|last| last.job.uuid()).into(),
            i64::from(most).into(),
        ],
    )
    .await
}

/// What a job made is gone; the job stays.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn forget(cx: SystemCx, tenant: TenantId, job: JobId) -> Result<()> {
    cx.execute(
        "UPDATE job SET place = NULL, bytes = 0 WHERE tenant_id = $1 AND job_id = $2",
        [tenant.uuid().into(), job.uuid().into()],
    )
    .await?;
    cx.commit().await
}

/// Who asked for a job, whatever the tenant.
///
/// # Errors
/// `NOT_FOUND` when there is no such job.
pub async fn asker(cx: &SystemCx, job: JobId) -> Result<Asker> {
    let found: Option<(Json<Asker>,)> = cx
        .one(
            "SELECT asker FROM job WHERE job_id = $1",
            [job.uuid().into()],
        )
        .await?;
    let (Json(asker),) = found.ok_or(JobError::NotFound)?;
    Ok(asker)
}

/// Those of these claims that nobody is at and that made nothing which is there: what lies where they put it is nobody's. What is of tenants
/// that are not here is another installation's, which may have the same bucket.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn abandoned(cx: &SystemCx, leases: &[Lease]) -> Result<Vec<Lease>> {
    let fences = leases.iter().map(|lease| count(lease.fence));
    let fences: Vec<Parameter> = fences
        .map(|fence| fence.map(Parameter::from))
        .collect::<Result<_>>()?;
    let sql = "SELECT claimed.tenant_id, claimed.job_id, claimed.fence
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS claimed (tenant_id, job_id, fence)
        WHERE NOT EXISTS (
            SELECT FROM job WHERE job.tenant_id = claimed.tenant_id AND job.job_id = claimed.job_id
            AND job.fence = claimed.fence AND (job.state = 'RUNNING' OR job.place IS NOT NULL))
          AND EXISTS (SELECT FROM tenant WHERE tenant.tenant_id = claimed.tenant_id)";
    let values = [
        uuids(leases.iter().map(|lease| lease.tenant.uuid())),
        uuids(leases.iter().map(|lease| lease.job.uuid())),
        Parameter::Array(ArrayType::BigInt, Some(Box::new(fences))),
    ];
    cx.all(sql, values).await
}

fn count(n: u64) -> Result<i64> {
    i64::try_from(n).map_err(Error::internal)
}

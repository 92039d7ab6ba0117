//! How months become jobs. All of it is the platform's own work.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::{KEPT, Month, store};
use crate::{
    Error, Result, SystemCx, audit,
    change::Change,
    id::{JobId, ScheduleId, TenantId},
    job::{Asker, JobKind},
    row::{Columns, Decode},
};

/// Who asks for the job of a month, in the audit log.
const ACTOR: &str = "schedule";

/// Where a schedule is among those that are due: whoever goes on from it meets each month once.
pub type Place = (DateTime<Utc>, ScheduleId);

/// A month of a schedule that is to be made, which nobody else makes meanwhile.
#[derive(Clone, Debug)]
pub struct Due {
    /// Whose.
    pub tenant: TenantId,
    /// Which schedule.
    pub schedule: ScheduleId,
    /// Where it is among those that are due.
    pub place: Place,
    /// What is asked about each month.
    pub request: Value,
    /// The month that is to be made.
    pub month: Month,
    kind: JobKind,
    name: String,
    created_by: String,
    asker: Asker,
}

impl Decode for Due {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        let (tenant, schedule) = (row.get()?, row.get()?);
        let ends_at = row.get()?;
        let (_, month) = store::month(row)?;
        Ok(Self {
            tenant,
            schedule,
            place: (ends_at, schedule),
            month,
            request: row.get()?,
            kind: row.word()?,
            name: row.get()?,
            created_by: row.get()?,
            asker: row.get::<Json<_>>()?.0,
        })
    }
}

/// The next month that has ended `late` ago: the oldest of all, after a place. Schedules that somebody else is at are left out, and months
/// that would not be kept any more.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn next(
    cx: &SystemCx,
    kind: JobKind,
    late: TimeDelta,
    after: Option<Place>,
) -> Result<Option<Due>> {
    cx.ends_when_silent().await?;
    let (ended, id) = after.map_or((DateTime::UNIX_EPOCH, Uuid::nil()), |(ended, id)| {
        (ended, id.uuid())
    });
    let by = cx.now() - late;
    let due: Option<Due> = cx
        .one(
            "SELECT tenant_id, schedule_id, ends_at, time_zone, next_month, request, kind, name, created_by, asker FROM schedule
             WHERE enabled AND kind = $1 AND ends_at <= $2 AND (ends_at, schedule_id) > ($3, $4)
             ORDER BY ends_at, schedule_id LIMIT 1 FOR UPDATE SKIP LOCKED",
            [
                kind.as_ref().into(),
                by.into(),
                ended.into(),
                id.into(),
            ],
        )
        .await?;
    let Some(mut due) = due else { return Ok(None) };
    let oldest = due.month.around(by)?.oldest_kept()?;
    if due.month.first() < oldest.first() {
        due.month = oldest;
    }
    Ok(Some(due))
}

/// Makes the job of a month, which asks `request`, and moves the schedule on, at once; the job, unless the month has one already. What it
/// makes is kept until the month [`KEPT`] months later is made, at least.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub async fn make(
    cx: SystemCx,
    due: &Due,
    request: Value,
    late: TimeDelta,
) -> Result<Option<JobId>> {
    let keep_until = due.month.later(KEPT)?.period().to() + late;
    let next = due.month.later(1)?;
    let name = format!("{} {}", due.name, due.month);
    let made: Option<(JobId,)> = cx
        .one(
            "INSERT INTO job (tenant_id, schedule_id, schedule_month, keep_until, kind, name, request, requested_by, asker, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (tenant_id, schedule_id, schedule_month) WHERE schedule_id IS NOT NULL DO NOTHING
             RETURNING job_id",
            [
                due.tenant.uuid().into(),
                due.schedule.uuid().into(),
                due.month.first().into(),
                keep_until.into(),
                due.kind.as_ref().into(),
                name.as_str().into(),
                request.into(),
                due.created_by.as_str().into(),
                serde_json::to_value(&due.asker)
                    .map_err(Error::internal)?
                    .into(),
                cx.now().into(),
            ],
        )
        .await?;
    let made = made.map(|(job,)| job);
    if let Some(job) = made {
        let kind = due.kind;
        let change = Change::JobRequested { job, kind, name };
        audit::record_platform(&cx, due.tenant, ACTOR, &change.entry()).await?;
    }
    cx.execute(
        "UPDATE schedule SET next_month = $3, ends_at = $4 WHERE tenant_id = $1 AND schedule_id = $2",
        [
            due.tenant.uuid().into(),
            due.schedule.uuid().into(),
            next.first().into(),
            next.period().to().into(),
        ],
    )
    .await?;
    cx.commit().await?;
    Ok(made)
}

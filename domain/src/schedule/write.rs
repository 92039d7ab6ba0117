//! How schedules are made, changed and deleted.

use serde_json::Value;
use uuid::Uuid;

use super::{Month, Schedule, ScheduleError, store};
use crate::{
    Error, Permission, Result, WriteCx,
    calendar::Zone,
    change::Change,
    id::ScheduleId,
    identity::VerifiedClaims,
    job::{Asker, JobKind, is_file_name},
    list,
};

/// Schedules of one tenant.
pub const MOST: u64 = 20;
/// Characters of a name. That of a job has 100, and the month behind it.
const NAME: usize = 92;

fn check_name(name: &str) -> Result<(), ScheduleError> {
    let fits = is_file_name(name, NAME);
    fits.then_some(()).ok_or(ScheduleError::Name)
}

/// What is to be done every month.
#[derive(Clone, Debug)]
pub struct NewSchedule {
    /// Kind of work.
    pub kind: JobKind,
    /// Name.
    pub name: String,
    /// What is asked about each month, in the form that the kind of work gives it.
    pub request: Value,
    /// In which months begin and end.
    pub zone: Zone,
    /// What the token of whoever makes it said.
    pub claims: VerifiedClaims,
}

/// Makes a schedule. The first month is the one that it is made in.
///
/// # Errors
/// `FORBIDDEN` without `EXPORTS_MANAGE`; `LIMIT_EXCEEDED` when the tenant has [`MOST`]; those of [`ScheduleError`].
pub async fn create(cx: WriteCx, new: NewSchedule) -> Result<Schedule> {
    cx.scope().require(Permission::ExportsManage)?;
    if let Some(id) = cx.earlier().await? {
        return list::get(&cx, ScheduleId::new(id)).await;
    }
    check_name(&new.name)?;
    let known = store::count(&cx).await?;
    if known >= MOST {
        let error = Error::limit("the tenant has too many schedules", MOST, known + 1);
        return Err(error.suggest("delete some"));
    }
    let schedule = Schedule {
        id: ScheduleId::new(Uuid::now_v7()),
        kind: new.kind,
        name: new.name,
        request: new.request,
        zone: new.zone,
        created_by: cx.scope().actor().to_owned(),
        enabled: true,
        next: Month::of(new.zone, cx.now())?,
        created_at: cx.now(),
        updated_at: cx.now(),
    };
    let asker = Asker {
        claims: new.claims,
        rights: cx.scope().rights(),
    };
    store::insert(&cx, &schedule, asker).await?;
    cx.commit(Change::ScheduleCreated {
        schedule: schedule.id,
        kind: schedule.kind,
        name: schedule.name.clone(),
    })
    .await?;
    Ok(schedule)
}

/// What changes of a schedule; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct SchedulePatch {
    /// Its name, which jobs have from the next one on.
    pub name: Option<String>,
    /// Whether it runs. What it missed while it did not is made when it does again.
    pub enabled: Option<bool>,
}

/// Changes a schedule.
///
/// # Errors
/// `FORBIDDEN` without `EXPORTS_MANAGE`; `NOT_FOUND`; those of [`ScheduleError`].
pub async fn update(cx: WriteCx, id: ScheduleId, patch: SchedulePatch) -> Result<Schedule> {
    cx.scope().require(Permission::ExportsManage)?;
    if let Some(()) = cx.earlier().await? {
        return list::get(&cx, id).await;
    }
    store::lock(&cx, id).await?;
    let mut schedule: Schedule = list::get(&cx, id).await?;
    let mut fields = Vec::new();
    if let Some(name) = patch.name {
        check_name(&name)?;
        schedule.name = name;
        fields.push("name");
    }
    if let Some(enabled) = patch.enabled {
        schedule.enabled = enabled;
        fields.push("enabled");
    }
    schedule.updated_at = cx.now();
    store::update(&cx, &schedule).await?;
    cx.commit(Change::ScheduleUpdated {
        schedule: id,
        fields,
    })
    .await?;
    Ok(schedule)
}

/// Deletes a schedule. Its jobs stay, with what they made.
///
/// # Errors
/// `FORBIDDEN` without `EXPORTS_MANAGE`, `NOT_FOUND`.
pub async fn delete(cx: WriteCx, id: ScheduleId) -> Result<()> {
    cx.scope().require(Permission::ExportsManage)?;
    if let Some(()) = cx.earlier().await? {
        return Ok(());
    }
    store::lock(&cx, id).await?;
    let schedule: Schedule = list::get(&cx, id).await?;
    store::delete(&cx, id).await?;
    let name = schedule.name;
    cx.commit(Change::ScheduleDeleted { schedule: id, name })
        .await
}

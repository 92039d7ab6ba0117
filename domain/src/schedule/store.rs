//! How schedules are read and written.

use sea_orm::ActiveValue::Set;
use uuid::Uuid;

use super::{Month, Schedule, ScheduleCondition, ScheduleOrderField, entity::ActiveModel, filter};
use crate::{
    Error, Permission, ReadCx, Result, WriteCx,
    calendar::Zone,
    id::ScheduleId,
    job::Asker,
    list::{Listed, SortColumn, lists, sort_moment},
    row::{Columns, Decode},
    sql::Sql,
};

/// The zone in the next column, and the month whose first day is in the one after it.
pub(super) fn month(row: &mut Columns<'_>) -> Result<(Zone, Month)> {
    let zone: Zone = row.get::<&str>()?.parse().map_err(Error::internal)?;
    Ok((zone, Month::new(zone, row.get()?)?))
}

impl Decode for Schedule {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        let (id, kind, name, request) = (row.get()?, row.word()?, row.get()?, row.get()?);
        let (zone, next) = month(row)?;
        Ok(Self {
            id,
            kind,
            name,
            request,
            zone,
            created_by: row.get()?,
            enabled: row.get()?,
            next,
            created_at: row.get()?,
            updated_at: row.get()?,
        })
    }
}

lists!(Schedule, by ScheduleCondition, sorted by ScheduleOrderField);

impl Listed for Schedule {
    const WHAT: &'static str = "schedule";
    const ID: &'static str = "schedule.schedule_id";

    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::ExportsManage)?;
        let mut sql = Sql::new(
            "SELECT schedule.schedule_id, schedule.kind, schedule.name, schedule.request, schedule.time_zone, schedule.next_month, \
             schedule.created_by, schedule.enabled, schedule.created_at, schedule.updated_at \
             FROM schedule WHERE schedule.tenant_id = ",
        );
        sql.bind(cx.scope().tenant().uuid());
        Ok(sql)
    }

    fn push_condition(sql: &mut Sql, condition: &ScheduleCondition) {
        filter::push(sql, condition);
    }

    fn column(field: ScheduleOrderField) -> SortColumn {
        filter::column(field)
    }

    fn sort_key(&self, field: ScheduleOrderField) -> String {
        match field {
            ScheduleOrderField::Name => self.name.clone(),
            ScheduleOrderField::CreatedAt => sort_moment(self.created_at),
        }
    }

    fn uuid(&self) -> Uuid {
        self.id.uuid()
    }
}

pub(super) async fn insert(cx: &WriteCx, schedule: &Schedule, asker: Asker) -> Result<()> {
    let row = ActiveModel {
        tenant_id: Set(cx.scope().tenant().uuid()),
        schedule_id: Set(schedule.id.uuid()),
        kind: Set(schedule.kind.as_ref().to_owned()),
        name: Set(schedule.name.clone()),
        request: Set(schedule.request.clone()),
        time_zone: Set(schedule.zone.name().to_owned()),
        created_by: Set(schedule.created_by.clone()),
        asker: Set(serde_json::to_value(asker).map_err(Error::internal)?),
        enabled: Set(schedule.enabled),
        next_month: Set(schedule.next.first()),
        ends_at: Set(schedule.next.period().to()),
        created_at: Set(schedule.created_at),
        updated_at: Set(schedule.updated_at),
    };
    Ok(cx.insert(row).await?)
}

pub(super) async fn update(cx: &WriteCx, schedule: &Schedule) -> Result<()> {
    let row = ActiveModel {
        tenant_id: Set(cx.scope().tenant().uuid()),
        schedule_id: Set(schedule.id.uuid()),
        name: Set(schedule.name.clone()),
        enabled: Set(schedule.enabled),
        updated_at: Set(schedule.updated_at),
        ..ActiveModel::default()
    };
    cx.update(row).await
}

/// One change of a schedule comes after the other, and not while a month of it is made.
pub(super) async fn lock(cx: &WriteCx, id: ScheduleId) -> Result<()> {
    cx.lock("UPDATE", ("schedule", "schedule_id"), id).await
}

pub(super) async fn delete(cx: &WriteCx, id: ScheduleId) -> Result<()> {
    cx.execute(
        "DELETE FROM schedule WHERE tenant_id = $1 AND schedule_id = $2",
        [cx.scope().tenant().uuid().into(), id.uuid().into()],
    )
    .await?;
    Ok(())
}

/// How many schedules the tenant has. Those who make one at the same time wait for each other.
pub(super) async fn count(cx: &WriteCx) -> Result<u64> {
    let tenant = cx.scope().tenant().uuid();
    cx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('schedule' || $1::text, 0))",
        [tenant.into()],
    )
    .await?;
    let sql = "SELECT count(*) FROM schedule WHERE tenant_id = $1";
    let (count,): (i64,) = cx.one(sql, [tenant.into()]).await?.unwrap_or_default();
    u64::try_from(count).map_err(Error::internal)
}

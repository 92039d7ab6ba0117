//! How tenants are read and written.

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::ActiveValue::Set;

use super::{
    Retention, Retentions, SessionRetention, SessionRetentions, Settings, Tenant, TenantError,
    Unapplied, entity::ActiveModel, settings::Stored,
};
use crate::{
    Error, ReadCx, Result, SystemCx,
    db::on_constraint,
    id::TenantId,
    row::{Columns, Decode},
    sql::uuids,
};

impl Decode for Tenant {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            slug: row.get()?,
            name: row.get()?,
            simulated: row.get()?,
            created_at: row.get()?,
            settings: Settings::decode(row)?,
        })
    }
}

impl Decode for Settings {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            records: Retention::decode(row)?,
            sessions: SessionRetention::decode(row)?,
            session_minutes: small(row)?,
            export_days: small(row)?,
            export_bytes: (row.get::<Option<i64>>()?)
                .map(|bytes| u64::try_from(bytes).map_err(Error::internal))
                .transpose()?,
        })
    }
}

impl Decode for Retention {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self::new(small(row)?.unwrap_or(Self::DAYS), row.get()?))
    }
}

impl Decode for SessionRetention {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        let own = small(row)?;
        let before = small(row)?.zip(row.get()?);
        Ok(Self::new(own.unwrap_or(Self::DAYS), before))
    }
}

impl Decode for Unapplied {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            tenant: row.get()?,
            retention: Retention::decode(row)?,
            set_at: row.get()?,
        })
    }
}

/// A small number, if there is one: of days, or of minutes.
fn small(row: &mut Columns<'_>) -> Result<Option<u16>> {
    let number: Option<i32> = row.get()?;
    let number = number.map(|number| u16::try_from(number).map_err(Error::internal));
    number.transpose()
}

/// The columns that [`Settings`] are read from, of the tenant that a statement calls `name`.
pub(crate) fn settings_columns(name: &str) -> String {
    [
        "record_days",
        "records_since",
        "session_days",
        "session_days_before",
        "session_days_set_at",
        "session_minutes",
        "export_days",
        "export_bytes",
    ]
    .map(|column| format!("{name}.{column}"))
    .join(", ")
}

fn select() -> String {
    format!(
        "SELECT tenant_id, slug, name, simulated, created_at, {} FROM tenant",
        settings_columns("tenant")
    )
}

pub(super) async fn by_slug(cx: &SystemCx, slug: &str) -> Result<Option<Tenant>> {
    let sql = format!("{} WHERE slug = $1", select());
    cx.one(&sql, [slug.into()]).await
}

pub(super) async fn all(cx: &SystemCx) -> Result<Vec<Tenant>> {
    cx.all(&format!("{} ORDER BY slug", select()), []).await
}

pub(super) async fn of_caller(cx: &ReadCx) -> Result<Option<Tenant>> {
    let sql = format!("{} WHERE tenant_id = $1", select());
    cx.one(&sql, [cx.scope().tenant().uuid().into()]).await
}

pub(super) async fn insert(cx: &SystemCx, tenant: &Tenant) -> Result<()> {
    let row = ActiveModel {
        tenant_id: Set(tenant.id.uuid()),
        slug: Set(tenant.slug.clone()),
        name: Set(tenant.name.clone()),
        simulated: Set(tenant.simulated),
        created_at: Set(tenant.created_at),
        ..ActiveModel::default()
    };
    cx.insert(row).await.map_err(taken)
}

fn taken(error: impl Into<Error>) -> Error {
    on_constraint(
        error,
        &[
            ("tenant_slug_key", || TenantError::SlugTaken.into()),
            ("tenant_name_key", || TenantError::NameTaken.into()),
        ],
    )
}

/// The settings of a tenant, which nobody else changes until the transaction ends.
pub(super) async fn locked_settings(cx: &SystemCx, tenant: TenantId) -> Result<Stored> {
    struct Row(Stored);

    impl Decode for Row {
        fn decode(row: &mut Columns<'_>) -> Result<Self> {
            Ok(Self(Stored {
                settings: Settings::decode(row)?,
                has_record_days: row.get()?,
                has_session_days: row.get()?,
                set_at: row.get()?,
            }))
        }
    }

    let sql = format!(
        "SELECT {}, record_days IS NOT NULL, session_days IS NOT NULL, record_days_set_at FROM tenant WHERE tenant_id = $1 FOR UPDATE",
        settings_columns("tenant")
    );
    let found: Option<Row> = cx.one(&sql, [tenant.uuid().into()]).await?;
    let Row(stored) = found.ok_or(TenantError::NotFound)?;
    Ok(stored)
}

pub(super) async fn set(cx: &SystemCx, tenant: TenantId, stored: &Stored) -> Result<()> {
    let Settings {
        records,
        sessions,
        session_minutes,
        export_days,
        export_bytes,
    } = stored.settings;
    let own = stored.has_record_days.then(|| i32::from(records.days()));
    let sessions_own = stored.has_session_days.then(|| i32::from(sessions.days()));
    let (before, until) = sessions.before().unzip();
    let bytes = export_bytes.map(|bytes| i64::try_from(bytes).map_err(Error::internal));
    cx.execute(
        "UPDATE tenant SET record_days = $2, record_days_set_at = $3, records_since = $4, export_days = $5, export_bytes = $6,
                session_days = $7, session_days_before = $8, session_days_set_at = $9, session_minutes = $10,
                record_days_applied_at = CASE WHEN record_days_set_at IS NOT DISTINCT FROM $3 THEN record_days_applied_at END
         WHERE tenant_id = $1",
        [
            tenant.uuid().into(),
            own.into(),
            stored.set_at.into(),
            records.since().into(),
            export_days.map(i32::from).into(),
            bytes.transpose()?.into(),
            sessions_own.into(),
            before.map(i32::from).into(),
            until.into(),
            session_minutes.map(i32::from).into(),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn retentions(cx: &SystemCx) -> Result<Retentions> {
    let sql = "SELECT tenant_id, record_days, records_since FROM tenant
        WHERE record_days IS NOT NULL OR records_since IS NOT NULL";
    let rows: Vec<Kept<Retention>> = cx.all(sql, []).await?;
    Ok(rows.into_iter().map(|Kept(kept)| kept).collect())
}

pub(super) async fn retentions_of(cx: &SystemCx, tenants: &[TenantId]) -> Result<Retentions> {
    let sql = "SELECT tenant_id, record_days, records_since FROM tenant WHERE tenant_id = ANY($1)";
    let tenants = uuids(tenants.iter().map(|tenant| tenant.uuid()));
    let rows: Vec<Kept<Retention>> = cx.all(sql, [tenants]).await?;
    Ok(rows.into_iter().map(|Kept(kept)| kept).collect())
}

pub(super) async fn session_retentions(cx: &SystemCx) -> Result<SessionRetentions> {
    let sql = "SELECT tenant_id, session_days, session_days_before, session_days_set_at FROM tenant
        WHERE session_days IS NOT NULL OR session_days_set_at IS NOT NULL";
    let rows: Vec<Kept<SessionRetention>> = cx.all(sql, []).await?;
    Ok(rows.into_iter().map(|Kept(kept)| kept).collect())
}

pub(super) async fn session_retentions_of(
    cx: &SystemCx,
    tenants: &[TenantId],
) -> Result<SessionRetentions> {
    let sql = "SELECT tenant_id, session_days, session_days_before, session_days_set_at FROM tenant
        WHERE tenant_id = ANY($1)";
    let tenants = uuids(tenants.iter().map(|tenant| tenant.uuid()));
    let rows: Vec<Kept<SessionRetention>> = cx.all(sql, [tenants]).await?;
    Ok(rows.into_iter().map(|Kept(kept)| kept).collect())
}

/// A tenant and one of its retentions.
struct Kept<R>((TenantId, R));

impl<R: Decode> Decode for Kept<R> {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self((row.get()?, R::decode(row)?)))
    }
}

pub(super) async fn unapplied(cx: &SystemCx, stale: TimeDelta) -> Result<Vec<Unapplied>> {
    let settled: DateTime<Utc> = cx.now() - stale;
    let sql = "SELECT tenant_id, record_days, records_since, record_days_set_at FROM tenant
        WHERE coalesce(record_days_applied_at, '-infinity') < record_days_set_at
           OR record_days_applied_at < record_days_set_at + ($1 - $2) AND record_days_set_at <= $2
        ORDER BY tenant_id";
    cx.all(sql, [cx.now().into(), settled.into()]).await
}

pub(super) async fn applied(cx: &SystemCx, unapplied: &Unapplied) -> Result<()> {
    let sql = "UPDATE tenant SET record_days_applied_at = $3 WHERE tenant_id = $1 AND record_days_set_at = $2";
    let values = [
        unapplied.tenant.uuid().into(),
        unapplied.set_at.into(),
        cx.now().into(),
    ];
    cx.execute(sql, values).await?;
    Ok(())
}

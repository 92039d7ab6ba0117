//! The table of jobs, as it is written when one is made.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) job_id: Uuid,
    pub(crate) kind: String,
    pub(crate) name: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub(crate) request: Json,
    pub(crate) requested_by: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub(crate) asker: Json,
    pub(crate) schedule_id: Option<Uuid>,
    pub(crate) schedule_month: Option<Date>,
    pub(crate) keep_until: Option<DateTimeUtc>,
    pub(crate) state: String,
    pub(crate) attempts: i32,
    pub(crate) fence: i64,
    pub(crate) lease_until: Option<DateTimeUtc>,
    pub(crate) not_before: Option<DateTimeUtc>,
    pub(crate) rows_done: i64,
    pub(crate) rows_expected: Option<i64>,
    #[sea_orm(column_type = "JsonBinary")]
    pub(crate) result: Option<Json>,
    pub(crate) place: Option<String>,
    pub(crate) bytes: i64,
    pub(crate) expires_at: Option<DateTimeUtc>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) started_at: Option<DateTimeUtc>,
    pub(crate) heartbeat_at: Option<DateTimeUtc>,
    pub(crate) ended_at: Option<DateTimeUtc>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

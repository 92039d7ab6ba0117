//! The table of tenants, as it is written.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    pub(crate) slug: String,
    pub(crate) name: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub(crate) settings: Json,
    pub(crate) billing_email: Option<String>,
    pub(crate) simulated: bool,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) fleet_version: i64,
    pub(crate) record_days: Option<i32>,
    pub(crate) record_days_set_at: Option<DateTimeUtc>,
    pub(crate) record_days_applied_at: Option<DateTimeUtc>,
    pub(crate) records_since: Option<DateTimeUtc>,
    pub(crate) export_days: Option<i32>,
    pub(crate) export_bytes: Option<i64>,
    pub(crate) session_days: Option<i32>,
    pub(crate) session_days_before: Option<i32>,
    pub(crate) session_days_set_at: Option<DateTimeUtc>,
    pub(crate) session_minutes: Option<i32>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! The table of schedules, as it is written.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "schedule")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) schedule_id: Uuid,
    pub(crate) kind: String,
    pub(crate) name: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub(crate) request: Json,
    pub(crate) time_zone: String,
    pub(crate) created_by: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub(crate) asker: Json,
    pub(crate) enabled: bool,
    pub(crate) next_month: Date,
    pub(crate) ends_at: DateTimeUtc,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) updated_at: DateTimeUtc,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

//! How saved filters are read and written.

use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio_postgres::types::Json;
use uuid::Uuid;

use super::{
    InventoryFilter, SavedFilter, SavedFilterCondition, SavedFilterError, SavedFilterKind,
    SavedFilterOrderField, entity::ActiveModel, filter,
};
use crate::{
    Error, Permission, ReadCx, Result, WriteCx,
    db::on_constraint,
    id::SavedFilterId,
    list::{Listed, SortColumn, lists, sort_moment},
    row::{Columns, Decode},
    sql::Sql,
};

/// Form of what is stored now. Another form is another number, and is read by code of its own.
const VERSION: u16 = 1;

/// Longest filter, in bytes of what is stored.
const MAX_BYTES: usize = 32_768;

/// A filter as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored<F> {
    version: u16,
    filter: F,
}

/// The filter in the next column.
fn read<F: DeserializeOwned>(row: &mut Columns<'_>) -> Result<F> {
    let Json(Stored { version, filter }) = row.get()?;
    if version == VERSION {
        return Ok(filter);
    }
    let text = format!("a saved filter of the form {version}");
    Err(Error::internal(text))
}

impl Decode for SavedFilter {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            name: row.get()?,
            filter: match row.word()? {
                SavedFilterKind::Sim => InventoryFilter::Sim(read(row)?),
                SavedFilterKind::Device => InventoryFilter::Device(read(row)?),
            },
            created_by: row.get()?,
            created_at: row.get()?,
            updated_at: row.get()?,
        })
    }
}

lists!(SavedFilter, by SavedFilterCondition, sorted by SavedFilterOrderField);

impl Listed for SavedFilter {
    const WHAT: &'static str = "saved filter";
    const ID: &'static str = "saved_filter.saved_filter_id";

    /// What is saved names customers, labels and SIMs of the whole tenant: nobody who sees a part of it has the permission.
    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::SavedFiltersRead)?;
        let mut sql = Sql::new(
            "SELECT saved_filter.saved_filter_id, saved_filter.name, saved_filter.kind, saved_filter.filter, \
             saved_filter.created_by, saved_filter.created_at, saved_filter.updated_at \
             FROM saved_filter WHERE saved_filter.tenant_id = ",
        );
        sql.bind(cx.scope().tenant().uuid());
        Ok(sql)
    }

    fn push_condition(sql: &mut Sql, condition: &SavedFilterCondition) {
        filter::push(sql, condition);
    }

    fn column(field: SavedFilterOrderField) -> SortColumn {
        filter::column(field)
    }

    fn sort_key(&self, field: SavedFilterOrderField) -> String {
        match field {
            SavedFilterOrderField::Name => self.name.clone(),
            SavedFilterOrderField::CreatedAt => sort_moment(self.created_at),
        }
    }

    fn uuid(&self) -> Uuid {
        self.id.uuid()
    }
}

/// Names a saved filter of the caller's tenant, and what can change of it.
fn changing(cx: &WriteCx, saved: &SavedFilter) -> Result<ActiveModel> {
    let stored = Stored {
        version: VERSION,
        filter: &saved.filter,
    };
    let stored = serde_json::to_value(stored).map_err(Error::internal)?;
    let bytes = stored.to_string().len();
    if bytes > MAX_BYTES {
        let text = format!("a saved filter has at most {MAX_BYTES} bytes");
        return Err(Error::limit(text, MAX_BYTES as u64, bytes as u64).at("filter"));
    }
    Ok(ActiveModel {
        tenant_id: Set(cx.scope().tenant().uuid()),
        saved_filter_id: Set(saved.id.uuid()),
        name: Set(saved.name.clone()),
        filter: Set(stored),
        updated_at: Set(saved.updated_at),
        ..ActiveModel::default()
    })
}

pub(super) async fn insert(cx: &WriteCx, saved: &SavedFilter) -> Result<()> {
    let row = ActiveModel {
        kind: Set(saved.filter.kind().as_ref().to_owned()),
        created_by: Set(saved.created_by.clone()),
        created_at: Set(saved.created_at),
        ..changing(cx, saved)?
    };
    cx.insert(row).await.map_err(taken)
}

pub(super) async fn update(cx: &WriteCx, saved: &SavedFilter) -> Result<()> {
    cx.update(changing(cx, saved)?).await.map_err(taken)
}

fn taken(error: impl Into<Error>) -> Error {
    let taken = || SavedFilterError::NameTaken.into();
    on_constraint(error, &[("saved_filter_name_key", taken)])
}

/// One change of a saved filter comes after the other.
pub(super) async fn lock(cx: &WriteCx, id: SavedFilterId) -> Result<()> {
    cx.lock("UPDATE", ("saved_filter", "saved_filter_id"), id)
        .await
}

pub(super) async fn delete(cx: &WriteCx, id: SavedFilterId) -> Result<()> {
    cx.execute(
        "DELETE FROM saved_filter WHERE tenant_id = $1 AND saved_filter_id = $2",
        [cx.scope().tenant().uuid().into(), id.uuid().into()],
    )
    .await?;
    Ok(())
}

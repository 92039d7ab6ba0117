//! `SavedFilter`.

use async_graphql::{ID, Json, Object};
use domain::saved_filter::{self, InventoryFilter};
use schema::{saved_filter::SavedFilterKind, scalar::DateTime};

use crate::{
    connection::plain,
    written::{Selected, Step, Written, columns, id},
};

/// A filter of SIMs or devices that the tenant keeps under a name. Filters of its kind name it as `saved`.
pub(crate) struct SavedFilter(pub(crate) saved_filter::SavedFilter);

/// A filter of SIMs or devices that the tenant keeps under a name. Filters of its kind name it as `saved`.
#[Object]
impl SavedFilter {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    #[graphql(flatten)]
    async fn columns(&self) -> SavedFilterColumns<'_> {
        SavedFilterColumns(self)
    }
}

columns! {
    SavedFilterColumns of SavedFilter {
        /// Name, unique among those of its kind.
        name: &str = |saved| &saved.0.name;
        /// Whether it is of SIMs or of devices.
        kind: SavedFilterKind = |saved| saved.0.filter.kind().into();
        /// What is saved, spelt as the input that it is: a `SimFilter` or a `DeviceFilter`, which can be sent as it is. Operators that
        /// change nothing are left out.
        filter: Json<InventoryFilter> = |saved| Json(saved.0.filter.clone());
        /// Subject (`sub`) of the token of whoever saved it.
        created_by: &str = |saved| &saved.0.created_by;
        /// When it was saved first.
        created_at: DateTime = |saved| saved.0.created_at.into();
        /// When it last changed.
        updated_at: DateTime = |saved| saved.0.updated_at.into();
    }
}

impl Written for SavedFilter {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "id" => Some(id(|saved: &Self| saved.0.id)),
            _ => SavedFilterColumns::step(field),
        }
    }
}

impl From<saved_filter::SavedFilter> for SavedFilter {
    fn from(saved: saved_filter::SavedFilter) -> Self {
        Self(saved)
    }
}

plain!(SavedFilter: saved_filter::SavedFilter);

//! What saved filters can be asked for and sorted by.

use strum::{AsRefStr, EnumMessage, VariantArray};

use super::SavedFilterKind;
use crate::{
    filter::Filter,
    id::SavedFilterId,
    list::SortColumn,
    sql::{Sql, contains, texts, uuids},
};

/// Which saved filters.
pub type SavedFilterFilter = Filter<SavedFilterCondition>;

/// One condition on a saved filter. An empty list is met by none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SavedFilterCondition {
    /// Part of the name, any case.
    Search(String),
    /// One of these.
    Ids(Vec<SavedFilterId>),
    /// Of one of these kinds.
    Kinds(Vec<SavedFilterKind>),
    /// Saved by one of these subjects.
    CreatedBy(Vec<String>),
}

/// What saved filters can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SavedFilterOrderField {
    /// Name.
    #[default]
    Name,
    /// Time at which it was saved first.
    CreatedAt,
}

pub(super) fn push(sql: &mut Sql, condition: &SavedFilterCondition) {
    match condition {
        SavedFilterCondition::Search(text) => contains(sql, &["saved_filter.name"], text),
        SavedFilterCondition::Ids(ids) => {
            sql.push_any(
                "saved_filter.saved_filter_id",
                uuids(ids.iter().map(|id| id.uuid())),
            );
        }
        SavedFilterCondition::Kinds(kinds) => sql.push_any("saved_filter.kind", texts(kinds)),
        SavedFilterCondition::CreatedBy(subjects) => {
            sql.push_any("saved_filter.created_by", texts(subjects));
        }
    }
}

pub(super) fn column(field: SavedFilterOrderField) -> SortColumn {
    match field {
        SavedFilterOrderField::Name => SortColumn::text("saved_filter.name"),
        SavedFilterOrderField::CreatedAt => SortColumn::moment("saved_filter.created_at"),
    }
}

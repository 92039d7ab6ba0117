//! What can be asked of labels, and of what carries them.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumMessage, VariantArray};

use super::Labelled;
use crate::{
    filter::Filter,
    id::LabelId,
    list::SortColumn,
    sql::{Sql, contains, texts, uuids},
};

/// Which label definitions.
pub type LabelDefinitionFilter = Filter<LabelDefinitionCondition>;

/// One condition on a label definition. An empty list is met by none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LabelDefinitionCondition {
    /// Part of the key, any case.
    Search(String),
    /// One of these.
    Ids(Vec<LabelId>),
    /// With one of these keys.
    Keys(Vec<String>),
}

/// What label definitions can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum LabelDefinitionOrderField {
    /// Key.
    #[default]
    Key,
}

/// A condition on what carries labels: it carries `key`, with one of `values` if values are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LabelFilter {
    /// Key of the definition.
    pub key: String,
    /// Accepted values; `None` accepts any, an empty list none.
    pub values: Option<Vec<String>>,
}

pub(super) fn push(sql: &mut Sql, condition: &LabelDefinitionCondition) {
    match condition {
        LabelDefinitionCondition::Search(text) => contains(sql, &["definition.key"], text),
        LabelDefinitionCondition::Ids(ids) => {
            sql.push_any("definition.label_id", uuids(ids.iter().map(|id| id.uuid())));
        }
        LabelDefinitionCondition::Keys(keys) => sql.push_any("definition.key", texts(keys)),
    }
}

pub(super) fn column(field: LabelDefinitionOrderField) -> SortColumn {
    match field {
        LabelDefinitionOrderField::Key => SortColumn::text("definition.key"),
    }
}

/// Appends the term that a row carries a label.
pub(crate) fn push_condition(sql: &mut Sql, labelled: Labelled, filter: &LabelFilter) {
    let object = labelled.table();
    sql.push(&format!(
        "EXISTS (SELECT FROM {object}_label l JOIN label_definition d \
         ON (d.tenant_id, d.label_id) = (l.tenant_id, l.label_id) \
         WHERE (l.tenant_id, l.{object}_id) = ({object}.tenant_id, {object}.{object}_id) AND d.key = "
    ));
    sql.bind(filter.key.clone());
    if let Some(values) = &filter.values {
        sql.push(" AND ").push_any("l.value", texts(values));
    }
    sql.push(")");
}

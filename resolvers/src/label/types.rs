//! `Label` and `LabelDefinition`.

use std::sync::Arc;

use async_graphql::{ID, Object, SimpleObject};
use domain::label;
use schema::scalar::DateTime;

use crate::{
    connection::plain,
    written::{Selected, Step, Written, columns, id, plain_columns},
};

/// A label on a SIM or device. Labels describe; they never grant access and never decide who pays.
#[derive(SimpleObject, Clone)]
pub(crate) struct Label {
    /// Key, for example `location`.
    key: String,
    /// Value, for example `warehouse`.
    value: String,
}

impl From<label::Label> for Label {
    fn from(label: label::Label) -> Self {
        Self {
            key: label.key,
            value: label.value,
        }
    }
}

plain_columns!(Label { key, value });

/// The labels of one object, returned as often as they are selected.
pub(crate) fn shared(labels: Vec<label::Label>) -> Arc<[Label]> {
    labels.into_iter().map(Into::into).collect()
}

/// A label key that the tenant uses.
pub(crate) struct LabelDefinition(pub(crate) label::LabelDefinition);

/// A label key that the tenant uses.
#[Object]
impl LabelDefinition {
    /// Global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.to_string().into()
    }

    #[graphql(flatten)]
    async fn columns(&self) -> DefinitionColumns<'_> {
        DefinitionColumns(self)
    }
}

columns! {
    DefinitionColumns of LabelDefinition {
        /// Key, unique in the tenant.
        key: &str = |definition| &definition.0.key;
        /// The menu of allowed values; null when any text is allowed.
        options: Option<&[String]> = |definition| definition.0.options.as_deref();
        /// When the key was defined.
        created_at: DateTime = |definition| definition.0.created_at.into();
    }
}

impl Written for LabelDefinition {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "id" => Some(id(|definition: &Self| definition.0.id)),
            _ => DefinitionColumns::step(field),
        }
    }
}

impl From<label::LabelDefinition> for LabelDefinition {
    fn from(definition: label::LabelDefinition) -> Self {
        Self(definition)
    }
}

plain!(LabelDefinition: label::LabelDefinition);

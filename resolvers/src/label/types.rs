//! `Label` and `LabelDefinition`.

use std::sync::Arc;

use async_graphql::{ID, Object, SimpleObject};
use domain::label;
use schema::scalar::DateTime;

use crate::connection::plain;

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

/// The labels of one object, returned as often as they are selected.
pub(crate) fn shared(labels: Option<&Vec<label::Label>>) -> Arc<[Label]> {
    let labels = labels.into_iter().flatten();
    labels.cloned().map(Into::into).collect()
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

    /// Key, unique in the tenant.
    async fn key(&self) -> &str {
        &self.0.key
    }

    /// The menu of allowed values; null when any text is allowed.
    async fn options(&self) -> Option<&[String]> {
        self.0.options.as_deref()
    }

    /// When the key was defined.
    async fn created_at(&self) -> DateTime {
        self.0.created_at.into()
    }
}

impl From<label::LabelDefinition> for LabelDefinition {
    fn from(definition: label::LabelDefinition) -> Self {
        Self(definition)
    }
}

plain!(LabelDefinition: label::LabelDefinition);

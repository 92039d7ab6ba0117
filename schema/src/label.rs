//! Words about labels.

use async_graphql::{ID, InputObject, MaybeUndefined};
use domain::{
    Error, Result,
    label::{self, LabelDefinitionCondition},
};

use crate::{filter::conditions, order::order, parse_ids, text, texts, word::word};

/// A condition on what carries labels: it carries `key`, with one of `values` if values are given.
#[derive(InputObject, Clone, Debug)]
pub struct LabelFilter {
    /// Key of the label, for example `location`.
    pub key: String,
    /// Accepted values; null accepts any value, an empty list none.
    pub values: Option<Vec<String>>,
}

impl TryFrom<LabelFilter> for label::LabelFilter {
    type Error = Error;

    fn try_from(filter: LabelFilter) -> Result<Self> {
        Ok(Self {
            key: text(filter.key)?,
            values: filter.values.map(texts).transpose()?,
        })
    }
}

/// Which label definitions. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct LabelDefinitionFilter {
    /// All of these hold.
    pub and: Option<Vec<LabelDefinitionFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<LabelDefinitionFilter>>,
    /// This does not hold.
    pub not: Option<Box<LabelDefinitionFilter>>,
    /// Part of the key, in any case.
    pub search: Option<String>,
    /// One of these.
    pub ids: Option<Vec<ID>>,
    /// With one of these keys.
    pub keys: Option<Vec<String>>,
}

conditions!(LabelDefinitionFilter => LabelDefinitionCondition {
    search: |part| text(part).map(LabelDefinitionCondition::Search),
    ids: |ids: Vec<ID>| parse_ids(&ids).map(LabelDefinitionCondition::Ids),
    keys: |keys| texts(keys).map(LabelDefinitionCondition::Keys),
});

word! {
    /// What label definitions can be sorted by.
    LabelDefinitionOrderField = label::LabelDefinitionOrderField, Default
}

order! {
    /// Sort of a list of label definitions.
    LabelDefinitionOrder by LabelDefinitionOrderField, Asc
}

/// A label that is to be defined.
#[derive(InputObject, Clone, Debug)]
pub struct CreateLabelDefinitionInput {
    /// Key, 1 to 60 characters, unique in the tenant.
    pub key: String,
    /// The menu of allowed values; null allows any text.
    pub options: Option<Vec<String>>,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// What changes of a label definition. What is left out stays.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateLabelDefinitionInput {
    /// The definition.
    pub label_definition_id: ID,
    /// The menu of allowed values; null allows any text.
    pub options: MaybeUndefined<Vec<String>>,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl UpdateLabelDefinitionInput {
    /// What changes.
    pub fn patch(self) -> label::LabelDefinitionPatch {
        label::LabelDefinitionPatch {
            options: self.options.into(),
        }
    }
}

/// A definition that is to go.
#[derive(InputObject, Clone, Debug)]
pub struct DeleteLabelDefinitionInput {
    /// The definition.
    pub label_definition_id: ID,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// A label and its value.
#[derive(InputObject, Clone, Debug)]
pub struct LabelInput {
    /// Key of a definition.
    pub key: String,
    /// Value, one of the definition's options if it has any.
    pub value: String,
}

impl From<LabelInput> for label::Label {
    fn from(input: LabelInput) -> Self {
        Self {
            key: input.key,
            value: input.value,
        }
    }
}

/// Labels of a SIM that change; those that are not named stay.
#[derive(InputObject, Clone, Debug)]
pub struct SetSimLabelsInput {
    /// The SIM.
    pub sim_id: ID,
    /// Labels that it carries from now on.
    #[graphql(default)]
    pub set: Vec<LabelInput>,
    /// Keys that it does not carry any more.
    #[graphql(default)]
    pub remove: Vec<String>,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

/// Labels of a device that change; those that are not named stay.
#[derive(InputObject, Clone, Debug)]
pub struct SetDeviceLabelsInput {
    /// The device.
    pub device_id: ID,
    /// Labels that it carries from now on.
    #[graphql(default)]
    pub set: Vec<LabelInput>,
    /// Keys that it does not carry any more.
    #[graphql(default)]
    pub remove: Vec<String>,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

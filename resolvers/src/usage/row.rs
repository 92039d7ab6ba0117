//! `UsageRow`: one group.

use std::sync::Arc;

use analytics::usage::{self, Group};
use async_graphql::Object;

use super::{key::UsageKey, values::UsageValues};
use crate::written::{Selected, Step, Written, object};

/// One group, or all others together.
pub(crate) struct UsageRow {
    key: UsageKey,
    values: UsageValues,
    previous: Option<UsageValues>,
}

impl UsageRow {
    pub(super) fn new(groups: &Arc<[Group]>, row: usage::UsageRow) -> Self {
        Self {
            key: UsageKey {
                groups: groups.clone(),
                keys: row.keys,
                others: row.others,
            },
            values: UsageValues(row.values),
            previous: row.previous.map(UsageValues),
        }
    }
}

/// One group, or all others together.
#[Object]
impl UsageRow {
    /// What the row is grouped by.
    async fn key(&self) -> &UsageKey {
        &self.key
    }

    /// Its measures.
    async fn values(&self) -> &UsageValues {
        &self.values
    }

    /// The same measures in the period that it is compared with; null without `compareTo`.
    async fn previous(&self) -> Option<&UsageValues> {
        self.previous.as_ref()
    }
}

impl Written for UsageRow {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "key" => object(field, |row: &Self| Some(Some(&row.key))),
            "values" => object(field, |row: &Self| Some(Some(&row.values))),
            "previous" => object(field, |row: &Self| Some(row.previous.as_ref())),
            _ => None,
        }
    }
}

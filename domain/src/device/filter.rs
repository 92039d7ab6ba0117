//! What devices can be asked for and sorted by.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumMessage, VariantArray};

use super::model::{Connectivity, DeviceState};
use crate::{
    filter::Filter,
    id::{CustomerId, DeviceId},
    label::{self, LabelFilter, Labelled},
    list::SortColumn,
    sql::{Sql, contains, texts, uuids},
};

/// Which devices.
pub type DeviceFilter = Filter<DeviceCondition>;

/// One condition on a device. An empty list is met by no device.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeviceCondition {
    /// Part of the name or kind, any case.
    Search(String),
    /// One of these.
    Ids(Vec<DeviceId>),
    /// With one of these names.
    Names(Vec<String>),
    /// Of one of these kinds.
    Kinds(Vec<String>),
    /// In one of these states.
    States(Vec<DeviceState>),
    /// Belonging now to one of these customers.
    Customers(Vec<CustomerId>),
    /// `true`: belonging to no customer; `false`: to one.
    Unassigned(bool),
    /// Able to communicate in one of these ways.
    Connectivity(Vec<Connectivity>),
    /// Carrying this label.
    Label(LabelFilter),
    /// Made by the simulator, or real.
    Simulated(bool),
}

/// What devices can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum DeviceOrderField {
    /// Name.
    #[default]
    Name,
    /// Time at which the record was made.
    CreatedAt,
}

pub(super) fn push(sql: &mut Sql, condition: &DeviceCondition) {
    match condition {
        DeviceCondition::Search(text) => contains(sql, &["device.name", "device.kind"], text),
        DeviceCondition::Ids(ids) => {
            sql.push_any("device.device_id", uuids(ids.iter().map(|id| id.uuid())));
        }
        DeviceCondition::Names(names) => sql.push_any("device.name", texts(names)),
        DeviceCondition::Kinds(kinds) => sql.push_any(
            "device.kind",
            texts(kinds.iter().filter(|kind| !kind.is_empty())),
        ),
        DeviceCondition::States(states) => {
            sql.push_any("device.state", texts(states));
        }
        DeviceCondition::Customers(ids) => {
            sql.push_any("device.customer_id", uuids(ids.iter().map(|id| id.uuid())));
        }
        DeviceCondition::Unassigned(yes) => sql.push_is_null("device.customer_id", *yes),
        DeviceCondition::Connectivity(ways) => {
            let ways = texts(ways);
            sql.push("device.connectivity && ").bind(ways);
        }
        DeviceCondition::Label(label) => label::push_condition(sql, Labelled::Device, label),
        DeviceCondition::Simulated(yes) => _ = sql.push("device.simulated = ").bind(*yes),
    }
}

pub(super) fn column(field: DeviceOrderField) -> SortColumn {
    match field {
        DeviceOrderField::Name => SortColumn::text("device.name"),
        DeviceOrderField::CreatedAt => SortColumn::moment("device.created_at"),
    }
}

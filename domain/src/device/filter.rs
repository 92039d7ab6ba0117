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

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::{id::SavedFilterId, saved_filter::Clause};

    #[test]
    fn a_filter_is_written_as_the_contract_spells_it_and_read_again() {
        let id = Uuid::from_u128(7);
        let hex = id.simple();
        let label = |values| LabelFilter {
            key: "site".into(),
            values,
        };
        for (condition, spelt) in [
            (
                DeviceCondition::Ids(vec![DeviceId::new(id)]),
                json!({ "ids": [format!("dev_{hex}")] }),
            ),
            (
                DeviceCondition::Names(vec!["a".into()]),
                json!({ "names": ["a"] }),
            ),
            (DeviceCondition::Kinds(vec![]), json!({ "kinds": [] })),
            (
                DeviceCondition::States(vec![DeviceState::Retired]),
                json!({ "states": ["RETIRED"] }),
            ),
            (
                DeviceCondition::Connectivity(vec![Connectivity::Cellular]),
                json!({ "connectivity": ["CELLULAR"] }),
            ),
            (
                DeviceCondition::Label(label(None)),
                json!({ "label": { "key": "site", "values": null } }),
            ),
            (
                DeviceCondition::Label(label(Some(vec!["a".into()]))),
                json!({ "label": { "key": "site", "values": ["a"] } }),
            ),
            (
                DeviceCondition::Simulated(false),
                json!({ "simulated": false }),
            ),
            (
                DeviceCondition::Unassigned(true),
                json!({ "unassigned": true }),
            ),
            (
                DeviceCondition::Customers(vec![CustomerId::new(id)]),
                json!({ "customers": [format!("cus_{hex}")] }),
            ),
            (
                DeviceCondition::Search("a".into()),
                json!({ "search": "a" }),
            ),
        ] {
            let clause = Filter::Is(Clause::Is(condition.clone()));
            let saved = Filter::Is(Clause::Saved(SavedFilterId::new(id)));
            let asked = Filter::And(vec![
                clause,
                Filter::Not(Box::new(saved)),
                Filter::Or(vec![]),
            ]);
            let text = json!({ "and": [spelt, { "not": { "saved": format!("fil_{hex}") } }, { "or": [] }] });
            assert_eq!(serde_json::to_value(&asked).expect("JSON"), text);
            let read: Filter<Clause<DeviceCondition>> =
                serde_json::from_value(text).expect("a filter");
            assert_eq!(read, asked);
            assert_eq!(
                serde_json::to_value(Filter::Is(condition)).expect("JSON"),
                spelt
            );
        }
        for wrong in [
            json!({}),
            json!({ "and": {} }),
            json!({ "ids": ["ten_7"] }),
            json!({ "nothing": 1 }),
        ] {
            assert!(
                serde_json::from_value::<Filter<Clause<DeviceCondition>>>(wrong.clone()).is_err(),
                "{wrong}"
            );
        }
    }
}

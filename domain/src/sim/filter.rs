//! What SIMs can be asked for and sorted by.

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumMessage, VariantArray};

use super::model::SimState;
use crate::{
    filter::Filter,
    id::{CustomerId, SimId},
    identifier::Iccid,
    label::{self, LabelFilter, Labelled},
    list::SortColumn,
    sql::{Sql, contains, texts, uuids},
};

/// Which SIMs.
pub type SimFilter = Filter<SimCondition>;

/// One condition on a SIM. An empty list is met by no SIM.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SimCondition {
    /// Part of the ICCID or MSISDN.
    Search(String),
    /// One of these.
    Ids(Vec<SimId>),
    /// With one of these ICCIDs, with or without the check digit.
    Iccids(Vec<Iccid>),
    /// In one of these states.
    States(Vec<SimState>),
    /// Assigned now to one of these customers.
    Customers(Vec<CustomerId>),
    /// `true`: assigned to no customer; `false`: to one.
    Unassigned(bool),
    /// Carrying this label.
    Label(LabelFilter),
    /// Made by the simulator, or real.
    Simulated(bool),
}

/// What SIMs can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum SimOrderField {
    /// Serial number.
    #[default]
    Iccid,
    /// Time at which the record was made.
    CreatedAt,
}

pub(super) fn push(sql: &mut Sql, condition: &SimCondition) {
    match condition {
        SimCondition::Search(text) => contains(sql, &["sim.iccid", "sim.msisdn"], text),
        SimCondition::Ids(ids) => sql.push_any("sim.sim_id", uuids(ids.iter().map(|id| id.uuid()))),
        SimCondition::Iccids(iccids) => {
            sql.push_any("sim.iccid", texts(iccids.iter().flat_map(Iccid::keys)));
        }
        SimCondition::States(states) => {
            sql.push_any("sim.state", texts(states));
        }
        SimCondition::Customers(ids) => {
            sql.push_any("sim.customer_id", uuids(ids.iter().map(|id| id.uuid())));
        }
        SimCondition::Unassigned(yes) => sql.push_is_null("sim.customer_id", *yes),
        SimCondition::Label(label) => label::push_condition(sql, Labelled::Sim, label),
        SimCondition::Simulated(yes) => _ = sql.push("sim.simulated = ").bind(*yes),
    }
}

pub(super) fn column(field: SimOrderField) -> SortColumn {
    match field {
        SimOrderField::Iccid => SortColumn::text("sim.iccid"),
        SimOrderField::CreatedAt => SortColumn::moment("sim.created_at"),
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
                SimCondition::Ids(vec![SimId::new(id)]),
                json!({ "ids": [format!("sim_{hex}")] }),
            ),
            (
                SimCondition::Iccids(vec![Iccid::parse("8944501000000000001").expect("an ICCID")]),
                json!({ "iccids": ["8944501000000000001"] }),
            ),
            (
                SimCondition::States(vec![SimState::Active]),
                json!({ "states": ["ACTIVE"] }),
            ),
            (
                SimCondition::Label(label(None)),
                json!({ "label": { "key": "site", "values": null } }),
            ),
            (
                SimCondition::Label(label(Some(vec!["a".into()]))),
                json!({ "label": { "key": "site", "values": ["a"] } }),
            ),
            (
                SimCondition::Simulated(false),
                json!({ "simulated": false }),
            ),
            (
                SimCondition::Unassigned(true),
                json!({ "unassigned": true }),
            ),
            (
                SimCondition::Customers(vec![CustomerId::new(id)]),
                json!({ "customers": [format!("cus_{hex}")] }),
            ),
            (SimCondition::Search("a".into()), json!({ "search": "a" })),
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
            let read: Filter<Clause<SimCondition>> =
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
                serde_json::from_value::<Filter<Clause<SimCondition>>>(wrong.clone()).is_err(),
                "{wrong}"
            );
        }
    }
}

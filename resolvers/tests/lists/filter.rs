//! Every condition of every filter, alone and in pairs, with and without `not`; what filters refuse.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    ADMIN,
    condition::lists,
    world::{self, contract::Contract},
};

/// More rows than a page has: the reference networks, whose conditions are asked for in the test below.
const LONG: [&str; 1] = ["networks"];

#[tokio::test]
async fn every_condition_of_the_contract_has_a_line() {
    let world = super::world().await;
    let lines: BTreeSet<String> = lists(&world)
        .await
        .iter()
        .flat_map(|list| {
            let filters = list.conditions.iter().map(|(filter, _)| filter);
            let names = filters.flat_map(|filter| filter.as_object().expect("fields").keys());
            names.map(|name| format!("{}({name})", list.field))
        })
        .collect();
    let declared = Contract::new().lists();
    let declared = declared
        .iter()
        .filter(|list| !LONG.contains(&list.field.as_str()));
    let missing: Vec<String> = declared
        .flat_map(|list| {
            let names = list.conditions.iter();
            names.map(|(name, _)| format!("{}({name})", list.field))
        })
        .filter(|condition| !lines.contains(condition))
        .collect();
    assert!(
        missing.is_empty(),
        "without a line in condition.rs: {missing:#?}"
    );
}

#[tokio::test]
async fn no_condition_is_ignored_alone_in_pairs_or_under_not() {
    let world = super::world().await;
    for list in lists(&world).await {
        let all = list.keys(&world, &json!({})).await;
        assert!(all.len() > 1, "{}", list.field);
        assert_eq!(list.keys(&world, &json!({ "and": [] })).await, all);
        assert!(list.keys(&world, &json!({ "or": [] })).await.is_empty());
        assert_eq!(
            list.keys(&world, &json!({ "not": { "or": [] } })).await,
            all
        );
        for (filter, expected) in &list.conditions {
            assert_eq!(&list.keys(&world, filter).await, expected, "{filter}");
            let rest: BTreeSet<String> = all.difference(expected).cloned().collect();
            assert_eq!(
                list.keys(&world, &json!({ "not": filter })).await,
                rest,
                "not {filter}"
            );
        }
        for (one, of_one) in &list.conditions {
            for (other, of_other) in &list.conditions {
                let both: BTreeSet<String> = of_one.intersection(of_other).cloned().collect();
                let either: BTreeSet<String> = of_one.union(of_other).cloned().collect();
                let (and, or) = (
                    json!({ "and": [one, other] }),
                    json!({ "or": [one, other] }),
                );
                assert_eq!(list.keys(&world, &and).await, both, "{and}");
                assert_eq!(list.keys(&world, &or).await, either, "{or}");
                let mut fields = one.as_object().expect("fields").clone();
                let beside = other.as_object().expect("fields").clone();
                if fields.keys().all(|field| !beside.contains_key(field)) {
                    fields.extend(beside);
                    let fields = Value::Object(fields);
                    assert_eq!(list.keys(&world, &fields).await, both, "{fields}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_empty_list_of_values_matches_nothing_and_null_is_no_condition() {
    let world = super::world().await;
    for list in Contract::new().lists() {
        let (field, input) = (list.field.as_str(), &list.filter);
        let query =
            format!("query($filter: {input}) {{ {field}(filter: $filter) {{ totalCount }} }}");
        let count = async |filter: Value| {
            let answer = world.run(ADMIN, &query, json!({ "filter": filter })).await;
            assert_eq!(world::codes(&answer), [""; 0], "{field} {filter}");
            answer["data"][field]["totalCount"].clone()
        };
        let all = count(Value::Null).await;
        for (condition, is_list) in list.conditions {
            if is_list {
                let none = count(json!({ &condition: [] })).await;
                assert_eq!(none, 0, "{field} {condition}");
            }
            let null = count(json!({ &condition: null })).await;
            assert_eq!(null, all, "{field} {condition}");
        }
    }
}

#[tokio::test]
async fn a_filter_is_bounded_and_says_which_field_is_wrong() {
    let world = super::world().await;
    let query = "query($filter: SimFilter) { sims(filter: $filter) { totalCount } }";
    let error = async |filter: Value| {
        let answer = world.run(ADMIN, query, json!({ "filter": filter })).await;
        answer["errors"][0]["extensions"].clone()
    };
    let many: Vec<Value> = (0..101).map(|_| json!({ "simulated": true })).collect();
    let refused = error(json!({ "or": many })).await;
    assert_eq!(refused["code"], "LIMIT_EXCEEDED");
    assert_eq!(
        (&refused["limit"], refused["actual"].as_u64() > Some(100)),
        (&json!(100), true)
    );
    let refused = error(json!({ "iccids": ["12"] })).await;
    assert_eq!(
        (&refused["code"], &refused["field"]),
        (&json!("INVALID_INPUT"), &json!("filter.iccids"))
    );
    let ids: Vec<String> = (0..201)
        .map(|_| "sim_00000000000000000000000000000000".to_owned())
        .collect();
    let refused = error(json!({ "not": { "ids": ids } })).await;
    assert_eq!(
        (&refused["limit"], &refused["actual"]),
        (&json!(200), &json!(201))
    );
}

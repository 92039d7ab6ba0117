//! Every condition of every filter, alone and in pairs, with and without `not`; what filters refuse.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{ADMIN, condition::lists, world};

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
    for (field, input, conditions) in [
        (
            "sims",
            "SimFilter",
            &["ids", "iccids", "states", "customers"][..],
        ),
        (
            "devices",
            "DeviceFilter",
            &[
                "ids",
                "names",
                "kinds",
                "states",
                "customers",
                "connectivity",
            ],
        ),
        ("customers", "CustomerFilter", &["ids", "slugs"]),
        (
            "labelDefinitions",
            "LabelDefinitionFilter",
            &["ids", "keys"],
        ),
        ("networks", "NetworkFilter", &["ids", "codes", "countries"]),
        ("ingestBatches", "IngestBatchFilter", &["ids", "states"]),
        (
            "ingestRejections",
            "RejectionFilter",
            &["sources", "codes", "recordIds"],
        ),
    ] {
        let query =
            format!("query($filter: {input}) {{ {field}(filter: $filter) {{ totalCount }} }}");
        let count = async |filter: Value| {
            let answer = world.run(ADMIN, &query, json!({ "filter": filter })).await;
            assert_eq!(world::codes(&answer), [""; 0], "{field} {filter}");
            answer["data"][field]["totalCount"].clone()
        };
        let all = count(Value::Null).await;
        for condition in conditions {
            assert_eq!(
                count(json!({ *condition: [] })).await,
                0,
                "{field} {condition}"
            );
            assert_eq!(
                count(json!({ *condition: null })).await,
                all,
                "{field} {condition}"
            );
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

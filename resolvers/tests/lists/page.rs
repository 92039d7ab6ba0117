//! Every list, to its end, in each order and both directions, while rows are added.

use std::{collections::BTreeSet, io::Cursor};

use domain::fleet;
use serde_json::{Value, json};

use super::{ADMIN, keys_of, world::World};

#[tokio::test]
async fn every_list_is_paged_to_its_end_in_each_order_while_rows_are_added() {
    let world = super::world().await;
    let admin = world.scope(ADMIN).await;
    let mut added = 200;
    for (field, order, key, fields) in [
        ("sims", "SimOrder", "iccid", &["ICCID", "CREATED_AT"][..]),
        ("devices", "DeviceOrder", "name", &["NAME", "CREATED_AT"]),
        ("customers", "CustomerOrder", "slug", &["NAME", "SLUG"]),
        ("labelDefinitions", "LabelDefinitionOrder", "key", &["KEY"]),
        ("networks", "NetworkOrder", "code", &["CODE"]),
    ] {
        let small = if field == "networks" { 150 } else { 2 };
        let query = format!(
            "query($order: {order}!, $first: Int, $after: String, $last: Int, $before: String) {{
                {field}(orderBy: $order, first: $first, after: $after, last: $last, before: $before) {{
                    nodes {{ {key} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        for by in fields {
            for direction in ["ASC", "DESC"] {
                let order = json!({ "field": by, "direction": direction });
                let before = every_key(&world, field, key).await;
                for forward in [true, false] {
                    let mut seen: Vec<String> = Vec::new();
                    let mut cursor = Value::Null;
                    loop {
                        let page = if forward {
                            json!({ "order": order, "first": small, "after": cursor })
                        } else {
                            json!({ "order": order, "last": small, "before": cursor })
                        };
                        let answer = world.run(ADMIN, &query, page).await;
                        let page = &answer["data"][field];
                        let nodes = page["nodes"].as_array().expect("nodes").iter();
                        seen.extend(
                            nodes.map(|node| node[key].as_str().expect("a key").to_owned()),
                        );
                        let info = &page["pageInfo"];
                        let (more, next) = if forward {
                            ("hasNextPage", "endCursor")
                        } else {
                            ("hasPreviousPage", "startCursor")
                        };
                        if info[more] == json!(false) {
                            break;
                        }
                        cursor = info[next].clone();
                        if field != "networks" && seen.len() < 8 {
                            added += 1;
                            let csv = format!(
                                "iccid,state,customer,device,labels\n89445010000000{added:05},ACTIVE,C{added},d{added},k{added}=v\n"
                            );
                            let report = fleet::import_file(
                                &world.db,
                                &admin,
                                Cursor::new(csv),
                                &world.store,
                                |_| (),
                            );
                            assert_eq!(report.await.expect("imported").created, 1);
                        }
                    }
                    let distinct: BTreeSet<String> = seen.iter().cloned().collect();
                    assert_eq!(
                        distinct.len(),
                        seen.len(),
                        "{field} by {order}: nothing comes twice"
                    );
                    assert!(
                        distinct.is_superset(&before),
                        "{field} by {order}: nothing is left out"
                    );
                }
            }
        }
    }
}

async fn every_key(world: &World, field: &str, key: &str) -> BTreeSet<String> {
    let query = format!(
        "query($after: String) {{ {field}(first: 200, after: $after) {{ nodes {{ {key} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let (mut keys, mut after) = (BTreeSet::new(), Value::Null);
    loop {
        let answer = world.run(ADMIN, &query, json!({ "after": after })).await;
        let page = &answer["data"][field];
        keys.extend(keys_of(&page["nodes"], key));
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            return keys;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

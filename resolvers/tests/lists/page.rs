//! Every list, to its end, in each order and both directions, while rows are added.

use std::{collections::BTreeSet, io::Cursor};

use domain::fleet;
use serde_json::{Value, json};

use super::{
    ADMIN, keys_of,
    world::{
        World,
        contract::{Contract, Declared},
    },
};

#[tokio::test]
async fn every_list_is_paged_to_its_end_in_each_order_while_rows_are_added() {
    let world = super::world().await;
    let admin = world.scope(ADMIN).await;
    let mut added = 200;
    for list in Contract::new().lists() {
        let (field, order) = (list.field.as_str(), list.order.as_str());
        let small = if field == "networks" { 150 } else { 2 };
        let query = format!(
            "query($order: {order}!, $first: Int, $after: String, $last: Int, $before: String) {{
                {field}(orderBy: $order, first: $first, after: $after, last: $last, before: $before) {{
                    edges {{ cursor }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        for by in &list.sorted_by {
            for direction in ["ASC", "DESC"] {
                let order = json!({ "field": by, "direction": direction });
                let before = every_cursor(&world, &list, &order).await;
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
                        seen.extend(keys_of(&page["edges"], "cursor"));
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

/// Where the rows of a list are, which is another place for each.
async fn every_cursor(world: &World, list: &Declared, order: &Value) -> BTreeSet<String> {
    let Declared {
        field, order: ty, ..
    } = list;
    let query = format!(
        "query($order: {ty}!, $after: String) {{ {field}(orderBy: $order, first: 200, after: $after) {{
            edges {{ cursor }} pageInfo {{ hasNextPage endCursor }} }} }}"
    );
    let (mut cursors, mut after) = (BTreeSet::new(), Value::Null);
    loop {
        let variables = json!({ "order": order, "after": after });
        let answer = world.run(ADMIN, &query, variables).await;
        let page = &answer["data"][field];
        cursors.extend(keys_of(&page["edges"], "cursor"));
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            return cursors;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

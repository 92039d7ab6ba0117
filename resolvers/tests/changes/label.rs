//! Changes of labels.

use serde_json::{Value, json};

use super::{ADMIN, change, refused, world::World};

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story from the definition to its end"
)]
async fn labels_are_defined_set_and_removed_and_what_is_in_use_stays() {
    let world = World::new().await;
    let ids = "{ sims(first: 1) { nodes { id } } devices(first: 1) { nodes { id } } }";
    let ids = world.run(ADMIN, ids, json!({})).await["data"].clone();
    let (sim, device) = (
        &ids["sims"]["nodes"][0]["id"],
        &ids["devices"]["nodes"][0]["id"],
    );
    let input = json!({ "key": "shelf", "options": ["1", "2"] });
    let shelf = change(
        &world,
        "createLabelDefinition",
        input.clone(),
        "labelDefinition { id }",
    )
    .await["labelDefinition"]["id"]
        .clone();
    assert_eq!(
        refused(
            &change(
                &world,
                "createLabelDefinition",
                input,
                "labelDefinition { id }"
            )
            .await
        ),
        ("CONFLICT", "key")
    );
    for (input, field) in [
        (json!({ "key": "a=b" }), "key"),
        (json!({ "key": "x", "options": [] }), "options"),
        (json!({ "key": "x", "options": ["1", "1"] }), "options"),
    ] {
        assert_eq!(
            refused(
                &change(
                    &world,
                    "createLabelDefinition",
                    input,
                    "labelDefinition { id }"
                )
                .await
            ),
            ("INVALID_INPUT", field)
        );
    }

    let labels = "sim { labels { key value } }";
    let set =
        json!({ "simId": sim, "set": [{ "key": "shelf", "value": "1" }], "remove": ["owner"] });
    let after = change(&world, "setSimLabels", set, labels).await["sim"]["labels"].clone();
    assert_eq!(
        after,
        json!([{ "key": "location", "value": "field" }, { "key": "shelf", "value": "1" }])
    );
    let set = json!({ "deviceId": device, "set": [{ "key": "shelf", "value": "2" }] });
    let after = change(
        &world,
        "setDeviceLabels",
        set,
        "device { labels { value } }",
    )
    .await["device"]["labels"]
        .clone();
    assert_eq!(after, json!([{ "value": "2" }]));
    for (set, expected) in [
        (
            json!([{ "key": "shelf", "value": "3" }]),
            ("INVALID_INPUT", "set.0.value"),
        ),
        (
            json!([{ "key": "shelf", "value": "1" }, { "key": "location", "value": "" }]),
            ("INVALID_INPUT", "set.1.value"),
        ),
        (
            json!([{ "key": "nothing", "value": "x" }]),
            ("NOT_FOUND", "set.0"),
        ),
        (
            json!([{ "key": "no\u{0}thing", "value": "x" }]),
            ("NOT_FOUND", "set.0"),
        ),
    ] {
        let payload = change(
            &world,
            "setSimLabels",
            json!({ "simId": sim, "set": set }),
            labels,
        )
        .await;
        assert_eq!(
            (refused(&payload), &payload["sim"]),
            (expected, &Value::Null)
        );
    }

    let narrow = json!({ "labelDefinitionId": shelf, "options": ["1", "4"] });
    let payload = change(
        &world,
        "updateLabelDefinition",
        narrow,
        "labelDefinition { options }",
    )
    .await;
    assert_eq!(refused(&payload), ("CONFLICT", "options"));
    assert!(
        payload["userErrors"][0]["message"]
            .as_str()
            .is_some_and(|it| it.contains(", 1 of them"))
    );
    let wide = json!({ "labelDefinitionId": shelf, "options": ["1", "2", "4"] });
    let options = change(
        &world,
        "updateLabelDefinition",
        wide,
        "labelDefinition { options }",
    )
    .await["labelDefinition"]["options"]
        .clone();
    assert_eq!(options, json!(["1", "2", "4"]));
    let unchanged = json!({ "labelDefinitionId": shelf });
    let kept = change(
        &world,
        "updateLabelDefinition",
        unchanged,
        "labelDefinition { options }",
    )
    .await;
    assert_eq!(kept["labelDefinition"]["options"], options);
    let gone = json!({ "labelDefinitionId": shelf });
    let payload = change(
        &world,
        "deleteLabelDefinition",
        gone.clone(),
        "labelDefinitionId",
    )
    .await;
    assert_eq!(refused(&payload), ("CONFLICT", ""));
    assert!(
        payload["userErrors"][0]["message"]
            .as_str()
            .is_some_and(|it| it.contains(", 2 of them"))
    );
    change(
        &world,
        "setSimLabels",
        json!({ "simId": sim, "remove": ["shelf"] }),
        labels,
    )
    .await;
    change(
        &world,
        "setDeviceLabels",
        json!({ "deviceId": device, "remove": ["shelf"] }),
        "device { id }",
    )
    .await;
    let payload = change(&world, "deleteLabelDefinition", gone, "labelDefinitionId").await;
    assert_eq!(payload["labelDefinitionId"], shelf);
}

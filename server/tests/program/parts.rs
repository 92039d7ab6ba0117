//! An export in several files: a folder for each month, each file with its own hash, and all of them what one file would hold.

use std::fs;

use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    export::{RECORDS, asked, duckdb, fleet, sha256, usage},
    http::{answer, client, code},
    jobs::ordered,
    support::Program,
};

/// Berlin's October begins two hours before that of UTC.
const QUESTION: &str = r#"{ "period": { "between": { "from": "2026-09-15T00:00:00Z", "to": "2026-11-15T00:00:00Z" } }, "time_zone": "Europe/Berlin" }"#;

fn order(partition: &str) -> Value {
    let question: Value = serde_json::from_str(QUESTION).expect("JSON");
    json!({ "dataSet": "records", "format": "parquet", "partitionBy": partition, "question": question })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_for_each_month_is_together_what_one_file_is() {
    let program = Program::new();
    fleet(&program);
    let server = program.serve(&[]).await;
    let token = program.token("acme", "tenant_admin");
    usage(&server, &token).await;
    let export = ordered(&server, &token, &order("month")).await;
    assert_eq!(export["state"], "COMPLETE", "{export}");
    assert_eq!(
        (&export["partitionBy"], &export["downloadUrl"]),
        (&json!("month"), &Value::Null)
    );
    let manifest = &export["manifest"];
    assert_eq!(manifest["rows"], RECORDS);
    assert_eq!(manifest.get("sha256"), None);
    let parts = export["parts"].as_array().expect("parts");
    let paths: Vec<&str> = parts
        .iter()
        .map(|part| part["path"].as_str().expect("a path"))
        .collect();
    let months = ["2026-09", "2026-10", "2026-11"];
    assert_eq!(
        paths,
        months.map(|month| format!("month={month}/records.parquet"))
    );

    let id = export["id"].as_str().expect("an id");
    let folder = program.data().join("parts");
    let mut bytes = 0;
    for (part, path) in parts.iter().zip(&paths) {
        let target = folder.join(path);
        fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        // With a token, and with the link that is shown.
        let by_token = format!("{}/api/v1/exports/{id}/file/{path}", server.url);
        let by_token = client()
            .get(by_token)
            .bearer_auth(&token)
            .send()
            .await
            .expect("an answer");
        let name = by_token.headers()["content-disposition"]
            .to_str()
            .expect("text")
            .to_owned();
        assert!(name.contains("records.parquet"), "{name}");
        assert_eq!(
            by_token.headers()["etag"],
            format!("\"{}\"", part["sha256"].as_str().expect("a hash"))
        );
        let by_token = by_token.bytes().await.expect("all of it");
        let link = part["downloadUrl"].as_str().expect("a link");
        let by_link = client()
            .get(format!("{}{link}", server.url))
            .send()
            .await
            .expect("an answer");
        assert_eq!(by_link.bytes().await.expect("all of it"), by_token);
        fs::write(&target, &by_token).expect("written");
        assert_eq!(part["bytes"], by_token.len());
        assert_eq!(part["sha256"], sha256(&target.to_string_lossy()));
        bytes += by_token.len();
    }
    assert_eq!(manifest["bytes"], bytes);
    let all = format!(
        "read_parquet('{}/*/*.parquet', hive_partitioning = true)",
        folder.display()
    );
    let read = duckdb(&format!(
        "SELECT count(*)::VARCHAR AS rows, count(DISTINCT record_id)::VARCHAR AS records, sum(bytes_up)::VARCHAR AS up FROM {all}"
    ));
    assert_eq!(read[0]["rows"], Some(RECORDS.to_string()));
    assert_eq!(read[0]["records"], Some(RECORDS.to_string()));
    assert_eq!(
        read[0]["up"].as_deref(),
        manifest["totals"]["bytes_up"].as_str()
    );
    let strays = duckdb(&format!(
        "SELECT count(*)::VARCHAR AS n FROM {all} WHERE strftime(start AT TIME ZONE 'Europe/Berlin', '%Y-%m') <> month::VARCHAR"
    ));
    assert_eq!(strays[0]["n"].as_deref(), Some("0"));

    // GraphQL shows the same files.
    let query = format!(
        "{{ export(id: \"{id}\") {{ partitionBy downloadUrl parts {{ path rows bytes sha256 downloadUrl }} }} }}"
    );
    let shown = asked(&server, &token, &query).await["export"].clone();
    assert_eq!(
        (&shown["partitionBy"], &shown["downloadUrl"]),
        (&json!("MONTH"), &Value::Null)
    );
    let sums: Vec<&Value> = shown["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|part| &part["sha256"])
        .collect();
    assert_eq!(
        sums,
        parts.iter().map(|part| &part["sha256"]).collect::<Vec<_>>()
    );

    // The terminal writes the same folders.
    let out = program.data().join("out");
    let out = out.to_str().expect("text");
    let words = [
        "export",
        "records",
        "--tenant",
        "acme",
        "--format",
        "parquet",
        "--partition-by",
        "month",
        "--question",
        QUESTION,
        "--out",
        out,
    ];
    program.print(&words);
    for (part, path) in parts.iter().zip(&paths) {
        assert_eq!(part["sha256"], sha256(&format!("{out}/{path}")));
    }
    let again = program.run(&words);
    assert_eq!(
        again.status.code(),
        Some(1),
        "a folder that is there is not written to"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_none_of_the_files_is_not_found_and_what_cannot_be_parted_is_refused() {
    let program = Program::new();
    fleet(&program);
    let server = program.serve(&[]).await;
    let token = program.token("acme", "tenant_admin");
    let export = ordered(&server, &token, &order("month")).await;
    assert_eq!(export["state"], "COMPLETE", "{export}");
    assert_eq!(export["manifest"]["rows"], 0);
    let id = export["id"].as_str().expect("an id");
    let viewer = program.token("acme", "viewer");
    for (token, path) in [
        (&token, ""),
        (&token, "/manifest.json"),
        (&token, "/month=2026-12/records.parquet"),
        (&token, "/../../file.parquet"),
        (&token, "/month=2026-10%2F..%2Fmanifest.json"),
        (&viewer, "/month=2026-10/records.parquet"),
    ] {
        let url = format!("{}/api/v1/exports/{id}/file{path}", server.url);
        let (status, _, said) = answer(client().get(url).bearer_auth(token)).await;
        assert_eq!(
            (status, code(&said)),
            (StatusCode::NOT_FOUND, "NOT_FOUND"),
            "{path}: {said}"
        );
    }
    let url = format!("{}/api/v1/exports", server.url);
    let mut sums = order("month");
    sums["dataSet"] = "customerUsage".into();
    for order in [
        order("week"),
        sums,
        json!({ "dataSet": "sims", "format": "csv", "partitionBy": "month" }),
    ] {
        let (status, _, said) = answer(client().post(&url).bearer_auth(&token).json(&order)).await;
        assert_eq!(
            (status, code(&said)),
            (StatusCode::BAD_REQUEST, "INVALID_INPUT"),
            "{order}: {said}"
        );
    }
    // Centuries are told so by the job, whose period may move with the clock.
    let mut ages = order("month");
    ages["dataSet"] = "audit".into();
    ages["question"]["period"]["between"]["from"] = "1990-01-01T00:00:00Z".into();
    let (_, _, made) = answer(client().post(&url).bearer_auth(&token).json(&ages)).await;
    assert_eq!(code(&made), "LIMIT_EXCEEDED", "{made}");
}

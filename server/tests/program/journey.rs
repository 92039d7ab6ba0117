//! Two people's ways through the product, each with the tools that they have: an analyst, and a tenant that bills its customers.

use std::{collections::BTreeMap, fs, io::Read as _};

use calamine::{Reader as _, Xlsx, open_workbook};
use flate2::read::GzDecoder;
use http::StatusCode;
use serde_json::{Value, json};

use crate::{
    export::{RECORDS, SIMS, asked, duckdb, fleet, usage},
    http::client,
    jobs::{is, ordered, until},
    support::{Program, Server},
};

const OCTOBER: &str =
    "{ between: { from: \"2026-10-01T00:00:00Z\", to: \"2026-11-01T00:00:00Z\" } }";

/// Asks for a file by REST, waits until it is there and downloads it; its manifest.
async fn fetched(
    program: &Program,
    server: &Server,
    token: &str,
    order: &Value,
) -> (String, Value) {
    let export = ordered(server, token, order).await;
    assert_eq!(export["state"], "COMPLETE", "{export}");
    let id = export["id"].as_str().expect("an id");
    let url = format!("{}/api/v1/exports/{id}/file", server.url);
    let file = client().get(url).bearer_auth(token);
    let file = file.send().await.expect("an answer");
    assert_eq!(file.status(), StatusCode::OK);
    let path = program.file(order["name"].as_str().expect("a name"), "");
    fs::write(&path, file.bytes().await.expect("all of it")).expect("written");
    (path, export["manifest"].clone())
}

/// Bytes by name of customer, of what is assigned to one.
async fn by_customer(server: &Server, token: &str) -> BTreeMap<String, i128> {
    let query = format!(
        "{{ usage(input: {{ period: {OCTOBER}, groupBy: [{{ dimension: CUSTOMER }}] }}) {{ \
         rows {{ key {{ customer {{ customer {{ name }} }} }} values {{ bytesTotal }} }} }} }}"
    );
    let data = asked(server, token, &query).await;
    let rows = data["usage"]["rows"].as_array().expect("rows").iter();
    rows.filter_map(|row| {
        let name = row.pointer("/key/customer/customer/name")?.as_str()?;
        Some((name.to_owned(), number(&row["values"]["bytesTotal"])))
    })
    .collect()
}

fn number(value: &Value) -> i128 {
    value.as_str().expect("text").parse().expect("a number")
}

/// An analyst asks for two Parquet files, and joins them.
#[tokio::test(flavor = "multi_thread")]
async fn an_analyst_joins_two_files_and_finds_what_the_page_says() {
    let program = Program::new();
    fleet(&program);
    let server = program.serve(&[]).await;
    let token = program.token("acme", "tenant_admin");
    usage(&server, &token).await;
    let sims = json!({ "dataSet": "sims", "format": "parquet", "name": "sims.parquet" });
    let (sims, listed) = fetched(&program, &server, &token, &sims).await;
    assert_eq!(listed["rows"], SIMS);
    let october = json!({ "period": { "between": { "from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z" } } });
    let records = json!({ "dataSet": "records", "format": "parquet", "name": "records.parquet", "question": october });
    let (records, counted) = fetched(&program, &server, &token, &records).await;
    assert_eq!(counted["rows"], RECORDS);
    let joined = duckdb(&format!(
        "SELECT sims.customer, sum(bytes_up::HUGEINT + bytes_down)::VARCHAR AS bytes
           FROM read_parquet('{records}') AS records JOIN read_parquet('{sims}') AS sims USING (iccid)
          WHERE sims.customer IS NOT NULL GROUP BY ALL"
    ));
    let joined: BTreeMap<String, i128> = joined
        .into_iter()
        .map(|row| {
            let cell = |name: &str| row[name].clone().expect("a value");
            (cell("customer"), cell("bytes").parse().expect("a number"))
        })
        .collect();
    assert_eq!(joined.len(), 4);
    assert_eq!(joined, by_customer(&server, &token).await);

    // The same rows for a spreadsheet, compressed on their way.
    let semicolons = json!({
        "dataSet": "records", "format": "csv", "compression": "gzip", "name": "records.csv.gz", "question": october,
        "csv": { "separator": "semicolon", "byteOrderMark": true },
    });
    let (packed, manifest) = fetched(&program, &server, &token, &semicolons).await;
    assert_eq!(manifest["totals"], counted["totals"]);
    let mut text = String::new();
    let packed = fs::File::open(packed).expect("a file");
    GzDecoder::new(packed)
        .read_to_string(&mut text)
        .expect("text");
    assert!(text.starts_with("\u{feff}record_id;stream;start;"));
    assert_eq!(text.lines().count(), RECORDS + 1);
}

/// A tenant asks for the month by customer as a workbook, waits, and downloads it with the link that it was given.
#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_bills_from_a_workbook_whose_total_is_the_page_s() {
    let program = Program::new();
    fleet(&program);
    let server = program.serve(&[]).await;
    let token = program.token("acme", "tenant_admin");
    usage(&server, &token).await;
    let page = format!(
        "{{ usage(input: {{ period: {OCTOBER} }}) {{ totals {{ bytesTotal records }} }} }}"
    );
    let page = asked(&server, &token, &page).await["usage"]["totals"].clone();
    let ask = format!(
        "mutation {{ createExport(input: {{ dataSet: {{ customerUsage: {{ period: {OCTOBER} }} }}, format: XLSX, name: \"October\" }}) {{ \
         export {{ id }} userErrors {{ message }} }} }}"
    );
    let made = asked(&server, &token, &ask).await;
    let id = made["createExport"]["export"]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let export = until(&server, &token, &id, is("COMPLETE")).await;
    let link = export["downloadUrl"].as_str().expect("a link");
    let file = client()
        .get(format!("{}{link}", server.url))
        .send()
        .await
        .expect("an answer");
    assert_eq!(file.status(), StatusCode::OK);
    let name = file.headers()["content-disposition"]
        .to_str()
        .expect("text")
        .to_owned();
    assert_eq!(name, "attachment; filename=\"October.xlsx\"");
    let path = program.file("October.xlsx", "");
    fs::write(&path, file.bytes().await.expect("all of it")).expect("written");
    let mut book: Xlsx<_> = open_workbook(&path).expect("a workbook");
    let sheet = book.worksheet_range("customerUsage").expect("a sheet");
    let mut rows = sheet.rows();
    let header: Vec<String> = rows
        .next()
        .expect("a header")
        .iter()
        .map(ToString::to_string)
        .collect();
    let place = |name: &str| {
        header
            .iter()
            .position(|found| found == name)
            .expect("a column")
    };
    let (customer, bytes) = (place("customer"), place("bytes_total"));
    let mut sums = BTreeMap::new();
    for row in rows {
        let sum: i128 = row[bytes].to_string().parse().expect("a number");
        *sums.entry(row[customer].to_string()).or_default() += sum;
    }
    assert_eq!(sums.values().sum::<i128>(), number(&page["bytesTotal"]));
    assert_eq!(
        export["manifest"]["totals"]["bytes_total"],
        page["bytesTotal"]
    );
    assert_eq!(export["manifest"]["totals"]["records"], page["records"]);
    // What belongs to nobody is the rest.
    sums.remove("");
    assert_eq!(sums, by_customer(&server, &token).await);
    // A link that is not ours, and somebody else of the tenant.
    let forged = link.replace("signature=", "signature=0");
    let file = client()
        .get(format!("{}{forged}", server.url))
        .send()
        .await
        .expect("an answer");
    assert_eq!(file.status(), StatusCode::NOT_FOUND);
    let viewer = program.token("acme", "viewer");
    let theirs = client()
        .get(format!("{}/api/v1/exports/{id}/file", server.url))
        .bearer_auth(viewer);
    assert_eq!(
        theirs.send().await.expect("an answer").status(),
        StatusCode::NOT_FOUND
    );
}

//! Settings of a tenant: set at the terminal, beside a running server, and what they change for those who ask.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::{
    http::{answer, fleet, graphql},
    support::{Program, Server},
};

const SHOWN: &str = "{ tenant { recordRetentionDays exportRetentionDays exportQuotaBytes } cubeCatalog { tables { table retentionDays } } }";

async fn asked(server: &Server, token: &str, query: &str) -> Value {
    let (_, _, value) = answer(graphql(server, token, query)).await;
    assert!(value.get("errors").is_none(), "{value}");
    value["data"].clone()
}

/// What callers are shown: days of records, of files, bytes, and days for which the records are all there.
async fn shown(server: &Server, token: &str) -> Value {
    let data = asked(server, token, SHOWN).await;
    let tables = data["cubeCatalog"]["tables"].as_array().expect("tables");
    let cdr = tables.iter().find(|table| table["table"] == "CDR");
    let tenant = &data["tenant"];
    json!([
        tenant["recordRetentionDays"],
        tenant["exportRetentionDays"],
        tenant["exportQuotaBytes"],
        cdr.expect("the records")["retentionDays"],
    ])
}

#[tokio::test]
async fn what_the_operator_sets_for_a_tenant_holds_from_the_next_request_on() {
    let program = Program::new();
    fleet(&program, "acme");
    program.print(&["tenant", "create", "other"]);
    let server = program.serve(&[]).await;
    let [acme, other] = ["acme", "other"].map(|slug| program.token(slug, "tenant_admin"));
    let usual = json!([400, 30, "107374182400", 390]);
    assert_eq!(shown(&server, &acme).await, usual);
    let said = program.print(&["tenant", "settings", "acme"]);
    assert!(said.contains("record days   400"), "{said}");
    assert!(said.contains("export days   30 (default)"), "{said}");

    program.print(&["tenant", "settings", "acme", "--record-days", "60"]);
    let said = program.print(&[
        "tenant",
        "settings",
        "acme",
        "--export-days",
        "7",
        "--export-bytes",
        "1",
    ]);
    assert!(said.contains("record days   60"), "{said}");
    assert!(said.contains("export bytes  1"), "{said}");
    assert_eq!(shown(&server, &acme).await, json!([60, 7, "1", 50]));
    assert_eq!(shown(&server, &other).await, usual);

    // No file has so few bytes.
    let create = "mutation { createExport(input: {dataSet: {sims: {}}, format: CSV}) { export { id } userErrors { code } } }";
    let made = async || {
        let created = asked(&server, &acme, create).await;
        let id = &created["createExport"]["export"]["id"];
        let show = format!("{{ export(id: {id}) {{ state error {{ code }} expiresAt bytes }} }}");
        for _ in 0..600 {
            let export = asked(&server, &acme, &show).await["export"].clone();
            if ["COMPLETE", "FAILED"]
                .iter()
                .any(|end| export["state"] == *end)
            {
                return export;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("the export does not end")
    };
    let export = made().await;
    assert_eq!(export["state"], "FAILED", "{export}");
    assert_eq!(export["error"]["code"], "LIMIT_EXCEEDED", "{export}");
    program.print(&["tenant", "settings", "acme", "--export-bytes", "default"]);
    let export = made().await;
    assert_eq!(export["state"], "COMPLETE", "{export}");
    let expires: DateTime<Utc> = (export["expiresAt"].as_str())
        .and_then(|text| text.parse().ok())
        .expect("a moment");
    let days = expires - SystemClock.now();
    assert!(
        days > TimeDelta::days(6) && days <= TimeDelta::days(7),
        "{days}"
    );
    // All that may be kept is kept.
    let bytes = export["bytes"].as_str().expect("bytes");
    program.print(&["tenant", "settings", "acme", "--export-bytes", bytes]);
    let (_, _, refused) = answer(graphql(&server, &acme, create)).await;
    assert!(refused.to_string().contains("LIMIT_EXCEEDED"), "{refused}");
    program.print(&["tenant", "settings", "acme", "--export-bytes", "default"]);
    asked(&server, &acme, create).await;

    // A question for parts of hours, and for records, of the time that is not kept any more.
    let ago = |days: i64| {
        let at = SystemClock.now() - TimeDelta::days(days);
        at.format("%Y-%m-%dT00:30:00Z").to_string()
    };
    let usage = |days: i64| {
        format!(
            "{{ usage(input: {{period: {{between: {{from: \"{}\", to: \"{}\"}}}}}}) {{ totals {{ records }} }} }}",
            ago(days),
            ago(1)
        )
    };
    asked(&server, &acme, &usage(48)).await;
    let (_, _, refused) = answer(graphql(&server, &acme, &usage(52))).await;
    let error = &refused["errors"][0]["extensions"];
    assert_eq!(error["code"], "NOT_EXACT", "{refused}");
    asked(&server, &other, &usage(52)).await;
}

#[test]
fn settings_that_no_tenant_may_have_are_refused() {
    let program = Program::new();
    program.print(&["tenant", "create", "acme"]);
    for (arguments, status, why) in [
        (["acme", "--record-days", "59"], 1, "60 to 3650 days"),
        (["acme", "--record-days", "many"], 2, "invalid value 'many'"),
        (["acme", "--export-days", "0"], 1, "1 to 3650 days"),
        (["acme", "--export-bytes", "0"], 1, "at least one byte"),
        (["nobody", "--export-days", "1"], 1, "no such tenant"),
    ] {
        let output = program.run(&[&["tenant", "settings"], &arguments[..]].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(why), "{arguments:?}: {said}");
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    }
}

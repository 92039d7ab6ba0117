//! What comes of a request for a file that is not made: a code that says why, and no file.

use std::time::Duration;

use domain::Role;
use http::StatusCode;
use serde_json::{Value, json};
use server::auth::development::Claims;

use crate::{
    broken::until_left,
    http::{answer, client, code, fleet, graphql, record},
    jobs::{self, CLAIMING, ask, asked, file, is, ordered, show, until},
    store::Store,
    support::{Program, Server},
};

async fn cancel(server: &Server, token: &str, id: &str) -> Value {
    let cancel = format!(
        "mutation {{ cancelExport(input: {{exportId: \"{id}\"}}) {{ export {{ state }} userErrors {{ code }} }} }}"
    );
    asked(server, token, &cancel).await["cancelExport"].clone()
}

async fn is_not_given(server: &Server, token: &str, id: &str) {
    let (status, _, said) = answer(file(server, token, id)).await;
    assert_eq!(
        (status, code(&said)),
        (StatusCode::NOT_FOUND, "NOT_FOUND"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_cancelled_leaves_nothing_whether_it_waited_or_ran() {
    let program = Program::new();
    jobs::fleet(&program, 3_000);
    let token = program.token("acme", "support");
    for store in [Store::folder(&program), Store::Bucket(testkit::bucket())] {
        let settings = store.settings(&[("SIMCUBE_EXPORTS__LEASE_SECONDS", "1")]);
        let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
        let server = program.serve(&settings.collect::<Vec<_>>()).await;

        let held = program.hold(CLAIMING).await;
        let waiting = ask(&server, &token, "CSV").await;
        let said = cancel(&server, &token, &waiting).await;
        assert_eq!(said["export"]["state"], "CANCELLED", "{said}");
        let again = cancel(&server, &token, &waiting).await;
        assert_eq!(again["userErrors"][0]["code"], "CONFLICT", "{again}");
        drop(held);

        // It waits for its first rows, which nobody can read.
        let held = program
            .hold("LOCK TABLE sim IN ACCESS EXCLUSIVE MODE")
            .await;
        let running = ask(&server, &token, "PARQUET").await;
        until(&server, &token, &running, is("RUNNING")).await;
        let said = cancel(&server, &token, &running).await;
        assert_eq!(said["export"]["state"], "CANCELLED", "{said}");
        drop(held);

        // Who comes after them gets a file, and they none.
        let next = ask(&server, &token, "CSV").await;
        until(&server, &token, &next, is("COMPLETE")).await;
        until_left(&store, 1).await;
        for (id, attempts) in [(&waiting, 0), (&running, 1)] {
            let export = show(&server, &token, id).await;
            assert_eq!(
                (&export["state"], &export["attempts"], &export["manifest"]),
                (&json!("CANCELLED"), &json!(attempts), &Value::Null)
            );
            is_not_given(&server, &token, id).await;
        }
        let retry = format!(
            "mutation {{ retryExport(input: {{exportId: \"{running}\"}}) {{ export {{ state }} userErrors {{ message }} }} }}"
        );
        asked(&server, &token, &retry).await;
        until(&server, &token, &running, is("COMPLETE")).await;
        until_left(&store, 2).await;
    }
}

/// A job that fails at once and for good, and leaves nothing.
async fn fails(server: &Server, token: &str, order: &Value, code: &str, sentence: &str) {
    let export = ordered(server, token, order).await;
    assert_eq!(export["error"]["code"], code, "{order}: {export}");
    let message = export["error"]["message"].as_str().expect("a sentence");
    assert!(message.contains(sentence), "{order}: {message}");
    assert_eq!(
        (&export["attempts"], &export["manifest"]),
        (&json!(1), &Value::Null)
    );
    is_not_given(server, token, export["id"].as_str().expect("an id")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_years_are_refused_with_their_code_by_whatever_way_they_are_asked_for() {
    let program = Program::new();
    fleet(&program, "acme");
    let server = program.serve(&[]).await;
    let token = program.token("acme", "tenant_admin");
    let period =
        json!({ "between": { "from": "2016-01-01T00:00:00Z", "to": "2026-01-01T00:00:00Z" } });
    let hours =
        json!({ "measures": ["RECORDS"], "group_by": [{ "time": "HOUR" }], "period": period });
    for format in ["csv", "xlsx", "parquet"] {
        let order = |data_set: &str, question: &Value| json!({ "dataSet": data_set, "format": format, "question": question });
        let sums = order("usage", &hours);
        fails(&server, &token, &sums, "LIMIT_EXCEEDED", "").await;
        let records = order("records", &json!({ "period": period }));
        let kept = "records that old are not kept one by one";
        fails(&server, &token, &records, "NOT_EXACT", kept).await;
    }
    // By GraphQL it is the same job.
    let create = "mutation { createExport(input: { format: CSV, dataSet: { usage: { measures: [RECORDS], question: { groupBy: [{ time: HOUR }], \
                  period: { between: { from: \"2016-01-01T00:00:00Z\", to: \"2026-01-01T00:00:00Z\" } } } } } }) { export { id } userErrors { message } } }";
    let made = asked(&server, &token, create).await;
    let id = made["createExport"]["export"]["id"].as_str();
    let id = id.unwrap_or_else(|| panic!("{made}"));
    let export = until(&server, &token, id, is("FAILED")).await;
    assert_eq!(export["error"]["code"], "LIMIT_EXCEEDED", "{export}");
    is_not_given(&server, &token, id).await;
    // Ten years of sums by year are an ordinary question.
    let years =
        json!({ "measures": ["RECORDS"], "group_by": [{ "time": "YEAR" }], "period": period });
    let years = json!({ "dataSet": "usage", "format": "csv", "question": years });
    let export = ordered(&server, &token, &years).await;
    assert_eq!(export["state"], "COMPLETE", "{export}");
    until_left(&Store::folder(&program), 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_format_cannot_hold_is_said_by_its_column_and_the_others_hold_it() {
    let program = Program::new();
    fleet(&program, "acme");
    let server = program.serve(&[]).await;
    let token = program.token("acme", "tenant_admin");
    let long = "INSERT INTO audit (tenant_id, at, actor, role, action, subject, detail)
        SELECT tenant_id, now(), 'x', 'support', 'noun.verb', 'it', jsonb_build_object('text', repeat('x', 40000)) FROM tenant
        RETURNING action";
    assert_eq!(program.texts(long), ["noun.verb"]);
    let period =
        json!({ "between": { "from": "2020-01-01T00:00:00Z", "to": "2030-01-01T00:00:00Z" } });
    let order = |format: &str| json!({ "dataSet": "audit", "format": format, "question": { "period": period } });
    let sentence = "column `detail` has a text of more characters than Excel holds: 32767";
    fails(&server, &token, &order("xlsx"), "LIMIT_EXCEEDED", sentence).await;
    for format in ["csv", "parquet"] {
        let export = ordered(&server, &token, &order(format)).await;
        assert_eq!(export["state"], "COMPLETE", "{export}");
    }

    // Intake takes all of 64 bits; a file of records says which one is too large.
    let mut huge = record("huge", 1 << 63);
    huge["source"] = "gateway-7".into();
    let sender = program.token("acme", "ingest");
    let url = format!("{}/api/v1/ingest/cdrs", server.url);
    let delivered = client().post(url).bearer_auth(&sender).json(&[&huge]);
    let (status, _, reply) = answer(delivered).await;
    assert_eq!((status, &reply["accepted"]), (StatusCode::OK, &json!(1)));
    let question = json!({ "period": { "preset": "LAST_7_DAYS" } });
    let start = huge["start"]
        .as_str()
        .expect("text")
        .replace("00Z", "00.000Z");
    let sentence = format!(
        "column `bytes_up` holds integers below 2^63 only, and a record has more: that of the stream `gateway-7` which began at {start}"
    );
    for format in ["csv", "xlsx", "parquet", "ndjson"] {
        let records = json!({ "dataSet": "records", "format": format, "question": question });
        fails(&server, &token, &records, "LIMIT_EXCEEDED", &sentence).await;
        let sums = json!({ "dataSet": "customerUsage", "format": format, "question": question });
        let export = ordered(&server, &token, &sums).await;
        let total = &export["manifest"]["totals"]["bytes_up"];
        assert_eq!(total, &(1_u64 << 63).to_string(), "{export}");
    }
    until_left(&Store::folder(&program), 6).await;
}

/// Who asks: the role, and the customer that a token of it names.
const CALLERS: [(Role, Option<&str>); 6] = [
    (Role::PlatformAdmin, None),
    (Role::TenantAdmin, None),
    (Role::Support, None),
    (Role::Viewer, None),
    (Role::CustomerUser, Some("bosch")),
    (Role::Ingest, None),
];

fn claims(tenant: &str, (role, customer): (Role, Option<&str>)) -> Claims {
    Claims {
        subject: Some(role.as_ref().to_owned()),
        tenant: tenant.into(),
        role,
        customer: customer.map(Into::into),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_its_askers_whatever_the_role_of_others() {
    let program = Program::new();
    fleet(&program, "acme");
    program.print(&["tenant", "create", "other"]);
    let server = program.serve(&[]).await;
    let admin = program.token("acme", "tenant_admin");
    let open = asked(&server, &admin, "{ customers { nodes { id } } }").await;
    let bosch = open["customers"]["nodes"][0]["id"].as_str().expect("an id");
    let open = format!(
        "mutation {{ setCustomerVisibility(input: {{ customerId: \"{bosch}\", visibility: {{ sims: true, devices: true, usage: true, sessions: true, \
         billing: true }} }}) {{ userErrors {{ message }} }} }}"
    );
    asked(&server, &admin, &open).await;
    let long = Duration::from_mins(10);
    let tokens: Vec<(String, String)> = CALLERS
        .iter()
        .map(|caller| {
            let (token, _) = program.token_for(&claims("acme", *caller), long);
            (caller.0.to_string(), token)
        })
        .collect();
    let (foreign, _) = program.token_for(&claims("other", CALLERS[1]), long);
    let [mut table, mut links] = [String::new(), String::new()];
    for (owner, token) in &tokens {
        let order = json!({ "dataSet": "sims", "format": "csv" });
        let url = format!("{}/api/v1/exports", server.url);
        if owner == Role::Ingest.as_ref() {
            let (status, _, said) =
                answer(client().post(&url).bearer_auth(token).json(&order)).await;
            assert_eq!((status, code(&said)), (StatusCode::FORBIDDEN, "FORBIDDEN"));
            continue;
        }
        let export = ordered(&server, token, &order).await;
        assert_eq!(export["state"], "COMPLETE", "{export}");
        let id = export["id"].as_str().expect("an id");
        table += &format!("{owner}:");
        for (name, token) in &tokens {
            let (status, _, _) = jobs::sent(file(&server, token, id)).await;
            table += &format!(" {name}={}", status.as_u16());
        }
        let (status, _, _) = jobs::sent(file(&server, &foreign, id)).await;
        let url = format!("{}/api/v1/exports/{id}/file", server.url);
        let (nobody, _, _) = jobs::sent(client().get(url)).await;
        table += &format!(" other={} nobody={}\n", status.as_u16(), nobody.as_u16());
        // The link is shown to nobody else.
        links += &format!("{owner}:");
        for (name, token) in &tokens {
            let url = format!("{}/api/v1/exports/{id}", server.url);
            let (status, _, shown) = answer(client().get(url).bearer_auth(token)).await;
            let link = if shown["downloadUrl"].is_string() {
                " with link"
            } else {
                ""
            };
            links += &format!(" {name}={}{link}", status.as_u16());
        }
        links += "\n";
    }
    insta::assert_snapshot!("files_by_role", table);
    insta::assert_snapshot!("exports_by_role", links);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_over_opens_no_route_of_exports() {
    let program = Program::new();
    fleet(&program, "acme");
    let server = program.serve(&[]).await;
    let (token, _) = program.token_for(&claims("acme", CALLERS[1]), Duration::from_mins(10));
    let (over, _) = program.token_for(&claims("acme", CALLERS[1]), Duration::ZERO);
    let question = json!({ "period": { "preset": "LAST_7_DAYS" } });
    let order = json!({ "dataSet": "records", "format": "csv", "partitionBy": "month", "question": question });
    let export = ordered(&server, &token, &order).await;
    assert_eq!(export["state"], "COMPLETE", "{export}");
    let base = format!("{}/api/v1", server.url);
    let one = format!("{base}/exports/{}", export["id"].as_str().expect("an id"));
    let part = export["parts"][0]["path"].as_str().expect("a path");
    let sums = json!({ "measures": ["RECORDS"], "period": { "preset": "LAST_7_DAYS" } });
    for (route, is_open) in [
        (
            client().post(format!("{base}/exports")).json(&order),
            StatusCode::CREATED,
        ),
        (client().get(&one), StatusCode::OK),
        (client().get(format!("{one}/file")), StatusCode::NOT_FOUND),
        (client().get(format!("{one}/file/{part}")), StatusCode::OK),
        (
            client().post(format!("{base}/usage")).json(&sums),
            StatusCode::OK,
        ),
        (
            graphql(&server, "", "{ exports { totalCount } }"),
            StatusCode::OK,
        ),
    ] {
        let with = |token: &str| {
            let bearer = format!("Bearer {token}").parse().expect("a header");
            let mut request = route
                .try_clone()
                .expect("a request")
                .build()
                .expect("built");
            request
                .headers_mut()
                .insert(http::header::AUTHORIZATION, bearer);
            client().execute(request)
        };
        let opened = with(&token).await.expect("an answer");
        assert_eq!(opened.status(), is_open, "{route:?}");
        let refused = with(&over).await.expect("an answer");
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{route:?}");
        let said: Value = refused.json().await.expect("JSON");
        assert!(said.to_string().contains("UNAUTHENTICATED"), "{said}");
    }
    // A link needs no token: it is the part's until it is over itself.
    let link = export["parts"][0]["downloadUrl"].as_str().expect("a link");
    let given = client()
        .get(format!("{}{link}", server.url))
        .bearer_auth(&over);
    assert_eq!(jobs::sent(given).await.0, StatusCode::OK);
}

//! Answers that are asked for again: nobody is told what they may no longer see, and nothing that is no longer so.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use domain::{Clock as _, Role, SystemClock};
use futures::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};
use server::auth::development::Claims;

use crate::{
    http::{answer, client, code, fleet, graphql, record},
    support::{Program, Server},
};

/// What somebody is refused from one request to the next, and how that shows.
struct End<'a> {
    question: &'a str,
    token: &'a str,
    /// What an answer says until then.
    before: &'a (dyn Fn(&Value) -> bool + Sync),
    after: &'a (dyn Fn(&Value) -> bool + Sync),
}

impl End<'_> {
    /// Ten ask again and again; when `end` has happened, every request that begins is refused.
    async fn meets(&self, server: &Server, end: impl Future<Output = ()>) {
        let (ended, stopped) = (AtomicBool::new(false), AtomicBool::new(false));
        let answered = AtomicUsize::new(0);
        let asking = (0..10).map(async |_| {
            while !stopped.load(Ordering::SeqCst) {
                let has_ended = ended.load(Ordering::SeqCst);
                let (_, _, told) = answer(graphql(server, self.token, self.question)).await;
                assert!(
                    (self.after)(&told) || (!has_ended && (self.before)(&told)),
                    "{has_ended}: {told}"
                );
                answered.fetch_add(1, Ordering::SeqCst);
            }
        });
        let ending = async {
            while answered.load(Ordering::SeqCst) < 50 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            end.await;
            ended.store(true, Ordering::SeqCst);
            let (_, _, told) = answer(graphql(server, self.token, self.question)).await;
            stopped.store(true, Ordering::SeqCst);
            assert!((self.after)(&told), "{told}");
        };
        tokio::join!(join_all(asking), ending);
    }
}

async fn change(server: &Server, token: &str, mutation: &str) -> Value {
    let (_, _, value) = answer(graphql(server, token, mutation)).await;
    assert!(value.get("errors").is_none(), "{value}");
    value["data"].clone()
}

fn rows(value: &Value) -> Option<usize> {
    value
        .pointer("/data/devices/nodes")?
        .as_array()
        .map(Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_grant_a_closed_switch_and_an_expired_token_end_with_the_next_request() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, "alpha");
    let admin = program.token("alpha", "tenant_admin");
    let customer = change(
        &server,
        &admin,
        "{ customer(by: { slug: \"bosch\" }) { id } }",
    )
    .await;
    let customer = customer["customer"]["id"].clone();
    let switch = |devices: bool| {
        format!(
            "mutation {{ setCustomerVisibility(input: {{ customerId: {customer}, visibility: {{ devices: {devices}, \
             sims: false, sessions: false, usage: false, billing: false }} }}) {{ userErrors {{ code }} }} }}"
        )
    };
    let grant = format!(
        "mutation {{ grantSegment(input: {{ subject: \"dev:viewer\", customerIds: [{customer}] }}) {{ grants {{ id }} }} }}"
    );
    let devices = "{ devices(first: 5) { nodes { name } } }";
    let sees_one = |told: &Value| rows(told) == Some(1);
    let is_blind = |told: &Value| rows(told) == Some(0);
    let is_forbidden = |told: &Value| code(told) == "FORBIDDEN";
    let is_nobody = |told: &Value| code(told) == "UNAUTHENTICATED";

    let viewer = program.token("alpha", "viewer");
    let granted = change(&server, &admin, &grant).await;
    let grant = &granted["grantSegment"]["grants"][0]["id"];
    let revoke =
        format!("mutation {{ revokeSegment(input: {{ grantId: {grant} }}) {{ grantId }} }}");
    let revoked = End {
        question: devices,
        token: &viewer,
        before: &sees_one,
        after: &is_blind,
    };
    revoked
        .meets(&server, async {
            drop(change(&server, &admin, &revoke).await);
        })
        .await;

    let user = program.customer_token("alpha", "bosch");
    change(&server, &admin, &switch(true)).await;
    let closed = End {
        question: devices,
        token: &user,
        before: &sees_one,
        after: &is_forbidden,
    };
    closed
        .meets(&server, async {
            drop(change(&server, &admin, &switch(false)).await);
        })
        .await;

    let claims = Claims {
        tenant: "alpha".into(),
        role: Role::Support,
        customer: None,
        subject: None,
    };
    let (brief, expires) = program.token_for(&claims, Duration::from_secs(4));
    let outdated = End {
        question: devices,
        token: &brief,
        before: &sees_one,
        after: &is_nobody,
    };
    let expiry = async {
        let left = expires - SystemClock.now();
        tokio::time::sleep(left.to_std().unwrap_or_default()).await;
    };
    outdated.meets(&server, expiry).await;
}

/// The same question over and over, so that it is kept.
async fn records(server: &Server, token: &str, alias: &str) -> Value {
    let period =
        "period: { between: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\" } }";
    let ask = format!("{{ {alias}: usage(input: {{ {period} }}) {{ totals {{ records }} }} }}");
    let (_, _, first) = answer(graphql(server, token, &ask)).await;
    for _ in 0..3 {
        let (_, _, again) = answer(graphql(server, token, &ask)).await;
        assert_eq!(again, first);
    }
    first["data"][alias]["totals"]["records"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_is_acknowledged_or_repaired_is_in_the_next_answer() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, "alpha");
    let admin = program.token("alpha", "tenant_admin");
    assert_eq!(records(&server, &admin, "before").await, json!("0"));
    for n in 1..=5 {
        let delivery = client()
            .post(format!("{}/api/v1/ingest/cdrs", server.url))
            .bearer_auth(&admin)
            .json(&json!([record(&format!("record-{n}"), 1)]));
        let (status, _, told) = answer(delivery).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        let found = records(&server, &admin, "before").await;
        assert_eq!(found, json!(n.to_string()));
    }
    program.on_cubes("TRUNCATE TABLE usage_small").await;
    // What the cubes lost without a word is missed by who was told before as little as by who was not.
    assert_eq!(records(&server, &admin, "before").await, json!("5"));
    assert_eq!(records(&server, &admin, "after").await, json!("0"));
    program.print(&["verify", "--repair"]);
    for alias in ["before", "after"] {
        assert_eq!(records(&server, &admin, alias).await, json!("5"), "{alias}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_told_again_is_the_same_in_every_byte_by_every_way() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, "alpha");
    let admin = program.token("alpha", "tenant_admin");
    let ask = "{ sims { nodes { iccid state } } }";
    let told = async |accept: &str| {
        let request = graphql(&server, &admin, ask).header("accept", accept);
        let response = request.send().await.expect("an answer");
        let headers = response.headers().clone();
        assert_ne!(headers.get("x-request-id"), None);
        (
            headers["content-type"].clone(),
            response.bytes().await.expect("a body"),
            headers["x-request-id"].clone(),
        )
    };
    let (newer, older) = ("application/graphql-response+json", "application/json");
    let first = told(newer).await;
    for accept in [newer, older, newer] {
        let (content_type, body, id) = told(accept).await;
        assert!(content_type.to_str().expect("text").starts_with(accept));
        assert_eq!(body, first.1);
        assert_ne!(id, first.2);
    }
    // The same bytes by another way are another question.
    let query = "query=%7Bme%7Brole%7D%7D";
    let url = format!("{}/graphql", server.url);
    let got = client().get(format!("{url}?{query}")).bearer_auth(&admin);
    let (status, _, _) = answer(got).await;
    assert_eq!(status, StatusCode::OK);
    for body in [query.to_owned(), format!("GET {query}")] {
        let post = client().post(&url).bearer_auth(&admin).body(body);
        let (status, _, told) = answer(post.header("content-type", "application/json")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{told}");
    }
    // A mutation is made each time that it is asked for, and what was a query's is none of its.
    let mutation =
        "mutation { createLabelDefinition(input: { key: \"again\" }) { userErrors { code } } }";
    for expected in [json!([]), json!([{ "code": "CONFLICT" }])] {
        let made = change(&server, &admin, mutation).await;
        assert_eq!(made["createLabelDefinition"]["userErrors"], expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_an_error_is_not_told_again() {
    let program = Program::new();
    let server = program.serve(&[]).await;
    fleet(&program, "alpha");
    let admin = program.token("alpha", "tenant_admin");
    let usage = "usage(input: { period: { between: { from: \"2020-01-01T00:00:00Z\", to: \"2100-01-01T00:00:00Z\" } } }) { totals { records } }";
    let ask = format!("{{ me {{ role }} a: {usage} b: {usage} }}");
    let told = async || {
        let (status, _, told) = answer(graphql(&server, &admin, &ask)).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        assert_eq!(told["data"]["me"]["role"], "TENANT_ADMIN", "{told}");
        told
    };
    program.on_cubes("RENAME TABLE usage_small TO away").await;
    for _ in 0..2 {
        let broken = told().await;
        let errors = broken["errors"].as_array().expect("errors");
        assert_eq!(errors.len(), 2, "{broken}");
        for error in errors {
            assert_eq!(error["message"], "internal error", "{broken}");
            assert!(error["extensions"]["requestId"].is_string(), "{broken}");
        }
        for field in ["a", "b"] {
            assert!(errors.iter().any(|error| error["path"] == json!([field])));
            assert_eq!(broken["data"][field], Value::Null);
        }
    }
    program.on_cubes("RENAME TABLE away TO usage_small").await;
    let whole = told().await;
    assert_eq!(whole.get("errors"), None, "{whole}");
    for field in ["a", "b"] {
        assert_eq!(whole["data"][field]["totals"]["records"], "0");
    }
}

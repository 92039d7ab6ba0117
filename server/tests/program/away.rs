//! What the program says when a server that it needs is not there from the beginning.

use std::time::Duration;

use ::http::StatusCode;

use crate::{
    http::{answer, client},
    support::Program,
};

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

#[test]
fn a_store_that_does_not_answer_is_named_by_setting_and_host_and_its_password_is_not() {
    let program = Program::new();
    for (name, scheme) in [("DATABASE_URL", "postgres"), ("CLICKHOUSE_URL", "http")] {
        let output = program
            .command(&["migrate"])
            .env(name, format!("{scheme}://me:hunter2@{NOWHERE}/x"))
            .output()
            .expect("the program runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(said.contains(&format!("{name} ({NOWHERE}): ")), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "one sentence: {said}");
        let causes: Vec<&str> = said.trim().split(": ").collect();
        for (place, cause) in causes.iter().enumerate() {
            assert!(!causes[..place].contains(cause), "said twice: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_does_not_answer_is_seen_before_the_first_token() {
    let program = Program::new();
    let issuer = format!("http://{NOWHERE}");
    let server = program.serve(&[("OIDC_ISSUER", &issuer)]).await;
    let seen = async {
        loop {
            let request = client().get(format!("{}/health/ready", server.url));
            let (status, _, value) = answer(request).await;
            assert_eq!(status, StatusCode::OK, "{value}");
            if value["checks"]["issuer"] == "degraded" {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let value = tokio::time::timeout(Duration::from_mins(1), seen).await;
    assert_eq!(value.expect("seen")["status"], "degraded");
    let log = program.log();
    assert!(
        log.contains("WARN") && log.contains("identity provider"),
        "{log}"
    );
}

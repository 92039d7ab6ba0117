//! Keys that change, and issuers that do not answer.

use std::{sync::atomic::Ordering, time::Duration};

use domain::Code;
use jsonwebtoken::Algorithm;
use serde_json::json;
use server::{auth::Jwks, auth::Source};

use crate::issuer::{
    Issuer, RSA_ONE, RSA_TWO, assert_refused, code, published, rs256, rsa, sign, standard,
    verifier, with,
};

#[tokio::test]
async fn a_rotation_needs_no_restart() {
    let (issuer, verifier) = standard().await;
    let claims = issuer.claims();
    assert_eq!(code(&verifier, &rs256(&claims)).await, None);
    let two = published(&rsa(RSA_TWO), Algorithm::RS256, "two");
    issuer.set(vec![two]);
    let fresh = sign(&rsa(RSA_TWO), Algorithm::RS256, Some("two"), &claims);
    assert_eq!(code(&verifier, &fresh).await, None, "the new key is found");
    assert_refused(&verifier, &rs256(&claims), "the old key was taken back").await;
}

#[tokio::test]
async fn unknown_keys_do_not_make_the_server_ask_again_and_again() {
    let one = published(&rsa(RSA_ONE), Algorithm::RS256, "one");
    let issuer = Issuer::start(vec![one]).await;
    let verifier = issuer.verifier(Duration::from_hours(1));
    let claims = issuer.claims();
    assert_eq!(code(&verifier, &rs256(&claims)).await, None);
    for kid in ["a", "b", "c"] {
        let token = sign(&rsa(RSA_TWO), Algorithm::RS256, Some(kid), &claims);
        assert_refused(&verifier, &token, kid).await;
    }
    assert_eq!(issuer.fetches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_issuer_that_is_away_is_not_the_clients_fault() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    drop(listener);
    let jwks = Jwks::new(&url, Duration::from_hours(1)).expect("an HTTP client");
    let verifier = verifier(Source::Issuer(jwks), &url);
    let token = rs256(&json!({}));
    for attempt in ["the first asks", "the second need not"] {
        let error = verifier.verify(&token).await.expect_err(attempt);
        assert_eq!(error.code(), Code::Unavailable, "{attempt}");
        assert!(
            !error.to_string().contains("127.0.0.1"),
            "nothing internal: {error}"
        );
    }
}

#[tokio::test]
async fn another_issuers_discovery_document_is_refused() {
    let (issuer, _) = standard().await;
    let alias = issuer.url.replace("127.0.0.1", "localhost");
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let jwks = Jwks::new(&alias, Duration::ZERO).expect("an HTTP client");
    let verifier = verifier(Source::Issuer(jwks), &alias);
    let token = rs256(&with(issuer.claims(), "iss", json!(alias)));
    assert_eq!(code(&verifier, &token).await, Some(Code::Unavailable));
}

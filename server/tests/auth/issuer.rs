//! An issuer of the test's own, its keys, and tokens that are signed with them.

use std::{
    sync::Arc, sync::Mutex, sync::atomic::AtomicUsize, sync::atomic::Ordering, time::Duration,
};

use axum::{Json, Router, extract::State, routing::get};
use chrono::{DateTime, Utc};
use domain::{Code, FixedClock};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use server::{auth::Jwks, auth::Rules, auth::Source, auth::Verifier};

pub(crate) const RSA_ONE: &[u8] = include_bytes!("../keys/rsa_one.pem");
pub(crate) const RSA_ONE_PUBLIC: &[u8] = include_bytes!("../keys/rsa_one.pub.pem");
pub(crate) const RSA_TWO: &[u8] = include_bytes!("../keys/rsa_two.pem");
pub(crate) const RSA_SMALL: &[u8] = include_bytes!("../keys/rsa_small.pem");
pub(crate) const EC: &[u8] = include_bytes!("../keys/ec.pem");

pub(crate) const NOW: i64 = 1_795_000_000;

/// An issuer whose keys can be changed while it runs.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    pub(crate) fetches: Arc<AtomicUsize>,
}

impl Issuer {
    pub(crate) async fn start(keys: Vec<Value>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let issuer = Self {
            url,
            keys: Arc::new(Mutex::new(keys)),
            fetches: Arc::new(AtomicUsize::new(0)),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys_of))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        issuer
    }

    pub(crate) fn set(&self, keys: Vec<Value>) {
        *self.keys.lock().expect("not poisoned") = keys;
    }

    pub(crate) fn verifier(&self, interval: Duration) -> Verifier {
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let jwks = Jwks::new(&self.url, interval).expect("an HTTP client");
        verifier(Source::Issuer(jwks), &self.url)
    }

    pub(crate) fn claims(&self) -> Value {
        json!({
            "iss": self.url, "aud": "simcube", "sub": "someone", "exp": NOW + 600, "nbf": NOW - 600,
            "tenant": "alpha", "role": "tenant_admin",
        })
    }
}

pub(crate) async fn discovery(State(issuer): State<Issuer>) -> Json<Value> {
    Json(json!({ "issuer": issuer.url, "jwks_uri": format!("{}/keys", issuer.url) }))
}

pub(crate) async fn keys_of(State(issuer): State<Issuer>) -> Json<Value> {
    issuer.fetches.fetch_add(1, Ordering::SeqCst);
    Json(json!({ "keys": *issuer.keys.lock().expect("not poisoned") }))
}

pub(crate) fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock(
        DateTime::<Utc>::from_timestamp(NOW, 0).expect("a date"),
    ))
}

pub(crate) fn verifier(source: Source, issuer: &str) -> Verifier {
    let rules = Rules {
        issuer: issuer.into(),
        audience: "simcube".into(),
        tenant_claim: "tenant".into(),
        role_claim: "role".into(),
        customer_claim: "customer".into(),
    };
    Verifier::new(source, rules, clock())
}

pub(crate) fn rsa(pem: &[u8]) -> EncodingKey {
    EncodingKey::from_rsa_pem(pem).expect("an RSA key")
}

pub(crate) fn ec() -> EncodingKey {
    EncodingKey::from_ec_pem(EC).expect("an EC key")
}

/// The public half as an issuer publishes it.
pub(crate) fn published(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> Value {
    let jwk = Jwk::from_encoding_key(key, algorithm).expect("a JWK");
    let mut value = serde_json::to_value(jwk).expect("JSON");
    value["kid"] = kid.into();
    value["use"] = "sig".into();
    value
}

pub(crate) fn with(mut value: Value, name: &str, field: Value) -> Value {
    value[name] = field;
    value
}

pub(crate) fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().expect("an object").remove(name);
    value
}

pub(crate) fn sign(
    key: &EncodingKey,
    algorithm: Algorithm,
    kid: Option<&str>,
    claims: &Value,
) -> String {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    jsonwebtoken::encode(&header, claims, key).expect("signed")
}

pub(crate) fn rs256(claims: &Value) -> String {
    sign(&rsa(RSA_ONE), Algorithm::RS256, Some("one"), claims)
}

pub(crate) async fn standard() -> (Issuer, Verifier) {
    let one = published(&rsa(RSA_ONE), Algorithm::RS256, "one");
    let curve = published(&ec(), Algorithm::ES256, "curve");
    let issuer = Issuer::start(vec![one, curve]).await;
    let verifier = issuer.verifier(Duration::ZERO);
    (issuer, verifier)
}

pub(crate) async fn code(verifier: &Verifier, token: &str) -> Option<Code> {
    verifier.verify(token).await.err().map(|error| error.code())
}

pub(crate) async fn assert_refused(verifier: &Verifier, token: &str, why: &str) {
    assert_eq!(
        code(verifier, token).await,
        Some(Code::Unauthenticated),
        "{why}"
    );
}

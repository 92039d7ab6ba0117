//! Which tokens verify. The issuer is a small HTTP server of the test.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, extract::State, routing::get};
use chrono::{DateTime, Utc};
use domain::{Code, FixedClock, Role};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};
use server::{
    auth::{DevelopmentKey, Jwks, Rules, Source, Verifier, development::Claims},
    config::Oidc,
};

const RSA_ONE: &[u8] = include_bytes!("keys/rsa_one.pem");
const RSA_ONE_PUBLIC: &[u8] = include_bytes!("keys/rsa_one.pub.pem");
const RSA_TWO: &[u8] = include_bytes!("keys/rsa_two.pem");
const RSA_SMALL: &[u8] = include_bytes!("keys/rsa_small.pem");
const EC: &[u8] = include_bytes!("keys/ec.pem");

const NOW: i64 = 1_795_000_000;

/// An issuer whose keys can be changed while it runs.
#[derive(Clone)]
struct Issuer {
    url: String,
    keys: Arc<Mutex<Vec<Value>>>,
    fetches: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start(keys: Vec<Value>) -> Self {
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

    fn set(&self, keys: Vec<Value>) {
        *self.keys.lock().expect("not poisoned") = keys;
    }

    fn verifier(&self, interval: Duration) -> Verifier {
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let jwks = Jwks::new(&self.url, interval).expect("an HTTP client");
        verifier(Source::Issuer(jwks), &self.url)
    }

    fn claims(&self) -> Value {
        json!({
            "iss": self.url, "aud": "simcube", "sub": "someone", "exp": NOW + 600, "nbf": NOW - 600,
            "tenant": "alpha", "role": "tenant_admin",
        })
    }
}

async fn discovery(State(issuer): State<Issuer>) -> Json<Value> {
    Json(json!({ "issuer": issuer.url, "jwks_uri": format!("{}/keys", issuer.url) }))
}

async fn keys_of(State(issuer): State<Issuer>) -> Json<Value> {
    issuer.fetches.fetch_add(1, Ordering::SeqCst);
    Json(json!({ "keys": *issuer.keys.lock().expect("not poisoned") }))
}

fn clock() -> Arc<FixedClock> {
    Arc::new(FixedClock(
        DateTime::<Utc>::from_timestamp(NOW, 0).expect("a date"),
    ))
}

fn verifier(source: Source, issuer: &str) -> Verifier {
    let rules = Rules {
        issuer: issuer.into(),
        audience: "simcube".into(),
        tenant_claim: "tenant".into(),
        role_claim: "role".into(),
        customer_claim: "customer".into(),
    };
    Verifier::new(source, rules, clock())
}

fn rsa(pem: &[u8]) -> EncodingKey {
    EncodingKey::from_rsa_pem(pem).expect("an RSA key")
}

fn ec() -> EncodingKey {
    EncodingKey::from_ec_pem(EC).expect("an EC key")
}

/// The public half as an issuer publishes it.
fn published(key: &EncodingKey, algorithm: Algorithm, kid: &str) -> Value {
    let jwk = Jwk::from_encoding_key(key, algorithm).expect("a JWK");
    let mut value = serde_json::to_value(jwk).expect("JSON");
    value["kid"] = kid.into();
    value["use"] = "sig".into();
    value
}

fn with(mut value: Value, name: &str, field: Value) -> Value {
    value[name] = field;
    value
}

fn without(mut value: Value, name: &str) -> Value {
    value.as_object_mut().expect("an object").remove(name);
    value
}

fn sign(key: &EncodingKey, algorithm: Algorithm, kid: Option<&str>, claims: &Value) -> String {
    let mut header = Header::new(algorithm);
    header.kid = kid.map(str::to_owned);
    jsonwebtoken::encode(&header, claims, key).expect("signed")
}

fn rs256(claims: &Value) -> String {
    sign(&rsa(RSA_ONE), Algorithm::RS256, Some("one"), claims)
}

async fn standard() -> (Issuer, Verifier) {
    let one = published(&rsa(RSA_ONE), Algorithm::RS256, "one");
    let curve = published(&ec(), Algorithm::ES256, "curve");
    let issuer = Issuer::start(vec![one, curve]).await;
    let verifier = issuer.verifier(Duration::ZERO);
    (issuer, verifier)
}

async fn code(verifier: &Verifier, token: &str) -> Option<Code> {
    verifier.verify(token).await.err().map(|error| error.code())
}

async fn assert_refused(verifier: &Verifier, token: &str, why: &str) {
    assert_eq!(
        code(verifier, token).await,
        Some(Code::Unauthenticated),
        "{why}"
    );
}

#[tokio::test]
async fn rs256_and_es256_tokens_of_the_issuer_verify() {
    let (issuer, verifier) = standard().await;
    let claims = verifier
        .verify(&rs256(&issuer.claims()))
        .await
        .expect("verified");
    assert_eq!(claims.role(), Role::TenantAdmin);
    let token = sign(&ec(), Algorithm::ES256, Some("curve"), &issuer.claims());
    assert!(verifier.verify(&token).await.is_ok());
}

#[tokio::test]
async fn a_signature_that_does_not_fit_is_refused() {
    let (issuer, verifier) = standard().await;
    let forged = sign(
        &rsa(RSA_TWO),
        Algorithm::RS256,
        Some("one"),
        &issuer.claims(),
    );
    assert_refused(&verifier, &forged, "another key under a known id").await;
    let good = rs256(&issuer.claims());
    let mut parts: Vec<&str> = good.split('.').collect();
    let other = rs256(&with(issuer.claims(), "tenant", json!("beta")));
    parts[1] = other.split('.').nth(1).expect("a payload");
    assert_refused(&verifier, &parts.join("."), "a payload that was exchanged").await;
    parts[2] = "";
    assert_refused(&verifier, &parts.join("."), "no signature").await;
    for malformed in [
        "",
        ".",
        "..",
        "a.b.c",
        "no token",
        &"a".repeat(20_000),
        "é.é.é",
    ] {
        assert_refused(&verifier, malformed, malformed).await;
    }
}

#[tokio::test]
async fn issuer_audience_and_times_are_checked() {
    let (issuer, verifier) = standard().await;
    let claims = || issuer.claims();
    for (wrong, why) in [
        (with(claims(), "iss", json!("http://elsewhere")), "issuer"),
        (with(claims(), "aud", json!("another")), "audience"),
        (
            with(claims(), "aud", json!(["another", "third"])),
            "audiences",
        ),
        (with(claims(), "exp", json!(NOW - 31)), "expired"),
        (
            with(claims(), "exp", json!("tomorrow")),
            "expiry that is no number",
        ),
        (with(claims(), "nbf", json!(NOW + 31)), "not valid yet"),
        (without(claims(), "exp"), "no expiry"),
        (without(claims(), "iss"), "no issuer"),
        (without(claims(), "aud"), "no audience"),
        (without(claims(), "sub"), "no subject"),
    ] {
        assert_refused(&verifier, &rs256(&wrong), why).await;
    }
    for (right, why) in [
        (
            with(claims(), "exp", json!(NOW - 29)),
            "expired within the leeway",
        ),
        (
            with(claims(), "nbf", json!(NOW + 29)),
            "early within the leeway",
        ),
        (
            with(claims(), "aud", json!(["another", "simcube"])),
            "one of the audiences",
        ),
        (without(claims(), "nbf"), "no beginning"),
    ] {
        assert_eq!(code(&verifier, &rs256(&right)).await, None, "{why}");
    }
}

#[tokio::test]
async fn claims_must_name_a_tenant_and_one_role() {
    let (issuer, verifier) = standard().await;
    let claims = || issuer.claims();
    for (wrong, why) in [
        (without(claims(), "tenant"), "no tenant"),
        (
            with(claims(), "tenant", json!(7)),
            "a tenant that is no text",
        ),
        (
            with(claims(), "tenant", json!("al\u{0}pha")),
            "NUL in the tenant",
        ),
        (
            with(claims(), "sub", json!("a\u{0}b")),
            "NUL in the subject",
        ),
        (without(claims(), "role"), "no role"),
        (with(claims(), "role", json!("root")), "an unknown role"),
        (
            with(claims(), "role", json!(["viewer", "support"])),
            "two roles",
        ),
        (
            with(claims(), "role", json!("customer_user")),
            "a customer user without a customer",
        ),
        (
            with(claims(), "customer", json!("bosch")),
            "an administrator of one customer",
        ),
    ] {
        assert_refused(&verifier, &rs256(&wrong), why).await;
    }
}

#[tokio::test]
async fn the_key_decides_the_algorithm() {
    let (issuer, verifier) = standard().await;
    let claims = issuer.claims();
    let confused = EncodingKey::from_secret(RSA_ONE_PUBLIC);
    let token = sign(&confused, Algorithm::HS256, Some("one"), &claims);
    assert_refused(&verifier, &token, "HS256 with the RSA key as its secret").await;
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256] {
        let token = sign(&rsa(RSA_ONE), algorithm, Some("one"), &claims);
        assert_refused(&verifier, &token, "an algorithm that the key is not for").await;
    }
    let token = sign(&ec(), Algorithm::ES256, Some("one"), &claims);
    assert_refused(&verifier, &token, "an EC signature under an RSA key's id").await;
    for header in [
        r#"{"alg":"none","kid":"one"}"#,
        r#"{"alg":"None","kid":"one"}"#,
    ] {
        let token = format!("{}.{}.", base64url(header), base64url(&claims.to_string()));
        assert_refused(&verifier, &token, header).await;
    }
}

fn base64url(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let encode = |chunk: &[u8]| {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let digit = |index: usize| char::from(DIGITS[(bits >> (18 - 6 * index)) as usize & 63]);
        (0..=chunk.len()).map(digit).collect::<String>()
    };
    text.as_bytes().chunks(3).map(encode).collect()
}

#[tokio::test]
async fn keys_that_are_not_for_signing_do_not_count() {
    let one = published(&rsa(RSA_ONE), Algorithm::RS256, "enc");
    let small = published(&rsa(RSA_SMALL), Algorithm::RS256, "small");
    let two = published(&rsa(RSA_TWO), Algorithm::RS256, "two");
    let secret =
        json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "secret", "alg": "HS256", "use": "sig" });
    let issuer = Issuer::start(vec![
        with(one, "use", json!("enc")),
        small,
        with(two.clone(), "alg", json!("RS512")),
        secret,
        json!({ "kty": "nonsense", "kid": "nonsense" }),
        with(with(two, "alg", json!("RSA-OAEP")), "kid", json!("oaep")),
        published(&ec(), Algorithm::ES256, "curve"),
    ])
    .await;
    let verifier = issuer.verifier(Duration::ZERO);
    let claims = issuer.claims();
    let token = |key: &EncodingKey, kid| sign(key, Algorithm::RS256, Some(kid), &claims);
    assert_refused(
        &verifier,
        &token(&rsa(RSA_ONE), "enc"),
        "a key for encryption",
    )
    .await;
    assert_refused(&verifier, &token(&rsa(RSA_SMALL), "small"), "1024 bits").await;
    assert_refused(&verifier, &token(&rsa(RSA_TWO), "two"), "a key for RS512").await;
    assert_refused(
        &verifier,
        &token(&rsa(RSA_TWO), "oaep"),
        "a key for RSA-OAEP",
    )
    .await;
    let symmetric = EncodingKey::from_secret(b"secret");
    let token = sign(&symmetric, Algorithm::HS256, Some("secret"), &claims);
    assert_refused(&verifier, &token, "a symmetric key in a public set").await;
    let good = sign(&ec(), Algorithm::ES256, Some("curve"), &claims);
    assert_eq!(
        code(&verifier, &good).await,
        None,
        "strange keys do not hide the good one"
    );
}

#[tokio::test]
async fn a_token_names_its_key_and_asks_for_no_extension() {
    let (issuer, verifier) = standard().await;
    let claims = issuer.claims();
    let nameless = sign(&rsa(RSA_ONE), Algorithm::RS256, None, &claims);
    assert_refused(&verifier, &nameless, "no kid").await;
    let unknown = sign(&rsa(RSA_ONE), Algorithm::RS256, Some("three"), &claims);
    assert_refused(&verifier, &unknown, "an unknown kid").await;
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some("one".into());
    header.crit = Some(vec!["b64".into()]);
    let critical = jsonwebtoken::encode(&header, &claims, &rsa(RSA_ONE)).expect("signed");
    assert_refused(&verifier, &critical, "a critical extension").await;
}

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

fn development_claims() -> Claims {
    Claims {
        tenant: "alpha".into(),
        role: Role::Support,
        customer: None,
        subject: None,
    }
}

#[tokio::test]
async fn development_tokens_count_on_loopback_and_without_an_issuer_only() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = DevelopmentKey::open(folder.path()).expect("a key");
    let hour = Duration::from_hours(1);
    let token = key
        .sign(&development_claims(), "simcube", clock().0, hour)
        .expect("signed");
    let open = |oidc: &Oidc, loopback| {
        Verifier::open(oidc, folder.path(), loopback, clock()).expect("opened")
    };
    let alone = Oidc::default();
    let role = open(&alone, true)
        .verify(&token)
        .await
        .expect("verified")
        .role();
    assert_eq!(role, Role::Support);
    let exposed = open(&alone, false);
    assert!(exposed.is_closed());
    assert_refused(&exposed, &token, "not loopback").await;
    let (issuer, _) = standard().await;
    let configured = Oidc {
        issuer: Some(issuer.url.clone()),
        ..Oidc::default()
    };
    assert_refused(&open(&configured, true), &token, "an issuer is set").await;
    let other = tempfile::tempdir().expect("a temporary folder");
    let stranger = Verifier::open(&alone, other.path(), true, clock()).expect("opened");
    assert_refused(&stranger, &token, "another data folder's key").await;
}

#[test]
fn the_development_key_is_its_owners_and_stays() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sign = |key: &DevelopmentKey| {
        key.sign(
            &development_claims(),
            "simcube",
            clock().0,
            Duration::from_mins(1),
        )
        .expect("signed")
    };
    let first = sign(&DevelopmentKey::open(folder.path()).expect("a key"));
    let second = sign(&DevelopmentKey::open(folder.path()).expect("the same key"));
    assert_eq!(first, second);
    let files: Vec<_> = std::fs::read_dir(folder.path())
        .expect("listed")
        .flatten()
        .collect();
    assert_eq!(files.len(), 1, "nothing else stays behind");
    let mode = files[0].metadata().expect("metadata").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

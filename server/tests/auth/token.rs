//! What a token has to say, and how it has to be signed.

use std::time::Duration;

use domain::Role;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::issuer::{
    Issuer, NOW, RSA_ONE, RSA_ONE_PUBLIC, RSA_SMALL, RSA_TWO, assert_refused, code, ec, published,
    rs256, rsa, sign, standard, with, without,
};

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

//! Tokens of a real Keycloak (`engines/keycloak/realm.json`), as its users get them.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{sync::Arc, time::Duration};

use domain::{Code, Role, SystemClock, identity::VerifiedClaims};
use reqwest::{Client, RequestBuilder, header::CONTENT_TYPE};
use serde_json::{Value, json};
use server::{
    auth::{Jwks, Rules, Source, Verifier},
    config::Oidc,
};

/// A client of the realm whose tokens are for us, signed with RS256.
const CONSOLE: &str = "console";
/// The same with ES256.
const CONSOLE_ES256: &str = "console-es256";
/// A client whose tokens are for somebody else.
const STRANGER: &str = "stranger";

fn http() -> Client {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    Client::new()
}

/// The address of Keycloak, without the realm.
fn keycloak() -> String {
    let issuer = testkit::issuer();
    issuer.strip_suffix("/realms/simcube").unwrap().to_owned()
}

async fn answer(request: RequestBuilder) -> Value {
    let reply = request.send().await.unwrap();
    let status = reply.status();
    let text = reply.text().await.unwrap();
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// A token of the password grant; every user's password is their name.
async fn token(realm: &str, client: &str, user: &str) -> String {
    let url = format!(
        "{}/realms/{realm}/protocol/openid-connect/token",
        keycloak()
    );
    let form = format!("grant_type=password&client_id={client}&username={user}&password={user}");
    let request = http()
        .post(url)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form);
    answer(request).await["access_token"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// As a server with this issuer has it, but that keys are asked for again at once.
fn verifier() -> Verifier {
    http();
    let (issuer, defaults) = (testkit::issuer(), Oidc::default());
    let rules = Rules {
        issuer: issuer.clone(),
        audience: defaults.audience,
        tenant_claim: defaults.tenant_claim,
        role_claim: "realm_access.roles".into(),
        customer_claim: defaults.customer_claim,
    };
    let keys = Jwks::new(&issuer, Duration::ZERO).unwrap();
    Verifier::new(Source::Issuer(keys), rules, Arc::new(SystemClock))
}

#[tokio::test]
async fn users_are_who_their_realm_says() {
    let verifier = verifier();
    let users = [
        (
            CONSOLE,
            "ana",
            "00000000-0000-4000-8000-000000000001",
            Role::TenantAdmin,
            None,
        ),
        (
            CONSOLE_ES256,
            "ben",
            "00000000-0000-4000-8000-000000000002",
            Role::CustomerUser,
            Some("bosch".to_owned()),
        ),
    ];
    for (client, user, subject, role, customer) in users {
        let token = token("simcube", client, user).await;
        let claims = VerifiedClaims::new(subject.into(), "alpha".into(), role, customer);
        assert_eq!(verifier.verify(&token).await.unwrap(), claims.unwrap());
    }
}

#[tokio::test]
async fn a_user_without_a_role_and_a_token_for_somebody_else_are_refused() {
    let verifier = verifier();
    for (client, user) in [(CONSOLE, "cleo"), (STRANGER, "ana")] {
        let token = token("simcube", client, user).await;
        let refused = verifier
            .verify(&token)
            .await
            .err()
            .map(|error| error.code());
        assert_eq!(refused, Some(Code::Unauthenticated), "{client} {user}");
    }
}

#[tokio::test]
async fn a_new_key_verifies_without_a_restart_and_the_old_one_still_does() {
    let verifier = verifier();
    let before = token("simcube", CONSOLE, "ana").await;
    assert!(verifier.verify(&before).await.is_ok());
    let new_key = json!({
        "name": "rotated", "providerId": "rsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
        "config": { "priority": ["200"], "algorithm": ["RS256"] },
    });
    let admin = token("master", "admin-cli", "admin").await;
    let components = format!("{}/admin/realms/simcube/components", keycloak());
    let request = http()
        .post(components)
        .bearer_auth(admin)
        .header(CONTENT_TYPE, "application/json")
        .body(new_key.to_string());
    answer(request).await;
    let after = token("simcube", CONSOLE, "ana").await;
    let header = |token: &str| token.split('.').next().unwrap().to_owned();
    assert_ne!(header(&before), header(&after), "signed with the new key");
    assert!(verifier.verify(&after).await.is_ok());
    assert!(verifier.verify(&before).await.is_ok());
}

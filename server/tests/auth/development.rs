//! The development key of the data folder.

use std::time::Duration;

use domain::Role;
use server::{auth::DevelopmentKey, auth::Verifier, auth::development::Claims, config::Oidc};

use crate::issuer::{assert_refused, clock, standard};

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

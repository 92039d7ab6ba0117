//! The issuer's signing keys: found by OIDC discovery, cached, fetched again when a token names a key that is not
//! among them, so a rotation needs no restart.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{Code, Error, Result};
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use tokio::{
    sync::{Mutex, RwLock},
    time::Instant,
};

use super::key::Key;

/// A key set or a discovery document is never larger.
const DOCUMENT_BYTES: usize = 1024 * 1024;
/// Keys that the issuer took back are forgotten after this long.
const MAX_AGE: Duration = Duration::from_mins(10);
/// An RSA modulus of 2048 bits, as bytes of base64url text.
const RSA_MODULUS_TEXT: usize = 342;

/// The keys of one issuer.
pub struct Jwks {
    issuer: String,
    http: reqwest::Client,
    interval: Duration,
    keys: RwLock<Arc<HashMap<String, Key>>>,
    fetches: Mutex<Fetches>,
}

/// When the issuer was last asked, and when it last answered.
#[derive(Default)]
struct Fetches {
    asked: Option<Instant>,
    answered: Option<Instant>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Jwks {
    /// Keys of `issuer`, asked for at most once per `interval`. Nothing is fetched yet.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(issuer: &str, interval: Duration) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(5))
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            issuer: issuer.into(),
            http,
            interval,
            keys: RwLock::default(),
            fetches: Mutex::default(),
        })
    }

    /// The signing key with this id.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the issuer has no such key, `UNAVAILABLE` when it never answered.
    pub(super) async fn find(&self, kid: &str) -> Result<Key> {
        let known = self.keys.read().await.get(kid).cloned();
        let fresh = |fetches: &Fetches| {
            fetches
                .answered
                .is_some_and(|answered| answered.elapsed() < MAX_AGE)
        };
        // A known key is used without waiting while another request fetches.
        match (known, self.fetches.try_lock()) {
            (Some(key), Err(_)) => return Ok(key),
            (Some(key), Ok(fetches)) if fresh(&fetches) => return Ok(key),
            _ => {}
        }
        let mut fetches = self.fetches.lock().await;
        let found = self.keys.read().await.get(kid).cloned();
        if let (Some(key), true) = (&found, fresh(&fetches)) {
            return Ok(key.clone());
        }
        let outcome = if fetches
            .asked
            .is_none_or(|asked| asked.elapsed() >= self.interval)
        {
            fetches.asked = Some(Instant::now());
            let outcome = self.refresh().await;
            if outcome.is_ok() {
                fetches.answered = Some(Instant::now());
            }
            outcome
        } else {
            Ok(())
        };
        // Stale keys serve while the issuer is away.
        let found = if outcome.is_ok() {
            self.keys.read().await.get(kid).cloned()
        } else {
            found
        };
        match (found, outcome) {
            (Some(key), _) => Ok(key),
            (None, Err(cause)) => Err(away(cause)),
            (None, Ok(())) if fetches.answered.is_none() => Err(away("no answer yet".into())),
            (None, Ok(())) => Err(Error::new(
                Code::Unauthenticated,
                "the issuer has no such signing key",
            )),
        }
    }

    /// Asks the issuer for its keys, whatever is known of them.
    pub(super) async fn ask(&self) -> Result<()> {
        let mut fetches = self.fetches.lock().await;
        self.refresh().await.map_err(away)?;
        fetches.answered = Some(Instant::now());
        Ok(())
    }

    async fn refresh(&self) -> Result<(), Cause> {
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        let discovery: Discovery = serde_json::from_slice(&self.fetch(&url).await?)?;
        if discovery.issuer.trim_end_matches('/') != self.issuer {
            return Err("the discovery document names another issuer".into());
        }
        let set: KeySet = serde_json::from_slice(&self.fetch(&discovery.jwks_uri).await?)?;
        let keys = set.keys.into_iter().filter_map(signing_key).collect();
        *self.keys.write().await = Arc::new(keys);
        Ok(())
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, Cause> {
        let mut response = self.http.get(url).send().await?.error_for_status()?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > DOCUMENT_BYTES {
                return Err("the issuer's document is too large".into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

fn away(cause: Cause) -> Error {
    Error::unavailable("the identity provider does not answer", cause)
}

/// The key's id and the one algorithm it may be used with. Keys for encryption, of other kinds or too small are
/// left out, one by one, so that a strange key does not hide the good ones.
fn signing_key(value: serde_json::Value) -> Option<(String, Key)> {
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    let common = &jwk.common;
    let usage = common.public_key_use.as_ref();
    let operations = common.key_operations.as_ref();
    let signs = usage.is_none_or(|usage| *usage == PublicKeyUse::Signature)
        && operations.is_none_or(|allowed| allowed.contains(&KeyOperations::Verify));
    if !signs {
        return None;
    }
    let algorithm = match (&jwk.algorithm, common.key_algorithm) {
        (AlgorithmParameters::RSA(rsa), None | Some(KeyAlgorithm::RS256))
            if rsa.n.len() >= RSA_MODULUS_TEXT =>
        {
            Algorithm::RS256
        }
        (AlgorithmParameters::EllipticCurve(key), None | Some(KeyAlgorithm::ES256))
            if key.curve == EllipticCurve::P256 =>
        {
            Algorithm::ES256
        }
        _ => return None,
    };
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    Some((
        common.key_id.clone()?,
        Key {
            algorithm,
            decoding,
        },
    ))
}

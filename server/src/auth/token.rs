//! One token, verified: the key by its id, the algorithm pinned by the key and never by the token, then issuer,
//! audience and times.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use domain::{Clock, Code, Error, Result, Role, identity::VerifiedClaims};
use jsonwebtoken::Validation;
use serde_json::{Map, Value};

use super::{DevelopmentKey, Jwks, development, key::Key};
use crate::config::Oidc;

/// Clocks of issuer and server may differ by this many seconds.
const LEEWAY: f64 = 30.0;
/// A token is never longer; header blocks are bounded by the HTTP server anyway.
const TOKEN_BYTES: usize = 16 * 1024;

/// Where keys come from.
pub enum Source {
    /// An OIDC issuer.
    Issuer(Jwks),
    /// The development key of the data folder.
    Development(DevelopmentKey),
    /// Nowhere: neither is allowed, so no token verifies.
    Closed,
}

/// What a token must say, and where.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Required `iss`.
    pub issuer: String,
    /// Required `aud`.
    pub audience: String,
    /// Claim of the tenant's slug.
    pub tenant_claim: String,
    /// Claim of the role.
    pub role_claim: String,
    /// Claim of the customer's slug.
    pub customer_claim: String,
}

/// Verifies tokens.
pub struct Verifier {
    source: Source,
    rules: Rules,
    clock: Arc<dyn Clock>,
}

impl Verifier {
    /// A verifier with these keys and rules.
    pub fn new(source: Source, rules: Rules, clock: Arc<dyn Clock>) -> Self {
        Self {
            source,
            rules,
            clock,
        }
    }

    /// Chooses the keys by configuration: the issuer if one is set, else the development key when the server is
    /// reachable from this machine only, else none.
    ///
    /// # Errors
    /// When the development key cannot be read or made.
    pub fn open(
        oidc: &Oidc,
        data: &std::path::Path,
        loopback: bool,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let (source, issuer) = match &oidc.issuer {
            Some(issuer) => {
                let interval = Duration::from_secs(oidc.refresh_seconds);
                (Source::Issuer(Jwks::new(issuer, interval)?), issuer.clone())
            }
            None if loopback => {
                let key = DevelopmentKey::open(data)?;
                (Source::Development(key), development::ISSUER.to_owned())
            }
            None => (Source::Closed, String::new()),
        };
        // Development tokens have our own claim names whatever the configuration says of an issuer's.
        let named = |name: &String, own: &str| match &source {
            Source::Issuer(_) => name.clone(),
            _ => own.to_owned(),
        };
        let rules = Rules {
            issuer,
            audience: oidc.audience.clone(),
            tenant_claim: named(&oidc.tenant_claim, "tenant"),
            role_claim: named(&oidc.role_claim, "role"),
            customer_claim: named(&oidc.customer_claim, "customer"),
        };
        Ok(Self::new(source, rules, clock))
    }

    /// Whether no token can verify.
    pub fn is_closed(&self) -> bool {
        matches!(self.source, Source::Closed)
    }

    /// Asks the issuer for its keys, if there is one.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it does not answer with them.
    pub async fn ask_issuer(&self) -> Result<()> {
        match &self.source {
            Source::Issuer(jwks) => jwks.ask().await,
            Source::Development(_) | Source::Closed => Ok(()),
        }
    }

    /// Verifies a token and reads its claims.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when it does not verify, `UNAVAILABLE` when the issuer's keys cannot be had.
    pub async fn verify(&self, token: &str) -> Result<VerifiedClaims> {
        if token.len() > TOKEN_BYTES {
            return Err(refused("the token is too long"));
        }
        let header =
            jsonwebtoken::decode_header(token).map_err(|_| refused("the token is malformed"))?;
        if header.crit.is_some() {
            return Err(refused(
                "the token asks for an extension that is not known here",
            ));
        }
        let key = match &self.source {
            Source::Issuer(jwks) => {
                let kid = header.kid.as_deref();
                jwks.find(kid.ok_or_else(|| refused("the token names no key"))?)
                    .await?
            }
            Source::Development(key) => key.key(),
            Source::Closed => return Err(refused("no issuer of tokens is configured")),
        };
        if header.alg != key.algorithm {
            return Err(refused(
                "the token is signed in a way that its key is not for",
            ));
        }
        let claims = self.signed(token, &key)?;
        self.in_time(&claims)?;
        self.read(&claims)
    }

    fn signed(&self, token: &str, key: &Key) -> Result<Map<String, Value>> {
        use jsonwebtoken::errors::ErrorKind;
        let mut validation = Validation::new(key.algorithm);
        validation.set_issuer(&[&self.rules.issuer]);
        validation.set_audience(&[&self.rules.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Times are compared below, to the clock of this server's transactions.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, &key.decoding, &validation);
        decoded.map(|data| data.claims).map_err(|error| {
            refused(match error.kind() {
                ErrorKind::InvalidIssuer => "the token is from another issuer",
                ErrorKind::InvalidAudience => "the token is for another audience",
                ErrorKind::MissingRequiredClaim(_) => "the token lacks one of exp, iss, aud, sub",
                _ => "the token's signature does not verify",
            })
        })
    }

    fn in_time(&self, claims: &Map<String, Value>) -> Result<()> {
        let now = seconds(self.clock.now());
        let time = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(value) => value
                .as_f64()
                .map(Some)
                .ok_or_else(|| refused("the token's times are numbers of seconds")),
        };
        match time("exp")? {
            Some(expires) if now < expires + LEEWAY => {}
            _ => return Err(refused("the token has expired")),
        }
        match time("nbf")? {
            Some(begins) if now + LEEWAY < begins => Err(refused("the token is not valid yet")),
            _ => Ok(()),
        }
    }

    fn read(&self, claims: &Map<String, Value>) -> Result<VerifiedClaims> {
        let text = |name: &str| match lookup(claims, name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(refused(
                "the token's tenant, customer and subject are texts",
            )),
        };
        let subject = text("sub")?.ok_or_else(|| refused("the token lacks sub"))?;
        let tenant =
            text(&self.rules.tenant_claim)?.ok_or_else(|| refused("the token names no tenant"))?;
        let customer = text(&self.rules.customer_claim)?;
        let role = role(lookup(claims, &self.rules.role_claim))?;
        VerifiedClaims::new(subject, tenant, role, customer)
    }
}

/// The claim with this very name (names may be URLs), or the one that its dots lead to.
fn lookup<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    claims.get(name).or_else(|| {
        let mut parts = name.split('.');
        let first = claims.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part))
    })
}

/// The one known role of a claim. Two known roles would leave the choice to chance, so they are refused.
fn role(claim: Option<&Value>) -> Result<Role> {
    let words: Vec<&str> = match claim {
        Some(Value::String(word)) => vec![word],
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let mut known: Vec<Role> = words.iter().filter_map(|word| word.parse().ok()).collect();
    known.sort_unstable();
    known.dedup();
    match known.as_slice() {
        [role] => Ok(*role),
        [] => Err(refused("the token names no known role")),
        _ => Err(refused("the token names more than one role")),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of this age are exact in 53 bits"
)]
fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp() as f64
}

fn refused(why: &str) -> Error {
    Error::new(Code::Unauthenticated, why)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_role_is_one_known_word_or_a_list_with_one() {
        let of = |value: Value| role(Some(&value)).ok();
        assert_eq!(of(json!("viewer")), Some(Role::Viewer));
        assert_eq!(
            of(json!(["offline_access", "support"])),
            Some(Role::Support)
        );
        assert_eq!(of(json!(["viewer", "support"])), None);
        assert_eq!(of(json!(["offline_access"])), None);
        assert_eq!(of(json!({"role": "viewer"})), None);
    }

    #[test]
    fn claims_are_found_by_name_and_by_path() {
        let claims = json!({"https://x.test/t": 1, "realm_access": {"roles": 2}});
        let claims = claims.as_object().cloned().unwrap_or_default();
        assert_eq!(lookup(&claims, "https://x.test/t"), Some(&json!(1)));
        assert_eq!(lookup(&claims, "realm_access.roles"), Some(&json!(2)));
        assert_eq!(lookup(&claims, "realm_access.none"), None);
    }
}

//! The development key: random, in the data folder, readable by its owner only.

use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Utc};
use domain::Role;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use serde_json::json;
use uuid::Uuid;

use super::key::Key;

/// Issuer of development tokens.
pub const ISSUER: &str = "simcube-development";

const FILE: &str = "development.key";

/// What a development token says.
#[derive(Clone, Debug)]
pub struct Claims {
    /// Slug of the tenant.
    pub tenant: String,
    /// The role.
    pub role: Role,
    /// Slug of the customer, if any.
    pub customer: Option<String>,
    /// Subject; without one it is made of role and customer.
    pub subject: Option<String>,
}

/// An HS256 key of this data folder.
#[derive(Clone)]
pub struct DevelopmentKey(Vec<u8>);

impl DevelopmentKey {
    /// Reads the key of a data folder, or makes one with mode 0600. Two processes may do so at once.
    ///
    /// # Errors
    /// When the folder cannot be written or the file is not such a key.
    pub fn open(data: &Path) -> Result<Self> {
        let path = data.join(FILE);
        fs::create_dir_all(data)
            .with_context(|| format!("cannot create the data folder {}", data.display()))?;
        // Written aside and linked into place, so that nobody reads half a key.
        let fresh = data.join(format!(".{FILE}.{}", Uuid::new_v4().simple()));
        if !path.exists() {
            write(&fresh).with_context(|| format!("cannot write {}", fresh.display()))?;
            let linked = fs::hard_link(&fresh, &path);
            fs::remove_file(&fresh).ok();
            match linked {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(error).with_context(|| format!("cannot write {}", path.display()));
                }
                _ => {}
            }
        }
        let key = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            key.len() == 32,
            "{} is not a development key; remove it",
            path.display()
        );
        Ok(Self(key))
    }

    /// Signs a token that is valid from `now` for `ttl`.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(
        &self,
        claims: &Claims,
        audience: &str,
        now: DateTime<Utc>,
        ttl: Duration,
    ) -> Result<String> {
        let subject = claims.subject.clone().unwrap_or_else(|| {
            let customer = claims.customer.iter().map(|slug| format!(":{slug}"));
            format!("dev:{}{}", claims.role, customer.collect::<String>())
        });
        let issued = now.timestamp();
        let expires = i64::try_from(ttl.as_secs())
            .ok()
            .and_then(|ttl| issued.checked_add(ttl));
        let body = json!({
            "iss": ISSUER,
            "aud": audience,
            "sub": subject,
            "iat": issued,
            "nbf": issued,
            "exp": expires.context("the time to live is too long")?,
            "tenant": claims.tenant,
            "role": claims.role.as_ref(),
            "customer": claims.customer,
        });
        let header = Header::new(Algorithm::HS256);
        jsonwebtoken::encode(&header, &body, &EncodingKey::from_secret(&self.0))
            .context("cannot sign the token")
    }

    pub(super) fn key(&self) -> Key {
        Key {
            algorithm: Algorithm::HS256,
            decoding: DecodingKey::from_secret(&self.0),
        }
    }
}

fn write(path: &Path) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(Uuid::new_v4().as_bytes())?;
    file.write_all(Uuid::new_v4().as_bytes())?;
    file.sync_all()
}

//! Addresses that give a file out without a token, for a while: signed, and bound to the job, its tenant and whoever asked for it.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Code, Error, Result,
    id::JobId,
    identity::VerifiedClaims,
    job,
    link_key::{self, LinkKey},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use service::{Entry, Session};
use sha2::Sha256;
use uuid::Uuid;

use crate::coder::digits;

/// How long a link lasts.
const LASTS: TimeDelta = TimeDelta::minutes(15);

/// What a link says beside the job that it is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Until when it is good.
    pub expires: i64,
    /// Name of the key that it is signed with.
    pub key: Uuid,
    /// The signature, in hexadecimal digits.
    pub signature: String,
}

impl Link {
    /// The address that it makes of a job's file, or of one of several, below the server's own.
    pub fn address(&self, job: JobId, part: Option<&str>) -> String {
        let Self {
            expires,
            key,
            signature,
        } = self;
        let part = part.map_or(String::new(), |part| format!("/{part}"));
        format!(
            "/api/v1/exports/{job}/file{part}?expires={expires}&key={key}&signature={signature}"
        )
    }
}

/// Signs links, and finds out who came with one.
#[derive(Clone)]
pub(crate) struct Links {
    entry: Entry,
    /// The key that signs, so that a list of files takes one statement.
    newest: Arc<Mutex<Option<LinkKey>>>,
}

impl Links {
    pub(crate) fn new(entry: Entry) -> Self {
        let newest = Arc::default();
        Self { entry, newest }
    }

    /// A link to the file of a job, for whoever asked for it.
    pub(crate) async fn sign(
        &self,
        asker: &VerifiedClaims,
        job: JobId,
        now: DateTime<Utc>,
    ) -> Result<Link> {
        let key = self.key(now).await?;
        let expires = (now + LASTS).timestamp();
        let signature = mac(&key, asker, job, expires)?.finalize().into_bytes();
        Ok(Link {
            expires,
            key: key.id,
            signature: digits(&signature),
        })
    }

    async fn key(&self, now: DateTime<Utc>) -> Result<LinkKey> {
        let known = self
            .newest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(key) = known.filter(|key| key.signs(now)) {
            return Ok(key);
        }
        let key = link_key::newest(self.entry.system().await?).await?;
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        Ok(key)
    }

    /// Lets in who came with a link: whoever asked for the job, as they were then.
    ///
    /// # Errors
    /// `NOT_FOUND` for a link that is not ours or is not good any more; `RIGHTS_CHANGED` when its tenant or customer is gone.
    pub(crate) async fn enter(&self, job: JobId, link: &Link) -> Result<Session> {
        let gone = || Error::not_found("file");
        let system = self.entry.system().await?;
        let asker = job::asker(&system, job)
            .await
            .map_err(|error| match error.code() {
                Code::NotFound => gone(),
                _ => error,
            })?;
        let now = system.now();
        let key = link_key::find(&system, link.key).await?.ok_or_else(gone)?;
        drop(system);
        let signature = bytes(&link.signature).ok_or_else(gone)?;
        let mac = mac(&key, &asker.claims, job, link.expires)?;
        mac.verify_slice(&signature).map_err(|_| gone())?;
        if now.timestamp() >= link.expires {
            return Err(gone());
        }
        let entered = self.entry.enter(&asker.claims, "export download").await;
        entered.map_err(|error| match error.code() {
            Code::Unauthenticated => gone(),
            _ => error,
        })
    }
}

/// The signature of a link, before it is finished.
fn mac(key: &LinkKey, asker: &VerifiedClaims, job: JobId, expires: i64) -> Result<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret).map_err(Error::internal)?;
    let signed = [
        job.to_string(),
        asker.tenant().to_owned(),
        asker.subject().to_owned(),
        expires.to_string(),
    ];
    // No part has this byte in it: subjects are printable.
    mac.update(signed.join("\n").as_bytes());
    Ok(mac)
}

/// The bytes of hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let is_hex = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    is_hex
        .then(|| (0..64).step_by(2).map(byte).collect())
        .flatten()
}

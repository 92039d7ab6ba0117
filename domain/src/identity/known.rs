//! Scopes that are kept between requests, each under the version of what it was made from.

use std::{mem::size_of, sync::Arc};

use moka::sync::Cache;
use uuid::Uuid;

use super::{VerifiedClaims, resolve};
use crate::{
    Db, ReadCx, Result, Scope,
    scope::{Segment, Segments},
};

/// Bytes that all kept scopes take together, about; those that were not used for longest go first.
const BOUND: u64 = 16 << 20;

/// The scopes of callers who were here lately. Cloning is cheap.
#[derive(Clone)]
pub struct Known(Cache<VerifiedClaims, Arc<Scope>>);

impl Default for Known {
    fn default() -> Self {
        let kept = Cache::builder().weigher(weight).max_capacity(BOUND);
        Self(kept.build())
    }
}

impl Known {
    /// A snapshot for the caller of a verified token, as its scope is in it: in one round trip, unless the scope changed since
    /// the caller was here last.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when the tenant or the customer does not exist, `UNAVAILABLE` when the store does not answer.
    pub async fn open(&self, db: &Db, claims: &VerifiedClaims) -> Result<ReadCx> {
        if let Some(scope) = self.0.get(claims) {
            let cx = db.read(&scope).await?;
            if cx.is_current() {
                return Ok(cx);
            }
        }
        let scope = resolve(db, claims).await?;
        self.0.insert(claims.clone(), Arc::new(scope.clone()));
        db.read(&scope).await
    }

    /// Bytes that the kept scopes take now, about.
    pub fn bytes(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.weighted_size()
    }
}

/// Bytes of an entry, about: the claims' texts, twice, its grants, and what the cache adds.
fn weight(claims: &VerifiedClaims, scope: &Arc<Scope>) -> u32 {
    const ENTRY: usize = 512;
    let grants = match scope.segments() {
        Segments::All => 0,
        Segments::Part(Segment {
            customers,
            sims,
            devices,
            ..
        }) => customers.len() + sims.len() + devices.len(),
    };
    // A tree's leaves are half full at worst.
    let bytes = ENTRY + 2 * claims.bytes() + 2 * grants * size_of::<Uuid>();
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

//! Turns at the cubes: a tenant asks so many questions at once, and its others wait in order. Another tenant does not wait for
//! them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use domain::{Code, Error, Result, id::TenantId};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Questions of a tenant that are answered at once.
const AT_ONCE: usize = 4;
/// Longest time that a question waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tenants that are remembered until those without questions are forgotten.
const REMEMBERED: usize = 1_024;

/// Who asks, and who waits. Cloning is cheap and shares them.
#[derive(Clone)]
pub(crate) struct Turns {
    tenants: Arc<Mutex<HashMap<TenantId, Weak<Semaphore>>>>,
    patience: Duration,
}

impl Default for Turns {
    fn default() -> Self {
        Self::with_patience(PATIENCE)
    }
}

impl Turns {
    fn with_patience(patience: Duration) -> Self {
        Self {
            tenants: Arc::default(),
            patience,
        }
    }

    /// A tenant's turn, for as long as it is held.
    ///
    /// # Errors
    /// `THROTTLED` when it does not come in time.
    pub(crate) async fn take(&self, tenant: TenantId) -> Result<OwnedSemaphorePermit> {
        let turn = timeout(self.patience, self.of(tenant).acquire_owned()).await;
        let text = format!(
            "more than {AT_ONCE} questions about usage are being answered for this tenant; ask again later"
        );
        turn.map_err(|_| Error::new(Code::Throttled, text))?
            .map_err(Error::internal)
    }

    /// Who waits or asks keeps it.
    fn of(&self, tenant: TenantId) -> Arc<Semaphore> {
        // Nothing is done while it is locked that could leave it half done.
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = tenants.get(&tenant).and_then(Weak::upgrade) {
            return turns;
        }
        if tenants.len() >= REMEMBERED {
            tenants.retain(|_, turns| turns.strong_count() > 0);
        }
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        tenants.insert(tenant, Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tenant(n: u128) -> TenantId {
        TenantId::new(Uuid::from_u128(n))
    }

    #[tokio::test]
    async fn the_fifth_waits_in_order_and_another_tenant_does_not() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(turns.take(tenant(1)).await.expect("a turn"));
        }
        let other = turns.take(tenant(2)).await;
        assert!(other.is_ok());
        let fifth = tokio::spawn({
            let turns = turns.clone();
            async move { turns.take(tenant(1)).await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert!(!fifth.is_finished());
        held.pop();
        assert!(fifth.await.expect("no panic"));
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told_so() {
        let turns = Turns::with_patience(Duration::from_millis(10));
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(turns.take(tenant(1)).await.expect("a turn"));
        }
        let late = turns.take(tenant(1)).await.expect_err("no turn");
        assert_eq!(late.code(), Code::Throttled);
    }

    #[tokio::test]
    async fn a_tenant_without_questions_is_forgotten() {
        let turns = Turns::default();
        for n in 0..3 * REMEMBERED as u128 {
            drop(turns.take(tenant(n)).await.expect("a turn"));
        }
        let known = turns.tenants.lock().expect("no panic").len();
        assert!(known <= REMEMBERED, "{known}");
    }
}

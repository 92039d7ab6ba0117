//! Turns at the cubes: a tenant asks so many questions at once, and its others wait in order. Another tenant does not wait for
//! them.
//!
//! A turn is taken twice. A request takes one before it gets a connection to Postgres, so that those that wait leave connections to
//! everybody else; each question of such a request takes one, too, since a request may have many.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use domain::{Code, Error, Result};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Questions of a tenant that are answered at once, and its requests with questions.
const AT_ONCE: usize = 4;
/// Longest time that a question waits.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tenants that are remembered until those without questions are forgotten.
const REMEMBERED: usize = 1_024;

/// Who asks, and who waits, by what tells tenants apart. Cloning is cheap and shares them.
#[derive(Clone)]
pub(crate) struct Turns<K> {
    tenants: Arc<Mutex<HashMap<K, Weak<Semaphore>>>>,
    patience: Duration,
}

impl<K: Eq + Hash> Default for Turns<K> {
    fn default() -> Self {
        Self::with_patience(PATIENCE)
    }
}

impl<K: Eq + Hash> Turns<K> {
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
    pub(crate) async fn take(&self, tenant: K) -> Result<OwnedSemaphorePermit> {
        let turn = timeout(self.patience, self.of(tenant).acquire_owned()).await;
        let text = format!(
            "more than {AT_ONCE} questions about usage are being answered for this tenant; ask again later"
        );
        turn.map_err(|_| Error::new(Code::Throttled, text))?
            .map_err(Error::internal)
    }

    /// Who waits or asks keeps it.
    fn of(&self, tenant: K) -> Arc<Semaphore> {
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

/// A request's turn, for as long as it is held.
#[derive(Debug)]
pub struct Turn {
    _of_tenant: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

/// Turns of requests: of each tenant, and of all together.
#[derive(Clone)]
pub(crate) struct Requests {
    tenants: Turns<String>,
    all: Arc<Semaphore>,
}

impl Requests {
    /// So many at once, whosever they are.
    pub(crate) fn new(all: usize) -> Self {
        Self {
            tenants: Turns::default(),
            all: Arc::new(Semaphore::new(all.max(1))),
        }
    }

    /// The turn of a request of the tenant with this slug.
    ///
    /// # Errors
    /// `THROTTLED` when it does not come in time.
    pub(crate) async fn take(&self, tenant: &str) -> Result<Turn> {
        let of_tenant = self.tenants.take(tenant.to_owned()).await?;
        let of_all = timeout(PATIENCE, self.all.clone().acquire_owned()).await;
        let text = "too many questions about usage are being answered; ask again later";
        Ok(Turn {
            _of_tenant: of_tenant,
            _of_all: of_all
                .map_err(|_| Error::new(Code::Throttled, text))?
                .map_err(Error::internal)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn a_tenant_that_asks_too_much_leaves_turns_to_others() {
        let requests = Requests::new(AT_ONCE + 1);
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(requests.take("alpha").await.expect("a turn"));
        }
        let waiting: Vec<_> = (0..30)
            .map(|_| {
                let requests = requests.clone();
                tokio::spawn(async move { requests.take("alpha").await.is_ok() })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(requests.take("beta").await.is_ok());
        assert!(waiting.iter().all(|one| !one.is_finished()));
        held.clear();
        for one in waiting {
            assert!(one.await.expect("no panic"));
        }
    }

    #[tokio::test]
    async fn those_beyond_wait_in_order_and_another_tenant_does_not() {
        let turns = Turns::default();
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(turns.take(1).await.expect("a turn"));
        }
        let other = turns.take(2).await;
        assert!(other.is_ok());
        let [mut fifth, mut sixth] = [(); 2].map(|()| Box::pin(turns.take(1)));
        assert!(poll!(&mut fifth).is_pending());
        assert!(poll!(&mut sixth).is_pending());
        held.pop();
        assert!(poll!(&mut sixth).is_pending(), "it is the fifth's turn");
        let turn = fifth.await.expect("a turn");
        assert!(poll!(&mut sixth).is_pending());
        drop(turn);
        assert!(sixth.await.is_ok());
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told_so() {
        let turns = Turns::with_patience(Duration::from_millis(10));
        let mut held = Vec::new();
        for _ in 0..AT_ONCE {
            held.push(turns.take(1).await.expect("a turn"));
        }
        let late = turns.take(1).await.expect_err("no turn");
        assert_eq!(late.code(), Code::Throttled);
    }

    #[tokio::test]
    async fn a_tenant_without_questions_is_forgotten() {
        let turns = Turns::default();
        for n in 0..3 * u32::try_from(REMEMBERED).expect("small") {
            drop(turns.take(n).await.expect("a turn"));
        }
        let known = turns.tenants.lock().expect("no panic").len();
        assert!(known <= REMEMBERED, "{known}");
    }
}

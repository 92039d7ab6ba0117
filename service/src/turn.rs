//! Turns at the cubes: a tenant asks so many questions at once, and its others wait in order. Another tenant does not wait for
//! them. No tenant fills the turns of requests, and tenants that wait for one are served in turn.
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

/// Questions of a tenant that are answered at once, and its requests with questions, of which it has half of all turns at most.
const AT_ONCE: usize = 4;
/// Longest time that a question waits, and that a request does.
const PATIENCE: Duration = Duration::from_secs(10);
/// Tenants that are remembered until those without questions are forgotten.
const REMEMBERED: usize = 1_024;

/// Who asks, and who waits, by what tells tenants apart. Cloning is cheap and shares them.
#[derive(Clone)]
pub(crate) struct Turns<K> {
    tenants: Arc<Mutex<HashMap<K, Weak<Semaphore>>>>,
    at_once: usize,
    patience: Duration,
}

impl<K: Eq + Hash> Default for Turns<K> {
    fn default() -> Self {
        Self::new(AT_ONCE)
    }
}

impl<K: Eq + Hash> Turns<K> {
    /// So many at once for each tenant.
    fn new(at_once: usize) -> Self {
        Self {
            tenants: Arc::default(),
            at_once,
            patience: PATIENCE,
        }
    }

    /// A tenant's turn, for as long as it is held.
    ///
    /// # Errors
    /// `THROTTLED` when it does not come in time.
    pub(crate) async fn take(&self, tenant: K) -> Result<OwnedSemaphorePermit> {
        let turn = timeout(self.patience, self.wait(tenant)).await;
        let text = format!(
            "more than {} questions about usage are being answered for this tenant; ask again later",
            self.at_once
        );
        turn.map_err(|_| Error::new(Code::Throttled, text))?
    }

    /// The same, however long it takes.
    async fn wait(&self, tenant: K) -> Result<OwnedSemaphorePermit> {
        let turn = self.of(tenant).acquire_owned().await;
        turn.map_err(Error::internal)
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
        let turns = Arc::new(Semaphore::new(self.at_once));
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
    /// The next request of each tenant, which alone waits beside those of other tenants.
    next: Turns<String>,
    tenants: Turns<String>,
    all: Arc<Semaphore>,
    patience: Duration,
}

impl Requests {
    /// So many at once, whosever they are.
    pub(crate) fn new(all: usize) -> Self {
        Self {
            next: Turns::new(1),
            tenants: Turns::new(AT_ONCE.min(all / 2).max(1)),
            all: Arc::new(Semaphore::new(all.max(1))),
            patience: PATIENCE,
        }
    }

    /// The turn of a request of the tenant with this slug.
    ///
    /// # Errors
    /// `THROTTLED` when it does not come in time.
    pub(crate) async fn take(&self, tenant: &str) -> Result<Turn> {
        let turn = async {
            let _next = self.next.wait(tenant.to_owned()).await?;
            let of_tenant = self.tenants.wait(tenant.to_owned()).await?;
            let of_all = self.all.clone().acquire_owned().await;
            Ok(Turn {
                _of_tenant: of_tenant,
                _of_all: of_all.map_err(Error::internal)?,
            })
        };
        let text = "too many questions about usage are being answered; ask again later";
        let turn = timeout(self.patience, turn).await;
        turn.map_err(|_| Error::new(Code::Throttled, text))?
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn a_tenant_that_asks_too_much_leaves_turns_to_others() {
        let requests = Requests::new(2 * AT_ONCE);
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
    async fn a_tenant_has_half_of_few_turns() {
        let requests = Requests::new(AT_ONCE);
        let mut held = Vec::new();
        for tenant in ["alpha", "alpha", "beta"] {
            held.push(requests.take(tenant).await.expect("a turn"));
        }
        let third = tokio::spawn({
            let requests = requests.clone();
            async move { requests.take("alpha").await.is_ok() }
        });
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        drop(held.pop());
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        held.clear();
        assert!(third.await.expect("no panic"));
    }

    #[tokio::test]
    async fn tenants_that_wait_take_turns() {
        let requests = Requests::new(AT_ONCE);
        let mut held = Vec::new();
        for tenant in ["gamma", "gamma", "delta", "delta"] {
            held.push(requests.take(tenant).await.expect("a turn"));
        }
        let (came, mut comes) = tokio::sync::mpsc::unbounded_channel();
        for tenant in ["alpha", "alpha", "beta"] {
            let (requests, came) = (requests.clone(), came.clone());
            tokio::spawn(async move {
                let turn = requests.take(tenant).await;
                came.send((tenant, turn)).expect("awaited");
            });
            tokio::task::yield_now().await;
        }
        let mut order = Vec::new();
        for _ in 0..3 {
            held.pop();
            let (tenant, turn) = comes.recv().await.expect("a turn");
            order.push(tenant);
            held.insert(0, turn.expect("in time"));
        }
        assert_eq!(order, ["alpha", "beta", "alpha"]);
    }

    #[tokio::test]
    async fn a_request_waits_no_longer_for_two_things_than_for_one() {
        let patience = Duration::from_secs(2);
        let requests = Requests {
            patience,
            ..Requests::new(2)
        };
        let mut held = Vec::new();
        for tenant in ["alpha", "beta"] {
            held.push(requests.take(tenant).await.expect("a turn"));
        }
        let ask = |tenant: &'static str| {
            let requests = requests.clone();
            tokio::spawn(async move {
                let began = Instant::now();
                (requests.take(tenant).await.map(drop), began.elapsed())
            })
        };
        let late = ask("alpha");
        tokio::time::sleep(patience * 3 / 4).await;
        // The turn of the tenant comes, and that of all goes to another one.
        let other = requests.all.clone().acquire_owned();
        let (other, ()) = tokio::join!(other, async { drop(held.remove(0)) });
        let (late, took) = late.await.expect("no panic");
        let late = late.expect_err("no turn");
        assert_eq!(late.code(), Code::Throttled);
        assert!(took < patience * 3 / 2, "{took:?}");
        drop(other);
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
        let turns = Turns {
            patience: Duration::from_millis(10),
            ..Turns::default()
        };
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

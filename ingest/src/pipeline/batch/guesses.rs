//! What earlier batches let expect of the next one.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use domain::{
    id::TenantId,
    journal::{Expected, Verdict},
};

/// Batches in a row in which all was new, after which the next one is expected to be all new, too: a wrong guess costs
/// time.
const ALL_NEW_STREAK: u32 = 20;

/// What earlier batches let expect of the next one.
#[derive(Default)]
pub(in crate::pipeline) struct Guesses {
    all_new: AtomicU32,
    /// Sources that are taken down.
    sources: Mutex<HashMap<TenantId, HashSet<String>>>,
}

impl Guesses {
    pub(super) fn expected(&self) -> Expected {
        if self.all_new.load(Ordering::Relaxed) < ALL_NEW_STREAK {
            Expected::SomeKnown
        } else {
            Expected::AllNew
        }
    }

    pub(super) fn learn(&self, verdicts: &[Verdict]) {
        if verdicts.iter().all(|verdict| *verdict == Verdict::Accepted) {
            self.all_new.fetch_add(1, Ordering::Relaxed);
        } else {
            self.all_new.store(0, Ordering::Relaxed);
        }
    }

    pub(super) fn knows(&self, tenant: TenantId, named: &BTreeSet<&str>) -> bool {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        let known = sources.get(&tenant);
        known.is_some_and(|known| named.iter().all(|source| known.contains(*source)))
    }

    pub(super) fn learn_sources(&self, committed: Vec<(TenantId, HashSet<String>)>) {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        for (tenant, known) in committed {
            sources.entry(tenant).or_default().extend(known);
        }
    }
}

//! Memory for what is being received, shared between tenants.
//!
//! What a body has sent is counted in steps of [`STEP`] bytes, from when it is read until its records are answered. A
//! tenant may hold at most as much as is left free, so its share shrinks when others come: alone it gets half of the
//! memory, of three tenants each gets a quarter, and a newcomer always finds room (dynamic thresholds; Choudhury and
//! Hahne, 1998). A tenant above its share waits, although bytes are free.
//!
//! Tenants that wait are served in turn, a step each; one that cannot be served is passed over. Within a tenant the
//! body that began first goes first, so that bodies read whole get finished one after the other instead of holding
//! parts of all. Whoever waits longer than the patience is turned away, if it is new. A body that has begun stays while
//! any of its tenant's moves; when nothing moves, the latest is turned away and makes room for those before it.
//!
//! Bound: bodies and their records never take more than the memory given to [`Admission::new`], plus what one reading
//! brings (64 KiB) for each body, which is counted after it came.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use domain::{Code, Error, Result, id::TenantId};
use tokio::sync::oneshot;

/// Bytes that are given at once.
pub const STEP: u64 = 64 * 1024;

/// See the module. Cloning is cheap.
#[derive(Clone)]
pub struct Admission {
    shared: Arc<Shared>,
}

struct Shared {
    patience: Duration,
    /// Orders places by age, and those who wait by when they asked.
    clock: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// Steps that nobody holds.
    free: u64,
    /// Tenants that hold or wait.
    tenants: HashMap<TenantId, Tenant>,
    /// Tenants that wait, the next one first.
    turns: VecDeque<TenantId>,
    /// How many were turned away with a body that had begun.
    turned_away: u64,
}

#[derive(Default)]
struct Tenant {
    /// Steps.
    held: u64,
    waiting: BTreeMap<Ticket, Waiter>,
    /// How many steps were ever given.
    given: u64,
}

/// The age of a place, then of its wish.
type Ticket = (u64, u64);

struct Waiter {
    /// Whether its body has begun.
    begun: bool,
    reply: oneshot::Sender<Place>,
}

/// A step for someone who waited.
struct Grant {
    tenant: TenantId,
    reply: oneshot::Sender<Place>,
}

impl Admission {
    /// Memory of `capacity_bytes`, at least two steps, half of which a single tenant may use. A newcomer waits for
    /// `patience` at most.
    pub fn new(capacity_bytes: u64, patience: Duration) -> Self {
        let state = State {
            free: (capacity_bytes / STEP).max(2),
            tenants: HashMap::new(),
            turns: VecDeque::new(),
            turned_away: 0,
        };
        let shared = Shared {
            patience,
            clock: AtomicU64::new(0),
            state: Mutex::new(state),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Bytes that are held, in whole steps.
    pub fn held(&self) -> u64 {
        let state = self.shared.lock();
        state
            .tenants
            .values()
            .map(|tenant| tenant.held)
            .sum::<u64>()
            * STEP
    }

    /// A place for a body of `tenant`. It holds nothing yet.
    pub fn place(&self, tenant: TenantId) -> Place {
        Place {
            age: self.shared.tick(),
            shared: self.shared.clone(),
            tenant,
            steps: 0,
            begun: false,
        }
    }
}

impl Shared {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// The state is counters and queues that change together under the lock: a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and gives to whoever can be served then.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = change(&mut state);
        let grants = state.serve();
        drop(state);
        for Grant { tenant, reply } in grants {
            let step = Place {
                shared: self.clone(),
                tenant,
                age: 0,
                steps: 1,
                begun: true,
            };
            // Whoever went away meanwhile gives it back by dropping it.
            drop(reply.send(step));
        }
        result
    }

    /// Asks for a step.
    fn ask(self: &Arc<Self>, place: &Place) -> Wish {
        let ticket = (place.age, self.tick());
        let (reply, granted) = oneshot::channel();
        let waiter = Waiter {
            begun: place.begun,
            reply,
        };
        let moves = self.change(|state| {
            let tenant = state.tenants.entry(place.tenant).or_default();
            if tenant.waiting.is_empty() {
                state.turns.push_back(place.tenant);
            }
            tenant.waiting.insert(ticket, waiter);
            tenant.given + state.turned_away
        });
        Wish {
            shared: self.clone(),
            tenant: place.tenant,
            ticket,
            moves,
            granted,
        }
    }
}

impl State {
    /// Gives steps in turn until nobody who waits can have one.
    fn serve(&mut self) -> Vec<Grant> {
        let mut grants = Vec::new();
        let mut passed_over = 0;
        while passed_over < self.turns.len() {
            let Some(id) = self.turns.pop_front() else {
                break;
            };
            let Some(tenant) = self.tenants.get_mut(&id) else {
                continue;
            };
            let Some(first) = tenant.waiting.first_entry() else {
                continue;
            };
            self.turns.push_back(id);
            // After the step it holds at most what is free.
            if tenant.held + 2 > self.free {
                passed_over += 1;
                continue;
            }
            passed_over = 0;
            self.free -= 1;
            let reply = first.remove().reply;
            tenant.held += 1;
            tenant.given += 1;
            grants.push(Grant { tenant: id, reply });
        }
        grants
    }

    fn release(&mut self, id: TenantId, steps: u64) {
        self.free += steps;
        if let Some(tenant) = self.tenants.get_mut(&id) {
            tenant.held -= steps;
        }
        self.forget_idle(id);
    }

    fn forget_idle(&mut self, id: TenantId) {
        let idle = |tenant: &Tenant| tenant.held == 0 && tenant.waiting.is_empty();
        if self.tenants.get(&id).is_some_and(idle) {
            self.tenants.remove(&id);
        }
    }
}

/// Someone who waits for a step, until dropped.
struct Wish {
    shared: Arc<Shared>,
    tenant: TenantId,
    ticket: Ticket,
    /// What had moved in the tenant when its patience was last counted.
    moves: u64,
    granted: oneshot::Receiver<Place>,
}

impl Wish {
    /// Whether it is turned away now that its patience has run out.
    fn is_turned_away(&mut self) -> bool {
        let mut state = self.shared.lock();
        let turned_away = state.turned_away;
        let Some(tenant) = state.tenants.get(&self.tenant) else {
            return false;
        };
        let Some(me) = tenant.waiting.get(&self.ticket) else {
            // Granted in this moment.
            return false;
        };
        if !me.begun {
            return true;
        }
        let moves = tenant.given + turned_away;
        if std::mem::replace(&mut self.moves, moves) != moves {
            return false;
        }
        let mut begun = tenant.waiting.iter().rev().filter(|(_, w)| w.begun);
        let latest = begun.next().map(|(ticket, _)| *ticket);
        let turned_away = latest == Some(self.ticket);
        if turned_away {
            state.turned_away += 1;
        }
        turned_away
    }
}

impl Drop for Wish {
    fn drop(&mut self) {
        self.shared.change(|state| {
            if let Some(tenant) = state.tenants.get_mut(&self.tenant) {
                tenant.waiting.remove(&self.ticket);
            }
            state.forget_idle(self.tenant);
        });
    }
}

/// What a body, or a batch of its records, holds. Dropping it gives it back.
pub struct Place {
    shared: Arc<Shared>,
    tenant: TenantId,
    age: u64,
    steps: u64,
    /// Whether it ever held anything.
    begun: bool,
}

impl Place {
    /// Bytes that it has room for.
    pub fn bytes(&self) -> u64 {
        self.steps * STEP
    }

    /// Grows until it has room for `bytes`, waiting for its turn. Given up half way, it keeps what it got.
    ///
    /// # Errors
    /// `THROTTLED` when it is turned away, see the module.
    pub async fn cover(&mut self, bytes: u64) -> Result<()> {
        while self.bytes() < bytes {
            let mut wish = self.shared.ask(self);
            let step = loop {
                match tokio::time::timeout(self.shared.patience, &mut wish.granted).await {
                    Ok(step) => break step.map_err(Error::internal)?,
                    Err(_) if wish.is_turned_away() => {
                        let text = "too many deliveries at once, try again";
                        return Err(Error::new(Code::Throttled, text));
                    }
                    Err(_) => {}
                }
            };
            self.merge(step);
        }
        Ok(())
    }

    /// Grows until it has room for `bytes`, unless that means waiting; it keeps what it got. Whether it has room.
    pub fn try_cover(&mut self, bytes: u64) -> bool {
        while self.bytes() < bytes {
            match self.shared.ask(self).granted.try_recv() {
                Ok(step) => self.merge(step),
                Err(_) => return false,
            }
        }
        true
    }

    /// Adds a place of the same tenant.
    fn merge(&mut self, mut other: Self) {
        self.steps += std::mem::take(&mut other.steps);
        self.begun = true;
    }

    /// Cuts off a place with room for `bytes`, or as much as there is.
    #[must_use]
    pub fn split(&mut self, bytes: u64) -> Self {
        let steps = bytes.div_ceil(STEP).min(self.steps);
        self.steps -= steps;
        Self {
            shared: self.shared.clone(),
            tenant: self.tenant,
            age: self.age,
            steps,
            begun: self.begun,
        }
    }

    /// Gives back what is not needed for `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        let excess = self.bytes().saturating_sub(bytes.next_multiple_of(STEP));
        drop(self.split(excess));
    }

    /// Lets those of its tenant who wait go first from now on.
    pub fn step_back(&mut self) {
        self.age = self.shared.tick();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.steps > 0 {
            let (tenant, steps) = (self.tenant, self.steps);
            self.shared.change(|state| state.release(tenant, steps));
        }
    }
}

#[cfg(test)]
mod tests;

//! Execution and loading take turns, in one task: what all fields want at a moment is loaded together, however long it takes to
//! ask them all. A loader in a task of its own starts after a while and takes the keys that are there by then, so that a page
//! costs more statements the slower its fields are executed.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures::{
    StreamExt as _,
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
    future::BoxFuture,
    stream::FuturesUnordered,
    task::AtomicWaker,
};

/// How often an execution may say that it can go on before the runtime has its turn. A page of 200 rows takes some hundred.
const ROUNDS: usize = 4_096;

/// Something to be loaded.
type Load = BoxFuture<'static, ()>;

/// Where fields ask for loads, and where they are taken from.
pub(crate) fn turns() -> (UnboundedSender<Load>, Turns) {
    let (ask, asked) = unbounded();
    (ask, Turns(asked))
}

/// The loads that an execution asks for.
pub(crate) struct Turns(UnboundedReceiver<Load>);

impl Turns {
    /// Drives an execution to its end: as far as it goes without loads, then its loads, and so on. Loads that nobody waits for
    /// any more end with it.
    pub(crate) async fn take<T>(self, execution: impl Future<Output = T>) -> T {
        let Self(mut asked) = self;
        let mut execution = pin!(execution);
        let mut loads = FuturesUnordered::new();
        let ready = Arc::new(Ready {
            is_set: AtomicBool::new(true),
            task: AtomicWaker::new(),
        });
        let waker = Waker::from(ready.clone());
        poll_fn(move |cx| {
            ready.task.register(cx.waker());
            for _ in 0..ROUNDS {
                if ready.is_set.swap(false, Ordering::AcqRel) {
                    let answer = execution.as_mut().poll(&mut Context::from_waker(&waker));
                    if answer.is_ready() {
                        return answer;
                    }
                    continue;
                }
                // Those that are asked for while others run begin when all of them have ended: which of two loads is faster must not
                // decide what is loaded together afterwards.
                if loads.is_empty() {
                    while let Poll::Ready(Some(load)) = asked.poll_next_unpin(cx) {
                        loads.push(load);
                    }
                }
                let were_running = !loads.is_empty();
                while let Poll::Ready(Some(())) = loads.poll_next_unpin(cx) {}
                let have_ended = were_running && loads.is_empty();
                if !have_ended && !ready.is_set.load(Ordering::Acquire) {
                    return Poll::Pending;
                }
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await
    }
}

/// Whether an execution can go on. It says so within its own turn, too, because sets of futures go on a few at a time: only one
/// that says nothing has come to its loads everywhere.
struct Ready {
    is_set: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_set.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        convert::Infallible,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    use async_graphql::dataloader::{DataLoader, Loader};
    use futures::future::join_all;

    use super::*;

    /// Takes a while.
    fn work() {
        for n in 0..20_000 {
            std::hint::black_box(n);
        }
    }

    struct Counting(Arc<AtomicUsize>);

    impl Loader<u32> for Counting {
        type Value = u32;
        type Error = Infallible;

        async fn load(&self, keys: &[u32]) -> Result<HashMap<u32, u32>, Infallible> {
            self.0.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(keys.iter().map(|key| (*key, key + 1_000)).collect())
        }
    }

    /// A key whose load takes so many turns of the runtime.
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    struct Slow(usize);

    impl Loader<Slow> for Counting {
        type Value = u32;
        type Error = Infallible;

        async fn load(&self, keys: &[Slow]) -> Result<HashMap<Slow, u32>, Infallible> {
            for _ in 0..keys.iter().map(|slow| slow.0).max().unwrap_or_default() {
                tokio::task::yield_now().await;
            }
            Ok(keys.iter().map(|key| (*key, 7)).collect())
        }
    }

    #[tokio::test]
    async fn what_follows_a_fast_load_waits_for_what_follows_a_slow_one() {
        let loads = Arc::new(AtomicUsize::new(0));
        let (ask, turns) = turns();
        let loader = |ask: UnboundedSender<Load>| {
            let spawn = move |load| drop(ask.unbounded_send(load));
            DataLoader::new(Counting(loads.clone()), spawn).delay(Duration::ZERO)
        };
        // Two kinds of objects, loaded side by side, whose owners are of one kind.
        let (fast, slow, owners) = (loader(ask.clone()), loader(ask.clone()), loader(ask));
        let field = async |objects: &DataLoader<Counting>, key: Slow, owner: u32| {
            objects.load_one(key).await.expect("never fails");
            owners.load_one(owner).await.expect("never fails")
        };
        let fields = futures::future::join(field(&fast, Slow(1), 1), field(&slow, Slow(50), 2));
        assert_eq!(turns.take(fields).await, (Some(1_001), Some(1_002)));
        assert_eq!(loads.load(Ordering::Relaxed), 1, "of owners");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_wanted_together_is_loaded_together_however_slowly_it_is_asked_for() {
        let loads = Arc::new(AtomicUsize::new(0));
        let (ask, turns) = turns();
        let spawn = move |load| drop(ask.unbounded_send(load));
        let loader = DataLoader::new(Counting(loads.clone()), spawn).delay(Duration::ZERO);
        let field = async |key: u32| {
            // All of them take longer than a loader waits.
            work();
            let first = loader.load_one(key).await;
            let first = first.expect("never fails").expect("there");
            work();
            loader.load_one(first).await.expect("never fails")
        };
        // As rows with one field are executed, within one field.
        let row = async |key: u32| {
            let mut fields = FuturesUnordered::from_iter([field(key)]);
            fields.next().await.expect("a field")
        };
        let rows = async || {
            let mut fields = FuturesUnordered::from_iter([join_all((0..200).map(row))]);
            fields.next().await.expect("a list")
        };
        let found = turns.take(rows()).await;
        let expected: Vec<Option<u32>> = (0..200).map(|key| Some(key + 2_000)).collect();
        assert_eq!(found, expected);
        assert_eq!(loads.load(Ordering::Relaxed), 2, "one load each time");
    }
}

//! The one engine of this process, open while any test uses it.
//!
//! It is closed when the last test is through with it, because a process that ends with an open engine may crash, and
//! opened again if another test comes, which is a test in itself.

use std::{
    fs::{self, File},
    io::ErrorKind,
    net::TcpListener,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread::JoinHandle,
};

use engines::clickhouse::{Engine, EngineLimits};
use tokio::{runtime::Runtime, sync::oneshot};

/// The engine's library, as `./dev test` names it.
#[expect(
    clippy::disallowed_methods,
    reason = "`./dev test` names it in the environment"
)]
pub(crate) fn library() -> PathBuf {
    match std::env::var_os("SIMCUBE_TEST_LIBCHDB") {
        Some(path) => path.into(),
        None => {
            panic!("SIMCUBE_TEST_LIBCHDB does not name libchdb.so: run the tests with ./dev test")
        }
    }
}

struct Open {
    users: usize,
    engine: Arc<Engine>,
    url: String,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

static OPEN: Mutex<Option<Open>> = Mutex::new(None);

/// One test's use of the engine.
pub(crate) struct Shared {
    engine: Arc<Engine>,
    url: String,
}

impl Shared {
    /// Where the engine is served over TCP, as a server elsewhere would be.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Deref for Shared {
    type Target = Arc<Engine>;

    fn deref(&self) -> &Arc<Engine> {
        &self.engine
    }
}

pub(crate) fn shared() -> Shared {
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_with(start);
    open.users += 1;
    Shared {
        engine: open.engine.clone(),
        url: open.url.clone(),
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut shared = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = shared.as_mut() else { return };
        open.users -= 1;
        if open.users == 0 {
            let Some(Open {
                engine,
                stop,
                serving,
                ..
            }) = shared.take()
            else {
                return;
            };
            // The listener may be gone after a panic; closing is what counts.
            let _ = stop.send(());
            let _ = serving.join();
            let closing = std::thread::spawn(move || {
                Runtime::new().expect("a runtime").block_on(engine.close());
            });
            let _ = closing.join();
        }
    }
}

fn start() -> Open {
    let opened = Engine::open(&library(), folder(), EngineLimits::default());
    let engine = opened.unwrap_or_else(|error| panic!("{error}"));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a setting");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (stop, stopped) = oneshot::channel();
    let served = engine.clone();
    let serving = std::thread::spawn(move || {
        Runtime::new().expect("a runtime").block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            served
                .serve_tcp(listener, async { stopped.await.unwrap_or_default() })
                .await;
        });
    });
    Open {
        users: 0,
        engine,
        url,
        stop,
        serving,
    }
}

/// An emptied folder of this process. Two runs at the same time use two folders.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<(PathBuf, File)> = OnceLock::new();
    let (data, _) = FOLDER.get_or_init(|| {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (data, lock) = (0..16)
            .map(|run| root.join(format!("analytics-{run}")))
            .find_map(|data| {
                let lock = File::create(data.with_extension("lock")).expect("a lock file");
                lock.try_lock().is_ok().then_some((data, lock))
            })
            .expect("fewer than 16 test runs at the same time");
        match fs::remove_dir_all(&data) {
            Err(error) if error.kind() != ErrorKind::NotFound => panic!("{error}"),
            _ => {}
        }
        (data, lock)
    });
    data
}

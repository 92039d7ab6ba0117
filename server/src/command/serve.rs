//! `simcube serve`: the server.

use std::{
    io::Write as _,
    net::SocketAddr,
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use analytics::Store;
use anyhow::{Context as _, Result};
use domain::{Code, Db, SystemClock};
use engines::Access;
use ingest::{
    pipeline::{Intake, NoFault, Running},
    verify::{self, Repaired},
};
use resolvers::Api;
use service::Entry;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::{demo, stores::Stores};
use crate::{
    auth::Verifier,
    config::Config,
    listener,
    route::{Check, Health, Parts, Stop, router},
};

/// Between two attempts to settle the journal while an engine does not answer.
const RECOVERY_PAUSE: Duration = Duration::from_secs(2);

/// Between two attempts to verify.
const VERIFY_PAUSE: Duration = Duration::from_secs(10);

/// Serve the API
///
/// Without `DATABASE_URL` and `CLICKHOUSE_URL` it starts private engines in the data folder and stops them with itself.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  simcube serve --data /var/lib/simcube --listen 127.0.0.1:8080")]
pub(super) struct Args {
    /// Address to serve on, HOST:PORT [default: 127.0.0.1:8080]; port 0 takes any free one
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) listen: Option<String>,
    /// Load a demo fleet on the first start, and print tokens and a question to ask
    #[arg(long)]
    demo: bool,
}

pub(super) async fn run(args: Args, config: Config) -> Result<ExitCode> {
    // First of all, so that a port in use is found before the engines are started.
    let listener = listener::bind(&config.listen).await?;
    let address = listener
        .local_addr()
        .context("the listener has no address")?;
    let loopback = address.ip().is_loopback();
    let clock = Arc::new(SystemClock);
    let verifier = Verifier::open(&config.oidc, &config.data, loopback, clock)?;
    if verifier.is_closed() {
        tracing::warn!(%address, "no token is accepted: set OIDC_ISSUER, or listen on a loopback address");
    }
    let stop = Stop::default();
    on_signal(&stop)?;
    let stores = Stores::open(&config, Access::Alone).await?;
    let intake = Intake::new(
        stores.store.clone(),
        stores.db.clone(),
        config.intake.settings(),
        NoFault,
    );
    let recovered = Arc::new(AtomicBool::new(false));
    let differs = Arc::new(AtomicBool::new(false));
    let parts = Parts {
        verifier,
        entry: Entry::new(stores.db.clone(), stores.store.clone()),
        api: Api::new(config.graphql),
        intake: intake.clone(),
        checks: checks(&stores, &intake, &recovered, &differs),
        recovered: recovered.clone(),
        http: config.http.clone(),
        stop: stop.clone(),
    };
    let running = Arc::new(Mutex::new(None));
    let sound = Arc::new(AtomicBool::new(false));
    let background = Background {
        db: stores.db.clone(),
        intake: intake.clone(),
        recovered,
        differs,
        sound: sound.clone(),
        store: stores.store.clone(),
        running: running.clone(),
        config: config.clone(),
        address,
        demo: args.demo,
    };
    let background = tokio::spawn(background.run());
    let grace = Duration::from_secs(config.http.grace_seconds);
    let served = listener::serve(
        listener,
        router(parts),
        config.http.connections,
        stop,
        grace,
    )
    .await;
    background.abort();
    // An aborted task has ended when it was waited for; a panic in it was logged.
    background.await.ok();
    let running = running
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    if let Some(running) = running
        && let Err(error) = intake.stop(running, sound.load(Ordering::Acquire)).await
    {
        tracing::warn!(
            cause = error.cause(),
            "not stopped in order: the next start looks for what was under way"
        );
    }
    drop(intake);
    stores.close().await;
    served?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// The first signal asks to stop, the second does not wait for requests in flight.
fn on_signal(stop: &Stop) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    let stop = stop.clone();
    tokio::spawn(async move {
        for round in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if round == 0 {
                tracing::info!("stopping: requests in flight may finish");
                stop.ask();
            } else {
                stop.cut();
            }
        }
    });
    Ok(())
}

fn checks(
    stores: &Stores,
    intake: &Intake,
    recovered: &Arc<AtomicBool>,
    differs: &Arc<AtomicBool>,
) -> Vec<Check> {
    let (db, store, recovered) = (stores.db.clone(), stores.store.clone(), recovered.clone());
    let (intake, differs) = (intake.clone(), differs.clone());
    vec![
        Check::new("postgres", "Postgres does not answer.", move || {
            let db = db.clone();
            async move { db.ping().await.is_ok().into() }
        }),
        Check::new("clickhouse", "ClickHouse does not answer.", move || {
            let store = store.clone();
            async move { store.ping().await.is_ok().into() }
        }),
        Check::new(
            "recovery",
            "What earlier processes left behind is still being counted.",
            move || {
                let recovered = recovered.load(Ordering::Acquire);
                async move { recovered.into() }
            },
        ),
        Check::new(
            "ledger",
            "Ledger and records differ: run `simcube verify`.",
            move || {
                let differs = differs.load(Ordering::Acquire);
                async move {
                    if differs {
                        Health::Degraded
                    } else {
                        Health::Ok
                    }
                }
            },
        ),
        Check::new(
            "quarantine",
            "There are quarantined records, or nobody can tell: run `simcube quarantine`.",
            move || {
                let intake = intake.clone();
                async move {
                    match intake.quarantined().await {
                        Ok(0) => Health::Ok,
                        Ok(_) => Health::Degraded,
                        Err(_) => Health::Down,
                    }
                }
            },
        ),
    ]
}

/// What happens beside serving.
struct Background {
    db: Db,
    intake: Intake,
    recovered: Arc<AtomicBool>,
    /// Whether something was found that could not be mended.
    differs: Arc<AtomicBool>,
    /// Whether ledger, records and cubes are known to agree but for what intake did since.
    sound: Arc<AtomicBool>,
    store: Store,
    /// Set once the intake is open.
    running: Arc<Mutex<Option<Running>>>,
    config: Config,
    address: SocketAddr,
    demo: bool,
}

impl Background {
    /// Brings the cubes up to the journal, then opens the intake, says that all is ready, and keeps the journal tidy.
    async fn run(self) {
        let (running, recovered) = loop {
            match self.intake.recover().await {
                Ok(recovered) => break recovered,
                Err(error) => {
                    let cause = error.cause();
                    if error.code() == Code::Unavailable {
                        tracing::warn!(cause, "the journal cannot be settled yet");
                    } else {
                        tracing::error!(
                            cause,
                            "the journal cannot be settled: not ready until it is"
                        );
                    }
                    tokio::time::sleep(RECOVERY_PAUSE).await;
                }
            }
        };
        tracing::info!(?recovered, "the journal is settled");
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        self.recovered.store(true, Ordering::Release);
        let proved = async {
            if recovered.clean {
                self.sound.store(true, Ordering::Release);
            } else {
                self.prove().await;
            }
        };
        tokio::join!(self.intake.maintain(), self.announce(), proved);
    }

    /// Compares everything with everything after a start that did not follow a stop in order, and mends what can be mended.
    async fn prove(&self) {
        let verifier = verify::Verifier::new(self.store.clone(), self.db.clone());
        loop {
            match verifier.repair(Uuid::new_v4(), &self.intake).await {
                Ok(repaired) => return self.tell(&repaired),
                Err(error) => {
                    tracing::warn!(cause = error.cause(), %error, "the usage store cannot be verified yet");
                    tokio::time::sleep(VERIFY_PAUSE).await;
                }
            }
        }
    }

    fn tell(&self, repaired: &Repaired) {
        for sentence in &repaired.done {
            tracing::warn!("mended after a start that did not follow a stop in order: {sentence}");
        }
        for sentence in &repaired.refused {
            tracing::error!("not mended: {sentence}");
        }
        let differences = repaired.report.count();
        if differences > 0 {
            tracing::error!(
                differences,
                "ledger, records and cubes differ: see `simcube verify`"
            );
        } else {
            tracing::info!("ledger, records and every cube agree");
        }
        self.differs.store(differences > 0, Ordering::Release);
        self.sound.store(differences == 0, Ordering::Release);
    }

    async fn announce(&self) {
        let url = format!("http://{}", self.address);
        if self.demo {
            match demo::load(&self.config, &self.db, &url).await {
                Ok(banner) => print(&banner),
                Err(error) => {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "the demo fleet is not complete"
                    );
                }
            }
        } else {
            print(&format!("simcube is ready at {url}\n"));
        }
    }
}

/// Whoever started the server may wait for this line in a pipe, or may have closed it.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .ok();
}

//! `simcube serve`: the server.

use std::{
    future::{pending, ready},
    io::Write as _,
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use domain::{Db, SystemClock};
use engines::Access;
use exports::{Exports, Files};
use ingest::{
    pipeline::{Intake, NoFault, Running, Standing},
    topic::Seen,
};
use resolvers::Api;
use service::Entry;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use url::Url;

use super::{
    demo,
    stores::{Stores, explain},
};
use crate::{
    auth::Verifier,
    config::Config,
    listener,
    route::{Check, Health, Metrics, Parts, router},
    stop::Stop,
    worker::{self, Worker},
};

/// How long readiness waits for the store of files, which a server can do without.
const PATIENCE: Duration = Duration::from_secs(2);

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
    let verifier = Arc::new(Verifier::open(&config.oidc, &config.data, loopback, clock)?);
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
    let (worker, seen) = (Worker::default(), Seen::default());
    let entry = Entry::new(stores.db.clone(), stores.store.clone());
    let files = files(&config)?;
    let exports = Exports::new(entry.clone(), files, config.exports.settings());
    let parts = Parts {
        verifier: verifier.clone(),
        entry: entry.clone(),
        api: Api::new(config.graphql, exports.clone()),
        exports: exports.clone(),
        intake: intake.clone(),
        checks: checks(&stores, &intake, &worker, &exports)
            .into_iter()
            .chain(of_topics(&config, &worker, &seen))
            .collect(),
        metrics: Metrics::new(
            stores.db.clone(),
            intake.clone(),
            config.kafka.brokers.is_some().then(|| seen.clone()),
        ),
        http: config.http.clone(),
        stop: stop.clone(),
    };
    let background = Background {
        worker: worker.clone(),
        verifier,
        intake: intake.clone(),
        db: stores.db.clone(),
        entry,
        exports,
        seen,
        config: config.clone(),
        stop: stop.clone(),
        address,
        demo: args.demo,
    };
    let background = tokio::spawn(background.run());
    let lost = tokio::spawn(until_lost(stores.lost(), stop.clone()));
    let grace = Duration::from_secs(config.http.grace_seconds);
    let served = listener::serve(
        listener,
        router(parts),
        config.http.connections,
        stop,
        grace,
    )
    .await;
    if let Some(running) = worker.finish(background).await
        && let Err(error) = intake.stop(running).await
    {
        tracing::warn!(
            cause = error.cause(),
            "not stopped in order: the next start looks for what was under way"
        );
    }
    drop(intake);
    stores.close().await;
    served?;
    if lost.is_finished() {
        return Err(lost.await?.into());
    }
    lost.abort();
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Where files lie by the configuration.
fn files(config: &Config) -> Result<Files> {
    let files = match &config.exports.url {
        Some(url) => Files::in_bucket(&Url::parse(url)?),
        None => Files::in_folder(&config.data.join("exports")),
    };
    files.map_err(|error| explain(&error))
}

/// Without its Postgres a server can do nothing but end, so that whoever looks after it starts it again.
async fn until_lost(lost: impl Future<Output = engines::Error>, stop: Stop) -> engines::Error {
    let error = lost.await;
    tracing::error!(%error, "stopping");
    stop.ask();
    error
}

/// The first signal asks to stop, the second does not wait for requests in flight.
pub(super) fn on_signal(stop: &Stop) -> Result<()> {
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

/// What readiness depends on.
fn checks(stores: &Stores, intake: &Intake, worker: &Worker, exports: &Exports) -> Vec<Check> {
    let (db, store) = (stores.db.clone(), stores.store.clone());
    let files = exports.files().clone();
    let [recovery, ledger, quarantine] = [intake.clone(), intake.clone(), intake.clone()];
    let mut checks = vec![
        Check::new("postgres", "Postgres does not answer.", move || {
            let db = db.clone();
            async move { db.ping().await.is_ok().into() }
        }),
        Check::new("clickhouse", "ClickHouse does not answer.", move || {
            let store = store.clone();
            async move { store.ping().await.is_ok().into() }
        }),
        Check::new("files", "The store of files does not answer.", move || {
            let files = files.clone();
            async move {
                Health::degraded_if(!matches!(timeout(PATIENCE, files.ping()).await, Ok(Ok(()))))
            }
        }),
        Check::new(
            "recovery",
            "What earlier processes left behind is still being counted.",
            move || ready(Health::from(recovery.standing() != Standing::Starting)),
        ),
        Check::new(
            "ledger",
            "Ledger and records differ: run `simcube verify`.",
            move || ready(Health::degraded_if(ledger.standing() == Standing::Differs)),
        ),
        Check::new(
            "quarantine",
            "There are quarantined records, or nobody can tell: run `simcube quarantine`.",
            move || {
                let intake = quarantine.clone();
                async move {
                    match intake.quarantined().await {
                        Ok(batches) => Health::degraded_if(batches > 0),
                        Err(_) => Health::Down,
                    }
                }
            },
        ),
    ];
    let jobs = worker::intake::JOBS
        .into_iter()
        .chain([worker::issuer::JOB, worker::notification::JOB])
        .chain(worker::exports::JOBS);
    checks.extend(jobs.map(|(job, problem)| {
        let worker = worker.clone();
        Check::new(job, problem, move || {
            ready(Health::degraded_if(worker.is_failing(job)))
        })
    }));
    checks
}

/// What readiness says of topics, if any are read. Nothing of them keeps the rest from being served.
fn of_topics(config: &Config, worker: &Worker, seen: &Seen) -> Vec<Check> {
    if config.kafka.brokers.is_none() {
        return Vec::new();
    }
    let (seen, worker) = (seen.clone(), worker.clone());
    let (job, problem) = worker::topics::JOB;
    vec![
        Check::new(
            "kafka",
            "Kafka does not answer, or not everything is read from it: run `simcube topics check`.",
            move || ready(Health::degraded_if(seen.problem().is_some())),
        ),
        Check::new(job, problem, move || {
            ready(Health::degraded_if(worker.is_failing(job)))
        }),
    ]
}

/// What happens beside serving.
struct Background {
    worker: Worker,
    verifier: Arc<Verifier>,
    intake: Intake,
    db: Db,
    entry: Entry,
    exports: Exports,
    seen: Seen,
    config: Config,
    stop: Stop,
    address: SocketAddr,
    demo: bool,
}

impl Background {
    /// Runs until the worker is stopped. Nothing if it was stopped before the intake was open.
    async fn run(self) -> Option<Running> {
        let issuer = worker::issuer::look_after(&self.worker, &self.verifier);
        let at_once = self.config.exports.jobs;
        let exports = worker::exports::look_after(&self.worker, &self.exports, at_once, &self.stop);
        let notifications = worker::notification::look_after(&self.worker, &self.entry);
        tokio::join!(self.take_in(), issuer, exports, notifications).0
    }

    /// Brings the cubes up to the journal, says that all is ready, and looks after the intake.
    async fn take_in(&self) -> Option<Running> {
        let running = worker::intake::recover(&self.worker, &self.intake).await?;
        let looked_after = async {
            let intake = worker::intake::look_after(&self.worker, &self.intake);
            tokio::join!(intake, self.read_topics());
        };
        tokio::select! {
            () = looked_after => {}
            // It goes with the jobs when these are stopped.
            () = async { self.announce().await; pending().await } => {}
        }
        Some(running)
    }

    /// Reads topics, if there are brokers.
    async fn read_topics(&self) {
        let Some(settings) = self.config.kafka.settings() else {
            return;
        };
        let (worker, intake) = (&self.worker, &self.intake);
        let read = worker::topics::look_after(worker, intake, &self.db, &settings, &self.seen);
        if let Err(error) = read.await {
            tracing::error!(%error, "topics are not read");
        }
    }

    async fn announce(&self) {
        let url = format!("http://{}", self.address);
        if self.demo {
            match demo::load(&self.config, &self.db, &self.entry, &url).await {
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

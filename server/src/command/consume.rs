//! `simcube consume`: a process that reads topics and serves nothing.

use std::process::ExitCode;

use anyhow::Result;
use engines::Access;
use ingest::{
    pipeline::{Intake, NoFault, Running},
    topic::{Seen, Settings},
};

use super::{serve::on_signal, stores::Stores};
use crate::{
    config::Config,
    refused::Refused,
    stop::Stop,
    worker::{self, Worker},
};

/// Read topics of Kafka, beside servers or alone
///
/// It shares the partitions with every other process of its group (kafka.group), servers included, until it is told to stop. How far each
/// is read stands in Postgres.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  KAFKA_BROKERS=kafka:9092 simcube consume")]
pub(super) struct Args {}

pub(super) async fn run(_: Args, config: &Config) -> Result<ExitCode> {
    let settings = settings(config)?;
    let stop = Stop::default();
    on_signal(&stop)?;
    let stores = Stores::open(config, Access::Beside).await?;
    let intake = Intake::new(
        stores.store.clone(),
        stores.db.clone(),
        config.intake.settings(),
        NoFault,
    );
    let worker = Worker::default();
    let task = tokio::spawn(read(
        worker.clone(),
        intake.clone(),
        stores.db.clone(),
        settings,
        stop.clone(),
    ));
    stop.asked().await;
    if let Some(running) = worker.finish(task).await
        && let Err(error) = intake.stop(running).await
    {
        tracing::warn!(
            cause = error.cause(),
            "not stopped in order: the next start looks for what was under way"
        );
    }
    drop(intake);
    stores.close().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Brings the cubes up to the journal, then reads and looks after the intake until the worker is stopped.
async fn read(
    worker: Worker,
    intake: Intake,
    db: domain::Db,
    settings: Settings,
    stop: Stop,
) -> Option<Running> {
    let running = worker::intake::recover(&worker, &intake).await?;
    let [first, second] = settings.topics().map(|(topic, _)| topic);
    println!("simcube reads {first} and {second} of {}", settings.brokers);
    let seen = Seen::default();
    let ((), read) = tokio::join!(
        worker::intake::look_after(&worker, &intake),
        worker::topics::look_after(&worker, &intake, &db, &settings, &seen)
    );
    if let Err(error) = read {
        tracing::error!(%error, "topics are not read");
        stop.ask();
    }
    Some(running)
}

/// Where topics are; without brokers there is nothing to do.
pub(super) fn settings(config: &Config) -> Result<Settings> {
    let settings = config.kafka.settings();
    let missing = || Refused("there are no topics: set KAFKA_BROKERS (kafka.brokers)".to_owned());
    Ok(settings.ok_or_else(missing)?)
}

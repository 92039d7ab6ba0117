//! A private broker of Kafka, with topics of its own for each round.

use std::{
    net::TcpListener,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use ingest::topic::{Settings, manage};
use rdkafka::{
    ClientConfig,
    error::KafkaError,
    producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer},
    types::RDKafkaErrorCode,
};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::sleep,
};

use crate::{explain, say};

/// Of the product's repository.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../engines/kafka");
/// How long the broker may take for anything.
const PATIENCE: Duration = Duration::from_mins(2);
/// Of each topic.
const PARTITIONS: i32 = 3;

/// It is killed with this value.
pub(crate) struct Broker {
    address: String,
    _process: Child,
    _state: TempDir,
}

/// A message: the ICCID, which is its key, and what it says.
pub(crate) type Message = (String, String);

impl Broker {
    /// Fetches it when it is missing, and starts it.
    pub(crate) async fn start(engines: &Path) -> Result<Self> {
        let folder = engines.join("kafka");
        say("fetching Kafka");
        let mut fetch = Command::new(format!("{SCRIPTS}/fetch"));
        let fetched = fetch.env("SIMCUBE_ENGINES", engines).output().await?;
        let said = String::from_utf8_lossy(&fetched.stderr);
        ensure!(fetched.status.success(), "no Kafka: {said}");
        let state = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(format!("{SCRIPTS}/run"));
        command.arg(state.path()).arg(port.to_string()).arg(folder);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.kill_on_drop(true).spawn()?;
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            ensure!(process.try_wait()?.is_none(), "Kafka did not start");
            ensure!(begun.elapsed() < PATIENCE, "Kafka does not start");
            sleep(Duration::from_millis(100)).await;
        }
        Ok(Self {
            address: format!("127.0.0.1:{port}"),
            _process: process,
            _state: state,
        })
    }

    /// New topics for one round, and a group of its own that reads them.
    pub(crate) async fn topics(&self, round: &str) -> Result<Settings> {
        let mut settings = Settings::new(&self.address, format!("simcube-{round}"));
        for topic in [&mut settings.cdrs, &mut settings.sessions] {
            *topic = format!("{topic}.{round}");
        }
        let made = manage::create(&settings, PARTITIONS, 1).await;
        made.map_err(|error| explain(&error))?;
        Ok(settings)
    }

    /// Sends messages, as fast as the broker takes them, and returns when it has them all.
    pub(crate) fn send(&self, topic: &str, messages: &[Message]) -> Result<()> {
        let producer: ThreadedProducer<DefaultProducerContext> = ClientConfig::new()
            .set("bootstrap.servers", &self.address)
            .set("acks", "all")
            .set("linger.ms", "20")
            .create()?;
        for (key, payload) in messages {
            let mut record = BaseRecord::to(topic).key(key).payload(payload);
            while let Err((error, again)) = producer.send(record) {
                let is_full = matches!(
                    error,
                    KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)
                );
                ensure!(is_full, "the broker took no message: {error}");
                // What waits goes out meanwhile; whether all of it did is no matter here.
                producer.flush(Duration::from_millis(100)).ok();
                record = again;
            }
        }
        producer
            .flush(PATIENCE)
            .context("the broker took not all messages")
    }
}

//! What a monitor reads, as Prometheus has it: how far topics are read, and what waits. Nothing of a tenant.
//!
//! What all processes share is read from the ledger when it is asked for, so it is the same whichever is asked; what one process
//! alone knows is the lag of the partitions that it has.

use axum::extract::State;
use domain::{
    Db,
    journal::{self, BatchState},
    topic::{self, Stop, Sums},
};
use http::header::CONTENT_TYPE;
use ingest::{pipeline::Intake, topic::Seen};
use metrics::{Unit, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;
use strum::VariantArray as _;

use super::{App, Failure};

/// Where the figures come from. Cloning is cheap.
#[derive(Clone)]
pub struct Metrics {
    db: Db,
    intake: Intake,
    /// None when no topics are read.
    seen: Option<Seen>,
}

/// What is read from the ledger.
struct Ledger {
    sums: Vec<(topic::Partition, topic::Reading, Sums)>,
    positions: Vec<topic::Standing>,
    kept: topic::Kept,
    quarantined: u64,
    /// Seconds.
    oldest: f64,
}

impl Metrics {
    /// Figures of this process and of the ledger.
    pub fn new(db: Db, intake: Intake, seen: Option<Seen>) -> Self {
        Self { db, intake, seen }
    }

    async fn ledger(&self) -> domain::Result<Ledger> {
        let cx = self.db.system().await?;
        let oldest = journal::pending(&cx, BatchState::Journaled, None, 1).await?;
        let oldest = oldest.first().map(|batch| cx.now() - batch.created_at);
        Ok(Ledger {
            sums: topic::sums(&cx).await?,
            positions: topic::positions(&cx).await?,
            kept: topic::kept(&cx).await?,
            oldest: oldest.map_or(0.0, |age| age.as_seconds_f64().max(0.0)),
            quarantined: self.intake.quarantined().await?,
        })
    }

    async fn render(&self) -> domain::Result<String> {
        let ledger = self.ledger().await?;
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, || {
            describe();
            self.seen.iter().for_each(show_seen);
            show_topics(&ledger);
            show_waiting(&ledger);
        });
        Ok(recorder.handle().render())
    }
}

/// What this process sees.
fn show_seen(seen: &Seen) {
    for lane in seen.lanes() {
        if let Some(lag) = lane.lag {
            let lag = precise(lag.max(0).unsigned_abs());
            gauge!("simcube_topic_lag_messages", &labels(&lane.partition)).set(lag);
        }
    }
    let is_read = seen.problem().is_none();
    gauge!("simcube_topics_read").set(f64::from(u8::from(is_read)));
}

fn show_topics(ledger: &Ledger) {
    for (partition, reading, sums) in &ledger.sums {
        for (outcome, messages) in [
            ("tombstone", sums.tombstones),
            ("quarantined", sums.quarantined),
            ("accepted", sums.accepted),
            ("duplicate", sums.duplicate),
            ("rejected", sums.rejected),
        ] {
            let mut labels = labels(partition);
            labels.push(("reading", reading.to_string().to_lowercase()));
            labels.push(("outcome", outcome.to_owned()));
            counter!("simcube_topic_messages_total", &labels).absolute(messages);
        }
    }
    for why in Stop::VARIANTS {
        let stopped = ledger.positions.iter();
        let stopped = stopped.filter(|it| it.position.stopped == Some(*why));
        let labels = [("reason", why.to_string().to_lowercase())];
        gauge!("simcube_topic_stopped_partitions", &labels).set(precise(stopped.count() as u64));
    }
}

fn describe() {
    let count = Unit::Count;
    describe_gauge!(
        "simcube_topics_read",
        count,
        "Whether this process reads its topics without trouble."
    );
    describe_gauge!(
        "simcube_topic_lag_messages",
        count,
        "Messages of partitions of this process that are not journaled."
    );
    describe_counter!(
        "simcube_topic_messages_total",
        count,
        "Messages that were journaled, by what became of them and why they were read."
    );
    describe_gauge!(
        "simcube_topic_stopped_partitions",
        count,
        "Partitions that are not read until an operator skips."
    );
    describe_gauge!(
        "simcube_topic_quarantined_messages",
        count,
        "Messages in quarantine."
    );
    describe_gauge!(
        "simcube_topic_unsent_dead_letters",
        count,
        "Messages in quarantine of which the dead letter was not sent."
    );
    describe_gauge!(
        "simcube_intake_oldest_unapplied_seconds",
        Unit::Seconds,
        "Age of the oldest batch that is journaled and not counted; 0 when there is none."
    );
    describe_gauge!(
        "simcube_intake_quarantined_batches",
        count,
        "Batches that the usage store refused."
    );
}

fn show_waiting(ledger: &Ledger) {
    gauge!("simcube_topic_quarantined_messages").set(precise(ledger.kept.held));
    gauge!("simcube_topic_unsent_dead_letters").set(precise(ledger.kept.unsent));
    gauge!("simcube_intake_oldest_unapplied_seconds").set(ledger.oldest);
    gauge!("simcube_intake_quarantined_batches").set(precise(ledger.quarantined));
}

fn labels(partition: &topic::Partition) -> Vec<(&'static str, String)> {
    vec![
        ("cluster", partition.cluster.to_string()),
        ("topic", partition.topic.to_string()),
        ("partition", partition.number.to_string()),
    ]
}

/// A gauge is a float; counts are below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
fn precise(count: u64) -> f64 {
    count as f64
}

/// `GET /metrics`.
pub(super) async fn show(
    State(app): State<App>,
) -> Result<([(http::HeaderName, &'static str); 1], String), Failure> {
    let text = app.metrics().render().await?;
    Ok((
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    ))
}

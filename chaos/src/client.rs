//! Clients: they share the records of a tenant and deliver them in any order, in any batches, to any server, until every
//! record has been acknowledged. What failed is delivered again by whoever draws it next, in another batch.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use rand::{RngExt as _, seq::IndexedRandom as _, seq::SliceRandom as _};
use reqwest::{Client, StatusCode, header};
use serde::Deserialize;

use crate::{
    dice::Dice,
    log::Log,
    world::{Record, Tenant},
};

/// Where a tenant's records go.
pub(crate) struct Destination {
    /// The HTTP client.
    pub(crate) http: Client,
    /// Addresses of the servers.
    pub(crate) urls: Vec<String>,
    /// A token that may deliver.
    pub(crate) token: String,
    /// The tenant.
    pub(crate) tenant: Tenant,
    /// The account of the run.
    pub(crate) log: Arc<Log>,
    /// Which records have been acknowledged.
    acknowledged: Mutex<Vec<bool>>,
    begun: Instant,
    /// How long it takes until all records are there to be delivered.
    span: Duration,
}

/// What a server made of a delivery.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Reply {
    pub(crate) received: usize,
    pub(crate) accepted: usize,
    pub(crate) duplicate: usize,
    pub(crate) rejected: usize,
}

/// What became of a delivery.
pub(crate) enum Outcome {
    /// Every record of it has its account.
    Answered(Reply),
    /// To be delivered again; why.
    Again(String),
    /// The server will never take it; why.
    Refused(String),
}

/// How one client likes to deliver.
struct Habit {
    /// Records of a delivery at most.
    most: usize,
    /// How long it waits for an answer, at least and at most, milliseconds.
    patience: (u64, u64),
}

impl Habit {
    fn draw(dice: &mut Dice) -> Self {
        let most = *[1, 1, 2, 8, 30, 120, 600].choose(dice).unwrap_or(&1);
        // Some give up while the server still works.
        let patience = *[(20, 300), (1_000, 3_000), (4_000, 8_000)]
            .choose(dice)
            .unwrap_or(&(1_000, 3_000));
        Self { most, patience }
    }
}

impl Destination {
    /// A tenant whose records become available over `span` from now on.
    pub(crate) fn new(
        http: Client,
        urls: Vec<String>,
        token: String,
        tenant: Tenant,
        log: Arc<Log>,
        span: Duration,
    ) -> Self {
        let acknowledged = Mutex::new(vec![false; tenant.records.len()]);
        Self {
            http,
            urls,
            token,
            tenant,
            log,
            acknowledged,
            begun: Instant::now(),
            span,
        }
    }

    fn acknowledged(&self) -> MutexGuard<'_, Vec<bool>> {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that nobody has acknowledged.
    pub(crate) fn open(&self) -> usize {
        self.acknowledged().iter().filter(|done| !**done).count()
    }

    /// How many records are there by now.
    fn available(&self) -> usize {
        let all = self.tenant.records.len();
        let share = self.begun.elapsed().as_secs_f64() / self.span.as_secs_f64();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of some thousand records"
        )]
        let available = (share.min(1.0) * all as f64) as usize;
        available
    }

    /// Some open records, and now and then some that were delivered already or come twice; empty when none are open.
    fn draw(&self, dice: &mut Dice, most: usize) -> Vec<usize> {
        let available = self.available();
        let state = self.acknowledged();
        let (mut open, done): (Vec<usize>, Vec<usize>) =
            (0..available).partition(|index| !state[*index]);
        drop(state);
        open.shuffle(dice);
        open.truncate(dice.random_range(1..=most));
        if !open.is_empty() && dice.random_ratio(1, 5) {
            let again: Vec<usize> = done.sample(dice, open.len().div_ceil(3)).copied().collect();
            open.extend(again);
        }
        if !open.is_empty() && dice.random_ratio(1, 10) {
            open.push(open[0]);
        }
        open.shuffle(dice);
        open
    }

    /// Delivers until every record is acknowledged.
    pub(crate) async fn deliver_all(&self, mut dice: Dice) {
        while self.open() > 0 {
            let habit = Habit::draw(&mut dice);
            for _ in 0..dice.random_range(1..10) {
                let batch = self.draw(&mut dice, habit.most);
                if batch.is_empty() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
                let patience =
                    Duration::from_millis(dice.random_range(habit.patience.0..habit.patience.1));
                if self.deliver(&mut dice, &batch, patience).await.is_none() {
                    tokio::time::sleep(Duration::from_millis(dice.random_range(10..400))).await;
                }
            }
        }
    }

    /// Delivers once. None unless it was answered with an account of every record.
    pub(crate) async fn deliver(
        &self,
        dice: &mut Dice,
        batch: &[usize],
        patience: Duration,
    ) -> Option<Reply> {
        let url = self.urls.choose(dice)?;
        let records: Vec<&Record> = batch
            .iter()
            .map(|index| &self.tenant.records[*index])
            .collect();
        let lines = dice.random_bool(0.5);
        let sent = tokio::time::timeout(patience, self.send(url, &records, lines)).await;
        let outcome = match sent {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => Outcome::Again(format!("{error:#}")),
            Err(_) => Outcome::Again(format!("no answer in {patience:?}")),
        };
        match outcome {
            Outcome::Answered(reply) => {
                let mut state = self.acknowledged();
                for index in batch {
                    state[*index] = true;
                }
                drop(state);
                self.check(&records, reply);
                self.log.count(|tally| tally.answered += 1);
                Some(reply)
            }
            Outcome::Again(why) => {
                self.log.count(|tally| tally.retries += 1);
                self.log.event(format_args!(
                    "{} {url}: {} records again: {why}",
                    self.tenant.slug,
                    batch.len()
                ));
                None
            }
            Outcome::Refused(why) => {
                self.log.differs(format!(
                    "{}: a delivery was refused: {why}",
                    self.tenant.slug
                ));
                None
            }
        }
    }

    /// An answer has to add up, and to know strangers.
    fn check(&self, records: &[&Record], reply: Reply) {
        let strangers = records.iter().filter(|record| !record.is_ours).count();
        let adds_up = reply.received == records.len()
            && reply.rejected == strangers
            && reply.accepted + reply.duplicate + reply.rejected == reply.received;
        if !adds_up {
            let sent = records.len();
            self.log.differs(format!(
                "{}: {sent} records with {strangers} strangers: {reply:?}",
                self.tenant.slug
            ));
        }
    }

    async fn send(&self, url: &str, records: &[&Record], lines: bool) -> Result<Outcome> {
        let texts: Vec<&str> = records.iter().map(|record| record.json.as_str()).collect();
        let (media_type, body) = if lines {
            ("application/x-ndjson", texts.join("\n"))
        } else {
            ("application/json", format!("[{}]", texts.join(",")))
        };
        let request = self.http.post(format!("{url}/api/v1/ingest/cdrs"));
        let request = request
            .bearer_auth(&self.token)
            .header(header::CONTENT_TYPE, media_type)
            .body(body);
        let response = request.send().await.context("no answer")?;
        let status = response.status();
        let body = response.text().await.context("half an answer")?;
        let said = || format!("{status} {}", body.chars().take(300).collect::<String>());
        Ok(match status {
            StatusCode::OK => match serde_json::from_str(&body) {
                Ok(reply) => Outcome::Answered(reply),
                Err(_) => Outcome::Refused(said()),
            },
            // Some of it waits for the operator.
            StatusCode::ACCEPTED | StatusCode::REQUEST_TIMEOUT => Outcome::Again(said()),
            StatusCode::TOO_MANY_REQUESTS => {
                self.log.count(|tally| tally.throttled += 1);
                Outcome::Again(said())
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                self.log.count(|tally| tally.unavailable += 1);
                Outcome::Again(said())
            }
            status if status.is_server_error() => {
                self.log.count(|tally| tally.failed += 1);
                Outcome::Again(said())
            }
            _ => Outcome::Refused(said()),
        })
    }
}

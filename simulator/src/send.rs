//! Deliveries over HTTP to a running server, repeated until they are acknowledged; what has a topic may go there instead.

use std::time::Duration;

use async_compression::tokio::write::GzipEncoder;
use reqwest::{Client, RequestBuilder, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, time::Instant};

use crate::{
    block::{Delivery, Inlet},
    oracle,
    topics::Topics,
};

/// How long a server may stay away.
const PATIENCE: Duration = Duration::from_mins(5);
/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_mins(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Why a simulation ended early.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The plan is impossible.
    #[error(transparent)]
    Plan(#[from] domain::Error),
    /// The oracle cannot be written.
    #[error(transparent)]
    Oracle(#[from] oracle::Error),
    /// The HTTP client cannot be made, or the address is none.
    #[error("cannot send to this address: {0}")]
    Client(reqwest::Error),
    /// The server stayed away too long.
    #[error("no answer from the server for {seconds} seconds: {last}", seconds = PATIENCE.as_secs())]
    Unreachable {
        /// What happened last.
        last: String,
    },
    /// The server refuses a whole delivery.
    #[error("the server refuses the delivery: {status} {body}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Beginning of the answer.
        body: String,
    },
    /// The broker does not take messages.
    #[error("Kafka does not take messages: {0}")]
    Topic(String),
    /// The server took only a part of the fleet.
    #[error("the server refused {rejected} rows of the fleet, the first for {first}")]
    Fleet {
        /// Rows.
        rejected: u64,
        /// Code and reason of the first.
        first: String,
    },
}

/// A running server and a token of the tenant, with the permissions `INVENTORY_WRITE`, `CDRS_WRITE` and, for sessions,
/// `SESSIONS_WRITE`.
#[derive(Clone)]
pub struct Endpoint {
    client: Client,
    url: String,
    token: String,
    topics: Option<Topics>,
}

/// What a server made of a delivery.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) struct Reply {
    pub(crate) received: u64,
    pub(crate) accepted: u64,
    pub(crate) duplicate: u64,
    pub(crate) rejected: u64,
    /// Messages that the broker has instead.
    #[serde(skip)]
    pub(crate) sent: u64,
}

/// What became of an attempt.
enum Attempt {
    Answer(Vec<u8>),
    /// Worth another try; whether the connection broke, and how long the server asks to wait.
    Again {
        reason: String,
        wait: Option<Duration>,
    },
}

impl Endpoint {
    /// A server by its base address, such as `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// [`Error::Client`] when no HTTP client can be made.
    pub fn new(url: &str, token: &str) -> Result<Self, Error> {
        Ok(Self {
            client: Client::builder()
                .timeout(TIMEOUT)
                .build()
                .map_err(Error::Client)?,
            url: url.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
            topics: None,
        })
    }

    /// The same server, to which what has a topic travels through Kafka.
    #[must_use]
    pub fn through(self, topics: Topics) -> Self {
        Self {
            topics: Some(topics),
            ..self
        }
    }

    /// Imports rows of the fleet, again and again until the server answers.
    pub(crate) async fn import(&self, csv: &str) -> Result<Fleet, Error> {
        let query = "mutation($input: ImportFleetInput!) { importFleet(input: $input) \
                     { report { rows created updated unchanged rejected errors { line code reason } } userErrors { code message } } }";
        let body = json!({ "query": query, "variables": { "input": { "csv": csv } } });
        let mut patience = Patience::new();
        loop {
            let request = self
                .client
                .post(format!("{}/graphql", self.url))
                .json(&body);
            let again = match self.attempt(request).await? {
                Attempt::Answer(bytes) => match fleet(&bytes)? {
                    Ok(fleet) => return Ok(fleet),
                    Err(reason) => (reason, None),
                },
                Attempt::Again { reason, wait } => (reason, wait),
            };
            patience.pause(again.0, again.1).await?;
        }
    }

    /// Delivers records of one inlet until every one is acknowledged. After a failure it goes on with smaller
    /// deliveries, because a server may not rely on the cut of a retry.
    pub(crate) async fn deliver(
        &self,
        stream: &str,
        batch: Vec<Delivery>,
        style: usize,
    ) -> Result<(Reply, u64), Error> {
        let topic = batch.first().zip(self.topics.as_ref());
        if let Some(topic) = topic.and_then(|(first, topics)| topics.of(first.inlet)) {
            topic.send(&batch).await?;
            let reply = Reply {
                sent: batch.len() as u64,
                ..Reply::default()
            };
            return Ok((reply, 0));
        }
        let mut open: Vec<_> = std::iter::once(0..batch.len()).collect();
        let (mut total, mut retries) = (Reply::default(), 0);
        let mut patience = Patience::new();
        while let Some(range) = open.pop() {
            let request = self.request(stream, &batch[range.clone()], style).await;
            match self.attempt(request).await? {
                Attempt::Answer(bytes) => {
                    let reply: Reply =
                        serde_json::from_slice(&bytes).map_err(|_| refused(200, &bytes))?;
                    total.received += reply.received;
                    total.accepted += reply.accepted;
                    total.duplicate += reply.duplicate;
                    total.rejected += reply.rejected;
                    patience = Patience::new();
                }
                Attempt::Again { reason, wait } => {
                    retries += 1;
                    let middle = range.start + range.len().div_ceil(3);
                    open.push(middle..range.end);
                    open.push(range.start..middle);
                    open.retain(|range| !range.is_empty());
                    patience.pause(reason, wait).await?;
                }
            }
        }
        Ok((total, retries))
    }

    /// Styles alternate between an array and lines, every third compressed.
    async fn request(&self, stream: &str, batch: &[Delivery], style: usize) -> RequestBuilder {
        let lines = style % 2 == 1;
        let records: Vec<&str> = batch
            .iter()
            .map(|delivery| delivery.json.as_str())
            .collect();
        let text = if lines {
            records.join("\n")
        } else {
            format!("[{}]", records.join(","))
        };
        let path = match batch.first().map(|delivery| delivery.inlet) {
            Some(Inlet::Streamer) => format!("data-streamer?stream={stream}"),
            Some(Inlet::Sessions) => "sessions".to_owned(),
            Some(Inlet::Gateway) | None => "cdrs".to_owned(),
        };
        let media_type = if lines {
            "application/x-ndjson"
        } else {
            "application/json"
        };
        let request = self
            .client
            .post(format!("{}/api/v1/ingest/{path}", self.url))
            .header(header::CONTENT_TYPE, media_type);
        let compressed = if style % 3 == 2 {
            gzip(&text).await
        } else {
            None
        };
        match compressed {
            Some(bytes) => request.header(header::CONTENT_ENCODING, "gzip").body(bytes),
            None => request.body(text),
        }
    }

    async fn attempt(&self, request: RequestBuilder) -> Result<Attempt, Error> {
        let again = |error: &reqwest::Error| Attempt::Again {
            reason: reason(error),
            wait: None,
        };
        let response = match request.bearer_auth(&self.token).send().await {
            Ok(response) => response,
            Err(error) if error.is_builder() => return Err(Error::Client(error)),
            Err(error) => return Ok(again(&error)),
        };
        let status = response.status();
        let wait = response
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let bytes = match response.bytes().await {
            Ok(bytes) => bytes.to_vec(),
            Err(error) => return Ok(again(&error)),
        };
        let is_busy = matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
        );
        if status.is_success() {
            Ok(Attempt::Answer(bytes))
        } else if is_busy || status.is_server_error() {
            Ok(Attempt::Again {
                reason: refused(status.as_u16(), &bytes).to_string(),
                wait,
            })
        } else {
            Err(refused(status.as_u16(), &bytes))
        }
    }
}

/// The innermost cause, which says what a person can correct.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn refused(status: u16, body: &[u8]) -> Error {
    let body = String::from_utf8_lossy(body).chars().take(300).collect();
    Error::Refused { status, body }
}

async fn gzip(text: &str) -> Option<Vec<u8>> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(text.as_bytes()).await.ok()?;
    encoder.shutdown().await.ok()?;
    Some(encoder.into_inner())
}

/// Waits longer each time, and not for ever.
struct Patience {
    since: Instant,
    pause: Duration,
}

impl Patience {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            pause: FIRST_PAUSE,
        }
    }

    async fn pause(&mut self, reason: String, wait: Option<Duration>) -> Result<(), Error> {
        if self.since.elapsed() > PATIENCE {
            return Err(Error::Unreachable { last: reason });
        }
        tokio::time::sleep(wait.unwrap_or(self.pause).min(LONGEST_PAUSE)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// What a server made of fleet rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fleet {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
}

/// Reads the answer to `importFleet`; the inner error is a reason to try again.
fn fleet(bytes: &[u8]) -> Result<Result<Fleet, String>, Error> {
    let answer: Value = serde_json::from_slice(bytes).map_err(|_| refused(200, bytes))?;
    let code = answer
        .pointer("/errors/0/extensions/code")
        .and_then(Value::as_str);
    if let Some(code @ ("UNAVAILABLE" | "THROTTLED")) = code {
        return Ok(Err(code.to_owned()));
    }
    let report = answer
        .pointer("/data/importFleet/report")
        .filter(|report| report.is_object());
    let report = report.ok_or_else(|| refused(200, bytes))?;
    let number = |name: &str| report.get(name).and_then(number).unwrap_or_default();
    let rejected = number("rejected");
    if rejected > 0 {
        let part = |name: &str| {
            let pointer = format!("/errors/0/{name}");
            report
                .pointer(&pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let first = format!("{}: {}", part("code"), part("reason"));
        return Err(Error::Fleet { rejected, first });
    }
    Ok(Ok(Fleet {
        created: number("created"),
        updated: number("updated"),
        unchanged: number("unchanged"),
    }))
}

/// A count, as a number or (beyond 32 bits in GraphQL) as a text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_server_is_asked_again_and_a_refusal_is_final() {
        let busy =
            br#"{"errors":[{"message":"m","extensions":{"code":"UNAVAILABLE"}}],"data":null}"#;
        assert!(matches!(fleet(busy), Ok(Err(_))));
        let forbidden = br#"{"errors":[{"message":"m","extensions":{"code":"FORBIDDEN"}}]}"#;
        assert!(matches!(fleet(forbidden), Err(Error::Refused { .. })));
        assert!(matches!(fleet(b"<html>"), Err(Error::Refused { .. })));
    }

    #[test]
    fn a_fleet_that_is_not_taken_whole_is_an_error() {
        let whole =
            br#"{"data":{"importFleet":{"report":{"created":3,"unchanged":"2","rejected":0,"errors":[]}}}}"#;
        let taken = fleet(whole).expect("an answer").expect("taken");
        assert_eq!((taken.created, taken.updated, taken.unchanged), (3, 0, 2));
        let part = br#"{"data":{"importFleet":{"report":{"rejected":1,"errors":[{"code":"IMSI_TAKEN","reason":"r"}]}}}}"#;
        let error = fleet(part).map(|_| ()).map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("the server refused 1 rows of the fleet, the first for IMSI_TAKEN: r".into())
        );
    }
}

//! The part of ClickHouse's HTTP protocol that the `clickhouse` client and plain `curl` use.
//!
//! A statement arrives in the query string, as the body, or as a form with its parameters; the body of an
//! `INSERT … FORMAT` is streamed into the engine. Rows are streamed out where the format allows it. An error
//! before the first row is an HTTP error; a later one is written into the stream between exception marks and the
//! answer is then cut off, so no client can take it for complete.

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    Engine, EngineLimits,
    ffi::{Connection, Failure, Output, Statistics},
    request::{Ask, split_insert},
};

/// Longest statement with its parameters.
const STATEMENT_BYTES: usize = 32 << 20;
/// Longest pause within the body of an insert before it is given up; it occupies a place in the engine.
const BODY_PAUSE: Duration = Duration::from_mins(1);
/// Marks an exception inside a stream of rows.
const EXCEPTION_TAG: &str = "simcubeexception";

pub(super) type Body = BoxBody<Bytes, io::Error>;

/// Answers one request. Never fails: failures are answers.
pub(super) async fn handle(engine: Arc<Engine>, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    if head.method == Method::GET && head.uri.query().is_none() {
        return Response::new(full("Ok.\n"));
    }
    let mut ask = match Ask::from_query(head.uri.query().unwrap_or_default(), &head.headers) {
        Ok(ask) => ask,
        Err(message) => return refuse(StatusCode::BAD_REQUEST, message),
    };
    if let Some((sql, format)) = ask.sql.as_deref().and_then(split_insert) {
        return insert(engine, ask, sql, format, body).await;
    }
    let body = match Limited::new(body, STATEMENT_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => return refuse(StatusCode::BAD_REQUEST, format!("unreadable body: {error}")),
    };
    if let Err(message) = ask.read_body(&head.headers, &body) {
        return refuse(StatusCode::BAD_REQUEST, message);
    }
    select(engine, ask).await
}

/// Gives a fresh connection the request's settings, held within the limits, and its database.
fn prepare(engine: &Engine, ask: &Ask) -> Result<Connection, Failure> {
    let mut connection = engine
        .connect()
        .ok_or("Code: 1002. DB::Exception: the engine gave no connection")?;
    connection.query(&settings(&engine.limits, &ask.settings), "Null", &[])?;
    if let Some(database) = &ask.database {
        connection.query(&format!("USE {}", quoted(database, '`')), "Null", &[])?;
    }
    Ok(connection)
}

/// The `SET` statement of a request. Memory and time cannot be raised above the engine's limits, nor made
/// unbounded by 0.
fn settings(limits: &EngineLimits, asked: &[(String, String)]) -> String {
    let seconds = limits.execution_time.as_secs().max(1);
    let bounds = [
        ("max_memory_usage", limits.statement_bytes),
        ("max_execution_time", seconds),
        ("max_threads", limits.threads.into()),
    ];
    let bound = |name: &str| {
        bounds
            .iter()
            .find(|(bound, _)| *bound == name)
            .map(|(_, value)| *value)
    };
    let mut parts: Vec<String> = bounds
        .iter()
        .map(|(name, limit)| {
            let wish = asked
                .iter()
                .rfind(|(asked, _)| asked == name)
                .and_then(|(_, value)| value.parse().ok());
            format!(
                "{name} = {}",
                wish.filter(|wish| (1..=*limit).contains(wish))
                    .unwrap_or(*limit)
            )
        })
        .collect();
    parts.extend(
        asked
            .iter()
            .filter(|(name, _)| bound(name).is_none())
            .map(|(name, value)| format!("{name} = {}", quoted(value, '\''))),
    );
    format!("SET {}", parts.join(", "))
}

fn quoted(text: &str, mark: char) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(mark);
    for c in text.chars() {
        if c == mark || c == '\\' {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push(mark);
    quoted
}

type Frames = mpsc::Sender<io::Result<Frame<Bytes>>>;
type Head = oneshot::Sender<Result<Statistics, Failure>>;

async fn select(engine: Arc<Engine>, ask: Ask) -> Response<Body> {
    let Some(permit) = engine.permit().await else {
        return closed();
    };
    let (head, headed) = oneshot::channel();
    let (frames, rows) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        run(
            &engine,
            &ask,
            Answer {
                head: Some(head),
                frames,
            },
        );
        drop(permit);
    });
    match headed.await {
        Ok(Ok(statistics)) => {
            let rows = futures::stream::unfold(rows, |mut rows| async {
                rows.recv().await.map(|row| (row, rows))
            });
            // An error ends the stream; what was written before it must be flushed first, so let hyper do that.
            let rows = rows.then(|row| async {
                if row.is_err() {
                    tokio::task::yield_now().await;
                }
                row
            });
            let mut response = Response::new(BodyExt::boxed(StreamBody::new(rows)));
            response.headers_mut().extend(
                [
                    ("x-clickhouse-summary", summary(&statistics)),
                    ("x-clickhouse-exception-tag", EXCEPTION_TAG.to_owned()),
                ]
                .into_iter()
                .filter_map(|(name, value)| {
                    Some((
                        hyper::header::HeaderName::from_static(name),
                        value.try_into().ok()?,
                    ))
                }),
            );
            response
        }
        Ok(Err(failure)) => fail(&failure),
        Err(_) => fail("Code: 1001. DB::Exception: the statement's thread panicked"),
    }
}

/// The two halves of an answer: its head, sent once, and its rows.
struct Answer {
    head: Option<Head>,
    frames: Frames,
}

impl Answer {
    /// Sends the head, unless it is sent already.
    fn begin(&mut self, outcome: Result<Statistics, Failure>) {
        if let Some(head) = self.head.take() {
            // The client may have left, which the rows will notice too.
            let _ = head.send(outcome);
        }
    }

    /// Sends a piece; `false` when the client has left.
    fn send(&self, bytes: Bytes) -> bool {
        bytes.is_empty() || self.frames.blocking_send(Ok(Frame::data(bytes))).is_ok()
    }

    fn fail(mut self, failure: Failure) {
        if self.head.is_some() {
            self.begin(Err(failure));
        } else if self.send(mid_stream_exception(&failure)) {
            let _ = self.frames.blocking_send(Err(io::Error::other(
                "the statement failed after its first rows",
            )));
        }
    }
}

/// Runs a statement on this (blocking) thread.
fn run(engine: &Engine, ask: &Ask, mut answer: Answer) {
    let sql = ask.sql.as_deref().unwrap_or_default();
    let outcome = prepare(engine, ask).and_then(|mut connection| {
        if ask.streams(sql) && stream(&mut connection, ask, sql, &mut answer)? {
            return Ok(());
        }
        // Not a stream, or a stream without rows: then the engine left out even the header, and an empty result is
        // quickly made again. The connection had no error and holds no rows.
        let output = connection.query(sql, &ask.format, &ask.parameters)?;
        answer.begin(Ok(output.statistics));
        answer.send(output.bytes);
        Ok(())
    });
    if let Err(failure) = outcome {
        answer.fail(failure);
    }
}

/// Streams rows; whether there were any.
fn stream(
    connection: &mut Connection,
    ask: &Ask,
    sql: &str,
    answer: &mut Answer,
) -> Result<bool, Failure> {
    let mut header = None;
    let mut begun = false;
    let repeats_header = ask.format == "RowBinaryWithNamesAndTypes";
    connection.stream(
        sql,
        &ask.format,
        &ask.parameters,
        |Output { bytes, statistics }| {
            answer.begin(Ok(statistics));
            begun = true;
            // Every chunk starts with the header again; only the first may keep it.
            let cut = match header {
                Some(length) if repeats_header => length,
                _ => {
                    header = Some(names_and_types_length(&bytes).unwrap_or(0));
                    0
                }
            };
            answer.send(bytes.slice(cut.min(bytes.len())..))
        },
    )?;
    Ok(begun)
}

/// Length of the header of `RowBinaryWithNamesAndTypes`: a count, then as many names, then as many types.
fn names_and_types_length(bytes: &[u8]) -> Option<usize> {
    fn varint(bytes: &[u8], at: &mut usize) -> Option<usize> {
        let mut value = 0_usize;
        for shift in (0..63).step_by(7) {
            let byte = *bytes.get(*at)?;
            *at += 1;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
    let mut at = 0;
    let columns = varint(bytes, &mut at)?;
    for _ in 0..columns.checked_mul(2)? {
        let length = varint(bytes, &mut at)?;
        at = at.checked_add(length).filter(|at| *at <= bytes.len())?;
    }
    Some(at)
}

/// A piece of an insert's body, or its end, or why the end never comes. An insert is finished by its end only.
type Piece = Result<Option<Bytes>, Failure>;

async fn insert(
    engine: Arc<Engine>,
    ask: Ask,
    sql: String,
    format: String,
    mut body: Incoming,
) -> Response<Body> {
    let Some(permit) = engine.permit().await else {
        return closed();
    };
    let (pieces, mut received) = mpsc::channel::<Piece>(8);
    let job = tokio::task::spawn_blocking(move || {
        let outcome = prepare(&engine, &ask).and_then(|mut connection| {
            connection.insert(&sql, &format, &ask.parameters, || {
                // Without an end, this request was dropped: its connection broke, or the listener was stopped.
                let gone =
                    "Code: 210. DB::Exception: the client went away before the end of the insert";
                received
                    .blocking_recv()
                    .unwrap_or_else(|| Err(gone.to_owned()))
            })
        });
        drop(permit);
        outcome
    });
    loop {
        let piece = match tokio::time::timeout(BODY_PAUSE, body.frame()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Ok(Some(data)),
                Err(_trailer) => continue,
            },
            Ok(Some(Err(error))) => Err(format!(
                "Code: 210. DB::Exception: the client went away: {error}"
            )),
            Err(_) => {
                Err("Code: 209. DB::Exception: the client stopped sending the insert".to_owned())
            }
        };
        let last = !matches!(piece, Ok(Some(_)));
        if pieces.send(piece).await.is_err() || last {
            break;
        }
    }
    drop(pieces);
    match job.await {
        Ok(Ok(statistics)) => {
            let mut response = Response::new(full(""));
            if let Ok(value) = summary(&statistics).try_into() {
                response.headers_mut().insert("x-clickhouse-summary", value);
            }
            response
        }
        Ok(Err(failure)) => fail(&failure),
        Err(_) => fail("Code: 1001. DB::Exception: the insert's thread panicked"),
    }
}

fn summary(s: &Statistics) -> String {
    format!(
        r#"{{"read_rows":"{}","read_bytes":"{}","written_rows":"{}","written_bytes":"{}","elapsed_ns":"{:.0}"}}"#,
        s.read_rows,
        s.read_bytes,
        s.written_rows,
        s.written_bytes,
        s.elapsed_seconds * 1e9
    )
}

/// An exception inside a stream, as ClickHouse has written it since 25.11.
fn mid_stream_exception(failure: &str) -> Bytes {
    let message = format!("{}\n", failure.trim());
    let length = message.len();
    format!("\r\n__exception__\r\n{EXCEPTION_TAG}\r\n{message}{length} {EXCEPTION_TAG}\r\n__exception__\r\n").into()
}

fn full(bytes: impl Into<Bytes>) -> Body {
    BodyExt::boxed(Full::new(bytes.into()).map_err(|never| match never {}))
}

fn closed() -> Response<Body> {
    refuse(
        StatusCode::SERVICE_UNAVAILABLE,
        "Code: 236. DB::Exception: the embedded engine is closed",
    )
}

fn refuse(status: StatusCode, message: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(message));
    *response.status_mut() = status;
    response
}

fn fail(failure: &str) -> Response<Body> {
    let code = failure
        .strip_prefix("Code: ")
        .and_then(|rest| rest.split('.').next());
    let mut response = refuse(StatusCode::INTERNAL_SERVER_ERROR, failure.to_owned());
    if let Some(value) = code.and_then(|code| code.trim().parse::<u32>().ok()) {
        response
            .headers_mut()
            .insert("x-clickhouse-exception-code", value.into());
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_can_be_lowered_and_not_raised() {
        let limits = EngineLimits {
            statement_bytes: 100,
            threads: 2,
            ..EngineLimits::default()
        };
        let asked = |value: &str| vec![("max_memory_usage".to_owned(), value.to_owned())];
        assert!(settings(&limits, &asked("50")).contains("max_memory_usage = 50,"));
        for high in ["0", "101", "x"] {
            assert!(
                settings(&limits, &asked(high)).contains("max_memory_usage = 100,"),
                "{high}"
            );
        }
        assert_eq!(quoted("a'b\\", '\''), r"'a\'b\\'");
    }

    #[test]
    fn a_repeated_header_is_measured() {
        let header = b"\x01\x01a\x06UInt64rest";
        assert_eq!(names_and_types_length(header), Some(10));
        assert_eq!(names_and_types_length(&header[..6]), None);
    }
}

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
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Frame, Incoming},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    Engine, EngineLimits,
    ffi::{Connection, Failure, Output, Parameter, Statistics},
};

/// Longest statement with its parameters.
const STATEMENT_BYTES: usize = 32 << 20;
/// Longest pause within the body of an insert before it is given up; it occupies a place in the engine.
const BODY_PAUSE: Duration = Duration::from_secs(60);
/// Marks an exception inside a stream of rows.
const EXCEPTION_TAG: &str = "simcubeexception";

pub(super) type Body = BoxBody<Bytes, io::Error>;

/// What a request asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ask {
    sql: Option<String>,
    database: Option<String>,
    format: String,
    /// The client wants the whole answer before the first byte.
    buffered: bool,
    settings: Vec<(String, String)>,
    parameters: Vec<Parameter>,
}

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

impl Ask {
    fn from_query(query: &str, headers: &HeaderMap) -> Result<Self, String> {
        let header = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let mut ask = Self {
            database: header("x-clickhouse-database"),
            format: header("x-clickhouse-format").unwrap_or_else(|| "TabSeparated".into()),
            ..Self::default()
        };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "query" => ask.sql = Some(value),
                "database" => ask.database = Some(value),
                "default_format" => ask.format = value,
                "wait_end_of_query" => ask.buffered = value == "1",
                "compress" | "decompress" if value != "0" => {
                    return Err("the embedded engine serves without compression".into());
                }
                // Belong to a server with users, sessions and compression.
                "query_id"
                | "session_id"
                | "session_timeout"
                | "session_check"
                | "role"
                | "user"
                | "password"
                | "quota_key"
                | "buffer_size"
                | "enable_http_compression"
                | "compress"
                | "decompress" => {}
                name => match name.strip_prefix("param_") {
                    Some(parameter) => ask.parameters.push((parameter.to_owned(), value)),
                    None if is_word(name) => ask.settings.push((name.to_owned(), value)),
                    None => return Err(format!("not a setting: {name:?}")),
                },
            }
        }
        Ok(ask)
    }

    /// Takes the statement (or the rest of it) and form parameters from the body.
    fn read_body(&mut self, headers: &HeaderMap, body: &Bytes) -> Result<(), String> {
        let kind = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if let Some(boundary) = kind
            .strip_prefix("multipart/form-data")
            .and_then(|rest| rest.split_once("boundary="))
        {
            for (name, value) in form_fields(body, boundary.1.trim_matches('"'))? {
                match name.strip_prefix("param_") {
                    Some(parameter) => self.parameters.push((parameter.to_owned(), value)),
                    None if name == "query" => self.sql = Some(value),
                    None => return Err(format!("unknown form field {name:?}")),
                }
            }
            return Ok(());
        }
        let text =
            std::str::from_utf8(body).map_err(|_| "the statement is not UTF-8 text".to_owned())?;
        match &mut self.sql {
            Some(sql) if !text.is_empty() => {
                sql.push('\n');
                sql.push_str(text);
            }
            Some(_) => {}
            None => self.sql = Some(text.to_owned()),
        }
        Ok(())
    }

    /// Whether the rows may go out as the engine makes them. It formats every block on its own, so only formats
    /// whose blocks can be concatenated qualify, and it streams queries only.
    fn streams(&self, sql: &str) -> bool {
        const CONCATENABLE: [&str; 5] = [
            "RowBinary",
            "RowBinaryWithNamesAndTypes",
            "JSONEachRow",
            "JSONCompactEachRow",
            "CSV",
        ];
        let word = sql
            .trim_start()
            .split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default();
        !self.buffered
            && CONCATENABLE.contains(&&*self.format)
            && (word.eq_ignore_ascii_case("select") || word.eq_ignore_ascii_case("with"))
    }
}

/// The fields of a `multipart/form-data` body.
fn form_fields(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the form is not UTF-8 text".to_owned())?;
    let mark = format!("--{boundary}");
    text.split(&mark)
        .filter_map(|part| part.strip_prefix("\r\n"))
        .map(|part| {
            let (head, value) = part
                .split_once("\r\n\r\n")
                .ok_or("a form field without a body")?;
            let name = head
                .split("name=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            let value = value
                .strip_suffix("\r\n")
                .ok_or("a form field without an end")?;
            Ok((
                name.ok_or("a form field without a name")?.to_owned(),
                value.to_owned(),
            ))
        })
        .collect()
}

/// Splits `INSERT INTO t(…) FORMAT X` into the statement and the format; `None` for anything else.
fn split_insert(sql: &str) -> Option<(String, String)> {
    let sql = sql.trim();
    if !sql.get(..6)?.eq_ignore_ascii_case("insert") {
        return None;
    }
    let (head, format) = sql.rsplit_once(char::is_whitespace)?;
    let (head, keyword) = head.trim_end().rsplit_once(char::is_whitespace)?;
    (keyword.eq_ignore_ascii_case("format") && is_word(format))
        .then(|| (head.trim_end().to_owned(), format.to_owned()))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
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
            // The client may be gone, which the rows will notice too.
            let _ = head.send(outcome);
        }
    }

    /// Sends a piece; `false` when the client is gone.
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
    let (pieces, mut received) = mpsc::channel::<Result<Bytes, Failure>>(8);
    let job = tokio::task::spawn_blocking(move || {
        let outcome = prepare(&engine, &ask).and_then(|mut connection| {
            connection.insert(&sql, &format, &ask.parameters, || {
                received.blocking_recv().transpose()
            })
        });
        drop(permit);
        outcome
    });
    loop {
        let piece = match tokio::time::timeout(BODY_PAUSE, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => Ok(data),
                Err(_trailer) => continue,
            },
            Ok(Some(Err(error))) => Err(format!(
                "Code: 210. DB::Exception: the client went away: {error}"
            )),
            Err(_) => {
                Err("Code: 209. DB::Exception: the client stopped sending the insert".to_owned())
            }
        };
        let last = piece.is_err();
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
    fn an_insert_is_told_from_its_format() {
        assert_eq!(
            split_insert(" INSERT INTO cdr (a, b)\nFORMAT RowBinary "),
            Some(("INSERT INTO cdr (a, b)".into(), "RowBinary".into()))
        );
        for other in [
            "INSERT INTO t SELECT 1",
            "INSERT INTO t VALUES (1)",
            "SELECT 1 FORMAT CSV",
            "",
            "insert",
        ] {
            assert_eq!(split_insert(other), None, "{other}");
        }
    }

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
    fn settings_are_words() {
        let headers = HeaderMap::new();
        assert!(Ask::from_query("a%20%3D%201%2C%20b=1", &headers).is_err());
        assert!(Ask::from_query("decompress=1", &headers).is_err());
        let ask = Ask::from_query("param_x=1&max_block_size=2&query_id=3", &headers).expect("fine");
        assert_eq!(ask.parameters, [("x".to_owned(), "1".to_owned())]);
        assert_eq!(
            ask.settings,
            [("max_block_size".to_owned(), "2".to_owned())]
        );
    }

    #[test]
    fn a_form_is_read_field_by_field() {
        let body = "--B\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT 1\r\n\
                    --B\r\nContent-Disposition: form-data; name=\"param_a\"\r\n\r\nx\r\ny\r\n--B--\r\n";
        let fields = form_fields(body.as_bytes(), "B").expect("a form");
        assert_eq!(
            fields,
            [
                ("query".into(), "SELECT 1".into()),
                ("param_a".into(), "x\r\ny".into())
            ]
        );
    }

    #[test]
    fn a_repeated_header_is_measured() {
        let header = b"\x01\x01a\x06UInt64rest";
        assert_eq!(names_and_types_length(header), Some(10));
        assert_eq!(names_and_types_length(&header[..6]), None);
    }
}

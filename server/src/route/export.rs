//! Exports over REST: asked for, looked at, and downloaded.

use std::{fmt::Write as _, ops::Range};

use axum::{
    Json,
    body::Body,
    extract::{Path, RawQuery, State},
    response::{IntoResponse as _, Redirect, Response},
};
use domain::{Code, Error, IdempotencyKey, id::JobId, job};
use exports::{
    Compression, DataSet, Dialect, Download, Form, Format, Link, Order, Part, Partition, Request,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_range_header::parse_range_header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use service::Session;
use strum::VariantArray as _;

use super::{App, Failure, graphql::collect, known, negotiate};

/// Bytes of a request for a file.
const BODY: usize = 1 << 20;

/// What a name of a file may have unescaped in a header (RFC 8187, `attr-char`).
const ATTR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// A file that is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    data_set: String,
    format: String,
    compression: Option<Compression>,
    csv: Option<Dialect>,
    partition_by: Option<Partition>,
    /// What is asked of the data set: a filter, or a question.
    filter: Option<Value>,
    question: Option<Value>,
    name: Option<String>,
    idempotency_key: Option<String>,
}

/// `POST /api/v1/exports`.
pub(super) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let claims = app.authenticate(&headers).await?;
    negotiate::require_json(&headers)?;
    let body = collect(&headers, body, BODY).await?;
    let given: Value = serde_json::from_slice(&body).map_err(|error| no_request(&error))?;
    let asked = Asked::deserialize(&given).map_err(|error| no_request(&error))?;
    let order = order(&asked)?;
    let key = asked.idempotency_key;
    let key = key.map(|key| IdempotencyKey::new(key, "POST /api/v1/exports", given));
    let session = known(app.entry().enter(&claims, "POST /api/v1/exports")).await?;
    let cx = session.write(key.transpose()?).await?;
    let job = app
        .exports()
        .create(&session, cx, asked.name, &order)
        .await?;
    let place = format!("/api/v1/exports/{}", job.id);
    let shown = Json(shown(&app, &session, &job).await?);
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], shown).into_response())
}

fn no_request(error: &serde_json::Error) -> Failure {
    let text = format!("the body is no request for a file: {error}");
    Failure::new(Code::InvalidInput, text)
}

fn order(asked: &Asked) -> Result<Order, Error> {
    let data_set: DataSet = asked
        .data_set
        .parse()
        .map_err(|_| Error::invalid("no such data set").at("data_set"))?;
    let format: Format = asked
        .format
        .parse()
        .map_err(|_| Error::invalid(format!("a file is {}", words())).at("format"))?;
    let form = Form::new(format, asked.compression.unwrap_or_default(), asked.csv)?;
    let json = match (&asked.filter, &asked.question) {
        (Some(_), Some(_)) => {
            return Err(Error::invalid("give a filter or a question, not both").at("question"));
        }
        (filter, question) => filter.as_ref().or(question.as_ref()),
    };
    let json = json.map(Value::to_string);
    let request = Request::parse(data_set, json.as_deref())?;
    Order::new(request, form).by(asked.partition_by)
}

/// The formats, as a sentence has them.
fn words() -> String {
    let words: Vec<&str> = Format::VARIANTS.iter().map(AsRef::as_ref).collect();
    words.join(", ")
}

/// `GET /api/v1/exports/{id}`.
pub(super) async fn show(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let claims = app.authenticate(&headers).await?;
    let id: JobId = id.parse().map_err(|_| Error::not_found("export"))?;
    let session = known(app.entry().enter(&claims, "GET /api/v1/exports")).await?;
    let job = job::get(&*session.read().await?, id).await?;
    Ok(Json(shown(&app, &session, &job).await?).into_response())
}

async fn shown(app: &App, session: &Session, job: &job::Job) -> Result<Value, Error> {
    let link = app.exports().link(session, job).await?;
    let order = Order::of(&job.request)?;
    let error = job.failure.as_ref();
    let parts = Part::of(job.result.as_ref()).into_iter().map(|part| {
        let url = link.as_ref().map(|link| link.address(job.id, Some(&part.path)));
        json!({ "path": part.path, "rows": part.rows, "bytes": part.bytes, "sha256": part.sha256, "downloadUrl": url })
    });
    let parts: Vec<Value> = parts.collect();
    let id = job.id;
    Ok(json!({
        "id": id.to_string(),
        "name": job.name,
        "dataSet": order.request.data_set().as_ref(),
        "format": order.form.format().as_ref(),
        "compression": order.form.compression().as_ref(),
        "question": order.request.json()?,
        "state": job.state.as_ref(),
        "requestedBy": job.requested_by,
        "rowsDone": job.progress.rows,
        "rowsExpected": job.progress.expected,
        "percent": job.percent(),
        "doneAbout": job.done_about(),
        "attempts": job.attempts,
        "createdAt": job.created_at,
        "startedAt": job.started_at,
        "heartbeatAt": job.heartbeat_at,
        "endedAt": job.ended_at,
        "expiresAt": job.expires_at,
        "bytes": job.bytes,
        "partitionBy": order.partition(),
        "parts": parts,
        "error": error.map(|error| json!({ "code": error.code.as_ref(), "message": error.message })),
        "manifest": job.result,
        "downloadUrl": link.filter(|_| parts.is_empty()).map(|link| link.address(id, None)),
    }))
}

/// `GET /api/v1/exports/{id}/file`, with a token or with a link.
pub(super) async fn file(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    give(&app, &id, None, query, &headers).await
}

/// `GET /api/v1/exports/{id}/file/{part}`: one of several files.
pub(super) async fn part_of(
    State(app): State<App>,
    Path((id, part)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    give(&app, &id, Some(&part), query, &headers).await
}

async fn give(
    app: &App,
    id: &str,
    part: Option<&str>,
    query: Option<String>,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let id: JobId = id.parse().map_err(|_| Error::not_found("file"))?;
    let session = if let Some(query) = query.filter(|query| !query.is_empty()) {
        let link = link(&query).ok_or_else(|| Error::not_found("file"))?;
        known(app.exports().enter(id, &link)).await?
    } else {
        let claims = app.authenticate(headers).await?;
        known(app.entry().enter(&claims, "GET /api/v1/exports/file")).await?
    };
    let download = known(app.exports().download(&session, id, part)).await?;
    drop(session);
    let disposition = disposition(&download.file_name);
    if let Some(address) = app
        .exports()
        .files()
        .link(&download.place, download.media_type, &disposition)
        .await?
    {
        return Ok(Redirect::temporary(address.as_str()).into_response());
    }
    send(app, &download, &disposition, headers).await
}

/// A link as its address has it.
fn link(query: &str) -> Option<Link> {
    let mut fields = std::collections::BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if fields
            .insert(name.into_owned(), value.into_owned())
            .is_some()
        {
            return None;
        }
    }
    Some(Link {
        expires: fields.get("expires")?.parse().ok()?,
        key: fields.get("key")?.parse().ok()?,
        signature: fields.remove("signature")?,
    })
}

/// The name that a file is saved under (RFC 6266): one for clients that know no other than ASCII, and the name itself.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|char| match char {
            ' ' | '.' | '-' | '_' => char,
            char if char.is_ascii_alphanumeric() => char,
            _ => '_',
        })
        .collect();
    let mut text = format!("attachment; filename=\"{plain}\"");
    if plain != name {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "; filename*=UTF-8''{}",
            utf8_percent_encode(name, ATTR)
        );
    }
    text
}

/// The file, or the part of it that is asked for.
async fn send(
    app: &App,
    download: &Download,
    disposition: &str,
    headers: &HeaderMap,
) -> Result<Response, Failure> {
    let tag = format!("\"{}\"", download.sha256);
    let given = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_known = given(&header::IF_NONE_MATCH).is_some_and(|known| {
        known == "*"
            || known
                .split(',')
                .any(|one| one.trim().trim_start_matches("W/") == tag)
    });
    let bytes = download.bytes;
    let wanted =
        given(&header::RANGE).filter(|_| given(&header::IF_RANGE).is_none_or(|known| known == tag));
    let part = wanted.map_or(Ok(None), |range| part(range, bytes));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match part {
            Err(()) => {
                let error = Error::invalid(format!("the file has {bytes} bytes"));
                let failure = Failure::from(error).with_status(StatusCode::RANGE_NOT_SATISFIABLE);
                let mut response = failure.into_response();
                let range = format!("bytes */{bytes}");
                set(&mut response, header::CONTENT_RANGE, &range)?;
                return Ok(response);
            }
            Ok(range) => {
                let status = if range.is_some() {
                    StatusCode::PARTIAL_CONTENT
                } else {
                    StatusCode::OK
                };
                let of = range.clone().unwrap_or(0..bytes);
                let body = if of.is_empty() {
                    Body::empty()
                } else {
                    Body::from_stream(
                        app.exports()
                            .files()
                            .read(&download.place, of.clone())
                            .await?,
                    )
                };
                let mut response = (status, body).into_response();
                set(
                    &mut response,
                    header::CONTENT_LENGTH,
                    &(of.end - of.start).to_string(),
                )?;
                if range.is_some() {
                    let range = format!("bytes {}-{}/{bytes}", of.start, of.end - 1);
                    set(&mut response, header::CONTENT_RANGE, &range)?;
                }
                response
            }
        }
    };
    set(&mut response, header::CONTENT_TYPE, download.media_type)?;
    set(&mut response, header::CONTENT_DISPOSITION, disposition)?;
    set(&mut response, header::ETAG, &tag)?;
    set(&mut response, header::ACCEPT_RANGES, "bytes")?;
    Ok(response)
}

fn set(response: &mut Response, name: HeaderName, value: &str) -> Result<(), Failure> {
    let value = HeaderValue::from_str(value).map_err(Error::internal)?;
    response.headers_mut().insert(name, value);
    Ok(())
}

/// The one range that is asked for; nothing where the whole file is sent, which is allowed whatever is asked (RFC 9110, 14.2).
fn part(range: &str, bytes: u64) -> Result<Option<Range<u64>>, ()> {
    let Ok(ranges) = parse_range_header(range) else {
        return Ok(None);
    };
    if ranges.ranges.len() > 1 {
        return Ok(None);
    }
    // Of nothing there is no part.
    if bytes == 0 {
        return Err(());
    }
    match ranges.validate(bytes) {
        Ok(ranges) => Ok(ranges
            .into_iter()
            .next()
            .map(|range| *range.start()..range.end() + 1)),
        Err(_) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_to_every_client() {
        assert_eq!(disposition("May.csv"), "attachment; filename=\"May.csv\"");
        assert_eq!(
            disposition("Größe \"1\".csv"),
            "attachment; filename=\"Gr__e _1_.csv\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22.csv"
        );
    }

    #[test]
    fn one_range_is_sent_and_everything_else_is_the_whole_or_nothing() {
        assert_eq!(part("bytes=0-0", 10), Ok(Some(0..1)));
        assert_eq!(part("bytes=5-", 10), Ok(Some(5..10)));
        assert_eq!(part("bytes=-3", 10), Ok(Some(7..10)));
        assert_eq!(part("bytes=5-99", 10), Ok(Some(5..10)));
        assert_eq!(part("bytes=10-", 10), Err(()));
        assert_eq!(part("bytes=0-0", 0), Err(()));
        for whole in ["bytes=0-1,3-4", "lines=1-2", "bytes=x", ""] {
            assert_eq!(part(whole, 10), Ok(None), "{whole}");
        }
    }

    #[test]
    fn a_link_has_each_part_once() {
        let key = "key=00000000-0000-7000-8000-000000000001";
        assert!(link(&format!("expires=1&{key}&signature=a")).is_some());
        for wrong in [
            "",
            "expires=1",
            &format!("expires=x&{key}&signature=a"),
            &format!("expires=1&expires=1&{key}&signature=a"),
        ] {
            assert!(link(wrong).is_none(), "{wrong}");
        }
    }
}

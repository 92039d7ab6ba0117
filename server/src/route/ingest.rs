//! The way in for usage records and rollups of sessions. What becomes of a body is [`ingest`]'s business; here are headers and statuses.

use axum::{
    Json,
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse as _, Response},
};
use domain::{Code, Result as DomainResult, identity::VerifiedClaims};
use http::{HeaderMap, HeaderName, StatusCode, header};
use ingest::{
    format::{Format, Framing},
    pipeline::{Account, Intake},
    read::Encoding,
};
use serde_json::{Value, json};

use super::{App, Failure, known};

/// `POST /api/v1/ingest/cdrs`: JSON, NDJSON or CloudEvents.
pub(super) async fn cdrs(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let claims = app.authenticate(&headers).await?;
    let format = Format::of_records(text(&headers, &header::CONTENT_TYPE));
    deliver(&app, &claims, "ingest cdrs", format, &headers, body).await
}

/// `POST /api/v1/ingest/data-streamer?stream=NAME`: usage records of emnify or 1NCE.
pub(super) async fn data_streamer(
    State(app): State<App>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Body,
) -> Result<Response, Failure> {
    let claims = app.authenticate(&headers).await?;
    let stream = stream_of(query.as_deref().unwrap_or_default())?;
    let format = Format::of_data_streamer(&stream, text(&headers, &header::CONTENT_TYPE));
    deliver(
        &app,
        &claims,
        "ingest data-streamer",
        format,
        &headers,
        body,
    )
    .await
}

/// `POST /api/v1/ingest/sessions`: rollups of sessions, as JSON or NDJSON.
pub(super) async fn sessions(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let claims = app.authenticate(&headers).await?;
    let scope = known(app.entry().identify(&claims)).await?;
    let entry = app.entry();
    let entered = entry.enter_to_deliver_sessions(&scope, "ingest sessions");
    let deliverer = entered.await?;
    let framing = Framing::of_rollups(text(&headers, &header::CONTENT_TYPE));
    let framing = framing.map_err(unsupported)?;
    let intake = app.intake()?;
    let encoding =
        Encoding::parse(text(&headers, &header::CONTENT_ENCODING)).map_err(unsupported)?;
    let body = body.into_data_stream();
    let submitted = intake.submit_sessions(&deliverer, framing, encoding, body);
    Ok(answer(&submitted.await.map_err(refused)?))
}

fn stream_of(query: &str) -> Result<String, Failure> {
    let mut named = url::form_urlencoded::parse(query.as_bytes())
        .filter_map(|(name, value)| (name == "stream").then(|| value.into_owned()));
    match (named.next(), named.next()) {
        (Some(stream), None) => Ok(stream),
        _ => Err(Failure::new(
            Code::InvalidInput,
            "say which stream: ?stream=NAME, once",
        )),
    }
}

/// A header that can be read, or nothing.
fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or("unreadable"))
}

async fn deliver(
    app: &App,
    claims: &VerifiedClaims,
    operation: &str,
    format: DomainResult<Format>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let scope = known(app.entry().identify(claims)).await?;
    let deliverer = app.entry().enter_to_deliver(&scope, operation).await?;
    let format = format.map_err(unsupported)?;
    let intake = app.intake()?;
    let encoding =
        Encoding::parse(text(headers, &header::CONTENT_ENCODING)).map_err(unsupported)?;
    let body = body.into_data_stream();
    let account = intake
        .submit(&deliverer, &format, encoding, body)
        .await
        .map_err(refused)?;
    Ok(answer(&account))
}

/// 200 when everything is counted or refused, 202 while the usage store does not take a part of it, and 400 when nothing of
/// the body could be read; each accounts for every record.
fn answer(account: &Account) -> Response {
    let mut shown = shown(account);
    let status = match account.noise() {
        Some((code, why)) => {
            shown["code"] = code.as_ref().into();
            shown["message"] = format!("nothing of the body could be read: {why}").into();
            match code {
                Code::LimitExceeded => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::BAD_REQUEST,
            }
        }
        None if account.pending > 0 => StatusCode::ACCEPTED,
        None => StatusCode::OK,
    };
    (status, Json(shown)).into_response()
}

fn unsupported(error: domain::Error) -> Failure {
    Failure::from(error).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

fn refused(error: domain::Error) -> Failure {
    let code = error.code();
    let failure = Failure::from(error);
    match code {
        Code::LimitExceeded => failure.with_status(StatusCode::PAYLOAD_TOO_LARGE),
        Code::Throttled => failure.with_retry(Intake::RETRY_AFTER_SECONDS),
        _ => failure,
    }
}

fn shown(account: &Account) -> Value {
    let rejections = account.rejections.iter().map(|rejected| {
        json!({
            "index": rejected.index,
            "code": rejected.code.as_ref(),
            "message": rejected.message,
        })
    });
    json!({
        "received": account.received,
        "accepted": account.accepted,
        "duplicate": account.duplicate,
        "rejected": account.rejected,
        "pending": account.pending,
        "rejections": rejections.collect::<Vec<_>>(),
        "rejections_truncated": account.rejections_truncated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_once() {
        assert_eq!(stream_of("stream=a%2Eb&x=1").ok().as_deref(), Some("a.b"));
        assert!(stream_of("").is_err());
        assert!(stream_of("stream=a&stream=b").is_err());
    }
}

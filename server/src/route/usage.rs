//! Usage without a job: the answer to a question as a stream, for notebooks and scripts.

use std::time::Duration;

use axum::{body::Body, extract::State, response::Response};
use chrono::{DateTime, SecondsFormat, Utc};
use domain::Error;
use exports::{DataSet, Foreseen, Format, Head, Request};
use futures::TryStreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{App, Failure, graphql::collect, known, negotiate};

/// Bytes of a question.
const BODY: usize = 1 << 20;

/// What an answer may be, by what a client says it takes. Whoever takes anything gets what a person can read.
const MEDIA: [(&str, Format); 8] = [
    ("application/vnd.apache.arrow.stream", Format::Arrow),
    ("text/csv", Format::Csv),
    ("application/x-ndjson", Format::Ndjson),
    ("application/ndjson", Format::Ndjson),
    ("application/jsonl", Format::Ndjson),
    ("application/*", Format::Ndjson),
    ("text/*", Format::Csv),
    ("*/*", Format::Ndjson),
];

/// `POST /api/v1/usage`.
pub(super) async fn ask(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failure> {
    let claims = app.authenticate(&headers).await?;
    negotiate::require_json(&headers)?;
    let accepted = negotiate::preferred(&headers, &MEDIA, Format::Ndjson);
    let format = accepted.ok_or_else(|| {
        let text =
            "an answer is application/vnd.apache.arrow.stream, text/csv or application/x-ndjson";
        Failure::from(Error::invalid(text)).with_status(StatusCode::NOT_ACCEPTABLE)
    })?;
    let body = collect(&headers, body, BODY).await?;
    let text = str::from_utf8(&body).map_err(|_| Error::invalid("the question is not UTF-8"))?;
    let question = Request::parse(DataSet::Usage, Some(text))?;
    // Those that wait for it have no connection.
    let turn = app.entry().turn(&claims).await?;
    let session = known(app.entry().enter(&claims, "POST /api/v1/usage")).await?;
    let patience = Duration::from_secs(app.http().idle_seconds);
    let answer = exports::answer(session, question, format.into(), patience, turn).await;
    let answer = answer.map_err(Error::from)?;
    let bytes = answer.bytes.inspect_err(|error| {
        tracing::warn!(code = error.code().as_ref(), %error, "an answer ended before its end");
    });
    let mut response = Response::new(Body::from_stream(bytes));
    let media = HeaderValue::from_static(format.media_type());
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    for (name, value) in told(&answer.head) {
        let value = HeaderValue::from_str(&value).map_err(Error::internal)?;
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

/// What is told of an answer beside its rows.
fn told(head: &Head) -> Vec<(HeaderName, String)> {
    let text = |moment: DateTime<Utc>| moment.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let header = |name, value| (HeaderName::from_static(name), value);
    let scope = if head.scope.whole_tenant {
        "tenant"
    } else {
        "part"
    };
    let mut told = vec![
        header("simcube-version", head.product_version.to_owned()),
        header("simcube-scope", scope.to_owned()),
    ];
    // A span as ISO 8601 has it.
    told.extend((head.period).map(|span| {
        header(
            "simcube-period",
            format!("{}/{}", text(span.from), text(span.to)),
        )
    }));
    if let Some(Foreseen { tables, watermark }) = &head.foreseen {
        told.push(header("simcube-tables", tables.join(", ")));
        told.extend(watermark.map(|moment| header("simcube-watermark", text(moment))));
    }
    if !head.closed.is_empty() {
        told.push(header("simcube-closed", head.closed.join(", ")));
    }
    told
}

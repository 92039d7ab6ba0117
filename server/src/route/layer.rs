//! What every request passes: an id, a log line without identifiers of the fleet, headers for browsers, and the
//! end of the server.

use std::{
    any::Any,
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use domain::{Code, Error};
use http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::CorsLayer;
use tracing::Instrument as _;
use uuid::Uuid;

use super::Failure;
use crate::stop::Stop;

/// Header that names the request in the log.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers of every answer that does not say otherwise.
const DEFAULTS: [(HeaderName, HeaderValue); 7] = [
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// The id of a request, which finds it in the log.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

/// Gives the request an id and logs method, matched route, status and duration. Neither paths nor queries are
/// logged as sent: they may hold an ICCID. A client's own id is not taken over for the same reason.
pub(super) async fn observe(mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = Uuid::now_v7().simple().to_string();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", id);
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let (status, ms) = (response.status().as_u16(), started.elapsed().as_millis());
    // Probes come every few seconds and say nothing while they are well.
    if route.starts_with("/health") && status < 400 {
        span.in_scope(|| tracing::debug!(%method, route, status, ms, "answered"));
    } else {
        span.in_scope(|| tracing::info!(%method, route, status, ms, "answered"));
    }
    response
}

/// Adds the default headers.
pub(super) async fn protect(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in DEFAULTS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Lets pages of these origins call the API from a browser. Tokens are sent in a header and never by the browser itself, so
/// no credentials are allowed.
pub(super) fn cross_origin(origins: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> = origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok())
        .collect();
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([REQUEST_ID, header::RETRY_AFTER])
        .max_age(Duration::from_hours(1))
}

/// Answers 503 when the server's grace period ends before the request does.
pub(super) async fn until_cut(State(stop): State<Stop>, request: Request, next: Next) -> Response {
    tokio::select! {
        response = next.run(request) => response,
        () = stop.is_cut() => Failure::stopping().into_response(),
    }
}

/// A panic is our fault and says nothing about itself to the client. The hook has logged it already.
pub(super) fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    let failure = Failure::from(Error::new(Code::Internal, "internal error"));
    let mut response = axum::Json(failure.to_graphql_and_rest()).into_response();
    failure.add_headers(&mut response);
    response
}

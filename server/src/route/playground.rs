//! The playground's files, from the binary.

use ::playground::{ASSETS, Asset, CONTENT_SECURITY_POLICY, OPERATIONS, PAGE};
use axum::{
    Json, Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderName, HeaderValue, header};
use serde_json::{Value, json};

/// `GET /`, the files it loads, and the example operations.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    ASSETS.iter().chain([&PAGE]).fold(
        Router::new().route("/playground/operations.json", get(operations)),
        |router, asset| {
            router.route(
                &format!("/{}", asset.path),
                get(move || std::future::ready(serve(asset))),
            )
        },
    )
}

fn serve(asset: &'static Asset) -> Response {
    let caching = if asset.immutable {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers: [(HeaderName, HeaderValue); 3] = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static(asset.content_type),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static(caching)),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(CONTENT_SECURITY_POLICY),
        ),
    ];
    (headers, asset.body).into_response()
}

async fn operations() -> Json<Value> {
    let list = OPERATIONS
        .iter()
        .map(|(name, text)| json!({ "name": name, "text": text }));
    Json(Value::Array(list.collect()))
}

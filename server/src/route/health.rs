//! Whether the process lives, and whether it can do its work.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use futures::future::BoxFuture;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::App;

/// One thing that must be well before requests are welcome.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    run: Arc<dyn Fn() -> BoxFuture<'static, bool> + Send + Sync>,
}

impl Check {
    /// A named check.
    pub fn new<F>(name: &'static str, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = bool> + Send + 'static,
    {
        Self {
            name,
            run: Arc::new(move || Box::pin(run())),
        }
    }
}

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /health/ready`: 200 when every check is well, 503 otherwise, and which.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let outcomes = futures::future::join_all(app.checks().iter().map(|check| async {
        let limit = std::time::Duration::from_secs(5);
        let well = tokio::time::timeout(limit, (check.run)())
            .await
            .unwrap_or(false);
        (check.name, well)
    }));
    let outcomes = outcomes.await;
    let well = !app.stop().is_asked() && outcomes.iter().all(|(_, well)| *well);
    let checks: Map<String, Value> = outcomes
        .into_iter()
        .map(|(name, well)| {
            (
                name.to_owned(),
                Value::from(if well { "ok" } else { "down" }),
            )
        })
        .collect();
    let status = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let word = if well { "ok" } else { "not ready" };
    (status, Json(json!({ "status": word, "checks": checks }))).into_response()
}

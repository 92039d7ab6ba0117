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

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Well.
    Ok,
    /// It works, and somebody must look at it.
    Degraded,
    /// It does not work.
    Down,
}

impl Health {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
        }
    }

    /// Well, unless somebody must look at it.
    pub fn degraded_if(odd: bool) -> Self {
        if odd { Self::Degraded } else { Self::Ok }
    }
}

impl From<bool> for Health {
    fn from(well: bool) -> Self {
        if well { Self::Ok } else { Self::Down }
    }
}

/// One thing that must not be down before requests are welcome.
#[derive(Clone)]
pub struct Check {
    name: &'static str,
    problem: &'static str,
    run: Arc<dyn Fn() -> BoxFuture<'static, Health> + Send + Sync>,
}

impl Check {
    /// A named check, with the sentence that an operator reads when it does not find things well.
    pub fn new<F>(
        name: &'static str,
        problem: &'static str,
        run: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Health> + Send + 'static,
    {
        Self {
            name,
            problem,
            run: Arc::new(move || Box::pin(run())),
        }
    }
}

/// `GET /health/live`: the process answers.
pub(super) async fn live() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// `GET /health/ready`: 200 when no check is down, 503 otherwise, which, and in a sentence why.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let outcomes = futures::future::join_all(app.checks().iter().map(async |check| {
        let limit = std::time::Duration::from_secs(5);
        let health = tokio::time::timeout(limit, (check.run)())
            .await
            .unwrap_or(Health::Down);
        (check, health)
    }));
    let outcomes = outcomes.await;
    let any = |health| outcomes.iter().any(|(_, found)| *found == health);
    let well = !app.stop().is_asked() && !any(Health::Down);
    let degraded = any(Health::Degraded);
    let checks: Map<String, Value> = outcomes
        .iter()
        .map(|(check, health)| (check.name.to_owned(), Value::from(health.as_str())))
        .collect();
    let problems: Vec<&str> = outcomes
        .iter()
        .filter(|(_, health)| *health != Health::Ok)
        .map(|(check, _)| check.problem)
        .collect();
    let status = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let word = match (well, degraded) {
        (false, _) => "not ready",
        (true, true) => "degraded",
        (true, false) => "ok",
    };
    let mut said = json!({ "status": word, "checks": checks });
    if !problems.is_empty() {
        said["problems"] = json!(problems);
    }
    (status, Json(said)).into_response()
}

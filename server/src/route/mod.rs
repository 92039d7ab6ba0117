//! The routes: thin, every one of them ends in a call of the crate that knows.

mod export;
mod failure;
mod graphql;
mod health;
mod ingest;
mod layer;
mod metrics;
mod negotiate;
mod playground;
mod usage;

use std::{sync::Arc, time::Duration};

use ::ingest::pipeline::{Intake, Standing};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{get, post},
};
use domain::{Code, identity::VerifiedClaims};
use exports::Exports;
use http::HeaderMap;
use resolvers::Api;
use service::Entry;
use tower_http::{
    catch_panic::CatchPanicLayer, compression::CompressionLayer, timeout::RequestBodyTimeoutLayer,
};

pub use failure::Failure;
pub use health::{Check, Health};
pub use metrics::Metrics;

use crate::{
    auth::{self, Verifier},
    config::Http,
    stop::Stop,
};

/// How long it may take to find out who asks. A connection whose other end went silent says nothing by itself.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the routes are made of.
pub struct Parts {
    /// Verifies tokens.
    pub verifier: Arc<Verifier>,
    /// Where callers come in.
    pub entry: Entry,
    /// The GraphQL schema and its limits.
    pub api: Api,
    /// Files that callers ask for.
    pub exports: Exports,
    /// The way in for usage records.
    pub intake: Intake,
    /// What readiness depends on.
    pub checks: Vec<Check>,
    /// What a monitor reads.
    pub metrics: Metrics,
    /// Limits.
    pub http: Http,
    /// The signal to stop.
    pub stop: Stop,
}

/// State of every route.
#[derive(Clone)]
pub(crate) struct App(Arc<Parts>);

impl App {
    fn entry(&self) -> &Entry {
        &self.0.entry
    }

    fn http(&self) -> &Http {
        &self.0.http
    }

    fn exports(&self) -> &Exports {
        &self.0.exports
    }

    fn checks(&self) -> &[Check] {
        &self.0.checks
    }

    fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    fn stop(&self) -> &Stop {
        &self.0.stop
    }

    fn api(&self) -> &Api {
        &self.0.api
    }

    /// The way in for usage records, once the journal is settled.
    fn intake(&self) -> Result<&Intake, Failure> {
        match self.0.intake.standing() {
            Standing::Starting => Err(Failure::new(
                Code::Unavailable,
                "the server is starting; try again",
            )),
            _ => Ok(&self.0.intake),
        }
    }

    /// Who asks, by the token of this very request.
    async fn authenticate(&self, headers: &HeaderMap) -> Result<VerifiedClaims, Failure> {
        Ok(self.0.verifier.verify(auth::bearer(headers)?).await?)
    }
}

/// What the store says of a caller, in the time that it may take.
async fn known<T>(asked: impl Future<Output = domain::Result<T>>) -> Result<T, Failure> {
    let known = tokio::time::timeout(PATIENCE, asked).await;
    Ok(known.map_err(|_| Failure::new(Code::Unavailable, "the store does not answer"))??)
}

/// Every route of the server.
pub fn router(parts: Parts) -> Router {
    let app = App(Arc::new(parts));
    let graphql = get(graphql::get)
        .post(graphql::post)
        .fallback(graphql::other);
    let idle = Duration::from_secs(app.http().idle_seconds);
    let router = Router::new()
        .route("/graphql", graphql.clone())
        .route("/api/v1/graphql", graphql)
        .route("/api/v1/ingest/cdrs", post(ingest::cdrs))
        .route("/api/v1/ingest/data-streamer", post(ingest::data_streamer))
        .route("/api/v1/ingest/sessions", post(ingest::sessions))
        .route("/api/v1/usage", post(usage::ask))
        .route("/api/v1/exports", post(export::create))
        .route("/api/v1/exports/{id}", get(export::show))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics::show))
        .merge(playground::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyTimeoutLayer::new(idle))
        .layer(CompressionLayer::new())
        // Parts of files are parts of their own bytes.
        .route("/api/v1/exports/{id}/file", get(export::file))
        .route("/api/v1/exports/{id}/file/{*part}", get(export::part_of))
        .layer(CatchPanicLayer::custom(layer::panicked))
        .layer(from_fn_with_state(app.stop().clone(), layer::until_cut));
    let router = match app.http().origins.as_slice() {
        [] => router,
        origins => router.layer(layer::cross_origin(origins)),
    };
    router
        .layer(from_fn(layer::protect))
        .layer(from_fn(layer::observe))
        .with_state(app)
}

async fn not_found() -> Failure {
    Failure::new(Code::NotFound, "no such route")
}

async fn method_not_allowed() -> Failure {
    Failure::new(Code::InvalidInput, "this route has no such method")
        .with_status(http::StatusCode::METHOD_NOT_ALLOWED)
}

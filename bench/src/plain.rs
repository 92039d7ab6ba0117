//! The peers of the GraphQL API: handlers without GraphQL that do the same work with the same functions of `domain`,
//! and so with the same statements under the same row security.

use std::sync::Arc;

use axum::{Json, Router, extract::State, http::HeaderMap, routing::post};
use domain::{
    customer,
    identity::VerifiedClaims,
    label,
    list::{List as _, Order},
    paging::PageRequest,
    sim::{Sim, SimFilter},
};
use resolvers::Api;
use serde::{Deserialize, Serialize};
use server::auth::{self, Verifier};
use service::{Entry, Session};

use crate::pages::PAGE;

/// State of the peers.
pub(crate) struct Plain {
    /// Checks tokens exactly as the server does.
    pub(crate) verifier: Verifier,
    /// Where callers come in.
    pub(crate) entry: Entry,
    /// GraphQL without the server around it.
    pub(crate) api: Api,
    /// The caller of the routes that take no token.
    pub(crate) claims: VerifiedClaims,
}

type Shared = State<Arc<Plain>>;
/// Whatever goes wrong here spoils the run: its text is the answer.
type Answer<T> = Result<Json<T>, (axum::http::StatusCode, String)>;

/// The routes.
pub(crate) fn router(plain: Plain) -> Router {
    Router::new()
        .route("/verified/page", post(verified_page))
        .route("/bare/page", post(bare_page))
        .route("/bare/graphql", post(bare_graphql))
        .with_state(Arc::new(plain))
}

/// Where a page begins.
#[derive(Deserialize)]
struct Ask {
    after: Option<String>,
}

async fn verified_page(
    State(plain): Shared,
    headers: HeaderMap,
    Json(ask): Json<Ask>,
) -> Answer<Data> {
    let answer = async {
        let claims = plain.verifier.verify(auth::bearer(&headers)?).await?;
        page(&plain.entry.enter(&claims, "bench").await?, ask).await
    };
    answer.await.map(Json).map_err(|error| failed(&error))
}

async fn bare_page(State(plain): Shared, Json(ask): Json<Ask>) -> Answer<Data> {
    let answer = async { page(&plain.entry.enter(&plain.claims, "bench").await?, ask).await };
    answer.await.map(Json).map_err(|error| failed(&error))
}

async fn bare_graphql(
    State(plain): Shared,
    Json(mut request): Json<async_graphql::Request>,
) -> Json<async_graphql::Response> {
    if let Err(refused) = plain.api.admit(&mut request) {
        return Json(*refused);
    }
    match plain.entry.enter(&plain.claims, "bench").await {
        Ok(session) => Json(plain.api.execute(session, request).await),
        Err(error) => {
            let error = async_graphql::ServerError::new(error.to_string(), None);
            Json(async_graphql::Response::from_errors(vec![error]))
        }
    }
}

fn failed(error: &domain::Error) -> (axum::http::StatusCode, String) {
    (
        axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        crate::explain(error).to_string(),
    )
}

/// The statements of the GraphQL question, in its order.
async fn page(session: &Session, ask: Ask) -> domain::Result<Data> {
    let cx = session.read().await?;
    let request = PageRequest::relay(Some(PAGE), ask.after, None, None)?;
    let page = Sim::page(&cx, &SimFilter::default(), Order::default(), &request).await?;
    let mut customers: Vec<_> = page
        .rows
        .iter()
        .filter_map(|(_, sim)| sim.customer)
        .collect();
    customers.sort_unstable();
    customers.dedup();
    let customers = customer::by_ids(&cx, &customers).await?;
    let ids: Vec<_> = page.rows.iter().map(|(_, sim)| sim.id).collect();
    let mut labels = label::by_sims(&cx, &ids).await?;
    let info = Info {
        has_next_page: page.has_next,
        end_cursor: page.rows.last().map(|(cursor, _)| cursor.clone()),
    };
    let nodes = page.rows.into_iter().map(|(_, sim)| Node {
        id: sim.id.to_string(),
        customer: sim
            .customer
            .and_then(|id| customers.get(&id))
            .map(|customer| Customer {
                id: customer.id.to_string(),
                name: customer.name.clone(),
            }),
        labels: labels
            .remove(&sim.id)
            .unwrap_or_default()
            .into_iter()
            .map(|label| Label {
                key: label.key,
                value: label.value,
            })
            .collect(),
        iccid: sim.iccid,
        imsi: sim.imsi,
        msisdn: sim.msisdn,
        state: sim.state.to_string(),
    });
    Ok(Data {
        data: Sims {
            sims: Page {
                nodes: nodes.collect(),
                info,
            },
        },
    })
}

/// The shape of the GraphQL answer.
#[derive(Serialize)]
struct Data {
    data: Sims,
}

#[derive(Serialize)]
struct Sims {
    sims: Page,
}

#[derive(Serialize)]
struct Page {
    nodes: Vec<Node>,
    #[serde(rename = "pageInfo")]
    info: Info,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info {
    has_next_page: bool,
    end_cursor: Option<String>,
}

#[derive(Serialize)]
struct Node {
    id: String,
    iccid: String,
    imsi: Option<String>,
    msisdn: Option<String>,
    state: String,
    customer: Option<Customer>,
    labels: Vec<Label>,
}

#[derive(Serialize)]
struct Customer {
    id: String,
    name: String,
}

#[derive(Serialize)]
struct Label {
    key: String,
    value: String,
}

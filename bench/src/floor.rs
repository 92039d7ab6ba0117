//! The floor: the page of SIMs by a handler that shares no code with the product and does as little as it may.
//!
//! What it may not leave out: the token is verified on every request and says the tenant and the role, the page is one read-only
//! snapshot, and row security decides what is in it, under the role and the setting that the product uses. What it does leave
//! out: GraphQL, limits, grants of parts of a fleet, and every trip to Postgres but one.
//!
//! It is a program of its own, so that its processor time can be told apart.

use std::{
    collections::HashMap,
    io::Read as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context as _, Result, ensure};
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
    serve::ListenerExt as _,
};
use clap::Parser;
use futures::future::try_join_all;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use mimalloc::MiMalloc;
use serde::{Deserialize, Serialize};
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_postgres::{Client, Config, NoTls, Row, Statement, types::ToSql};
use uuid::Uuid;

/// Rows of a page.
const PAGE: usize = 50;
/// Connections to Postgres, as many as the product has for its callers.
const CONNECTIONS: usize = 10;

/// The page's rows and one more, each with its customer. Lengths are part of the texts: a plan that is kept would not know a
/// parameter, and read all labels there are.
const SIMS: &str = "SELECT sim.sim_id, sim.iccid, sim.imsi, sim.msisdn, sim.state, sim.customer_id, customer.name \
    FROM sim LEFT JOIN customer USING (tenant_id, customer_id) \
    WHERE sim.tenant_id = $1 AND sim.iccid > $2 ORDER BY sim.iccid LIMIT 51";

/// The labels of the same rows.
const LABELS: &str = "SELECT page.sim_id, definition.key, label.value \
    FROM (SELECT sim_id FROM sim WHERE tenant_id = $1 AND iccid > $2 ORDER BY iccid LIMIT 50) page \
    JOIN sim_label label ON label.tenant_id = $1 AND label.sim_id = page.sim_id \
    JOIN label_definition definition ON definition.tenant_id = $1 AND definition.label_id = label.label_id";

/// As the product has it.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Serve a page of SIMs without the product
#[derive(Parser)]
struct Args {
    /// The database, as its owner
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// File with the key of development tokens
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

/// Everything that a request needs.
struct Floor {
    key: DecodingKey,
    validation: Validation,
    /// Ids of tenants by what tokens call them.
    tenants: HashMap<String, Uuid>,
    pool: Pool,
}

/// Serves until whoever started it is gone.
#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_issuer(&["simcube-development"]);
    validation.set_audience(&["simcube"]);
    let floor = Floor {
        key: DecodingKey::from_secret(&std::fs::read(&args.key)?),
        validation,
        tenants: tenants(&args.database_url).await?,
        pool: Pool::open(&args.database_url).await?,
    };
    let router = Router::new()
        .route("/page", post(page))
        .with_state(Arc::new(floor));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ready at http://{}", listener.local_addr()?);
    let listener = listener.tap_io(|stream| {
        // A small answer that waits for more would be slower, and nothing else.
        stream.set_nodelay(true).ok();
    });
    let gone = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        gone = gone => drop(gone??),
    }
    Ok(())
}

async fn tenants(database_url: &str) -> Result<HashMap<String, Uuid>> {
    let client = connect(&database_url.parse()?).await?;
    let rows = client
        .query("SELECT slug, tenant_id FROM tenant", &[])
        .await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

async fn connect(config: &Config) -> Result<Client> {
    let (client, connection) = config.connect(NoTls).await?;
    // Its end shows in the next statement.
    tokio::spawn(connection);
    Ok(client)
}

/// After which serial number a page begins.
#[derive(Deserialize)]
struct Ask {
    after: Option<String>,
}

/// What is read of a token.
#[derive(Deserialize)]
struct Claims {
    tenant: String,
    role: String,
}

async fn page(
    State(floor): State<Arc<Floor>>,
    headers: HeaderMap,
    Json(ask): Json<Ask>,
) -> Response {
    let Some(claims) = floor.verify(&headers) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let tenant = match (floor.tenants.get(&claims.tenant), claims.role.as_str()) {
        (Some(tenant), "tenant_admin" | "support") => *tenant,
        _ => return StatusCode::FORBIDDEN.into_response(),
    };
    match floor.pool.page(tenant, &ask).await {
        Ok((sims, labels)) => json(answer(&sims, &labels)),
        // Whatever goes wrong here spoils the run.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}")).into_response(),
    }
}

fn json(text: serde_json::Result<Vec<u8>>) -> Response {
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

impl Floor {
    fn verify(&self, headers: &HeaderMap) -> Option<Claims> {
        let token = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let token = token.strip_prefix("Bearer ")?;
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation);
        Some(decoded.ok()?.claims)
    }
}

/// A connection with its statements.
struct Reader {
    client: Client,
    tenant: Statement,
    sims: Statement,
    labels: Statement,
}

/// Connections that serve one page at a time each.
struct Pool {
    idle: Mutex<Vec<Reader>>,
    free: Semaphore,
}

impl Pool {
    async fn open(database_url: &str) -> Result<Self> {
        let mut config: Config = database_url.parse()?;
        config.options("-c role=simcube_app");
        let readers = (0..CONNECTIONS).map(|_| Reader::open(&config));
        Ok(Self {
            idle: Mutex::new(try_join_all(readers).await?),
            free: Semaphore::new(CONNECTIONS),
        })
    }

    async fn page(&self, tenant: Uuid, ask: &Ask) -> Result<(Vec<Row>, Vec<Row>)> {
        let _permit = self.free.acquire().await?;
        let reader = self.idle().pop().context("no connection")?;
        let page = reader.page(tenant, ask).await;
        // One that failed may be in the middle of a transaction; it is back all the same, since the run is over.
        self.idle().push(reader);
        page
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reader {
    async fn open(config: &Config) -> Result<Self> {
        let client = connect(config).await?;
        let secured = client.query_one("SELECT current_user = 'simcube_app'", &[]);
        ensure!(secured.await?.get::<_, bool>(0), "no row security");
        Ok(Self {
            tenant: client
                .prepare("SELECT set_config('app.tenant_id', $1, true)")
                .await?,
            sims: client.prepare(SIMS).await?,
            labels: client.prepare(LABELS).await?,
            client,
        })
    }

    /// All that a page takes, sent at once: nothing waits for an answer before it. Futures of one join are polled in order, so
    /// the statements are sent in order.
    async fn page(&self, tenant: Uuid, ask: &Ask) -> Result<(Vec<Row>, Vec<Row>)> {
        let Self {
            client,
            tenant: set_tenant,
            sims,
            labels,
        } = self;
        let after = ask.after.as_deref().unwrap_or_default();
        let name = tenant.to_string();
        let who: [&(dyn ToSql + Sync); 1] = [&name];
        let page: [&(dyn ToSql + Sync); 2] = [&tenant, &after];
        let ((), _, sims, labels, ()) = futures::try_join!(
            client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            client.query(set_tenant, &who),
            client.query(sims, &page),
            client.query(labels, &page),
            client.batch_execute("COMMIT"),
        )?;
        Ok((sims, labels))
    }
}

/// The shape of the product's answer.
#[derive(Serialize)]
struct Answer<'a> {
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    sims: Sims<'a>,
}

#[derive(Serialize)]
struct Sims<'a> {
    nodes: Vec<Sim<'a>>,
    #[serde(rename = "pageInfo")]
    info: Info<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    has_next_page: bool,
    end_cursor: Option<&'a str>,
}

#[derive(Serialize)]
struct Sim<'a> {
    id: Uuid,
    iccid: &'a str,
    imsi: Option<&'a str>,
    msisdn: Option<&'a str>,
    state: &'a str,
    customer: Option<Customer<'a>>,
    labels: Vec<Label<'a>>,
}

#[derive(Serialize)]
struct Customer<'a> {
    id: Uuid,
    name: &'a str,
}

#[derive(Serialize)]
struct Label<'a> {
    key: &'a str,
    value: &'a str,
}

fn answer(sims: &[Row], labels: &[Row]) -> serde_json::Result<Vec<u8>> {
    let mut of: HashMap<Uuid, Vec<Label<'_>>> = HashMap::with_capacity(sims.len());
    for row in labels {
        let label = Label {
            key: row.get(1),
            value: row.get(2),
        };
        of.entry(row.get(0)).or_default().push(label);
    }
    let nodes: Vec<_> = (sims.iter().take(PAGE))
        .map(|row| {
            let id = row.get(0);
            let customer: Option<Uuid> = row.get(5);
            Sim {
                id,
                iccid: row.get(1),
                imsi: row.get(2),
                msisdn: row.get(3),
                state: row.get(4),
                customer: customer.map(|id| Customer {
                    id,
                    name: row.get(6),
                }),
                labels: of.remove(&id).unwrap_or_default(),
            }
        })
        .collect();
    let info = Info {
        has_next_page: sims.len() > PAGE,
        end_cursor: nodes.last().map(|sim| sim.iccid),
    };
    let data = Data {
        sims: Sims { nodes, info },
    };
    serde_json::to_vec(&Answer { data })
}

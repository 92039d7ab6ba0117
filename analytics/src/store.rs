//! The connection to ClickHouse, wherever it runs.

use std::time::Duration;

use chrono::{DateTime, Utc};
use clickhouse::{Client, Compression, query::Query};
use domain::{Code, Error, Result};
use hyper_util::{
    client::legacy::{Client as Http, connect::Connect},
    rt::TokioExecutor,
};
use url::Url;

/// How long an unused connection to an embedded engine is kept.
const IDLE: Duration = Duration::from_secs(30);
/// Longest running time of a statement, seconds. A server applies it too; the embedded engine may have a lower one.
const EXECUTION_SECONDS: &str = "60";

/// Proof that the caller acts for the platform and not for a tenant.
///
/// Everything that reads or changes the cubes across tenants asks for one, so such code can be searched for. Unlike
/// [`domain::SystemCx`] it holds no transaction: a census may run for minutes.
#[derive(Clone, Copy, Debug)]
pub struct System {
    now: DateTime<Utc>,
}

impl System {
    /// Acts for the platform at this moment. Only the command line, start-up and tests have reason to.
    pub const fn new(now: DateTime<Utc>) -> Self {
        Self { now }
    }

    /// The moment of acting.
    pub const fn now(&self) -> DateTime<Utc> {
        self.now
    }
}

/// A ClickHouse database. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Store {
    client: Client,
}

impl Store {
    /// An engine inside this process, or inside another one on this machine: wherever the connector leads.
    pub fn embedded(connector: impl Connect + Clone + Send + Sync + 'static) -> Self {
        let http = Http::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Self::new(Client::with_http_client(http).with_url("http://embedded"))
    }

    /// A ClickHouse server, `http(s)://user:password@host:port/database`; all but scheme and host may be missing,
    /// and the database may also be given as `?database=`.
    ///
    /// # Errors
    /// `INVALID_INPUT` when the text is not such a URL. The message never repeats it: it may hold a password.
    pub fn remote(url: &str) -> Result<Self> {
        let invalid = || {
            Error::invalid(
                "the ClickHouse URL must look like http://user:password@host:8123/database",
            )
        };
        let mut url = Url::parse(url).map_err(|_| invalid())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(invalid());
        }
        let decode = |text: &str| -> Option<String> {
            // One pair, so that percent signs are decoded; a plus sign stays a plus sign.
            let pair = format!("x={}", text.replace('+', "%2B"));
            url::form_urlencoded::parse(pair.as_bytes())
                .next()
                .map(|(_, value)| value.into_owned())
        };
        let user = decode(url.username()).filter(|user| !user.is_empty());
        let password = url.password().and_then(decode);
        let database = url
            .query_pairs()
            .find(|(name, _)| name == "database")
            .map(|(_, value)| value.into_owned())
            .or_else(|| decode(url.path().trim_matches('/')))
            .filter(|database| !database.is_empty());
        url.set_username("").map_err(|()| invalid())?;
        url.set_password(None).map_err(|()| invalid())?;
        url.set_path("/");
        url.set_query(None);
        let mut client = Client::default().with_url(url);
        if let Some(user) = user {
            client = client.with_user(user);
        }
        if let Some(password) = password {
            client = client.with_password(password);
        }
        if let Some(database) = database {
            client = client.with_database(database);
        }
        Ok(Self::new(client))
    }

    /// What both have in common.
    fn new(client: Client) -> Self {
        Self {
            client: client
                .with_compression(Compression::None)
                .with_setting("max_execution_time", EXECUTION_SECONDS)
                // Answers must not depend on a server's profile.
                .with_setting("join_use_nulls", "0")
                .with_setting("group_by_use_nulls", "0")
                .with_setting("async_insert", "0"),
        }
    }

    /// The same connections, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        Self {
            client: self.client.clone().with_database(name),
        }
    }

    /// Name of the database.
    pub fn database(&self) -> &str {
        self.client.database().unwrap_or("default")
    }

    /// Whether ClickHouse answers.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it does not.
    pub async fn ping(&self) -> Result<()> {
        let answer: u8 = self.query("SELECT 1").fetch_one().await.map_err(fault)?;
        if answer == 1 {
            Ok(())
        } else {
            Err(Error::internal("ClickHouse answered something else than 1"))
        }
    }

    /// Makes the database of this store if it is missing.
    pub async fn create_database(&self) -> Result<()> {
        self.on_database("CREATE DATABASE IF NOT EXISTS").await
    }

    /// Removes the database of this store with everything in it. For tests and the end of a tenant's own instance.
    pub async fn drop_database(&self, _: &System) -> Result<()> {
        self.on_database("DROP DATABASE IF EXISTS").await
    }

    async fn on_database(&self, verb: &str) -> Result<()> {
        let name = self.database();
        let sql = format!("{verb} `{}`", name.replace('\\', r"\\").replace('`', r"\`"));
        // Connected to a database that exists on every server.
        self.with_database("default").execute(&sql).await
    }

    /// A statement whose answer is small: it is sent as a whole, so a late failure is an error and never a short
    /// answer.
    pub(crate) fn query(&self, sql: &str) -> Query {
        self.client
            .query_raw(sql)
            .with_setting("wait_end_of_query", "1")
    }

    /// A statement whose rows are read as they come. The client finds the mark of a late failure, so that it is an error here, too.
    pub(crate) fn stream(&self, sql: &str) -> Query {
        self.client.query_raw(sql)
    }

    /// Runs a statement for its effect.
    pub(crate) async fn execute(&self, sql: &str) -> Result<()> {
        self.query(sql).execute().await.map_err(fault)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }
}

/// Sorts a failure of the client into the product's codes. The statement's text stays in the cause, for the log.
pub(crate) fn fault(error: clickhouse::error::Error) -> Error {
    use clickhouse::error::Error as E;
    const DOWN: &str = "the usage store does not answer";
    match &error {
        E::Network(_) | E::TimedOut => Error::unavailable(DOWN, error),
        E::BadResponse(text) => match exception_code(text) {
            // TIMEOUT_EXCEEDED, TOO_SLOW, MEMORY_LIMIT_EXCEEDED
            Some(159 | 160 | 241) => Error::new(
                Code::LimitExceeded,
                "the question needs too much time or memory",
            ),
            // TOO_MANY_SIMULTANEOUS_QUERIES
            Some(202) => Error::new(Code::Throttled, "the usage store is busy, try again"),
            // SOCKET_TIMEOUT, NETWORK_ERROR, ABORTED, NOT_ENOUGH_SPACE, TOO_MANY_PARTS
            Some(209 | 210 | 236 | 243 | 252) => Error::unavailable(DOWN, error),
            _ => Error::internal(error),
        },
        _ => Error::internal(error),
    }
}

/// The number in `Code: 60. DB::Exception: …`.
pub(crate) fn exception_code(text: &str) -> Option<u32> {
    text.split_once("Code: ")?
        .1
        .split(|c: char| !c.is_ascii_digit())
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_url_is_taken_apart() {
        let store = Store::remote("http://me:p%40ss@ch.example:8123/cubes").expect("a URL");
        assert_eq!(store.client.database(), Some("cubes"));
        let store = Store::remote("https://ch.example?database=x").expect("a URL");
        assert_eq!(store.client.database(), Some("x"));
        assert_eq!(
            Store::remote("http://ch.example:8123")
                .expect("a URL")
                .client
                .database(),
            None
        );
    }

    #[test]
    fn a_bad_url_is_refused_without_repeating_it() {
        for url in ["tcp://me:secret@host:9000", "secret", "http://"] {
            let error = Store::remote(url).err().expect("refused");
            assert_eq!(error.code(), Code::InvalidInput);
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn failures_get_their_code() {
        let code = |text: &str| fault(clickhouse::error::Error::BadResponse(text.into())).code();
        assert_eq!(
            code("Code: 241. DB::Exception: memory"),
            Code::LimitExceeded
        );
        assert_eq!(code("Code: 236. DB::Exception: closed"), Code::Unavailable);
        assert_eq!(code("Code: 62. DB::Exception: syntax"), Code::Internal);
        assert_eq!(code("nothing known"), Code::Internal);
    }
}

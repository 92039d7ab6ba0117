//! Configuration in one place: defaults, then the file, then the environment, then flags. Unknown keys are
//! refused. Every knob's documentation is its doc comment, which `simcube config` prints beside the value.

use std::{fmt, path::PathBuf, time::Duration};

use analytics::verify::WHOLE_DAYS;
use anyhow::{Context as _, Result, bail};
use chrono::TimeDelta;
use engines::clickhouse::EngineLimits;
use figment::{
    Figment,
    providers::{Format as _, Serialized, Toml},
    value::Value,
};
use ingest::pipeline::Settings;
use resolvers::Limits;
use serde::{Deserialize, Serialize};

/// A field's name and the lines of its documentation.
type Docs = &'static [(&'static str, &'static [&'static str])];

/// Declares a section once: type, default and documentation of every knob.
macro_rules! section {
    ($(#[doc = $about:literal])+ $name:ident {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr,)*
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $name {
            const DOCS: Docs = &[$((stringify!($field), &[$($doc),+]),)*];
        }
    };
}

section! {
    /// Everything that can be set.
    Config {
        /// Address to serve on, HOST:PORT. Development tokens work on a loopback address only.
        listen: String = "127.0.0.1:8080".into(),
        /// Data folder: embedded engines, the development key, exports.
        data: PathBuf = "data".into(),
        /// Folder with the embedded engines' npm packages. Not needed when both URLs are set.
        engines: Option<PathBuf> = None,
        /// Postgres 18 URL, also from `DATABASE_URL`. Not set: a private Postgres in the data folder.
        database_url: Option<Secret> = None,
        /// ClickHouse HTTP URL, also from `CLICKHOUSE_URL`. Not set: ClickHouse inside this process.
        clickhouse_url: Option<Secret> = None,
        /// Name of the cluster behind `clickhouse_url`, of one shard, all of whose replicas shall have the tables. Not set: one
        /// server. No cluster has run this yet.
        clickhouse_cluster: Option<String> = None,
        /// Who signs tokens.
        oidc: Oidc = Oidc::default(),
        /// Connections to Postgres.
        pool: Pool = Pool::default(),
        /// Limits of the HTTP server.
        http: Http = Http::default(),
        /// Limits of one GraphQL document.
        graphql: Limits = Limits::default(),
        /// The way in for usage records.
        intake: Intake = Intake::default(),
        /// What is written to standard error.
        log: Log = Log::default(),
    }
}

section! {
    /// Who signs tokens, and where a token says what.
    Oidc {
        /// Issuer URL, also from `OIDC_ISSUER`; its signing keys come from its discovery document. Not set:
        /// tokens of `simcube token`, on a loopback address only.
        issuer: Option<String> = None,
        /// Required audience, also from `OIDC_AUDIENCE`.
        audience: String = "simcube".into(),
        /// Claim that holds the tenant's slug. Dots lead into nested objects.
        tenant_claim: String = "tenant".into(),
        /// Claim that holds the role: a word, or a list with exactly one known role in it
        /// (Keycloak: `realm_access.roles`).
        role_claim: String = "role".into(),
        /// Claim that holds the customer's slug, absent for staff.
        customer_claim: String = "customer".into(),
        /// Seconds between two fetches of the issuer's keys at least; an unknown key id asks again.
        refresh_seconds: u64 = 10,
    }
}

section! {
    /// Connections to Postgres.
    Pool {
        /// Connections at most, for each of the two database roles. At least 8.
        connections: u32 = 10,
    }
}

impl Pool {
    /// What one server holds at the same time: three batches being applied, one being journaled, three transactions of
    /// settling or verifying, and the one that says that it runs.
    const LEAST: u32 = 8;

    /// What cannot work.
    fn fault(&self) -> Option<String> {
        (self.connections < Self::LEAST).then(|| {
            format!(
                "pool.connections is {}: a server needs {} at least",
                self.connections,
                Self::LEAST
            )
        })
    }
}

section! {
    /// Limits of the HTTP server.
    Http {
        /// Connections open at once at most; more wait to be accepted.
        connections: usize = 1024,
        /// Bytes of a GraphQL request at most. Importing a fleet needs room.
        graphql_body_bytes: usize = 10 * 1024 * 1024,
        /// Seconds that a GraphQL request may run.
        request_seconds: u64 = 30,
        /// Seconds without a byte of the request after which it is given up.
        idle_seconds: u64 = 30,
        /// Seconds that requests in flight may finish in after a signal to stop; then they are answered 503.
        grace_seconds: u64 = 10,
    }
}

section! {
    /// The way in for usage records.
    Intake {
        /// Days: a usage record that began earlier is `TOO_OLD`. At most 390, because raw records are kept for 400.
        past_days: u32 = 365,
        /// Minutes: a usage record that begins later from now is `IN_FUTURE`.
        future_minutes: u32 = 60,
        /// Bytes of a delivery at most, after gunzip. NDJSON is streamed and not bound by it.
        body_bytes: usize = 10 * 1024 * 1024,
        /// Bytes of one record at most.
        record_bytes: usize = 256 * 1024,
        /// Records of one batch at most: what is journaled and counted together.
        batch_records: usize = 10_000,
        /// Bytes of memory for what is being received. A tenant may use as much as is left free: half of it alone, a third
        /// beside another. At least four times `body_bytes`; each connection may take another 64 KiB.
        memory_bytes: u64 = 256 * 1024 * 1024,
        /// Milliseconds that a whole line of NDJSON waits for the next ones before it is taken.
        line_milliseconds: u64 = 1_000,
        /// Bytes a second that a delivery comes with at least, over 30 seconds of waiting for it, or it is broken off. A
        /// stream that delivers a whole line in that time may be slower.
        least_bytes_per_second: u64 = 1_024,
        /// Parts of one delivery under way at the same time.
        depth: usize = 3,
        /// Batches under way at the same time, of all tenants.
        batches: usize = 3,
        /// Milliseconds that a delivery waits for others to travel with while a batch is under way.
        linger_milliseconds: u64 = 10,
        /// Seconds within which an insert must begin, at least 1. After them any server may settle a batch that is not counted.
        takeover_seconds: u32 = 4,
        /// Sources that the records of one tenant may name, ever; a record of another one is `TOO_MANY_SOURCES`.
        sources: u32 = 1_000,
        /// SIMs whose assignments are kept in memory for attributing records, some 400 bytes each.
        known_sims: u64 = 200_000,
        /// Bytes of filters over identities of earlier months in memory, 9 bits for each identity. Months without one are looked
        /// up one by one.
        filter_bytes: u64 = 256 * 1024 * 1024,
        /// Rejections listed in a reply; the rest is counted.
        listed_rejections: usize = 1_000,
    }
}

impl Intake {
    /// Room for bodies in memory, by the largest of them.
    const BODIES_IN_MEMORY: u64 = 4;

    /// What cannot work.
    fn fault(&self) -> Option<String> {
        let least = (self.body_bytes as u64).saturating_mul(Self::BODIES_IN_MEMORY);
        if i64::from(self.past_days) > WHOLE_DAYS {
            Some(format!(
                "intake.past_days is {}: records of more than {WHOLE_DAYS} days ago could not be verified",
                self.past_days
            ))
        } else if self.memory_bytes < least {
            Some(format!(
                "intake.memory_bytes is {}: with intake.body_bytes = {} it must be {least} at least",
                self.memory_bytes, self.body_bytes
            ))
        } else if self.takeover_seconds == 0 {
            Some("intake.takeover_seconds is 0: no insert could begin in time".into())
        } else {
            None
        }
    }

    /// As the pipeline wants them.
    pub fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            limits: ingest::read::Limits {
                body_bytes: self.body_bytes,
                record_bytes: self.record_bytes,
                batch_records: self.batch_records,
                linger: Duration::from_millis(self.line_milliseconds),
                rate: self.least_bytes_per_second,
                ..defaults.limits
            },
            memory: self.memory_bytes,
            depth: self.depth,
            batches: self.batches,
            linger: Duration::from_millis(self.linger_milliseconds),
            takeover: TimeDelta::seconds(self.takeover_seconds.into()),
            sources: self.sources,
            known_sims: self.known_sims,
            filter_bytes: self.filter_bytes,
            listed_rejections: self.listed_rejections,
            past: TimeDelta::days(self.past_days.into()),
            future: TimeDelta::minutes(self.future_minutes.into()),
            ..defaults
        }
    }
}

section! {
    /// What is written to standard error.
    Log {
        /// `text` or `json`.
        format: LogFormat = LogFormat::Text,
        /// Filter, such as `info` or `warn,server=debug`.
        level: String = "info,sea_orm_migration=warn,sqlx=warn".into(),
    }
}

/// Form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The limits are a struct of `resolvers`; a test holds this list to its fields.
const GRAPHQL_DOCS: Docs = &[
    (
        "bytes",
        &[" Bytes of a document at most; variables are not counted."],
    ),
    ("tokens", &[" Tokens of a document at most."]),
    ("depth", &[" Levels of nested selections at most."]),
    (
        "breadth",
        &[" Fields under one selection set at most, fragments spread."],
    ),
    ("aliases", &[" Aliased fields at most."]),
    ("directives", &[" Directives at most."]),
    (
        "cost",
        &[" Values that an answer may hold, estimated from page sizes and limits."],
    ),
    (
        "errors",
        &[" Errors told in one answer at most; the rest is counted."],
    ),
];

const SECTIONS: &[(&str, Docs)] = &[
    ("oidc", Oidc::DOCS),
    ("pool", Pool::DOCS),
    ("http", Http::DOCS),
    ("graphql", GRAPHQL_DOCS),
    ("intake", Intake::DOCS),
    ("log", Log::DOCS),
];

/// A URL that may carry a password. It prints without it.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The URL itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn masked(&self) -> String {
        let Ok(mut url) = url::Url::parse(&self.0) else {
            return "****".into();
        };
        if url.password().is_some() && url.set_password(Some("****")).is_err() {
            return "****".into();
        }
        if url.query().is_some() {
            url.set_query(Some("****"));
        }
        url.to_string()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.masked())
    }
}

/// What the command line says, strongest of all.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
}

impl From<&Config> for engines::Settings {
    fn from(config: &Config) -> Self {
        let exposed = |url: Option<&Secret>| url.map(|url| url.expose().to_owned());
        Self {
            data: config.data.clone(),
            engines: config.engines.clone(),
            database_url: exposed(config.database_url.as_ref()),
            clickhouse_url: exposed(config.clickhouse_url.as_ref()),
            postgres_port: None,
            limits: EngineLimits::default(),
            durable: true,
        }
    }
}

/// Variables without our prefix, and the knob each sets.
const PLAIN: [(&str, &str); 4] = [
    ("DATABASE_URL", "database_url"),
    ("CLICKHOUSE_URL", "clickhouse_url"),
    ("OIDC_ISSUER", "oidc.issuer"),
    ("OIDC_AUDIENCE", "oidc.audience"),
];

impl Config {
    /// Reads every layer. `environment` is an argument so that tests need not change their process.
    ///
    /// # Errors
    /// Names the key and the layer that is wrong.
    pub fn load(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        let file = flags
            .config
            .clone()
            .unwrap_or_else(|| "simcube.toml".into());
        if flags.config.is_some() && !file.is_file() {
            bail!("the configuration file {} does not exist", file.display());
        }
        if file.is_file() {
            figment = figment.merge(Toml::file_exact(&file));
        }
        for (name, value) in environment {
            let Some(key) = key_of(&name) else { continue };
            // An empty variable is an unset one: shells and compose files write them.
            if !value.is_empty() {
                figment = figment.merge((key, parse(&value)));
            }
        }
        if let Some(data) = &flags.data {
            figment = figment.merge(("data", data));
        }
        if let Some(listen) = &flags.listen {
            figment = figment.merge(("listen", listen));
        }
        let mut config: Self = figment
            .extract()
            .map_err(|error| anyhow::anyhow!("{}", sentence(&error)))?;
        config.oidc.issuer = config
            .oidc
            .issuer
            .map(|issuer| issuer.trim_end_matches('/').into());
        match config.fault() {
            Some(fault) => bail!("the configuration cannot work: {fault}"),
            None => Ok(config),
        }
    }

    /// The first thing that cannot work, as a sentence that names the knob.
    fn fault(&self) -> Option<String> {
        if self.clickhouse_cluster.is_some() && self.clickhouse_url.is_none() {
            return Some("clickhouse_cluster is set and clickhouse_url is not".into());
        }
        self.pool.fault().or_else(|| self.intake.fault())
    }

    /// The effective configuration as TOML, each knob with its documentation, secrets masked.
    ///
    /// # Errors
    /// When a value has no TOML form.
    pub fn render(&self) -> Result<String> {
        let values = toml::Table::try_from(self).context("the configuration has no TOML form")?;
        let mut text = String::new();
        render_section(&mut text, Self::DOCS, &values);
        for (name, docs) in SECTIONS {
            if let Some(toml::Value::Table(values)) = values.get(*name) {
                text += &["[", name, "]\n"].concat();
                render_section(&mut text, docs, values);
            }
        }
        Ok(text.trim_end().to_owned() + "\n")
    }
}

fn render_section(text: &mut String, docs: Docs, values: &toml::Table) {
    for (name, lines) in docs {
        if SECTIONS.iter().any(|(section, _)| section == name) {
            continue;
        }
        for line in *lines {
            *text += &["#", line, "\n"].concat();
        }
        let line = match values.get(*name) {
            Some(value) => format!("{name} = {value}\n\n"),
            None => format!("# {name} is not set\n\n"),
        };
        text.push_str(&line);
    }
}

/// The knob that an environment variable sets: `SIMCUBE_OIDC__ISSUER` is `oidc.issuer`.
fn key_of(variable: &str) -> Option<String> {
    if let Some((_, key)) = PLAIN.iter().find(|(name, _)| *name == variable) {
        return Some((*key).into());
    }
    let rest = variable.strip_prefix("SIMCUBE_")?;
    // The test environment speaks to the tests, not to the program.
    (!rest.starts_with("TEST_")).then(|| rest.to_lowercase().replace("__", "."))
}

/// Numbers and booleans by their look, everything else as text.
fn parse(value: &str) -> Value {
    match (value.parse::<i64>(), value.parse::<bool>()) {
        (Ok(number), _) => Value::from(number),
        (_, Ok(flag)) => Value::from(flag),
        _ => Value::from(value),
    }
}

fn sentence(error: &figment::Error) -> String {
    let path = error.path.join(".");
    let at = if path.is_empty() {
        String::new()
    } else {
        format!(" for the key `{path}`")
    };
    let from = error
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.source.as_ref());
    let from = match from {
        Some(figment::Source::File(path)) => format!(" in {}", path.display()),
        _ => String::new(),
    };
    format!("the configuration is wrong{from}: {}{at}", error.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Config> {
        let pairs = variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::load(&Flags::default(), pairs)
    }

    #[test]
    fn stronger_layers_win() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("simcube.toml");
        std::fs::write(
            &file,
            "listen = \"127.0.0.1:1\"\n[pool]\nconnections = 30\n",
        )
        .expect("written");
        let flags = Flags {
            config: Some(file),
            data: Some("elsewhere".into()),
            listen: None,
        };
        let environment = [("SIMCUBE_LISTEN".to_owned(), "127.0.0.1:2".to_owned())];
        let config = Config::load(&flags, environment).expect("valid");
        assert_eq!(config.listen, "127.0.0.1:2");
        assert_eq!(config.pool.connections, 30);
        assert_eq!(config.data, PathBuf::from("elsewhere"));
        assert_eq!(config.http.request_seconds, 30);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = load(&[("SIMCUBE_LISTNE", "x")]).expect_err("unknown");
        assert!(error.to_string().contains("listne"), "{error}");
        assert!(load(&[("SIMCUBE_OIDC__ISSUR", "x")]).is_err());
        assert!(load(&[("SIMCUBE_TEST_DATABASE_URL", "x")]).is_ok());
    }

    #[test]
    fn what_cannot_work_is_refused_with_the_knob_named() {
        let cases = [
            ("SIMCUBE_INTAKE__PAST_DAYS", "391", "intake.past_days"),
            ("SIMCUBE_POOL__CONNECTIONS", "7", "pool.connections"),
            (
                "SIMCUBE_INTAKE__MEMORY_BYTES",
                "41943039",
                "intake.memory_bytes",
            ),
            (
                "SIMCUBE_INTAKE__BODY_BYTES",
                "67108865",
                "intake.body_bytes",
            ),
            (
                "SIMCUBE_INTAKE__TAKEOVER_SECONDS",
                "0",
                "intake.takeover_seconds",
            ),
            ("SIMCUBE_CLICKHOUSE_CLUSTER", "cubes", "clickhouse_cluster"),
        ];
        for (variable, value, knob) in cases {
            let error = load(&[(variable, value)]).expect_err(knob).to_string();
            assert!(error.contains(knob), "{error}");
        }
        let limits = [
            ("SIMCUBE_INTAKE__PAST_DAYS", "390"),
            ("SIMCUBE_POOL__CONNECTIONS", "8"),
            ("SIMCUBE_INTAKE__MEMORY_BYTES", "41943040"),
            ("SIMCUBE_INTAKE__TAKEOVER_SECONDS", "1"),
            ("SIMCUBE_CLICKHOUSE_CLUSTER", "cubes"),
            ("CLICKHOUSE_URL", "http://cubes:8123"),
        ];
        load(&limits).expect("valid");
    }

    #[test]
    fn secrets_are_masked_and_every_knob_is_documented() {
        let config = load(&[(
            "DATABASE_URL",
            "postgres://me:hunter2@db/simcube?sslpassword=x",
        )]);
        let config = config.expect("valid");
        let text = config.render().expect("rendered");
        assert!(
            text.contains("postgres://me:****@db/simcube?****"),
            "{text}"
        );
        assert!(!text.contains("hunter2") && !format!("{config:?}").contains("hunter2"));
        assert_eq!(
            config.database_url.map(|url| url.0.contains("hunter2")),
            Some(true)
        );
        for (section, docs) in SECTIONS {
            let values = toml::Table::try_from(Config::default()).expect("a table");
            let keys = values[*section].as_table().expect("a section").keys();
            for key in keys {
                assert!(
                    docs.iter().any(|(name, _)| name == key),
                    "{section}.{key} has no words"
                );
            }
        }
        insta::assert_snapshot!(Config::default().render().expect("rendered"));
    }
}

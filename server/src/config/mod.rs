//! Configuration in one place: defaults, then the file, then the environment, then flags. Unknown keys are
//! refused. Every knob's documentation is its doc comment, which `simcube config` prints beside the value.

mod fault;
mod render;
mod secret;
mod section;

use std::path::PathBuf;

use anyhow::{Result, bail};
use engines::clickhouse::EngineLimits;
use figment::{
    Figment,
    providers::{Format as _, Serialized, Toml},
    value::Value,
};

pub use secret::Secret;
pub use section::{Config, Exports, Http, Intake, Kafka, Log, LogFormat, Oidc, Pool};

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
const PLAIN: [(&str, &str); 6] = [
    ("EXPORT_URL", "exports.url"),
    ("DATABASE_URL", "database_url"),
    ("CLICKHOUSE_URL", "clickhouse_url"),
    ("KAFKA_BROKERS", "kafka.brokers"),
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
                let value = parse(&key, &value);
                figment = figment.merge((key, value));
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

/// Numbers and booleans by their look, lists by their knob, everything else as text.
fn parse(key: &str, value: &str) -> Value {
    if key == "http.origins" {
        let origins: Vec<&str> = value.split(',').map(str::trim).collect();
        return Value::from(origins);
    }
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
    use super::{section::SECTIONS, *};

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

    const STORES: [(&str, &str); 2] = [
        ("DATABASE_URL", "postgres://me@db/simcube"),
        ("CLICKHOUSE_URL", "http://cubes:8123"),
    ];

    /// Variable, values that cannot work, and those at the edge that can.
    const EDGES: [(&str, &[&str], &[&str]); 38] = [
        ("POOL__CONNECTIONS", &["0", "7", "10001"], &["8"]),
        ("HTTP__CONNECTIONS", &["0", "1000001"], &["1"]),
        (
            "HTTP__ORIGINS",
            &[
                "*",
                "null",
                "console.example",
                "https://console.example/",
                "https://a.example,b",
            ],
            &[
                "https://console.example",
                "http://localhost:5173,https://a.example",
            ],
        ),
        ("HTTP__GRAPHQL_BODY_BYTES", &["0"], &["1"]),
        ("HTTP__REQUEST_SECONDS", &["0", "86401"], &["1"]),
        ("HTTP__IDLE_SECONDS", &["0", "86401"], &["1"]),
        ("HTTP__GRACE_SECONDS", &["86401"], &["0"]),
        ("GRAPHQL__TOKENS", &["0"], &["1"]),
        ("GRAPHQL__DEPTH", &["0"], &["1"]),
        ("GRAPHQL__BREADTH", &["0"], &["1"]),
        ("GRAPHQL__COST", &["0"], &["1"]),
        ("GRAPHQL__ERRORS", &["0"], &["1"]),
        ("INTAKE__PAST_DAYS", &["0", "391"], &["1", "390"]),
        ("INTAKE__BODY_BYTES", &["0", "67108865"], &["67108864"]),
        ("INTAKE__MEMORY_BYTES", &["0", "41943039"], &["41943040"]),
        ("INTAKE__RECORD_BYTES", &["0", "67108865"], &["1"]),
        ("INTAKE__BATCH_RECORDS", &["0", "100001"], &["1"]),
        ("INTAKE__LINE_MILLISECONDS", &["60001"], &["0"]),
        ("INTAKE__DEPTH", &["0", "1001"], &["1"]),
        ("INTAKE__BATCHES", &["0", "1001"], &["1"]),
        ("INTAKE__LINGER_MILLISECONDS", &["60001"], &["0"]),
        ("INTAKE__TAKEOVER_SECONDS", &["0", "3601"], &["1", "3600"]),
        ("INTAKE__SOURCES", &["0"], &["1"]),
        ("INTAKE__KNOWN_SIMS", &["0"], &["1"]),
        ("OIDC__REFRESH_SECONDS", &["0", "86401"], &["1"]),
        (
            "OIDC__ISSUER",
            &[
                "nonsense",
                "issuer.example",
                "http://issuer.example",
                "ftp://127.0.0.1",
                "https://issuer.example/?a=b",
            ],
            &[
                "https://issuer.example/realms/x",
                "http://127.0.0.1:8080",
                "http://[::1]:8080",
                "http://localhost",
            ],
        ),
        ("CLICKHOUSE_CLUSTER", &["cubes"], &[]),
        (
            "EXPORTS__URL",
            &["exports", "http://bucket/x", "s3:///x"],
            &["s3://bucket", "s3://bucket/prefix"],
        ),
        ("EXPORTS__RETENTION_DAYS", &["0", "3651"], &["1", "3650"]),
        ("EXPORTS__TENANT_BYTES", &["0"], &["1"]),
        ("EXPORTS__JOBS", &["0", "101"], &["1", "100"]),
        ("EXPORTS__TENANT_JOBS", &["0", "101"], &["1"]),
        ("EXPORTS__LEASE_SECONDS", &["0", "3601"], &["1", "3600"]),
        (
            "KAFKA__BROKERS",
            &["broker", "broker:", ":9092", "a:9092,", "kafka://a:9092"],
            &["broker:9092", "a:9092,b:9092", "[::1]:9092"],
        ),
        ("KAFKA__GROUP", &["a b"], &["simcube"]),
        (
            "KAFKA__CDR_TOPIC",
            &["cdr records", "session.rollups", "cdr/records"],
            &["cdr_records"],
        ),
        ("KAFKA__SESSION_SECONDS", &["0", "3601"], &["1", "3600"]),
        ("KAFKA__BATCH_RECORDS", &["0", "100001"], &["1"]),
    ];

    #[test]
    fn what_cannot_work_is_refused_with_the_knob_named() {
        for (name, wrong, right) in EDGES {
            let (variable, knob) = (
                format!("SIMCUBE_{name}"),
                name.to_lowercase().replace("__", "."),
            );
            for value in wrong {
                let error = load(&[(&variable, value)]).expect_err(&knob).to_string();
                assert!(error.contains(&knob), "{value}: {error}");
            }
            for value in right {
                load(&[(&variable, value)]).unwrap_or_else(|error| panic!("{value}: {error}"));
            }
        }
        let cluster = [("SIMCUBE_CLICKHOUSE_CLUSTER", "cubes")];
        load(&[&STORES[..], &cluster].concat()).expect("valid");
    }

    #[test]
    fn postgres_may_be_behind_a_socket() {
        let socket = (
            "DATABASE_URL",
            "postgres:///simcube?host=/var/run/postgresql",
        );
        load(&[socket, STORES[1]]).expect("valid");
    }

    #[test]
    fn one_server_of_two_is_refused() {
        for (set, missing) in [(0, 1), (1, 0)] {
            let error = load(&STORES[set..=set]).expect_err("one").to_string();
            assert!(
                error.contains(STORES[set].0) && error.contains(STORES[missing].0),
                "{error}"
            );
        }
    }

    #[test]
    fn a_url_that_is_none_is_refused_by_its_setting_and_never_repeated() {
        let wrong = [
            ("DATABASE_URL", "postgres://me:hunter/2@db:5432/simcube"),
            ("DATABASE_URL", "postgres://me:hunter2@db:five/simcube"),
            ("DATABASE_URL", "mysql://me:hunter2@db/simcube"),
            ("DATABASE_URL", "hunter2"),
            ("CLICKHOUSE_URL", "tcp://me:hunter2@cubes:9000"),
            ("CLICKHOUSE_URL", "http://me:hunter/2@cubes:8123"),
        ];
        for (name, value) in wrong {
            let others = STORES.iter().filter(|(other, _)| *other != name);
            let all: Vec<_> = others.copied().chain([(name, value)]).collect();
            let error = load(&all).expect_err(value).to_string();
            assert!(error.contains(name), "{error}");
            assert!(!error.contains("hunter"), "{error}");
        }
    }

    #[test]
    fn secrets_are_masked_and_every_knob_is_documented() {
        let config = load(&[
            (
                "DATABASE_URL",
                "postgres://me:hunter2@db/simcube?sslpassword=x",
            ),
            STORES[1],
        ]);
        let config = config.expect("valid");
        let text = config.render().expect("rendered");
        assert!(
            text.contains("postgres://me:****@db/simcube?****"),
            "{text}"
        );
        assert!(!text.contains("hunter2") && !format!("{config:?}").contains("hunter2"));
        assert_eq!(
            config
                .database_url
                .map(|url| url.expose().contains("hunter2")),
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

//! What cannot work, said before anything is started: one sentence that names the knob.

use domain::tenant::Retention;
use url::Url;

use super::{Config, Secret};
use crate::listener;

/// Room for bodies in memory, by the largest of them.
const BODIES_IN_MEMORY: u64 = 4;

/// What one server holds of Postgres at the same time: three batches being applied, one being journaled, three transactions
/// of settling or verifying, and the one that says that it runs.
const LEAST_CONNECTIONS: u64 = 8;

/// Waiting for longer is a slip of the pen.
const DAY: u64 = 86_400;
const MINUTE: u64 = 60_000;

const MEGABYTE: u64 = 1 << 20;
const GIGABYTE: u64 = 1 << 30;

impl Config {
    /// The first thing that cannot work.
    pub(super) fn fault(&self) -> Option<String> {
        self.stores()
            .or_else(|| self.words())
            .or_else(|| self.topics())
            .or_else(|| self.numbers())
    }

    fn stores(&self) -> Option<String> {
        match (&self.database_url, &self.clickhouse_url) {
            (Some(database), Some(clickhouse)) => database_fault(database)
                .map(|fault| format!("DATABASE_URL (database_url) {fault}"))
                .or_else(|| {
                    let fault = clickhouse_fault(clickhouse)?;
                    Some(format!("CLICKHOUSE_URL (clickhouse_url) {fault}"))
                }),
            (Some(_), None) => Some(alone("DATABASE_URL", "CLICKHOUSE_URL")),
            (None, Some(_)) => Some(alone("CLICKHOUSE_URL", "DATABASE_URL")),
            (None, None) if self.clickhouse_cluster.is_some() => {
                Some("clickhouse_cluster is set and clickhouse_url is not".into())
            }
            (None, None) => None,
        }
    }

    fn words(&self) -> Option<String> {
        let oidc = &self.oidc;
        let words = [
            ("listen", Some(&self.listen)),
            ("clickhouse_cluster", self.clickhouse_cluster.as_ref()),
            ("oidc.audience", Some(&oidc.audience)),
            ("oidc.tenant_claim", Some(&oidc.tenant_claim)),
            ("oidc.role_claim", Some(&oidc.role_claim)),
            ("oidc.customer_claim", Some(&oidc.customer_claim)),
        ];
        let empty = |(_, word): &(_, Option<&String>)| word.is_some_and(String::is_empty);
        if let Some((knob, _)) = words.into_iter().find(empty) {
            return Some(format!("{knob} is empty"));
        }
        if let Some(origin) = self.http.origins.iter().find(|origin| !is_origin(origin)) {
            return Some(format!(
                "http.origins names `{origin}`: an origin is a scheme, a host and maybe a port, such as https://console.example"
            ));
        }
        let is_bucket = |url: &str| {
            Url::parse(url).is_ok_and(|url| {
                url.scheme() == "s3" && url.host_str().is_some_and(|host| !host.is_empty())
            })
        };
        if let Some(url) = self.exports.url.as_ref().filter(|url| !is_bucket(url)) {
            return Some(format!(
                "EXPORT_URL (exports.url) is `{url}`: files lie in a bucket, s3://BUCKET/PREFIX, or without it in the data folder"
            ));
        }
        let issuer = oidc.issuer.as_ref().filter(|issuer| !is_issuer(issuer))?;
        Some(format!(
            "OIDC_ISSUER (oidc.issuer) is `{issuer}`: an issuer is an https URL, or an http one on a loopback address"
        ))
    }

    fn topics(&self) -> Option<String> {
        let kafka = &self.kafka;
        let is_broker = |broker: &str| {
            let parts = broker.rsplit_once(':');
            parts.is_some_and(|(host, port)| {
                !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok()
            })
        };
        if let Some(brokers) = kafka.brokers.as_ref()
            && !brokers.split(',').all(is_broker)
        {
            return Some(format!(
                "KAFKA_BROKERS (kafka.brokers) is `{brokers}`: brokers are HOST:PORT with commas between them"
            ));
        }
        let is_name = |name: &str| {
            let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            (1..=200).contains(&name.len()) && name.bytes().all(known)
        };
        let names = [
            ("kafka.group", &kafka.group),
            ("kafka.cdr_topic", &kafka.cdr_topic),
            ("kafka.session_topic", &kafka.session_topic),
        ];
        if let Some((knob, name)) = names.into_iter().find(|(_, name)| !is_name(name)) {
            return Some(format!(
                "{knob} is `{name}`: a name has 1 to 200 letters, digits, dots, underscores and hyphens"
            ));
        }
        (kafka.cdr_topic == kafka.session_topic)
            .then(|| "kafka.cdr_topic and kafka.session_topic are one topic".to_owned())
    }

    #[expect(clippy::too_many_lines, reason = "a few lines for each number")]
    fn numbers(&self) -> Option<String> {
        let (http, graphql, intake) = (&self.http, &self.graphql, &self.intake);
        let (exports, kafka) = (&self.exports, &self.kafka);
        let body = intake.body_bytes as u64;
        let memory = intake.memory_bytes;
        let numbers = [
            ("oidc.refresh_seconds", self.oidc.refresh_seconds, 1, DAY),
            (
                "pool.connections",
                self.pool.connections.into(),
                LEAST_CONNECTIONS,
                10_000,
            ),
            ("http.connections", http.connections as u64, 1, 1_000_000),
            (
                "http.graphql_body_bytes",
                http.graphql_body_bytes as u64,
                1,
                GIGABYTE,
            ),
            ("http.request_seconds", http.request_seconds, 1, DAY),
            ("http.idle_seconds", http.idle_seconds, 1, DAY),
            ("http.grace_seconds", http.grace_seconds, 0, DAY),
            (
                "exports.retention_days",
                exports.retention_days.into(),
                1,
                3_650,
            ),
            (
                "exports.tenant_bytes",
                exports.tenant_bytes,
                1,
                u64::MAX >> 1,
            ),
            ("exports.jobs", exports.jobs as u64, 1, 100),
            ("exports.tenant_jobs", exports.tenant_jobs.into(), 1, 100),
            ("exports.lease_seconds", exports.lease_seconds, 1, 3_600),
            // A month is made before the next one has ended.
            ("exports.late_hours", exports.late_hours.into(), 0, 28 * 24),
            ("kafka.session_seconds", kafka.session_seconds, 1, 3_600),
            (
                "kafka.batch_records",
                kafka.batch_records as u64,
                1,
                100_000,
            ),
            (
                "kafka.linger_milliseconds",
                kafka.linger_milliseconds,
                0,
                MINUTE,
            ),
            ("graphql.bytes", graphql.bytes as u64, 1, GIGABYTE),
            ("graphql.tokens", graphql.tokens as u64, 1, u64::MAX),
            ("graphql.depth", graphql.depth as u64, 1, u64::MAX),
            ("graphql.breadth", graphql.breadth as u64, 1, u64::MAX),
            ("graphql.cost", graphql.cost, 1, u64::MAX),
            ("graphql.errors", graphql.errors as u64, 1, u64::MAX),
            // Older records could not be verified.
            (
                "intake.past_days",
                intake.past_days.into(),
                1,
                Retention::default().whole_days().unsigned_abs(),
            ),
            ("intake.body_bytes", body, 1, 64 * GIGABYTE),
            ("intake.memory_bytes", memory, 1, u64::MAX >> 1),
            (
                "intake.record_bytes",
                intake.record_bytes as u64,
                1,
                memory / BODIES_IN_MEMORY,
            ),
            (
                "intake.batch_records",
                intake.batch_records as u64,
                1,
                100_000,
            ),
            (
                "intake.line_milliseconds",
                intake.line_milliseconds,
                0,
                MINUTE,
            ),
            (
                "intake.least_bytes_per_second",
                intake.least_bytes_per_second,
                0,
                MEGABYTE,
            ),
            ("intake.depth", intake.depth as u64, 1, 1_000),
            ("intake.batches", intake.batches as u64, 1, 1_000),
            (
                "intake.linger_milliseconds",
                intake.linger_milliseconds,
                0,
                MINUTE,
            ),
            (
                "intake.takeover_seconds",
                intake.takeover_seconds.into(),
                1,
                3_600,
            ),
            ("intake.sources", intake.sources.into(), 1, 1_000_000),
            ("intake.known_sims", intake.known_sims, 1, 1_000_000_000),
            (
                "intake.listed_rejections",
                intake.listed_rejections as u64,
                0,
                1_000_000,
            ),
        ];
        let least = body.saturating_mul(BODIES_IN_MEMORY);
        if memory < least {
            return Some(format!(
                "intake.memory_bytes is {memory}: with intake.body_bytes = {body} it must be {least} at least"
            ));
        }
        numbers
            .into_iter()
            .find(|(_, number, least, most)| !(least..=most).contains(&number))
            .map(|(knob, number, least, most)| match most {
                u64::MAX => format!("{knob} is {number}: it must be {least} at least"),
                _ => format!("{knob} is {number}: it must be from {least} to {most}"),
            })
    }
}

/// Records of one installation in the stores of two.
fn alone(set: &str, missing: &str) -> String {
    format!(
        "{set} is set and {missing} is not: set both, to servers of yours, or neither, for private engines in the data folder"
    )
}

/// What is wrong with a Postgres URL, without repeating any of it: it may hold a password.
fn database_fault(url: &Secret) -> Option<String> {
    const FORM: &str = "must look like postgres://user:password@host:5432/database";
    match Url::parse(url.expose()) {
        Err(error) => Some(format!(
            "is not a URL ({error}): it {FORM}, with /, ?, # and @ in a password written as %2F, %3F, %23 and %40"
        )),
        Ok(url) if !matches!(url.scheme(), "postgres" | "postgresql") => Some(FORM.into()),
        // Without a host it is a socket, which the query may name.
        Ok(_) => None,
    }
}

fn clickhouse_fault(url: &Secret) -> Option<String> {
    let refused = analytics::Store::remote(url.expose()).err()?;
    Some(format!("cannot be used: {refused}"))
}

/// As a browser writes it.
fn is_origin(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.origin().ascii_serialization() == text
    })
}

fn is_issuer(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let is_safe = match url.scheme() {
        "https" => !host.is_empty(),
        "http" => listener::is_loopback_host(host),
        _ => false,
    };
    is_safe && url.query().is_none() && url.fragment().is_none()
}

//! Every knob: its section, type, default and documentation, said once.

use std::{path::PathBuf, time::Duration};

use chrono::TimeDelta;
use domain::job::Terms;
use ingest::{pipeline::Settings, topic};
use resolvers::Limits;
use serde::{Deserialize, Serialize};

use super::Secret;

/// A field's name and the lines of its documentation.
pub(super) type Docs = &'static [(&'static str, &'static [&'static str])];

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
            pub(super) const DOCS: Docs = &[$((stringify!($field), &[$($doc),+]),)*];
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
        /// Postgres 18 URL, also from `DATABASE_URL`. Not set: a private Postgres in the data folder. Set together with
        /// `clickhouse_url`, or not at all.
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
        /// Topics that usage records and session rollups come from.
        kafka: Kafka = Kafka::default(),
        /// Files that callers ask for.
        exports: Exports = Exports::default(),
        /// What is written to standard error.
        log: Log = Log::default(),
    }
}

section! {
    /// Who signs tokens, and where a token says what.
    Oidc {
        /// Issuer URL, https or on a loopback address, also from `OIDC_ISSUER`; its signing keys come from its discovery document. Not set:
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
        /// Connections at most, for each of the two database roles. At least 8. Half of them answer questions about usage.
        connections: u32 = 16,
    }
}

section! {
    /// Limits of the HTTP server.
    Http {
        /// Connections open at once at most; more wait to be accepted.
        connections: usize = 1024,
        /// Origins whose pages may call the API from a browser, such as `https://console.example`; in the variable separated by
        /// commas. None: only pages of this server.
        origins: Vec<String> = Vec::new(),
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
        /// Days: a usage record that began earlier is `TOO_OLD`. At most 390, because records are kept for 400 unless a tenant has another
        /// setting; of a tenant, at most 15 days less than its records are kept.
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
        /// Seconds within which an insert must begin, from 1 to 3600. After them any server may settle a batch that is not counted.
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
    /// As the pipeline wants them.
    pub fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            limits: ingest::read::BodyLimits {
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
    /// Topics that usage records and session rollups come from.
    Kafka {
        /// Brokers, HOST:PORT with commas between them, also from `KAFKA_BROKERS`. Not set: they come by HTTP only.
        brokers: Option<String> = None,
        /// The group whose members share the partitions. How far each is read stands in Postgres; the group's offsets show the lag.
        group: String = "simcube".into(),
        /// Topic of CDRs. What is quarantined of it goes to the topic of this name with `.dead` behind it.
        cdr_topic: String = "cdr.records".into(),
        /// Topic of session rollups, likewise.
        session_topic: String = "session.rollups".into(),
        /// Seconds that a member of the group may be silent before others read its partitions.
        session_seconds: u64 = 45,
        /// Messages of one partition that are journaled together at most.
        batch_records: usize = 10_000,
        /// Milliseconds that a message waits for others to travel with.
        linger_milliseconds: u64 = 1_000,
    }
}

impl Kafka {
    /// As whoever reads topics wants them; none without brokers.
    pub fn settings(&self) -> Option<topic::Settings> {
        let brokers = self.brokers.clone()?;
        Some(topic::Settings {
            cdrs: self.cdr_topic.clone(),
            sessions: self.session_topic.clone(),
            session_timeout: Duration::from_secs(self.session_seconds),
            records: self.batch_records,
            linger: Duration::from_millis(self.linger_milliseconds),
            ..topic::Settings::new(brokers, self.group.clone())
        })
    }
}

section! {
    /// Files that callers ask for.
    Exports {
        /// Where they lie: a bucket, `s3://BUCKET/PREFIX`, also from `EXPORT_URL`, whose endpoint, region and keys are in AWS's usual variables
        /// (`AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`; an endpoint without TLS takes `AWS_ALLOW_HTTP=true`). Not set:
        /// the folder `exports` in the data folder.
        url: Option<String> = None,
        /// Days that a file is kept, of tenants that have no setting of their own. What asked for it stays, with what it held.
        retention_days: u32 = 30,
        /// Bytes of files that a tenant keeps at most, if it has no setting of its own.
        tenant_bytes: u64 = 100 << 30,
        /// Files that this server makes at the same time.
        jobs: usize = 2,
        /// Files of one tenant that all servers make at the same time.
        tenant_jobs: u32 = 2,
        /// Seconds after which a server that is silent about a file loses it to another one.
        lease_seconds: u64 = 30,
        /// Hours after the end of a month at which the files of schedules are made: for the records that come late. At most 672, so that a
        /// month is made before the next one has ended.
        late_hours: u32 = 24,
    }
}

impl Exports {
    /// As the jobs want them.
    pub fn settings(&self) -> exports::Settings {
        let defaults = exports::Settings::default();
        exports::Settings {
            terms: Terms {
                lease: Duration::from_secs(self.lease_seconds),
                per_tenant: self.tenant_jobs,
                ..defaults.terms
            },
            retention: TimeDelta::days(self.retention_days.into()),
            quota: self.tenant_bytes,
            late: TimeDelta::hours(self.late_hours.into()),
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
        &[" Errors listed in one answer at most; the rest is counted."],
    ),
];

pub(super) const SECTIONS: &[(&str, Docs)] = &[
    ("oidc", Oidc::DOCS),
    ("pool", Pool::DOCS),
    ("http", Http::DOCS),
    ("graphql", GRAPHQL_DOCS),
    ("intake", Intake::DOCS),
    ("kafka", Kafka::DOCS),
    ("exports", Exports::DOCS),
    ("log", Log::DOCS),
];

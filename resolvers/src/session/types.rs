//! `LiveSession`, `SessionLogEntry` and the page of a log.

use async_graphql::{Context, Object, SimpleObject};
use domain::{id::SimId, paging::PageRequest};
use schema::{
    scalar::{BigInt, DateTime},
    session::SessionStatus,
};
use service::{LastSeen, SessionEntry, SessionLog};

use crate::{
    connection::{Connection, PageArguments, Wanted},
    error::IntoGraphql as _,
    loader::{LastSeenOf, LiveOf, LogOf, SimKey},
    request::load,
    sim::Sim,
    written::{Selected, Step, Written, columns, within},
};

/// A session, by its newest rollup.
#[derive(Clone)]
pub(crate) struct LiveSession(service::LiveSession);

/// A rollup of a session, as the network sent it.
#[derive(Clone)]
pub(crate) struct SessionLogEntry(SessionEntry);

columns! {
    EntryColumns of SessionEntry {
        /// Id of the session, as the network gave it; unique for its SIM.
        session_id: &str = |entry| &entry.session_id;
        /// When the rollup was made.
        timestamp: DateTime = |entry| entry.event_at.into();
        /// Name of the visited network; `Unknown (262/99)` of one that the dictionary lacks. Null when none is known.
        network_name: Option<&str> = |entry| entry.network.as_deref();
        /// Radio access type in words (`LTE`, `NB-IoT`, `5G NR`); `Unknown (n)` for a code without a meaning. Null when none is known.
        radio_access_type: Option<&str> = |entry| entry.radio_access.as_deref();
        /// Address of the SIM, IPv4 or IPv6.
        ip_address: &str = |entry| &entry.ip;
        /// Bytes sent by the device since the session began, or since the SIM was the caller's if that was later. For callers who see a part of the
        /// tenant, a session that is older than the log that is kept counts from where the log begins.
        bytes_in: BigInt = |entry| BigInt(entry.bytes_in.into());
        /// Bytes received by the device since then.
        bytes_out: BigInt = |entry| BigInt(entry.bytes_out.into());
    }
}

/// A session of a SIM, by its newest rollup.
#[Object]
impl LiveSession {
    /// Whether it goes on. A SIM without a session is offline.
    async fn status(&self) -> SessionStatus {
        self.0.status.into()
    }

    /// The SIM; null when it is not visible to the caller any more.
    async fn sim(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Sim>> {
        load(ctx, SimKey(self.0.entry.sim)).await
    }

    #[graphql(flatten)]
    async fn columns(&self) -> EntryColumns<'_> {
        EntryColumns(&self.0.entry)
    }
}

/// A rollup of a session. Counters are those of its session so far.
#[Object]
impl SessionLogEntry {
    /// The SIM; null when it is not visible to the caller any more.
    async fn sim(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Sim>> {
        load(ctx, SimKey(self.0.sim)).await
    }

    #[graphql(flatten)]
    async fn columns(&self) -> EntryColumns<'_> {
        EntryColumns(&self.0)
    }
}

impl Written for LiveSession {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "status" => Some(crate::written::leaf(|live: &Self| {
                schema::session::SessionStatus::from(live.0.status)
            })),
            _ => Some(within(EntryColumns::step(field)?, |live: &Self| {
                &live.0.entry
            })),
        }
    }
}

impl Written for SessionLogEntry {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        Some(within(EntryColumns::step(field)?, |entry: &Self| &entry.0))
    }
}

impl From<service::LiveSession> for LiveSession {
    fn from(live: service::LiveSession) -> Self {
        Self(live)
    }
}

/// One page of a log of sessions, newest rollup first.
#[derive(SimpleObject)]
pub(crate) struct SessionLogConnection {
    #[graphql(flatten)]
    page: Connection<SessionLogEntry>,
    /// Rollups that were made before this moment are not shown: it is asked for, or they are not kept.
    from: DateTime,
    /// True: earlier ones were asked for, which are not kept.
    clamped: bool,
}

impl From<SessionLog> for SessionLogConnection {
    fn from(log: SessionLog) -> Self {
        Self {
            page: Connection::new(log.listing, SessionLogEntry),
            from: log.from.into(),
            clamped: log.is_clamped,
        }
    }
}

/// A page of one SIM's log; those of several SIMs are fetched together.
pub(crate) async fn log(
    ctx: &Context<'_>,
    sim: SimId,
    (first, after, last, before): PageArguments,
) -> async_graphql::Result<Option<SessionLogConnection>> {
    let key = LogOf {
        sim,
        page: PageRequest::relay(first, after, last, before).gql()?,
        with_total: Wanted::of(ctx).total(),
    };
    let log: Option<Result<SessionLog, _>> = load(ctx, key).await?;
    let log = log.transpose().gql()?;
    Ok(log.map(Into::into))
}

/// The best session of a SIM.
pub(crate) async fn live(
    ctx: &Context<'_>,
    sim: SimId,
) -> async_graphql::Result<Option<LiveSession>> {
    load(ctx, LiveOf(sim)).await
}

/// When and where a SIM was seen last.
pub(crate) async fn last_seen(
    ctx: &Context<'_>,
    sim: SimId,
) -> async_graphql::Result<Option<LastSeen>> {
    load(ctx, LastSeenOf(sim)).await
}

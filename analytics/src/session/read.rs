//! What callers are told of sessions: the newest rollup of each, the log, and where SIMs were seen last.
//!
//! What is older than the tenant keeps is not shown, whether it is still there or not: the caller of these functions says from when on
//! ([`Narrowed::from`]).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{
    Error, Result, Scope,
    id::{CustomerId, SimId},
    session::SessionStatus,
};
use serde::Deserialize;
use uuid::Uuid;

use super::scoped::Scoped;
use crate::{Store, store::fault};

/// Which rows. All of it must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrowed {
    /// Of these SIMs.
    pub sims: Option<Vec<SimId>>,
    /// On these networks, `262-02`.
    pub networks: Option<Vec<String>>,
    /// Of these customers, at the time of the rollup.
    pub customers: Option<Vec<CustomerId>>,
    /// Made at or after this moment.
    pub from: DateTime<Utc>,
    /// Made before this moment.
    pub to: Option<DateTime<Utc>>,
    /// From when on a rollup makes its session online.
    pub online_from: DateTime<Utc>,
    /// Of sessions in one of these states; only live sessions have one.
    pub statuses: Option<Vec<SessionStatus>>,
}

/// The place of a row in a list: newest first, ends before updates of the same moment, and ties by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Event time, Unix milliseconds.
    pub event_ms: i64,
    /// Whether it ends its session.
    pub terminates: bool,
    /// Of the log the rollup, of live sessions the session.
    pub id: Uuid,
}

/// Which part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seek {
    /// Beyond this place.
    pub beyond: Option<Place>,
    /// The other way: oldest first.
    pub is_backward: bool,
    /// So many rows.
    pub limit: u32,
}

/// A rollup as callers are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whose.
    pub sim: SimId,
    /// Hash of the SIM and the session's id.
    pub session: Uuid,
    /// Its place in its list.
    pub place: Place,
    /// The session's id, as the network gave it.
    pub session_id: String,
    /// Visited network, `262-02`; empty when unknown.
    pub network: String,
    /// Radio access type in words; empty when unknown.
    pub rat: String,
    /// The SIM's address, as text.
    pub ip: String,
    /// Bytes sent by the device since the session began, or since it was the caller's. For callers who see a part of the tenant, a session that
    /// is older than the log counts from where the log begins.
    pub counter_in: u64,
    /// Bytes received by the device since then.
    pub counter_out: u64,
    /// When it was made.
    pub event_at: DateTime<Utc>,
}

/// When and where a SIM was seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// When.
    pub event_at: DateTime<Utc>,
    /// On which network, `262-02`; empty when unknown.
    pub network: String,
}

#[derive(Row, Deserialize)]
struct Line {
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    session: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    id: Uuid,
    session_id: String,
    network: String,
    rat: String,
    ip: String,
    counter_in: u64,
    counter_out: u64,
    terminates: u8,
    event_ms: i64,
}

impl Line {
    fn shown(self) -> Result<Shown> {
        let place = Place {
            event_ms: self.event_ms,
            terminates: self.terminates != 0,
            id: self.id,
        };
        Ok(Shown {
            sim: SimId::new(self.sim),
            session: self.session,
            place,
            session_id: self.session_id,
            network: self.network,
            rat: self.rat,
            ip: self.ip,
            counter_in: self.counter_in,
            counter_out: self.counter_out,
            event_at: moment(self.event_ms)?,
        })
    }
}

#[derive(Row, Deserialize)]
struct Last {
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    event_ms: i64,
    network: String,
}

/// A table that rows are read from, and what names a row of it.
#[derive(Clone, Copy)]
struct Table {
    name: &'static str,
    id: &'static str,
    /// What makes a row one that is shown.
    rows: &'static str,
}

/// Rollups by the row in which they came; corrections are no rollups.
const LOG: Table = Table {
    name: "session_log",
    // The rollup's identity is a hash of all that it says, also of what nobody is shown, and cursors can be read. With the batch, which is no
    // caller's to know, it tells nothing.
    id: "reinterpretAsUUID(sipHash128(identity, batch))",
    rows: "arrived = 1 AND sign = 1",
};

/// The newest rollup of each session, merged or not. Whose it is and when it was made is asked of the newest alone.
const LIVE: Table = Table {
    name: "session_live FINAL",
    id: "session",
    rows: "true",
};

impl Table {
    fn columns(self) -> String {
        format!(
            "SELECT sim, session, {} AS id, session_id, CAST(network, 'String') AS network, CAST(rat, 'String') AS rat, ip, counter_in, \
             counter_out, toUInt8(request_type) AS terminates, toUnixTimestamp64Milli(event_at) AS event_ms",
            self.id
        )
    }

    /// What a list is sorted by.
    fn order(self, is_backward: bool) -> String {
        let word = if is_backward { "ASC" } else { "DESC" };
        format!(
            "event_at {word}, toUInt8(request_type) {word}, {} {word}",
            self.id
        )
    }
}

impl Store {
    /// Rollups of the log that the caller may see, newest first, or from the end of the list.
    ///
    /// # Errors
    /// `FORBIDDEN` when sessions are closed to the caller, `LIMIT_EXCEEDED` when the question takes too long.
    pub async fn session_log(
        &self,
        scope: &Scope,
        narrowed: &Narrowed,
        seek: Seek,
    ) -> Result<Vec<Shown>> {
        self.listed(scope, LOG, narrowed, seek).await
    }

    /// How many rollups of the log these are.
    ///
    /// # Errors
    /// Those of [`Store::session_log`].
    pub async fn count_session_log(&self, scope: &Scope, narrowed: &Narrowed) -> Result<u64> {
        self.counted(scope, LOG, narrowed).await
    }

    /// The same page of the log of each of several SIMs.
    ///
    /// # Errors
    /// Those of [`Store::session_log`].
    pub async fn session_log_by_sims(
        &self,
        scope: &Scope,
        sims: &[SimId],
        narrowed: &Narrowed,
        seek: Seek,
    ) -> Result<HashMap<SimId, Vec<Shown>>> {
        let mut scoped = list(scope, LOG, narrowed, seek)?;
        scoped.of_sims(sims);
        let sql = format!(
            "{}\n{}\nORDER BY sim, {}\nLIMIT {} BY sim",
            LOG.columns(),
            scoped.own(LOG.name),
            LOG.order(seek.is_backward),
            seek.limit
        );
        let mut pages: HashMap<SimId, Vec<Shown>> = HashMap::new();
        for shown in self.shown(scope, &scoped, &sql).await? {
            pages.entry(shown.sim).or_default().push(shown);
        }
        Ok(pages)
    }

    /// How many rollups of the log each of several SIMs has.
    ///
    /// # Errors
    /// Those of [`Store::session_log`].
    pub async fn count_session_log_by_sims(
        &self,
        scope: &Scope,
        sims: &[SimId],
        narrowed: &Narrowed,
    ) -> Result<HashMap<SimId, u64>> {
        let mut scoped = narrow(scope, LOG, narrowed)?;
        scoped.of_sims(sims);
        let sql = format!(
            "SELECT sim, count() AS rows\n{}\nGROUP BY sim",
            scoped.own(LOG.name)
        );
        let counts = self
            .session_lines::<Count>(&scoped, &sql)
            .await?
            .into_iter();
        Ok(counts
            .map(|count| (SimId::new(count.sim), count.rows))
            .collect())
    }

    /// Sessions that the caller may see, by their newest rollup: newest first, or from the end of the list.
    ///
    /// # Errors
    /// Those of [`Store::session_log`].
    pub async fn live_sessions(
        &self,
        scope: &Scope,
        narrowed: &Narrowed,
        seek: Seek,
    ) -> Result<Vec<Shown>> {
        self.listed(scope, LIVE, narrowed, seek).await
    }

    /// How many sessions these are.
    ///
    /// # Errors
    /// Those of [`Store::session_log`].
    pub async fn count_live_sessions(&self, scope: &Scope, narrowed: &Narrowed) -> Result<u64> {
        self.counted(scope, LIVE, narrowed).await
    }

    /// The best session of each of several SIMs: one that goes on before one that ended, and then the newest.
    ///
    /// # Errors
    /// Those of [`Store::session_log`].
    pub async fn live_by_sims(
        &self,
        scope: &Scope,
        sims: &[SimId],
        from: DateTime<Utc>,
    ) -> Result<HashMap<SimId, Shown>> {
        let narrowed = Narrowed {
            sims: Some(sims.to_vec()),
            from,
            ..Narrowed::default()
        };
        let scoped = narrow(scope, LIVE, &narrowed)?;
        let sql = format!(
            "{}\n{}\nORDER BY sim, toUInt8(request_type), event_at DESC, session\nLIMIT 1 BY sim",
            LIVE.columns(),
            scoped.own(LIVE.name)
        );
        let shown = self.shown(scope, &scoped, &sql).await?.into_iter();
        Ok(shown.map(|shown| (shown.sim, shown)).collect())
    }

    /// When and where each of several SIMs was seen last, as far back as there is anything.
    ///
    /// # Errors
    /// Those of [`Store::session_log`].
    pub async fn last_seen(
        &self,
        scope: &Scope,
        sims: &[SimId],
    ) -> Result<HashMap<SimId, LastSeen>> {
        let mut scoped = Scoped::new(scope)?;
        scoped.of_sims(sims);
        let sql = format!(
            "SELECT sim, toUnixTimestamp64Milli(max(event_at)) AS event_ms, \
             CAST(argMax(sim_last_seen.network, version), 'String') AS network\n{}\nGROUP BY sim",
            scoped.own("sim_last_seen")
        );
        let lines = self.session_lines::<Last>(&scoped, &sql).await?.into_iter();
        let seen = lines.map(|line| {
            let seen = LastSeen {
                event_at: moment(line.event_ms)?,
                network: line.network,
            };
            Ok((SimId::new(line.sim), seen))
        });
        seen.collect()
    }

    async fn listed(
        &self,
        scope: &Scope,
        table: Table,
        narrowed: &Narrowed,
        seek: Seek,
    ) -> Result<Vec<Shown>> {
        let scoped = list(scope, table, narrowed, seek)?;
        let sql = format!(
            "{}\n{}\nORDER BY {}\nLIMIT {}",
            table.columns(),
            scoped.own(table.name),
            table.order(seek.is_backward),
            seek.limit
        );
        self.shown(scope, &scoped, &sql).await
    }

    async fn counted(&self, scope: &Scope, table: Table, narrowed: &Narrowed) -> Result<u64> {
        let scoped = narrow(scope, table, narrowed)?;
        let sql = format!("SELECT count()\n{}", scoped.own(table.name));
        let counts = self.session_lines::<u64>(&scoped, &sql).await?;
        Ok(counts.into_iter().sum())
    }

    /// What a statement finds, as the caller is shown it.
    async fn shown(&self, scope: &Scope, scoped: &Scoped, sql: &str) -> Result<Vec<Shown>> {
        let lines = self.session_lines::<Line>(scoped, sql).await?.into_iter();
        let shown: Vec<Shown> = lines.map(Line::shown).collect::<Result<_>>()?;
        self.counted_from_the_callers_time(scope, shown).await
    }

    pub(super) async fn session_lines<L>(&self, scoped: &Scoped, sql: &str) -> Result<Vec<L>>
    where
        L: clickhouse::RowOwned + clickhouse::RowRead,
    {
        // What is asked of the newest rollup must not be asked of older ones first, whatever a server's profile says.
        let query = (self.query(sql))
            .with_setting("optimize_move_to_prewhere_if_final", "0")
            // By which the engine's own log tells questions of callers from others.
            .with_setting("log_comment", "sessions");
        scoped.attach(query).fetch_all().await.map_err(fault)
    }
}

#[derive(Row, Deserialize)]
struct Count {
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    rows: u64,
}

fn narrow(scope: &Scope, table: Table, narrowed: &Narrowed) -> Result<Scoped> {
    let mut scoped = Scoped::new(scope)?;
    scoped.and(table.rows).narrow(narrowed);
    Ok(scoped)
}

fn list(scope: &Scope, table: Table, narrowed: &Narrowed, seek: Seek) -> Result<Scoped> {
    let mut scoped = narrow(scope, table, narrowed)?;
    if let Some(place) = seek.beyond {
        let comparison = if seek.is_backward { ">" } else { "<" };
        scoped.beyond(place, table.id, comparison);
    }
    Ok(scoped)
}

fn moment(millis: i64) -> Result<DateTime<Utc>> {
    let moment = DateTime::from_timestamp_millis(millis);
    moment.ok_or_else(|| Error::internal("a rollup outside of time"))
}

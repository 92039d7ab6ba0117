//! What is live and what was seen last, held against the log.
//!
//! Of each session, and of each SIM and customer, there is the newest rollup, as far back as the log is whole. What is older stands
//! nowhere else, so nobody can say whether it is right.
//!
//! Both sides are summed up per tenant into a number of rows and a salted fingerprint of all that they say; only where these differ are rows
//! looked at one by one.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{
    Error, Result,
    id::{SimId, TenantId},
    tenant::SessionRetentions,
};
use serde::Deserialize;
use uuid::Uuid;

use super::{Permit, Table, Tables, patient, rows::Kept};
use crate::{
    Store, System,
    family::Family,
    session::live::{Live, VERSION},
    store::fault,
};

/// SIMs that are put right by one statement.
const SIMS: usize = 50_000;

/// A row of what is live, or of what was seen last, that is not the one that the log has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlike {
    /// The table.
    pub table: &'static str,
    /// Whose.
    pub tenant: TenantId,
    /// Of which SIM.
    pub sim: SimId,
    /// The session, or the customer.
    pub of: Uuid,
    /// When the newest rollup was made that the log has.
    pub expected: Option<DateTime<Utc>>,
    /// When the one was made that stands there.
    pub found: Option<DateTime<Utc>>,
}

/// What a comparison found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveComparison {
    /// The first rows that differ.
    pub unlike: Vec<Unlike>,
    /// Tenants and tables with further ones.
    pub more: Vec<(TenantId, &'static str)>,
}

#[derive(Row, Deserialize)]
struct PrintLine {
    #[serde(with = "clickhouse::serde::uuid")]
    tenant: Uuid,
    rows: u64,
    hashed: i128,
}

#[derive(Row, Deserialize)]
struct UnlikeLine {
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    #[serde(with = "clickhouse::serde::uuid")]
    key: Uuid,
    /// Unix milliseconds, -1 where there is none.
    expected: i64,
    found: i64,
}

#[derive(Row, Deserialize)]
struct SimLine {
    #[serde(with = "clickhouse::serde::uuid")]
    sim: Uuid,
    /// Whether something stands there that the log does not have.
    is_surplus: bool,
}

/// Who has what.
#[derive(Clone, Copy)]
enum Side {
    Log,
    Table,
}

impl Tables {
    /// Compares what is live and what was seen last with the log, where that is whole. `salt` makes the hashes this run's own; at most `shown`
    /// rows are named in all.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine.
    pub async fn compare_live(
        &self,
        system: &System,
        salt: u64,
        shown: usize,
        retentions: &SessionRetentions,
    ) -> Result<LiveComparison> {
        let kept = Kept::new(retentions, system.now());
        let mut found = LiveComparison::default();
        for live in Live::ALL {
            for tenant in self.unlike_tenants(live, salt, &kept).await? {
                let room = shown - found.unlike.len();
                let sql = unlike_sql(self, live, tenant, &kept, room);
                let lines: Vec<UnlikeLine> = patient(self.store.query(&sql))
                    .fetch_all()
                    .await
                    .map_err(fault)?;
                if lines.len() == room {
                    found.more.push((tenant, live.table));
                }
                for line in lines {
                    found.unlike.push(line.of(live, tenant)?);
                }
            }
        }
        Ok(found)
    }

    /// The tenants of which a table is not what the log says.
    async fn unlike_tenants(
        &self,
        live: Live,
        salt: u64,
        kept: &Kept,
    ) -> Result<BTreeSet<TenantId>> {
        let mut prints = BTreeMap::new();
        for side in [Side::Log, Side::Table] {
            let newest = newest_sql(self, live, side, None, kept);
            let sql = format!(
                "SELECT tenant, count() AS rows, \
                 toInt128(sum(toInt128(cityHash64(toUInt64({salt}), {}, says)))) AS hashed\nFROM ({newest})\nGROUP BY tenant",
                live.key
            );
            let lines: Vec<PrintLine> = patient(self.store.query(&sql))
                .fetch_all()
                .await
                .map_err(fault)?;
            for line in lines {
                let print: &mut [_; 2] = prints.entry(TenantId::new(line.tenant)).or_default();
                print[side as usize] = (line.rows, line.hashed);
            }
        }
        let unlike = prints.into_iter().filter(|(_, [log, table])| log != table);
        Ok(unlike.map(|(tenant, _)| tenant).collect())
    }
}

impl UnlikeLine {
    fn of(self, live: Live, tenant: TenantId) -> Result<Unlike> {
        let moment = |millis: i64| match millis {
            ..0 => Ok(None),
            _ => DateTime::from_timestamp_millis(millis)
                .map(Some)
                .ok_or_else(|| Error::internal("a rollup outside of time")),
        };
        Ok(Unlike {
            table: live.table,
            tenant,
            sim: SimId::new(self.sim),
            of: self.key,
            expected: moment(self.expected)?,
            found: moment(self.found)?,
        })
    }
}

impl Store {
    /// Makes what is live and what was seen last of a tenant what the log says, where that is whole, and says of how many SIMs it was not. The
    /// caller knows that the log lacks nothing of the tenant. Doing it again changes nothing.
    ///
    /// # Errors
    /// `UNAVAILABLE` and others from the engine, with a part put right.
    pub async fn correct_live(
        &self,
        system: &System,
        tenant: TenantId,
        retentions: &SessionRetentions,
        permit: &impl Permit,
    ) -> Result<u64> {
        let kept = Kept::new(retentions, system.now());
        let tables = self.tables(system).of(Family::Session);
        let mut corrected = 0;
        for live in Live::ALL {
            let mut after = None;
            loop {
                let sql = sims_sql(&tables, live, tenant, &kept, after);
                let lines: Vec<SimLine> =
                    patient(self.query(&sql)).fetch_all().await.map_err(fault)?;
                let sims = |surplus: Option<bool>| -> Vec<SimId> {
                    let chosen = lines
                        .iter()
                        .filter(|line| surplus.is_none_or(|it| it == line.is_surplus));
                    chosen.map(|line| SimId::new(line.sim)).collect()
                };
                let (all, surplus) = (sims(None), sims(Some(true)));
                if !surplus.is_empty() {
                    let since = kept.sql_of(tenant, "event_at");
                    self.forget_sims(live, tenant, &surplus, &since, permit)
                        .await?;
                }
                self.enter_newest(live, tenant, &all, permit).await?;
                corrected += all.len() as u64;
                after = all.last().copied();
                if all.len() < SIMS {
                    break;
                }
            }
        }
        Ok(corrected)
    }
}

/// The newest row of each key as one side has it, if it was made while the log is whole: its version, when it was made, and a hash of all that
/// it says. Of rows with one version that say different things none is the newest: they are like no other.
fn newest_sql(
    tables: &Tables,
    live: Live,
    side: Side,
    tenant: Option<TenantId>,
    kept: &Kept,
) -> String {
    let of = tenant.map_or_else(String::new, |tenant| {
        format!(" AND tenant = '{}'", tenant.uuid())
    });
    let Live { key, says, .. } = live;
    let (version, from) = match side {
        Side::Log => (
            VERSION,
            format!(
                "{} WHERE arrived = 1 AND {}{of}",
                tables.name(Table::Records),
                kept.sql("event_at")
            ),
        ),
        Side::Table => (
            "version",
            format!("{} WHERE true{of}", tables.stored(live.table)),
        ),
    };
    format!(
        "SELECT {key}, max(place) AS newest, max(event_at) AS made_at, \
         cityHash64(argMax(said, (place, said)), argMax(said, (place, bitNot(said)))) AS says \
         FROM (SELECT {key}, event_at, {version} AS place, cityHash64({says}, toString(place)) AS said FROM {from}) \
         GROUP BY {key} HAVING {}",
        kept.sql("made_at")
    )
}

/// Both sides of a tenant, side by side.
fn sides_sql(tables: &Tables, live: Live, tenant: TenantId, kept: &Kept) -> String {
    let [log, table] =
        [Side::Log, Side::Table].map(|side| newest_sql(tables, live, side, Some(tenant), kept));
    format!("SELECT *, 0 AS side FROM ({log}) UNION ALL SELECT *, 1 AS side FROM ({table})")
}

/// Rows of the log and of the table are one if both are there and say the same.
const UNLIKE: &str = "count() <> 2 OR min(says) <> max(says)";

fn unlike_sql(tables: &Tables, live: Live, tenant: TenantId, kept: &Kept, limit: usize) -> String {
    let made = |side: u8| {
        format!(
            "if(countIf(side = {side}) = 0, -1, maxIf(toUnixTimestamp64Milli(made_at), side = {side}))"
        )
    };
    format!(
        "SELECT sim, {of} AS key, {} AS expected, {} AS found FROM ({})\n\
         GROUP BY sim, key HAVING {UNLIKE} ORDER BY sim, key LIMIT {limit}",
        made(0),
        made(1),
        sides_sql(tables, live, tenant, kept),
        of = live.of,
    )
}

fn sims_sql(
    tables: &Tables,
    live: Live,
    tenant: TenantId,
    kept: &Kept,
    after: Option<SimId>,
) -> String {
    let after = after.map_or_else(Uuid::nil, SimId::uuid);
    format!(
        "SELECT sim, toBool(max(stands >= has)) AS is_surplus FROM (SELECT sim, maxIf(newest, side = 0) AS has, \
         maxIf(newest, side = 1) AS stands FROM ({}) WHERE sim > toUUID('{after}') \
         GROUP BY sim, {} HAVING {UNLIKE})\n\
         GROUP BY sim ORDER BY sim LIMIT {SIMS}",
        sides_sql(tables, live, tenant, kept),
        live.of,
    )
}

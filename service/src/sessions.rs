//! What SIMs are doing: live sessions, the log of rollups, and when SIMs were seen last.

use std::collections::HashMap;

use analytics::session::{Narrowed, Place, Seek, Shown};
use chrono::{DateTime, DurationRound as _, TimeDelta, Utc};
use domain::{
    Code, Error, Permission, ReadCx, Result, customer,
    id::{CustomerId, SimId},
    identifier::{Iccid, Plmn},
    journal,
    list::Listing,
    network,
    paging::{Cursors, Page, PageRequest},
    session::SessionStatus,
    sim,
};
use futures::future::{try_join, try_join_all};
use uuid::Uuid;

use crate::{Session, relation::wanted};

/// What is shown begins at a whole minute, so that an answer is the same for as long.
const STEP: TimeDelta = TimeDelta::minutes(1);
/// The least that a moment can move on.
const INSTANT: TimeDelta = TimeDelta::microseconds(1);

/// Which sessions or rollups. All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AskedSessions {
    /// Of the SIM with this ICCID.
    pub iccid: Option<Iccid>,
    /// On this network.
    pub network: Option<Plmn>,
    /// Of one of these customers at the time of the rollup.
    pub customers: Option<Vec<CustomerId>>,
    /// Made at or after this moment.
    pub from: Option<DateTime<Utc>>,
    /// Made before this moment.
    pub to: Option<DateTime<Utc>>,
    /// Live ones in one of these states.
    pub statuses: Option<Vec<SessionStatus>>,
}

/// A rollup as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEntry {
    /// Whose.
    pub sim: SimId,
    /// The session's id, as the network gave it.
    pub session_id: String,
    /// When it was made.
    pub event_at: DateTime<Utc>,
    /// Name of the visited network; none when unknown.
    pub network: Option<String>,
    /// Radio access type in words; none when unknown.
    pub radio_access: Option<String>,
    /// The SIM's address.
    pub ip: String,
    /// Bytes sent by the device since the session began.
    pub bytes_in: u64,
    /// Bytes received by the device since then.
    pub bytes_out: u64,
}

/// A session by its newest rollup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    /// The rollup.
    pub entry: SessionEntry,
    /// Whether the session goes on.
    pub status: SessionStatus,
}

/// A page of the log, and from when on there is one.
#[derive(Clone, Debug)]
pub struct SessionLog {
    /// The rollups.
    pub listing: Listing<SessionEntry>,
    /// They were made at or after this moment.
    pub from: DateTime<Utc>,
    /// Whether earlier ones were asked for, which are not kept.
    pub is_clamped: bool,
}

/// When and where a SIM was seen last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// When.
    pub event_at: DateTime<Utc>,
    /// Name of the network; none when unknown.
    pub network: Option<String>,
}

/// From when on rollups are shown.
#[derive(Clone, Copy)]
struct Floor {
    from: DateTime<Utc>,
    is_clamped: bool,
}

impl Session {
    /// A page of the log of all that the caller may see.
    ///
    /// # Errors
    /// `FORBIDDEN` when sessions are closed to the caller, `INVALID_CURSOR` for a cursor of another question, `THROTTLED` when too many
    /// questions of the tenant wait.
    pub async fn session_history(
        &self,
        asked: &AskedSessions,
        page: &PageRequest,
        with_total: bool,
    ) -> Result<SessionLog> {
        let cx = self.read().await?;
        cx.scope().require(Permission::SessionsRead)?;
        let cursors = Cursors::new(&("session history", asked));
        let seek = seek(&cursors, page)?;
        let floor = floor(&cx, asked.from)?;
        let Some(narrowed) = narrowed(&cx, asked, floor.from).await? else {
            return Ok(floor.log(nothing(&cursors, page, with_total)));
        };
        let _turn = self.turn().await?;
        let rows = self.store().session_log(cx.scope(), &narrowed, seek);
        let total = self.store().count_session_log(cx.scope(), &narrowed);
        let asked = try_join(rows, wanted(with_total, total));
        let ((rows, total), ()) = try_join(asked, journal::note_cubes(&cx)).await?;
        let codes = codes(rows.iter().map(|shown| &shown.network));
        let names = network::names(&cx, &codes).await?;
        let page = cursors.page(rows, page, position);
        Ok(floor.log(Listing {
            page: page.map(|shown| entry(shown, &names)),
            total,
        }))
    }

    /// The same page of the log of each of several SIMs. A cursor is one SIM's: the others are answered `INVALID_CURSOR`.
    ///
    /// # Errors
    /// `FORBIDDEN` when sessions are closed to the caller, `THROTTLED` when too many questions of the tenant wait.
    pub async fn session_logs(
        &self,
        sims: &[SimId],
        page: &PageRequest,
        with_total: bool,
    ) -> Result<HashMap<SimId, Result<SessionLog>>> {
        let cx = self.read().await?;
        cx.scope().require(Permission::SessionsRead)?;
        let floor = floor(&cx, None)?;
        let mut logs = HashMap::with_capacity(sims.len());
        let mut seeks: HashMap<Seek, Vec<SimId>> = HashMap::new();
        for sim in sims {
            match seek(&of_sim(*sim), page) {
                Ok(seek) => seeks.entry(seek).or_default().push(*sim),
                Err(error) => {
                    logs.insert(*sim, Err(error));
                }
            }
        }
        let narrowed = &Narrowed {
            from: floor.from,
            ..Narrowed::default()
        };
        let _turn = self.turn().await?;
        let (scope, store) = (cx.scope(), self.store());
        let found = seeks.into_iter().map(async |(seek, sims)| {
            let rows = store.session_log_by_sims(scope, &sims, narrowed, seek);
            let totals = store.count_session_log_by_sims(scope, &sims, narrowed);
            let (rows, totals) = try_join(rows, wanted(with_total, totals)).await?;
            Ok::<_, Error>((sims, rows, totals))
        });
        let (found, ()) = try_join(try_join_all(found), journal::note_cubes(&cx)).await?;
        let all = found
            .iter()
            .flat_map(|(_, rows, _)| rows.values().flatten());
        let codes = codes(all.map(|shown| &shown.network));
        let names = network::names(&cx, &codes).await?;
        for (sims, mut rows, totals) in found {
            for sim in sims {
                let rows = rows.remove(&sim).unwrap_or_default();
                let page = of_sim(sim).page(rows, page, position);
                let totals = totals.as_ref();
                let listing = Listing {
                    page: page.map(|shown| entry(shown, &names)),
                    total: totals.map(|totals| totals.get(&sim).copied().unwrap_or_default()),
                };
                logs.insert(sim, Ok(floor.log(listing)));
            }
        }
        Ok(logs)
    }

    /// A page of sessions, each by its newest rollup.
    ///
    /// # Errors
    /// Those of [`Session::session_history`].
    pub async fn live_sessions(
        &self,
        asked: &AskedSessions,
        page: &PageRequest,
        with_total: bool,
    ) -> Result<Listing<LiveSession>> {
        let cx = self.read().await?;
        cx.scope().require(Permission::SessionsRead)?;
        let cursors = Cursors::new(&("live sessions", asked));
        let seek = seek(&cursors, page)?;
        let floor = floor(&cx, None)?;
        if asked.statuses.is_some() {
            // Some that are not in the answer may be in the next moment.
            cx.only_until(cx.now());
        }
        let Some(narrowed) = narrowed(&cx, asked, floor.from).await? else {
            let Listing { page, total } = nothing(&cursors, page, with_total);
            let page = page.map(|entry| live(&cx, entry, true));
            return Ok(Listing { page, total });
        };
        let _turn = self.turn().await?;
        let rows = self.store().live_sessions(cx.scope(), &narrowed, seek);
        let total = self.store().count_live_sessions(cx.scope(), &narrowed);
        let asked = try_join(rows, wanted(with_total, total));
        let ((rows, total), ()) = try_join(asked, journal::note_cubes(&cx)).await?;
        let codes = codes(rows.iter().map(|shown| &shown.network));
        let names = network::names(&cx, &codes).await?;
        let page = cursors.page(rows, page, position);
        let page = page.map(|shown| {
            let terminates = shown.place.terminates;
            live(&cx, entry(shown, &names), terminates)
        });
        Ok(Listing { page, total })
    }

    /// The best session of each of several SIMs: one that goes on before one that ended, and then the newest.
    ///
    /// # Errors
    /// `FORBIDDEN` when sessions are closed to the caller, `THROTTLED` when too many questions of the tenant wait.
    pub async fn live_by_sims(&self, sims: &[SimId]) -> Result<HashMap<SimId, LiveSession>> {
        let cx = self.read().await?;
        cx.scope().require(Permission::SessionsRead)?;
        let floor = floor(&cx, None)?;
        let _turn = self.turn().await?;
        let found = self.store().live_by_sims(cx.scope(), sims, floor.from);
        let (found, ()) = try_join(found, journal::note_cubes(&cx)).await?;
        let codes = codes(found.values().map(|shown| &shown.network));
        let names = network::names(&cx, &codes).await?;
        let found = found.into_iter().map(|(sim, shown)| {
            let terminates = shown.place.terminates;
            (sim, live(&cx, entry(shown, &names), terminates))
        });
        Ok(found.collect())
    }

    /// When and where each of several SIMs was seen last, however long ago.
    ///
    /// # Errors
    /// `FORBIDDEN` when sessions are closed to the caller, `THROTTLED` when too many questions of the tenant wait.
    pub async fn last_seen(&self, sims: &[SimId]) -> Result<HashMap<SimId, LastSeen>> {
        let cx = self.read().await?;
        let _turn = self.turn().await?;
        let found = self.store().last_seen(cx.scope(), sims);
        let (found, ()) = try_join(found, journal::note_cubes(&cx)).await?;
        let codes = codes(found.values().map(|seen| &seen.network));
        let names = network::names(&cx, &codes).await?;
        let found = found.into_iter().map(|(sim, seen)| {
            let seen = LastSeen {
                event_at: seen.event_at,
                network: names.get(&seen.network).cloned(),
            };
            (sim, seen)
        });
        Ok(found.collect())
    }
}

impl Floor {
    fn log(self, listing: Listing<SessionEntry>) -> SessionLog {
        SessionLog {
            listing,
            from: self.from,
            is_clamped: self.is_clamped,
        }
    }
}

/// From when on rollups are shown: what is older than the tenant keeps is not, whether it is still there or not. An answer is good until that
/// moves on.
fn floor(cx: &ReadCx, asked: Option<DateTime<Utc>>) -> Result<Floor> {
    let now = cx.now();
    let whole_from = cx.scope().settings().sessions.whole_from(now);
    let minute = |at: DateTime<Utc>| at.duration_trunc(STEP).map_err(Error::internal);
    let kept = minute(whole_from)? + STEP;
    let from = asked.map_or(kept, |asked| asked.max(kept));
    cx.only_until(now + (minute(from)? - whole_from));
    Ok(Floor {
        from,
        is_clamped: asked.is_some_and(|asked| asked < kept),
    })
}

/// What is asked, in the words of the usage store; nothing where there can be no such row. Neither a SIM nor a customer that the caller may not
/// see now can be asked for: what is hidden cannot be found out.
async fn narrowed(
    cx: &ReadCx,
    asked: &AskedSessions,
    from: DateTime<Utc>,
) -> Result<Option<Narrowed>> {
    if asked.to.is_some_and(|to| to <= from) {
        return Ok(None);
    }
    let mut narrowed = Narrowed {
        from,
        to: asked.to,
        online_from: cx.now() - cx.scope().settings().online_for(),
        statuses: asked.statuses.clone(),
        networks: (asked.network.as_ref()).map(|network| vec![network.as_str().to_owned()]),
        ..Narrowed::default()
    };
    if let Some(iccid) = &asked.iccid {
        match sim::get_by_iccid(cx, iccid).await {
            Ok(sim) => narrowed.sims = Some(vec![sim.id]),
            Err(error) if error.code() == Code::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    if let Some(customers) = &asked.customers {
        let seen = customer::by_ids(cx, customers).await?;
        if seen.is_empty() {
            return Ok(None);
        }
        narrowed.customers = Some(seen.into_keys().collect());
    }
    Ok(Some(narrowed))
}

fn of_sim(sim: SimId) -> Cursors {
    Cursors::new(&("session log", sim))
}

/// Where a page begins, and how many rows are read for it: one more than are asked for, to know whether more follow.
fn seek(cursors: &Cursors, page: &PageRequest) -> Result<Seek> {
    let place = |(key, id): (String, Uuid)| {
        let (event_ms, terminates) = key.split_once('-')?;
        Some(Place {
            event_ms: event_ms.parse().ok()?,
            terminates: terminates == "1",
            id,
        })
    };
    let beyond = cursors.position(page)?;
    let beyond = beyond.map(|position| place(position).ok_or_else(|| Cursors::damaged(page)));
    Ok(Seek {
        beyond: beyond.transpose()?,
        is_backward: page.is_backward(),
        limit: page.limit() + 1,
    })
}

fn position(shown: &Shown) -> (String, Uuid) {
    let Place {
        event_ms,
        terminates,
        id,
    } = shown.place;
    (format!("{event_ms}-{}", u8::from(terminates)), id)
}

fn nothing(cursors: &Cursors, page: &PageRequest, with_total: bool) -> Listing<SessionEntry> {
    let page: Page<Shown> = cursors.page(Vec::new(), page, position);
    Listing {
        page: page.map(|shown| entry(shown, &HashMap::new())),
        total: with_total.then_some(0),
    }
}

/// The codes of the networks that rollups were made on, each once.
fn codes<'a>(networks: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let networks = networks.into_iter().filter(|code| !code.is_empty());
    let mut codes: Vec<String> = networks.cloned().collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

fn entry(shown: Shown, names: &HashMap<String, String>) -> SessionEntry {
    SessionEntry {
        sim: shown.sim,
        session_id: shown.session_id,
        event_at: shown.event_at,
        network: names.get(&shown.network).cloned(),
        radio_access: Some(shown.rat).filter(|rat| !rat.is_empty()),
        ip: shown.ip,
        bytes_in: shown.counter_in,
        bytes_out: shown.counter_out,
    }
}

/// The session whose newest rollup this is. Being online ends by itself.
fn live(cx: &ReadCx, entry: SessionEntry, terminates: bool) -> LiveSession {
    let online_for = cx.scope().settings().online_for();
    let status = SessionStatus::at(cx.now(), entry.event_at, terminates, online_for);
    if status == SessionStatus::Online {
        cx.only_until(entry.event_at + online_for + INSTANT);
    }
    LiveSession { entry, status }
}

//! What rollups of sessions are to what is known of their sessions. They claim no identities: whether one is repeated, newest or late is
//! known from the points that are kept of its session, which the batch locks, and from the log if it is late.

use std::collections::{BTreeMap, HashMap, HashSet};

use analytics::{
    Store, System,
    session::{Late, Order, SessionRow},
};
use chrono::{DateTime, Utc};
use domain::{
    Result,
    id::{BatchId, SimId, TenantId},
    session::{
        Changes, Entry, Held, Keys, Known, New, Point, Reading, Request, Rollup, Usage,
        points::{self, Kept, Sight, Sights},
        session_key,
    },
    sim::resolve::Resolved,
    tenant::SessionRetentions,
};
use uuid::Uuid;

/// A rollup whose SIM is known.
pub(in crate::pipeline) struct Placed {
    pub(in crate::pipeline) session: Known,
    pub(in crate::pipeline) point: Point,
    sim: SimId,
    session_id: String,
}

impl Placed {
    pub(super) fn new(tenant: TenantId, rollup: Rollup, resolved: Resolved) -> Self {
        let identity = rollup.identity(tenant, resolved.sim);
        let point = Point {
            reading: rollup.reading(identity),
            keys: Keys {
                customer: resolved.customer,
                device: resolved.device,
                network: rollup.network.as_str().to_owned(),
                rat: rollup.radio_access.words().into_owned(),
                ip: rollup.ip.to_string(),
            },
        };
        Self {
            session: (tenant, session_key(resolved.sim, &rollup.session_id)),
            point,
            sim: resolved.sim,
            session_id: rollup.session_id,
        }
    }

    pub(in crate::pipeline) fn identity(&self) -> Uuid {
        self.point.reading.identity
    }

    fn tenant(&self) -> TenantId {
        self.session.0
    }
}

/// What becomes of a rollup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pipeline) enum Fate {
    /// It is new, and counts so much.
    Counts(Usage),
    /// It came before, and this part counts it; none if it is known to be counted.
    Repeats(Option<i64>),
}

/// What a batch comes to.
#[derive(Default)]
pub(super) struct Outcome {
    /// By identity.
    pub(super) fates: HashMap<Uuid, Fate>,
    /// Rows by whose they are.
    pub(super) rows: BTreeMap<TenantId, Vec<SessionRow>>,
    pub(super) changes: Changes,
}

/// The batch that rollups come in.
pub(super) struct Present<'a> {
    pub(super) batch: BatchId,
    /// Whole milliseconds.
    pub(super) now: DateTime<Utc>,
    /// The tenants' parts in it.
    pub(super) parts: &'a BTreeMap<TenantId, i64>,
    pub(super) retentions: &'a SessionRetentions,
}

/// What comes new to one session, and what stands beside it in the log.
#[derive(Default)]
struct Arrivals<'a> {
    first: Option<&'a Placed>,
    points: Vec<Point>,
    logged: Vec<Point>,
}

impl<'a> Arrivals<'a> {
    fn add(&mut self, placed: &'a Placed) {
        self.first.get_or_insert(placed);
        self.points.push(placed.point.clone());
    }
}

/// Says what becomes of each rollup, of sessions that are held, and what their sessions come to. The log is asked about late ones only.
pub(super) async fn outcome<'a>(
    store: &Store,
    present: &Present<'_>,
    held: &Held,
    rollups: impl Iterator<Item = &'a Placed>,
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut arrivals: BTreeMap<Known, Arrivals<'a>> = BTreeMap::new();
    let mut late: Vec<&Placed> = Vec::new();
    let mut seen = HashSet::new();
    let mut sights: HashMap<Known, Sights> = HashMap::new();
    for placed in rollups.filter(|placed| seen.insert(placed.identity())) {
        let kept = held.get(&placed.session).map_or(&[][..], |kept| kept);
        let sights = sights.entry(placed.session);
        let sights = sights.or_insert_with(|| Sights::by(kept));
        match sights.sight(&placed.point.reading) {
            Sight::Repeats(part) => {
                let fate = Fate::Repeats(Some(part));
                outcome.fates.insert(placed.identity(), fate);
            }
            Sight::Newest => arrivals.entry(placed.session).or_default().add(placed),
            Sight::Late => late.push(placed),
        }
    }
    if !late.is_empty() {
        let system = System::new(present.now);
        look_up(store, &system, late, &mut arrivals, &mut outcome).await?;
    }
    for (session, arrivals) in &arrivals {
        let kept = held.get(session).map_or(&[][..], |kept| kept);
        enter(present, *session, kept, arrivals, &mut outcome);
    }
    Ok(outcome)
}

/// Finds out which late rollups the log has, and what stands beside the others.
async fn look_up<'a>(
    store: &Store,
    system: &System,
    late: Vec<&'a Placed>,
    arrivals: &mut BTreeMap<Known, Arrivals<'a>>,
    outcome: &mut Outcome,
) -> Result<()> {
    let keys: Vec<_> = late
        .iter()
        .map(|placed| {
            let (tenant, session) = placed.session;
            let at = placed.point.reading.event_at;
            (tenant, placed.sim, at, session, placed.identity())
        })
        .collect();
    let known = store.arrived(system, &keys).await?;
    let (repeated, late): (Vec<&Placed>, Vec<&Placed>) = late
        .into_iter()
        .partition(|placed| known.contains(&placed.identity()));
    let repeats = repeated
        .iter()
        .map(|it| (it.identity(), Fate::Repeats(None)));
    outcome.fates.extend(repeats);
    let wanted: Vec<Late> = late.iter().map(|placed| wanted(placed)).collect();
    let neighbours = store.neighbours(system, &wanted).await?;
    for (placed, neighbours) in late.into_iter().zip(neighbours) {
        let arrivals = arrivals.entry(placed.session).or_default();
        let beside = neighbours.before.into_iter().chain(neighbours.after);
        arrivals.logged.extend(beside.map(point_of));
        arrivals.add(placed);
    }
    Ok(())
}

fn wanted(placed: &Placed) -> Late {
    let reading = &placed.point.reading;
    Late {
        tenant: placed.tenant(),
        sim: placed.sim,
        session: placed.session.1,
        order: Order {
            event_ms: reading.event_at.timestamp_millis(),
            terminates: reading.request == Request::Terminate,
            counter_in: reading.bytes_in,
            counter_out: reading.bytes_out,
            identity: reading.identity,
        },
    }
}

fn point_of(row: SessionRow) -> Point {
    Point {
        reading: Reading {
            event_at: row.event_at,
            request: if row.terminates {
                Request::Terminate
            } else {
                Request::Update
            },
            bytes_in: row.counter_in,
            bytes_out: row.counter_out,
            identity: row.identity,
        },
        keys: Keys {
            customer: row.customer,
            device: row.device,
            network: row.network,
            rat: row.rat,
            ip: row.ip,
        },
    }
}

/// What one session comes to.
fn enter(
    present: &Present<'_>,
    session: Known,
    kept: &[Kept],
    arrivals: &Arrivals<'_>,
    outcome: &mut Outcome,
) {
    let Some(first) = arrivals.first else { return };
    let (tenant, _) = session;
    let horizon = present.retentions.of(tenant).whole_from(present.now);
    let touched = points::touch(kept, &arrivals.logged, &arrivals.points, horizon);
    let rows = outcome.rows.entry(tenant).or_default();
    for entry in &touched.entries {
        if entry.arrived {
            let fate = Fate::Counts(entry.usage);
            outcome.fates.insert(entry.point.reading.identity, fate);
        }
        rows.push(row(first, entry, present.batch, present.now));
    }
    let changes = &mut outcome.changes;
    let part = present.parts.get(&tenant).copied().unwrap_or_default();
    changes
        .new
        .extend(touched.added.into_iter().map(|(point, has_gap)| New {
            session,
            point: point.clone(),
            part,
            batch: present.batch,
            has_gap,
        }));
    let gaps = touched.gaps.into_iter();
    changes
        .gaps
        .extend(gaps.map(|(id, has_gap)| (session, id, has_gap)));
    let gone = touched.gone.into_iter();
    changes
        .gone
        .extend(gone.map(|identity| (session, identity)));
}

/// A row of the session of `of`, in the batch that it came in.
pub(in crate::pipeline) fn row(
    of: &Placed,
    entry: &Entry<'_>,
    batch: BatchId,
    received_at: DateTime<Utc>,
) -> SessionRow {
    let Point { reading, keys } = entry.point;
    SessionRow {
        tenant: of.tenant(),
        customer: keys.customer,
        sim: of.sim,
        device: keys.device,
        network: keys.network.clone(),
        rat: keys.rat.clone(),
        session: of.session.1,
        session_id: of.session_id.clone(),
        identity: reading.identity,
        event_at: reading.event_at,
        terminates: reading.request == Request::Terminate,
        ip: keys.ip.clone(),
        counter_in: reading.bytes_in,
        counter_out: reading.bytes_out,
        bytes_up: entry.usage.bytes_up,
        bytes_down: entry.usage.bytes_down,
        sessions: entry.usage.sessions,
        resets: entry.usage.resets,
        sign: entry.sign,
        arrived: entry.arrived,
        batch,
        received_at,
    }
}

//! Sessions and their points in Postgres.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::Value;
use uuid::Uuid;

use super::{
    Keys, Point, Reading,
    points::{Kept, forgotten_before},
};
use crate::{
    Error, Result, SystemCx,
    id::{BatchId, CustomerId, DeviceId, TenantId},
    journal::Piece,
    row::{Columns, Decode},
    sql::{texts, uuids},
    tenant::{SessionRetention, SessionRetentions},
};

/// A session, by its tenant and [`super::session_key`].
pub type Known = (TenantId, Uuid);

/// Sessions that are held, with their points.
pub type Held = HashMap<Known, Vec<Kept>>;

/// What a batch changes in points.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Points that are added.
    pub new: Vec<New>,
    /// Points that have a gap now, or have none any more.
    pub gaps: Vec<(Known, Uuid, bool)>,
    /// Points that are deleted.
    pub gone: Vec<(Known, Uuid)>,
}

/// A point that is added.
#[derive(Clone, Debug)]
pub struct New {
    /// Its session.
    pub session: Known,
    /// The rollup.
    pub point: Point,
    /// The part that counts it.
    pub part: i64,
    /// The batch that it came in.
    pub batch: BatchId,
    /// Whether nothing came for long after it.
    pub has_gap: bool,
}

/// A point and its session.
struct Row(Known, Kept);

impl Decode for Row {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        let session = (row.get()?, row.get()?);
        let reading = Reading {
            identity: row.get()?,
            event_at: row.get()?,
            request: row.word()?,
            bytes_in: row.get::<i64>()?.cast_unsigned(),
            bytes_out: row.get::<i64>()?.cast_unsigned(),
        };
        let keys = Keys {
            customer: row.get()?,
            device: row.get()?,
            network: row.get()?,
            rat: row.get()?,
            ip: row.get()?,
        };
        let kept = Kept {
            point: Point { reading, keys },
            part: row.get()?,
            batch: row.get()?,
            has_gap: row.get()?,
            is_settled: row.get()?,
        };
        Ok(Self(session, kept))
    }
}

/// A session's newest rollup was made at most so long after what is written down of it: most rollups change no index.
const ABOUT: TimeDelta = TimeDelta::hours(1);

/// Locks sessions until the transaction ends, in order of their key, makes those that are new, and reads those of their points that matter (see
/// [`super::points`]). Each is given with when its oldest and its newest rollup of this batch were made.
pub async fn hold(cx: &SystemCx, sessions: &BTreeMap<Known, [DateTime<Utc>; 2]>) -> Result<Held> {
    if sessions.is_empty() {
        return Ok(Held::new());
    }
    let [tenants, keys] = columns(sessions.keys());
    let [oldest, newest] =
        [0, 1].map(|at| -> Vec<DateTime<Utc>> { sessions.values().map(|span| span[at]).collect() });
    cx.execute(
        "INSERT INTO session AS known (tenant_id, session, newest_at) \
         SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) \
         ON CONFLICT ON CONSTRAINT session_pkey DO UPDATE SET newest_at = \
             CASE WHEN excluded.newest_at > known.newest_at + make_interval(secs => $4::bigint) \
                  THEN excluded.newest_at ELSE known.newest_at END",
        [tenants, keys, newest.into(), ABOUT.num_seconds().into()],
    )
    .await?;
    // A statement of its own, which sees what was committed while this one waited. OFFSET 0 keeps it a look-up each.
    let [tenants, keys] = columns(sessions.keys());
    let rows: Vec<Row> = cx
        .all(
            "SELECT point.tenant_id, point.session, point.identity, point.event_at, point.request_type, point.bytes_in, \
                    point.bytes_out, point.customer_id, point.device_id, point.network, point.rat, point.ip, point.part, \
                    point.batch_id, point.has_gap, point.is_settled \
             FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS wanted (tenant_id, session, oldest) \
             CROSS JOIN LATERAL ( \
                 SELECT known.*, max(known.event_at) FILTER (WHERE known.event_at < wanted.oldest) OVER () AS before, \
                        NOT EXISTS (SELECT FROM intake_batch AS open WHERE open.batch_id = known.batch_id) AS is_settled \
                 FROM session_point AS known \
                 WHERE known.tenant_id = wanted.tenant_id AND known.session = wanted.session OFFSET 0) AS point \
             WHERE point.has_gap OR point.is_settled OR point.before IS NULL OR point.event_at >= point.before",
            [tenants, keys, oldest.into()],
        )
        .await?;
    let mut held: Held = sessions
        .keys()
        .map(|session| (*session, Vec::new()))
        .collect();
    for Row(session, kept) in rows {
        held.entry(session).or_default().push(kept);
    }
    Ok(held)
}

fn columns<'a>(sessions: impl Iterator<Item = &'a Known> + Clone) -> [Value; 2] {
    [
        uuids(sessions.clone().map(|(tenant, _)| tenant.uuid())),
        uuids(sessions.map(|(_, session)| *session)),
    ]
}

/// Writes what a batch changes in points of sessions that it holds.
pub async fn keep(cx: &SystemCx, changes: &Changes) -> Result<()> {
    let Changes { new, gaps, gone } = changes;
    if !gone.is_empty() {
        let [tenants, keys] = columns(gone.iter().map(|(session, _)| session));
        cx.execute(
            "DELETE FROM session_point AS point USING unnest($1::uuid[], $2::uuid[], $3::uuid[]) \
                 AS gone (tenant_id, session, identity) \
             WHERE point.tenant_id = gone.tenant_id AND point.session = gone.session AND point.identity = gone.identity",
            [tenants, keys, uuids(gone.iter().map(|(_, identity)| *identity))],
        )
        .await?;
    }
    if !gaps.is_empty() {
        let [tenants, keys] = columns(gaps.iter().map(|(session, ..)| session));
        let has_gap: Vec<bool> = gaps.iter().map(|(.., has_gap)| *has_gap).collect();
        cx.execute(
            "UPDATE session_point AS point SET has_gap = moved.has_gap \
             FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::boolean[]) AS moved (tenant_id, session, identity, has_gap) \
             WHERE point.tenant_id = moved.tenant_id AND point.session = moved.session AND point.identity = moved.identity",
            [
                tenants,
                keys,
                uuids(gaps.iter().map(|(_, identity, _)| *identity)),
                has_gap.into(),
            ],
        )
        .await?;
    }
    if new.is_empty() {
        return Ok(());
    }
    add(cx, new).await
}

async fn add(cx: &SystemCx, new: &[New]) -> Result<()> {
    let [tenants, keys] = columns(new.iter().map(|new| &new.session));
    let text = |of: fn(&New) -> &str| texts(new.iter().map(of));
    let bigint = |of: fn(&New) -> i64| -> Value { new.iter().map(of).collect::<Vec<_>>().into() };
    let times: Vec<DateTime<Utc>> = new.iter().map(|new| new.point.reading.event_at).collect();
    let has_gap: Vec<bool> = new.iter().map(|new| new.has_gap).collect();
    let customer = |new: &New| {
        new.point
            .keys
            .customer
            .map_or(Uuid::nil(), CustomerId::uuid)
    };
    let device = |new: &New| new.point.keys.device.map_or(Uuid::nil(), DeviceId::uuid);
    cx.execute(
        "INSERT INTO session_point \
             (tenant_id, session, identity, event_at, request_type, bytes_in, bytes_out, customer_id, device_id, \
              network, rat, ip, part, batch_id, has_gap) \
         SELECT new.tenant_id, new.session, new.identity, new.event_at, new.request_type, new.bytes_in, new.bytes_out, \
                nullif(new.customer_id, '00000000-0000-0000-0000-000000000000'), \
                nullif(new.device_id, '00000000-0000-0000-0000-000000000000'), \
                new.network, new.rat, new.ip, new.part, new.batch_id, new.has_gap \
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], $6::bigint[], $7::bigint[], \
                     $8::uuid[], $9::uuid[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::uuid[], \
                     $15::boolean[]) \
              AS new (tenant_id, session, identity, event_at, request_type, bytes_in, bytes_out, customer_id, device_id, \
                      network, rat, ip, part, batch_id, has_gap)",
        [
            tenants,
            keys,
            uuids(new.iter().map(|new| new.point.reading.identity)),
            times.into(),
            text(|new| new.point.reading.request.as_ref()),
            bigint(|new| new.point.reading.bytes_in.cast_signed()),
            bigint(|new| new.point.reading.bytes_out.cast_signed()),
            uuids(new.iter().map(customer)),
            uuids(new.iter().map(device)),
            text(|new| &new.point.keys.network),
            text(|new| &new.point.keys.rat),
            text(|new| &new.point.keys.ip),
            bigint(|new| new.part),
            uuids(new.iter().map(|new| new.batch.uuid())),
            has_gap.into(),
        ],
    )
    .await?;
    Ok(())
}

/// The parts that count these rollups now, as far as they are points: cutting a batch moves them, and while it is open they are kept.
pub async fn parts_of(cx: &SystemCx, identities: &[Uuid]) -> Result<HashMap<Uuid, i64>> {
    let rows: Vec<(Uuid, i64)> = cx
        .all(
            "SELECT identity, part FROM session_point WHERE identity = ANY($1)",
            [uuids(identities.iter().copied())],
        )
        .await?;
    Ok(rows.into_iter().collect())
}

/// Moves the rollups of a piece out of the parts that are `gone`.
pub(crate) async fn move_points(cx: &SystemCx, piece: &Piece<'_>, gone: &[i64]) -> Result<()> {
    let parts: Vec<i64> = piece.identities.iter().map(|(_, part)| *part).collect();
    cx.execute(
        "UPDATE session_point AS known SET part = new.part, batch_id = $4 \
         FROM unnest($1::uuid[], $2::bigint[]) AS new (identity, part) \
         WHERE known.identity = new.identity AND known.part = ANY($3::bigint[])",
        [
            uuids(piece.identities.iter().map(|(identity, _)| *identity)),
            parts.into(),
            gone.to_vec().into(),
            piece.batch.id.uuid().into(),
        ],
    )
    .await?;
    Ok(())
}

/// # Errors
/// `INTERNAL` when a rollup is left in a part that is `gone`: its batch is not settled, so it is a point, and a piece must have it.
pub(crate) async fn none_left(cx: &SystemCx, gone: &[i64]) -> Result<()> {
    let left: Option<(i64,)> = cx
        .one(
            "SELECT count(*) FROM session_point WHERE part = ANY($1)",
            [gone.to_vec().into()],
        )
        .await?;
    match left {
        Some((0,)) => Ok(()),
        left => {
            let left = left.unwrap_or_default().0;
            let text = format!("{left} rollups of a batch are in none of its pieces");
            Err(Error::internal(text))
        }
    }
}

/// Drops at most `limit` sessions that were silent for so long that what comes next begins another one, and says how many. Those that
/// somebody is at, and those of which a batch is not settled, stay.
pub async fn drop_silent(cx: &SystemCx, retentions: &SessionRetentions, limit: u32) -> Result<u64> {
    let now = cx.now();
    let own: Vec<_> = retentions.own().collect();
    let before: Vec<DateTime<Utc>> = own
        .iter()
        .map(|(_, retention)| forgotten_before(retention.whole_from(now)) - ABOUT)
        .collect();
    let others = SessionRetention::default().whole_from(now);
    let others = forgotten_before(others) - ABOUT;
    // The index finds those that are silent for somebody.
    let latest = before.iter().copied().fold(others, DateTime::max);
    let dropped = cx
        .execute(
            "DELETE FROM session USING ( \
                 SELECT known.tenant_id, known.session FROM session AS known \
                 LEFT JOIN unnest($1::uuid[], $2::timestamptz[]) AS own (tenant_id, before) USING (tenant_id) \
                 WHERE known.newest_at < $5 AND known.newest_at < coalesce(own.before, $3) \
                   AND NOT EXISTS (SELECT FROM session_point AS point JOIN intake_batch USING (batch_id) \
                                   WHERE point.tenant_id = known.tenant_id AND point.session = known.session) \
                 LIMIT $4 FOR UPDATE OF known SKIP LOCKED) AS silent \
             WHERE session.tenant_id = silent.tenant_id AND session.session = silent.session",
            [
                uuids(own.iter().map(|(tenant, _)| tenant.uuid())),
                before.into(),
                others.into(),
                i64::from(limit).into(),
                latest.into(),
            ],
        )
        .await?;
    Ok(dropped)
}

//! Identities: each record is accepted once, however often it comes.
//!
//! They are stored by month of receipt, a partition each, so that they end with their month. Within the newest month its
//! unique key decides who was first. The months before are *closed*: a month is opened while nobody claims
//! ([`open_month`]), and all claim in the newest, so a closed one never changes and is simply looked at, where its filter
//! says maybe ([`Older`]). A claim
//!
//! 1. holds [`MONTH_LOCK`] and then reads which month is open ([`hold_month`]);
//! 2. looks where closed months may know its identities;
//! 3. inserts the others into the open month, waits for whoever is inserting the same, and reads what was there first.
//!
//! No look at a closed month can come too early: it can't change while the lock is held, and it was complete before.

mod filter;
mod hash;
mod month;
mod older;

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use sea_orm::Value;
use uuid::Uuid;

pub use hash::{Content, identity};
pub use month::{Month, current_month, drop_months, hold_month, open_month, try_freeze_claims};
pub use older::Older;

use crate::{
    Error, Result, SystemCx,
    db::{Failure, violated_constraint},
    row::{Columns, Decode},
    sql::uuids,
};

/// A decoded and resolved record that asks to be counted.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// See [`identity()`].
    pub identity: Uuid,
    /// See [`Content`].
    pub content: i64,
    /// What it is part of if it is accepted: a number that nobody else has, made with [`Month::part`].
    pub part: i64,
    /// Event time (`start`).
    pub event_at: DateTime<Utc>,
}

/// What the caller expects of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// None was claimed before. A plain insert does for them in three fifths of the time that one takes which is
    /// prepared for conflicts; when it fails, Postgres logs an error and the other one follows.
    AllNew,
    /// Some may have been claimed before.
    SomeKnown,
}

/// What became of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The first of its identity: it counts.
    Accepted,
    /// Known, with the same billing fields.
    Duplicate {
        /// Part of the record that it repeats.
        of: i64,
    },
    /// Known, with other billing fields: the first one stands.
    Conflict,
}

/// The record that stands for an identity.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    identity: Uuid,
    pub(super) content: i64,
    pub(super) part: i64,
}

impl Decode for Standing {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            identity: row.get()?,
            content: row.get()?,
            part: row.get()?,
        })
    }
}

const INSERT: &str = "INSERT INTO intake_identity (identity, content, part, event_at) \
     SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::timestamptz[])";

/// OFFSET 0 keeps this a look-up each: a join may read a whole month.
const LOOK_UP: &str = "SELECT standing.* \
     FROM unnest($1::uuid[], $2::bigint[]) AS wanted (identity, month) \
     CROSS JOIN LATERAL ( \
         SELECT known.identity, known.content, known.part FROM intake_identity AS known \
         WHERE known.identity = wanted.identity \
           AND known.part >= wanted.month << 40 AND known.part < (wanted.month + 1) << 40 \
         OFFSET 0) AS standing";

/// Claims identities, of any number of tenants and parts, in `month`, which the caller holds ([`hold_month`]). Verdicts
/// come in the order of `claims`; of one identity named twice the first wins. A concurrent transaction that claims the
/// same identity is waited for. What is expected changes the time that it takes and nothing else.
///
/// # Errors
/// `INTERNAL` when `month` is not the newest one, or not the month of every part.
pub async fn claim(
    cx: &SystemCx,
    month: Month,
    claims: &[Claim],
    older: &Older,
    expected: Expected,
) -> Result<Vec<Verdict>> {
    if claims.is_empty() {
        return Ok(Vec::new());
    }
    let mut months = month::months(cx).await?.into_iter();
    let foreign = |claim: &Claim| Month::of_part(claim.part) != month;
    if months.next() != Some(month) || claims.iter().any(foreign) {
        return Err(Error::internal("identities are claimed in the open month"));
    }
    let closed: Vec<Month> = months.collect();

    let mut sorted: Vec<usize> = (0..claims.len()).collect();
    // As the index is, so that two transactions take their locks in one order; then by position, so that the first wins.
    sorted.sort_unstable_by_key(|index| (claims[*index].identity, *index));
    let firsts: Vec<&Claim> = sorted
        .chunk_by(|a, b| claims[*a].identity == claims[*b].identity)
        .map(|same| &claims[same[0]])
        .collect();

    let suspects = older.suspects(&closed, &firsts).await;
    let mut standing = look_up(cx, &suspects).await?;
    let mut new = firsts;
    new.retain(|claim| !standing.contains_key(&claim.identity));
    let taken = insert(cx, month, &new, expected).await?;
    standing.extend(look_up(cx, &taken).await?);

    let verdicts = verdicts(claims, &sorted, &standing);
    let accepted = verdicts.iter().filter(|v| **v == Verdict::Accepted).count();
    let inserted = new.len() - taken.len();
    if accepted != inserted {
        let text = format!("{inserted} identities were inserted and {accepted} records accepted");
        return Err(Error::internal(text));
    }
    Ok(verdicts)
}

/// Judges `claims`, which `sorted` sorts by identity and position, by the records that stood before them.
fn verdicts(
    claims: &[Claim],
    sorted: &[usize],
    standing: &HashMap<Uuid, Standing>,
) -> Vec<Verdict> {
    let mut verdicts = vec![Verdict::Accepted; claims.len()];
    for same in sorted.chunk_by(|a, b| claims[*a].identity == claims[*b].identity) {
        let first = &claims[same[0]];
        let (content, part, rest) = match standing.get(&first.identity) {
            Some(earlier) => (earlier.content, earlier.part, same),
            None => (first.content, first.part, &same[1..]),
        };
        for index in rest {
            verdicts[*index] = if claims[*index].content == content {
                Verdict::Duplicate { of: part }
            } else {
                Verdict::Conflict
            };
        }
    }
    verdicts
}

/// The parts that these identities, which were claimed in `month`, belong to now: cutting a batch moves them.
pub async fn parts_of(
    cx: &SystemCx,
    month: Month,
    identities: &[Uuid],
) -> Result<HashMap<Uuid, i64>> {
    let wanted: Vec<(Month, Uuid)> = identities.iter().map(|id| (month, *id)).collect();
    let standing = look_up(cx, &wanted).await?.into_values();
    Ok(standing.map(|known| (known.identity, known.part)).collect())
}

/// The months from one on that identities are kept of, newest first.
pub(super) async fn months_since(cx: &SystemCx, since: Month) -> Result<Vec<Month>> {
    let months = month::months(cx).await?.into_iter();
    Ok(months.filter(|month| *month >= since).collect())
}

/// The records that stand for these identities in these months. A transaction that was waited for is seen.
pub(super) async fn look_up(
    cx: &SystemCx,
    wanted: &[(Month, Uuid)],
) -> Result<HashMap<Uuid, Standing>> {
    if wanted.is_empty() {
        return Ok(HashMap::new());
    }
    let months: Vec<i64> = wanted.iter().map(|(month, _)| month.number()).collect();
    let identities = uuids(wanted.iter().map(|(_, identity)| *identity));
    let rows: Vec<Standing> = cx.all(LOOK_UP, [identities, months.into()]).await?;
    let by_identity = rows.into_iter().map(|row| (row.identity, row));
    Ok(by_identity.collect())
}

/// Inserts those of `claims` that nobody has in `month`, and returns the others.
async fn insert(
    cx: &SystemCx,
    month: Month,
    claims: &[&Claim],
    expected: Expected,
) -> Result<Vec<(Month, Uuid)>> {
    if claims.is_empty() || expected == Expected::AllNew && insert_as_new(cx, month, claims).await?
    {
        return Ok(Vec::new());
    }
    let sql = format!(
        "WITH inserted AS ({INSERT} ON CONFLICT DO NOTHING RETURNING identity) \
         SELECT coalesce(array_agg(identity), '{{}}') AS identities FROM inserted"
    );
    let row: Option<(Vec<Uuid>,)> = cx.one(&sql, columns(claims)).await?;
    let inserted: HashSet<Uuid> = row.into_iter().flat_map(|(inserted,)| inserted).collect();
    let others = claims.iter().map(|claim| (month, claim.identity));
    Ok(others
        .filter(|(_, identity)| !inserted.contains(identity))
        .collect())
}

/// Inserts all of `claims` and says so; inserts nothing when one of them is known.
async fn insert_as_new(cx: &SystemCx, month: Month, claims: &[&Claim]) -> Result<bool> {
    cx.execute("SAVEPOINT claims", []).await?;
    let inserted: Result<u64, Failure> = cx.execute(INSERT, columns(claims)).await;
    match inserted {
        Ok(_) => Ok(true),
        Err(error) if violated_constraint(&error) == Some(&key_of(month)) => {
            cx.execute("ROLLBACK TO SAVEPOINT claims", []).await?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Name of the unique key of a month's partition.
fn key_of(month: Month) -> String {
    format!("intake_identity_{}_key", month.number())
}

fn columns(claims: &[&Claim]) -> [Value; 4] {
    let bigints = |of: fn(&Claim) -> i64| -> Value {
        let numbers: Vec<i64> = claims.iter().map(|claim| of(claim)).collect();
        numbers.into()
    };
    let times: Vec<DateTime<Utc>> = claims.iter().map(|claim| claim.event_at).collect();
    [
        uuids(claims.iter().map(|claim| claim.identity)),
        bigints(|claim| claim.content),
        bigints(|claim| claim.part),
        times.into(),
    ]
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Db, FixedClock};

    #[tokio::test]
    async fn a_look_up_reads_the_index_of_the_month_it_is_for() {
        let postgres = tokio::task::spawn_blocking(testkit::postgres).await;
        let postgres = postgres.expect("a test database");
        let clock = Arc::new(FixedClock(DateTime::UNIX_EPOCH));
        let db = Db::connect(postgres.url(), 2, clock)
            .await
            .expect("connected");
        let months: Vec<Month> = (0..3).map(Month::from_number).collect();
        for (n, month) in (1_u128..).zip(&months) {
            let at = DateTime::UNIX_EPOCH + chrono::TimeDelta::days(32 * month.number());
            open_month(&db, at).await.expect("opened");
            let cx = db.system().await.expect("system");
            let claims: Vec<Claim> = (0..2_000)
                .map(|record| Claim {
                    identity: Uuid::from_u128(n << 64 | record),
                    content: 1,
                    part: month.part(1),
                    event_at: at,
                })
                .collect();
            let claimed = claim(&cx, *month, &claims, &Older::new(0), Expected::AllNew).await;
            claimed.expect("verdicts");
            cx.commit().await.expect("committed");
        }
        let cx = db.system().await.expect("system");
        let wanted: Vec<i64> = vec![1; 10];
        let identities = uuids((0..10).map(|n| Uuid::from_u128(2 << 64 | n)));
        let explain = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {LOOK_UP}");
        let plan: Vec<(String,)> = cx
            .all(&explain, [identities, wanted.into()])
            .await
            .expect("a plan");
        let plan: Vec<String> = plan.into_iter().map(|(line,)| line).collect();
        let scans: Vec<&String> = plan.iter().filter(|line| line.contains("known")).collect();
        let read: Vec<&&String> = scans
            .iter()
            .filter(|line| !line.contains("never executed"))
            .collect();
        assert_eq!(scans.len(), 3, "{plan:#?}");
        assert_eq!(read.len(), 1, "{plan:#?}");
        assert!(
            read[0].contains("Index Scan using intake_identity_1_key"),
            "{plan:#?}"
        );
        assert!(read[0].contains("loops=10"), "{plan:#?}");
    }
}

//! Which older months may hold an identity, kept in memory.
//!
//! A closed month never changes, so a filter is made of it once, by one process, in pieces of [`PIECE`] identities that
//! follow each other, and stored. Every process reads the stored ones. Where it has none in memory it looks the identity
//! up: slower, never wrong.
//!
//! A filter takes nine bits an identity, on disk and in memory, and spares all but one look-up in 256. Making it reads
//! the month's index once.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use tokio::sync::RwLock;
use uuid::Uuid;

use super::{Claim, Month, filter::Filter};
use crate::{Db, Error, Result, SystemCx, journal::lock::try_lock};

/// Identities of one piece: some 20 MB while it is made, 290 kB then.
const PIECE: usize = 250_000;
/// Key of the lock of the one process that makes filters; no tenant's id ends in it.
const FILTER_LOCK: i64 = 0x6669_6c74_6572;

/// The filters of closed months that this process has in memory. Clones share them.
#[derive(Clone, Debug)]
pub struct Older {
    bytes: u64,
    pieces: Arc<RwLock<Pieces>>,
}

/// By month and last identity.
type Pieces = BTreeMap<(Month, Uuid), Piece>;

/// What there is after one identity and up to another.
#[derive(Debug)]
struct Piece {
    after: Uuid,
    filter: Filter,
}

impl Older {
    /// Filters of at most `bytes` bytes, those of newer months first. A million records a day for a year are 425 MB;
    /// each month that has no room costs every new record a look-up.
    pub fn new(bytes: u64) -> Self {
        Self {
            bytes,
            pieces: Arc::default(),
        }
    }

    /// Makes the filters of closed months that nobody made yet, unless another process is at it, reads into memory
    /// what there is room for and forgets months that were dropped. Says how many bytes are in memory then.
    ///
    /// For a task in the background: a month of 30 million records takes a minute.
    pub async fn refresh(&self, db: &Db) -> Result<u64> {
        // What is stored is of use while the rest is being made.
        let mut held = self.load(db).await?;
        let mut made = false;
        while make_piece(db).await? {
            made = true;
        }
        if made {
            held = self.load(db).await?;
        }
        Ok(held)
    }

    async fn load(&self, db: &Db) -> Result<u64> {
        let cx = db.system().await?;
        let mut held = 0;
        let mut wanted = stored(&cx).await?;
        wanted.retain(|stored| {
            let fits = held + stored.bytes <= self.bytes;
            held += if fits { stored.bytes } else { 0 };
            fits
        });
        let keys: HashSet<(Month, Uuid)> = wanted.iter().map(|stored| stored.key).collect();
        let known: HashSet<(Month, Uuid)> = {
            let mut pieces = self.pieces.write().await;
            pieces.retain(|key, _| keys.contains(key));
            pieces.keys().copied().collect()
        };
        for Stored { key, .. } in wanted {
            if !known.contains(&key)
                && let Some(piece) = read_piece(&cx, key).await?
            {
                self.pieces.write().await.insert(key, piece);
            }
        }
        Ok(held)
    }

    /// Where the identities of `claims` may stand in one of `months`, which are closed.
    pub(super) async fn suspects(&self, months: &[Month], claims: &[&Claim]) -> Vec<(Month, Uuid)> {
        let pieces = self.pieces.read().await;
        let may_hold = |month: Month, identity: Uuid| {
            let mut from = pieces.range((month, identity)..=(month, Uuid::max()));
            match from.next() {
                Some((_, piece)) if piece.after < identity => piece.filter.may_hold(identity),
                _ => true,
            }
        };
        let identities = || claims.iter().map(|claim| claim.identity);
        months
            .iter()
            .flat_map(|month| identities().map(|identity| (*month, identity)))
            .filter(|(month, identity)| may_hold(*month, *identity))
            .collect()
    }
}

/// A piece that is stored.
struct Stored {
    key: (Month, Uuid),
    bytes: u64,
}

/// All pieces that this program can read, those of newer months first.
async fn stored(cx: &SystemCx) -> Result<Vec<Stored>> {
    let rows: Vec<(i64, Uuid, i32)> = cx
        .all(
            "SELECT month, upto, octet_length(filter) FROM intake_filter \
             WHERE format = $1 ORDER BY month DESC, upto",
            [Filter::FORMAT.into()],
        )
        .await?;
    let stored = rows.into_iter().map(|(month, upto, bytes)| {
        Ok(Stored {
            key: (Month::from_number(month), upto),
            bytes: u64::try_from(bytes).map_err(Error::internal)?,
        })
    });
    stored.collect()
}

/// None when its month was dropped meanwhile.
async fn read_piece(cx: &SystemCx, (month, upto): (Month, Uuid)) -> Result<Option<Piece>> {
    let row: Option<(Uuid, Vec<u8>)> = cx
        .one(
            "SELECT after, filter FROM intake_filter WHERE month = $1 AND format = $2 AND upto = $3",
            [month.number().into(), Filter::FORMAT.into(), upto.into()],
        )
        .await?;
    row.map(|(after, bytes)| {
        let filter = Filter::from_bytes(&bytes);
        Ok(Piece {
            after,
            filter: filter.ok_or_else(|| Error::internal("a stored filter is damaged"))?,
        })
    })
    .transpose()
}

/// Makes the next piece of the newest closed month that lacks one. Says whether there was one to make, and nobody else
/// at it.
async fn make_piece(db: &Db) -> Result<bool> {
    let cx = db.system().await?;
    if !try_lock(&cx, FILTER_LOCK).await? {
        return Ok(false);
    }
    let Some((month, after)) = unfinished(&cx).await? else {
        return Ok(false);
    };
    let identities = read_identities(&cx, month, after).await?;
    let last = if identities.len() < PIECE {
        None
    } else {
        identities.iter().max().copied()
    };
    cx.execute(
        "INSERT INTO intake_filter (month, format, after, upto, filter) VALUES ($1, $2, $3, $4, $5)",
        [
            month.number().into(),
            Filter::FORMAT.into(),
            after.into(),
            last.unwrap_or(Uuid::max()).into(),
            Filter::of(&identities)?.to_bytes().into(),
        ],
    )
    .await?;
    cx.commit().await?;
    Ok(true)
}

/// The newest closed month that has no whole filter, and the last identity that its filters cover.
async fn unfinished(cx: &SystemCx) -> Result<Option<(Month, Uuid)>> {
    let row: Option<(i64, Option<Uuid>)> = cx
        .one(
            "SELECT closed.month, covered.upto FROM intake_month AS closed LEFT JOIN LATERAL ( \
                 SELECT upto FROM intake_filter WHERE month = closed.month AND format = $1 \
                 ORDER BY upto DESC LIMIT 1) AS covered ON true \
             WHERE closed.month < (SELECT max(month) FROM intake_month) AND covered.upto IS DISTINCT FROM $2 \
             ORDER BY closed.month DESC LIMIT 1",
            [Filter::FORMAT.into(), Uuid::max().into()],
        )
        .await?;
    Ok(row.map(|(month, upto)| (Month::from_number(month), upto.unwrap_or_default())))
}

/// The next identities of a month, as one value: a row each would take ten times the memory.
async fn read_identities(cx: &SystemCx, month: Month, after: Uuid) -> Result<Vec<Uuid>> {
    let limit = i64::try_from(PIECE).map_err(Error::internal)?;
    let sql = format!(
        // The partition itself: its index alone has the identities in order, without parts.
        "SELECT string_agg(uuid_send(identity), ''::bytea) \
         FROM (SELECT identity FROM \"intake_identity_{}\" \
               WHERE identity > $1 ORDER BY identity LIMIT $2) AS next",
        month.number()
    );
    let row: Option<(Option<Vec<u8>>,)> = cx.one(&sql, [after.into(), limit.into()]).await?;
    let bytes = row.and_then(|(identities,)| identities).unwrap_or_default();
    let (identities, _) = bytes.as_chunks();
    Ok(identities.iter().copied().map(Uuid::from_bytes).collect())
}

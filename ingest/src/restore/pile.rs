//! Rows on their way back into the journal, where they wait until all of them are there.

use std::collections::{BTreeMap, HashMap, HashSet};

use domain::{
    Db, Result, SystemCx,
    id::{BatchId, TenantId},
    journal::{self, Payload},
};

use super::Lost;
use crate::kind::Row;

/// Rows that are held before they are written into the journal.
const AT_ONCE: usize = 100_000;

/// Rows of a kind by their batch.
pub(super) struct Pile<R> {
    rows: BTreeMap<BatchId, Vec<R>>,
    held: usize,
    /// Rows that were put back, by batch and tenant.
    put_back: HashMap<(BatchId, TenantId), u64>,
}

impl<R: Row> Pile<R> {
    pub(super) fn new() -> Self {
        Self {
            rows: BTreeMap::new(),
            held: 0,
            put_back: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, batch: BatchId, row: R) {
        self.held += 1;
        self.rows.entry(batch).or_default().push(row);
    }

    /// Writes what is held, if that is much.
    pub(super) async fn write_if_full(&mut self, db: &Db) -> Result<()> {
        if self.held < AT_ONCE {
            return Ok(());
        }
        self.write(db).await
    }

    /// Writes what is held, with what was written before: a topic may have a row more than once.
    pub(super) async fn write(&mut self, db: &Db) -> Result<()> {
        self.held = 0;
        let cx = db.system().await?;
        for (batch, mut rows) in std::mem::take(&mut self.rows) {
            rows.extend(put_back::<R>(&cx, batch).await?);
            let mut seen = HashSet::new();
            rows.retain(|row| seen.insert(row.name()));
            write(&cx, batch, &rows).await?;
            self.put_back.retain(|(known, _), _| *known != batch);
            for row in &rows {
                *self.put_back.entry((batch, row.tenant())).or_default() += 1;
            }
        }
        cx.commit().await
    }

    /// Says of each part of this kind how many of its rows were put back.
    pub(super) fn tell(&self, lost: &mut [Lost]) {
        for it in lost.iter_mut().filter(|it| it.kind == R::KIND) {
            let key = (it.known.part.batch, it.tenant());
            it.put_back = self.put_back.get(&key).copied().unwrap_or_default();
        }
    }
}

/// The rows of a batch that were put back so far.
async fn put_back<R: Row>(cx: &SystemCx, batch: BatchId) -> Result<Vec<R>> {
    match journal::put_back_so_far(cx, batch).await? {
        Some(payload) => R::decode(payload.encoding, payload.bytes.into()),
        None => Ok(Vec::new()),
    }
}

async fn write<R: Row>(cx: &SystemCx, batch: BatchId, rows: &[R]) -> Result<()> {
    let times = || rows.iter().map(R::at);
    let (Some(first), Some(last), Some(row)) = (times().min(), times().max(), rows.first()) else {
        return journal::drop_put_back(cx, &[batch]).await;
    };
    let payload = Payload {
        encoding: R::ENCODING,
        bytes: R::encode(rows).to_vec(),
    };
    let (count, event) = (rows.len() as u64, [first, last]);
    journal::put_back_more(
        cx,
        R::KIND,
        batch,
        count,
        &payload,
        event,
        row.received_at(),
    )
    .await
}

/// Takes what was put back of a part out of the journal again.
pub(super) async fn drop_rows<R: Row>(cx: &SystemCx, lost: &Lost) -> Result<()> {
    let batch = lost.known.part.batch;
    let mut rows = put_back::<R>(cx, batch).await?;
    rows.retain(|row| row.tenant() != lost.tenant());
    write(cx, batch, &rows).await
}

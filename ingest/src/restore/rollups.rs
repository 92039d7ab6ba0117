//! Lost parts of rollups are made again from the topic of rollups, and proved by the ledger.
//!
//! A topic has rollups and not the rows that they made, which follow from all that came to a session before (`pipeline::history`). Whether the
//! topic still has all of that, and whether nothing of it came over HTTP, the ledger's part says: rows, bytes, the sum of the identities, and
//! first and last time. What is not the part exactly is not put back, because nobody can tell which of its rows are right.
//!
//! **Memory.** Sessions are gone through in slices, by a hash, so that a slice has at most some 500,000 rollups ([`Settings::restored`]), and the
//! topic is read once for each of them. A slice takes 150 MB then; a single session that has more is held as a whole. What is made waits in the
//! journal, and of each part its sums are held.

use std::collections::{HashMap, HashSet};

use analytics::SessionRow;
use domain::{
    Code, Db, Result,
    id::{BatchId, TenantId},
    journal::{self, Kind},
    tenant,
    topic::{self, Partition},
};

use super::{Lost, drop_rows, pile::Pile};
use crate::{
    pipeline::{Fetched, History, Intake, Slice},
    topic::{
        Settings,
        replay::{self, Sink},
    },
};

/// What was made again of lost parts.
type Made = HashMap<(BatchId, TenantId), journal::Part>;

/// Makes lost parts again from the topic of rollups, and puts those that are whole back into the journal, where they wait.
pub(super) async fn read(
    intake: &Intake,
    db: &Db,
    settings: &Settings,
    lost: &mut [Lost],
) -> Result<()> {
    let wanted = lost.iter().filter(|it| it.is_of_topic(Kind::Session));
    let mut made: Made = wanted
        .map(|it| {
            let part = &it.known.part;
            let none = journal::Part::new(part.tenant, it.known.number);
            ((part.batch, part.tenant), none)
        })
        .collect();
    if made.is_empty() {
        return Ok(());
    }
    let batches: HashSet<BatchId> = made.keys().map(|(batch, _)| *batch).collect();
    let named: Vec<BatchId> = batches.iter().copied().collect();
    let cx = db.system().await?;
    let Some(extent) = topic::extent(&cx, &settings.sessions, &named).await? else {
        return Ok(());
    };
    let retentions = tenant::session_retentions(&cx).await?;
    drop(cx);
    let mut pile = Pile::new();
    let slices = extent.messages.div_ceil(settings.restored.max(1)).max(1);
    for number in 0..slices {
        let slice = Slice { number, of: slices };
        let history = History::new(slice, &batches, extent.last, retentions.clone());
        let mut reading = Reading { intake, history };
        match replay::read(db, settings, &settings.sessions, 0, &mut reading).await {
            // A topic that is not there has nothing.
            Err(error) if error.code() == Code::NotFound => break,
            read => read?,
        }
        for rows in reading.history.rows() {
            add(&mut made, &mut pile, rows);
            pile.write_if_full(db).await?;
        }
        pile.write(db).await?;
    }
    pile.tell(lost);
    let of_topic = lost.iter_mut().filter(|it| it.is_of_topic(Kind::Session));
    let mut unproved: Vec<&mut Lost> = of_topic.filter(|it| !is_proved(it, &made)).collect();
    drop_rows(db, unproved.iter().map(|it| &**it)).await?;
    for it in &mut unproved {
        it.put_back = 0;
    }
    Ok(())
}

/// Enters rows of lost parts.
fn add(made: &mut Made, pile: &mut Pile<SessionRow>, rows: Vec<SessionRow>) {
    for row in rows {
        if let Some(part) = made.get_mut(&(row.batch, row.tenant)) {
            let volume = [row.bytes_up, row.bytes_down, 0];
            part.add(row.identity, row.event_at, volume);
            pile.add(row.batch, row);
        }
    }
}

/// Whether what was made is the ledger's part.
fn is_proved(lost: &Lost, made: &Made) -> bool {
    let known = &lost.known.part;
    let Some(made) = made.get(&(known.batch, known.tenant)) else {
        return false;
    };
    let sums = [made.rows.into(), made.bytes_up, made.bytes_down];
    let of_ledger = [
        known.sums.rows.into(),
        known.sums.bytes_up,
        known.sums.bytes_down,
    ];
    sums.map(i128::try_from) == of_ledger.map(Ok)
        && made.checksum.cast_signed() == known.checksum
        && [made.first_at, made.last_at] == [known.first_at, known.last_at]
}

/// Messages on their way into a history.
struct Reading<'a> {
    intake: &'a Intake,
    history: History<'a>,
}

impl Sink for Reading<'_> {
    async fn take(&mut self, partition: &Partition, messages: Vec<Fetched>) -> Result<()> {
        self.intake
            .go_through(partition, messages, &mut self.history)
            .await
    }
}

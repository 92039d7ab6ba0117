//! What the topic of usage records has of lost parts.

use std::collections::HashMap;

use analytics::CdrRow;
use domain::{Code, Db, Period, Result, journal::Kind, topic::Partition};

use super::{Lost, pile::Pile};
use crate::{
    pipeline::{Fetched, Intake, Wanted},
    topic::{
        Settings,
        replay::{self, Sink},
    },
};

/// Reads what the topic of usage records has of lost parts, and puts it back into the journal, where it waits.
pub(super) async fn read(
    intake: &Intake,
    db: &Db,
    settings: &Settings,
    month: Period,
    lost: &mut [Lost],
) -> Result<()> {
    let wanted = lost
        .iter()
        .filter(|it| it.is_of_topic(Kind::Cdr))
        .map(|it| {
            let wanted = Wanted {
                batch: it.known.part.batch,
                received_at: it.known.received_at,
            };
            (it.known.number, wanted)
        });
    let wanted: HashMap<i64, Wanted> = wanted.collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut reading = Reading {
        intake,
        db,
        month,
        wanted,
        pile: Pile::new(),
    };
    match replay::read(db, settings, &settings.cdrs, 0, &mut reading).await {
        // A topic that is not there has nothing.
        Err(error) if error.code() != Code::NotFound => return Err(error),
        Ok(()) | Err(_) => reading.pile.write(db).await?,
    }
    reading.pile.tell(lost);
    Ok(())
}

/// Messages on their way back into the journal.
struct Reading<'a> {
    intake: &'a Intake,
    db: &'a Db,
    month: Period,
    /// Parts that rows are wanted of, by number.
    wanted: HashMap<i64, Wanted>,
    pile: Pile<CdrRow>,
}

impl Sink for Reading<'_> {
    async fn take(&mut self, partition: &Partition, messages: Vec<Fetched>) -> Result<()> {
        let rows = self
            .intake
            .rows_of(partition, messages, self.month, &self.wanted);
        for row in rows.await? {
            self.pile.add(row.batch, row);
        }
        self.pile.write_if_full(self.db).await
    }
}

//! What batches of rollups made of their sessions is made again from the messages of a topic.
//!
//! The rows of a batch follow from its rollups and from those that came before ([`domain::session::replay`]), and the ledger knows in which
//! batch each message was taken in ([`domain::topic::passed`]). So a session is whole when the topic has all of its messages and nothing of
//! it came in another way; whether it is, nobody can tell here: the ledger's parts have to say so.
//!
//! Memory: rollups of a slice of the sessions are held at once, some 300 bytes each.

use std::collections::{BTreeMap, HashMap, HashSet};

use analytics::SessionRow;
use chrono::{DateTime, Utc};
use domain::{
    Result,
    id::BatchId,
    journal::Kind,
    session::{self, Known, Point, Rollup},
    tenant::SessionRetentions,
    topic::{self, Partition, Passed},
};

use super::{
    Fetched, Intake,
    batch::placed::{Placed, row},
    horizon::Horizon,
    restored::{once_more, readable},
};

/// Sessions that are gone through together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    /// Which, from 0.
    pub(crate) number: u64,
    /// How many there are.
    pub(crate) of: u64,
}

impl Slice {
    /// Whether a session is in it: its key is a hash.
    fn has(self, (_, key): Known) -> bool {
        let (_, low) = key.as_u64_pair();
        low % self.of.max(1) == self.number
    }
}

/// What came to the sessions of a slice, batch by batch.
pub(crate) struct History<'a> {
    slice: Slice,
    /// The batches that rows are wanted of.
    wanted: &'a HashSet<BatchId>,
    /// The greatest of their places: what came later changes nothing in them.
    last: i64,
    retentions: SessionRetentions,
    /// The wanted batches that brought something, by their place, with when they were received.
    batches: HashMap<i64, (BatchId, DateTime<Utc>)>,
    sessions: BTreeMap<Known, Session>,
}

/// What came to a session.
struct Session {
    /// Its first rollup, which has its names.
    named: Placed,
    /// Every rollup, with the place of its batch.
    came: Vec<(i64, Point)>,
}

impl<'a> History<'a> {
    pub(crate) fn new(
        slice: Slice,
        wanted: &'a HashSet<BatchId>,
        last: i64,
        retentions: SessionRetentions,
    ) -> Self {
        Self {
            slice,
            wanted,
            last,
            retentions,
            batches: HashMap::new(),
            sessions: BTreeMap::new(),
        }
    }

    /// Adds a rollup of a batch, which has a place and was received at a time.
    fn add(&mut self, place: i64, batch: (BatchId, DateTime<Utc>), placed: Placed) {
        if !self.slice.has(placed.session) {
            return;
        }
        if self.wanted.contains(&batch.0) {
            self.batches.insert(place, batch);
        }
        let came = (place, placed.point.clone());
        let session = self.sessions.entry(placed.session);
        let session = session.or_insert_with(|| Session {
            named: placed,
            came: Vec::new(),
        });
        session.came.push(came);
    }

    /// The rows that the wanted batches made of one session after the other.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Vec<SessionRow>> {
        let sessions = self.sessions.values();
        let touched = sessions.filter(move |session| {
            let mut came = session.came.iter();
            came.any(|(place, _)| self.batches.contains_key(place))
        });
        touched.map(move |Session { named, came }| {
            let came = came.iter().map(|(place, point)| (*place, point));
            let rows = session::replay(came).into_iter();
            rows.filter_map(move |(place, entry)| {
                let (batch, received_at) = *self.batches.get(&place)?;
                Some(row(named, &entry, batch, received_at))
            })
            .collect()
        })
    }
}

impl Intake {
    /// Adds messages of a partition to a history, but for what was nobody's or refused when they were taken in.
    pub(crate) async fn go_through(
        &self,
        partition: &Partition,
        mut messages: Vec<Fetched>,
        history: &mut History<'_>,
    ) -> Result<()> {
        let (Some(first), Some(last)) = (messages.first(), messages.last()) else {
            return Ok(());
        };
        let offsets = [first.offset, last.offset];
        let cx = self.inner.db.system().await?;
        let passed = topic::passed(&cx, partition, offsets, history.last).await?;
        drop(cx);
        messages.retain(|message| Passed::of(&passed, message.offset).is_some());
        let mut passage = once_more(partition, Kind::Session);
        let known = self.decode::<Rollup>(&mut passage, messages).await;
        for (tenant, items) in self.shares(&mut passage, known).await? {
            let rollups = items.items.into_iter().filter_map(readable);
            let taken = rollups.filter(|(offset, rollup)| {
                Passed::of(&passed, *offset).is_some_and(|passed| {
                    let retentions = history.retentions.clone();
                    let settings = &self.inner.settings;
                    let horizon = Horizon::of_sessions(settings, passed.received_at, retentions);
                    horizon.check(tenant, rollup.event_at).is_ok()
                })
            });
            let taken: Vec<_> = taken.collect();
            for (offset, placed) in self.attributed::<Rollup>(tenant, taken).await? {
                if let Some(passed) = Passed::of(&passed, offset) {
                    let batch = (passed.batch, passed.received_at);
                    history.add(passed.place, batch, placed);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use chrono::TimeDelta;
    use domain::{
        id::{SimId, TenantId},
        identifier::{Iccid, Plmn},
        radio_access::RadioAccess,
        session::Request,
        sim::resolve::Resolved,
    };
    use uuid::Uuid;

    use super::{super::batch::Record as _, *};

    fn placed(session: u64, n: u64) -> Placed {
        let rollup = Rollup {
            session_id: format!("s-{session}"),
            iccid: Iccid::parse("8988303000000123456").expect("19 digits"),
            event_at: DateTime::UNIX_EPOCH + TimeDelta::minutes(n.cast_signed()),
            network: Plmn::parse("262-02").expect("a network"),
            radio_access: RadioAccess::new("6"),
            ip: "10.0.0.1".parse().expect("an address"),
            bytes_in: 100 * n,
            bytes_out: 0,
            request: Request::Update,
            cell_id: String::new(),
        };
        let resolved = Resolved {
            sim: SimId::new(Uuid::from_u128(2)),
            customer: None,
            device: None,
        };
        rollup.attributed(TenantId::new(Uuid::from_u128(1)), resolved)
    }

    /// The rows of a slice, as batch, session, minute and what they count.
    fn rows(slice: Slice, wanted: &[u128]) -> BTreeSet<(u128, String, i64, i64)> {
        let id = |n: u128| BatchId::new(Uuid::from_u128(n));
        let wanted = wanted.iter().map(|n| id(*n)).collect();
        let mut history = History::new(slice, &wanted, i64::MAX, SessionRetentions::default());
        for session in 0..200 {
            for (place, batch, minute) in [(5, 1, 1), (5, 1, 3), (7, 2, 2)] {
                let batch = (id(batch), DateTime::UNIX_EPOCH);
                history.add(place, batch, placed(session, minute));
            }
        }
        let rows = history.rows().flatten().map(|row| {
            let counted = i64::from(row.sign) * row.bytes_up.cast_signed();
            let minute = row.event_at.timestamp() / 60;
            (row.batch.uuid().as_u128(), row.session_id, minute, counted)
        });
        rows.collect()
    }

    #[test]
    fn slices_have_each_session_once_and_rows_of_wanted_batches_alone() {
        let slice = |number, of| Slice { number, of };
        let all = rows(slice(0, 1), &[1, 2]);
        let of_first: Vec<_> = all.iter().filter(|row| row.1 == "s-0").cloned().collect();
        let expected: [(u128, i64, i64); 5] = [
            (1, 1, 100),
            (1, 3, 200),
            (2, 2, 100),
            (2, 3, -200),
            (2, 3, 100),
        ];
        let expected =
            expected.map(|(batch, minute, bytes)| (batch, "s-0".to_owned(), minute, bytes));
        assert_eq!(of_first, expected);
        let apart: Vec<BTreeSet<_>> = (0..7).map(|n| rows(slice(n, 7), &[1, 2])).collect();
        let count: usize = apart.iter().map(BTreeSet::len).sum();
        assert_eq!(count, all.len());
        assert_eq!(apart.into_iter().flatten().collect::<BTreeSet<_>>(), all);
        // The one before is known, and makes no rows.
        let second: BTreeSet<_> = all.into_iter().filter(|row| row.0 == 2).collect();
        assert_eq!(rows(slice(0, 1), &[2]), second);
    }
}

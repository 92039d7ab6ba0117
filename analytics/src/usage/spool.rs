//! Rows of several statements on the disk, and all of them as one: those with the same keys added up.
//!
//! In memory there is a piece of [`PIECE`] bytes of each statement's rows, and one row.

use std::{
    cmp::Reverse, collections::BinaryHeap, fs::File, io, ops::Range, os::unix::fs::FileExt as _,
    sync::Arc,
};

use bytes::{Buf, BufMut as _};
use domain::{Error, Result};
use tokio::task;

use super::{CubeQuery, OrderBy};

/// Bytes that are written or read at once.
const PIECE: usize = 64 << 10;
/// Bytes that say how long a row is.
const HEAD: usize = size_of::<u32>();

/// What is added up under the same keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Sums {
    pub(super) keys: Vec<String>,
    pub(super) now: Vec<i128>,
    pub(super) before: Vec<i128>,
}

impl Sums {
    /// Adds the states of another part of the same group. One that has none yet takes them.
    pub(super) fn add(&mut self, other: &Self) -> Result<()> {
        add(&mut self.now, &other.now)?;
        add(&mut self.before, &other.before)
    }

    fn put(&self, bytes: &mut Vec<u8>) -> Result<()> {
        let at = bytes.len();
        bytes.put_u32_le(0);
        bytes.put_u32_le(length(self.keys.len())?);
        for key in &self.keys {
            bytes.put_u32_le(length(key.len())?);
            bytes.put_slice(key.as_bytes());
        }
        for states in [&self.now, &self.before] {
            bytes.put_u32_le(length(states.len())?);
            for state in states {
                bytes.put_i128_le(*state);
            }
        }
        let own = length(bytes.len() - at - HEAD)?;
        bytes[at..at + HEAD].copy_from_slice(&own.to_le_bytes());
        Ok(())
    }

    fn get(mut bytes: &[u8]) -> Result<Self> {
        let mut row = Self::default();
        for _ in 0..count(&mut bytes)? {
            let length = count(&mut bytes)?;
            let (key, rest) = bytes.split_at_checked(length).ok_or_else(damaged)?;
            let key = str::from_utf8(key).map_err(Error::internal)?;
            row.keys.push(key.to_owned());
            bytes = rest;
        }
        for states in [&mut row.now, &mut row.before] {
            for _ in 0..count(&mut bytes)? {
                states.push(bytes.try_get_i128_le().map_err(Error::internal)?);
            }
        }
        Ok(row)
    }
}

fn add(states: &mut Vec<i128>, others: &[i128]) -> Result<()> {
    states.resize(states.len().max(others.len()), 0);
    for (state, other) in states.iter_mut().zip(others) {
        let sum = state.checked_add(*other);
        *state = sum.ok_or_else(|| Error::internal("a sum is too large"))?;
    }
    Ok(())
}

fn length(count: usize) -> Result<u32> {
    u32::try_from(count).map_err(Error::internal)
}

fn count(bytes: &mut &[u8]) -> Result<usize> {
    let count = bytes.try_get_u32_le().map_err(Error::internal)?;
    usize::try_from(count).map_err(Error::internal)
}

fn damaged() -> Error {
    Error::internal("rows on the disk are not those that were written")
}

/// Rows that are being written to a file that has no name and goes with whoever has it open.
pub(super) struct Spool {
    file: Arc<File>,
    /// Rows that are on their way to the file.
    buffer: Vec<u8>,
    /// Where they go.
    at: u64,
    /// Where the rows began that are not all there yet.
    began: u64,
    /// Where the rows of each statement are.
    runs: Vec<Range<u64>>,
    most: u64,
}

impl Spool {
    /// One of at most so many bytes.
    pub(super) async fn new(most: u64) -> Result<Self> {
        let file = on_disk(tempfile::tempfile).await?;
        Ok(Self {
            file: Arc::new(file),
            buffer: Vec::new(),
            at: 0,
            began: 0,
            runs: Vec::new(),
            most,
        })
    }

    /// Begins the rows of another statement. Those of one that did not end are forgotten.
    pub(super) fn begin(&mut self) {
        self.buffer.clear();
        self.began = self.at;
    }

    /// Adds a row, whose keys come after those of the one before.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` when there is no more room for it.
    pub(super) async fn push(&mut self, row: &Sums) -> Result<()> {
        row.put(&mut self.buffer)?;
        if self.buffer.len() >= PIECE {
            self.write().await?;
        }
        Ok(())
    }

    /// All rows of the statement are there.
    ///
    /// # Errors
    /// Those of [`Spool::push`].
    pub(super) async fn end(&mut self) -> Result<()> {
        self.write().await?;
        self.runs.push(self.began..self.at);
        Ok(())
    }

    async fn write(&mut self) -> Result<()> {
        let (piece, at) = (std::mem::take(&mut self.buffer), self.at);
        self.at += piece.len() as u64;
        if self.at > self.most {
            let text = format!(
                "the rows of a file in slices come to more than {} bytes on the disk",
                self.most
            );
            let refusal = Error::limit(text, self.most, self.at);
            return Err(refusal.suggest("narrow the question, or group by less"));
        }
        let file = self.file.clone();
        on_disk(move || file.write_all_at(&piece, at)).await
    }

    /// The rows of all statements in the order of the question, which is one of keys.
    pub(super) fn merge(&self, query: &CubeQuery) -> Merge {
        let by = query.order_by.iter().filter_map(|order| match order.by {
            OrderBy::Group(place) => Some((place, order.descending)),
            OrderBy::Measure(_) => None,
        });
        let ties = (0..query.group_by.len()).map(|place| (place, false));
        let runs = self.runs.iter().map(|run| Run {
            file: self.file.clone(),
            left: run.clone(),
            buffer: Vec::new(),
            place: 0,
        });
        Merge {
            order: by.chain(ties).collect(),
            runs: runs.collect(),
            heads: BinaryHeap::new(),
            has_begun: false,
            came: 0,
        }
    }
}

/// Rows of one statement that are being read.
struct Run {
    file: Arc<File>,
    /// What was not read yet.
    left: Range<u64>,
    buffer: Vec<u8>,
    /// Where in it the next row begins.
    place: usize,
}

impl Run {
    async fn next(&mut self) -> Result<Option<Sums>> {
        if !self.has(HEAD).await? {
            return Ok(None);
        }
        let mut head = &self.buffer[self.place..];
        let length = count(&mut head)?;
        if !self.has(HEAD + length).await? {
            return Err(damaged());
        }
        let row = self.place + HEAD..self.place + HEAD + length;
        self.place = row.end;
        Sums::get(&self.buffer[row]).map(Some)
    }

    /// Whether there are so many bytes, which are in the buffer then.
    async fn has(&mut self, bytes: usize) -> Result<bool> {
        let known = self.buffer.len() - self.place;
        if known >= bytes {
            return Ok(true);
        }
        let left = usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX);
        let more = left.min(PIECE.max(bytes - known));
        let (file, at) = (self.file.clone(), self.left.start);
        let piece = on_disk(move || {
            let mut piece = vec![0; more];
            file.read_exact_at(&mut piece, at)?;
            Ok(piece)
        });
        let piece = piece.await?;
        self.left.start += more as u64;
        self.buffer.drain(..self.place);
        self.place = 0;
        self.buffer.extend(piece);
        Ok(self.buffer.len() >= bytes)
    }
}

/// A key as it is sorted.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Sorted {
    Ascending(String),
    Descending(Reverse<String>),
}

/// The next row of a statement. Those with the same place have the same keys.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    place: Vec<Sorted>,
    run: usize,
    row: Sums,
}

/// Rows of several statements that are being read, each in the same order.
pub(super) struct Merge {
    /// Places of keys, and whether the largest come first.
    order: Vec<(usize, bool)>,
    runs: Vec<Run>,
    heads: BinaryHeap<Reverse<Head>>,
    has_begun: bool,
    came: u64,
}

impl Merge {
    /// The next group with its number, whose parts are added up.
    pub(super) async fn next(&mut self) -> Result<Option<(u64, Sums)>> {
        if !self.has_begun {
            for run in 0..self.runs.len() {
                self.advance(run).await?;
            }
            self.has_begun = true;
        }
        let Some(Reverse(Head { place, run, row })) = self.heads.pop() else {
            return Ok(None);
        };
        let mut sums = row;
        self.advance(run).await?;
        while let Some(Reverse(head)) = self.heads.peek()
            && head.place == place
        {
            sums.add(&head.row)?;
            let run = head.run;
            self.heads.pop();
            self.advance(run).await?;
        }
        self.came += 1;
        Ok(Some((self.came, sums)))
    }

    async fn advance(&mut self, run: usize) -> Result<()> {
        if let Some(row) = self.runs[run].next().await? {
            let sorted = |(place, descending): &(usize, bool)| {
                let key = row.keys.get(*place).cloned().unwrap_or_default();
                if *descending {
                    Sorted::Descending(Reverse(key))
                } else {
                    Sorted::Ascending(key)
                }
            };
            let place = self.order.iter().map(sorted).collect();
            self.heads.push(Reverse(Head { place, run, row }));
        }
        Ok(())
    }
}

/// Does what waits for the disk.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = task::spawn_blocking(work).await.map_err(Error::internal)?;
    done.map_err(|error| Error::unavailable("the folder for temporary files cannot be used", error))
}

#[cfg(test)]
mod tests {
    use domain::{Code, usage::Measure};

    use super::*;
    use crate::usage::{Alignment, Group, Order, Span, TimePart};

    fn question(descending: bool) -> CubeQuery {
        let epoch = chrono::DateTime::UNIX_EPOCH;
        let period = Span::Between {
            from: epoch,
            to: epoch,
            align: Alignment::Exact,
        };
        CubeQuery {
            group_by: vec![
                Group::SimLabel("key".into()),
                Group::TimePart(TimePart::HourOfDay),
            ],
            order_by: vec![Order {
                by: OrderBy::Group(1),
                descending,
            }],
            ..CubeQuery::of(&[Measure::Records], period)
        }
    }

    fn row(n: usize, share: i128) -> Sums {
        Sums {
            keys: vec![format!("={}", "k".repeat(n % 300)), (n % 7).to_string()],
            now: vec![share << (n % 100), -share, 1],
            before: vec![-share],
        }
    }

    /// The rows of one statement, in the order of the question: each `step` of those that there are.
    fn rows(step: usize, descending: bool) -> Vec<Sums> {
        let mut rows: Vec<Sums> = (0..2_000).step_by(step).map(|n| row(n, 3)).collect();
        rows.sort_by_key(|row| (row.keys[1].clone(), row.keys[0].clone()));
        if descending {
            rows.sort_by_key(|row| Reverse(row.keys[1].clone()));
        }
        rows
    }

    async fn spooled(spool: &mut Spool, rows: &[Sums]) -> Result<()> {
        spool.begin();
        for row in rows {
            spool.push(row).await?;
        }
        spool.end().await
    }

    #[tokio::test]
    async fn rows_of_the_same_keys_are_added_up_in_order() -> Result<()> {
        for descending in [false, true] {
            let mut spool = Spool::new(1 << 30).await?;
            let runs = [1, 2, 3, 7].map(|step| rows(step, descending));
            for (n, run) in runs.iter().enumerate() {
                spooled(&mut spool, run).await?;
                if n == 1 {
                    // A statement that failed leaves nothing.
                    spool.begin();
                    spool.push(&row(5, 5)).await?;
                    spool.write().await?;
                }
            }
            spooled(&mut spool, &[]).await?;
            let mut expected = runs[0].clone();
            for row in &mut expected {
                let keys = row.keys.clone();
                for same in runs[1..].iter().flatten().filter(|it| it.keys == keys) {
                    row.add(same)?;
                }
            }
            let mut merge = spool.merge(&question(descending));
            for (n, expected) in (1..).zip(expected) {
                assert_eq!(merge.next().await?, Some((n, expected)));
            }
            assert_eq!(merge.next().await?, None);
        }
        Ok(())
    }

    #[tokio::test]
    async fn a_spool_has_a_size() -> Result<()> {
        let mut spool = Spool::new(PIECE as u64 + 1_000).await?;
        let rows = rows(1, false);
        let refusal = spooled(&mut spool, &rows).await.expect_err("a refusal");
        assert_eq!(refusal.code(), Code::LimitExceeded);
        let limit = refusal.details().and_then(|details| details.limit);
        assert_eq!(limit, Some(PIECE as u64 + 1_000));
        Ok(())
    }
}

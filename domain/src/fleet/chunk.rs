//! A file in portions that each fit one transaction, with all rows of one SIM in the same portion.

use std::{
    collections::{HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    io::{Read, Seek, SeekFrom},
};

use super::{
    FleetError,
    model::{FleetRow, RowCode, RowError},
    parse::{Rows, parse},
};
use crate::{Error, Result, identifier::Iccid};

/// Rows per chunk, unless one SIM's history is longer.
pub const CHUNK_ROWS: usize = 1_000;

/// Longest history of one SIM in one file, in rows.
pub const HISTORY_ROWS: usize = 1_000;

/// Rows that are imported together, and the rows that could not be read.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// Rows of whole SIMs.
    pub rows: Vec<FleetRow>,
    /// Rows refused before import.
    pub errors: Vec<RowError>,
}

impl Chunk {
    fn len(&self) -> usize {
        self.rows.len() + self.errors.len()
    }

    /// Adds one SIM's rows, or refuses them all when one of its rows could not be read.
    fn add(&mut self, history: History) {
        match history.refused {
            None => self.rows.extend(history.rows),
            Some((line, code)) => self.errors.extend(history.rows.iter().map(|row| {
                RowError::new(
                    row.line,
                    code,
                    format!("line {line} of the same SIM was refused"),
                )
            })),
        }
    }
}

/// The rows of one SIM that has several.
#[derive(Default)]
struct History {
    rows: Vec<FleetRow>,
    refused: Option<(u64, RowCode)>,
}

/// The chunks of one file.
pub struct Chunks<R> {
    rows: Rows<R>,
    count: u64,
    /// Hashes of ICCIDs that occur more than once. A collision only puts a row aside.
    repeated: HashSet<u64>,
    aside: HashMap<Iccid, History>,
    /// What was put aside, last line first; known once the file has been read.
    last: Option<Vec<History>>,
}

/// Reads a file twice: first to find the SIMs with several rows, then for its rows. Memory holds one chunk, the rows
/// of those SIMs, and eight bytes per SIM.
///
/// # Errors
/// `INVALID_INPUT` when the header is refused or the file cannot be read.
pub fn chunks<R: Read + Seek>(mut reader: R) -> Result<Chunks<R>> {
    let mut seen = HashSet::new();
    let mut repeated = HashSet::new();
    let mut count = 0;
    for row in parse(&mut reader)? {
        count += 1;
        let iccid = match row {
            Ok(row) => Some(row.iccid),
            Err(error) => error.iccid,
        };
        if let Some(hash) = iccid.as_ref().map(hash)
            && !seen.insert(hash)
        {
            repeated.insert(hash);
        }
    }
    drop(seen);
    reader
        .seek(SeekFrom::Start(0))
        .map_err(|_| FleetError::NotSeekable)?;
    Ok(Chunks {
        rows: parse(reader)?,
        count,
        repeated,
        aside: HashMap::new(),
        last: None,
    })
}

fn hash(iccid: &Iccid) -> u64 {
    let mut hasher = DefaultHasher::new();
    iccid.hash(&mut hasher);
    hasher.finish()
}

impl<R: Read> Chunks<R> {
    /// The file in one piece.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` for more than `limit` rows.
    pub(super) fn whole(self, limit: u64) -> Result<Chunk> {
        if self.count > limit {
            let text = format!("a fleet file has at most {limit} rows here");
            let error = Error::limit(text, limit, self.count);
            return Err(error.suggest("import larger files with `simcube import`"));
        }
        let mut whole = Chunk::default();
        for chunk in self {
            whole.rows.extend(chunk.rows);
            whole.errors.extend(chunk.errors);
        }
        Ok(whole)
    }

    /// Takes one row: into the chunk, or aside when its SIM has more.
    fn take(&mut self, row: Result<FleetRow, RowError>, chunk: &mut Chunk) {
        let iccid = match &row {
            Ok(row) => Some(&row.iccid),
            Err(error) => error.iccid.as_ref(),
        };
        let several = iccid
            .filter(|iccid| self.repeated.contains(&hash(iccid)))
            .cloned();
        let history = several.map(|iccid| self.aside.entry(iccid).or_default());
        match (row, history) {
            (Ok(row), None) => chunk.rows.push(row),
            (Ok(row), Some(history)) if history.rows.len() < HISTORY_ROWS => history.rows.push(row),
            (Ok(row), Some(history)) => {
                history.refused = Some((row.line, RowCode::TooManyRows));
                let reason = format!("more than {HISTORY_ROWS} rows of one SIM");
                chunk
                    .errors
                    .push(RowError::new(row.line, RowCode::TooManyRows, reason));
            }
            (Err(error), history) => {
                if let Some(history) = history {
                    history.refused = Some((error.line, RowCode::IncompleteHistory));
                }
                chunk.errors.push(error);
            }
        }
    }

    fn last(&mut self) -> &mut Vec<History> {
        let aside = &mut self.aside;
        self.last.get_or_insert_with(|| {
            let mut last: Vec<_> = aside.drain().map(|(_, history)| history).collect();
            last.sort_by_key(|history| std::cmp::Reverse(history.rows.first().map(|row| row.line)));
            last
        })
    }
}

impl<R: Read> Iterator for Chunks<R> {
    type Item = Chunk;

    fn next(&mut self) -> Option<Chunk> {
        let mut chunk = Chunk::default();
        while chunk.len() < CHUNK_ROWS
            && let Some(row) = self.rows.next()
        {
            self.take(row, &mut chunk);
        }
        while chunk.len() < CHUNK_ROWS
            && let Some(history) = self.last().pop()
        {
            chunk.add(history);
        }
        (chunk.len() > 0).then_some(chunk)
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write, io::Cursor};

    use super::*;

    #[test]
    fn the_rows_of_one_sim_stay_together() {
        let mut text = String::from("iccid,state,valid_from\n");
        for year in [2024, 2025] {
            for sim in 0..1_500 {
                let _ = writeln!(text, "89445010000000{sim:05},ACTIVE,{year}-01-01");
            }
        }
        let chunks: Vec<_> = chunks(Cursor::new(text)).expect("header").collect();
        assert_eq!(
            chunks
                .iter()
                .map(|chunk| chunk.rows.len())
                .collect::<Vec<_>>(),
            [1000, 1000, 1000]
        );
        let mut done = HashSet::new();
        for chunk in &chunks {
            let here: HashSet<_> = chunk.rows.iter().map(|row| row.iccid.clone()).collect();
            assert_eq!(here.len() * 2, chunk.rows.len());
            assert!(here.iter().all(|iccid| done.insert(iccid.clone())));
        }
    }

    #[test]
    fn a_bad_row_refuses_its_sims_history_and_no_other() {
        let text = "iccid,state,valid_from\n\
            8944501000000000001,ACTIVE,2024-01-01\n\
            8944501000000000002,ACTIVE,2024-01-01\n\
            8944501000000000001,ACTIVE,yesterday\n";
        let chunks: Vec<_> = chunks(Cursor::new(text)).expect("header").collect();
        assert_eq!(chunks.len(), 1);
        assert_eq!(
            chunks[0]
                .rows
                .iter()
                .map(|row| row.line)
                .collect::<Vec<_>>(),
            [3]
        );
        let errors: Vec<_> = chunks[0]
            .errors
            .iter()
            .map(|error| (error.line, error.code))
            .collect();
        assert_eq!(
            errors,
            [
                (4, RowCode::InvalidValidFrom),
                (2, RowCode::IncompleteHistory)
            ]
        );
    }
}

//! Bringing the ClickHouse schema up to date, and back.
//!
//! What was done is kept in the table `migration`, which the first step makes. ClickHouse has no transactional
//! schema changes and no locks: every statement can be run again, the note follows the statements, and two servers
//! that start at once write the same note under one de-duplication token. The server also takes an advisory lock
//! in Postgres around it.

use std::collections::BTreeMap;

use clickhouse::Row;
use domain::{Code, Error, Result};
use serde::{Deserialize, Serialize};

use crate::{Store, System, checksum::checksum, store::fault};

/// One step of the schema, in the form that this installation needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its place in the order.
    pub version: u32,
    /// Its name, for people.
    pub name: String,
    /// Statements that make it; each can be run again.
    pub up: Vec<String>,
    /// Statements that take it back; each can be run again.
    pub down: Vec<String>,
}

impl Step {
    /// Changes when any statement changes.
    fn checksum(&self) -> String {
        checksum(&self.up.join(";\n"))
    }
}

/// The last note about a version.
#[derive(Debug, Row, Serialize, Deserialize)]
struct Note {
    version: u32,
    sequence: u32,
    name: String,
    checksum: String,
    applied: bool,
}

impl Store {
    /// Applies what is missing, in order, and returns the versions it applied: none when all is up to date.
    ///
    /// # Errors
    /// `CONFLICT` when a step that is applied already has other statements now, or when the database has a step
    /// that this program does not know.
    pub async fn migrate(&self, steps: &[Step]) -> Result<Vec<u32>> {
        let notes = self.notes().await?;
        for (version, note) in notes.iter().filter(|(_, note)| note.applied) {
            match steps.iter().find(|step| step.version == *version) {
                None => {
                    return Err(conflict(
                        note,
                        "is not known to this version of the program",
                    ));
                }
                Some(step) if step.checksum() != note.checksum => {
                    return Err(conflict(note, "has been changed since it was applied"));
                }
                Some(_) => {}
            }
        }
        let mut applied = Vec::new();
        for step in steps {
            let note = notes.get(&step.version);
            if note.is_some_and(|note| note.applied) {
                continue;
            }
            for sql in &step.up {
                self.execute(sql).await?;
            }
            self.note(step, note.map_or(0, |note| note.sequence + 1), true)
                .await?;
            tracing::info!(
                version = step.version,
                name = step.name,
                "ClickHouse schema step applied"
            );
            applied.push(step.version);
        }
        Ok(applied)
    }

    /// Takes back every step from the newest down to and including `version`. All data in its tables is lost.
    pub async fn revert(&self, _: &System, steps: &[Step], version: u32) -> Result<Vec<u32>> {
        let mut reverted = Vec::new();
        for step in steps.iter().rev().filter(|step| step.version >= version) {
            let notes = self.notes().await?;
            let Some(note) = notes.get(&step.version).filter(|note| note.applied) else {
                continue;
            };
            for sql in &step.down {
                self.execute(sql).await?;
            }
            // The first step takes the table of notes with it.
            if self.has_notes().await? {
                self.note(step, note.sequence + 1, false).await?;
            }
            reverted.push(step.version);
        }
        Ok(reverted)
    }

    async fn has_notes(&self) -> Result<bool> {
        let exists: u8 = self
            .query("EXISTS TABLE migration")
            .fetch_one()
            .await
            .map_err(fault)?;
        Ok(exists == 1)
    }

    async fn notes(&self) -> Result<BTreeMap<u32, Note>> {
        if !self.has_notes().await? {
            return Ok(BTreeMap::new());
        }
        let notes: Vec<Note> = self
            .query("SELECT version, sequence, name, checksum, applied FROM migration ORDER BY version, sequence")
            .fetch_all()
            .await
            .map_err(fault)?;
        Ok(notes.into_iter().map(|note| (note.version, note)).collect())
    }

    async fn note(&self, step: &Step, sequence: u32, applied: bool) -> Result<()> {
        let checksum = step.checksum();
        let token = format!("migration-{}-{sequence}-{checksum}-{applied}", step.version);
        let client = self
            .client()
            .clone()
            .with_setting("insert_deduplication_token", token);
        let mut insert = client.insert::<Note>("migration").await.map_err(fault)?;
        let note = Note {
            version: step.version,
            sequence,
            name: step.name.clone(),
            checksum,
            applied,
        };
        insert.write(&note).await.map_err(fault)?;
        insert.end().await.map_err(fault)
    }
}

fn conflict(note: &Note, why: &str) -> Error {
    Error::new(
        Code::Conflict,
        format!(
            "the ClickHouse schema step {:04} ({}) {why}",
            note.version, note.name
        ),
    )
}

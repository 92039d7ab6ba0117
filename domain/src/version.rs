//! What an answer was read from, and whether that is still as it was.
//!
//! Every snapshot comes with the versions of its tenant's subjects, which triggers raise with every change (migration
//! `0013_version`). What a statement reads is in its text: the tables that are named there are noted as it is sent, so no
//! reader forgets one. A table that nobody raises a version of makes an answer that is not kept.

#[cfg(test)]
use std::collections::BTreeSet;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU16, Ordering},
};

use chrono::{DateTime, Utc};
use strum::{AsRefStr, EnumString, VariantArray};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::{Error, Result, db::Failure};

/// Something that is read and has a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AsRefStr, EnumString, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Subject {
    /// What decides who sees what, and what is nearly never changed: grants, the tenant, the networks.
    Access,
    Customer,
    Sim,
    Device,
    /// Who had what when.
    Assignment,
    Label,
    SavedFilter,
    /// The cubes.
    Usage,
}

/// The versions of a tenant's subjects in one snapshot. That of a subject whose marks nobody has left yet is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Versions([u128; Subject::VARIANTS.len()]);

impl Versions {
    /// What the rows of subjects and marks come to.
    ///
    /// # Errors
    /// `INTERNAL` when they are something else.
    pub(crate) fn read(rows: &[Row]) -> Result<Self> {
        let marks = rows
            .iter()
            .map(|row| Ok((row.try_get::<_, &str>(0)?, row.try_get::<_, Uuid>(1)?)));
        let marks: Result<Vec<_>, Failure> = marks.collect();
        Ok(Self::of(marks.map_err(Error::internal)?))
    }

    /// What a tenant's marks come to: two different sets of random marks come to the same by a chance of 2^-122.
    fn of<'a>(marks: impl IntoIterator<Item = (&'a str, Uuid)>) -> Self {
        let mut versions = Self::default();
        for (subject, mark) in marks {
            // Other programs may know more subjects.
            if let Ok(subject) = subject.parse::<Subject>() {
                versions.0[subject as usize] ^= mark.as_u128();
            }
        }
        versions
    }

    /// The version of one.
    pub(crate) fn get(&self, subject: Subject) -> u128 {
        self.0[subject as usize]
    }
}

/// What the marks of one subject come to.
pub(crate) fn of_marks(marks: &[Uuid]) -> u128 {
    marks.iter().fold(0, |all, mark| all ^ mark.as_u128())
}

/// Subjects, and whether anything was read that has no version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reads(u16);

impl Reads {
    const NOTHING: Self = Self(0);
    const UNVERSIONED: Self = Self(1 << 15);

    /// One of them.
    pub(crate) const fn one(subject: Subject) -> Self {
        Self(1 << subject as u16)
    }

    /// What is read with a table, if the word is one.
    fn of_table(word: &[u8]) -> Self {
        match word {
            b"tenant" | b"segment_grant" | b"network" => Self::one(Subject::Access),
            b"customer" => Self::one(Subject::Customer),
            b"sim" => Self::one(Subject::Sim),
            b"device" => Self::one(Subject::Device),
            b"sim_customer" | b"sim_device" | b"device_customer" => Self::one(Subject::Assignment),
            b"label_definition" | b"sim_label" | b"device_label" => Self::one(Subject::Label),
            b"saved_filter" => Self::one(Subject::SavedFilter),
            b"intake_batch_tenant" | b"intake_correction" | b"intake_progress" => {
                Self::one(Subject::Usage)
            }
            // Their changes raise no version.
            b"app_user" | b"audit" | b"idempotency" | b"intake_accounting" | b"intake_identity"
            | b"intake_source" | b"intake_rejection" | b"job" | b"membership" | b"notification"
            | b"schedule" | b"session" | b"session_point" => Self::UNVERSIONED,
            _ => Self::NOTHING,
        }
    }

    /// What a statement may read: all that it names.
    pub(crate) fn of(statement: &str) -> Self {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let words = statement.as_bytes().split(|byte| !is_word(*byte));
        words.fold(Self::NOTHING, |all, word| {
            Self(all.0 | Self::of_table(word).0)
        })
    }

    fn has(self, subject: Subject) -> bool {
        self.0 & Self::one(subject).0 != 0
    }
}

/// What one transaction has read so far.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    reads: AtomicU16,
    until: Mutex<Option<DateTime<Utc>>>,
}

impl Noted {
    /// Something was read.
    pub(crate) fn read(&self, reads: Reads) {
        self.reads.fetch_or(reads.0, Ordering::Relaxed);
    }

    /// What was read has no version: it is not kept.
    pub(crate) fn read_unversioned(&self) {
        self.read(Reads::UNVERSIONED);
    }

    /// What was read is another thing from this moment on, whatever is changed.
    pub(crate) fn only_until(&self, moment: DateTime<Utc>) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(until.map_or(moment, |until| until.min(moment)));
    }

    /// What it stands on, if that has versions.
    pub(crate) fn footing(&self, versions: Versions) -> Option<Footing> {
        let reads = Reads(self.reads.load(Ordering::Relaxed));
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        (reads.0 & Reads::UNVERSIONED.0 == 0).then_some(Footing {
            reads,
            versions,
            until,
        })
    }
}

/// What an answer stands on: it is the same for as long as this holds.
#[derive(Clone, Copy, Debug)]
pub struct Footing {
    reads: Reads,
    versions: Versions,
    until: Option<DateTime<Utc>>,
}

impl Footing {
    pub(crate) fn holds(&self, versions: &Versions, now: DateTime<Utc>) -> bool {
        let mut read = Subject::VARIANTS.iter().copied();
        // Whatever was read, it was read by somebody who may.
        let is_same = read.all(|subject| {
            let counts = subject == Subject::Access || self.reads.has(subject);
            !counts || self.versions.get(subject) == versions.get(subject)
        });
        is_same && self.until.is_none_or(|until| now < until)
    }
}

/// Whether the text of a statement says that it reads these tables.
#[cfg(test)]
pub(crate) fn names_all(statement: &str, tables: &BTreeSet<String>) -> bool {
    let reads = Reads::of(statement).0;
    // A version is what all the others are compared by.
    let mut tables = tables.iter().filter(|table| *table != "version");
    tables.all(|table| {
        let read = Reads::of(table);
        assert_ne!(read, Reads::NOTHING, "nobody knows {table}");
        read.0 & reads == read.0
    })
}

/// What must raise the version of what a table belongs to, and which.
#[cfg(test)]
pub(crate) fn raised_by(table: &str) -> Vec<String> {
    let events: &[&str] = match table {
        // No tenant goes. What stays of a correction is in no answer: it says that one is under way.
        "tenant" => &["INSERT", "UPDATE"],
        "intake_correction" => &["INSERT", "DELETE"],
        _ => &["INSERT", "UPDATE", "DELETE", "TRUNCATE"],
    };
    let reads = Reads::of(table);
    let known = reads != Reads::NOTHING || table == "version";
    assert!(known, "nobody knows {table}");
    let mut subjects = Subject::VARIANTS.iter().copied();
    let subject = subjects.find(|subject| reads.has(*subject));
    let raised = |subject: Subject| {
        let raised = |event| format!("{event} {}", subject.as_ref());
        events.iter().map(raised).collect()
    };
    subject.map(raised).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_names_what_it_reads() {
        let reads = Reads::of(
            "SELECT sim.sim_id, d.key FROM sim JOIN label_definition d ON (d.tenant_id) = (sim.tenant_id)",
        );
        for subject in Subject::VARIANTS.iter().copied() {
            let expected = matches!(subject, Subject::Sim | Subject::Label);
            assert_eq!(reads.has(subject), expected, "{subject:?}");
        }
        let noted = Noted::default();
        noted.read(reads);
        assert!(noted.footing(Versions::default()).is_some());
        noted.read(Reads::of("SELECT FROM intake_rejection"));
        assert!(noted.footing(Versions::default()).is_none());
    }

    #[test]
    fn a_version_is_all_its_marks_in_whatever_order() {
        let [a, b, c] = [1, 2, 4].map(Uuid::from_u128);
        let sets: [&[Uuid]; 5] = [&[], &[a], &[a, b], &[a, c], &[b, c]];
        let of = |marks: &[Uuid]| {
            Versions::of(marks.iter().map(|mark| ("sim", *mark))).get(Subject::Sim)
        };
        for (place, marks) in sets.iter().enumerate() {
            let mut others = sets[..place].iter();
            assert!(others.all(|other| of(other) != of(marks)), "{marks:?}");
            let turned: Vec<Uuid> = marks.iter().rev().copied().collect();
            assert_eq!(of(&turned), of(marks));
            assert_eq!(of_marks(marks), of(marks), "{marks:?}");
        }
    }

    #[test]
    fn a_footing_holds_until_something_that_was_read_changes() {
        let (old, new) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let marks = |access, sim, label| {
            Versions::of([
                ("access", access),
                ("sim", sim),
                ("label", label),
                ("later", new),
            ])
        };
        let at = DateTime::<Utc>::from_timestamp_nanos;
        let noted = Noted::default();
        noted.read(Reads::of("SELECT FROM sim"));
        noted.only_until(at(20));
        noted.only_until(at(10));
        noted.only_until(at(30));
        let footing = noted.footing(marks(old, old, old)).expect("versions");
        for (versions, now, holds) in [
            (marks(old, old, old), 9, true),
            (marks(old, old, new), 9, true),
            (marks(old, new, old), 9, false),
            (marks(new, old, old), 9, false),
            (marks(old, old, old), 10, false),
        ] {
            assert_eq!(
                footing.holds(&versions, at(now)),
                holds,
                "{versions:?} {now}"
            );
        }
    }
}

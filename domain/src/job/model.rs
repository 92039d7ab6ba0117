//! What a job is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::{AsRefStr, EnumMessage, EnumString, VariantArray};

use crate::{
    Code, Permission, Scope,
    id::{JobId, ScheduleId},
    identity::VerifiedClaims,
    scope::Rights,
};

/// Kind of work.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, AsRefStr, EnumMessage, EnumString, VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum JobKind {
    /// A data set becomes a file.
    Export,
}

/// How far a job is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, AsRefStr, EnumMessage, EnumString, VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum JobState {
    /// It waits for its turn.
    Queued,
    /// It is being done.
    Running,
    /// It is done, and what it made is there until it expires.
    Complete,
    /// It came to nothing; the error says why.
    Failed,
    /// Somebody took it back.
    Cancelled,
}

impl JobState {
    /// Whether nothing happens to it any more by itself.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Cancelled)
    }
}

/// Who asked for a job, and what the tenant opened to them when it was made or last begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// What the token said.
    pub claims: VerifiedClaims,
    /// What it came to.
    pub rights: Rights,
}

/// Why a job failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The stable code.
    pub code: Code,
    /// A sentence for people.
    pub message: String,
}

/// How far the work is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows done.
    pub rows: u64,
    /// Rows that there will be, where that is known before.
    pub expected: Option<u64>,
}

/// Long work that somebody asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Identifier.
    pub id: JobId,
    /// Kind of work.
    pub kind: JobKind,
    /// Name, by which people know it and which its file has.
    pub name: String,
    /// What was asked, in the form that the kind of work gave it.
    pub request: Value,
    /// Subject of the token of whoever asked.
    pub requested_by: String,
    /// Who asked.
    pub asker: Asker,
    /// The schedule that made it, which may be gone. What such a job makes is the tenant's.
    pub schedule: Option<ScheduleId>,
    /// How far it is.
    pub state: JobState,
    /// Times that it was begun and not given back, since it was asked for or asked for again.
    pub attempts: u32,
    /// How far the work is.
    pub progress: Progress,
    /// What it made, as the kind of work describes it; none for callers who may not see all that its asker might.
    pub result: Option<Value>,
    /// Where that lies, while it does.
    pub place: Option<String>,
    /// Bytes of it.
    pub bytes: u64,
    /// When it goes.
    pub expires_at: Option<DateTime<Utc>>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When it was last begun.
    pub started_at: Option<DateTime<Utc>>,
    /// When somebody last said to be at it.
    pub heartbeat_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
}

impl Job {
    /// Whether what it makes is the caller's, as whoever asked for it. What a schedule asked for is the tenant's: of all who look after
    /// its exports, and of nobody else, even if they made the schedule once.
    pub fn is_of(&self, scope: &Scope) -> bool {
        match self.schedule {
            Some(_) => scope.may(Permission::ExportsManage),
            None => self.requested_by == scope.actor(),
        }
    }

    /// How much of it is done, in whole percent: 100 when all is, and not before. Unknown as long as nobody knows how many rows there
    /// will be.
    pub fn percent(&self) -> Option<u32> {
        if self.state == JobState::Complete {
            return Some(100);
        }
        let Progress { rows, expected } = self.progress;
        let expected = expected.filter(|rows| *rows > 0)?;
        let percent = u128::from(rows) * 100 / u128::from(expected);
        Some(u32::try_from(percent).map_or(99, |percent| percent.min(99)))
    }

    /// When it will be done, if it goes on as it did.
    pub fn done_about(&self) -> Option<DateTime<Utc>> {
        let (started, at) = (self.started_at?, self.heartbeat_at?);
        let Progress { rows, expected } = self.progress;
        let left = expected?.checked_sub(rows)?;
        if self.state != JobState::Running || rows == 0 {
            return None;
        }
        let taken = u128::try_from((at - started).num_milliseconds()).ok()?;
        let more = taken * u128::from(left) / u128::from(rows);
        let more = chrono::TimeDelta::try_milliseconds(i64::try_from(more).ok()?)?;
        at.checked_add_signed(more)
    }
}

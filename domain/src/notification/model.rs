//! What a notification is.

use chrono::{DateTime, Utc};
use strum::{AsRefStr, EnumMessage, EnumString, VariantArray};
use uuid::Uuid;

use crate::{
    Code,
    id::{JobId, NotificationId},
};

/// What somebody is told. That of a job is the kind of its work and how it ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, AsRefStr, EnumMessage, EnumString, VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum NotificationKind {
    /// An export is complete: its file is there until it expires.
    ExportComplete,
    /// An export came to nothing.
    ExportFailed,
}

/// What somebody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Identifier.
    pub id: NotificationId,
    /// What is told.
    pub kind: NotificationKind,
    /// What it is about, of the kind of object that `kind` says.
    pub(super) object: Uuid,
    /// What that was called.
    pub name: String,
    /// Why it came to nothing, if it did.
    pub code: Option<Code>,
    /// When it happened.
    pub created_at: DateTime<Utc>,
    /// When it was marked as read.
    pub read_at: Option<DateTime<Utc>>,
}

impl Notification {
    /// The printed id of what it is about, which may be gone.
    pub fn object(&self) -> String {
        match self.kind {
            NotificationKind::ExportComplete | NotificationKind::ExportFailed => {
                JobId::new(self.object).to_string()
            }
        }
    }
}

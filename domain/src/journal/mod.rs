//! The Postgres side of intake: who was accepted, what was refused, and the batches on their way to the cubes.
//!
//! **received = accepted + duplicate + rejected**, always; the table has it as a CHECK. A batch holds deliveries of any
//! number of tenants, and everything that it changes here is one transaction:
//!
//! 1. [`hold_attribution`]: no assignment that reaches over usage is made while the batch is being attributed;
//! 2. [`claim`]: identities of the records are inserted; who was there first is accepted, the same content again is a
//!    duplicate, other content a conflict;
//! 3. [`record`]: the encoded rows of the accepted, each tenant's part in them, the rejections, the accounting and how far each source is;
//! 4. commit. From here on the batch is durable and will be counted: by the process that journaled it, or by any other
//!    that finds it left behind ([`pending`]).
//!
//! Applying a batch is a transaction of its own that holds [`hold_apply`] and ends with [`mark_counted`], so that
//! [`try_freeze_apply`] gives settling, verifying and repairing cubes that stand still.
//!
//! Locks are taken in one order (attribution by tenant, the month, positions of topics, sources by tenant, identities by value
//! and those of topics before, the mark, accounting rows by tenant and key, the progress of sources, accounts of topics), so two batches wait for each
//! other but never in a circle, and never for long
//! ([`bound_waits`]).

mod identity;
mod kind;
pub mod ledger;
mod lock;
mod mark;
mod packed;
mod parts;
mod pending;
mod progress;
mod read;
mod record;
mod restore;
mod source;
mod usage_store;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, Display, EnumMessage, EnumString, VariantArray};
use uuid::Uuid;

pub use identity::{
    Claim, Content, Expected, Month, Older, Verdict, claim, current_month, drop_months, hold_month,
    identity, open_month, parts_of, try_freeze_claims,
};
pub use kind::Kind;
pub use lock::{
    Running, begin_correction, bound_waits, correction, end_correction, freeze_attribution,
    hold_apply, hold_attribution, still_frozen, still_held, try_freeze_apply, try_settle,
};
pub use mark::{Mark, announce_mark, confirm_mark, hold_marks, mark};
pub use parts::{BatchCondition, BatchFilter, BatchOrderField, BatchPart, batch};
pub use pending::{
    BatchState, Payload, Pending, Piece, Uncounted, begin_attempt, count, end_attempt, forget,
    journaled_by_turns, mark_counted, months_of, note_cubes, part_sequences, payload, pending,
    put_back, quarantine, release, reopen, replace, uncounted, uncounted_parts,
};
pub use progress::{
    Coverage, Covered, Lack, Progress, SourceState, coverage, progress, progress_of, retire,
    set_lateness,
};
pub use read::{
    Accounting, AccountingQuery, Fate, FateState, HourOf, MAX_ACCOUNTING_ROWS, Rejection,
    RejectionCondition, RejectionFilter, RejectionOrderField, accounting, accounting_after,
    accounting_rows, fate, ledger,
};
pub use record::{NewBatch, NewRejection, Part, Tally, record};
pub use restore::{
    KnownPart, counted_by, drop_put_back, forget_restore, gone_of, is_any_journaled, parts_within,
    put_back_more, put_back_so_far, retry_restored,
};
pub use source::known_sources;
pub use usage_store::{hold_usage_store, is_new, set_usage_store, usage_store};

/// Longest stored text of a refused record, in bytes.
pub const RAW_BYTES: usize = 8 * 1024;

/// Why a record was refused. The words are part of the public contract.
#[derive(AsRefStr, Display, EnumMessage, EnumString, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RejectionCode {
    /// Not a JSON object of the expected shape, too large, or cut off.
    Malformed,
    /// No record id, no source, or no session id.
    MissingIdentity,
    /// No start or no end.
    MissingTime,
    /// Not a time, end before start, or outside the years 1970 to 2199.
    InvalidTime,
    /// Missing, negative, not whole bytes, beyond 64 bits, or a total that is not the sum.
    InvalidVolume,
    /// No ICCID, or not 19 or 20 digits.
    InvalidIccid,
    /// No such SIM in this tenant.
    UnknownIccid,
    /// Two SIMs match the text with and without a check digit, and none exactly.
    AmbiguousIccid,
    /// Not a three-digit MCC with a two- or three-digit MNC.
    InvalidNetwork,
    /// Not DATA, SMS or VOICE.
    InvalidService,
    /// Not an IPv4 or IPv6 address.
    InvalidAddress,
    /// Not UPDATE or TERMINATE.
    InvalidRequestType,
    /// Starts before the horizon.
    TooOld,
    /// Starts after now.
    InFuture,
    /// A record of the same identity with other billing fields was accepted before; that one stands.
    Conflict,
    /// The tenant's records name as many sources as it may have, and this one is new.
    TooManySources,
}

/// The hour that `at` lies in.
pub fn hour_of(at: DateTime<Utc>) -> DateTime<Utc> {
    let seconds = at.timestamp();
    DateTime::from_timestamp(seconds - seconds.rem_euclid(3_600), 0).unwrap_or(at)
}

/// `uuid` unless it is the nil one, which stands for none in array parameters.
fn present(uuid: Uuid) -> Option<Uuid> {
    (!uuid.is_nil()).then_some(uuid)
}

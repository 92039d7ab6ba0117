//! Jobs: long work that somebody asked for, done once by whichever process has the time.
//!
//! What is asked and who asks are frozen when a job is made. A process claims a job for a while (a lease) and says now and then that it
//! is still at it; one that dies or stands still loses it to another. Each claim has a number (a fence) that is larger than those
//! before, and nothing that a job comes to is taken from somebody with an older one. Tenants take turns.
//!
//! This is a table and not a job library's: of those that keep jobs in Postgres none has fences or turns of tenants, and each brings
//! a driver of its own and a table that row security does not know.

pub(crate) mod entity;
mod error;
mod filter;
mod model;
mod store;
mod work;
mod write;

pub use error::JobError;
pub use filter::{JobCondition, JobFilter, JobOrderField};
pub use model::{Asker, Failure, Job, JobKind, JobState, Progress};
pub use work::{
    Claim, End, Expired, Lease, Made, Terms, abandoned, asker, beat, claim, end, expired, forget,
};
pub(crate) use write::is_file_name;
pub use write::{NewJob, OPEN, cancel, create, downloaded, retry};

use crate::{ReadCx, Result, id::JobId, list};

/// The job with this id.
///
/// # Errors
/// `FORBIDDEN` without `EXPORTS_WRITE`, `NOT_FOUND` when the caller has no such job.
pub async fn get(cx: &ReadCx, id: JobId) -> Result<Job> {
    list::get(cx, id).await
}

//! What a rollup counts.

use chrono::TimeDelta;

use super::{Reading, Request};

/// A rollup that comes longer after the one before it begins a session: so sessions that were silent for so long need not be known.
pub const FORGET: TimeDelta = TimeDelta::days(90);

/// What a rollup counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes from the device.
    pub bytes_up: u64,
    /// Bytes to the device.
    pub bytes_down: u64,
    /// Sessions that begin with it: 1 or 0.
    pub sessions: u8,
    /// Whether a counter began again without a new session: 1 or 0, however many did.
    pub resets: u8,
}

/// What `reading` counts after `before`, the one that stands right before it in its session.
///
/// The first of a session counts all of it. After an update each direction counts its difference; what fell has begun again, and counts as
/// a whole: so a counter of 32 bits that ran over is short by what it had left. After an end, counters that did not fall are those of the same
/// session, which goes on; if any fell, another session has begun under its id, and counts all of both.
pub fn usage(before: Option<&Reading>, reading: &Reading) -> Usage {
    let first = Usage {
        bytes_up: reading.bytes_in,
        bytes_down: reading.bytes_out,
        sessions: 1,
        resets: 0,
    };
    let Some(before) = before else { return first };
    if reading.event_at - before.event_at > FORGET {
        return first;
    }
    let up = reading.bytes_in.checked_sub(before.bytes_in);
    let down = reading.bytes_out.checked_sub(before.bytes_out);
    let fell = up.is_none() || down.is_none();
    if fell && before.request == Request::Terminate {
        return first;
    }
    Usage {
        bytes_up: up.unwrap_or(reading.bytes_in),
        bytes_down: down.unwrap_or(reading.bytes_out),
        sessions: 0,
        resets: fell.into(),
    }
}

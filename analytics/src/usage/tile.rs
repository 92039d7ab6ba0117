//! Which tables hold a period: years, months and days inside, hours at its edges, records for parts of hours. Every moment is in one
//! of them, so that what is being counted at the same time is in an answer or not yet, and never twice.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use domain::{Code, Error, Period, Result};

use super::times::{Slice, not_exact};
use crate::cube::Level;

/// A kind of table that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// The records themselves.
    Records,
    /// Cells of this level.
    Cells(Level),
}

/// What is read of one kind of table: spans that do not meet, in order, in Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    pub(super) depth: Depth,
    pub(super) spans: Vec<[u32; 2]>,
}

/// Covers the slices by the coarsest cells that fit into them. Records are all there from `kept` on.
///
/// # Errors
/// `NOT_EXACT` where it takes records that may have expired.
pub(super) fn tiles(slices: &[Slice], kept: DateTime<Utc>) -> Result<Vec<Tile>> {
    let mut spans: Vec<(Depth, Period)> = Vec::new();
    for slice in slices {
        cover(Period::new(slice.from, slice.to)?, &Level::ALL, &mut spans);
    }
    let expired = |(depth, span): &(Depth, Period)| *depth == Depth::Records && span.from() < kept;
    if spans.iter().any(expired) {
        return Err(refused(slices, kept)?);
    }
    let depths = Level::ALL
        .into_iter()
        .rev()
        .map(Depth::Cells)
        .chain([Depth::Records]);
    let tiles = depths.map(|depth| {
        let own = spans.iter().filter(|(known, _)| *known == depth);
        Tile {
            depth,
            spans: joined(own.map(|(_, span)| [seconds(span.from()), seconds(span.to())])),
        }
    });
    Ok(tiles.filter(|tile| !tile.spans.is_empty()).collect())
}

/// Parts of hours before `kept` are asked for.
fn refused(slices: &[Slice], kept: DateTime<Utc>) -> Result<Error> {
    let (first, last) = (&slices[0], &slices[slices.len() - 1]);
    let is_inside = |slice: &Slice| slice.from < kept && slice.from.timestamp() % 3_600 != 0;
    if slices[1..].iter().any(is_inside) {
        let text = "time buckets of this zone begin within hours (UTC); such parts are counted from records, and records that old are not kept";
        let suggestion = "take a later period, a time zone of whole hours, or no groups of time";
        return Ok(Error::new(Code::NotExact, text).suggest(suggestion));
    }
    let text = "parts of hours (UTC) are counted from records, and records that old are not kept";
    Ok(not_exact(
        text,
        hours_around(Period::new(first.from, last.to)?)?,
    ))
}

/// The whole hours around a period.
fn hours_around(period: Period) -> Result<Period> {
    let hour = TimeDelta::hours(1);
    let down = |moment: DateTime<Utc>| moment.duration_trunc(hour).unwrap_or(moment);
    Period::new(
        down(period.from()),
        down(period.to() + hour - TimeDelta::nanoseconds(1)),
    )
}

/// The coarsest of these levels that has whole cells in the period takes those; the rest on both sides is for the finer ones.
fn cover(period: Period, levels: &[Level], spans: &mut Vec<(Depth, Period)>) {
    let Some((coarsest, finer)) = levels.split_last() else {
        spans.push((Depth::Records, period));
        return;
    };
    let inside = coarsest.within(period);
    let around = match inside {
        None => vec![Some(period)],
        Some(inside) => {
            spans.push((Depth::Cells(*coarsest), inside));
            vec![
                Period::new(period.from(), inside.from()).ok(),
                Period::new(inside.to(), period.to()).ok(),
            ]
        }
    };
    for rest in around.into_iter().flatten() {
        cover(rest, finer, spans);
    }
}

/// Spans in order, neighbours as one.
fn joined(spans: impl Iterator<Item = [u32; 2]>) -> Vec<[u32; 2]> {
    let mut spans: Vec<_> = spans.collect();
    spans.sort_unstable();
    let mut found: Vec<[u32; 2]> = Vec::new();
    for [from, to] in spans {
        match found.last_mut() {
            Some(last) if last[1] == from => last[1] = to,
            _ => found.push([from, to]),
        }
    }
    found
}

/// Unix seconds; a period lies within what a cube can hold.
pub(super) fn seconds(moment: DateTime<Utc>) -> u32 {
    u32::try_from(moment.timestamp().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    fn cut(from: &str, to: &str) -> Vec<(Depth, usize, i64)> {
        let slice = Slice {
            from: at(from),
            to: at(to),
            keys: None,
        };
        let tiles = tiles(&[slice], at("2025-10-30T00:00:00Z")).expect("exact");
        let hours = |tile: &Tile| {
            tile.spans
                .iter()
                .map(|[from, to]| i64::from(to - from))
                .sum::<i64>()
                / 60
        };
        tiles
            .iter()
            .map(|tile| (tile.depth, tile.spans.len(), hours(tile)))
            .collect()
    }

    #[test]
    fn the_coarsest_cells_are_taken() {
        let day = 24 * 60;
        let level = Depth::Cells;
        assert_eq!(
            cut("2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            [(level(Level::Year), 1, 365 * day)]
        );
        let berlin = [
            (level(Level::Month), 1, 334 * day),
            (level(Level::Day), 1, 30 * day),
            (level(Level::Hour), 2, 24 * 60),
        ];
        assert_eq!(cut("2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z"), berlin);
        let india = [
            (level(Level::Day), 1, 6 * day),
            (level(Level::Hour), 2, 23 * 60),
            (Depth::Records, 2, 60),
        ];
        assert_eq!(cut("2026-10-31T18:30:00Z", "2026-11-07T18:30:00Z"), india);
    }

    #[test]
    fn records_that_may_have_expired_are_not_asked() {
        let slice = Slice {
            from: at("2025-10-01T00:30:00Z"),
            to: at("2025-11-01T00:00:00Z"),
            keys: None,
        };
        let error = tiles(&[slice], at("2025-10-30T00:00:00Z")).expect_err("too old");
        let would_do = error.details().and_then(|details| details.period);
        assert_eq!(
            would_do.map(|period| period.from()),
            Some(at("2025-10-01T00:00:00Z"))
        );
    }
}

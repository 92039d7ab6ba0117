//! What came to a session once comes to the same rows again.
//!
//! The rows that a batch makes of a session depend on three things only: which rollups it brought, which of them were there already, and what
//! stood beside the others. All of these follow from the batches before it. In which order rollups lie within a batch does not matter, nor
//! does what points and log had of the session then: they had all that the rows needed ([`super::points`]), so to know more comes to the same.

use std::collections::BTreeMap;

use super::{
    Entry, Order, Point,
    entries::{Points, entries},
};

/// The rows that batches made of one session, from all rollups of it that they brought and that were not refused: each with its batch, by
/// which they are put in the order in which they held the session. What is repeated, in the same batch or a later one, makes no row.
///
/// It is the truth as far as nothing of the session is left out: what is missing changes the rows of what stands beside it.
pub fn replay<'a, B: Copy + Ord>(
    came: impl IntoIterator<Item = (B, &'a Point)>,
) -> Vec<(B, Entry<'a>)> {
    let mut batches: BTreeMap<B, Points<'a>> = BTreeMap::new();
    for (batch, point) in came {
        let points = batches.entry(batch).or_default();
        points.insert(point.reading.order(), point);
    }
    let mut known: Points<'a> = Points::new();
    let mut rows = Vec::new();
    for (batch, mut arrived) in batches {
        // No two rollups have one place.
        arrived.retain(|order: &Order, _| !known.contains_key(order));
        let entered = entries(&known, &arrived).into_iter();
        rows.extend(entered.map(|entry| (batch, entry)));
        known.extend(arrived);
    }
    rows
}

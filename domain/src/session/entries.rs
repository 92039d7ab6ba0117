//! The rows that rollups make.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Unbounded},
};

use super::{Order, Reading, Usage, usage};
use crate::id::{CustomerId, DeviceId};

/// A rollup of one session, and where it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// What it says.
    pub reading: Reading,
    /// What its rows are stored with.
    pub keys: Keys,
}

/// What the rows of a rollup are stored with, also when they are taken back: by its own time, network, customer and device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Customer when it was made.
    pub customer: Option<CustomerId>,
    /// Device that the SIM was in.
    pub device: Option<DeviceId>,
    /// `MCC-MNC`.
    pub network: String,
    /// Radio access type in readable words.
    pub rat: String,
    /// The SIM's address.
    pub ip: String,
}

/// A row: what a rollup counts, or does not count any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Which.
    pub point: &'a Point,
    /// What it counts.
    pub usage: Usage,
    /// 1, or -1 where that is taken back.
    pub sign: i8,
    /// Whether the rollup comes by this row. Others correct what came before.
    pub arrived: bool,
}

/// Points of one session by their place.
pub(super) type Points<'a> = BTreeMap<Order, &'a Point>;

/// The rows that `arrived` makes of a session of which `known` is there already: what each rollup counts, and for each known one that
/// stands after another one now, what it counted before and counts now, unless that is the same. Of what is known there must be,
/// for each rollup, those that stand right before and right after it; there may be more.
pub(super) fn entries<'a>(known: &Points<'a>, arrived: &Points<'a>) -> Vec<Entry<'a>> {
    let mut entries = Vec::with_capacity(arrived.len());
    for (order, point) in arrived {
        let before = last_before(known, *order);
        let nearest = before.into_iter().chain(last_before(arrived, *order));
        let nearest = nearest.max_by_key(|(place, _)| *place);
        entries.push(Entry {
            point,
            usage: usage(reading(nearest), &point.reading),
            sign: 1,
            arrived: true,
        });
        let Some((next, moved)) = known.range((Excluded(*order), Unbounded)).next() else {
            continue;
        };
        let mut nearer = arrived.range((Excluded(*order), Excluded(*next)));
        if nearer.next().is_some() {
            continue;
        }
        let was = usage(reading(before), &moved.reading);
        let is = usage(Some(&point.reading), &moved.reading);
        if was != is {
            entries.extend([(was, -1), (is, 1)].map(|(usage, sign)| Entry {
                point: moved,
                usage,
                sign,
                arrived: false,
            }));
        }
    }
    entries
}

fn last_before<'a>(points: &Points<'a>, order: Order) -> Option<(Order, &'a Point)> {
    let (place, point) = points.range(..order).next_back()?;
    Some((*place, point))
}

fn reading(placed: Option<(Order, &Point)>) -> Option<&Reading> {
    placed.map(|(_, point)| &point.reading)
}

//! Whose a device is: it goes with the SIMs that sit in it.
//!
//! At any time a device belongs to the customer of the SIM in it; of several, to the customer of the one that was assigned
//! or put in last. When no SIM is in it any more, it stays whose it was. This follows from the histories of the SIMs as they
//! are stored, so it does not matter in which order, files or chunks these arrived.

use std::{cmp::Reverse, collections::BTreeSet};

use uuid::Uuid;

use super::{
    known::Stay,
    store::{self, History},
    timeline::{Moment, Span, Timeline},
};
use crate::{Result, WriteCx};

/// Brings the history and the present customer of devices to where their SIMs' histories say.
pub(super) async fn follow(cx: &WriteCx, devices: &[Uuid]) -> Result<()> {
    if devices.is_empty() {
        return Ok(());
    }
    let stays = store::stays(cx, devices).await?;
    let owners = stays
        .into_iter()
        .map(|(device, stays)| (device, owners(&stays)));
    let owners: Vec<(Uuid, Timeline<Uuid>)> = owners.collect();
    store::set_owners(cx, &owners).await?;
    let mut stored = store::history(cx, History::Owner, devices).await?;
    let changed = owners.into_iter().filter_map(|(device, owners)| {
        let before = Timeline::new(stored.remove(&device).unwrap_or_default());
        let spans = owners.spans().map(|span| Span {
            from: span.from,
            to: span.to,
            value: *span.value,
        });
        (owners != before).then(|| (device, spans.collect()))
    });
    store::replace_history(cx, History::Owner, changed.collect()).await
}

/// Whose a device was, by its SIMs' stays; of two that begin at the same moment the one that comes first decides.
fn owners(stays: &[Stay]) -> Timeline<Uuid> {
    let claim = |from, to, value| Span { from, to, value };
    let claims: Vec<Span<Option<Uuid>>> = stays
        .iter()
        .flat_map(|Stay { inside, owned }| {
            let owned = owned.as_ref();
            let owned = owned.map(|span| claim(span.from, span.to, Some(span.value)));
            [Some(claim(inside.from, inside.to, None)), owned]
        })
        .flatten()
        .collect();
    let mut turns: Vec<(Moment, usize, bool)> = Vec::new();
    for (n, claim) in claims.iter().enumerate() {
        turns.push((claim.from, n, true));
        turns.extend(claim.to.map(|to| (Some(to), n, false)));
    }
    turns.sort_unstable();
    // A customer before none, then the latest; the last in this order decides.
    let rank = |n: usize| (claims[n].value.is_some(), claims[n].from, Reverse(n));
    let mut standing = BTreeSet::new();
    let mut changes = Vec::new();
    for now in turns.chunk_by(|a, b| a.0 == b.0) {
        for (_, n, begins) in now {
            if *begins {
                standing.insert(rank(*n));
            } else {
                standing.remove(&rank(*n));
            }
        }
        if let Some((_, _, Reverse(n))) = standing.last() {
            changes.push((now[0].0, claims[*n].value));
        }
    }
    Timeline::default().with(&changes)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const BOSCH: Uuid = Uuid::from_u128(1);
    const DYER: Uuid = Uuid::from_u128(2);

    fn moment(day: i64) -> Moment {
        (day > 0).then(|| DateTime::UNIX_EPOCH + chrono::Duration::days(day))
    }

    /// From one day to before another; day 0 is the beginning of time, day 99 is never.
    fn span<T>((from, to): (i64, i64), value: T) -> Span<T> {
        Span {
            from: moment(from),
            to: moment(to).filter(|_| to < 99),
            value,
        }
    }

    fn stay(inside: (i64, i64), owned: &[((i64, i64), Uuid)]) -> Vec<Stay> {
        let inside = || span(inside, ());
        let none = owned.is_empty().then(|| Stay {
            inside: inside(),
            owned: None,
        });
        let stays = owned.iter().map(|(days, customer)| Stay {
            inside: inside(),
            owned: Some(span(*days, *customer)),
        });
        none.into_iter().chain(stays).collect()
    }

    fn expect(stays: Vec<Vec<Stay>>, expected: &[((i64, i64), Uuid)]) {
        let stays: Vec<Stay> = stays.into_iter().flatten().collect();
        let spans = expected.iter().map(|(days, value)| span(*days, *value));
        assert_eq!(owners(&stays), Timeline::new(spans.collect()));
    }

    #[test]
    fn a_device_goes_with_its_sim_and_not_with_a_sim_that_left() {
        let sim = stay((2, 6), &[((2, 4), BOSCH), ((4, 6), DYER)]);
        expect(vec![sim], &[((2, 4), BOSCH), ((4, 99), DYER)]);
        expect(
            vec![stay((2, 99), &[((3, 99), BOSCH)])],
            &[((3, 99), BOSCH)],
        );
    }

    #[test]
    fn a_sim_of_nobody_leaves_a_device_to_nobody_unless_somebodys_is_in_it() {
        let bosch = || stay((0, 5), &[((0, 5), BOSCH)]);
        let nobody = || stay((3, 99), &[]);
        expect(vec![bosch(), nobody()], &[((0, 5), BOSCH)]);
        expect(vec![nobody()], &[]);
        expect(vec![bosch()], &[((0, 99), BOSCH)]);
    }

    #[test]
    fn the_sim_that_came_last_decides_and_at_one_moment_the_first() {
        let bosch = || stay((1, 99), &[((1, 99), BOSCH)]);
        let visitor = stay((3, 5), &[((3, 5), DYER)]);
        expect(
            vec![bosch(), visitor],
            &[((1, 3), BOSCH), ((3, 5), DYER), ((5, 99), BOSCH)],
        );
        let twin = stay((1, 99), &[((1, 99), DYER)]);
        expect(vec![bosch(), twin], &[((1, 99), BOSCH)]);
    }

    #[test]
    fn a_successor_follows_without_a_gap() {
        let (first, second) = (
            stay((1, 4), &[((1, 4), BOSCH)]),
            stay((4, 99), &[((4, 99), BOSCH)]),
        );
        expect(vec![first, second], &[((1, 99), BOSCH)]);
    }
}

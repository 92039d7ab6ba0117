//! Where a SIM was: with which customer and in which device, from when to when.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::{Assignment, by_sims, store};
use crate::{
    Permission, ReadCx, Result, device,
    group::Key,
    id::{CustomerId, DeviceId, SimId},
    scope::Segments,
    sim::SimFilter,
};

/// A span in which neither the customer nor the device of a SIM changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// To whom the SIM belonged; none: to nobody.
    pub customer: Option<CustomerId>,
    /// In what it was.
    pub device: Key<DeviceId>,
    /// Since when; none: always.
    pub from: Option<DateTime<Utc>>,
    /// Until when, this moment excluded; none: still.
    pub to: Option<DateTime<Utc>>,
}

/// A SIM in a device.
struct Stay {
    device: Key<DeviceId>,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
}

/// Where SIMs were that the caller has already been shown, oldest first. Callers who see a part of the fleet get the time in which
/// they belonged to customers that they see; devices that they don't see now are hidden. Where devices are closed, nothing is told by
/// them.
///
/// # Errors
/// `FORBIDDEN` when SIMs or customers are closed to the caller.
pub async fn placements(cx: &ReadCx, sims: &[SimId]) -> Result<HashMap<SimId, Vec<Placement>>> {
    let mut assignments = by_sims(cx, sims).await?;
    let mut stays = stays(cx, sims).await?;
    let sees_all = matches!(cx.scope().segments(), Segments::All);
    let placed = sims.iter().map(|sim| {
        let assignments = assignments.remove(sim).unwrap_or_default();
        let stays = stays.remove(sim).unwrap_or_default();
        (*sim, placed(&assignments, &stays, sees_all))
    });
    Ok(placed.collect())
}

/// How many spans [`placements`] tells of all SIMs that meet a filter.
///
/// # Errors
/// `FORBIDDEN` when SIMs or customers are closed to the caller.
pub async fn count_placements(cx: &ReadCx, filter: &SimFilter) -> Result<u64> {
    let sees_all = matches!(cx.scope().segments(), Segments::All);
    let with_devices = cx.scope().may(Permission::DevicesRead);
    store::count(cx, filter, with_devices, sees_all).await
}

/// In which devices SIMs were, as far as the caller may know.
async fn stays(cx: &ReadCx, sims: &[SimId]) -> Result<HashMap<SimId, Vec<Stay>>> {
    let mut by_sim: HashMap<SimId, Vec<Stay>> = HashMap::new();
    if !cx.scope().may(Permission::DevicesRead) {
        return Ok(by_sim);
    }
    let found = store::stays(cx, sims).await?;
    let devices: HashSet<DeviceId> = (found.iter())
        .map(|stay| DeviceId::new(stay.device))
        .collect();
    let seen = match cx.scope().segments() {
        Segments::All => devices,
        Segments::Part(_) => {
            let devices: Vec<DeviceId> = devices.into_iter().collect();
            device::by_ids(cx, &devices).await?.into_keys().collect()
        }
    };
    for stay in found {
        let device = DeviceId::new(stay.device);
        let device = if seen.contains(&device) {
            Key::Value(device)
        } else {
            Key::Hidden
        };
        by_sim.entry(SimId::new(stay.sim)).or_default().push(Stay {
            device,
            from: stay.from,
            to: stay.to,
        });
    }
    Ok(by_sim)
}

/// The spans of a SIM. Those that belong to nobody are told to who sees everything.
fn placed(assignments: &[Assignment], stays: &[Stay], sees_all: bool) -> Vec<Placement> {
    const ALWAYS: DateTime<Utc> = DateTime::<Utc>::MIN_UTC;
    const STILL: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;
    let begin = |from: Option<DateTime<Utc>>| from.unwrap_or(ALWAYS);
    let end = |to: Option<DateTime<Utc>>| to.unwrap_or(STILL);
    let of_assignments = assignments.iter().map(|it| [begin(it.from), end(it.to)]);
    let of_stays = stays.iter().map(|it| [begin(it.from), end(it.to)]);
    let mut bounds: Vec<_> = of_assignments.chain(of_stays).flatten().collect();
    bounds.sort_unstable();
    bounds.dedup();
    let spans = bounds.iter().zip(bounds.iter().skip(1));
    let placement = |(from, to): (&DateTime<Utc>, &DateTime<Utc>)| {
        let holds = |since, until| begin(since) <= *from && *from < end(until);
        let assignment = assignments.iter().find(|it| holds(it.from, it.to));
        let stay = stays.iter().find(|it| holds(it.from, it.to));
        let is_told = assignment.is_some() || (sees_all && stay.is_some());
        is_told.then(|| Placement {
            customer: assignment.map(|it| it.customer),
            device: stay.map_or(Key::Unassigned, |it| it.device.clone()),
            from: Some(*from).filter(|from| *from != ALWAYS),
            to: Some(*to).filter(|to| *to != STILL),
        })
    };
    spans.filter_map(placement).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn day(day: i64) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(day * 86_400, 0)
    }

    fn customer(n: u128) -> CustomerId {
        CustomerId::new(Uuid::from_u128(n))
    }

    fn device(n: u128) -> Key<DeviceId> {
        Key::Value(DeviceId::new(Uuid::from_u128(n)))
    }

    #[test]
    fn a_span_ends_where_the_customer_or_the_device_changes() {
        let assignment = |n, from, to| Assignment {
            customer: customer(n),
            from,
            to,
        };
        let assignments = [
            assignment(1, None, day(10)),
            assignment(2, day(10), day(20)),
        ];
        let stay = |device, from, to| Stay { device, from, to };
        let stays = [
            stay(device(3), day(5), day(10)),
            stay(Key::Hidden, day(15), None),
        ];
        let placement = |customer, device, from, to| Placement {
            customer,
            device,
            from,
            to,
        };
        let (one, two) = (Some(customer(1)), Some(customer(2)));
        let mut expected = vec![
            placement(one, Key::Unassigned, None, day(5)),
            placement(one, device(3), day(5), day(10)),
            placement(two, Key::Unassigned, day(10), day(15)),
            placement(two, Key::Hidden, day(15), day(20)),
            placement(None, Key::Hidden, day(20), None),
        ];
        assert_eq!(placed(&assignments, &stays, true), expected);
        // Whoever sees a part learns nothing of the time with others, nor that there was any.
        expected.pop();
        assert_eq!(placed(&assignments, &stays, false), expected);
        assert_eq!(placed(&[], &stays, false), []);
        assert_eq!(placed(&[], &[], true), []);
    }
}

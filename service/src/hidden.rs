//! What usage says of the past that its caller may not see now: a SIM, device or customer that was the caller's concern at the time
//! of use and is not any more. In the keys of rows all of them are one, which the cubes are told ([`analytics::usage::Need::Visible`]).

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use analytics::usage::{Condition, CubeQuery, Dimension, Filter, Key, Selection, UsageRecord};
use domain::{
    Permission, ReadCx, Result, customer, device,
    id::{CustomerId, DeviceId, SimId},
    scope::Segments,
    sim,
};
use uuid::Uuid;

/// The customers that a caller sees now.
pub(crate) fn visible_customers(segments: &Segments) -> Vec<CustomerId> {
    let Segments::Part(segment) = segments else {
        return Vec::new();
    };
    let named = segment.within.iter().chain(&segment.customers);
    let visible = named.copied().filter(|id| segments.show(*id));
    visible.collect()
}

/// Hides what records name and the caller may not see now, or not at all. The records stay, without what tells one from another.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub(crate) async fn hide_records(cx: &ReadCx, records: &mut [UsageRecord]) -> Result<()> {
    let areas = [
        (Dimension::Sim, Permission::SimsRead),
        (Dimension::Device, Permission::DevicesRead),
        (Dimension::Customer, Permission::UsageRead),
    ];
    for (dimension, needs) in areas {
        let keys = records.iter_mut().map(|record| match dimension {
            Dimension::Sim => &mut record.sim,
            Dimension::Device => &mut record.device,
            _ => &mut record.customer,
        });
        if !cx.scope().may(needs) {
            keys.for_each(|key| *key = Key::Hidden);
        } else if !matches!(cx.scope().segments(), Segments::All) {
            hide_keys(cx, dimension, keys.collect()).await?;
        }
    }
    // Sources make ids of records from those of SIMs.
    for record in records {
        if record.sim == Key::Hidden {
            record.record_id = None;
        }
    }
    Ok(())
}

/// Hides those keys of a dimension that the caller may not see now.
async fn hide_keys(cx: &ReadCx, dimension: Dimension, keys: Vec<&mut Key>) -> Result<()> {
    let named: HashSet<Uuid> = keys
        .iter()
        .filter_map(|key| match key {
            Key::Id(id) => Some(*id),
            _ => None,
        })
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let seen = seen(cx, dimension, named).await?;
    for key in keys {
        if matches!(key, Key::Id(_)) && !seen.contains(key) {
            *key = Key::Hidden;
        }
    }
    Ok(())
}

/// The question without ids of objects that the caller may not see now: what is hidden cannot be found out by asking for it.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub(crate) async fn narrow<'a>(cx: &ReadCx, query: &'a CubeQuery) -> Result<Cow<'a, CubeQuery>> {
    let narrowed = narrow_filter(cx, query.filter.as_ref()).await?;
    Ok(narrowed.map_or(Cow::Borrowed(query), |filter| {
        Cow::Owned(CubeQuery {
            filter: Some(filter),
            ..query.clone()
        })
    }))
}

/// The same of a selection.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub(crate) async fn narrow_selection<'a>(
    cx: &ReadCx,
    selection: &'a Selection,
) -> Result<Cow<'a, Selection>> {
    let narrowed = narrow_filter(cx, selection.filter.as_ref()).await?;
    Ok(narrowed.map_or(Cow::Borrowed(selection), |filter| {
        Cow::Owned(Selection {
            filter: Some(filter),
            ..selection.clone()
        })
    }))
}

/// The filter without such ids; none where there is nothing to take away.
async fn narrow_filter(cx: &ReadCx, filter: Option<&Filter>) -> Result<Option<Filter>> {
    let Some(filter) = filter else {
        return Ok(None);
    };
    let mut named: HashMap<Dimension, HashSet<Uuid>> = HashMap::new();
    for condition in filter.conditions() {
        if let Condition::In { dimension, values } = condition {
            let ids = values.iter().filter_map(|value| match value {
                Key::Id(id) => Some(*id),
                _ => None,
            });
            named.entry(*dimension).or_default().extend(ids);
        }
    }
    // What is closed is refused with the question, which says where it is named.
    let open = cx.scope().visibility();
    named.retain(|dimension, ids| {
        !ids.is_empty() && dimension.entry().area.is_none_or(|area| open.of(area))
    });
    if named.is_empty() || matches!(cx.scope().segments(), Segments::All) {
        return Ok(None);
    }
    let mut visible = HashSet::new();
    for (dimension, ids) in named {
        visible.extend(seen(cx, dimension, ids).await?);
    }
    let narrowed = filter.replace(&|condition| {
        let mut condition = condition.clone();
        if let Condition::In { values, .. } = &mut condition {
            values.retain(|value| !matches!(value, Key::Id(_)) || visible.contains(value));
        }
        Ok(condition.into())
    })?;
    Ok(Some(narrowed))
}

/// Those of `ids` that the caller may see now.
async fn seen(cx: &ReadCx, dimension: Dimension, ids: HashSet<Uuid>) -> Result<HashSet<Key>> {
    let ids = ids.into_iter();
    Ok(match dimension {
        Dimension::Sim => {
            let ids: Vec<_> = ids.map(SimId::new).collect();
            let seen = sim::by_ids(cx, &ids).await?;
            seen.into_keys().map(Key::from).collect()
        }
        Dimension::Device => {
            let ids: Vec<_> = ids.map(DeviceId::new).collect();
            let seen = device::by_ids(cx, &ids).await?;
            seen.into_keys().map(Key::from).collect()
        }
        // All other ids are of customers.
        _ => {
            let ids: Vec<_> = ids.map(CustomerId::new).collect();
            let seen = customer::by_ids(cx, &ids).await?;
            seen.into_keys().map(Key::from).collect()
        }
    })
}

//! What usage says of the past that its caller may not see now: a SIM, device or customer that was the caller's concern at the time
//! of use and is not any more.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
};

use analytics::usage::{Condition, CubeQuery, Dimension, Group, Key, UsageRow};
use domain::{
    ReadCx, Result, customer, device,
    id::{CustomerId, DeviceId, SimId},
    scope::Segments,
    sim,
};
use uuid::Uuid;

/// Hides the keys of rows whose objects the caller may not see now. The rows stay: their usage is the caller's to see.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub(crate) async fn hide<'a>(
    cx: &ReadCx,
    query: &CubeQuery,
    rows: impl IntoIterator<Item = &'a mut UsageRow>,
) -> Result<()> {
    if matches!(cx.scope().segments(), Segments::All) {
        return Ok(());
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    for (place, group) in query.group_by.iter().enumerate() {
        let Group::Dimension(dimension) = group else {
            continue;
        };
        let named: HashSet<Uuid> = rows
            .iter()
            .filter_map(|row| match row.keys[place] {
                Some(Key::Id(id)) => Some(id),
                _ => None,
            })
            .collect();
        if named.is_empty() {
            continue;
        }
        let seen = seen(cx, *dimension, named).await?;
        for row in &mut rows {
            if let Some(key @ Key::Id(_)) = &mut row.keys[place]
                && !seen.contains(key)
            {
                *key = Key::Hidden;
            }
        }
    }
    Ok(())
}

/// The question without ids of objects that the caller may not see now: what is hidden cannot be found out by asking for it.
///
/// # Errors
/// `UNAVAILABLE` when Postgres does not answer.
pub(crate) async fn narrow<'a>(cx: &ReadCx, query: &'a CubeQuery) -> Result<Cow<'a, CubeQuery>> {
    let Some(filter) = &query.filter else {
        return Ok(Cow::Borrowed(query));
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
    named.retain(|_, ids| !ids.is_empty());
    if named.is_empty() || matches!(cx.scope().segments(), Segments::All) {
        return Ok(Cow::Borrowed(query));
    }
    let mut visible = HashSet::new();
    for (dimension, ids) in named {
        visible.extend(seen(cx, dimension, ids).await?);
    }
    let filter = filter.replace(&|condition| {
        let mut condition = condition.clone();
        if let Condition::In { values, .. } = &mut condition {
            values.retain(|value| !matches!(value, Key::Id(_)) || visible.contains(value));
        }
        Ok(condition.into())
    })?;
    Ok(Cow::Owned(CubeQuery {
        filter: Some(filter),
        ..query.clone()
    }))
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

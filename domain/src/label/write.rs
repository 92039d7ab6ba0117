//! How labels are defined, set and removed.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Label, LabelDefinition, LabelError, Labelled, get, store};
use crate::{
    Error, Permission, Result, WriteCx,
    change::Change,
    id::{Id, LabelId},
    text::is_trimmed,
};

/// Most options of one definition.
const MAX_OPTIONS: usize = 100;
/// Most labels set or removed in one call.
pub const MAX_LABELS: usize = 100;

/// Defines a label.
///
/// # Errors
/// `FORBIDDEN` without `INVENTORY_WRITE`; those of [`LabelError`].
pub async fn define(
    cx: WriteCx,
    key: String,
    options: Option<Vec<String>>,
) -> Result<LabelDefinition> {
    cx.scope().require(Permission::InventoryWrite)?;
    if let Some(id) = cx.earlier().await? {
        return get(&cx, LabelId::new(id)).await;
    }
    if !is_trimmed(&key, 60) || key.contains(['=', ';']) {
        return Err(LabelError::Key.into());
    }
    let definition = LabelDefinition {
        id: LabelId::new(Uuid::now_v7()),
        key,
        options: checked(options)?,
        created_at: cx.now(),
    };
    store::insert(&cx, &definition).await?;
    cx.commit(Change::LabelDefined {
        label: definition.id,
        key: definition.key.clone(),
    })
    .await?;
    Ok(definition)
}

/// Sets the options of a definition; none allows any text.
///
/// # Errors
/// `FORBIDDEN` without `INVENTORY_WRITE`, `NOT_FOUND`, `CONFLICT` when a value that would not be an option is in use.
pub async fn set_options(
    cx: WriteCx,
    id: LabelId,
    options: Option<Vec<String>>,
) -> Result<LabelDefinition> {
    cx.scope().require(Permission::InventoryWrite)?;
    if let Some(()) = cx.earlier().await? {
        return get(&cx, id).await;
    }
    store::lock(&cx, id).await?;
    let mut definition = get(&cx, id).await?;
    definition.options = checked(options)?;
    if let Some(options) = &definition.options {
        match store::carriers(&cx, id, Some(options)).await? {
            0 => {}
            carriers => return Err(LabelError::OptionInUse(carriers).into()),
        }
    }
    store::set_options(&cx, &definition).await?;
    cx.commit(Change::LabelOptionsSet { label: id }).await?;
    Ok(definition)
}

/// Deletes a definition that nothing carries.
///
/// # Errors
/// `FORBIDDEN` without `INVENTORY_WRITE`, `NOT_FOUND`, `CONFLICT` when SIMs or devices carry it.
pub async fn delete(cx: WriteCx, id: LabelId) -> Result<()> {
    cx.scope().require(Permission::InventoryWrite)?;
    if let Some(()) = cx.earlier().await? {
        return Ok(());
    }
    store::lock(&cx, id).await?;
    let definition = get(&cx, id).await?;
    match store::carriers(&cx, id, None).await? {
        0 => store::delete(&cx, id).await?,
        carriers => return Err(LabelError::InUse(carriers).into()),
    }
    let key = definition.key;
    cx.commit(Change::LabelDeleted { label: id, key }).await
}

/// Sets labels on a SIM or device that the caller sees, and removes those with the keys `remove`. What is not named stays.
///
/// # Errors
/// `FORBIDDEN` without `INVENTORY_WRITE`, `NOT_FOUND` for a key that is not defined, `INVALID_INPUT` for a value that is
/// not among the options, `LIMIT_EXCEEDED` above [`MAX_LABELS`].
pub(crate) async fn label<I: Id + ToString>(
    cx: WriteCx,
    labelled: Labelled,
    object: I,
    set: Vec<Label>,
    remove: Vec<String>,
) -> Result<Vec<Label>> {
    cx.scope().require(Permission::InventoryWrite)?;
    if let Some(()) = cx.earlier().await? {
        let labels = store::by_objects(&cx, labelled, &[object]).await?;
        return Ok(labels.into_values().next().unwrap_or_default());
    }
    let named = set.len() + remove.len();
    if named > MAX_LABELS {
        let text = format!("at most {MAX_LABELS} labels in one call");
        return Err(Error::limit(text, MAX_LABELS as u64, named as u64));
    }
    let keys: Vec<&str> = set
        .iter()
        .map(|label| label.key.as_str())
        .chain(remove.iter().map(String::as_str))
        .collect();
    let definitions: HashMap<String, LabelDefinition> = store::by_keys(&cx, &keys).await?;
    let defined = |key: &str| {
        let undefined = || LabelError::Undefined(key.to_owned());
        definitions.get(key).ok_or_else(undefined)
    };
    let mut values = Vec::with_capacity(set.len());
    for Label { key, value } in &set {
        let definition = defined(key)?;
        if !is_trimmed(value, 200) {
            return Err(LabelError::Value.into());
        }
        let allowed = definition.options.as_ref();
        if allowed.is_some_and(|options| !options.contains(value)) {
            let (key, value) = (key.clone(), value.clone());
            return Err(LabelError::NotAnOption { key, value }.into());
        }
        values.push((definition.id, value.as_str()));
    }
    let gone: Vec<LabelId> = remove
        .iter()
        .map(|key| defined(key).map(|definition| definition.id))
        .collect::<Result<_, _>>()?;
    store::put(&cx, labelled, object, &values).await?;
    store::remove(&cx, labelled, object, &gone).await?;
    let labels = store::by_objects(&cx, labelled, &[object]).await?;
    cx.commit(Change::Labelled {
        object: object.to_string(),
        set: set.into_iter().map(|label| label.key).collect(),
        removed: remove,
    })
    .await?;
    Ok(labels.into_values().next().unwrap_or_default())
}

fn checked(options: Option<Vec<String>>) -> Result<Option<Vec<String>>, LabelError> {
    if let Some(options) = &options {
        let distinct: std::collections::BTreeSet<&String> = options.iter().collect();
        let fits = (1..=MAX_OPTIONS).contains(&options.len())
            && distinct.len() == options.len()
            && options.iter().all(|option| is_trimmed(option, 200));
        if !fits {
            return Err(LabelError::Options);
        }
    }
    Ok(options)
}

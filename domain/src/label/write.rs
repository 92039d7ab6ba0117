//! How labels are defined, set and removed.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::{Label, LabelDefinition, LabelError, Labelled, store};
use crate::{
    Error, Permission, Result, WriteCx,
    change::Change,
    id::{Id, LabelId},
    list,
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
        return list::get(&cx, LabelId::new(id)).await;
    }
    let wrong_key = (!is_key(&key)).then_some(LabelError::Key);
    Error::none_of(wrong_key.into_iter().chain(wrong(options.as_ref())))?;
    let definition = LabelDefinition {
        id: LabelId::new(Uuid::now_v7()),
        key,
        options,
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

/// What changes of a definition; what is none stays.
#[derive(Clone, Debug, Default)]
pub struct LabelDefinitionPatch {
    /// The values that it allows; none within allows any text.
    pub options: Option<Option<Vec<String>>>,
}

/// Changes a definition. Its key never changes: files and queries name it.
///
/// # Errors
/// `FORBIDDEN` without `INVENTORY_WRITE`, `NOT_FOUND`, `CONFLICT` when a value that would not be an option is in use.
pub async fn update(
    cx: WriteCx,
    id: LabelId,
    patch: LabelDefinitionPatch,
) -> Result<LabelDefinition> {
    cx.scope().require(Permission::InventoryWrite)?;
    if let Some(()) = cx.earlier().await? {
        return list::get(&cx, id).await;
    }
    store::lock(&cx, id).await?;
    let mut definition: LabelDefinition = list::get(&cx, id).await?;
    if let Some(options) = patch.options {
        Error::none_of(wrong(options.as_ref()))?;
        definition.options = options;
    }
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
    let definition: LabelDefinition = list::get(&cx, id).await?;
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
pub(crate) async fn set<I: Id + ToString>(
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
    let keys = set.iter().map(|label| label.key.as_str());
    let keys: Vec<&str> = keys.chain(remove.iter().map(String::as_str)).collect();
    store::lock_object(&cx, labelled, object).await?;
    let definitions = store::held_by_keys(&cx, &keys).await?;
    let named = Named::new(&definitions, &keys);
    let mut errors = Vec::new();
    let mut values = Vec::with_capacity(set.len());
    for (place, label) in set.iter().enumerate() {
        match named.value(label) {
            Ok(id) => values.push((id, label.value.as_str())),
            Err(error) => errors.push(Error::from(error).at(&place.to_string()).at("set")),
        }
    }
    let mut gone = Vec::with_capacity(remove.len());
    for (place, key) in remove.iter().enumerate() {
        match named.definition(key) {
            Ok(definition) => gone.push(definition.id),
            Err(error) => errors.push(Error::from(error).at(&place.to_string()).at("remove")),
        }
    }
    Error::none_of(errors)?;
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

/// The labels that a change names.
struct Named<'a> {
    definitions: &'a HashMap<String, LabelDefinition>,
    /// How often each key is named.
    times: HashMap<&'a str, usize>,
}

impl<'a> Named<'a> {
    fn new(definitions: &'a HashMap<String, LabelDefinition>, keys: &[&'a str]) -> Self {
        let mut times = HashMap::new();
        for key in keys {
            *times.entry(*key).or_default() += 1;
        }
        Self { definitions, times }
    }

    fn definition(&self, key: &str) -> Result<&LabelDefinition, LabelError> {
        if self.times.get(key).is_some_and(|times| *times > 1) {
            return Err(LabelError::NamedTwice(key.to_owned()));
        }
        let undefined = || LabelError::Undefined(key.to_owned());
        self.definitions.get(key).ok_or_else(undefined)
    }

    /// The label that may have this value.
    fn value(&self, Label { key, value }: &Label) -> Result<LabelId, LabelError> {
        let definition = self.definition(key)?;
        if !is_trimmed(value, 200) {
            return Err(LabelError::Value);
        }
        let options = definition.options.as_ref();
        if options.is_some_and(|options| !options.contains(value)) {
            let (key, value) = (key.clone(), value.clone());
            return Err(LabelError::NotAnOption { key, value });
        }
        Ok(definition.id)
    }
}

fn is_key(text: &str) -> bool {
    is_trimmed(text, 60) && !text.contains(['=', ';'])
}

fn wrong(options: Option<&Vec<String>>) -> Option<LabelError> {
    let options = options?;
    let distinct: BTreeSet<&String> = options.iter().collect();
    let fits = (1..=MAX_OPTIONS).contains(&options.len())
        && distinct.len() == options.len()
        && options.iter().all(|option| is_trimmed(option, 200));
    (!fits).then_some(LabelError::Options)
}

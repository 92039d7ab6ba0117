//! How labels are read and written.

use std::{collections::HashMap, sync::Arc};

use sea_orm::ActiveValue::Set;
use uuid::Uuid;

use super::{
    Label, LabelDefinition, LabelDefinitionCondition, LabelDefinitionOrderField, LabelError,
    Labelled, entity::ActiveModel, filter,
};
use crate::{
    Error, Permission, ReadCx, Result, WriteCx,
    db::on_constraint,
    id::{Id, LabelId},
    list::{self, Listed, Question, SortColumn, lists},
    row::{Columns, Decode},
    scope::Segments,
    slice::Extent,
    sql::{Sql, Visible, push_segments, texts, uuids},
};

impl Decode for LabelDefinition {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            key: row.get()?,
            options: row.get()?,
            created_at: row.get()?,
        })
    }
}

lists!(LabelDefinition, by LabelDefinitionCondition, sorted by LabelDefinitionOrderField);

impl Listed for LabelDefinition {
    const WHAT: &'static str = "label definition";
    const ID: &'static str = "definition.label_id";

    /// Callers who see a part of the fleet get the definitions that occur on what they see.
    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::LabelsRead)?;
        let mut sql = Sql::new(
            "SELECT definition.label_id, definition.key, definition.options, definition.created_at \
             FROM label_definition AS definition WHERE definition.tenant_id = ",
        );
        sql.bind(cx.scope().tenant().uuid());
        if matches!(cx.scope().segments(), Segments::Part(_)) {
            sql.push(" AND (false");
            if cx.scope().may(Permission::SimsRead) {
                push_used(&mut sql, cx, Labelled::Sim);
            }
            if cx.scope().may(Permission::DevicesRead) {
                push_used(&mut sql, cx, Labelled::Device);
            }
            sql.push(")");
        }
        Ok(sql)
    }

    fn push_condition(sql: &mut Sql, condition: &LabelDefinitionCondition) {
        filter::push(sql, condition);
    }

    fn column(field: LabelDefinitionOrderField) -> SortColumn {
        filter::column(field)
    }

    fn sort_key(&self, field: LabelDefinitionOrderField) -> String {
        match field {
            LabelDefinitionOrderField::Key => self.key.clone(),
        }
    }

    fn uuid(&self) -> Uuid {
        self.id.uuid()
    }
}

fn push_used(sql: &mut Sql, cx: &ReadCx, labelled: Labelled) {
    let object = labelled.table();
    sql.push(&format!(
        " OR EXISTS (SELECT FROM {object}_label l \
         JOIN {object} o ON (o.tenant_id, o.{object}_id) = (l.tenant_id, l.{object}_id) \
         WHERE (l.tenant_id, l.label_id) = (definition.tenant_id, definition.label_id)"
    ));
    let rows = match labelled {
        Labelled::Sim => Visible::Sims,
        Labelled::Device => Visible::Devices,
    };
    push_segments(sql, cx.scope(), "o", rows);
    sql.push(")");
}

/// The labels of objects that the caller has already been shown, by key.
pub(super) async fn by_objects<I: Id>(
    cx: &ReadCx,
    labelled: Labelled,
    ids: &[I],
) -> Result<HashMap<I, Vec<Label>>> {
    require(cx, labelled)?;
    let object = labelled.table();
    let mut sql = Sql::new(&format!("{} WHERE l.tenant_id = ", carried(labelled)));
    sql.bind(cx.scope().tenant().uuid()).push(" AND ").push_any(
        &format!("l.{object}_id"),
        uuids(ids.iter().map(|id| id.uuid())),
    );
    read(cx, sql).await
}

/// The labels of the rows of a page, by key, to be asked for together with the page; `None` where it costs too much to find its rows
/// twice.
pub(crate) async fn by_page<T: Listed, I: Id>(
    cx: &ReadCx,
    labelled: Labelled,
    question: &Question<T::Condition, T::Field>,
) -> Result<Option<HashMap<I, Vec<Label>>>> {
    require(cx, labelled)?;
    let Some(mut page) = list::cheap::<T>(cx, question)? else {
        return Ok(None);
    };
    let object = labelled.table();
    let tenant = page.placeholder(cx.scope().tenant().uuid().into());
    let before = format!(
        "{} WHERE l.tenant_id = {tenant} AND l.{object}_id = ANY(ARRAY(SELECT page.{object}_id FROM (",
        carried(labelled)
    );
    read(cx, page.wrapped(&before, ") AS page))"))
        .await
        .map(Some)
}

/// The value of one label on each visible row that carries it; for callers who see a part of the fleet on each visible row.
pub(super) async fn of_key<T: Listed, I: Id>(
    cx: &ReadCx,
    labelled: Labelled,
    key: &str,
    extent: Extent,
) -> Result<Vec<(I, Option<String>)>> {
    let object = labelled.table();
    let join = match cx.scope().segments() {
        Segments::All => "JOIN",
        Segments::Part(_) => "LEFT JOIN",
    };
    let carried = format!(
        ") AS list (id) {join} ({object}_label l JOIN label_definition d \
         ON (d.tenant_id, d.label_id) = (l.tenant_id, l.label_id)) ON l.{object}_id = list.id AND l.tenant_id = "
    );
    let mut sql = T::scoped(cx)?.wrapped("SELECT list.id, l.value FROM (", &carried);
    sql.bind(cx.scope().tenant().uuid());
    sql.push(" AND d.key = ").bind(key);
    let rows = match labelled {
        Labelled::Sim => Visible::Sims,
        Labelled::Device => Visible::Devices,
    };
    extent.push(&mut sql, cx, rows, "list.id");
    let most = extent.most;
    let values: Option<Vec<(Uuid, Option<String>)>> = list::at_most(cx, sql, most).await?;
    let values = values.ok_or_else(|| {
        list::too_many::<T>("would have to be looked at for this label", most)
            .suggest("ask by a label that fewer carry")
    })?;
    let of = |(id, value)| (I::new(id), value);
    Ok(values.into_iter().map(of).collect())
}

fn require(cx: &ReadCx, labelled: Labelled) -> Result<()> {
    cx.scope().require(match labelled {
        Labelled::Sim => Permission::SimsRead,
        Labelled::Device => Permission::DevicesRead,
    })
}

fn carried(labelled: Labelled) -> String {
    let object = labelled.table();
    format!("SELECT l.{object}_id, l.label_id, l.value FROM {object}_label l")
}

async fn read<I: Id>(cx: &ReadCx, sql: Sql) -> Result<HashMap<I, Vec<Label>>> {
    let rows: Vec<(Uuid, LabelId, String)> = cx.select(sql).await?;
    let keys = keys(cx, rows.iter().map(|(_, label, _)| *label)).await?;
    let mut labels: HashMap<I, Vec<Label>> = HashMap::new();
    for (object, label, value) in rows {
        let key = keys.get(&label);
        let key = key.ok_or_else(|| Error::internal("a label that is not defined"))?;
        let key = key.to_string();
        labels
            .entry(I::new(object))
            .or_default()
            .push(Label { key, value });
    }
    for labels in labels.values_mut() {
        labels.sort_by(|a, b| a.key.cmp(&b.key));
    }
    Ok(labels)
}

/// The keys of labels that the caller has already been shown on something.
async fn keys(
    cx: &ReadCx,
    labels: impl Iterator<Item = LabelId>,
) -> Result<HashMap<LabelId, Arc<str>>> {
    let read = async |ids: &[LabelId]| {
        let mut sql = Sql::new("SELECT label_id, key FROM label_definition WHERE tenant_id = ");
        sql.bind(cx.scope().tenant().uuid())
            .push(" AND ")
            .push_any("label_id", uuids(ids.iter().map(|id| id.uuid())));
        let keys: Vec<(LabelId, String)> = cx.select(sql).await?;
        let keys = keys.into_iter();
        Ok(keys.map(|(id, key)| (id, Arc::from(key))).collect())
    };
    cx.kept().labels.get(cx, labels, read).await
}

/// The definitions with these keys, which nobody changes or deletes until the transaction ends: what is set is what they allow.
pub(super) async fn held_by_keys(
    cx: &WriteCx,
    keys: &[&str],
) -> Result<HashMap<String, LabelDefinition>> {
    let mut sql = LabelDefinition::scoped(cx)?;
    // Postgres has no text with a NUL, so nothing is defined by one.
    let keys = keys.iter().filter(|key| !key.contains('\0'));
    sql.push(" AND ").push_any("definition.key", texts(keys));
    sql.push(" ORDER BY definition.label_id FOR SHARE OF definition");
    let definitions: Vec<LabelDefinition> = cx.select(sql).await?;
    let by_key = definitions.into_iter().map(|it| (it.key.clone(), it));
    Ok(by_key.collect())
}

pub(super) async fn insert(cx: &WriteCx, definition: &LabelDefinition) -> Result<()> {
    let row = ActiveModel {
        tenant_id: Set(cx.scope().tenant().uuid()),
        label_id: Set(definition.id.uuid()),
        key: Set(definition.key.clone()),
        options: Set(definition.options.clone()),
        created_at: Set(definition.created_at),
    };
    let taken = |error| {
        on_constraint(
            error,
            &[("label_definition_key_key", || LabelError::KeyTaken.into())],
        )
    };
    cx.insert(row).await.map_err(taken)
}

/// Changes of one object's labels come one after the other.
pub(super) async fn lock_object<I: Id>(cx: &WriteCx, labelled: Labelled, object: I) -> Result<()> {
    let table = labelled.table();
    let column = format!("{table}_id");
    cx.lock("NO KEY UPDATE", (table, &column), object).await
}

/// Lets nobody set the label until the transaction ends: a value refers to its definition.
pub(super) async fn lock(cx: &WriteCx, id: LabelId) -> Result<()> {
    cx.lock("UPDATE", ("label_definition", "label_id"), id)
        .await
}

pub(super) async fn set_options(cx: &WriteCx, definition: &LabelDefinition) -> Result<()> {
    let row = ActiveModel {
        tenant_id: Set(cx.scope().tenant().uuid()),
        label_id: Set(definition.id.uuid()),
        options: Set(definition.options.clone()),
        ..ActiveModel::default()
    };
    cx.update(row).await
}

pub(super) async fn delete(cx: &WriteCx, id: LabelId) -> Result<()> {
    cx.execute(
        "DELETE FROM label_definition WHERE tenant_id = $1 AND label_id = $2",
        [cx.scope().tenant().uuid().into(), id.uuid().into()],
    )
    .await?;
    Ok(())
}

/// How many SIMs and devices carry a label, with a value that is not one of `but` if that is given.
pub(super) async fn carriers(cx: &ReadCx, id: LabelId, but: Option<&Vec<String>>) -> Result<u64> {
    let mut sql = Sql::new("SELECT count(*) FROM (");
    for (place, object) in ["sim", "device"].into_iter().enumerate() {
        let union = if place == 0 { "" } else { " UNION ALL " };
        sql.push(&format!(
            "{union}SELECT FROM {object}_label WHERE tenant_id = "
        ));
        sql.bind(cx.scope().tenant().uuid());
        sql.push(" AND label_id = ").bind(id.uuid());
        if let Some(but) = but {
            sql.push(" AND value <> ALL(").bind(texts(but)).push(")");
        }
    }
    sql.push(") AS carried");
    let (count,): (i64,) = cx.select_one(sql).await?.unwrap_or_default();
    u64::try_from(count).map_err(Error::internal)
}

pub(super) async fn put<I: Id>(
    cx: &WriteCx,
    labelled: Labelled,
    object: I,
    values: &[(LabelId, &str)],
) -> Result<()> {
    let table = labelled.table();
    cx.execute(
        &format!(
            "INSERT INTO {table}_label (tenant_id, {table}_id, label_id, value) \
             SELECT $1, $2, new.label_id, new.value FROM unnest($3::uuid[], $4::text[]) AS new (label_id, value) \
             ON CONFLICT ON CONSTRAINT {table}_label_pkey DO UPDATE SET value = excluded.value"
        ),
        [
            cx.scope().tenant().uuid().into(),
            object.uuid().into(),
            uuids(values.iter().map(|(label, _)| label.uuid())),
            texts(values.iter().map(|(_, value)| *value)),
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn remove<I: Id>(
    cx: &WriteCx,
    labelled: Labelled,
    object: I,
    labels: &[LabelId],
) -> Result<()> {
    let table = labelled.table();
    cx.execute(
        &format!(
            "DELETE FROM {table}_label WHERE tenant_id = $1 AND {table}_id = $2 AND label_id = ANY($3)"
        ),
        [
            cx.scope().tenant().uuid().into(),
            object.uuid().into(),
            uuids(labels.iter().map(|label| label.uuid())),
        ],
    )
    .await?;
    Ok(())
}

//! How labels are read.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    Label, LabelDefinition, LabelDefinitionCondition, LabelDefinitionOrderField, Labelled, filter,
};
use crate::{
    Permission, ReadCx, Result,
    id::Id,
    list::{Listed, SortColumn, lists},
    row::{Columns, Decode},
    scope::Segments,
    sql::{Sql, Visible, push_segments, uuids},
};

impl Decode for LabelDefinition {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.id()?,
            key: row.get()?,
            options: row.get()?,
            created_at: row.moment()?,
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

struct Carried {
    object: Uuid,
    label: Label,
}

impl Decode for Carried {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            object: row.get()?,
            label: Label {
                key: row.get()?,
                value: row.get()?,
            },
        })
    }
}

/// The labels of objects that the caller has already been shown, by key.
pub(super) async fn by_objects<I: Id>(
    cx: &ReadCx,
    labelled: Labelled,
    ids: &[I],
) -> Result<HashMap<I, Vec<Label>>> {
    cx.scope().require(match labelled {
        Labelled::Sim => Permission::SimsRead,
        Labelled::Device => Permission::DevicesRead,
    })?;
    let object = labelled.table();
    let mut sql = Sql::new(&format!(
        "SELECT l.{object}_id, d.key, l.value FROM {object}_label l \
         JOIN label_definition d ON (d.tenant_id, d.label_id) = (l.tenant_id, l.label_id) WHERE l.tenant_id = "
    ));
    sql.bind(cx.scope().tenant().uuid()).push(" AND ").push_any(
        &format!("l.{object}_id"),
        uuids(ids.iter().map(|id| id.uuid())),
    );
    sql.push(&format!(" ORDER BY l.{object}_id, d.key"));
    let rows: Vec<Carried> = cx.select(sql).await?;
    let mut labels: HashMap<I, Vec<Label>> = HashMap::new();
    for Carried { object, label } in rows {
        labels.entry(I::new(object)).or_default().push(label);
    }
    Ok(labels)
}

//! How the log is read.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    Period, Permission, ReadCx, Result,
    list::{Listed, SortColumn, lists, sort_moment},
    row::{Columns, Decode},
    sql::Sql,
};

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its own id.
    pub id: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Whose token, or which part of the program.
    pub actor: String,
    /// In which role.
    pub role: String,
    /// What was done, `noun.verb`.
    pub action: String,
    /// To what: a printed id, mostly.
    pub subject: String,
    /// Particulars, as the text of JSON.
    pub detail: String,
}

/// One condition on a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventCondition {
    /// Written within.
    At(Period),
}

/// What lines of the log can be sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EventOrderField {
    /// When.
    #[default]
    At,
}

impl Decode for Event {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            at: row.get()?,
            actor: row.get()?,
            role: row.get()?,
            action: row.get()?,
            subject: row.get()?,
            detail: row.get()?,
        })
    }
}

lists!(Event, by EventCondition, sorted by EventOrderField);

impl Listed for Event {
    const WHAT: &'static str = "audit event";
    const ID: &'static str = "audit.audit_id";

    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::AuditRead)?;
        let mut sql = Sql::new(
            "SELECT audit.audit_id, audit.at, audit.actor, audit.role, audit.action, audit.subject, audit.detail::text \
             FROM audit WHERE audit.tenant_id = ",
        );
        sql.bind(cx.scope().tenant().uuid());
        Ok(sql)
    }

    fn push_condition(sql: &mut Sql, condition: &EventCondition) {
        match condition {
            EventCondition::At(period) => sql.push_within("audit.at", *period),
        }
    }

    fn column(field: EventOrderField) -> SortColumn {
        match field {
            EventOrderField::At => SortColumn::moment("audit.at"),
        }
    }

    fn sort_key(&self, field: EventOrderField) -> String {
        match field {
            EventOrderField::At => sort_moment(self.at),
        }
    }

    fn uuid(&self) -> Uuid {
        self.id
    }
}

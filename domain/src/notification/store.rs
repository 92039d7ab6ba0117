//! How notifications are read.

use uuid::Uuid;

use super::{Notification, NotificationCondition, NotificationOrderField, filter};
use crate::{
    ReadCx, Result,
    list::{Listed, SortColumn, lists, sort_moment},
    row::{Columns, Decode},
    sql::Sql,
};

impl Decode for Notification {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            kind: row.word()?,
            object: row.get()?,
            name: row.get()?,
            code: row.word_or_none()?,
            created_at: row.get()?,
            read_at: row.get()?,
        })
    }
}

lists!(Notification, by NotificationCondition, sorted by NotificationOrderField);

impl Listed for Notification {
    const WHAT: &'static str = "notification";
    const ID: &'static str = "notification.notification_id";

    /// One's own, which needs no permission.
    fn scoped(cx: &ReadCx) -> Result<Sql> {
        let mut sql = Sql::new(
            "SELECT notification.notification_id, notification.kind, notification.object_id, notification.name, notification.code, \
             notification.created_at, notification.read_at FROM notification WHERE notification.tenant_id = ",
        );
        sql.bind(cx.scope().tenant().uuid());
        sql.push(" AND notification.subject = ")
            .bind(cx.scope().actor());
        Ok(sql)
    }

    fn push_condition(sql: &mut Sql, condition: &NotificationCondition) {
        filter::push(sql, condition);
    }

    fn column(field: NotificationOrderField) -> SortColumn {
        filter::column(field)
    }

    fn sort_key(&self, field: NotificationOrderField) -> String {
        match field {
            NotificationOrderField::CreatedAt => sort_moment(self.created_at),
        }
    }

    fn uuid(&self) -> Uuid {
        self.id.uuid()
    }
}

//! How jobs are read.

use tokio_postgres::types::Json;
use uuid::Uuid;

use super::{Failure, Job, JobCondition, JobOrderField, Progress, filter};
use crate::{
    Permission, ReadCx, Result, Scope,
    list::{Listed, SortColumn, lists, sort_moment},
    row::{Columns, Decode},
    sql::Sql,
};

impl Decode for Job {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            kind: row.word()?,
            name: row.get()?,
            request: row.get()?,
            requested_by: row.get()?,
            asker: row.get::<Json<_>>()?.0,
            schedule: row.get()?,
            state: row.word()?,
            attempts: u32::try_from(row.get::<i32>()?).map_err(crate::Error::internal)?,
            progress: Progress {
                rows: row.count()?,
                expected: expected(row)?,
            },
            result: row.get()?,
            place: row.get()?,
            bytes: row.count()?,
            expires_at: row.get()?,
            failure: match (row.word_or_none()?, row.get()?) {
                (Some(code), Some(message)) => Some(Failure { code, message }),
                _ => None,
            },
            created_at: row.get()?,
            started_at: row.get()?,
            heartbeat_at: row.get()?,
            ended_at: row.get()?,
        })
    }
}

fn expected(row: &mut Columns<'_>) -> Result<Option<u64>> {
    let rows = row.get::<Option<i64>>()?.map(u64::try_from).transpose();
    rows.map_err(crate::Error::internal)
}

lists!(Job, by JobCondition, sorted by JobOrderField);

impl Listed for Job {
    const WHAT: &'static str = "job";
    const ID: &'static str = "job.job_id";

    /// One's own, and everybody's of the tenant to those who look after them.
    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::ExportsWrite)?;
        let mut sql = Sql::new(
            "SELECT job.job_id, job.kind, job.name, job.request, job.requested_by, job.asker, job.schedule_id, job.state, job.attempts, \
             job.rows_done, job.rows_expected, job.result, job.place, job.bytes, job.expires_at, job.code, job.message, job.created_at, \
             job.started_at, job.heartbeat_at, job.ended_at FROM job WHERE job.tenant_id = ",
        );
        sql.bind(cx.scope().tenant().uuid());
        if !cx.scope().may(Permission::ExportsManage) {
            sql.push(" AND job.requested_by = ")
                .bind(cx.scope().actor());
        }
        Ok(sql)
    }

    fn push_condition(sql: &mut Sql, condition: &JobCondition) {
        filter::push(sql, condition);
    }

    fn column(field: JobOrderField) -> SortColumn {
        filter::column(field)
    }

    fn sort_key(&self, field: JobOrderField) -> String {
        match field {
            JobOrderField::CreatedAt => sort_moment(self.created_at),
        }
    }

    fn uuid(&self) -> Uuid {
        self.id.uuid()
    }

    /// What it made tells sums over all that its asker might see then.
    fn seen_by(self, scope: &Scope) -> Self {
        let result = self.result.filter(|_| scope.still_has(&self.asker.rights));
        Self { result, ..self }
    }
}

//! How grants are read and written.

use sea_orm::ActiveValue::Set;

use super::{Grant, GrantError, GrantTarget, entity::ActiveModel};
use crate::{
    Error, ReadCx, Result, WriteCx,
    db::on_constraint,
    id::GrantId,
    row::{Columns, Decode},
};

impl Decode for Grant {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            id: row.get()?,
            subject: row.get()?,
            target: match (row.get()?, row.get()?, row.get()?) {
                (Some(id), None, None) => GrantTarget::Customer(id),
                (None, Some(id), None) => GrantTarget::Sim(id),
                (None, None, Some(id)) => GrantTarget::Device(id),
                _ => return Err(Error::internal("a grant without exactly one target")),
            },
            created_at: row.get()?,
        })
    }
}

const SELECT: &str =
    "SELECT grant_id, subject, customer_id, sim_id, device_id, created_at FROM segment_grant";

pub(super) async fn by_id(cx: &ReadCx, id: GrantId) -> Result<Option<Grant>> {
    let sql = format!("{SELECT} WHERE tenant_id = $1 AND grant_id = $2");
    let values = [cx.scope().tenant().uuid().into(), id.uuid().into()];
    cx.one(&sql, values).await
}

pub(super) async fn by_subject(cx: &ReadCx, subject: &str) -> Result<Vec<Grant>> {
    let sql = format!("{SELECT} WHERE tenant_id = $1 AND subject = $2 ORDER BY grant_id");
    let values = [cx.scope().tenant().uuid().into(), subject.to_owned().into()];
    cx.all(&sql, values).await
}

/// A grant that the subject has stays as it is.
pub(super) async fn insert(cx: &WriteCx, subject: &str, target: GrantTarget) -> Result<()> {
    let mut row = ActiveModel {
        tenant_id: Set(cx.scope().tenant().uuid()),
        subject: Set(subject.to_owned()),
        created_at: Set(cx.now()),
        ..ActiveModel::default()
    };
    match target {
        GrantTarget::Customer(id) => row.customer_id = Set(Some(id.uuid())),
        GrantTarget::Sim(id) => row.sim_id = Set(Some(id.uuid())),
        GrantTarget::Device(id) => row.device_id = Set(Some(id.uuid())),
    }
    cx.insert_if_new(row).await.map_err(unknown)
}

fn unknown(error: impl Into<Error>) -> Error {
    on_constraint(
        error,
        &[
            ("segment_grant_customer_fkey", || {
                GrantError::NoSuchCustomer.into()
            }),
            ("segment_grant_sim_fkey", || GrantError::NoSuchSim.into()),
            ("segment_grant_device_fkey", || {
                GrantError::NoSuchDevice.into()
            }),
        ],
    )
}

/// Says whether there was one.
pub(super) async fn delete(cx: &WriteCx, id: GrantId) -> Result<bool> {
    let gone = cx
        .execute(
            "DELETE FROM segment_grant WHERE tenant_id = $1 AND grant_id = $2",
            [cx.scope().tenant().uuid().into(), id.uuid().into()],
        )
        .await?;
    Ok(gone > 0)
}

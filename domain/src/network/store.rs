//! How networks are read.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Network, NetworkCondition, NetworkOrderField, filter};
use crate::{
    Permission, ReadCx, Result,
    list::{Listed, SortColumn, lists},
    row::{Columns, Decode},
    sql::{Sql, texts},
};

impl Decode for Network {
    fn decode(row: &mut Columns<'_>) -> Result<Self> {
        Ok(Self {
            plmn: row.get()?,
            name: row.get()?,
            operator: row.get()?,
            country_code: row.get()?,
            country: row.get()?,
            source: row.get()?,
            source_version: row.get()?,
        })
    }
}

lists!(Network, by NetworkCondition, sorted by NetworkOrderField);

impl Listed for Network {
    const WHAT: &'static str = "network";
    /// The code is unique: a constant fills the place of the id that breaks ties elsewhere.
    const ID: &'static str = "'00000000-0000-0000-0000-000000000000'::uuid";

    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::NetworksRead)?;
        Ok(Sql::new(
            "SELECT network.plmn, network.name, network.operator, network.country_code, network.country, \
             network.source, network.source_version FROM network WHERE true",
        ))
    }

    fn push_condition(sql: &mut Sql, condition: &NetworkCondition) {
        filter::push(sql, condition);
    }

    fn column(field: NetworkOrderField) -> SortColumn {
        filter::column(field)
    }

    fn sort_key(&self, field: NetworkOrderField) -> String {
        match field {
            NetworkOrderField::Code => self.plmn.clone(),
        }
    }

    fn uuid(&self) -> Uuid {
        Uuid::nil()
    }
}

pub(super) async fn by_plmns(cx: &ReadCx, plmns: &[String]) -> Result<HashMap<String, Network>> {
    let mut sql = Network::scoped(cx)?;
    let read = async |plmns: &[String]| {
        sql.push(" AND ").push_any("network.plmn", texts(plmns));
        let networks: Vec<Network> = cx.select(sql).await?;
        let by_plmn = networks.into_iter().map(|it| (it.plmn.clone(), it));
        Ok(by_plmn.collect())
    };
    cx.kept()
        .networks
        .get(cx, plmns.iter().cloned(), read)
        .await
}

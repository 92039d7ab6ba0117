//! How networks are read.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Network, NetworkCondition, NetworkOrderField, filter};
use crate::{
    Permission, ReadCx, Result, SystemCx,
    identifier::Plmn,
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

const NETWORKS: &str = "SELECT network.plmn, network.name, network.operator, network.country_code, network.country, \
     network.source, network.source_version FROM network";

lists!(Network, by NetworkCondition, sorted by NetworkOrderField);

impl Listed for Network {
    const WHAT: &'static str = "network";
    /// The code is unique: a constant fills the place of the id that breaks ties elsewhere.
    const ID: &'static str = "'00000000-0000-0000-0000-000000000000'::uuid";

    fn scoped(cx: &ReadCx) -> Result<Sql> {
        cx.scope().require(Permission::NetworksRead)?;
        Ok(Sql::new(&format!("{NETWORKS} WHERE true")))
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

pub(super) async fn all(cx: &SystemCx) -> Result<Vec<Network>> {
    cx.all(&format!("{NETWORKS} ORDER BY network.plmn"), [])
        .await
}

/// A network that nobody else sets meanwhile.
pub(super) async fn locked(cx: &SystemCx, plmn: &Plmn) -> Result<Option<Network>> {
    let sql = format!("{NETWORKS} WHERE network.plmn = $1 FOR UPDATE");
    cx.one(&sql, [plmn.as_str().into()]).await
}

/// Code and name of a country that a network is in.
pub(super) async fn country(cx: &SystemCx, code: &str) -> Result<Option<(String, String)>> {
    let sql = "SELECT country_code, country FROM network \
               WHERE country_code = $1 AND country IS NOT NULL ORDER BY plmn LIMIT 1";
    cx.one(sql, [code.into()]).await
}

/// Code and name of the country of all networks with an MCC, if it is one.
pub(super) async fn country_of_mcc(cx: &SystemCx, plmn: &Plmn) -> Result<Option<(String, String)>> {
    let sql = "SELECT min(country_code), min(country) FROM network WHERE mcc = $1 \
               HAVING count(DISTINCT country_code) = 1 AND min(country) IS NOT NULL";
    cx.one(sql, [plmn.mcc().into()]).await
}

pub(super) async fn set(cx: &SystemCx, plmn: &Plmn, network: &Network) -> Result<()> {
    cx.execute(
        "INSERT INTO network (mcc, mnc, name, operator, country_code, country, source, source_version) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT ON CONSTRAINT network_pkey DO UPDATE SET \
             name = excluded.name, operator = excluded.operator, country_code = excluded.country_code, \
             country = excluded.country, source = excluded.source, source_version = excluded.source_version",
        [
            plmn.mcc().into(),
            plmn.mnc().into(),
            network.name.as_str().into(),
            network.operator.clone().into(),
            network.country_code.clone().into(),
            network.country.clone().into(),
            network.source.as_str().into(),
            network.source_version.as_str().into(),
        ],
    )
    .await?;
    Ok(())
}

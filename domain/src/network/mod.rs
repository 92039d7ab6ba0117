//! The network dictionary: names and countries of mobile networks (ITU-T E.212). Reference data without a tenant.

use std::collections::HashMap;

use strum::{AsRefStr, EnumMessage, VariantArray};
use uuid::Uuid;

use crate::{
    Error, Permission, ReadCx, Result,
    filter::Filter,
    identifier::Plmn,
    list::{Listed, SortColumn, lists},
    row::{Columns, Decode},
    sql::{Sql, contains, texts},
};

/// A mobile network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// `MCC-MNC`; the MNC is text and keeps its leading zeros.
    pub plmn: String,
    /// Name shown to people.
    pub name: String,
    /// Operating company.
    pub operator: Option<String>,
    /// ISO 3166-1 alpha-2; none for international networks (901-xx).
    pub country_code: Option<String>,
    /// Country's name.
    pub country: Option<String>,
    /// Where the record comes from.
    pub source: String,
    /// Version of that source.
    pub source_version: String,
}

/// Which networks.
pub type NetworkFilter = Filter<NetworkCondition>;

/// One condition on a network. An empty list is met by no network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NetworkCondition {
    /// Part of the name or operator, any case.
    Search(String),
    /// One of these.
    Codes(Vec<Plmn>),
    /// In one of these countries, ISO 3166-1 alpha-2.
    Countries(Vec<String>),
}

/// What networks can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, AsRefStr, EnumMessage, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum NetworkOrderField {
    /// MCC-MNC.
    #[default]
    Code,
}

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
        match condition {
            NetworkCondition::Search(text) => {
                contains(sql, &["network.name", "network.operator"], text);
            }
            NetworkCondition::Codes(codes) => {
                sql.push_any("network.plmn", texts(codes.iter().map(Plmn::as_str)));
            }
            NetworkCondition::Countries(codes) => {
                sql.push_any("network.country_code", texts(codes));
            }
        }
    }

    fn column(field: NetworkOrderField) -> SortColumn {
        match field {
            NetworkOrderField::Code => SortColumn::text("network.plmn"),
        }
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

/// The network with this code.
///
/// # Errors
/// `NOT_FOUND` when the dictionary has no such network.
pub async fn get(cx: &ReadCx, plmn: &Plmn) -> Result<Network> {
    let key = plmn.as_str().to_owned();
    let found = by_plmns(cx, std::slice::from_ref(&key)).await?.remove(&key);
    found.ok_or_else(|| Error::not_found("network"))
}

/// The known ones among `plmns`.
pub async fn by_plmns(cx: &ReadCx, plmns: &[String]) -> Result<HashMap<String, Network>> {
    let mut sql = Network::scoped(cx)?;
    sql.push(" AND ").push_any("network.plmn", texts(plmns));
    let networks: Vec<Network> = cx.select(sql).await?;
    Ok(networks
        .into_iter()
        .map(|network| (network.plmn.clone(), network))
        .collect())
}

//! The network dictionary: names and countries of mobile networks (ITU-T E.212). Reference data without a tenant.

use std::collections::HashMap;

use sea_orm::FromQueryResult;
use uuid::Uuid;

use crate::{
    Cx, Error, Permission, Result,
    identifier::Plmn,
    paging::{Direction, Keyset, Page, PageRequest},
    sim::{count_of, escape_like},
    sql::{Sql, texts},
};

/// A mobile network.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct NetworkFilter {
    /// Part of the name or operator, any case.
    pub search: Option<String>,
    /// Any of these countries, ISO 3166-1 alpha-2.
    pub countries: Option<Vec<String>>,
}

fn scoped(cx: &Cx) -> Result<Sql> {
    cx.scope().require(Permission::NetworksRead)?;
    Ok(Sql::new(
        "SELECT network.plmn, network.name, network.operator, network.country_code, network.country, \
         network.source, network.source_version FROM network WHERE true",
    ))
}

fn push_filter(sql: &mut Sql, filter: &NetworkFilter) {
    if let Some(search) = &filter.search {
        let pattern = format!("%{}%", escape_like(search));
        sql.push(" AND (network.name ILIKE ").bind(pattern.clone());
        sql.push(" OR network.operator ILIKE ")
            .bind(pattern)
            .push(")");
    }
    if let Some(countries) = &filter.countries {
        sql.push(" AND network.country_code = ANY(")
            .bind(texts(countries.iter()))
            .push(")");
    }
}

/// One page, by MCC-MNC.
pub async fn list(cx: &Cx, filter: &NetworkFilter, page: &PageRequest) -> Result<Page<Network>> {
    let mut sql = scoped(cx)?;
    push_filter(&mut sql, filter);
    // The PLMN is unique: the constant only fills the place of the id that breaks ties elsewhere.
    let keyset = Keyset::new(
        "network.plmn",
        "text",
        "'00000000-0000-0000-0000-000000000000'::uuid",
        Direction::Asc,
        filter,
    );
    keyset.push(&mut sql, page)?;
    let networks: Vec<Network> = cx.select(sql).await?;
    Ok(keyset.page(networks, page, |network: &Network| {
        (network.plmn.clone(), Uuid::nil())
    }))
}

/// How many match.
pub async fn count(cx: &Cx, filter: &NetworkFilter) -> Result<u64> {
    let mut sql = scoped(cx)?;
    push_filter(&mut sql, filter);
    count_of(cx, sql).await
}

/// # Errors
/// `NOT_FOUND` when the dictionary has no such network.
pub async fn get(cx: &Cx, plmn: &Plmn) -> Result<Network> {
    let key = plmn.as_str().to_owned();
    let found = by_plmns(cx, std::slice::from_ref(&key)).await?.remove(&key);
    found.ok_or_else(|| Error::not_found("network"))
}

/// The known ones among `plmns`.
pub async fn by_plmns(cx: &Cx, plmns: &[String]) -> Result<HashMap<String, Network>> {
    let mut sql = scoped(cx)?;
    sql.push(" AND network.plmn = ANY(")
        .bind(texts(plmns.iter()))
        .push(")");
    let networks: Vec<Network> = cx.select(sql).await?;
    Ok(networks
        .into_iter()
        .map(|network| (network.plmn.clone(), network))
        .collect())
}

//! Reference networks: which country a visited network belongs to.
//!
//! They are joined to the cubes when a question names a country. A ClickHouse dictionary would be the usual means,
//! but its source logs in as a user of its own, which fails on every server whose `default` user has a password or
//! is gone; a join with 2,000 rows costs about a millisecond and asks for nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use clickhouse::Row;
use domain::{Result, identifier::Plmn};
use serde::{Deserialize, Serialize};

use crate::{Store, checksum::checksum, store::fault};

/// A network as reference data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// MCC and MNC.
    pub plmn: Plmn,
    /// What it calls itself.
    pub name: String,
    /// Who runs it; empty when unknown.
    pub operator: String,
    /// ISO 3166-1 alpha-2; empty for international networks (901-xx).
    pub country_code: String,
    /// The country's English name; empty likewise.
    pub country: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Row, Serialize, Deserialize)]
struct NetworkRow {
    plmn: String,
    name: String,
    operator: String,
    country_code: String,
    country: String,
}

impl From<&Network> for NetworkRow {
    fn from(network: &Network) -> Self {
        Self {
            plmn: network.plmn.as_str().to_owned(),
            name: network.name.clone(),
            operator: network.operator.clone(),
            country_code: network.country_code.clone(),
            country: network.country.clone(),
        }
    }
}

impl Store {
    /// Adds networks and replaces those that changed; returns how many that were. Loading the same again is a
    /// no-op, and nothing is ever removed: usage may point at it.
    pub async fn load_networks(&self, networks: &[Network]) -> Result<usize> {
        let known: Vec<NetworkRow> = self
            .query("SELECT plmn, name, operator, country_code, country FROM network FINAL ORDER BY plmn")
            .fetch_all()
            .await
            .map_err(fault)?;
        let mut changed: Vec<NetworkRow> = networks.iter().map(NetworkRow::from).collect();
        let token = token(&known, &changed);
        let known: BTreeMap<_, _> = known.iter().map(|row| (&row.plmn, row)).collect();
        changed.retain(|row| known.get(&row.plmn) != Some(&row));
        if !changed.is_empty() {
            self.insert_networks(&changed, token).await?;
        }
        Ok(changed.len())
    }

    /// Adds or replaces one network, as of a moment: at another one it is done again, whatever came in between.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the engine does not answer.
    pub async fn set_network(&self, network: &Network, at: DateTime<Utc>) -> Result<()> {
        let row = NetworkRow::from(network);
        let token = format!(
            "{} {}",
            token(&[], std::slice::from_ref(&row)),
            at.timestamp_micros()
        );
        self.insert_networks(&[row], token).await
    }

    async fn insert_networks(&self, networks: &[NetworkRow], token: String) -> Result<()> {
        let client = self
            .client()
            .clone()
            .with_setting("insert_deduplication_token", token);
        let mut insert = client
            .insert::<NetworkRow>("network")
            .await
            .map_err(fault)?;
        for row in networks {
            insert.write(row).await.map_err(fault)?;
        }
        insert.end().await.map_err(fault)
    }
}

/// The same for two servers that load the same list into the same state, and different for any other load.
fn token(known: &[NetworkRow], networks: &[NetworkRow]) -> String {
    let texts = known.iter().chain(networks).flat_map(|row| {
        [
            &row.plmn,
            &row.name,
            &row.operator,
            &row.country_code,
            &row.country,
        ]
        .map(String::as_str)
    });
    checksum(&texts.collect::<Vec<_>>().join("\0"))
}

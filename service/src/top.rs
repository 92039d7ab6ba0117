//! The networks with the most traffic, and what each is of the whole.

use analytics::usage::{
    CubeQuery, Dimension, Group, Key, Measure, Order, OrderBy, Provenance, UsageLimits, UsageRow,
};
use domain::{Error, Period, Result, share};

use crate::Session;

/// Most networks of one answer.
const MOST: u32 = 100;

/// Traffic, and what it is of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The network, MCC-MNC; empty where the records named none, and of all others together.
    pub network: String,
    /// Bytes of both directions.
    pub bytes: i128,
    /// Hundredths of a percent; all that are shown and all others make a hundred percent exactly. None when there is no traffic.
    pub hundredths: Option<u32>,
}

/// The networks with the most traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopNetworks {
    /// The period that was meant.
    pub period: Period,
    /// The largest first; ties by their code.
    pub networks: Vec<Share>,
    /// All others together, if there are any.
    pub others: Option<Share>,
    /// Bytes of all networks.
    pub total: i128,
    /// Where it comes from.
    pub provenance: Provenance,
}

impl Session {
    /// The `n` networks with the most traffic, of what `query` asks about.
    ///
    /// # Errors
    /// `LIMIT_EXCEEDED` for more than a hundred, and those of [`Session::usage`].
    pub async fn top_networks(&self, query: CubeQuery, n: u32) -> Result<TopNetworks> {
        if n > MOST {
            let text = format!("{n} networks, and {MOST} is the limit");
            return Err(Error::limit(text, MOST.into(), n.into()).at("n"));
        }
        let query = CubeQuery {
            measures: vec![Measure::BytesTotal],
            group_by: vec![Group::Dimension(Dimension::Network)],
            order_by: vec![Order {
                by: OrderBy::Measure(Measure::BytesTotal),
                descending: true,
            }],
            limit: Some(n),
            others: true,
            ..query
        };
        let answer = self.answer(&query, UsageLimits::CARRIED).await?;
        let bytes = |row: &UsageRow| row.values.get(Measure::BytesTotal).unwrap_or_default();
        let amounts: Vec<u128> = answer
            .rows
            .iter()
            .map(|row| u128::try_from(bytes(row)).unwrap_or_default())
            .collect();
        let shares = share::shares(&amounts);
        let share = |(place, row): (usize, &UsageRow)| Share {
            network: match row.keys.first() {
                Some(Some(Key::Text(code))) => code.clone(),
                _ => String::new(),
            },
            bytes: bytes(row),
            hundredths: shares
                .as_ref()
                .and_then(|shares| u32::try_from(shares[place]).ok()),
        };
        let rows = || answer.rows.iter().enumerate();
        Ok(TopNetworks {
            networks: rows().filter(|(_, row)| !row.others).map(share).collect(),
            others: rows().find(|(_, row)| row.others).map(share),
            period: answer.period,
            total: answer.totals.get(Measure::BytesTotal).unwrap_or_default(),
            provenance: answer.provenance,
        })
    }
}

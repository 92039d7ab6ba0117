//! The network dictionary in both stores. Postgres has it; the cubes follow.

use analytics::Store;
use chrono::{DateTime, Utc};
use domain::{
    Db, Permission, Result,
    identifier::Plmn,
    journal,
    network::{self, Network, SetNetwork},
};
use futures::{FutureExt as _, future::try_join};

use crate::Session;

/// Gives the cubes the dictionary as it is, and says how many networks were other ones there.
///
/// # Errors
/// `UNAVAILABLE` when an engine does not answer.
pub async fn load_networks(db: &Db, store: &Store) -> Result<usize> {
    let cx = db.system().await?;
    let networks = network::all(&cx).await?;
    drop(cx);
    let networks: Result<Vec<_>> = networks.iter().map(for_cubes).collect();
    store.load_networks(&networks?).await
}

/// Says what a network is called, in both stores. What is answered meanwhile is not kept: the cubes have it before versions are raised.
///
/// # Errors
/// Those of [`network::set`]; `UNAVAILABLE` when an engine does not answer, and it is to be said again then.
pub async fn set_network(
    db: &Db,
    store: &Store,
    plmn: &Plmn,
    set: SetNetwork,
    now: DateTime<Utc>,
) -> Result<Network> {
    let cx = db.system().await?;
    let network = network::set(&cx, plmn, set).await?;
    store.set_network(&for_cubes(&network)?, now).await?;
    cx.commit().await?;
    Ok(network)
}

fn for_cubes(network: &Network) -> Result<analytics::network::Network> {
    Ok(analytics::network::Network {
        plmn: Plmn::parse(&network.plmn)?,
        name: network.name.clone(),
        operator: network.operator.clone().unwrap_or_default(),
        country_code: network.country_code.clone().unwrap_or_default(),
        country: network.country.clone().unwrap_or_default(),
    })
}

impl Session {
    /// Networks that the caller's usage was in and the dictionary does not have, by code.
    ///
    /// # Errors
    /// `FORBIDDEN` when usage or the dictionary is closed to the caller, `THROTTLED` when too many questions of the tenant wait.
    pub async fn unknown_networks(&self) -> Result<Vec<String>> {
        self.scope().require(Permission::NetworksRead)?;
        let cx = self.read().await?;
        let _turn = self.turn().await?;
        let asked = self.store().unknown_networks(self.scope());
        let (codes, ()) = try_join(asked, journal::note_cubes(&cx)).boxed().await?;
        Ok(codes)
    }
}

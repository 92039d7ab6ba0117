//! Ids as the contract prints them, and what people know their objects by.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use analytics::usage::{Dimension, Key};
use domain::{
    Permission as P, Result,
    customer::{self, Customer},
    device::{self, Device},
    id::{CustomerId, DeviceId, SimId},
    network::{self, Network},
    sim::{self, Sim},
};
use service::Session;
use uuid::Uuid;

use crate::{Cell, Column, Kind};

/// What stands for what the caller may not see now.
const HIDDEN: &str = "HIDDEN";

/// The text of a key that is an id.
pub(super) fn id(dimension: Dimension, key: Option<&Key>) -> Option<String> {
    match key? {
        Key::Id(id) => Some(match dimension {
            Dimension::Sim => SimId::new(*id).to_string(),
            Dimension::Device => DeviceId::new(*id).to_string(),
            _ => CustomerId::new(*id).to_string(),
        }),
        Key::Hidden => Some(HIDDEN.to_owned()),
        _ => None,
    }
}

/// A key that is no id.
pub(super) fn cell(key: Option<&Key>) -> Cell<'_> {
    match key {
        Some(Key::Text(text)) if !text.is_empty() => Cell::Text(text),
        Some(Key::Moment(moment)) => Cell::Moment(*moment),
        Some(Key::Number(number)) => Cell::Count((*number).into()),
        Some(Key::Hidden) => Cell::Text(HIDDEN),
        _ => Cell::Empty,
    }
}

/// What the dictionary of networks says of the network that a row names.
pub(super) fn of_network() -> [Column; 2] {
    let text = |name: &'static str, says: &'static str| {
        Column::of(name, Kind::Text, P::NetworksRead, says).or_empty()
    };
    [
        text("network_name", "Name of that network."),
        text("country", "Country of that network, ISO 3166-1 alpha-2."),
    ]
}

/// What people know the objects of some rows by, as far as the caller may see them.
#[derive(Default)]
pub(super) struct Names {
    customers: HashMap<CustomerId, Arc<Customer>>,
    sims: HashMap<SimId, Sim>,
    devices: HashMap<DeviceId, Device>,
    networks: HashMap<String, Network>,
}

impl Names {
    /// Looks up what the keys of a dimension name.
    pub(super) async fn add<'a>(
        &mut self,
        session: &Session,
        dimension: Dimension,
        keys: impl IntoIterator<Item = &'a Key>,
    ) -> Result<()> {
        let says = |key: &&Key| matches!(key, Key::Id(_) | Key::Text(_));
        let keys: Vec<&Key> = keys.into_iter().filter(says).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let cx = session.read().await?;
        let may = |needs| session.scope().may(needs);
        match dimension {
            Dimension::Network if may(P::NetworksRead) => {
                let plmns = texts(keys);
                self.networks.extend(network::by_plmns(&cx, &plmns).await?);
            }
            Dimension::Sim if may(P::SimsRead) => {
                let ids = ids(keys, SimId::new);
                self.sims.extend(sim::by_ids(&cx, &ids).await?);
            }
            Dimension::Device if may(P::DevicesRead) => {
                let ids = ids(keys, DeviceId::new);
                self.devices.extend(device::by_ids(&cx, &ids).await?);
            }
            Dimension::Customer | Dimension::SimCustomerNow if may(P::CustomersRead) => {
                let ids = ids(keys, CustomerId::new);
                self.customers.extend(customer::by_ids(&cx, &ids).await?);
            }
            _ => {}
        }
        Ok(())
    }

    /// What people know it by.
    pub(super) fn of(&self, dimension: Dimension, key: Option<&Key>) -> Option<&str> {
        let Some(Key::Id(id)) = key else {
            return None;
        };
        match dimension {
            Dimension::Sim => (self.sims.get(&SimId::new(*id))).map(|sim| sim.iccid.as_str()),
            Dimension::Device => {
                (self.devices.get(&DeviceId::new(*id))).map(|device| device.name.as_str())
            }
            _ => (self.customers.get(&CustomerId::new(*id))).map(|one| one.name.as_str()),
        }
    }

    /// The cells of [`of_network`].
    pub(super) fn network_cells(&self, key: Option<&Key>) -> [Cell<'_>; 2] {
        let network = match key {
            Some(Key::Text(plmn)) => self.networks.get(plmn),
            _ => None,
        };
        [
            network.map(|network| network.name.as_str()).into(),
            network
                .and_then(|network| network.country_code.as_deref())
                .into(),
        ]
    }
}

/// The ids among some keys, each once.
fn ids<'a, I>(keys: impl IntoIterator<Item = &'a Key>, new: fn(Uuid) -> I) -> Vec<I> {
    let ids = keys.into_iter().filter_map(|key| match key {
        Key::Id(id) => Some(*id),
        _ => None,
    });
    let ids: BTreeSet<Uuid> = ids.collect();
    ids.into_iter().map(new).collect()
}

/// The texts among some keys, each once; an empty one names nothing.
fn texts<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Vec<String> {
    let texts = keys.into_iter().filter_map(|key| match key {
        Key::Text(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    });
    let texts: BTreeSet<String> = texts.collect();
    texts.into_iter().collect()
}

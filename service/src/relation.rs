//! The relations of a page's rows, each fetched by one statement for the whole page and only if wanted.
//!
//! A relation that is closed to the caller is not fetched: whoever asks for it meets the refusal where it belongs, at the
//! row's field.

use std::collections::{BTreeSet, HashMap};

use domain::{
    Permission, ReadCx, Result,
    customer::{self, Customer},
    device::{self, Device},
    id::{CustomerId, DeviceId, SimId},
    label::{self, Label},
    sim::{self, Sim},
};

use futures::try_join;

use crate::Session;

/// Which relations of SIMs are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct SimWants {
    /// The customer that each is assigned to now.
    pub customer: bool,
    /// The device that each sits in now.
    pub device: bool,
    /// The labels of each.
    pub labels: bool,
}

/// Relations of SIMs; none of those that were not fetched.
#[derive(Clone, Debug, Default)]
pub struct SimRelations {
    /// Customers by their ids.
    pub customers: Option<HashMap<CustomerId, Customer>>,
    /// Devices by their SIMs.
    pub devices: Option<HashMap<SimId, Device>>,
    /// Labels by their SIMs.
    pub labels: Option<HashMap<SimId, Vec<Label>>>,
}

impl SimRelations {
    /// Fetches what is wanted of `sims`.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn load<'a>(
        session: &Session,
        sims: impl Iterator<Item = &'a Sim> + Clone,
        wants: SimWants,
    ) -> Result<Self> {
        let cx = session.read().await?;
        let ids: Vec<SimId> = sims.clone().map(|sim| sim.id).collect();
        let devices = wants.device && session.scope().may(Permission::DevicesRead);
        let named = sims.filter_map(|sim| sim.customer);
        let (customers, devices, labels) = try_join!(
            wanted(wants.customer, customers(&cx, named)),
            wanted(devices, device::by_sims(&cx, &ids)),
            wanted(wants.labels, label::by_sims(&cx, &ids)),
        )?;
        Ok(Self {
            customers,
            devices,
            labels,
        })
    }
}

/// Which relations of devices are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeviceWants {
    /// The customer that each belongs to now.
    pub customer: bool,
    /// The SIMs that sit in each now.
    pub sims: bool,
    /// The labels of each.
    pub labels: bool,
}

/// Relations of devices; none of those that were not fetched.
#[derive(Clone, Debug, Default)]
pub struct DeviceRelations {
    /// Customers by their ids.
    pub customers: Option<HashMap<CustomerId, Customer>>,
    /// SIMs by their devices.
    pub sims: Option<HashMap<DeviceId, Vec<Sim>>>,
    /// Labels by their devices.
    pub labels: Option<HashMap<DeviceId, Vec<Label>>>,
}

impl DeviceRelations {
    /// Fetches what is wanted of `devices`.
    ///
    /// # Errors
    /// `UNAVAILABLE` when Postgres does not answer.
    pub async fn load<'a>(
        session: &Session,
        devices: impl Iterator<Item = &'a Device> + Clone,
        wants: DeviceWants,
    ) -> Result<Self> {
        let cx = session.read().await?;
        let ids: Vec<DeviceId> = devices.clone().map(|device| device.id).collect();
        let sims = wants.sims && session.scope().may(Permission::SimsRead);
        let named = devices.filter_map(|device| device.customer);
        let (customers, sims, labels) = try_join!(
            wanted(wants.customer, customers(&cx, named)),
            wanted(sims, sim::by_devices(&cx, &ids)),
            wanted(wants.labels, label::by_devices(&cx, &ids)),
        )?;
        Ok(Self {
            customers,
            sims,
            labels,
        })
    }
}

/// What is wanted is fetched, together with what else is.
async fn wanted<T>(wanted: bool, fetch: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    if wanted {
        fetch.await.map(Some)
    } else {
        Ok(None)
    }
}

async fn customers(
    cx: &ReadCx,
    ids: impl Iterator<Item = CustomerId>,
) -> Result<HashMap<CustomerId, Customer>> {
    let ids: BTreeSet<CustomerId> = ids.collect();
    customer::by_ids(cx, &ids.into_iter().collect::<Vec<_>>()).await
}

//! `Node`.

use async_graphql::{ID, Interface};

use crate::types::{
    customer::Customer, device::Device, network::Network, sim::Sim, tenant::Tenant,
};

/// An object with a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Global id; its prefix names the kind."))]
pub(crate) enum Node {
    /// A customer.
    Customer(Customer),
    /// A device.
    Device(Device),
    /// A network.
    Network(Network),
    /// A SIM.
    Sim(Sim),
    /// The caller's tenant.
    Tenant(Tenant),
}

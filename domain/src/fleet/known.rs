//! What is stored of the fleet, as far as rows of a file are about it.

use std::collections::HashMap;

use uuid::Uuid;

use super::timeline::{Span, Timeline};
use crate::sim::SimState;

/// The part of the stored fleet that a chunk touches.
#[derive(Default)]
pub(super) struct Known {
    /// ICCIDs under every text by which a row's SIM may be known; whether it is this tenant's.
    pub(super) iccids: HashMap<String, bool>,
    pub(super) sims: HashMap<String, KnownSim>,
    pub(super) customers: Vec<KnownCustomer>,
    pub(super) devices: HashMap<String, Uuid>,
    /// Labels of stored devices.
    pub(super) device_labels: HashMap<Uuid, HashMap<String, String>>,
    pub(super) labels: HashMap<String, KnownLabel>,
    pub(super) imsi_owners: HashMap<String, Uuid>,
    pub(super) msisdn_owners: HashMap<String, Uuid>,
}

/// A stored SIM.
pub(super) struct KnownSim {
    pub(super) id: Uuid,
    pub(super) imsi: Option<String>,
    pub(super) msisdn: Option<String>,
    pub(super) state: SimState,
    pub(super) labels: HashMap<String, String>,
    pub(super) customer: Timeline<Target>,
    pub(super) device: Timeline<Target>,
}

/// A stored customer.
pub(super) struct KnownCustomer {
    pub(super) id: Uuid,
    pub(super) slug: String,
    pub(super) name: String,
    pub(super) archived: bool,
}

/// A stored label definition.
pub(super) struct KnownLabel {
    pub(super) id: Uuid,
    pub(super) options: Option<Vec<String>>,
}

/// A customer or device: stored, or one that the plan creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Known(Uuid),
    New(usize),
}

/// While a SIM sits in a device, and while it belongs to a customer then.
pub(super) struct Stay {
    /// While it sits there.
    pub(super) inside: Span<()>,
    /// While it belongs to a customer as well. A SIM that had several there comes once for each.
    pub(super) owned: Option<Span<Uuid>>,
}

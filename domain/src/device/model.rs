//! What a device is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, Display, EnumMessage, EnumString, VariantArray};

use crate::id::{CustomerId, DeviceId};

/// States of a device: its life, not its connectivity, and independent of the state of any SIM inside.
#[derive(AsRefStr, Display, EnumMessage, EnumString, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DeviceState {
    /// Known, not in service yet.
    Registered,
    /// In service.
    Active,
    /// Out of service for a while.
    Disabled,
    /// End of life; no way back.
    Retired,
}

/// A way in which a device can communicate.
#[derive(AsRefStr, Display, EnumMessage, EnumString, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Connectivity {
    /// Through a SIM.
    Cellular,
    /// Through a wireless LAN.
    Wifi,
    /// Through a long-range (LoRa) gateway.
    Lora,
}

/// A device record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Identifier.
    pub id: DeviceId,
    /// Name, unique in the tenant.
    pub name: String,
    /// What it is, for example `tracker`; free text.
    pub kind: Option<String>,
    /// Lifecycle state.
    pub state: DeviceState,
    /// How it can communicate.
    pub connectivity: Vec<Connectivity>,
    /// The customer it belongs to now, which goes with the SIMs in it ([`crate::fleet`]).
    pub customer: Option<CustomerId>,
    /// Made by the simulator.
    pub simulated: bool,
    /// When the record was made.
    pub created_at: DateTime<Utc>,
    /// When the record last changed.
    pub updated_at: DateTime<Utc>,
}

//! What a SIM is.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, Display, EnumMessage, EnumString, VariantArray};

use crate::{
    id::{CustomerId, SimId},
    identifier::Iccid,
};

/// The four states of a SIM. Everything operational is a label.
#[derive(AsRefStr, Display, EnumMessage, EnumString, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimState {
    /// Provisioned, not active.
    Inactive,
    /// Enabled for connectivity.
    Active,
    /// Temporarily disabled.
    Suspended,
    /// End of life; no way back.
    Terminated,
}

/// What names a SIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimBy {
    /// Its id.
    Id(SimId),
    /// Its ICCID, with or without the check digit.
    Iccid(Iccid),
}

/// A SIM record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sim {
    /// Identifier.
    pub id: SimId,
    /// Serial number as given (ITU-T E.118).
    pub iccid: String,
    /// Subscriber identity (ITU-T E.212).
    pub imsi: Option<String>,
    /// Phone number (ITU-T E.164), without plus sign.
    pub msisdn: Option<String>,
    /// State.
    pub state: SimState,
    /// The customer it is assigned to now.
    pub customer: Option<CustomerId>,
    /// Made by the simulator.
    pub simulated: bool,
    /// When the record was made.
    pub created_at: DateTime<Utc>,
    /// When the record last changed.
    pub updated_at: DateTime<Utc>,
}

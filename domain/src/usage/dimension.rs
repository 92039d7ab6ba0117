//! What usage can be grouped and filtered by.

use strum::VariantArray as _;

use super::{Source, vocabulary};
use crate::Area;

/// All sources tell it.
const ALL: &[Source] = Source::VARIANTS;
/// Only usage records tell it.
const RECORDS: &[Source] = &[Source::Cdr];

/// How the values of a dimension are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// By the cells, in this column: what was true at the time of use.
    Cells(&'static str),
    /// From the network that the cells name.
    Network,
    /// From what their SIM is now.
    Sim,
}

/// What the values of a dimension are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ids of customers, SIMs or devices.
    Id,
    /// Text; empty where it is unknown.
    Text,
}

/// A dimension: how its values are known, and who may ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DimensionEntry {
    /// Where its values come from.
    pub known: Known,
    /// What they are.
    pub kind: Kind,
    /// The area that must be open to whoever asks, besides usage.
    pub area: Option<Area>,
    /// How many values a large fleet has, about; the most there can be where nothing bounds them. What an answer may hold is estimated
    /// by it.
    pub values: u64,
    /// The sources that tell it.
    pub sources: &'static [Source],
}

vocabulary! {
    /// What usage can be grouped by.
    Dimension of DimensionEntry {
        /// Visited network, by its MCC-MNC.
        Network = DimensionEntry { known: Known::Cells("network"), kind: Kind::Text, area: None, values: 500, sources: ALL };
        /// Country of the visited network, ISO 3166-1 alpha-2.
        Country = DimensionEntry { known: Known::Network, kind: Kind::Text, area: None, values: 250, sources: ALL };
        /// Customer that the SIM belonged to at the time of use; that of now with `attribution: CURRENT`.
        Customer = DimensionEntry { known: Known::Cells("customer"), kind: Kind::Id, area: None, values: u64::MAX, sources: ALL };
        /// The SIM.
        Sim = DimensionEntry { known: Known::Cells("sim"), kind: Kind::Id, area: Some(Area::Sims), values: u64::MAX, sources: ALL };
        /// Device that the SIM was in at the time of use; that of now with `attribution: CURRENT`.
        Device = DimensionEntry { known: Known::Cells("device"), kind: Kind::Id, area: Some(Area::Devices), values: u64::MAX, sources: ALL };
        /// Radio access type, as the records name it, such as LTE.
        RadioAccessType = DimensionEntry { known: Known::Cells("rat"), kind: Kind::Text, area: None, values: 20, sources: ALL };
        /// Data, SMS or voice.
        Service = DimensionEntry { known: Known::Cells("service"), kind: Kind::Text, area: None, values: 4, sources: RECORDS };
        /// The stream that delivered the records.
        Stream = DimensionEntry { known: Known::Cells("source"), kind: Kind::Text, area: None, values: 50, sources: RECORDS };
        /// State that the SIM is in now.
        SimState = DimensionEntry { known: Known::Sim, kind: Kind::Text, area: Some(Area::Sims), values: 10, sources: ALL };
        /// Customer that the SIM belongs to now, whatever the attribution.
        SimCustomerNow = DimensionEntry { known: Known::Sim, kind: Kind::Id, area: Some(Area::Sims), values: u64::MAX, sources: ALL };
    }
}

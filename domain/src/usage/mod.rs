//! Words of usage: what is asked for by questions to the cubes, and what records are of.
//!
//! The vocabulary of the cubes is data. A measure or a dimension is one entry of its list, with what it is made of and who may ask for
//! it; the contract's enums and fields, the planner's statements and `cubeCatalog` are derived from it.

mod dimension;
mod measure;
mod time;

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumMessage, EnumString, VariantArray};

pub use dimension::{Dimension, DimensionEntry, Kind, Known};
pub use measure::{Expression, Measure, MeasureEntry, State, Unit};
pub use time::{Alignment, Attribution, Comparison, Fill, Grain, Preset, TimePart};

/// Kind of service that was used.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    AsRefStr,
    EnumMessage,
    EnumString,
    VariantArray,
    Serialize,
    Deserialize,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Service {
    /// Packet data.
    Data,
    /// Short messages.
    Sms,
    /// Calls.
    Voice,
}

/// An enum of the vocabulary and what is known of each of its words.
macro_rules! vocabulary {
    ($(#[$doc:meta])+ $name:ident of $entry:ident { $($(#[$word_doc:meta])+ $word:ident = $what:expr;)+ }) => {
        $(#[$doc])+
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::AsRefStr, strum::EnumMessage, strum::VariantArray,
            serde::Serialize, serde::Deserialize,
        )]
        #[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum $name {
            $($(#[$word_doc])+ $word,)+
        }

        impl $name {
            /// What is known of it.
            pub const fn entry(self) -> &'static $entry {
                match self {
                    $(Self::$word => {
                        const ENTRY: $entry = $what;
                        &ENTRY
                    })+
                }
            }
        }
    };
}
use vocabulary;

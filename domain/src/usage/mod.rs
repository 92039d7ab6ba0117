//! Words of usage: what is asked for by questions to the cubes, and what records are of.
//!
//! The vocabulary of the cubes is data. A measure or a dimension is one entry of its list, with what it is made of and who may ask for
//! it; the contract's enums and fields, the planner's statements and `cubeCatalog` are derived from it.

mod dimension;
mod label;
mod measure;
mod time;

use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumMessage, EnumString, VariantArray};

pub use dimension::{Dimension, DimensionEntry, Kind, Known};
pub use label::{LabelGroup, LabelGroupEntry};
pub use measure::{Expression, Measure, MeasureEntry, State, Unit};
pub use time::{Alignment, Attribution, Comparison, Fill, Grain, Preset, Source, TimePart};

/// Kind of service that was used.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
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

#[cfg(test)]
#[expect(unreachable_pub, reason = "a vocabulary is made for others")]
mod tests {
    use strum::VariantArray as _;

    use super::*;
    use crate::Area;

    vocabulary! {
        /// Quantities of a catalogue of its own.
        Trial of MeasureEntry {
            /// Messages and seconds for each SIM.
            UnitsPerSim = MeasureEntry {
                expression: Expression::Average { of: &[State::Units], per: State::Sims },
                unit: Unit::ServiceUnits,
                area: Some(Area::Sims),
            };
        }
    }

    vocabulary! {
        /// Dimensions of a catalogue of its own.
        TrialDimension of DimensionEntry {
            /// Access point, by its name.
            AccessPoint = DimensionEntry { known: Known::Cells("apn"), kind: Kind::Text, area: None, values: 50, sources: Source::VARIANTS };
            /// Device that the SIM is in now.
            SimDeviceNow = DimensionEntry { known: Known::Sim, kind: Kind::Id, area: Some(Area::Devices), values: u64::MAX, sources: &[Source::Session] };
        }
    }

    #[test]
    fn an_entry_is_all_that_a_dimension_takes() {
        let words = TrialDimension::VARIANTS.iter().map(|word| {
            let says = word.get_documentation().unwrap_or_default();
            let json = serde_json::to_value(word).expect("JSON");
            let read: TrialDimension = serde_json::from_value(json.clone()).expect("the word");
            assert_eq!((read, json), (*word, word.as_ref().into()));
            (word.as_ref(), says, word.entry())
        });
        let [access_point, device_now] = words.collect::<Vec<_>>()[..] else {
            panic!("two words")
        };
        let (name, says, entry) = access_point;
        assert_eq!(
            (name, says, entry.known, entry.kind, entry.area),
            (
                "ACCESS_POINT",
                "Access point, by its name.",
                Known::Cells("apn"),
                Kind::Text,
                None
            )
        );
        let (name, says, entry) = device_now;
        assert_eq!(
            (name, says, entry.known, entry.kind, entry.area),
            (
                "SIM_DEVICE_NOW",
                "Device that the SIM is in now.",
                Known::Sim,
                Kind::Id,
                Some(Area::Devices)
            )
        );
    }

    #[test]
    fn an_entry_is_all_that_a_measure_takes() {
        let [word] = Trial::VARIANTS else {
            panic!("one word")
        };
        assert_eq!(word.as_ref(), "UNITS_PER_SIM");
        let says = word.get_documentation();
        assert_eq!(says, Some("Messages and seconds for each SIM."));
        let json = serde_json::to_value(word).expect("JSON");
        assert_eq!(json, "UNITS_PER_SIM");
        let expression = word.entry().expression;
        assert_eq!((expression.is_additive(), expression.places()), (false, 2));
        let value = expression.of(|state| match state {
            State::Units => 7,
            State::Sims => 2,
            _ => unreachable!("not one of its states"),
        });
        assert_eq!(value, Some(350));
    }
}

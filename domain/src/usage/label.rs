//! Labels, by any key of which usage can be grouped.

use super::{Dimension, vocabulary};
use crate::Area;

/// Labels of one kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelGroupEntry {
    /// Whose labels they are.
    pub of: Dimension,
}

impl LabelGroupEntry {
    /// The area that must be open to whoever asks, besides usage.
    pub const fn area(&self) -> Option<Area> {
        self.of.entry().area
    }
}

vocabulary! {
    /// Labels that usage can be grouped by. They are always those of now.
    LabelGroup of LabelGroupEntry {
        /// Value that a label of the SIM has now.
        SimLabel = LabelGroupEntry { of: Dimension::Sim };
        /// Value that a label of the device has now. The device is that of the time of use; that of now with `attribution: CURRENT`.
        DeviceLabel = LabelGroupEntry { of: Dimension::Device };
    }
}

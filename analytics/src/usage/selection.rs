//! Which usage, for what has columns of its own.

use domain::{Result, calendar::Zone};
use serde::{Deserialize, Serialize};

use super::{CubeQuery, Dimension, Filter, Group, Measure, Span, query::fingerprint};

/// A part of usage: what is asked where groups and quantities are fixed. Like a [`CubeQuery`] it is kept as it was said.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Time of use.
    pub period: Span,
    /// In which days and months are meant.
    #[serde(default)]
    pub time_zone: Zone,
    /// Which usage.
    #[serde(default)]
    pub filter: Option<Filter>,
}

impl Selection {
    /// The question for these quantities of it, by the values of these dimensions.
    pub fn by(&self, dimensions: &[Dimension], measures: &[Measure]) -> CubeQuery {
        CubeQuery {
            time_zone: self.time_zone,
            group_by: dimensions.iter().copied().map(Group::Dimension).collect(),
            filter: self.filter.clone(),
            ..CubeQuery::of(measures, self.period)
        }
    }

    /// SHA-256 of it: the same for the same one, in every process and version that can ask it.
    ///
    /// # Errors
    /// `INTERNAL` when it can't be written as JSON.
    pub fn fingerprint(&self) -> Result<[u8; 32]> {
        fingerprint(self)
    }
}

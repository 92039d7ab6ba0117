//! Quantities of the cube.

use strum::VariantArray as _;

use super::{Source, vocabulary};
use crate::Area;

/// What the cells of a cube keep. Sums of cells are sums of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::VariantArray)]
pub enum State {
    /// Bytes sent by devices.
    BytesUp,
    /// Bytes received by devices.
    BytesDown,
    /// What is counted in other units than bytes.
    Units,
    /// Usage records, or rollups of sessions; less those that were taken back.
    Records,
    /// SIMs with records, each counted once. Sums of cells are not sums of these.
    Sims,
    /// Sessions that began.
    Sessions,
    /// Counters of sessions that began again.
    Resets,
}

impl State {
    /// The sources that count it.
    pub const fn sources(self) -> &'static [Source] {
        match self {
            Self::BytesUp | Self::BytesDown | Self::Records | Self::Sims => Source::VARIANTS,
            Self::Units => &[Source::Cdr],
            Self::Sessions | Self::Resets => &[Source::Session],
        }
    }

    /// The column in which cells keep it as a sum. SIMs are no sum: they are counted from what the cells are of.
    pub const fn column(self) -> Option<&'static str> {
        match self {
            Self::BytesUp => Some("bytes_up"),
            Self::BytesDown => Some("bytes_down"),
            Self::Units => Some("units"),
            Self::Records => Some("records"),
            Self::Sims => None,
            Self::Sessions => Some("sessions"),
            Self::Resets => Some("resets"),
        }
    }
}

/// How a quantity is made of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expression {
    /// The sum of these.
    Sum(&'static [State]),
    /// How many parts of one kind there are to each of another, rounded half up to [`Expression::PLACES`] decimal places. Of nothing
    /// there is no average.
    Average {
        /// The sum of these,
        of: &'static [State],
        /// divided by this.
        per: State,
    },
}

impl Expression {
    /// Decimal places of an average.
    pub const PLACES: u32 = 2;

    /// The states that it needs.
    pub fn states(&self) -> impl Iterator<Item = State> {
        let (sum, per) = match self {
            Self::Sum(sum) => (*sum, None),
            Self::Average { of, per } => (*of, Some(*per)),
        };
        sum.iter().copied().chain(per)
    }

    /// Decimal places of its values: they are integers of so many places.
    pub const fn places(&self) -> u32 {
        match self {
            Self::Sum(_) => 0,
            Self::Average { .. } => Self::PLACES,
        }
    }

    /// Its value, in units of its last decimal place; none where there is no average.
    pub fn of(&self, state: impl Fn(State) -> i128) -> Option<i128> {
        let sum = |states: &[State]| states.iter().map(|one| state(*one)).sum::<i128>();
        match self {
            Self::Sum(states) => Some(sum(states)),
            Self::Average { of, per } => {
                let (of, per) = (sum(of), state(*per));
                let scaled = of.checked_mul(2 * 10_i128.pow(Self::PLACES))?;
                (per > 0).then(|| (scaled + per).div_euclid(2 * per))
            }
        }
    }

    /// Whether the values of groups add up to that of the whole.
    pub fn is_additive(&self) -> bool {
        matches!(self, Self::Sum(states) if !states.contains(&State::Sims))
    }
}

/// Unit of a quantity.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    strum::AsRefStr,
    strum::EnumMessage,
    strum::VariantArray,
)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Usage records, or rollups of sessions.
    Records,
    /// SIMs.
    Sims,
    /// Messages for the service SMS, seconds for VOICE.
    ServiceUnits,
    /// Bytes per SIM.
    BytesPerSim,
    /// Bytes per record.
    BytesPerRecord,
    /// Sessions.
    Sessions,
    /// Counters that began again.
    Resets,
}

/// A quantity: what it is made of, and who may ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeasureEntry {
    /// How it is made of states.
    pub expression: Expression,
    /// What it counts.
    pub unit: Unit,
    /// The area that must be open to whoever asks, besides usage.
    pub area: Option<Area>,
}

vocabulary! {
    /// A quantity of the cube.
    Measure of MeasureEntry {
        /// Bytes sent by devices.
        BytesUp = MeasureEntry { expression: Expression::Sum(&[State::BytesUp]), unit: Unit::Bytes, area: None };
        /// Bytes received by devices.
        BytesDown = MeasureEntry { expression: Expression::Sum(&[State::BytesDown]), unit: Unit::Bytes, area: None };
        /// Bytes of both directions together.
        BytesTotal = MeasureEntry { expression: Expression::Sum(&[State::BytesUp, State::BytesDown]), unit: Unit::Bytes, area: None };
        /// Number of usage records, less those that were taken back; with `source: SESSION` of rollups.
        Records = MeasureEntry { expression: Expression::Sum(&[State::Records]), unit: Unit::Records, area: None };
        /// Messages for the service SMS, seconds for VOICE. Group or filter by service: across both, messages and seconds are added up.
        Units = MeasureEntry { expression: Expression::Sum(&[State::Units]), unit: Unit::ServiceUnits, area: None };
        /// Number of distinct SIMs with usage, counted exactly. It does not add up across groups, because a SIM may be active in several.
        ActiveSims = MeasureEntry { expression: Expression::Sum(&[State::Sims]), unit: Unit::Sims, area: Some(Area::Sims) };
        /// Bytes of both directions divided by active SIMs: two decimal places, rounded half up. Null when no SIM was active.
        AverageBytesPerSim = MeasureEntry {
            expression: Expression::Average { of: &[State::BytesUp, State::BytesDown], per: State::Sims },
            unit: Unit::BytesPerSim,
            area: Some(Area::Sims),
        };
        /// Bytes of both directions divided by records: two decimal places, rounded half up. Null when there are no records.
        AverageBytesPerRecord = MeasureEntry {
            expression: Expression::Average { of: &[State::BytesUp, State::BytesDown], per: State::Records },
            unit: Unit::BytesPerRecord,
            area: None,
        };
        /// Number of sessions that began, each at its first rollup.
        Sessions = MeasureEntry { expression: Expression::Sum(&[State::Sessions]), unit: Unit::Sessions, area: Some(Area::Sessions) };
        /// Number of times that a counter of a session fell, and was counted as one that began again from zero.
        Resets = MeasureEntry { expression: Expression::Sum(&[State::Resets]), unit: Unit::Resets, area: Some(Area::Sessions) };
    }
}

impl Measure {
    /// The sources that count all that it is made of.
    pub fn sources(self) -> impl Iterator<Item = Source> {
        let expression = &self.entry().expression;
        let counts = |source: &Source| {
            let mut states = expression.states();
            states.all(|state| state.sources().contains(source))
        };
        Source::VARIANTS.iter().copied().filter(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_is_of_the_sources_that_count_all_of_it() {
        let of = |measure: Measure| measure.sources().collect::<Vec<_>>();
        assert_eq!(of(Measure::AverageBytesPerSim), Source::VARIANTS);
        assert_eq!(of(Measure::Units), [Source::Cdr]);
        assert_eq!(of(Measure::Sessions), [Source::Session]);
    }

    #[test]
    fn an_average_is_rounded_half_up() {
        let average = Measure::AverageBytesPerRecord.entry().expression;
        let of = |bytes, records| {
            average.of(|state| match state {
                State::BytesUp => bytes,
                State::Records => records,
                _ => 0,
            })
        };
        assert_eq!(of(10, 4), Some(250));
        assert_eq!(of(1, 3), Some(33));
        assert_eq!(of(2, 3), Some(67));
        assert_eq!(of(1, 200), Some(1));
        assert_eq!(of(1, 201), Some(0));
        assert_eq!(of(0, 5), Some(0));
        assert_eq!(of(0, 0), None);
    }
}

//! Which groups are shown.

use domain::{
    Result,
    usage::{Expression, Measure},
};
use serde::{Deserialize, Serialize};

use super::{
    limit::check_tree,
    scoped::{Parameter, Parameters},
};

/// A number to compare a quantity with: an integer of hundredths, which is as exact as averages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bound(i128);

impl Bound {
    /// A number with that many hundredths.
    pub const fn hundredths(hundredths: i128) -> Self {
        Self(hundredths)
    }

    /// Its hundredths.
    pub const fn get(self) -> i128 {
        self.0
    }
}

/// How a quantity is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparator {
    /// More than.
    Gt,
    /// At least.
    Gte,
    /// Less than.
    Lt,
    /// At most.
    Lte,
    /// As much as.
    Eq,
}

impl Comparator {
    const fn sql(self) -> &'static str {
        match self {
            Self::Gt => ">",
            Self::Gte => ">=",
            Self::Lt => "<",
            Self::Lte => "<=",
            Self::Eq => "=",
        }
    }
}

/// A tree of conditions on quantities. An average of nothing, and a bucket that was filled in without values, meet neither a condition nor
/// its negation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Having {
    /// All of these hold; true when there are none.
    And(Vec<Self>),
    /// Any of these holds; false when there are none.
    Or(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
    /// A quantity compares like this.
    Is {
        /// The quantity, asked for or not.
        measure: Measure,
        /// How it is compared
        comparator: Comparator,
        /// with this.
        bound: Bound,
    },
}

impl Having {
    /// Every quantity that is looked at, with repetitions.
    pub(super) fn measures(&self) -> Vec<Measure> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::measures).collect(),
            Self::Not(part) => part.measures(),
            Self::Is { measure, .. } => vec![*measure],
        }
    }

    /// # Errors
    /// `LIMIT_EXCEEDED` when the tree is too deep or too large.
    pub(super) fn check_size(&self) -> Result<()> {
        check_tree("having", self, |part| match part {
            Self::And(parts) | Self::Or(parts) => (parts.iter().collect(), 0),
            Self::Not(part) => (vec![&**part], 0),
            Self::Is { .. } => (Vec::new(), 0),
        })
    }

    /// The condition as SQL over the columns of a group; `value` is the expression of a quantity.
    pub(super) fn sql(
        &self,
        parameters: &mut Parameters,
        value: &impl Fn(Measure) -> String,
    ) -> String {
        let mut join = |parts: &[Self], word: &str, none: &str| {
            let parts: Vec<_> = parts
                .iter()
                .map(|part| part.sql(parameters, value))
                .collect();
            if parts.is_empty() {
                none.to_owned()
            } else {
                format!("({})", parts.join(word))
            }
        };
        match self {
            Self::And(parts) => join(parts, " AND ", "true"),
            Self::Or(parts) => join(parts, " OR ", "false"),
            Self::Not(part) => format!("NOT {}", part.sql(parameters, value)),
            Self::Is {
                measure,
                comparator,
                bound,
            } => {
                let places = measure.entry().expression.places();
                let factor = 10_u32.pow(Expression::PLACES - places);
                let bound = parameters.bind(Parameter::Integer(bound.get()));
                format!(
                    "toInt256({}) * {factor} {} {bound}",
                    value(*measure),
                    comparator.sql()
                )
            }
        }
    }
}

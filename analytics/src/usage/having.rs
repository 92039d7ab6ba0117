//! Which groups are shown.

use domain::{
    Error, Result,
    decimal::Decimal,
    filter::Filter,
    usage::{Expression, Measure},
};
use serde::{Deserialize, Serialize};

use super::{
    filter::term,
    scoped::{Parameter, Parameters},
};

/// A number to compare a quantity with: an integer of hundredths, which is as exact as averages are. As JSON it is a decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Decimal", into = "Decimal")]
pub struct Bound(i128);

impl TryFrom<Decimal> for Bound {
    type Error = Error;

    fn try_from(number: Decimal) -> Result<Self> {
        const PLACES: u32 = Expression::PLACES;
        let hundredths = number.at(PLACES);
        let beyond = || Error::invalid(format!("a bound has {PLACES} decimal places at most"));
        hundredths.map(Self).ok_or_else(beyond)
    }
}

impl From<Bound> for Decimal {
    fn from(bound: Bound) -> Self {
        Self {
            scaled: bound.0,
            places: Expression::PLACES,
        }
    }
}

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
pub type Having = Filter<Compared>;

/// A condition on a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compared {
    /// A measure compares like this.
    Measure {
        /// The measure, asked for or not.
        by: Measure,
        /// How it is compared
        comparator: Comparator,
        /// with this.
        bound: Bound,
    },
}

/// The condition as SQL over the columns of a group; `value` is the expression of a quantity.
pub(super) fn sql(
    having: &Having,
    parameters: &mut Parameters,
    value: &impl Fn(Measure) -> String,
) -> Result<String> {
    term(having, &mut |compared| {
        let Compared::Measure {
            by,
            comparator,
            bound,
        } = compared;
        let places = by.entry().expression.places();
        let factor = 10_u32.pow(Expression::PLACES - places);
        let bound = parameters.bind(Parameter::Integer(bound.get()));
        let (value, comparator) = (value(*by), comparator.sql());
        Ok(format!("toInt256({value}) * {factor} {comparator} {bound}"))
    })
}

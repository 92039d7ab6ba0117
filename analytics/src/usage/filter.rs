//! Which usage is asked for.

use domain::{
    Error, Result, filter,
    usage::{Attribution, Dimension, Kind},
};
use serde::{Deserialize, Serialize};

use super::{
    Key, Need, UsageLimits,
    column::Columns,
    inventory::{DeviceFilter, SimFilter},
    limit::beyond,
    scoped::{Parameter, Parameters},
};

/// A tree of conditions on dimensions.
pub type Filter = filter::Filter<Condition>;

/// A condition on usage.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// The dimension has one of these values; false when there are none.
    In {
        /// The dimension.
        dimension: Dimension,
        /// Its values.
        values: Vec<Key>,
    },
    /// Of SIMs that match now.
    Sim(SimFilter),
    /// Of devices that match now.
    Device(DeviceFilter),
}

impl Condition {
    /// The dimension that is looked at.
    pub(super) const fn dimension(&self) -> Dimension {
        match self {
            Self::In { dimension, .. } => *dimension,
            Self::Sim(_) => Dimension::Sim,
            Self::Device(_) => Dimension::Device,
        }
    }

    /// What has to be looked up in the inventory for it.
    pub(super) fn needs(&self, attribution: Attribution) -> impl Iterator<Item = Need> {
        let matching = match self {
            Self::In { .. } => None,
            Self::Sim(filter) => Some(Need::Sims(filter.clone())),
            Self::Device(filter) => Some(Need::Devices(filter.clone())),
        };
        let value = Need::of(self.dimension(), attribution);
        matching.into_iter().chain(value)
    }

    /// The condition as SQL; values become parameters.
    fn sql(&self, parameters: &mut Parameters, columns: Columns<'_>) -> Result<String> {
        match self {
            Self::In { dimension, values } => is_in(*dimension, values, parameters, columns),
            Self::Sim(filter) => Ok(among(&Need::Sims(filter.clone()), columns)),
            Self::Device(filter) => Ok(among(&Need::Devices(filter.clone()), columns)),
        }
    }
}

/// # Errors
/// `LIMIT_EXCEEDED` when the tree is too deep or too large.
pub(super) fn check_size(filter: &Filter) -> Result<()> {
    filter.check_size()?;
    let values = filter.conditions().into_iter().map(|condition| {
        match condition {
            Condition::In { values, .. } => values.len(),
            // They count for themselves.
            Condition::Sim(_) | Condition::Device(_) => 0,
        }
    });
    let (most, values) = (UsageLimits::VALUES, values.sum::<usize>());
    if values <= most {
        return Ok(());
    }
    Err(beyond("too many values", most, values as u64))
}

/// The filter as SQL; values become parameters.
pub(super) fn sql(
    filter: &Filter,
    parameters: &mut Parameters,
    columns: Columns<'_>,
) -> Result<String> {
    term(filter, &mut |condition| condition.sql(parameters, columns))
}

/// A tree as one term; `is` makes the term of a condition. What is neither true nor false is neither in its negation.
pub(super) fn term<C>(
    filter: &filter::Filter<C>,
    is: &mut impl FnMut(&C) -> Result<String>,
) -> Result<String> {
    use filter::Filter::{And, Is, Not, Or};
    let (parts, word, none) = match filter {
        And(parts) => (parts, " AND ", "true"),
        Or(parts) => (parts, " OR ", "false"),
        Not(part) => return Ok(format!("NOT {}", term(part, is)?)),
        Is(condition) => return is(condition),
    };
    let parts = parts.iter().map(|part| term(part, is));
    let parts = parts.collect::<Result<Vec<_>>>()?;
    Ok(if parts.is_empty() {
        none.to_owned()
    } else {
        format!("({})", parts.join(word))
    })
}

/// `dimension IN (values)` as SQL.
///
/// # Errors
/// `INVALID_INPUT` when a value does not fit the dimension.
pub(super) fn is_in(
    dimension: Dimension,
    values: &[Key],
    parameters: &mut Parameters,
    columns: Columns<'_>,
) -> Result<String> {
    let parameter = list(dimension, values)?;
    if parameter.is_empty() {
        return Ok("false".into());
    }
    Ok(format!(
        "{} IN {}",
        columns.of(dimension),
        parameters.bind(parameter)
    ))
}

/// Values of a dimension as the cubes keep them.
///
/// # Errors
/// `INVALID_INPUT` when a value does not fit the dimension.
pub(super) fn list(dimension: Dimension, values: &[Key]) -> Result<Parameter> {
    // In the cubes the nil id stands for none, which is asked for as `Key::None`; nothing has it as its own.
    let nobody = Key::Id(uuid::Uuid::nil());
    let values = values.iter().filter(|key| **key != nobody);
    Ok(match dimension.entry().kind {
        Kind::Id => Parameter::Uuids(
            values
                .map(|key| id(dimension, key))
                .collect::<Result<_>>()?,
        ),
        Kind::Text => Parameter::Texts(
            values
                .map(|key| text(dimension, key))
                .collect::<Result<_>>()?,
        ),
    })
}

fn among(need: &Need, columns: Columns<'_>) -> String {
    format!(
        "{} IN ({})",
        columns.of(need.dimension()),
        columns.matching(need)
    )
}

fn id(dimension: Dimension, key: &Key) -> Result<uuid::Uuid> {
    match key {
        Key::Id(id) => Ok(*id),
        Key::None if dimension != Dimension::Sim => Ok(uuid::Uuid::nil()),
        _ => Err(Error::invalid(
            "a customer, SIM or device is filtered by its id",
        )),
    }
}

fn text(dimension: Dimension, key: &Key) -> Result<String> {
    match key {
        Key::Text(text)
            if text.len() > UsageLimits::TEXT_BYTES || text.chars().any(char::is_control) =>
        {
            Err(Error::invalid(format!(
                "a value of {} is longer than 200 bytes, or has control characters",
                dimension.as_ref()
            )))
        }
        Key::Text(text) => Ok(text.clone()),
        _ => Err(Error::invalid(format!(
            "the dimension {} is filtered by text",
            dimension.as_ref()
        ))),
    }
}

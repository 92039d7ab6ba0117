//! Which usage is asked for.

use domain::{
    Error, Result,
    usage::{Attribution, Dimension, Kind},
};
use serde::{Deserialize, Serialize};

use super::{
    Key, Need, UsageLimits,
    column::Columns,
    inventory::{DeviceFilter, SimFilter},
    limit::check_tree,
    scoped::{Parameter, Parameters},
};

/// A tree of conditions on dimensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Filter {
    /// All of these hold; true when there are none.
    And(Vec<Self>),
    /// Any of these holds; false when there are none.
    Or(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
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

impl Filter {
    /// Every dimension that is looked at, with repetitions.
    pub(super) fn dimensions(&self) -> Vec<Dimension> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::dimensions).collect(),
            Self::Not(part) => part.dimensions(),
            Self::In { dimension, .. } => vec![*dimension],
            Self::Sim(_) => vec![Dimension::Sim],
            Self::Device(_) => vec![Dimension::Device],
        }
    }

    /// What has to be looked up in the inventory for it.
    pub(super) fn needs(&self, attribution: Attribution) -> Vec<Need> {
        let own = match self {
            Self::And(parts) | Self::Or(parts) => {
                return parts
                    .iter()
                    .flat_map(|part| part.needs(attribution))
                    .collect();
            }
            Self::Not(part) => return part.needs(attribution),
            Self::In { .. } => None,
            Self::Sim(filter) => Some(Need::Sims(filter.clone())),
            Self::Device(filter) => Some(Need::Devices(filter.clone())),
        };
        let dimensions = self.dimensions().into_iter();
        own.into_iter()
            .chain(dimensions.filter_map(|dimension| Need::of(dimension, attribution)))
            .collect()
    }

    /// # Errors
    /// `LIMIT_EXCEEDED` when the tree is too deep or too large.
    pub(super) fn check_size(&self) -> Result<()> {
        check_tree("a usage filter", self, |part| match part {
            Self::And(parts) | Self::Or(parts) => (parts.iter().collect(), 0),
            Self::Not(part) => (vec![&**part], 0),
            Self::In { values, .. } => (Vec::new(), values.len()),
            // They count for themselves.
            Self::Sim(_) | Self::Device(_) => (Vec::new(), 0),
        })
    }

    /// The condition as SQL; values become parameters.
    pub(super) fn sql(&self, parameters: &mut Parameters, columns: Columns<'_>) -> Result<String> {
        let mut join = |parts: &[Self], word: &str, none: &str| {
            let parts = parts.iter().map(|part| part.sql(parameters, columns));
            let parts = parts.collect::<Result<Vec<_>>>()?;
            Ok(if parts.is_empty() {
                none.to_owned()
            } else {
                format!("({})", parts.join(word))
            })
        };
        match self {
            Self::And(parts) => join(parts, " AND ", "true"),
            Self::Or(parts) => join(parts, " OR ", "false"),
            Self::Not(part) => Ok(format!("NOT {}", part.sql(parameters, columns)?)),
            Self::In { dimension, values } => is_in(*dimension, values, parameters, columns),
            Self::Sim(filter) => Ok(among(Dimension::Sim, &Need::Sims(filter.clone()), columns)),
            Self::Device(filter) => Ok(among(
                Dimension::Device,
                &Need::Devices(filter.clone()),
                columns,
            )),
        }
    }
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

fn among(dimension: Dimension, need: &Need, columns: Columns<'_>) -> String {
    format!("{} IN ({})", columns.of(dimension), columns.matching(need))
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
                "no such value of the dimension {}",
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

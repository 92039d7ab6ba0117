//! Which usage is asked for.

use domain::{Error, Result};

use super::{
    Dimension, Key, UsageLimits,
    scoped::{Parameter, Parameters, column, identifies},
};

/// A tree of conditions on dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// All of these hold; true when there are none.
    And(Vec<Filter>),
    /// Any of these holds; false when there are none.
    Or(Vec<Filter>),
    /// This does not hold.
    Not(Box<Filter>),
    /// The dimension has one of these values; false when there are none.
    In {
        /// The dimension.
        dimension: Dimension,
        /// Its values.
        values: Vec<Key>,
    },
}

impl Filter {
    /// Every dimension that is looked at, with repetitions.
    pub(super) fn dimensions(&self) -> Vec<Dimension> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().flat_map(Self::dimensions).collect(),
            Self::Not(part) => part.dimensions(),
            Self::In { dimension, .. } => vec![*dimension],
        }
    }

    /// # Errors
    /// `LIMIT_EXCEEDED` when the tree is too deep or too large.
    pub(super) fn check_size(&self) -> Result<()> {
        let (mut nodes, mut values) = (0, 0);
        // Depth first with a stack of its own: the tree may be as deep as the client likes.
        let mut open = vec![(self, 1)];
        while let Some((filter, depth)) = open.pop() {
            nodes += 1;
            match filter {
                Self::And(parts) | Self::Or(parts) => {
                    open.extend(parts.iter().map(|part| (part, depth + 1)));
                }
                Self::Not(part) => open.push((part, depth + 1)),
                Self::In { values: some, .. } => values += some.len(),
            }
            for (what, limit, actual) in [
                ("levels", UsageLimits::FILTER_DEPTH, depth),
                ("conditions", UsageLimits::FILTER_NODES, nodes),
                ("values", UsageLimits::FILTER_VALUES, values),
            ] {
                if actual > limit {
                    let text = format!("a usage filter has at most {limit} {what}");
                    return Err(Error::limit(text, limit as u64, actual as u64));
                }
            }
        }
        Ok(())
    }

    /// The condition as SQL; values become parameters.
    pub(super) fn sql(&self, parameters: &mut Parameters) -> Result<String> {
        let join = |parts: &[Self], word: &str, none: &str, parameters: &mut Parameters| {
            let parts = parts
                .iter()
                .map(|part| part.sql(parameters))
                .collect::<Result<Vec<_>>>()?;
            Ok(if parts.is_empty() {
                none.to_owned()
            } else {
                format!("({})", parts.join(word))
            })
        };
        match self {
            Self::And(parts) => join(parts, " AND ", "true", parameters),
            Self::Or(parts) => join(parts, " OR ", "false", parameters),
            Self::Not(part) => Ok(format!("NOT {}", part.sql(parameters)?)),
            Self::In { dimension, values } => is_in(*dimension, values, parameters),
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
) -> Result<String> {
    // In the cubes the nil id stands for none, which is asked for as `Key::None`; nothing has it as its own.
    let nobody = Key::Id(uuid::Uuid::nil());
    let values: Vec<&Key> = values.iter().filter(|key| **key != nobody).collect();
    if values.is_empty() {
        return Ok("false".into());
    }
    let parameter = if identifies(dimension) {
        Parameter::Uuids(
            values
                .iter()
                .map(|key| id(dimension, key))
                .collect::<Result<_>>()?,
        )
    } else {
        Parameter::Texts(
            values
                .iter()
                .map(|key| text(dimension, key))
                .collect::<Result<_>>()?,
        )
    };
    Ok(format!(
        "{} IN {}",
        column(dimension),
        parameters.bind(parameter)
    ))
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
                "no such value of the dimension {dimension:?}"
            )))
        }
        Key::Text(text) => Ok(text.clone()),
        _ => Err(Error::invalid(format!(
            "the dimension {dimension:?} is filtered by text"
        ))),
    }
}

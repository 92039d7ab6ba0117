//! Inputs about labels.

use async_graphql::InputObject;
use domain::{Error, Result, label};

use crate::{bounded, text};

/// A condition on labels: the object carries `key` with one of `values`, or with any value when no values are given.
#[derive(InputObject, Clone, Debug)]
pub struct LabelFilter {
    /// Key of the label, for example `location`.
    pub key: String,
    /// Accepted values; empty accepts any value.
    #[graphql(default)]
    pub values: Vec<String>,
}

impl TryFrom<LabelFilter> for label::LabelFilter {
    type Error = Error;

    fn try_from(filter: LabelFilter) -> Result<Self> {
        bounded(filter.values.len())?;
        let values = filter.values.into_iter().map(text).collect::<Result<_>>()?;
        Ok(Self {
            key: text(filter.key)?,
            values,
        })
    }
}

pub(crate) fn filters(filters: Vec<LabelFilter>) -> Result<Vec<label::LabelFilter>> {
    if filters.len() > 10 {
        return Err(Error::new(
            domain::Code::LimitExceeded,
            "a filter has at most 10 label conditions",
        ));
    }
    filters.into_iter().map(TryInto::try_into).collect()
}

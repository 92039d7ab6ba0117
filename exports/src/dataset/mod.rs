//! The data sets: what can be a file, its columns, who may see each, and where the rows come from.

mod customers;
mod devices;
mod inventory;
mod pages;
mod sims;
mod usage;

use analytics::usage::CubeQuery;
use domain::{
    Error, Period, Permission, Result,
    customer::CustomerFilter,
    device::DeviceCondition,
    filter::Filter,
    id::{DeviceId, SimId},
    saved_filter::Clause,
    sim::SimCondition,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use service::Session;
use strum::{AsRefStr, EnumMessage, EnumString, IntoStaticStr, VariantArray};

use self::{customers::Customers, inventory::Inventory, usage::Usage};
use crate::{Column, manifest::Origin, run::Sink};

/// Version of the data sets' columns. It changes when one is taken away or means something else.
pub const SCHEMA_VERSION: u32 = 1;

/// What can be a file.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, AsRefStr, EnumMessage, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "camelCase")]
pub enum DataSet {
    /// SIMs as they are now.
    Sims,
    /// Devices as they are now.
    Devices,
    /// Customers as they are now.
    Customers,
    /// Any question to the usage cubes.
    Usage,
}

/// What is known of a data set.
pub struct Entry {
    /// A sentence for people.
    pub description: &'static str,
    /// What whoever asks must be permitted.
    pub needs: Permission,
    /// Every column that it may have. Names with `<key>` in them stand for one column of each key of labels.
    pub columns: fn() -> Vec<Column>,
}

impl DataSet {
    /// What is known of it.
    pub const fn entry(self) -> Entry {
        match self {
            Self::Sims => Entry {
                description: "SIMs as they are now, by ICCID.",
                needs: Permission::SimsRead,
                columns: inventory::registered::<SimId>,
            },
            Self::Devices => Entry {
                description: "Devices as they are now, by name.",
                needs: Permission::DevicesRead,
                columns: inventory::registered::<DeviceId>,
            },
            Self::Customers => Entry {
                description: "Customers as they are now, by name.",
                needs: Permission::CustomersRead,
                columns: customers::columns,
            },
            Self::Usage => Entry {
                description: "Any question to the usage cubes: a column for each group, and one for each quantity.",
                needs: Permission::UsageRead,
                columns: usage::registered,
            },
        }
    }
}

/// A data set and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// SIMs that meet a filter.
    Sims(Filter<Clause<SimCondition>>),
    /// Devices that meet a filter.
    Devices(Filter<Clause<DeviceCondition>>),
    /// Customers that meet a filter.
    Customers(CustomerFilter),
    /// A question to the usage cubes.
    Usage(Box<CubeQuery>),
}

impl Request {
    /// What is asked of a data set, from the JSON of its filter or question. Without a filter every row is meant.
    ///
    /// # Errors
    /// `INVALID_INPUT` for JSON that says something else, and for usage without a question; `LIMIT_EXCEEDED` for a filter that is too
    /// large.
    pub fn parse(data_set: DataSet, json: Option<&str>) -> Result<Self> {
        Ok(match data_set {
            DataSet::Sims => Self::Sims(filter(json)?),
            DataSet::Devices => Self::Devices(filter(json)?),
            DataSet::Customers => Self::Customers(filter(json)?),
            DataSet::Usage => {
                let missing = || Error::invalid("usage takes a question").at("question");
                let query = parsed("question", json.ok_or_else(missing)?)?;
                Self::Usage(Box::new(query))
            }
        })
    }

    /// What is asked.
    pub const fn data_set(&self) -> DataSet {
        match self {
            Self::Sims(_) => DataSet::Sims,
            Self::Devices(_) => DataSet::Devices,
            Self::Customers(_) => DataSet::Customers,
            Self::Usage(_) => DataSet::Usage,
        }
    }

    /// The JSON of its filter or question, from which [`Request::parse`] makes it again.
    ///
    /// # Errors
    /// `INTERNAL` when it cannot be written.
    pub fn json(&self) -> Result<Value> {
        let value = match self {
            Self::Sims(filter) => serde_json::to_value(filter),
            Self::Devices(filter) => serde_json::to_value(filter),
            Self::Customers(filter) => serde_json::to_value(filter),
            Self::Usage(query) => serde_json::to_value(query),
        };
        value.map_err(Error::internal)
    }

    pub(crate) fn time_zone(&self) -> Option<String> {
        match self {
            Self::Usage(query) => Some(query.time_zone.name().to_owned()),
            _ => None,
        }
    }
}

fn filter<C: DeserializeOwned>(json: Option<&str>) -> Result<Filter<C>> {
    let Some(json) = json else {
        return Ok(Filter::And(Vec::new()));
    };
    let filter: Filter<C> = parsed("filter", json)?;
    filter.check_size().map_err(|error| error.at("filter"))?;
    Ok(filter)
}

fn parsed<T: DeserializeOwned>(field: &str, json: &str) -> Result<T> {
    let wrong = |error| Error::invalid(format!("this is no {field}: {error}")).at(field);
    serde_json::from_str(json).map_err(wrong)
}

/// Rows of a data set that are being read.
pub(crate) enum Source {
    Sims(Box<Inventory<SimId>>),
    Devices(Box<Inventory<DeviceId>>),
    Customers(Customers),
    Usage(Box<Usage>),
}

impl Source {
    /// # Errors
    /// Those of the list or the cubes.
    pub(crate) async fn open(session: &Session, request: &Request) -> Result<Self> {
        let session = session.clone();
        Ok(match request {
            Request::Sims(filter) => {
                Self::Sims(Box::new(Inventory::open(session, filter.clone()).await?))
            }
            Request::Devices(filter) => {
                Self::Devices(Box::new(Inventory::open(session, filter.clone()).await?))
            }
            Request::Customers(filter) => Self::Customers(Customers::new(session, filter.clone())),
            Request::Usage(query) => Self::Usage(Box::new(Usage::open(session, query).await?)),
        })
    }

    /// The columns of its rows, whoever may see them.
    pub(crate) fn columns(&self) -> Vec<Column> {
        match self {
            Self::Sims(sims) => sims.columns(),
            Self::Devices(devices) => devices.columns(),
            Self::Customers(_) => customers::columns(),
            Self::Usage(usage) => usage.columns(),
        }
    }

    /// Passes some of the next rows on; whether there may be more.
    pub(crate) async fn next(&mut self, sink: &mut dyn Sink) -> Result<bool, crate::Error> {
        match self {
            Self::Sims(sims) => sims.next(sink).await,
            Self::Devices(devices) => devices.next(sink).await,
            Self::Customers(customers) => customers.next(sink).await,
            Self::Usage(usage) => usage.next(sink).await,
        }
    }

    /// How many rows there will be, where that is known.
    pub(crate) fn expected(&self) -> Option<u64> {
        match self {
            Self::Sims(sims) => sims.expected(),
            Self::Devices(devices) => devices.expected(),
            Self::Customers(customers) => customers.expected(),
            Self::Usage(_) => None,
        }
    }

    /// The period that is meant.
    pub(crate) fn period(&self) -> Option<Period> {
        match self {
            Self::Usage(usage) => Some(usage.period()),
            _ => None,
        }
    }

    /// What was asked for and is closed to the caller.
    pub(crate) fn closed(&self) -> Vec<String> {
        match self {
            Self::Usage(usage) => usage.closed(),
            _ => Vec::new(),
        }
    }

    /// Where usage comes from, once all rows have been read.
    pub(crate) fn provenance(self) -> Result<Option<Origin>> {
        match self {
            Self::Usage(usage) => usage.provenance().map(Some),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use domain::Code;

    use super::*;
    use crate::Kind;

    #[test]
    fn every_column_is_classified() {
        for data_set in DataSet::VARIANTS {
            let mut names = BTreeSet::new();
            for column in (data_set.entry().columns)() {
                let name = format!("{}.{}", data_set.as_ref(), column.name);
                assert!(column.needs.is_some(), "{name}: who may see it?");
                assert!(!column.description.is_empty(), "{name}: what does it say?");
                let is_number = matches!(column.kind, Kind::Sum | Kind::Average);
                assert_eq!(column.unit.is_some(), is_number, "{name}: of what?");
                assert!(names.insert(column.name), "{name} is there twice");
            }
            assert!(!names.is_empty());
        }
    }

    #[test]
    fn what_says_something_else_is_refused_with_its_field() {
        let refused = |data_set, json| {
            let error = Request::parse(data_set, json).expect_err("refused");
            let field = error.details().and_then(|details| details.field.clone());
            (error.code(), field.unwrap_or_default())
        };
        let filter = (Code::InvalidInput, "filter".to_owned());
        let question = (Code::InvalidInput, "question".to_owned());
        for json in ["", "[]", r#"{"colour": "red"}"#, r#"{"states": ["LOST"]}"#] {
            assert_eq!(refused(DataSet::Sims, Some(json)), filter, "{json}");
            assert_eq!(refused(DataSet::Customers, Some(json)), filter, "{json}");
        }
        for json in [None, Some("{}"), Some(r#"{"measures": ["MONEY"]}"#)] {
            assert_eq!(refused(DataSet::Usage, json), question);
        }
    }
}

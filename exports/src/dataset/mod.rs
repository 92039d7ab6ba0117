//! The data sets: what can be a file, its columns, who may see each, and where the rows come from.

mod assignments;
mod audit;
mod customers;
mod devices;
mod intake;
mod inventory;
mod names;
mod pages;
mod records;
mod sims;
mod usage;

use std::collections::BTreeMap;

use analytics::usage::{CubeQuery, Provenance, Selection, Span};
use domain::{
    Error, Period, Permission, Result,
    audit::Event,
    calendar::Zone,
    customer::{Customer, CustomerFilter},
    device::DeviceCondition,
    filter::Filter,
    id::{DeviceId, SimId},
    journal::{Rejection, RejectionFilter},
    saved_filter::Clause,
    sim::SimCondition,
};
use futures::{FutureExt as _, future::BoxFuture};
use serde::de::DeserializeOwned;
use serde_json::Value;
use service::Session;
use strum::{AsRefStr, EnumMessage, EnumString, IntoStaticStr, VariantArray};

pub use self::{audit::AuditQuestion, intake::AccountingQuestion};

use self::{
    assignments::Assignments,
    inventory::Inventory,
    pages::{Listed as _, Plain},
    records::Records,
    usage::{BY_CUSTOMER, BY_NETWORK, Usage},
};
use crate::{
    Column,
    manifest::{Foreseen, Origin},
    run::Sink,
};

/// Version of the data sets' columns. It changes when one is taken away or means something else.
pub const SCHEMA_VERSION: u32 = 1;

/// What can be a file.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    AsRefStr,
    EnumMessage,
    EnumString,
    IntoStaticStr,
    VariantArray,
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
    /// What customers used in a period.
    CustomerUsage,
    /// What networks carried in a period.
    NetworkUsage,
    /// Single usage records of a period.
    Records,
    /// To whom SIMs belonged and in which devices they were, from when to when.
    Assignments,
    /// Records that intake refused.
    IngestRejections,
    /// Deliveries by source and hour.
    IngestAccounting,
    /// The audit log of a period.
    Audit,
}

/// What is asked of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A filter of its list, or nothing.
    Filter,
    /// A question.
    Question,
}

/// What is known of a data set.
pub struct Entry {
    /// A sentence for people.
    pub description: &'static str,
    /// What it is asked.
    pub asked: Asked,
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
                asked: Asked::Filter,
                needs: Permission::SimsRead,
                columns: inventory::registered::<SimId>,
            },
            Self::Devices => Entry {
                description: "Devices as they are now, by name.",
                asked: Asked::Filter,
                needs: Permission::DevicesRead,
                columns: inventory::registered::<DeviceId>,
            },
            Self::Customers => Entry {
                description: "Customers as they are now, by name.",
                asked: Asked::Filter,
                needs: Permission::CustomersRead,
                columns: Customer::columns,
            },
            Self::Usage => Entry {
                description: "Any question to the usage cubes: a column for each group, and one for each quantity.",
                asked: Asked::Question,
                needs: Permission::UsageRead,
                columns: usage::registered,
            },
            Self::CustomerUsage => Entry {
                description: "What customers used in a period, by network and service.",
                asked: Asked::Question,
                needs: Permission::UsageRead,
                columns: || usage::registered_by(&BY_CUSTOMER),
            },
            Self::NetworkUsage => Entry {
                description: "What networks carried in a period, by service.",
                asked: Asked::Question,
                needs: Permission::UsageRead,
                columns: || usage::registered_by(&BY_NETWORK),
            },
            Self::Records => Entry {
                description: "Single usage records of a period, by customer, SIM and start: what usage is summed up from.",
                asked: Asked::Question,
                needs: Permission::UsageRead,
                columns: records::columns,
            },
            Self::Assignments => Entry {
                description: "To whom SIMs belonged and in which devices they were, from when to when, by ICCID and time.",
                asked: Asked::Filter,
                needs: Permission::SimsRead,
                columns: assignments::columns,
            },
            Self::IngestRejections => Entry {
                description: "Records that intake refused and why, by receipt.",
                asked: Asked::Filter,
                needs: Permission::IngestRead,
                columns: Rejection::columns,
            },
            Self::IngestAccounting => Entry {
                description: "Deliveries by hour and source: received = accepted + duplicate + rejected.",
                asked: Asked::Question,
                needs: Permission::IngestRead,
                columns: intake::columns,
            },
            Self::Audit => Entry {
                description: "The audit log of a period: who did what, to what and when.",
                asked: Asked::Question,
                needs: Permission::AuditRead,
                columns: Event::columns,
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
    /// A part of usage, by customer, network and service.
    CustomerUsage(Selection),
    /// A part of usage, by network and service.
    NetworkUsage(Selection),
    /// The records of a part of usage.
    Records(Selection),
    /// Where SIMs were that meet a filter.
    Assignments(Filter<Clause<SimCondition>>),
    /// Refused records that meet a filter.
    IngestRejections(RejectionFilter),
    /// A part of the accounting of intake.
    IngestAccounting(AccountingQuestion),
    /// A part of the audit log.
    Audit(AuditQuestion),
}

impl Request {
    /// What is asked of a data set, from the JSON of its filter or question. Without a filter every row is meant.
    ///
    /// # Errors
    /// `INVALID_INPUT` for JSON that says something else, and where a question is missing; `LIMIT_EXCEEDED` for a filter that is too
    /// large.
    pub fn parse(data_set: DataSet, json: Option<&str>) -> Result<Self> {
        Ok(match data_set {
            DataSet::Sims => Self::Sims(filter(json)?),
            DataSet::Devices => Self::Devices(filter(json)?),
            DataSet::Customers => Self::Customers(filter(json)?),
            DataSet::Usage => Self::Usage(Box::new(question(data_set, json)?)),
            DataSet::CustomerUsage => Self::CustomerUsage(question(data_set, json)?),
            DataSet::NetworkUsage => Self::NetworkUsage(question(data_set, json)?),
            DataSet::Records => Self::Records(question(data_set, json)?),
            DataSet::Assignments => Self::Assignments(filter(json)?),
            DataSet::IngestRejections => Self::IngestRejections(filter(json)?),
            DataSet::IngestAccounting => Self::IngestAccounting(question(data_set, json)?),
            DataSet::Audit => Self::Audit(question(data_set, json)?),
        })
    }

    /// What is asked.
    pub const fn data_set(&self) -> DataSet {
        match self {
            Self::Sims(_) => DataSet::Sims,
            Self::Devices(_) => DataSet::Devices,
            Self::Customers(_) => DataSet::Customers,
            Self::Usage(_) => DataSet::Usage,
            Self::CustomerUsage(_) => DataSet::CustomerUsage,
            Self::NetworkUsage(_) => DataSet::NetworkUsage,
            Self::Records(_) => DataSet::Records,
            Self::Assignments(_) => DataSet::Assignments,
            Self::IngestRejections(_) => DataSet::IngestRejections,
            Self::IngestAccounting(_) => DataSet::IngestAccounting,
            Self::Audit(_) => DataSet::Audit,
        }
    }

    /// The JSON of its filter or question, from which [`Request::parse`] makes it again.
    ///
    /// # Errors
    /// `INTERNAL` when it cannot be written.
    pub fn json(&self) -> Result<Value> {
        let value = match self {
            Self::Sims(filter) | Self::Assignments(filter) => serde_json::to_value(filter),
            Self::Devices(filter) => serde_json::to_value(filter),
            Self::Customers(filter) => serde_json::to_value(filter),
            Self::Usage(query) => serde_json::to_value(query),
            Self::CustomerUsage(selection)
            | Self::NetworkUsage(selection)
            | Self::Records(selection) => serde_json::to_value(selection),
            Self::IngestRejections(filter) => serde_json::to_value(filter),
            Self::IngestAccounting(question) => serde_json::to_value(question),
            Self::Audit(question) => serde_json::to_value(question),
        };
        value.map_err(Error::internal)
    }

    /// SHA-256 of a question to the cubes; none of what is asked of other stores.
    pub(crate) fn fingerprint(&self) -> Result<Option<[u8; 32]>> {
        match self {
            Self::Usage(query) => query.fingerprint().map(Some),
            Self::CustomerUsage(selection)
            | Self::NetworkUsage(selection)
            | Self::Records(selection) => selection.fingerprint().map(Some),
            _ => Ok(None),
        }
    }

    /// The period of a question and the zone in which it is meant; none of what is asked by a filter.
    pub(crate) fn period_mut(&mut self) -> Option<(&mut Span, Zone)> {
        match self {
            Self::Usage(query) => Some((&mut query.period, query.time_zone)),
            Self::CustomerUsage(selection)
            | Self::NetworkUsage(selection)
            | Self::Records(selection) => Some((&mut selection.period, selection.time_zone)),
            Self::IngestAccounting(AccountingQuestion {
                period, time_zone, ..
            })
            | Self::Audit(AuditQuestion { period, time_zone }) => Some((period, *time_zone)),
            Self::Sims(_)
            | Self::Devices(_)
            | Self::Customers(_)
            | Self::Assignments(_)
            | Self::IngestRejections(_) => None,
        }
    }

    pub(crate) fn time_zone(&self) -> Option<String> {
        let zone = match self {
            Self::Usage(query) => query.time_zone,
            Self::CustomerUsage(selection)
            | Self::NetworkUsage(selection)
            | Self::Records(selection) => selection.time_zone,
            Self::IngestAccounting(question) => question.time_zone,
            Self::Audit(question) => question.time_zone,
            Self::Sims(_)
            | Self::Devices(_)
            | Self::Customers(_)
            | Self::Assignments(_)
            | Self::IngestRejections(_) => return None,
        };
        Some(zone.name().to_owned())
    }

    /// Begins to read its rows.
    ///
    /// # Errors
    /// Those of the list or the cubes.
    pub(crate) async fn open(&self, session: &Session) -> Result<Box<dyn Source>> {
        let session = session.clone();
        Ok(match self {
            Self::Sims(filter) => {
                Box::new(Inventory::<SimId>::open(session, filter.clone()).await?)
            }
            Self::Devices(filter) => {
                Box::new(Inventory::<DeviceId>::open(session, filter.clone()).await?)
            }
            Self::Customers(filter) => {
                Box::new(Plain::<Customer>::new(session, filter.clone(), None))
            }
            Self::Usage(query) => Box::new(Usage::of(session, query).await?),
            Self::CustomerUsage(selection) => {
                Box::new(Usage::by(&BY_CUSTOMER, session, selection).await?)
            }
            Self::NetworkUsage(selection) => {
                Box::new(Usage::by(&BY_NETWORK, session, selection).await?)
            }
            Self::Records(selection) => Box::new(Records::open(session, selection).await?),
            Self::Assignments(filter) => Box::new(Assignments::new(session, filter.clone())),
            Self::IngestRejections(filter) => {
                Box::new(Plain::<Rejection>::new(session, filter.clone(), None))
            }
            Self::IngestAccounting(question) => Box::new(question.open(session).await?),
            Self::Audit(question) => Box::new(question.open(session).await?),
        })
    }
}

fn filter<C: DeserializeOwned>(json: Option<&str>) -> Result<Filter<C>> {
    // No condition is none, in whichever way that is said.
    let has_conditions = |json: &&str| {
        let fields = serde_json::from_str::<serde_json::Map<String, Value>>(json);
        !fields.is_ok_and(|fields| fields.is_empty())
    };
    let Some(json) = json.filter(has_conditions) else {
        return Ok(Filter::And(Vec::new()));
    };
    let filter: Filter<C> = parsed("filter", json)?;
    filter.check_size().map_err(|error| error.at("filter"))?;
    Ok(filter)
}

fn question<T: DeserializeOwned>(data_set: DataSet, json: Option<&str>) -> Result<T> {
    let missing = || {
        let text = format!("{} takes a question", data_set.as_ref());
        Error::invalid(text).at("question")
    };
    parsed("question", json.ok_or_else(missing)?)
}

fn parsed<T: DeserializeOwned>(field: &str, json: &str) -> Result<T> {
    let wrong = |error| Error::invalid(format!("this is no {field}: {error}")).at(field);
    serde_json::from_str(json).map_err(wrong)
}

/// Rows of a data set that are being read.
pub(crate) trait Source: Send {
    /// The columns of its rows, whoever may see them.
    fn columns(&self) -> Vec<Column>;

    /// Passes some of the next rows on; whether there may be more.
    fn next<'a>(&'a mut self, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<bool, crate::Error>>;

    /// How many rows there will be, where that can be known before the first is read.
    fn count(&mut self) -> BoxFuture<'_, Result<Option<u64>>> {
        async { Ok(None) }.boxed()
    }

    /// The period that is meant.
    fn period(&self) -> Option<Period> {
        None
    }

    /// What was asked for and is closed to the caller.
    fn closed(&self) -> Vec<String> {
        Vec::new()
    }

    /// Where usage comes from, before the first row is read.
    fn foreseen(&self) -> BoxFuture<'_, Result<Option<Foreseen>>> {
        async { Ok(None) }.boxed()
    }

    /// Where usage comes from, once all rows have been read.
    fn provenance(self: Box<Self>) -> Result<Option<Origin>> {
        Ok(None)
    }
}

/// What a manifest says of where usage comes from.
fn origin(provenance: &Provenance, truncated: bool, whole: BTreeMap<String, String>) -> Origin {
    Origin {
        tables: provenance.names(),
        watermark: provenance.watermark,
        complete: provenance.incomplete.is_none(),
        truncated,
        whole,
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
                let is_number = matches!(column.kind, Kind::Integer | Kind::Sum | Kind::Average);
                let is_plain = matches!(column.kind, Kind::Count);
                assert!(
                    is_plain || column.unit.is_some() == is_number,
                    "{name}: of what?"
                );
                assert!(names.insert(column.name), "{name} is there twice");
            }
            assert!(!names.is_empty());
        }
    }

    #[test]
    fn usage_of_customers_has_nothing_of_an_invoice() {
        let columns = (DataSet::CustomerUsage.entry().columns)();
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_ref()).collect();
        let expected = [
            "customer_id",
            "customer",
            "network",
            "network_name",
            "country",
            "service",
            "bytes_up",
            "bytes_down",
            "bytes_total",
            "units",
            "records",
            "active_sims",
        ];
        assert_eq!(names, expected);
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
            assert_eq!(refused(DataSet::Assignments, Some(json)), filter, "{json}");
            assert_eq!(
                refused(DataSet::IngestRejections, Some(json)),
                filter,
                "{json}"
            );
        }
        for json in [None, Some("{}"), Some(r#"{"measures": ["MONEY"]}"#)] {
            assert_eq!(refused(DataSet::Usage, json), question);
        }
        for json in [
            None,
            Some("{}"),
            Some(r#"{"measures": ["RECORDS"], "period": {"preset": "LAST_MONTH"}}"#),
        ] {
            assert_eq!(refused(DataSet::CustomerUsage, json), question);
            assert_eq!(refused(DataSet::NetworkUsage, json), question);
            assert_eq!(refused(DataSet::Records, json), question);
            assert_eq!(refused(DataSet::IngestAccounting, json), question);
            assert_eq!(refused(DataSet::Audit, json), question);
        }
    }
}

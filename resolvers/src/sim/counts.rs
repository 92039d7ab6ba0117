//! `SimCounts`.

use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};
use domain::{
    Error,
    id::CustomerId,
    sim::{self, SimDimension, SimGrouping},
};
use schema::{
    group::KeyStatus,
    scalar::int,
    sim::{SimFilter, SimGroup, SimState},
};

use crate::{
    connection::filter,
    customer::Customer,
    error::IntoGraphql as _,
    loader,
    request::{load, session},
};

/// How many SIMs there are.
#[derive(SimpleObject)]
pub(crate) struct SimCounts {
    /// One row per group that has SIMs, the largest first and then by key; at most 1,000. None without groups.
    rows: Vec<SimCountRow>,
    /// All SIMs that match, fewer than 2^31. Each is in one group.
    total: i32,
    /// True: there are more groups than rows.
    truncated: bool,
}

/// A group, and how many SIMs are in it.
#[derive(SimpleObject)]
pub(crate) struct SimCountRow {
    /// What the SIMs of the group have in common.
    key: SimCountKey,
    /// SIMs in it now, fewer than 2^31.
    count: i32,
}

/// What the SIMs of a group have in common. What they are not grouped by is an error.
pub(crate) struct SimCountKey {
    group: sim::SimCount,
    groupings: Arc<[SimGrouping]>,
}

/// A customer in the key of a group.
#[derive(SimpleObject)]
#[graphql(complex)]
pub(crate) struct CustomerKey {
    /// Whether the group is of one customer, of what is assigned to none, or of customers that the caller may not see.
    status: KeyStatus,
    #[graphql(skip)]
    customer: Option<CustomerId>,
}

/// A label in the key of a group.
#[derive(SimpleObject)]
pub(crate) struct LabelKey {
    /// Whether the group is of one value, or of what does not carry the label.
    status: KeyStatus,
    /// The value; null when the status is another one.
    value: Option<String>,
}

/// What the SIMs of a group have in common. What they are not grouped by is an error.
#[Object]
impl SimCountKey {
    /// Their state.
    async fn state(&self) -> async_graphql::Result<Option<SimState>> {
        let state = self.group.state.ok_or_else(|| not_grouped("state"));
        state.map(|state| Some(state.into())).gql()
    }

    /// The customer that they are assigned to now.
    async fn customer(&self) -> async_graphql::Result<Option<CustomerKey>> {
        let customer = self.group.customer.as_ref();
        let customer = customer.ok_or_else(|| not_grouped("customer"));
        let key = customer.map(|customer| CustomerKey {
            status: customer.status().into(),
            customer: customer.value().copied(),
        });
        key.map(Some).gql()
    }

    /// The label with this key.
    async fn label(
        &self,
        #[graphql(desc = "Key of a label that they are grouped by.")] key: String,
    ) -> async_graphql::Result<Option<LabelKey>> {
        let labels = self.groupings.iter().filter_map(|grouping| match grouping {
            SimGrouping::Label(key) => Some(key),
            SimGrouping::Dimension(_) => None,
        });
        let mut labels = labels.zip(&self.group.labels);
        let label = labels.find(|(its, _)| **its == key);
        let label = label.ok_or_else(|| not_grouped("label"));
        let key = label.map(|(_, value)| LabelKey {
            status: value.status().into(),
            value: value.value().cloned(),
        });
        key.map(Some).gql()
    }
}

/// A customer in the key of a group.
#[async_graphql::ComplexObject]
impl CustomerKey {
    /// The customer's global id; null when the status is another one than `VALUE`.
    async fn id(&self) -> Option<ID> {
        self.customer.map(|id| id.to_string().into())
    }

    /// The customer; null when the status is another one than `VALUE`.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        match self.customer {
            Some(id) => load(ctx, loader::CustomerKey(id)).await,
            None => Ok(None),
        }
    }
}

fn not_grouped(field: &str) -> Error {
    Error::invalid("the SIMs are not grouped by this").at(field)
}

/// What is selected of the keys and not grouped by is refused before anything is counted.
fn check_keys(ctx: &Context<'_>, groupings: &[SimGrouping]) -> domain::Result<()> {
    let ahead = ctx.look_ahead().field("rows").field("key");
    for (field, dimension) in [
        ("state", SimDimension::State),
        ("customer", SimDimension::Customer),
    ] {
        let grouping = SimGrouping::Dimension(dimension);
        if ahead.field(field).exists() && !groupings.contains(&grouping) {
            return Err(not_grouped(field));
        }
    }
    for label in ahead.field("label").selection_fields() {
        let arguments = label.arguments().map_err(|e| Error::internal(e.message))?;
        let is_key = |key: &str| groupings.contains(&SimGrouping::Label(key.to_owned()));
        let keys = arguments.iter().map(|(_, value)| value);
        let mut keys = keys.filter_map(|value| match value {
            async_graphql::Value::String(key) => Some(key),
            _ => None,
        });
        if !keys.all(|key| is_key(key)) {
            return Err(not_grouped("label"));
        }
    }
    Ok(())
}

/// How many of the SIMs that the caller may see match, in groups.
pub(super) async fn counts(
    ctx: &Context<'_>,
    group_by: Vec<SimGroup>,
    which: Option<SimFilter>,
) -> domain::Result<SimCounts> {
    let group = |(place, group): (usize, SimGroup)| {
        let grouping = SimGrouping::try_from(group);
        grouping.map_err(|error| error.at(&place.to_string()).at("group_by"))
    };
    let groupings: Arc<[SimGrouping]> = group_by
        .into_iter()
        .enumerate()
        .map(group)
        .collect::<domain::Result<_>>()?;
    let filter = filter(which)?;
    check_keys(ctx, &groupings)?;
    let session = session(ctx).map_err(|e| Error::internal(e.message))?;
    let counts = sim::counts(&*session.read().await?, &groupings, &filter).await?;
    let row = |group: sim::SimCount| SimCountRow {
        count: int(group.count),
        key: SimCountKey {
            group,
            groupings: groupings.clone(),
        },
    };
    Ok(SimCounts {
        rows: counts.groups.into_iter().map(row).collect(),
        total: int(counts.total),
        truncated: counts.truncated,
    })
}

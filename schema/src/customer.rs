//! Words about customers, their visibility switches and segment grants.

use async_graphql::{ID, InputObject};
use domain::{Error, Result, customer, grant::Target, scope::Visibility};

use crate::{parse_id, parse_ids, text};

/// Which customers.
#[derive(InputObject, Clone, Debug, Default)]
pub struct CustomerFilter {
    /// Part of the name, slug or contact's mail address, in any case.
    pub search: Option<String>,
}

impl TryFrom<CustomerFilter> for customer::CustomerFilter {
    type Error = Error;

    fn try_from(filter: CustomerFilter) -> Result<Self> {
        Ok(Self {
            search: filter.search.map(text).transpose()?,
        })
    }
}

/// The five visibility switches of a customer. All are given, so that what is not named is not opened by accident.
#[derive(InputObject, Clone, Copy, Debug)]
pub struct VisibilityInput {
    /// Open devices.
    pub devices: bool,
    /// Open SIMs.
    pub sims: bool,
    /// Open live sessions and the session log.
    pub sessions: bool,
    /// Open usage.
    pub usage: bool,
    /// Open costs and bills.
    pub billing: bool,
}

impl From<VisibilityInput> for Visibility {
    fn from(input: VisibilityInput) -> Self {
        let VisibilityInput {
            devices,
            sims,
            sessions,
            usage,
            billing,
        } = input;
        Self {
            devices,
            sims,
            sessions,
            usage,
            billing,
        }
    }
}

/// Sets what the users of one customer may see.
#[derive(InputObject, Clone, Debug)]
pub struct SetCustomerVisibilityInput {
    /// The customer.
    pub customer_id: ID,
    /// The switches after the change.
    pub visibility: VisibilityInput,
}

/// Opens customers, SIMs or devices to one subject. SIMs and devices together are the subject's pool.
#[derive(InputObject, Clone, Debug)]
pub struct GrantSegmentInput {
    /// Subject (`sub`) of the tokens that are meant.
    pub subject: String,
    /// Whole customers.
    #[graphql(default)]
    pub customer_ids: Vec<ID>,
    /// Single SIMs.
    #[graphql(default)]
    pub sim_ids: Vec<ID>,
    /// Single devices.
    #[graphql(default)]
    pub device_ids: Vec<ID>,
}

impl GrantSegmentInput {
    /// What is opened, in the order given.
    ///
    /// # Errors
    /// `INVALID_INPUT` for an id of another kind, `LIMIT_EXCEEDED` for too many.
    pub fn targets(&self) -> Result<Vec<Target>> {
        let mut targets = Vec::new();
        targets.extend(
            parse_ids(&self.customer_ids)?
                .into_iter()
                .map(Target::Customer),
        );
        targets.extend(parse_ids(&self.sim_ids)?.into_iter().map(Target::Sim));
        targets.extend(parse_ids(&self.device_ids)?.into_iter().map(Target::Device));
        Ok(targets)
    }
}

/// Takes one grant back.
#[derive(InputObject, Clone, Debug)]
pub struct RevokeSegmentInput {
    /// The grant.
    pub grant_id: ID,
}

impl RevokeSegmentInput {
    /// # Errors
    /// `INVALID_INPUT` for an id of another kind.
    pub fn grant(&self) -> Result<domain::id::GrantId> {
        parse_id(&self.grant_id)
    }
}

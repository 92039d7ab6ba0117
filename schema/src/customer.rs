//! Words about customers, their visibility switches and segment grants.

use async_graphql::{ID, InputObject, MaybeUndefined, OneofObject};
use domain::{
    Result,
    customer::{self, ContactPatch, CustomerCondition, CustomerPatch, NewCustomer},
    grant::GrantTarget,
    scope::Visibility,
};

use crate::{
    filter::conditions, order::order, parse_id_in, parse_ids, parse_ids_in, text, texts, word::word,
};

/// What names a customer.
#[derive(OneofObject, Clone, Debug)]
pub enum CustomerBy {
    /// Global id.
    Id(ID),
    /// Short name.
    Slug(String),
}

impl TryFrom<CustomerBy> for customer::CustomerBy {
    type Error = domain::Error;

    fn try_from(by: CustomerBy) -> Result<Self> {
        Ok(match by {
            CustomerBy::Id(id) => Self::Id(parse_id_in("id", &id)?),
            CustomerBy::Slug(slug) => Self::Slug(text(slug).map_err(|error| error.at("slug"))?),
        })
    }
}

/// Which customers. All given conditions must hold.
#[derive(InputObject, Clone, Debug, Default)]
pub struct CustomerFilter {
    /// All of these hold.
    pub and: Option<Vec<CustomerFilter>>,
    /// At least one of these holds.
    pub or: Option<Vec<CustomerFilter>>,
    /// This does not hold.
    pub not: Option<Box<CustomerFilter>>,
    /// Part of the name, slug or contact's mail address, in any case.
    pub search: Option<String>,
    /// One of these.
    pub ids: Option<Vec<ID>>,
    /// With one of these short names.
    pub slugs: Option<Vec<String>>,
    /// True: archived. False: not archived.
    pub archived: Option<bool>,
}

conditions!(CustomerFilter => CustomerCondition {
    search: |part| text(part).map(CustomerCondition::Search),
    ids: |ids: Vec<ID>| parse_ids(&ids).map(CustomerCondition::Ids),
    slugs: |slugs| texts(slugs).map(CustomerCondition::Slugs),
    archived: |yes| Ok(CustomerCondition::Archived(yes)),
});

word! {
    /// What customers can be sorted by.
    CustomerOrderField = customer::CustomerOrderField, Default
}

order! {
    /// Sort of a customer list; ties are broken by id.
    CustomerOrder by CustomerOrderField, Asc
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
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
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
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl GrantSegmentInput {
    /// What is opened, in the order given.
    ///
    /// # Errors
    /// `INVALID_INPUT` for an id of another kind, `LIMIT_EXCEEDED` for too many.
    pub fn targets(&self) -> Result<Vec<GrantTarget>> {
        let Self {
            customer_ids,
            sim_ids,
            device_ids,
            ..
        } = self;
        let mut targets = Vec::new();
        let customers = parse_ids_in("customer_ids", customer_ids)?;
        targets.extend(customers.into_iter().map(GrantTarget::Customer));
        let sims = parse_ids_in("sim_ids", sim_ids)?;
        targets.extend(sims.into_iter().map(GrantTarget::Sim));
        let devices = parse_ids_in("device_ids", device_ids)?;
        targets.extend(devices.into_iter().map(GrantTarget::Device));
        Ok(targets)
    }
}

/// Takes one grant back.
#[derive(InputObject, Clone, Debug)]
pub struct RevokeSegmentInput {
    /// The grant.
    pub grant_id: ID,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl RevokeSegmentInput {
    /// # Errors
    /// `INVALID_INPUT` for an id of another kind.
    pub fn grant(&self) -> Result<domain::id::GrantId> {
        parse_id_in("grant_id", &self.grant_id)
    }
}

/// A customer that is to be. All of its areas are closed at first.
#[derive(InputObject, Clone, Debug)]
pub struct CreateCustomerInput {
    /// Short name for tokens, files and the command line: 1 to 63 of a-z, 0-9 and -, not beginning with -. It never changes and
    /// is never used again.
    pub slug: String,
    /// Organisation name, 1 to 200 characters, unique in the tenant.
    pub name: String,
    /// Contact's first name.
    pub first_name: Option<String>,
    /// Contact's last name.
    pub last_name: Option<String>,
    /// Contact's mail address.
    pub email: Option<String>,
    /// Contact's phone number.
    pub phone: Option<String>,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl From<CreateCustomerInput> for NewCustomer {
    fn from(input: CreateCustomerInput) -> Self {
        Self {
            slug: input.slug,
            name: input.name,
            contact: ContactPatch {
                first_name: Some(input.first_name),
                last_name: Some(input.last_name),
                email: Some(input.email),
                phone: Some(input.phone),
            },
        }
    }
}

/// What changes of a customer. A field that is absent stays; a contact field that is null is cleared.
#[derive(InputObject, Clone, Debug)]
pub struct UpdateCustomerInput {
    /// The customer.
    pub customer_id: ID,
    /// Organisation name, 1 to 200 characters, unique in the tenant.
    pub name: Option<String>,
    /// Contact's first name.
    pub first_name: MaybeUndefined<String>,
    /// Contact's last name.
    pub last_name: MaybeUndefined<String>,
    /// Contact's mail address.
    pub email: MaybeUndefined<String>,
    /// Contact's phone number.
    pub phone: MaybeUndefined<String>,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

impl From<UpdateCustomerInput> for CustomerPatch {
    fn from(input: UpdateCustomerInput) -> Self {
        let patch = |field: MaybeUndefined<String>| match field {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(text) => Some(Some(text)),
        };
        Self {
            name: input.name,
            contact: ContactPatch {
                first_name: patch(input.first_name),
                last_name: patch(input.last_name),
                email: patch(input.email),
                phone: patch(input.phone),
            },
        }
    }
}

/// Archives a customer, or takes that back.
#[derive(InputObject, Clone, Debug)]
pub struct ArchiveCustomerInput {
    /// The customer.
    pub customer_id: ID,
    /// True: archive it. False: serve it again.
    #[graphql(default = true)]
    pub archived: bool,
    /// Makes a retry safe; see `Mutation`.
    pub idempotency_key: Option<String>,
}

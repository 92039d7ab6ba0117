//! `Me`.

use async_graphql::{Context, Enum, Object};
use domain::{customer::CustomerBy, scope};

use super::Tenant;
use crate::{
    customer::{Customer, Visibility},
    error::IntoGraphql as _,
    request::session,
};

/// A role: a named set of permissions.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "scope::Role")]
pub(crate) enum Role {
    /// Staff of the platform inside the tenant its token names; every crossing is audited.
    PlatformAdmin,
    /// Everything inside one tenant.
    TenantAdmin,
    /// Reads the whole tenant.
    Support,
    /// Reads assigned segments.
    Viewer,
    /// A tenant's customer, behind the customer's visibility switches.
    CustomerUser,
    /// A machine that may only deliver usage records.
    Ingest,
}

/// What an operation needs.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "scope::Permission")]
pub(crate) enum Permission {
    /// The tenant's own record.
    TenantRead,
    /// Customers within the caller's segments.
    CustomersRead,
    /// Customers, their visibility switches, and segment grants.
    CustomersWrite,
    /// SIMs within the caller's segments.
    SimsRead,
    /// Devices within the caller's segments.
    DevicesRead,
    /// Fleet import, labels on SIMs and devices.
    InventoryWrite,
    /// Label definitions.
    LabelsRead,
    /// The network dictionary.
    NetworksRead,
    /// Usage cubes.
    UsageRead,
    /// Delivering usage records.
    CdrsWrite,
    /// Accounting and rejections of intake.
    IngestRead,
}

/// The caller.
pub(crate) struct Me;

/// The caller.
#[Object]
impl Me {
    /// Subject of the token.
    async fn subject<'a>(&self, ctx: &Context<'a>) -> async_graphql::Result<&'a str> {
        Ok(session(ctx)?.scope().actor())
    }

    /// Role in the tenant.
    async fn role(&self, ctx: &Context<'_>) -> async_graphql::Result<Role> {
        Ok(session(ctx)?.scope().role().into())
    }

    /// What the caller may do now; visibility switches are already applied.
    async fn permissions(&self, ctx: &Context<'_>) -> async_graphql::Result<Vec<Permission>> {
        let open = session(ctx)?.permissions();
        Ok(open.map(Into::into).collect())
    }

    /// The open areas.
    async fn visibility(&self, ctx: &Context<'_>) -> async_graphql::Result<Visibility> {
        Ok(session(ctx)?.scope().visibility().into())
    }

    /// The tenant.
    async fn tenant(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Tenant>> {
        Tenant::load(ctx).await.map(Some)
    }

    /// The customer that the token is bound to.
    async fn customer(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<Customer>> {
        let session = session(ctx)?;
        let Some(id) = session.customer() else {
            return Ok(None);
        };
        let customer = session.customer_by(CustomerBy::Id(id)).await.gql()?;
        Ok(Some(customer.into()))
    }
}

//! The mutation root. Every mutation is one transaction (fleet import: one per chunk) with its audit entry inside.

use std::io::Cursor;

use async_graphql::{Context, Object};
use domain::{customer, fleet, grant, id::CustomerId};
use schema::{
    customer::{GrantSegmentInput, RevokeSegmentInput, SetCustomerVisibilityInput},
    fleet::ImportFleetInput,
    parse_id,
};

use crate::{
    error::IntoGraphql as _,
    request::Request,
    types::{
        fleet_report::ImportFleetPayload,
        grant::SegmentGrant,
        payload::{GrantSegmentPayload, RevokeSegmentPayload, SetCustomerVisibilityPayload},
    },
};

/// Everything that can be changed.
pub(crate) struct Mutation;

/// Everything that can be changed. Every change is written to the audit log.
#[Object]
impl Mutation {
    /// Imports a fleet: customers, SIMs, devices, labels and assignment history. Importing the same file again
    /// changes nothing. Bad rows are reported and do not stop the others. Needs `inventory:write`.
    async fn import_fleet(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file.")] input: ImportFleetInput,
    ) -> async_graphql::Result<Option<ImportFleetPayload>> {
        let request = Request::of(ctx)?;
        let file = Cursor::new(input.csv);
        let report =
            fleet::import_file(request.db(), request.scope(), file, request.store(), |_| ())
                .await
                .gql()?;
        Ok(Some(report.into()))
    }

    /// Opens or closes areas for one customer's users, from their next request on. Needs `customers:write`.
    async fn set_customer_visibility(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The change.")] input: SetCustomerVisibilityInput,
    ) -> async_graphql::Result<Option<SetCustomerVisibilityPayload>> {
        let request = Request::of(ctx)?;
        let id = parse_id::<CustomerId>(&input.customer_id).gql()?;
        let cx = request.db().write(request.scope()).await.gql()?;
        let customer = customer::set_visibility(&cx, id, input.visibility.into())
            .await
            .gql()?;
        cx.commit().await.gql()?;
        Ok(Some(SetCustomerVisibilityPayload {
            customer: customer.into(),
        }))
    }

    /// Opens customers, SIMs or devices to one subject, from its next request on. Needs `customers:write`.
    async fn grant_segment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is opened to whom.")] input: GrantSegmentInput,
    ) -> async_graphql::Result<Option<GrantSegmentPayload>> {
        let request = Request::of(ctx)?;
        let targets = input.targets().gql()?;
        let cx = request.db().write(request.scope()).await.gql()?;
        let grants = grant::add(&cx, &input.subject, &targets).await.gql()?;
        cx.commit().await.gql()?;
        Ok(Some(GrantSegmentPayload {
            grants: grants.into_iter().map(SegmentGrant).collect(),
        }))
    }

    /// Takes one grant back, from the subject's next request on. Needs `customers:write`.
    async fn revoke_segment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The grant.")] input: RevokeSegmentInput,
    ) -> async_graphql::Result<Option<RevokeSegmentPayload>> {
        let request = Request::of(ctx)?;
        let cx = request.db().write(request.scope()).await.gql()?;
        grant::revoke(&cx, input.grant().gql()?).await.gql()?;
        cx.commit().await.gql()?;
        Ok(Some(RevokeSegmentPayload {
            grant_id: input.grant_id,
        }))
    }
}

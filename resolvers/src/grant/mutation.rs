//! Changes of segment grants.

use async_graphql::{Context, ID, Object, SimpleObject};
use domain::grant;
use schema::customer::{GrantSegmentInput, RevokeSegmentInput};

use super::SegmentGrant;
use crate::{
    request::write,
    user_error::{UserError, outcome},
};

/// Changes of segment grants.
#[derive(Default)]
pub(crate) struct GrantMutation;

/// Result of `grantSegment`.
#[derive(SimpleObject)]
pub(crate) struct GrantSegmentPayload {
    /// All grants of the subject after the change; null when it was not made.
    grants: Option<Vec<SegmentGrant>>,
    /// Why the change was not made.
    user_errors: Vec<UserError>,
}

/// Result of `revokeSegment`.
#[derive(SimpleObject)]
pub(crate) struct RevokeSegmentPayload {
    /// The grant that is gone; null when it is not.
    grant_id: Option<ID>,
    /// Why the change was not made.
    user_errors: Vec<UserError>,
}

#[Object]
impl GrantMutation {
    /// Opens customers, SIMs or devices to one subject, from its next request on. Needs `CUSTOMERS_WRITE`.
    async fn grant_segment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is opened to whom.")] input: GrantSegmentInput,
    ) -> async_graphql::Result<Option<GrantSegmentPayload>> {
        let change = async {
            let targets = input.targets()?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            grant::add(cx, &input.subject, targets).await
        };
        let (grants, user_errors) = outcome(change.await)?;
        Ok(Some(GrantSegmentPayload {
            grants: grants.map(|grants| grants.into_iter().map(SegmentGrant).collect()),
            user_errors,
        }))
    }

    /// Takes one grant back, from the subject's next request on. Needs `CUSTOMERS_WRITE`.
    async fn revoke_segment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The grant.")] input: RevokeSegmentInput,
    ) -> async_graphql::Result<Option<RevokeSegmentPayload>> {
        let change = async {
            let id = input.grant()?;
            let cx = write(ctx, input.idempotency_key.as_deref()).await?;
            grant::revoke(cx, id).await
        };
        let (gone, user_errors) = outcome(change.await)?;
        Ok(Some(RevokeSegmentPayload {
            grant_id: gone.map(|()| input.grant_id),
            user_errors,
        }))
    }
}

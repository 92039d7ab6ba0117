//! Queries about segment grants.

use async_graphql::{Context, Object};
use domain::grant;

use super::SegmentGrant;
use crate::{error::IntoGraphql as _, request::session};

/// Queries about segment grants.
#[derive(Default)]
pub(crate) struct GrantQuery;

#[Object]
impl GrantQuery {
    /// What one subject may see beyond its token, oldest grant first. Needs `CUSTOMERS_WRITE`.
    async fn segment_grants(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Subject (`sub`) of the tokens that are meant.")] subject: String,
    ) -> async_graphql::Result<Option<Vec<SegmentGrant>>> {
        let cx = session(ctx)?.read().await.gql()?;
        let grants = grant::by_subject(&cx, &subject).await.gql()?;
        Ok(Some(grants.into_iter().map(SegmentGrant).collect()))
    }
}

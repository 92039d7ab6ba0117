//! Queries about exports.

use async_graphql::{Context, ID, Object};
use domain::job;
use schema::{
    export::{ExportFilter, ExportOrder},
    parse_id_in,
};

use super::Export;
use crate::{connection::list_query, error::IntoGraphql as _, request::session};

list_query! {
    /// The caller's exports, latest first; with `EXPORTS_MANAGE` everybody's of the tenant. Needs `EXPORTS_WRITE`.
    ExportList: exports(ExportFilter, ExportOrder) -> Export
}

/// Queries about one export.
#[derive(Default)]
pub(crate) struct ExportQuery;

#[Object]
impl ExportQuery {
    /// One export. Needs `EXPORTS_WRITE`.
    async fn export(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global id.")] id: ID,
    ) -> async_graphql::Result<Option<Export>> {
        let id = parse_id_in("id", &id).gql()?;
        let cx = session(ctx)?.read().await.gql()?;
        let job = job::get(&cx, id).await.gql()?;
        Ok(Some(job.into()))
    }
}

//! Queries about intake.

use async_graphql::{Context, Object};
use domain::{Period, journal};
use schema::ingest::{
    HourOf, IngestBatchFilter, IngestBatchOrder, RejectionFilter, RejectionOrder,
};
use schema::scalar::DateTime;

use super::{IngestAccounting, IngestBatch, IngestRecord, IngestRejection, IngestSource};
use crate::{connection::list_query, error::IntoGraphql as _, request::session};

list_query! {
    /// Batches that hold records of the tenant. Those that are quarantined say why.
    IngestBatchList: ingest_batches(IngestBatchFilter, IngestBatchOrder) -> IngestBatch
}

list_query! {
    /// Records that were refused.
    IngestRejectionList: ingest_rejections(RejectionFilter, RejectionOrder) -> IngestRejection
}

/// Queries about intake.
#[derive(Default)]
pub(crate) struct IngestQuery;

#[Object]
impl IngestQuery {
    /// Deliveries by source and hour: received = accepted + duplicate + rejected. `from` and `to` are half-open.
    async fn ingest_accounting(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Hours that begin at or after this moment.")] from: DateTime,
        #[graphql(desc = "Hours that begin before this moment.")] to: DateTime,
        #[graphql(desc = "By hour of receipt or of the event.", default)] hour_of: HourOf,
        #[graphql(desc = "Only this source.")] source: Option<String>,
    ) -> async_graphql::Result<Option<Vec<IngestAccounting>>> {
        let query = journal::AccountingQuery {
            period: Period::new(from.0, to.0).gql()?,
            hour_of: hour_of.into(),
            source,
        };
        let cx = session(ctx)?.read().await.gql()?;
        let rows = journal::accounting(&cx, &query).await.gql()?;
        let rows: domain::Result<_> = rows.into_iter().map(TryInto::try_into).collect();
        Ok(Some(rows.gql()?))
    }

    /// The sources of the tenant's usage, by kind and name, and up to when each is complete. An answer of the cubes waits for all of them.
    async fn ingest_sources(
        &self,
        ctx: &Context<'_>,
    ) -> async_graphql::Result<Option<Vec<IngestSource>>> {
        let cx = session(ctx)?.read().await.gql()?;
        let sources = journal::progress(&cx).await.gql()?;
        Ok(Some(sources.into_iter().map(Into::into).collect()))
    }

    /// What became of one record: counted, refused, or never seen.
    async fn ingest_record(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Source of the record.")] source: String,
        #[graphql(desc = "Id of the record, unique in its source.")] record_id: String,
    ) -> async_graphql::Result<Option<IngestRecord>> {
        let cx = session(ctx)?.read().await.gql()?;
        let fate = journal::fate(&cx, &source, &record_id).await.gql()?;
        Ok(Some(fate.into()))
    }
}

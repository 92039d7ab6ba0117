//! Queries about intake.

use async_graphql::{Context, Object};
use domain::{Period, journal};
use schema::ingest::{
    HourOf, IngestBatchFilter, IngestBatchOrder, RejectionFilter, RejectionOrder,
};
use schema::scalar::DateTime;

use super::{IngestAccounting, IngestBatch, IngestRecord, IngestRejection};
use crate::{
    connection::{Connection, filter, paginate},
    error::IntoGraphql as _,
    request::session,
};

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

    /// Batches that hold records of the tenant. Those that are quarantined say why.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four page arguments, a filter and an order"
    )]
    async fn ingest_batches(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.", name = "filter")] which: Option<IngestBatchFilter>,
        #[graphql(desc = "Sorted how.", default)] order_by: IngestBatchOrder,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<IngestBatch>>> {
        paginate(ctx, filter(which), order_by, (first, after, last, before)).await
    }

    /// Records that were refused.
    #[expect(
        clippy::too_many_arguments,
        reason = "Relay's four page arguments, a filter and an order"
    )]
    async fn ingest_rejections(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.", name = "filter")] which: Option<RejectionFilter>,
        #[graphql(desc = "Sorted how.", default)] order_by: RejectionOrder,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<IngestRejection>>> {
        paginate(ctx, filter(which), order_by, (first, after, last, before)).await
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

//! Queries about sessions.

use async_graphql::{Context, Object};
use schema::session::{LiveSessionFilter, SessionHistoryFilter, SessionWords};
use service::AskedSessions;

use super::{LiveSession, SessionLogConnection};
use crate::{
    connection::{Connection, PageArguments, Wanted},
    error::IntoGraphql as _,
    request::session,
};

/// Queries about sessions.
#[derive(Default)]
pub(crate) struct SessionQuery;

#[Object]
impl SessionQuery {
    /// Sessions of SIMs, each by its newest rollup, newest first: those that go on, and those that ended within the time that the tenant keeps
    /// (7 days, unless it has another one). They are the caller's by the customer that the SIM had when the rollup was made.
    async fn live_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<LiveSessionFilter>,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<Connection<LiveSession>>> {
        let asked = asked(filter).gql()?;
        let page = page((first, after, last, before)).gql()?;
        let with_total = Wanted::of(ctx).total();
        let listing = session(ctx)?.live_sessions(&asked, &page, with_total).await;
        let listing = listing.gql()?;
        Ok(Some(Connection::new(listing, LiveSession::from)))
    }

    /// The log of sessions, newest rollup first, as far back as the tenant keeps it (7 days, unless it has another time). What is asked for beyond
    /// that is left out: `from` says where the log begins, and `clamped` that it was asked for more. Rollups are the caller's by the customer
    /// that the SIM had when they were made.
    async fn session_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which rollups.")] filter: Option<SessionHistoryFilter>,
        #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
        #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
        #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
        #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
    ) -> async_graphql::Result<Option<SessionLogConnection>> {
        let asked = asked(filter).gql()?;
        let page = page((first, after, last, before)).gql()?;
        let with_total = Wanted::of(ctx).total();
        let log = session(ctx)?.session_history(&asked, &page, with_total);
        Ok(Some(log.await.gql()?.into()))
    }
}

fn page(
    (first, after, last, before): PageArguments,
) -> domain::Result<domain::paging::PageRequest> {
    domain::paging::PageRequest::relay(first, after, last, before)
}

/// What a filter asks.
fn asked<F>(filter: Option<F>) -> domain::Result<AskedSessions>
where
    SessionWords: TryFrom<F, Error = domain::Error>,
{
    let words = filter.map(SessionWords::try_from).transpose();
    let words = words.map_err(|error| error.at("filter"))?;
    let SessionWords {
        iccid,
        network,
        customers,
        statuses,
        from,
        to,
    } = words.unwrap_or_default();
    Ok(AskedSessions {
        iccid,
        network,
        customers,
        from,
        to,
        statuses,
    })
}

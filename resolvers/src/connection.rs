//! Relay connections: the page arguments, the generic connection and edge, and what a list's selection asks for.

use std::{borrow::Cow, hash::Hash, sync::Arc};

use async_graphql::{
    Context, Lookahead, Object, OutputType, SimpleObject, TypeName, dataloader::Loader,
};
use domain::{
    Error,
    filter::Filter,
    list::{self, List, Order, Question},
    paging::PageRequest,
};
use schema::scalar::int;
use service::Session;

use crate::{
    error::IntoGraphql as _,
    loader::Batch,
    request::{load, session},
    written::{Rows, Selected, Step, Written, object, value},
};

/// Where a page lies in its list.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// Rows follow this page.
    has_next_page: bool,
    /// Rows precede this page.
    has_previous_page: bool,
    /// Cursor of the first row.
    start_cursor: Option<String>,
    /// Cursor of the last row.
    end_cursor: Option<String>,
}

/// A row and its position.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub(crate) struct Edge<T: OutputType> {
    /// Opaque position, valid for the same filter and order.
    cursor: String,
    /// The row.
    node: T,
}

/// One page of a list.
pub(crate) struct Connection<T: OutputType> {
    edges: Vec<Edge<T>>,
    page_info: PageInfo,
    total_count: Option<i32>,
}

/// One page of a list.
#[Object(name_type)]
impl<T: Written> Connection<T> {
    /// The rows with their cursors.
    async fn edges(&self) -> Rows<'_, Edge<T>> {
        self.edges.iter().collect()
    }

    /// The rows alone.
    async fn nodes(&self) -> Rows<'_, T> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// Where this page lies.
    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }

    /// How many rows the whole list has; counted only when selected. A list of 2^31 rows or more says 2,147,483,647.
    async fn total_count(&self) -> Option<i32> {
        self.total_count
    }
}

impl<T: Written> Written for Edge<T> {
    fn step(field: Selected<'_>) -> Option<Step<Self>> {
        match field.name() {
            "cursor" => Some(Box::new(|edge, text| value(&edge.cursor, text))),
            "node" => object(field, |edge: &Self| Some(Some(&edge.node))),
            _ => None,
        }
    }
}

impl<T: OutputType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

impl<T: OutputType> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

/// A node of lists: what a page of rows of the domain is turned into.
pub(crate) trait Listing: Written + Sized {
    /// The row.
    type Row: List;
    /// What is fetched for all rows of a page at once.
    type Related: Send;

    /// Fetches a page, and what is selected of its rows.
    fn page(
        session: &Session,
        question: &Asked<Self>,
        wanted: &Wanted<'_>,
    ) -> impl Future<Output = domain::Result<(list::Listing<Self::Row>, Self::Related)>> + Send;

    /// A row with what was fetched for it.
    fn node(row: Self::Row, related: &Self::Related) -> Self;
}

/// A node that needs nothing but its row.
macro_rules! plain {
    ($node:ty: $row:ty) => {
        impl crate::connection::Listing for $node {
            type Row = $row;
            type Related = ();

            async fn page(
                session: &service::Session,
                question: &crate::connection::Asked<Self>,
                _: &crate::connection::Wanted<'_>,
            ) -> domain::Result<(domain::list::Listing<$row>, ())> {
                Ok((service::list(session, question).await?, ()))
            }

            fn node(row: $row, (): &()) -> Self {
                row.into()
            }
        }
    };
}
pub(crate) use plain;

type Clause<T> = <<T as Listing>::Row as List>::Clause;
type Field<T> = <<T as Listing>::Row as List>::Field;
/// A question about a list.
pub(crate) type Asked<T> = Question<Clause<T>, Field<T>>;

/// Relay's page arguments: `first` and `after`, or `last` and `before`.
pub(crate) type PageArguments = (Option<i32>, Option<String>, Option<i32>, Option<String>);

/// The filter of a list's argument.
pub(crate) fn filter<I, C>(input: Option<I>) -> domain::Result<Filter<C>>
where
    Filter<C>: TryFrom<I, Error = domain::Error>,
{
    let filter = input.map(Filter::try_from).transpose();
    Ok(filter
        .map_err(|error| error.at("filter"))?
        .unwrap_or_default())
}

/// What a list's arguments and selection ask of it.
///
/// # Errors
/// What the filter or the page arguments are refused for.
pub(crate) fn question<C, F>(
    ctx: &Context<'_>,
    filter: domain::Result<Filter<C>>,
    order: impl Into<Order<F>>,
    (first, after, last, before): PageArguments,
) -> domain::Result<Question<C, F>> {
    Ok(Question {
        filter: filter?,
        order: order.into(),
        page: PageRequest::relay(first, after, last, before)?,
        with_total: Wanted::of(ctx).total(),
    })
}

/// One page of a list, with its total and its rows' relations as far as they are selected.
pub(crate) async fn paginate<T: Listing>(
    ctx: &Context<'_>,
    filter: domain::Result<Filter<Clause<T>>>,
    order: impl Into<Order<Field<T>>>,
    page: PageArguments,
) -> async_graphql::Result<Option<Connection<T>>> {
    let (question, session) = (question(ctx, filter, order, page).gql()?, session(ctx)?);
    let page = T::page(session, &question, &Wanted::of(ctx)).await;
    let (listing, related) = page.gql()?;
    Ok(Some(Connection::new(listing, |row| T::node(row, &related))))
}

/// One page of a list within another object, by the key of both; pages of several objects are fetched together.
pub(crate) async fn nested<K, R, T>(
    ctx: &Context<'_>,
    key: K,
) -> async_graphql::Result<Option<Connection<T>>>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    Batch: Loader<K, Value = Result<list::Listing<R>, Arc<Error>>, Error = Arc<Error>>,
    T: OutputType + From<R>,
{
    let listing: Option<Result<_, _>> = load(ctx, key).await?;
    let listing = listing.transpose().gql()?;
    Ok(listing.map(|listing| Connection::new(listing, T::from)))
}

/// A query of nothing but a list: Relay's page arguments, a filter and an order.
macro_rules! list_query {
    ($(#[doc = $doc:literal])* $query:ident: $list:ident($filter:ty, $order:ty) -> $node:ty) => {
        /// A list.
        #[derive(Default)]
        pub(crate) struct $query;

        #[async_graphql::Object]
        impl $query {
            $(#[doc = $doc])*
            #[expect(
                clippy::too_many_arguments,
                reason = "Relay's four page arguments, a filter and an order"
            )]
            async fn $list(
                &self,
                ctx: &async_graphql::Context<'_>,
                #[graphql(desc = "Which ones.")] filter: Option<$filter>,
                #[graphql(desc = "Sorted how.", default)] order_by: $order,
                #[graphql(desc = "Size of a forward page.")] first: Option<i32>,
                #[graphql(desc = "Rows after this cursor.")] after: Option<String>,
                #[graphql(desc = "Size of a backward page.")] last: Option<i32>,
                #[graphql(desc = "Rows before this cursor.")] before: Option<String>,
            ) -> async_graphql::Result<Option<crate::connection::Connection<$node>>> {
                let filter = crate::connection::filter(filter);
                let page = (first, after, last, before);
                crate::connection::paginate(ctx, filter, order_by, page).await
            }
        }
    };
}
pub(crate) use list_query;

impl<T: OutputType> Connection<T> {
    /// A page whose rows are turned into nodes by `node`.
    pub(crate) fn new<R>(listing: list::Listing<R>, node: impl Fn(R) -> T) -> Self {
        let list::Listing { page, total } = listing;
        let page_info = PageInfo {
            has_next_page: page.has_next,
            has_previous_page: page.has_previous,
            start_cursor: page.rows.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: page.rows.last().map(|(cursor, _)| cursor.clone()),
        };
        let edge = |(cursor, row)| Edge {
            cursor,
            node: node(row),
        };
        Self {
            edges: page.rows.into_iter().map(edge).collect(),
            page_info,
            total_count: total.map(int),
        }
    }
}

/// What a list's selection asks of its rows.
pub(crate) struct Wanted<'a>(Lookahead<'a>);

impl<'a> Wanted<'a> {
    pub(crate) fn of(ctx: &'a Context<'_>) -> Self {
        Self(ctx.look_ahead())
    }

    /// Whether the rows' `field` is selected.
    pub(crate) fn node(&self, field: &str) -> bool {
        self.0.field("nodes").field(field).exists()
            || self.0.field("edges").field("node").field(field).exists()
    }

    /// Whether the total is selected.
    pub(crate) fn total(&self) -> bool {
        self.0.field("totalCount").exists()
    }
}

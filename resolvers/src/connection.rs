//! Relay connections: the page arguments, the generic connection and edge, and what a list's selection asks for.

use std::borrow::Cow;

use async_graphql::{Context, Lookahead, Object, OutputType, SimpleObject, TypeName};
use domain::paging::Page;

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
    total_count: Option<u64>,
}

/// One page of a list.
#[Object(name_type)]
impl<T: OutputType> Connection<T> {
    /// The rows with their cursors.
    async fn edges(&self) -> &[Edge<T>] {
        &self.edges
    }

    /// The rows alone.
    async fn nodes(&self) -> Vec<&T> {
        self.edges.iter().map(|edge| &edge.node).collect()
    }

    /// Where this page lies.
    async fn page_info(&self) -> &PageInfo {
        &self.page_info
    }

    /// How many rows the whole list has; counted only when selected.
    async fn total_count(&self) -> Option<u64> {
        self.total_count
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

impl<T: OutputType> Connection<T> {
    /// A page whose rows are turned into nodes by `node`, once.
    pub(crate) fn new<M>(page: Page<M>, total_count: Option<u64>, node: impl Fn(M) -> T) -> Self {
        let page_info = PageInfo {
            has_next_page: page.has_next,
            has_previous_page: page.has_previous,
            start_cursor: page.rows.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: page.rows.last().map(|(cursor, _)| cursor.clone()),
        };
        let edges = page
            .rows
            .into_iter()
            .map(|(cursor, row)| Edge {
                cursor,
                node: node(row),
            })
            .collect();
        Self {
            edges,
            page_info,
            total_count,
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

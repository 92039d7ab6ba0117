//! Relay connections: the page arguments, the generic connection and edge, and what a list's selection asks for.

use std::borrow::Cow;

use async_graphql::{Context, Lookahead, OutputType, SimpleObject, TypeName};
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
pub(crate) struct Edge<T: OutputType + Clone> {
    /// Opaque position, valid for the same filter and order.
    cursor: String,
    /// The row.
    node: T,
}

/// One page of a list.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub(crate) struct Connection<T: OutputType + Clone> {
    /// The rows with their cursors.
    edges: Vec<Edge<T>>,
    /// The rows alone.
    nodes: Vec<T>,
    /// Where this page lies.
    page_info: PageInfo,
    /// How many rows the whole list has; counted only when selected.
    total_count: Option<u64>,
}

impl<T: OutputType + Clone> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

impl<T: OutputType + Clone> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

impl<T: OutputType + Clone> Connection<T> {
    /// A page whose rows are turned into nodes by `node`, once.
    pub(crate) fn new<M>(page: Page<M>, total_count: Option<u64>, node: impl Fn(M) -> T) -> Self {
        let page_info = PageInfo {
            has_next_page: page.has_next,
            has_previous_page: page.has_previous,
            start_cursor: page.rows.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: page.rows.last().map(|(cursor, _)| cursor.clone()),
        };
        let edges: Vec<_> = page
            .rows
            .into_iter()
            .map(|(cursor, row)| Edge {
                cursor,
                node: node(row),
            })
            .collect();
        let nodes = edges.iter().map(|edge| edge.node.clone()).collect();
        Self {
            edges,
            nodes,
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

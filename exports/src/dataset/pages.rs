//! A list in pages, one after the other, all in one snapshot.

use domain::{
    Period, Result,
    filter::Filter,
    list::{List, Listing, Order, Question},
    paging::PageRequest,
};
use futures::{FutureExt as _, future::BoxFuture};
use service::{Session, count, list};

use super::Source;
use crate::{Column, run::Sink};

/// How far a list is read.
pub(crate) struct Pages<C, F> {
    /// The question whose page comes next.
    pub(super) question: Question<C, F>,
    /// Whether all pages have been read.
    pub(super) is_read: bool,
}

impl<C, F> Pages<C, F>
where
    Order<F>: Default,
{
    /// Before the first page.
    pub(super) fn of(filter: Filter<C>) -> Self {
        Self {
            question: Question {
                filter,
                order: Order::default(),
                page: PageRequest::of_file(None),
                with_total: false,
            },
            is_read: false,
        }
    }

    /// The rows of a page that has come. The next one begins after them.
    pub(super) fn turn<T>(&mut self, listing: Listing<T>) -> impl Iterator<Item = T> {
        let Listing { page, .. } = listing;
        self.is_read = !page.has_next;
        let last = page.rows.last().map(|(cursor, _)| cursor.clone());
        self.question.page = PageRequest::of_file(last);
        page.rows.into_iter().map(|(_, row)| row)
    }
}

/// A row that needs nothing beside it.
pub(super) trait Listed: List {
    /// The columns.
    fn columns() -> Vec<Column>;

    /// Passes its cells on.
    fn push(&self, sink: &mut dyn Sink) -> Result<(), crate::Error>;
}

/// A list of such rows that is being read.
pub(super) struct Plain<T: List> {
    session: Session,
    pages: Pages<T::Clause, T::Field>,
    /// The period that is meant, if the list is of one.
    period: Option<Period>,
}

impl<T: Listed> Plain<T> {
    pub(super) fn new(session: Session, filter: Filter<T::Clause>, period: Option<Period>) -> Self {
        Self {
            session,
            pages: Pages::of(filter),
            period,
        }
    }
}

impl<T: Listed> Source for Plain<T> {
    fn columns(&self) -> Vec<Column> {
        T::columns()
    }

    fn next<'a>(&'a mut self, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<bool, crate::Error>> {
        async move {
            if self.pages.is_read {
                return Ok(false);
            }
            let listing = list::<T>(&self.session, &self.pages.question).await?;
            for row in self.pages.turn(listing) {
                row.push(sink)?;
            }
            Ok(true)
        }
        .boxed()
    }

    fn count(&mut self) -> BoxFuture<'_, Result<Option<u64>>> {
        async move {
            let counted = count::<T>(&self.session, &self.pages.question.filter).await?;
            Ok(Some(counted))
        }
        .boxed()
    }

    fn period(&self) -> Option<Period> {
        self.period
    }
}

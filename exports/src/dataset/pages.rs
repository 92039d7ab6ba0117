//! A list in pages, one after the other.

use domain::{
    filter::Filter,
    list::{Listing, Order, Question},
    paging::PageRequest,
};

/// How far a list is read.
pub(crate) struct Pages<C, F> {
    /// The question whose page comes next.
    pub(super) question: Question<C, F>,
    /// How many rows there will be, once the first page has come.
    pub(super) expected: Option<u64>,
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
                with_total: true,
            },
            expected: None,
            is_read: false,
        }
    }

    /// The rows of a page that has come. The next one begins after them, and is not counted again.
    pub(super) fn turn<T>(&mut self, listing: Listing<T>) -> impl Iterator<Item = T> {
        let Listing { page, total } = listing;
        self.expected = self.expected.or(total);
        self.is_read = !page.has_next;
        let last = page.rows.last().map(|(cursor, _)| cursor.clone());
        self.question.page = PageRequest::of_file(last);
        self.question.with_total = false;
        page.rows.into_iter().map(|(_, row)| row)
    }
}

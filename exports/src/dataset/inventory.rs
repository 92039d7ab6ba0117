//! SIMs and devices: pages of their lists, all in one snapshot.

use std::borrow::Cow;

use domain::{
    Error, Permission, Result,
    filter::Filter,
    label::LabelDefinition,
    list::{List, Order, Question},
    paging::PageRequest,
};
use service::{Asked, InventoryId, Relations, Session, Wants, inventory, list};

use crate::{Cell, Column, Kind, run::Sink};

/// Most columns of labels.
const LABELS: usize = 1_000;

/// SIMs or devices.
pub(crate) trait Exported: InventoryId {
    /// The columns, but for those of labels.
    fn columns() -> Vec<Column>;

    /// Makes the cells of a row, but for those of labels, and passes them on.
    fn with_cells(
        row: &Self::Row,
        relations: &Relations<Self>,
        pass: &mut dyn FnMut(Vec<Cell<'_>>) -> Result<(), crate::Error>,
    ) -> Result<(), crate::Error>;
}

/// The column of a key of labels.
pub(super) fn label(key: &str) -> Column {
    Column::of(
        Cow::Owned(format!("label:{key}")),
        Kind::Text,
        Permission::LabelsRead,
        "The value of the label with this key.",
    )
    .or_empty()
}

/// A list that is being read.
pub(crate) struct Inventory<I: Exported> {
    session: Session,
    question: Asked<I>,
    /// Keys of labels, in order.
    keys: Vec<String>,
    expected: Option<u64>,
    is_read: bool,
}

impl<I: Exported> Inventory<I> {
    pub(super) async fn open(
        session: Session,
        filter: Filter<<I::Row as List>::Clause>,
    ) -> Result<Self> {
        let keys = keys(&session).await?;
        Ok(Self {
            session,
            question: Question {
                filter,
                order: Order::default(),
                page: PageRequest::of_file(None),
                with_total: true,
            },
            keys,
            expected: None,
            is_read: false,
        })
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        let labels = self.keys.iter().map(|key| label(key));
        I::columns().into_iter().chain(labels).collect()
    }

    pub(super) fn expected(&self) -> Option<u64> {
        self.expected
    }

    pub(super) async fn next(&mut self, sink: &mut dyn Sink) -> Result<bool, crate::Error> {
        if self.is_read {
            return Ok(false);
        }
        let wants = Wants {
            customer: true,
            counterpart: true,
            labels: !self.keys.is_empty(),
        };
        let (listing, relations) = inventory::<I>(&self.session, &self.question, wants).await?;
        self.expected = self.expected.or(listing.total);
        for (_, row) in &listing.page.rows {
            let (id, _) = I::of(row);
            let labels = relations.labels.as_ref().and_then(|labels| labels.get(&id));
            I::with_cells(row, &relations, &mut |cells| {
                let mut cells: Vec<Cell<'_>> = cells;
                let of_key = |key: &String| {
                    let mut labels = labels.into_iter().flatten();
                    let label = labels.find(|label| label.key == *key);
                    Cell::from(label.map(|label| label.value.as_str()))
                };
                cells.extend(self.keys.iter().map(of_key));
                sink.push(&cells)
            })?;
        }
        self.question.with_total = false;
        let last = listing.page.rows.into_iter().next_back();
        self.is_read = !listing.page.has_next;
        self.question.page = PageRequest::of_file(last.map(|(cursor, _)| cursor));
        Ok(true)
    }
}

/// The keys of labels, in order.
async fn keys(session: &Session) -> Result<Vec<String>> {
    if !session.scope().may(Permission::LabelsRead) {
        return Ok(Vec::new());
    }
    let mut question = Question {
        filter: Filter::And(Vec::new()),
        order: Order::default(),
        page: PageRequest::of_file(None),
        with_total: false,
    };
    let mut keys = Vec::new();
    loop {
        let page = list::<LabelDefinition>(session, &question).await?.page;
        let cursor = page.rows.last().map(|(cursor, _)| cursor.clone());
        keys.extend(page.rows.into_iter().map(|(_, label)| label.key));
        if keys.len() > LABELS {
            let text = format!("a file has at most {LABELS} columns of labels");
            return Err(Error::limit(text, LABELS as u64, keys.len() as u64));
        }
        if !page.has_next {
            return Ok(keys);
        }
        question.page = PageRequest::of_file(cursor);
    }
}

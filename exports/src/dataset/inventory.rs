//! SIMs and devices: pages of their lists, all in one snapshot.

use std::borrow::Cow;

use domain::{Error, Permission, Result, filter::Filter, label::LabelDefinition, list::List};
use futures::{FutureExt as _, future::BoxFuture};
use service::{InventoryId, Relations, Session, Wants, count, inventory, list};

use super::{Source, pages::Pages};
use crate::{Cell, Column, Kind, run::Sink};

/// Most columns of labels.
const LABELS: usize = 1_000;

/// SIMs or devices.
pub(super) trait Exported: InventoryId {
    /// The columns, but for those of labels.
    fn columns() -> Vec<Column>;

    /// Makes the cells of a row, but for those of labels, and passes them on.
    fn with_cells(
        row: &Self::Row,
        relations: &Relations<Self>,
        pass: &mut dyn FnMut(Vec<Cell<'_>>) -> Result<(), crate::Error>,
    ) -> Result<(), crate::Error>;
}

/// Every column of a list, one for all keys of labels.
pub(super) fn registered<I: Exported>() -> Vec<Column> {
    I::columns().into_iter().chain([label("<key>")]).collect()
}

/// The column of a key of labels.
fn label(key: &str) -> Column {
    Column::of(
        Cow::Owned(format!("label:{key}")),
        Kind::Text,
        Permission::LabelsRead,
        "The value of the label with this key.",
    )
    .or_empty()
}

/// A list that is being read.
pub(super) struct Inventory<I: Exported> {
    session: Session,
    pages: Pages<<I::Row as List>::Clause, <I::Row as List>::Field>,
    /// Keys of labels, in order.
    keys: Vec<String>,
}

impl<I: Exported> Inventory<I> {
    pub(super) async fn open(
        session: Session,
        filter: Filter<<I::Row as List>::Clause>,
    ) -> Result<Self> {
        let keys = keys(&session).await?;
        Ok(Self {
            session,
            pages: Pages::of(filter),
            keys,
        })
    }
}

impl<I: Exported> Source for Inventory<I> {
    fn columns(&self) -> Vec<Column> {
        let labels = self.keys.iter().map(|key| label(key));
        I::columns().into_iter().chain(labels).collect()
    }

    fn next<'a>(&'a mut self, sink: &'a mut dyn Sink) -> BoxFuture<'a, Result<bool, crate::Error>> {
        async move {
            if self.pages.is_read {
                return Ok(false);
            }
            let wants = Wants {
                customer: true,
                counterpart: true,
                labels: !self.keys.is_empty(),
            };
            let (listing, relations) =
                inventory::<I>(&self.session, &self.pages.question, wants).await?;
            for row in self.pages.turn(listing) {
                let (id, _) = I::of(&row);
                let labels = relations.labels.as_ref().and_then(|labels| labels.get(&id));
                I::with_cells(&row, &relations, &mut |cells| {
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
            Ok(true)
        }
        .boxed()
    }

    fn count(&mut self) -> BoxFuture<'_, Result<Option<u64>>> {
        async move {
            let counted = count::<I::Row>(&self.session, &self.pages.question.filter).await?;
            Ok(Some(counted))
        }
        .boxed()
    }
}

/// The keys of labels, in order.
async fn keys(session: &Session) -> Result<Vec<String>> {
    if !session.scope().may(Permission::LabelsRead) {
        return Ok(Vec::new());
    }
    let mut pages = Pages::of(Filter::default());
    let mut keys = Vec::new();
    while !pages.is_read {
        let listing = list::<LabelDefinition>(session, &pages.question).await?;
        keys.extend(pages.turn(listing).map(|label| label.key));
        if keys.len() > LABELS {
            let text = format!("a file has at most {LABELS} columns of labels");
            return Err(Error::limit(text, LABELS as u64, keys.len() as u64));
        }
    }
    Ok(keys)
}

//! From a request to a file.

use std::{collections::BTreeMap, future, mem};

use arrow::array::RecordBatch;
use chrono::{DateTime, Utc};
use domain::{Error as Refusal, decimal::Decimal, tenant, usage::Expression};
use service::Session;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    sync::mpsc::Sender,
    try_join,
};

use crate::{
    Cell, Column, Error, Form, Format, Kind,
    buffer::Buffer,
    coder::{Coded, Coder, Step, digits},
    dataset::{Request, SCHEMA_VERSION, Source},
    format::batch::Batch,
    manifest::{Contents, Described, Head, Manifest, TEXT_RULE},
};

/// How far a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows written.
    pub rows: u64,
    /// Rows that there will be, where that is known before: as many as there were when they were counted.
    pub expected: Option<u64>,
    /// Bytes that whoever takes the file has taken.
    pub bytes: u64,
}

/// A data set, asked for by a caller, as a file of one form.
pub struct Export<'a> {
    /// Who asks, and the snapshot that all is read from.
    pub session: &'a Session,
    /// What is asked for.
    pub request: &'a Request,
    /// What it becomes.
    pub form: Form,
}

impl Export<'_> {
    /// Begins: what can be refused before the first row is refused now.
    ///
    /// # Errors
    /// `FORBIDDEN` when the data set is closed to the caller, and those of the list or the cubes.
    pub async fn begin(&self) -> Result<Begun, Error> {
        let Self {
            session,
            request,
            form,
        } = *self;
        let data_set = request.data_set();
        let cx = session.read().await?;
        cx.scope().require(data_set.entry().needs)?;
        let tenant = tenant::get(&cx).await?;
        let source = request.open(session).await?;
        let (shown, hidden): (Vec<_>, Vec<_>) = source
            .columns()
            .into_iter()
            .enumerate()
            .partition(|(_, column)| column.needs.is_some_and(|needs| cx.scope().may(needs)));
        let (places, columns): (Vec<usize>, Vec<Column>) = shown.into_iter().unzip();
        let mut closed = source.closed();
        closed.extend(hidden.iter().map(|(_, column)| column.name.to_string()));
        let head = Head {
            data_set: data_set.into(),
            format: form.format().as_ref().to_owned(),
            compression: form.compression(),
            csv: form.dialect(),
            question: request.json()?,
            question_sha256: request.fingerprint()?.map(|hash| digits(&hash)),
            tenant: tenant.slug,
            scope: cx.scope().into(),
            period: source.period().map(Into::into),
            time_zone: request.time_zone(),
            columns: columns.iter().map(Described::from).collect(),
            closed,
            text_rule: (form.format() == Format::Csv).then_some(TEXT_RULE),
            product_version: env!("CARGO_PKG_VERSION"),
            schema_version: SCHEMA_VERSION,
            foreseen: source.foreseen().await?,
        };
        Ok(Begun {
            source,
            form,
            head,
            columns,
            places,
            snapshot_at: cx.now(),
        })
    }

    /// Writes the file to `sink`, which is flushed and not shut down, and says what it holds. While `sink` does not take bytes, nothing
    /// more is read.
    ///
    /// # Errors
    /// Those of [`Export::begin`], and [`Error::Io`] and its like when `sink` does not take the bytes. What `sink` has then is no file.
    pub async fn write(
        &self,
        sink: &mut (impl AsyncWrite + Unpin + Send),
        progress: impl FnMut(Progress),
    ) -> Result<Manifest, Error> {
        let mut begun = self.begin().await?;
        let expected = begun.count().await?;
        begun.write(sink, expected, progress).await
    }
}

/// A file of which no row has been read yet.
pub struct Begun {
    source: Box<dyn Source>,
    form: Form,
    head: Head,
    columns: Vec<Column>,
    /// Where the cells of each column are among those of the source.
    places: Vec<usize>,
    snapshot_at: DateTime<Utc>,
}

impl Begun {
    /// What is known of it.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// How many rows there will be, where that can be known before they are read: of everything but questions to the cubes, whose groups
    /// are not known before.
    ///
    /// # Errors
    /// Those of the list or the cubes.
    pub async fn count(&mut self) -> Result<Option<u64>, Error> {
        Ok(self.source.count().await?)
    }

    /// The rest of [`Export::write`]. So many rows are `expected` as progress tells.
    ///
    /// # Errors
    /// Those of [`Export::write`].
    pub async fn write(
        self,
        sink: &mut (impl AsyncWrite + Unpin + Send),
        expected: Option<u64>,
        mut progress: impl FnMut(Progress),
    ) -> Result<Manifest, Error> {
        let Self {
            source,
            form,
            head,
            columns,
            places,
            snapshot_at,
        } = self;
        let buffer = Buffer::default();
        let file = form.begin(&head, &columns, buffer.clone())?;
        let Coder {
            steps,
            mut pieces,
            coded,
        } = Coder::start(file, buffer, expected);
        let gathered = Gathered {
            batch: Batch::new(&columns),
            full: Vec::new(),
            totals: vec![0; columns.len()],
            columns,
            places,
            count: 0,
        };
        let reading = gathered.read(source, head, steps);
        let writing = async {
            while let Some(piece) = pieces.recv().await {
                sink.write_all(&piece.bytes).await?;
                progress(piece.progress);
            }
            Ok(sink.flush().await?)
        };
        let coding = async { coded.await.map_err(Refusal::internal)? };
        let (contents, (), Coded { bytes, sha256 }) = try_join!(reading, writing, coding)?;
        Ok(Manifest {
            contents,
            file: None,
            bytes,
            sha256,
            parts: Vec::new(),
            snapshot_at,
        })
    }
}

/// What takes the rows of a source.
pub(crate) trait Sink: Send {
    /// A row: a cell for each column of the source.
    fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), Error>;
}

/// Rows on their way to a coder, those columns that are shown.
struct Gathered {
    batch: Batch,
    /// Batches that have not been passed on.
    full: Vec<RecordBatch>,
    columns: Vec<Column>,
    /// Where the cells of each column are among those of the source.
    places: Vec<usize>,
    totals: Vec<i128>,
    count: u64,
}

impl Sink for Gathered {
    fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), Error> {
        let mut shown = Vec::with_capacity(self.places.len());
        for (n, place) in self.places.iter().enumerate() {
            let column = &self.columns[n];
            let name = || column.name.to_string();
            let cell = cells
                .get(*place)
                .ok_or_else(|| Error::Cell { name: name() })?;
            if column.additive {
                let value = match cell {
                    Cell::Sum(value) | Cell::Average(value) => *value,
                    Cell::Count(value) => i128::from(*value),
                    Cell::Integer(value) => i128::from(*value),
                    _ => 0,
                };
                let total = self.totals[n].checked_add(value);
                self.totals[n] = total.ok_or_else(|| Error::TooLarge { name: name() })?;
            }
            shown.push(*cell);
        }
        self.count += 1;
        self.batch.push(&shown)?;
        if self.batch.is_full() {
            self.full.extend(self.batch.take()?);
        }
        Ok(())
    }
}

impl Gathered {
    /// Reads a source to its end and passes its rows on.
    async fn read(
        mut self,
        mut source: Box<dyn Source>,
        head: Head,
        steps: Sender<Step>,
    ) -> Result<Contents, Error> {
        while source.next(&mut self).await? {
            for rows in mem::take(&mut self.full) {
                tell(&steps, Step::Rows(rows)).await;
            }
        }
        if let Some(rows) = self.batch.take()? {
            tell(&steps, Step::Rows(rows)).await;
        }
        let contents = Contents {
            head,
            rows: self.count,
            totals: self.totals(),
            provenance: source.provenance()?,
        };
        tell(&steps, Step::End(Box::new(contents.clone()))).await;
        Ok(contents)
    }

    fn totals(&self) -> BTreeMap<String, String> {
        let columns = self.columns.iter().zip(&self.totals);
        columns
            .filter(|(column, _)| column.additive)
            .map(|(column, total)| {
                let places = match column.kind {
                    Kind::Average => Expression::PLACES,
                    _ => 0,
                };
                let scaled = *total;
                let total = Decimal { scaled, places };
                (column.name.to_string(), total.to_string())
            })
            .collect()
    }
}

/// Tells a coder what comes next. One that has failed takes nothing more, and what it says of it ends the file: there is nothing to add.
async fn tell(steps: &Sender<Step>, step: Step) {
    if steps.send(step).await.is_err() {
        future::pending::<()>().await;
    }
}

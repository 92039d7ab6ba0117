//! From a request to a file.

use std::{
    collections::BTreeMap,
    io::{self, Read as _},
};

use chrono::{DateTime, Utc};
use domain::{decimal::Decimal, tenant, usage::Expression};
use service::Session;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use crate::{
    Cell, Column, Error, Form, Format, Kind,
    buffer::Buffer,
    dataset::{Request, SCHEMA_VERSION, Source},
    format::Rows,
    manifest::{Contents, Described, Head, Manifest, TEXT_RULE},
};

/// How far a file is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows written.
    pub rows: u64,
    /// Rows that there will be, where that is known before.
    pub expected: Option<u64>,
    /// Bytes that whoever takes the file has taken.
    pub bytes: u64,
}

/// Bytes that are read from the disk at once.
const CHUNK: usize = 256 << 10;

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
            tenant: tenant.slug,
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
        self.begin().await?.write(sink, progress).await
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

    /// The rest of [`Export::write`].
    ///
    /// # Errors
    /// Those of [`Export::write`].
    pub async fn write(
        self,
        sink: &mut (impl AsyncWrite + Unpin + Send),
        mut progress: impl FnMut(Progress),
    ) -> Result<Manifest, Error> {
        let Self {
            mut source,
            form,
            head,
            columns,
            places,
            snapshot_at,
        } = self;
        let mut sink = Hashed {
            sink,
            hash: Sha256::new(),
            bytes: 0,
        };
        let buffer = Buffer::default();
        let mut file = Out {
            rows: form.begin(&head, &columns, buffer.clone())?,
            totals: vec![0; columns.len()],
            columns,
            places,
            count: 0,
        };
        while source.next(&mut file).await? {
            sink.put(&buffer.take()).await?;
            progress(Progress {
                rows: file.count,
                expected: source.expected(),
                bytes: sink.bytes,
            });
        }
        let contents = Contents {
            head,
            rows: file.count,
            totals: file.totals(),
            provenance: source.provenance()?,
        };
        let (_, spooled) = file.rows.finish(&contents)?;
        sink.put(&buffer.take()).await?;
        if let Some(mut spooled) = spooled {
            let mut chunk = vec![0; CHUNK];
            loop {
                match spooled.read(&mut chunk)? {
                    0 => break,
                    read => sink.put(&chunk[..read]).await?,
                }
            }
        }
        sink.sink.flush().await?;
        Ok(Manifest {
            contents,
            file: None,
            bytes: sink.bytes,
            sha256: digits(&sink.hash.finalize()),
            parts: Vec::new(),
            snapshot_at,
        })
    }
}

/// Bytes as hexadecimal digits.
pub(crate) fn digits(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What takes the rows of a source.
pub(crate) trait Sink: Send {
    /// A row: a cell for each column of the source.
    fn push(&mut self, cells: &[Cell<'_>]) -> Result<(), Error>;
}

/// A file that rows are written to, those columns that are shown.
struct Out {
    rows: Box<dyn Rows<Buffer>>,
    columns: Vec<Column>,
    /// Where the cells of each column are among those of the source.
    places: Vec<usize>,
    totals: Vec<i128>,
    count: u64,
}

impl Sink for Out {
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
        self.rows.push(&shown)
    }
}

impl Out {
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

/// Bytes on their way, counted and hashed.
struct Hashed<'a, W> {
    sink: &'a mut W,
    hash: Sha256,
    bytes: u64,
}

impl<W: AsyncWrite + Unpin> Hashed<'_, W> {
    async fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sink.write_all(bytes).await?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

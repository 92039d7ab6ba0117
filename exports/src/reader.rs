//! Parquet to rows, streaming.

use std::marker::PhantomData;

use arrow::{array::RecordBatch, datatypes::Schema};
use parquet::{
    arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    file::reader::ChunkReader,
};

use crate::{Cell, Column, Error, FileRow, Record, format::batch::Cells};

/// Rows decoded at once.
const BATCH: usize = 8_192;

/// The rows of a file.
pub struct Records<R> {
    batches: ParquetRecordBatchReader,
    ready: std::vec::IntoIter<R>,
    record: PhantomData<R>,
}

/// Opens a file (`std::fs::File` or bytes) whose columns are those of `R`; further columns are ignored.
///
/// # Errors
/// [`Error::Column`] when a column is missing or of another type, [`Error::Parquet`] when it is no Parquet file.
pub fn read<R: Record>(source: impl ChunkReader + 'static) -> Result<Records<R>, Error> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(source)?.with_batch_size(BATCH);
    for column in R::COLUMNS {
        position(builder.schema(), column)?;
    }
    Ok(Records {
        batches: builder.build()?,
        ready: Vec::new().into_iter(),
        record: PhantomData,
    })
}

fn position(schema: &Schema, column: &Column) -> Result<usize, Error> {
    let found = schema.column_with_name(&column.name);
    let typed = found.filter(|(_, field)| *field.data_type() == column.kind.data_type());
    typed
        .map(|(position, _)| position)
        .ok_or_else(|| Error::Column {
            name: column.name.to_string(),
        })
}

impl<R: Record> Iterator for Records<R> {
    type Item = Result<R, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(record) = self.ready.next() {
                return Some(Ok(record));
            }
            let batch = match self.batches.next()? {
                Ok(batch) => batch,
                Err(error) => return Some(Err(error.into())),
            };
            match records(&batch) {
                Ok(records) => self.ready = records.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

fn records<R: Record>(batch: &RecordBatch) -> Result<Vec<R>, Error> {
    let wrong = |column: &Column| Error::Value {
        name: column.name.to_string(),
    };
    let columns: Vec<(&Column, Cells<'_>)> = R::COLUMNS
        .iter()
        .map(|column| {
            let position = position(batch.schema_ref(), column)?;
            let cells = Cells::of(column.kind, batch.column(position));
            Ok((column, cells.ok_or_else(|| wrong(column))?))
        })
        .collect::<Result<_, Error>>()?;
    let record = |row: usize| {
        let cells = columns.iter().map(|(column, cells)| {
            let cell = cells.get(row);
            let cell = cell.filter(|cell| column.nullable || *cell != Cell::Empty);
            cell.ok_or_else(|| wrong(column))
        });
        R::from_row(&FileRow {
            columns: R::COLUMNS,
            cells: cells.collect::<Result<_, Error>>()?,
        })
    };
    (0..batch.num_rows()).map(record).collect()
}

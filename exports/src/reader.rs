//! Parquet to rows, streaming.

use std::marker::PhantomData;

use arrow::{
    array::{
        Array, BooleanArray, Decimal128Array, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray, UInt64Array,
    },
    datatypes::Schema,
};
use chrono::DateTime;
use parquet::{
    arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    file::reader::ChunkReader,
};

use crate::{Cell, Column, Error, FileRow, Kind, Record};

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
    let columns: Vec<(&Column, &dyn Array)> = R::COLUMNS
        .iter()
        .map(|column| {
            let position = position(batch.schema_ref(), column)?;
            Ok((column, batch.column(position).as_ref()))
        })
        .collect::<Result<_, Error>>()?;
    let record = |index: usize| {
        let cells = columns
            .iter()
            .map(|(column, array)| cell(column, *array, index));
        R::from_row(&FileRow {
            columns: R::COLUMNS,
            cells: cells.collect::<Result<_, Error>>()?,
        })
    };
    (0..batch.num_rows()).map(record).collect()
}

fn cell<'a>(column: &Column, array: &'a dyn Array, index: usize) -> Result<Cell<'a>, Error> {
    let wrong = || Error::Value {
        name: column.name.to_string(),
    };
    if array.is_null(index) {
        let empty = column.nullable.then_some(Cell::Empty);
        return empty.ok_or_else(wrong);
    }
    let any = array.as_any();
    let cell = match column.kind {
        Kind::Text => any
            .downcast_ref::<StringArray>()
            .map(|a| Cell::Text(a.value(index))),
        Kind::Flag => any
            .downcast_ref::<BooleanArray>()
            .map(|a| Cell::Flag(a.value(index))),
        Kind::Count => any
            .downcast_ref::<UInt64Array>()
            .map(|a| Cell::Count(a.value(index))),
        Kind::Integer => any
            .downcast_ref::<Int64Array>()
            .map(|a| Cell::Integer(a.value(index))),
        Kind::Sum => any
            .downcast_ref::<Decimal128Array>()
            .map(|a| Cell::Sum(a.value(index))),
        Kind::Average => any
            .downcast_ref::<Decimal128Array>()
            .map(|a| Cell::Average(a.value(index))),
        Kind::Moment => any
            .downcast_ref::<TimestampMicrosecondArray>()
            .and_then(|array| DateTime::from_timestamp_micros(array.value(index)))
            .map(Cell::Moment),
    };
    cell.ok_or_else(wrong)
}

//! Rows under construction, one per record: what decoders of single records share.

use std::ops::Range;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use brooklet_core::format::{BadRecord, Decoded, RecordOfRow};
use brooklet_core::raw::RawBatch;
use brooklet_core::{Delta, Result};

use crate::json::Column;

/// Buffers are kept between batches, rows are not.
pub(crate) struct Rows {
    schema: SchemaRef,
    columns: Vec<Column>,
    /// Complete ones.
    count: usize,
}

impl Rows {
    pub fn new(schema: SchemaRef) -> Result<Rows> {
        let columns = schema.fields().iter().map(Column::new).collect::<Result<_>>()?;
        Ok(Rows { schema, columns, count: 0 })
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// A row per record at `range` for which `write` gives no reason against it; `skip`: a bad
    /// record is passed over.
    pub fn decode(
        &mut self,
        batch: &RawBatch,
        range: Range<usize>,
        skip: bool,
        mut write: impl FnMut(&mut [Column], usize, &[u8]) -> Result<(), String>,
    ) -> Decoded {
        let mut bad = Vec::new();
        let mut records = Vec::new();
        for record in range.clone() {
            let value = batch.value(record);
            let outcome = match value {
                Some(value) => self.push(|columns, row| write(columns, row, value)),
                None => Err("the record has no value".to_string()),
            };
            match outcome {
                Ok(()) if bad.is_empty() => {}
                Ok(()) => records.push(record as u32),
                Err(reason) => {
                    if bad.is_empty() {
                        records.extend(range.start as u32..record as u32);
                    }
                    bad.push(BadRecord { record, reason, skip: skip || value.is_none() });
                }
            }
        }
        let record_of_row =
            if bad.is_empty() { RecordOfRow::Same } else { RecordOfRow::Each(records) };
        Decoded { rows: Delta::inserts(self.finish()), record_of_row, bad }
    }

    /// Adds the row that `write` writes; what a failure leaves half-written is taken back.
    pub fn push(
        &mut self,
        write: impl FnOnce(&mut [Column], usize) -> Result<(), String>,
    ) -> Result<(), String> {
        let row = self.count;
        let written = write(&mut self.columns, row);
        match written {
            Ok(()) => self.count += 1,
            Err(_) => self.columns.iter_mut().for_each(|column| column.cut(row)),
        }
        written
    }

    pub fn finish(&mut self) -> RecordBatch {
        let count = std::mem::take(&mut self.count);
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let columns: Vec<ArrayRef> = self.columns.iter_mut().map(|c| c.finish(count)).collect();
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .expect("columns have the schema's types and NOT NULL was checked for each row")
    }
}

/// What was not written is NULL.
pub(crate) fn not_null(column: &Column, row: usize) -> Result<(), String> {
    if column.field.is_nullable() || column.is_set(row) {
        return Ok(());
    }
    Err("the column is NOT NULL but has no value".to_string())
}

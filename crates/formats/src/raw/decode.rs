//! Records to the rows of one column.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, RecordBatch, RecordBatchOptions, StringBuilder};
use arrow::datatypes::{DataType, Field, SchemaRef};
use brooklet_core::format::{BadRecord, DecodeSpec, Decoded, Decoder, RecordOfRow};
use brooklet_core::raw::RawBatch;
use brooklet_core::{Delta, Result};

use super::number;

/// Opens the decoder of the raw format.
pub(super) fn open(spec: &DecodeSpec) -> Result<Box<dyn Decoder>> {
    super::check(&spec.schema, &spec.options)?;
    let little = super::is_little(&spec.options);
    Ok(Box::new(RawDecoder { schema: spec.schema.clone(), little }))
}

struct RawDecoder {
    schema: SchemaRef,
    little: bool,
}

impl Decoder for RawDecoder {
    fn decode(&mut self, batch: &RawBatch, range: Range<usize>) -> Decoded {
        let mut records = RecordOfRow::Same;
        let mut kept: Vec<usize> = range.clone().collect();
        let mut bad = Vec::new();
        let not_null = self.schema.fields().first().is_some_and(|f| !f.is_nullable());
        let width = self.schema.fields().first().and_then(|f| number::width(f.data_type()));
        // The offsets of a column are 32-bit numbers.
        let mut bytes = 0usize;
        kept.retain(|record| {
            let len = batch.value(*record).map(<[u8]>::len);
            let reason = match len {
                None if not_null => {
                    "the record has no value, but the column is NOT NULL".to_string()
                }
                Some(len) if width.is_some_and(|width| width != len) => {
                    let width = width.unwrap_or_default();
                    format!("the record has {len} bytes, a value of the column {width}")
                }
                Some(len) if 3 * (bytes + len) > i32::MAX as usize => {
                    "one column of a batch would exceed 2 GiB; read smaller batches".to_string()
                }
                _ => {
                    bytes += len.unwrap_or(0);
                    return true;
                }
            };
            bad.push(BadRecord { record: *record, reason, skip: false });
            false
        });
        if !bad.is_empty() {
            records = RecordOfRow::Each(kept.iter().map(|r| *r as u32).collect());
        }
        let options = RecordBatchOptions::new().with_row_count(Some(kept.len()));
        let column = |f: &Arc<Field>| column(f.data_type(), batch, &kept, self.little);
        let columns = self.schema.fields().iter().map(column);
        let rows =
            RecordBatch::try_new_with_options(self.schema.clone(), columns.collect(), &options)
                .expect("the type was checked at open and NOT NULL above");
        Decoded { rows: Delta::inserts(rows), record_of_row: records, bad }
    }
}

fn column(ty: &DataType, batch: &RawBatch, records: &[usize], little: bool) -> ArrayRef {
    let values = records.iter().map(|r| batch.value(*r));
    if number::width(ty).is_some() {
        number::read(ty, values, little)
    } else if *ty == DataType::Utf8 {
        let mut texts = StringBuilder::new();
        values.for_each(|v| texts.append_option(v.map(String::from_utf8_lossy)));
        Arc::new(texts.finish())
    } else {
        let mut bytes = BinaryBuilder::new();
        values.for_each(|v| bytes.append_option(v));
        Arc::new(bytes.finish())
    }
}

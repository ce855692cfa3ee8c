//! Rows of which some columns stand in a record's key and the others in its value, each part in a
//! format of its own.
//!
//! As in Flink: a record gives every row of its key with every row of its value, and none when one
//! of the two gives none. A column that both have is the value's. In a table of upserts a record
//! without a value takes the row of its key away.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::interleave;
use arrow::datatypes::SchemaRef;
use brooklet_core::format::{BadRecord, Decoded, Decoder, RecordOfRow};
use brooklet_core::raw::RawBatch;
use brooklet_core::schemas::{self, WriterSchema};
use brooklet_core::{Delta, Weights};

/// One part of a record.
pub struct Part {
    pub decoder: Box<dyn Decoder>,
    /// For each column of the table, which of the decoder's it is.
    pub columns: Vec<Option<usize>>,
}

/// The decoder of a record's key and value together.
pub struct KeyedDecoder {
    /// The table's columns, all of which may be NULL.
    pub schema: SchemaRef,
    pub key: Part,
    pub value: Part,
    /// Records without a value delete.
    pub upserts: bool,
}

/// Rows in the order of their records: which row of the key and of the value each is made of.
#[derive(Default)]
struct Picked {
    /// None for a deletion: it has a key only.
    rows: Vec<(u32, Option<u32>)>,
    weights: Vec<i64>,
    records: Vec<u32>,
}

impl Decoder for KeyedDecoder {
    fn learn(&mut self, schemas: &[WriterSchema]) {
        let of = |part: schemas::Part| -> Vec<WriterSchema> {
            schemas.iter().filter(|schema| schema.part == part).cloned().collect()
        };
        self.key.decoder.learn(&of(schemas::Part::Key));
        self.value.decoder.learn(&of(schemas::Part::Value));
    }

    fn decode(&mut self, batch: &RawBatch, range: Range<usize>) -> Decoded {
        let keys = batch.keys(range.clone(), |keys| self.key.decoder.decode(keys, 0..keys.len()));
        let values = self.value.decoder.decode(batch, range.clone());
        let deletes = |record: usize| self.upserts && batch.value(record).is_none();
        let whole = |d: &Decoded| d.record_of_row == RecordOfRow::Same && d.bad.is_empty();
        let side_by_side = whole(&keys) && whole(&values) && keys.rows.len() == values.rows.len();
        if side_by_side && !range.clone().any(deletes) {
            let column = |(k, v): (&Option<usize>, &Option<usize>)| match (v, k) {
                (Some(v), _) => values.rows.column(*v).clone(),
                (None, Some(k)) => keys.rows.column(*k).clone(),
                (None, None) => unreachable!("a column stands in the key or in the value"),
            };
            let columns = self.key.columns.iter().zip(&self.value.columns).map(column).collect();
            let rows = values.rows.with_rows(self.batch(columns, values.rows.len()));
            return Decoded { rows, record_of_row: RecordOfRow::Same, bad: Vec::new() };
        }
        let (picked, bad) = pick(range, &keys, &values, deletes);
        let rows = self.gather(&keys, &values, &picked.rows);
        let weights = match picked.weights.iter().all(|weight| *weight == 1) {
            true => Weights::Ones,
            false => Weights::Each(picked.weights),
        };
        Decoded {
            rows: Delta { rows, weights },
            record_of_row: RecordOfRow::Each(picked.records),
            bad,
        }
    }
}

impl KeyedDecoder {
    fn gather(&self, keys: &Decoded, values: &Decoded, rows: &[(u32, Option<u32>)]) -> RecordBatch {
        let column = |i: usize| -> ArrayRef {
            let null = new_null_array(self.schema.field(i).data_type(), 1);
            let of_key = self.key.columns[i].map_or(&null, |k| keys.rows.column(k));
            let of_value = self.value.columns[i].map_or(&null, |v| values.rows.column(v));
            let sides: [&dyn Array; 3] = [&null, of_key, of_value];
            let place = |(key, value): &(u32, Option<u32>)| match (
                value,
                self.value.columns[i],
                self.key.columns[i],
            ) {
                (Some(value), Some(_), _) => (2, *value as usize),
                (_, _, Some(_)) => (1, *key as usize),
                _ => (0, 0),
            };
            let places: Vec<(usize, usize)> = rows.iter().map(place).collect();
            interleave(&sides, &places).expect("both parts have the table's types")
        };
        self.batch((0..self.schema.fields().len()).map(column).collect(), rows.len())
    }

    fn batch(&self, columns: Vec<ArrayRef>, rows: usize) -> RecordBatch {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .expect("the parts have the table's types, and any column may be NULL")
    }
}

/// The rows of one part, record by record.
struct Cursor<'a> {
    of: &'a Decoded,
    /// What the first record is to the part.
    first: usize,
    row: usize,
    bad: usize,
}

impl<'a> Cursor<'a> {
    /// The rows of the next record, and why it has none.
    fn next(&mut self, record: usize) -> (Range<u32>, Option<&'a BadRecord>) {
        let from = self.row;
        let belongs = |row: usize| match &self.of.record_of_row {
            RecordOfRow::Same => self.first + row == record,
            RecordOfRow::Each(each) => each[row] as usize == record,
        };
        while self.row < self.of.rows.len() && belongs(self.row) {
            self.row += 1;
        }
        let bad = self.of.bad.get(self.bad).filter(|bad| bad.record == record);
        self.bad += usize::from(bad.is_some());
        (from as u32..self.row as u32, bad)
    }
}

/// Which rows the records of `range` give, and which records are bad. Records of `keys` count from
/// the start of the range.
fn pick(
    range: Range<usize>,
    keys: &Decoded,
    values: &Decoded,
    deletes: impl Fn(usize) -> bool,
) -> (Picked, Vec<BadRecord>) {
    let mut of_key = Cursor { of: keys, first: 0, row: 0, bad: 0 };
    let mut of_value = Cursor { of: values, first: range.start, row: 0, bad: 0 };
    let (mut picked, mut bad) = (Picked::default(), Vec::new());
    for record in range.clone() {
        let (key_rows, bad_key) = of_key.next(record - range.start);
        let (value_rows, bad_value) = of_value.next(record);
        if let Some(fault) = bad_key {
            let reason = format!("in the record's key: {}", fault.reason);
            bad.push(BadRecord { record, reason, skip: fault.skip });
        } else if deletes(record) {
            for key in key_rows {
                picked.add(record, (key, None), -1);
            }
        } else if let Some(fault) = bad_value {
            bad.push(fault.clone());
        } else {
            for key in key_rows {
                for value in value_rows.clone() {
                    picked.add(record, (key, Some(value)), values.rows.weight(value as usize));
                }
            }
        }
    }
    (picked, bad)
}

impl Picked {
    fn add(&mut self, record: usize, row: (u32, Option<u32>), weight: i64) {
        self.rows.push(row);
        self.weights.push(weight);
        self.records.push(record as u32);
    }
}

#[cfg(test)]
mod tests;

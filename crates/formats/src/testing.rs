//! What the tests of all formats need: options, records in a buffer, rows as text.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::util::display::array_value_to_string;
use brooklet_core::options::Options;
use brooklet_core::raw::RawBatch;

pub fn options(pairs: &[(&str, &str)]) -> Options {
    Options(pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect())
}

/// Records in one buffer, one behind the other.
pub fn batch<T: AsRef<[u8]>>(records: &[T]) -> RawBatch {
    let mut all = Vec::new();
    let mut ranges = Vec::new();
    for (i, record) in records.iter().enumerate() {
        let start = all.len();
        all.extend_from_slice(record.as_ref());
        ranges.push((start..all.len(), i as i64));
    }
    RawBatch::from_buffer(all.into(), &ranges)
}

/// Each row's values as text, joined by `|`; NULL where there is none.
pub fn show(rows: &RecordBatch) -> Vec<String> {
    let cell = |column: &Arc<dyn Array>, row: usize| match column.is_null(row) {
        true => "NULL".to_string(),
        false => array_value_to_string(column, row).unwrap(),
    };
    let text = |row| rows.columns().iter().map(|c| cell(c, row)).collect::<Vec<_>>().join("|");
    (0..rows.num_rows()).map(text).collect()
}

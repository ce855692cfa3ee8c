//! The complete result in directories `epoch=N`.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{DataType, Float64Type};
use brooklet_testkit::services::Bucket;

use super::expect::Cells;

/// Panics unless the newest directory holds exactly these rows, but for their row_id.
pub fn check(bucket: &Bucket, joined: &BTreeSet<Cells>) {
    let mut results: BTreeMap<u64, Vec<Cells>> = BTreeMap::new();
    for file in bucket.parquet("reclamacoes") {
        let epoch = file.partition()["epoch"].parse().expect("a number");
        results.entry(epoch).or_default().extend(file.batches.iter().flat_map(cells));
    }
    let (epoch, mut newest) = results.pop_last().expect("a result was written");
    let mut expected: Vec<Cells> = joined.iter().map(|row| row[1..].to_vec()).collect();
    expected.iter_mut().flatten().flatten().for_each(without_exponent);
    expected.sort();
    newest.sort();
    let differ = newest.iter().zip(&expected).find(|(a, b)| a != b);
    let counts = (newest.len(), expected.len());
    assert!(newest == expected, "epoch={epoch}: {counts:?} rows, {differ:?}");
}

fn cells(rows: &RecordBatch) -> Vec<Cells> {
    let columns = rows.columns().iter().map(|column| match column.data_type() {
        DataType::Float64 => {
            let numbers = column.as_primitive::<Float64Type>().iter();
            numbers.map(|n| n.map(|n| n.to_string())).collect::<Cells>()
        }
        _ => {
            let text = compute::cast(column, &DataType::Utf8).expect("every type has a text");
            text.as_string::<i32>().iter().map(|t| t.map(str::to_string)).collect()
        }
    });
    let columns: Vec<Cells> = columns.collect();
    (0..rows.num_rows()).map(|row| columns.iter().map(|c| c[row].clone()).collect()).collect()
}

/// Postgres writes large numbers with an exponent.
fn without_exponent(text: &mut String) {
    if let (true, Ok(number)) = (text.contains("e+"), text.parse::<f64>()) {
        *text = number.to_string();
    }
}

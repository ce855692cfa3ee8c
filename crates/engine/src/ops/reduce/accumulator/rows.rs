//! The rows of a batch that a call counts.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::compute;

use brooklet_core::{Error, Result};

use super::Batch;

/// Calls `each(row, group, weight)` for the rows that count: filter true, argument not NULL.
#[inline]
pub fn each_row(
    batch: &Batch<'_>,
    filter: Option<usize>,
    arg: Option<&ArrayRef>,
    mut each: impl FnMut(usize, u32, i64),
) {
    let filter: Option<&BooleanArray> = filter.map(|f| batch.columns[f].as_boolean());
    let nulls = arg.and_then(|a| a.nulls());
    for (row, group) in batch.groups.iter().enumerate() {
        if nulls.is_some_and(|n| n.is_null(row)) {
            continue;
        }
        if filter.is_some_and(|f| f.is_null(row) || !f.value(row)) {
            continue;
        }
        each(row, *group, batch.weights[row]);
    }
}

/// The rows that count, by number.
pub fn counted(batch: &Batch<'_>, filter: Option<usize>, arg: Option<&ArrayRef>) -> Vec<u32> {
    let mut rows = Vec::with_capacity(batch.groups.len());
    each_row(batch, filter, arg, |row, _, _| rows.push(row as u32));
    rows
}

/// The group keys and these columns of some rows.
pub fn picked(batch: &Batch<'_>, columns: &[ArrayRef], rows: &[u32]) -> Result<Vec<ArrayRef>> {
    let all = batch.keys.iter().chain(columns);
    if rows.len() == batch.groups.len() {
        return Ok(all.cloned().collect());
    }
    let take = UInt32Array::from(rows.to_vec());
    all.map(|c| Ok::<_, Error>(compute::take(c, &take, None)?)).collect()
}

/// The weights of some rows.
pub fn weights_of(batch: &Batch<'_>, rows: &[u32]) -> Vec<i64> {
    rows.iter().map(|r| batch.weights[*r as usize]).collect()
}

//! Several epochs of changes to one table become at most one change per key.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute;
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use brooklet_core::sink::EpochOutput;
use brooklet_core::{Delta, Epoch, Error, Result};

use super::target::Target;

/// Rows a statement takes at most, and about how many bytes.
const CHUNK_ROWS: usize = 8_192;
const CHUNK_BYTES: usize = 16 << 20;

/// What is to be done to one table, deletions first. Rows are indices into the columns.
#[derive(Debug, Default)]
pub struct Changes {
    pub columns: Vec<ArrayRef>,
    /// The epoch each row came with.
    pub epochs: Vec<Epoch>,
    pub delete: Vec<u32>,
    pub insert: Vec<u32>,
    /// What the table held before goes first.
    pub replaces: bool,
}

/// Nets the epochs' changes to the table at `index`, in epoch order. None when nothing changes.
/// `all`: where existing keys are left as they are, every row of a key is kept, because the first
/// may be refused.
pub fn net(
    target: &Target,
    index: usize,
    outputs: &[&EpochOutput],
    all: bool,
) -> Result<Option<Changes>> {
    // What came before a whole result is in it.
    let result = outputs.iter().rposition(|o| o.tables[index].replaces);
    let replaces = result.is_some();
    let deltas: Vec<(Epoch, &Delta)> = outputs[result.unwrap_or(0)..]
        .iter()
        .flat_map(|o| o.tables[index].changes.iter().map(|d| (o.epoch, d)))
        .filter(|(_, d)| !d.is_empty())
        .collect();
    if deltas.is_empty() {
        let none = Changes { replaces, ..Changes::default() };
        return Ok(replaces.then_some(none));
    }
    let columns = columns(target, &deltas)?;
    let each = |(epoch, delta): &(Epoch, &Delta)| vec![*epoch; delta.len()];
    let epochs: Vec<Epoch> = deltas.iter().flat_map(each).collect();
    let weights = deltas.iter().flat_map(|(_, d)| (0..d.len()).map(|i| d.weight(i)));
    let weights: Vec<i64> = weights.collect();
    let (delete, insert) = if target.key.is_empty() {
        (Vec::new(), appended(target, &weights)?)
    } else {
        by_key(target, &columns, &Rows { epochs: &epochs, weights: &weights, all })?
    };
    Ok(Some(Changes { columns, epochs, delete, insert, replaces }))
}

fn columns(target: &Target, deltas: &[(Epoch, &Delta)]) -> Result<Vec<ArrayRef>> {
    let width = target.columns.len();
    if let Some((_, delta)) = deltas.iter().find(|(_, d)| d.rows.num_columns() != width) {
        return Err(Error::bug(format!(
            "table '{}' has {width} columns, a row has {}",
            target.table,
            delta.rows.num_columns()
        )));
    }
    let column = |i: usize| {
        let parts: Vec<&dyn Array> = deltas.iter().map(|(_, d)| d.column(i).as_ref()).collect();
        compute::concat(&parts)
    };
    Ok((0..width).map(column).collect::<Result<_, _>>()?)
}

fn appended(target: &Target, weights: &[i64]) -> Result<Vec<u32>> {
    let mut insert = Vec::with_capacity(weights.len());
    for (row, weight) in weights.iter().enumerate() {
        let times = usize::try_from(*weight).map_err(|_| {
            Error::bug(format!(
                "table '{}' has no PRIMARY KEY and was given a row to delete",
                target.table
            ))
        })?;
        insert.extend(std::iter::repeat_n(row as u32, times));
    }
    Ok(insert)
}

/// One key's changes so far.
#[derive(Default)]
struct Outcome {
    delete: Option<u32>,
    insert: Option<u32>,
}

/// What is known of rows beside their columns.
struct Rows<'a> {
    epochs: &'a [Epoch],
    weights: &'a [i64],
    all: bool,
}

/// Sorted by key, so that writers of one table lock rows in one order.
fn by_key(target: &Target, columns: &[ArrayRef], rows: &Rows) -> Result<(Vec<u32>, Vec<u32>)> {
    let Rows { epochs, weights, all } = *rows;
    let fields = target.key.iter().map(|k| SortField::new(columns[*k].data_type().clone()));
    let converter = RowConverter::new(fields.collect())?;
    let key_columns: Vec<ArrayRef> = target.key.iter().map(|k| columns[*k].clone()).collect();
    let keys = converter.convert_columns(&key_columns)?;
    let mut order: Vec<u32> = (0..weights.len() as u32).collect();
    order.sort_by(|a, b| keys.row(*a as usize).cmp(&keys.row(*b as usize)));
    let (mut delete, mut insert) = (Vec::new(), Vec::new());
    for group in order.chunk_by(|a, b| keys.row(*a as usize) == keys.row(*b as usize)) {
        if all && target.ignore && group.iter().all(|row| weights[*row as usize] > 0) {
            insert.extend(group);
            continue;
        }
        let mut outcome = Outcome::default();
        for epoch in group.chunk_by(|a, b| epochs[*a as usize] == epochs[*b as usize]) {
            outcome.apply(epoch, weights, target.ignore);
        }
        delete.extend(outcome.delete);
        insert.extend(outcome.insert);
    }
    Ok((delete, insert))
}

impl Outcome {
    /// One epoch's rows of the key: a row that is added replaces the one before, a row that is
    /// only taken away deletes it.
    fn apply(&mut self, rows: &[u32], weights: &[i64], ignore: bool) {
        let mut added = rows.iter().copied().filter(|r| weights[*r as usize] > 0);
        if ignore {
            match added.next() {
                // The first row of a key stays; what follows is ignored until it is deleted.
                Some(row) => self.insert = self.insert.or(Some(row)),
                None => self.take_away(rows, weights),
            }
        } else {
            match added.next_back() {
                Some(row) => *self = Outcome { delete: None, insert: Some(row) },
                None => self.take_away(rows, weights),
            }
        }
    }

    fn take_away(&mut self, rows: &[u32], weights: &[i64]) {
        if let Some(row) = rows.iter().find(|r| weights[**r as usize] < 0) {
            *self = Outcome { delete: Some(*row), insert: None };
        }
    }
}

/// Cuts rows into pieces that fit a statement.
pub fn chunks(columns: &[ArrayRef], rows: &[u32]) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, row) in rows.iter().enumerate() {
        let size: usize = columns.iter().map(|c| size(c, *row as usize)).sum();
        if i > start && (i - start == CHUNK_ROWS || bytes + size > CHUNK_BYTES) {
            chunks.push(start..i);
            (start, bytes) = (i, 0);
        }
        bytes += size;
    }
    if start < rows.len() {
        chunks.push(start..rows.len());
    }
    chunks
}

/// About the bytes a value takes on the wire.
fn size(column: &ArrayRef, row: usize) -> usize {
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value_length(row) as usize,
        DataType::Binary => column.as_binary::<i32>().value_length(row) as usize,
        DataType::List(_) => 32 * column.as_list::<i32>().value_length(row) as usize,
        _ => 12,
    }
}

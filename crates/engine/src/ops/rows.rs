//! Whole rows as state: encode, decode, order by arrival, consolidate.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::{Field, Int64Type, SchemaRef};
use arrow::row::{RowConverter, SortField};
use hashbrown::{HashMap, HashTable};

use brooklet_core::hash::hash_rows;
use brooklet_core::{Delta, Error, Result, Weights};

use super::map::batch;
use crate::planted::{self, Mistake};

/// Rows of one schema to bytes and back; encodings of equal rows are equal.
pub struct RowCodec {
    schema: SchemaRef,
    converter: RowConverter,
}

impl RowCodec {
    pub fn new(schema: SchemaRef) -> Result<Self> {
        let sort = schema.fields().iter().map(|f| SortField::new(f.data_type().clone()));
        let converter = RowConverter::new(sort.collect()).map_err(|e| {
            Error::config("rows with a column of this type cannot be kept").caused_by(e)
        })?;
        Ok(RowCodec { schema, converter })
    }
    pub fn encode(&self, rows: &RecordBatch) -> Result<arrow::row::Rows> {
        Ok(self.converter.convert_columns(rows.columns())?)
    }
    pub fn decode<'a>(&self, rows: impl Iterator<Item = &'a [u8]>) -> Result<RecordBatch> {
        let parser = self.converter.parser();
        let rows: Vec<&[u8]> = rows.collect();
        let columns = self.converter.convert_rows(rows.iter().map(|r| parser.parse(r)))?;
        batch(&self.schema, columns, rows.len())
    }
}

/// Rows of several deltas that are equal become one, with the sum of their weights; those that
/// cancel out vanish. Rows keep the order of their first appearance. Insertions alone stay as they
/// are, row by row.
pub fn consolidate(schema: &SchemaRef, deltas: &[Delta]) -> Result<Option<Delta>> {
    let Some(all) = brooklet_core::delta::concat(schema, deltas)? else { return Ok(None) };
    let Weights::Each(weights) = &all.weights else { return Ok(Some(all)) };
    if weights.iter().all(|weight| *weight == 1) {
        return Ok(Some(Delta::inserts(all.rows)));
    }
    let mut sums = weights.clone();
    let alike = alike(&all)?;
    if !alike.is_empty() {
        let codec = RowCodec::new(schema.clone())?;
        let encoded = codec.encode(&all.take(&alike)?.rows)?;
        let mut first: HashMap<&[u8], u32, foldhash::fast::FixedState> = HashMap::default();
        for (n, row) in alike.iter().enumerate() {
            let first = *first.entry(encoded.row(n).data()).or_insert(*row);
            if first != *row {
                sums[first as usize] += std::mem::take(&mut sums[*row as usize]);
            }
        }
    }
    let kept: Vec<u32> = (0..all.len() as u32).filter(|row| sums[*row as usize] != 0).collect();
    if kept.len() == all.len() {
        return Ok(Some(Delta::new(all.rows, sums)));
    }
    if kept.is_empty() {
        return Ok(None);
    }
    let rows = compute::take_record_batch(&all.rows, &UInt32Array::from(kept.clone()))?;
    let weights = kept.iter().map(|row| sums[*row as usize]).collect();
    Ok(Some(Delta::new(rows, weights)))
}

/// The rows that have their hash in common with another one, ascending: most often none.
fn alike(rows: &Delta) -> Result<Vec<u32>> {
    let hashes = hash_rows(rows.rows.columns(), rows.len())?;
    let mut first: HashTable<u32> = HashTable::with_capacity(rows.len());
    let mut shared = vec![false; rows.len()];
    for (row, hash) in hashes.iter().enumerate() {
        let same = |other: &u32| hashes[*other as usize] == *hash;
        match first.find(*hash, same) {
            Some(other) => {
                shared[*other as usize] = true;
                shared[row] = true;
            }
            None => _ = first.insert_unique(*hash, row as u32, |other| hashes[*other as usize]),
        }
    }
    Ok((0..rows.len() as u32).filter(|row| shared[*row as usize]).collect())
}

/// Changes to be taken one delta after the other: insertions as they come, without copying them;
/// else all at once, consolidated.
pub fn in_turn(schema: &SchemaRef, deltas: &[Delta]) -> Result<Vec<Delta>> {
    if deltas.iter().all(|delta| delta.weights == Weights::Ones) {
        return Ok(deltas.iter().filter(|delta| !delta.is_empty()).cloned().collect());
    }
    Ok(consolidate(schema, deltas)?.into_iter().collect())
}

/// Insertions with a row of weight n as n rows.
pub fn one_by_one(rows: Delta) -> Result<Delta> {
    let Weights::Each(weights) = &rows.weights else { return Ok(rows) };
    if weights.iter().all(|weight| *weight == 1) {
        return Ok(Delta::inserts(rows.rows));
    }
    let each = weights.iter().enumerate();
    let repeated = each.flat_map(|(row, n)| std::iter::repeat_n(row as u32, *n as usize));
    let repeated = UInt32Array::from_iter_values(repeated);
    Ok(Delta::inserts(compute::take_record_batch(&rows.rows, &repeated)?))
}

/// The rows in arrival order.
pub fn by_arrival(rows: Delta, ord: &[usize]) -> Result<Delta> {
    let Some(first) = ord.first() else { return Ok(rows) };
    let values = rows.column(*first).as_primitive::<Int64Type>().values();
    if (ord.len() == 1 && values.is_sorted()) || planted::has(Mistake::Unsorted) {
        return Ok(rows);
    }
    let columns: Vec<compute::SortColumn> = ord
        .iter()
        .map(|c| compute::SortColumn { values: rows.column(*c).clone(), options: None })
        .collect();
    let indices = compute::lexsort_to_indices(&columns, None)?;
    let indices: Vec<u32> = indices.values().to_vec();
    rows.take(&indices)
}

/// Fields of a schema at these places.
pub fn fields_at(schema: &SchemaRef, columns: &[usize]) -> Vec<Arc<Field>> {
    columns.iter().map(|c| schema.fields()[*c].clone()).collect()
}

/// Columns of rows at these places.
pub fn columns_at(rows: &Delta, columns: &[usize]) -> Vec<ArrayRef> {
    columns.iter().map(|c| rows.column(*c).clone()).collect()
}

/// Whether any of these columns is NULL in each row.
pub fn any_null(columns: &[ArrayRef], rows: usize) -> Vec<bool> {
    let mut nulls = vec![false; rows];
    for column in columns {
        if let Some(mask) = column.logical_nulls() {
            nulls.iter_mut().enumerate().for_each(|(i, n)| *n |= mask.is_null(i));
        }
    }
    nulls
}

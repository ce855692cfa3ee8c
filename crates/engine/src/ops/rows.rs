//! Whole rows as state: encode, decode, order by arrival, consolidate.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::{Field, Int64Type, SchemaRef};
use arrow::row::{RowConverter, SortField};
use hashbrown::HashTable;

use brooklet_core::hash::hash_bytes;
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
/// cancel out vanish. Rows keep the order of their first appearance.
pub fn consolidate(schema: &SchemaRef, deltas: &[Delta]) -> Result<Option<Delta>> {
    let Some(all) = brooklet_core::delta::concat(schema, deltas)? else { return Ok(None) };
    if all.weights == Weights::Ones {
        return Ok(Some(all));
    }
    let codec = RowCodec::new(schema.clone())?;
    let encoded = codec.encode(&all.rows)?;
    let mut index: HashTable<(u64, u32)> = HashTable::with_capacity(all.len());
    let mut sums: Vec<(u32, i64)> = Vec::new();
    for row in 0..all.len() {
        let bytes = encoded.row(row).data();
        let hash = hash_bytes(bytes, 0);
        let same = |(h, at): &(u64, u32)| {
            *h == hash && encoded.row(sums[*at as usize].0 as usize).data() == bytes
        };
        match index.find(hash, same).map(|(_, at)| *at) {
            Some(at) => sums[at as usize].1 += all.weight(row),
            None => {
                index.insert_unique(hash, (hash, sums.len() as u32), |(h, _)| *h);
                sums.push((row as u32, all.weight(row)));
            }
        }
    }
    sums.retain(|(_, weight)| *weight != 0);
    if sums.is_empty() {
        return Ok(None);
    }
    let rows: Vec<u32> = sums.iter().map(|(row, _)| *row).collect();
    let rows = compute::take_record_batch(&all.rows, &UInt32Array::from(rows))?;
    Ok(Some(Delta::new(rows, sums.into_iter().map(|(_, w)| w).collect())))
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

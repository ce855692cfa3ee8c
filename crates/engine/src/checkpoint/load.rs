//! Saved rows on their way back into tables.
//!
//! Segments are read newest first, each once: of a group's versions the first one met counts, and
//! no more than a segment is in memory beside the tables.

use std::collections::BTreeMap;
use std::io::Cursor;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt32Type};
use arrow::ipc::reader::StreamReader;
use bytes::Bytes;

use brooklet_core::{Error, Result};

use super::manifest::SegmentRef;
use crate::column::ValueType;
use crate::table::Table;

/// Gives a segment's content by its name; called from the threads that load.
pub trait ReadSegment: Send + Sync {
    fn read(&self, segment: &str) -> Result<Bytes>;
}

/// Gives `take` the living rows of tables: the index of the table and a batch.
pub fn each_batch(
    tables: &[Vec<SegmentRef>],
    from: &dyn ReadSegment,
    mut take: impl FnMut(usize, &RecordBatch) -> Result<()>,
) -> Result<()> {
    // Names grow with their epochs.
    let mut by_segment: BTreeMap<&str, Vec<(usize, &SegmentRef)>> = BTreeMap::new();
    for (table, refs) in tables.iter().enumerate() {
        for reference in refs {
            by_segment.entry(&reference.segment).or_default().push((table, reference));
        }
    }
    let mut seen: Vec<Seen> = tables.iter().map(|_| Seen::default()).collect();
    for (segment, streams) in by_segment.into_iter().rev() {
        let content = from.read(segment)?;
        for (table, reference) in streams {
            let broken = |e| Error::corrupt(format!("{segment} cannot be read")).caused_by(e);
            let stream = Cursor::new(stream(&content, reference)?);
            for batch in StreamReader::try_new(stream, None).map_err(broken)? {
                let rows = seen[table].living(batch.map_err(broken)?)?;
                if rows.num_rows() > 0 {
                    take(table, &rows)?;
                }
            }
        }
    }
    Ok(())
}

/// A stream of a segment, checked.
fn stream(segment: &Bytes, reference: &SegmentRef) -> Result<Bytes> {
    let damaged = || Error::corrupt(format!("{} is damaged", reference.segment));
    let end = reference.offset.checked_add(reference.length).ok_or_else(damaged)?;
    if end > segment.len() as u64 {
        return Err(damaged());
    }
    let part = segment.slice(reference.offset as usize..end as usize);
    if crc32fast::hash(&part) != reference.crc32 {
        return Err(damaged());
    }
    Ok(part)
}

/// Groups met, one bit each.
#[derive(Default)]
struct Seen(Vec<u64>);

impl Seen {
    /// The living rows of groups that are met for the first time.
    fn living(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let groups = batch.column(0).as_primitive::<UInt32Type>();
        let alive = batch.column(1).as_boolean();
        let row = |row: usize| self.first_time(groups.value(row)) && alive.value(row);
        let keep: Vec<bool> = (0..batch.num_rows()).map(row).collect();
        // Mostly everything is: then nothing is copied.
        match keep.iter().all(|keep| *keep) {
            true => Ok(batch),
            false => Ok(arrow::compute::filter_record_batch(&batch, &BooleanArray::from(keep))?),
        }
    }

    fn first_time(&mut self, group: u32) -> bool {
        let (word, bit) = (group as usize / 64, group % 64);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        let new = self.0[word] & (1 << bit) == 0;
        self.0[word] |= 1 << bit;
        new
    }
}

/// The key and the value columns of saved rows.
pub fn split_columns(rows: &RecordBatch, keys: usize) -> Result<(Vec<ArrayRef>, Vec<ArrayRef>)> {
    if rows.num_columns() < 2 + keys {
        return Err(Error::corrupt("a snapshot's table has fewer key columns than the plan"));
    }
    let columns = &rows.columns()[2..];
    Ok((columns[..keys].to_vec(), columns[keys..].to_vec()))
}

/// Writes snapshot values into a table's columns.
pub fn write_values(table: &mut Table, groups: &[u32], values: &[ArrayRef]) -> Result<()> {
    if table.columns.len() != values.len() {
        return Err(Error::corrupt("a snapshot's table has other value columns than the plan"));
    }
    for (i, array) in values.iter().enumerate() {
        let matches = match (table.columns[i].value_type(), array.data_type()) {
            (ValueType::I64, DataType::Int64) => {
                let column = table.columns[i].i64_mut();
                let array = array.as_primitive::<Int64Type>();
                groups.iter().zip(array.values()).for_each(|(g, v)| *column.get_mut(*g) = *v);
                true
            }
            (ValueType::F64, DataType::Float64) => {
                let column = table.columns[i].f64_mut();
                let array = array.as_primitive::<Float64Type>();
                groups.iter().zip(array.values()).for_each(|(g, v)| *column.get_mut(*g) = *v);
                true
            }
            (ValueType::I128, DataType::Decimal128(_, _)) => {
                let column = table.columns[i].i128_mut();
                let array = array.as_primitive::<Decimal128Type>();
                groups.iter().zip(array.values()).for_each(|(g, v)| *column.get_mut(*g) = *v);
                true
            }
            (ValueType::Bytes, DataType::Binary) => {
                let array = array.as_binary::<i32>();
                for (row, group) in groups.iter().enumerate() {
                    let blob = array.is_valid(row).then(|| array.value(row));
                    table.set_blob(i, *group, blob);
                }
                true
            }
            _ => false,
        };
        if !matches {
            return Err(Error::corrupt("a snapshot's values have another type than the plan"));
        }
    }
    groups.iter().for_each(|g| table.touch(*g));
    Ok(())
}

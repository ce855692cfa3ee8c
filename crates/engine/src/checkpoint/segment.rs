//! Rows of tables on their way to disk and back.
//!
//! A captured table is encoded as one Arrow IPC stream whose rows are the changed groups: the
//! group number, whether it is alive, the key columns, the value columns. Several streams of one
//! table are merged by taking the newest row of each group.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, BooleanArray, Decimal128Array, Float64Array,
    Int64Array, RecordBatch, UInt32Array,
};
use arrow::datatypes::{
    DataType, Decimal128Type, Field, Float64Type, Int64Type, Schema, UInt32Type,
};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::row::{RowConverter, SortField};
use bytes::Bytes;

use brooklet_core::{Error, Result};

use crate::column::{Blob, CHUNK, Column, ValueType};
use crate::key::Key;
use crate::table::Table;

/// Changed rows of a table, sharing its chunks.
pub struct Captured {
    pub table: String,
    pub key_fields: Vec<Arc<Field>>,
    pub value_types: Vec<ValueType>,
    pub chunks: Vec<CapturedChunk>,
}

pub struct CapturedChunk {
    pub first_group: u32,
    /// One bit per group of the chunk.
    pub changed: [u64; CHUNK / 64],
    pub keys: Arc<Vec<Key>>,
    pub values: Vec<SharedChunk>,
}

pub enum SharedChunk {
    I64(Arc<Vec<i64>>),
    F64(Arc<Vec<f64>>),
    I128(Arc<Vec<i128>>),
    Bytes(Arc<Vec<Option<Blob>>>),
}

/// Shares chunk `number` of a column.
pub fn share(column: &mut Column, number: usize) -> SharedChunk {
    match column {
        Column::I64(c) => SharedChunk::I64(c.chunk(number)),
        Column::F64(c) => SharedChunk::F64(c.chunk(number)),
        Column::I128(c) => SharedChunk::I128(c.chunk(number)),
        Column::Bytes(c) => SharedChunk::Bytes(c.chunk(number)),
    }
}

/// Clears the bits at and above `rows`.
pub fn clear_from(bits: &mut [u64; CHUNK / 64], rows: usize) {
    for (word, value) in bits.iter_mut().enumerate() {
        let keep = rows.saturating_sub(word * 64).min(64);
        if keep < 64 {
            *value &= (1u64 << keep) - 1;
        }
    }
}

impl Captured {
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// The captured rows as an Arrow IPC stream.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let schema = Arc::new(self.schema());
        let mut writer = StreamWriter::try_new(Vec::new(), &schema)?;
        let sort = self.key_fields.iter().map(|f| SortField::new(f.data_type().clone()));
        let converter = RowConverter::new(sort.collect())?;
        // Batches of many chunks: an increment has few rows in each.
        let mut batch = Batch::default();
        for chunk in &self.chunks {
            batch.add(chunk);
            if batch.groups.len() >= 64 * CHUNK {
                writer.write(&batch.take(self, &schema, &converter)?)?;
            }
        }
        if !batch.groups.is_empty() {
            writer.write(&batch.take(self, &schema, &converter)?)?;
        }
        Ok(writer.into_inner()?)
    }

    fn schema(&self) -> Schema {
        let mut fields = vec![
            Field::new("__group", DataType::UInt32, false),
            Field::new("__alive", DataType::Boolean, false),
        ];
        fields.extend(self.key_fields.iter().map(|f| f.as_ref().clone().with_nullable(true)));
        for (i, ty) in self.value_types.iter().enumerate() {
            let ty = match ty {
                ValueType::I64 => DataType::Int64,
                ValueType::F64 => DataType::Float64,
                ValueType::I128 => DataType::Decimal128(38, 0),
                ValueType::Bytes => DataType::Binary,
            };
            fields.push(Field::new(format!("__value{i}"), ty, true));
        }
        Schema::new(fields)
    }
}

/// Rows being gathered: (chunk, row in chunk) of each changed group.
#[derive(Default)]
struct Batch<'a> {
    groups: Vec<u32>,
    rows: Vec<(&'a CapturedChunk, usize)>,
}

impl<'a> Batch<'a> {
    fn add(&mut self, chunk: &'a CapturedChunk) {
        for (word, bits) in chunk.changed.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                let row = word * 64 + bits.trailing_zeros() as usize;
                self.groups.push(chunk.first_group + row as u32);
                self.rows.push((chunk, row));
                bits &= bits - 1;
            }
        }
    }

    fn take(
        &mut self,
        of: &Captured,
        schema: &Arc<Schema>,
        converter: &RowConverter,
    ) -> Result<RecordBatch> {
        let groups = std::mem::take(&mut self.groups);
        let rows = std::mem::take(&mut self.rows);
        let alive: Vec<bool> = rows.iter().map(|(c, r)| c.keys[*r].is_present()).collect();
        let mut columns: Vec<ArrayRef> =
            vec![Arc::new(UInt32Array::from(groups)), Arc::new(BooleanArray::from(alive))];
        if !of.key_fields.is_empty() {
            columns.extend(key_columns(of, &rows, converter)?);
        }
        for i in 0..of.value_types.len() {
            columns.push(value_column(&rows, i, of.value_types[i])?);
        }
        Ok(RecordBatch::try_new(schema.clone(), columns)?)
    }
}

/// The keys of living groups; a removed group's key is NULL in every column.
fn key_columns(
    of: &Captured,
    rows: &[(&CapturedChunk, usize)],
    converter: &RowConverter,
) -> Result<Vec<ArrayRef>> {
    let nulls: Vec<ArrayRef> =
        of.key_fields.iter().map(|f| arrow::array::new_null_array(f.data_type(), 1)).collect();
    let absent = converter.convert_columns(&nulls)?;
    let parser = converter.parser();
    let each = rows.iter().map(|(c, r)| match c.keys[*r].get() {
        Some(key) => parser.parse(key),
        None => absent.row(0),
    });
    Ok(converter.convert_rows(each)?)
}

fn value_column(
    rows: &[(&CapturedChunk, usize)],
    column: usize,
    ty: ValueType,
) -> Result<ArrayRef> {
    let wrong = || Error::bug("a captured chunk has another type than its column");
    Ok(match ty {
        ValueType::I64 => {
            let value = |(c, r): &(&CapturedChunk, usize)| match &c.values[column] {
                SharedChunk::I64(v) => Ok(v[*r]),
                _ => Err(wrong()),
            };
            Arc::new(Int64Array::from(rows.iter().map(value).collect::<Result<Vec<_>>>()?))
        }
        ValueType::F64 => {
            let value = |(c, r): &(&CapturedChunk, usize)| match &c.values[column] {
                SharedChunk::F64(v) => Ok(v[*r]),
                _ => Err(wrong()),
            };
            Arc::new(Float64Array::from(rows.iter().map(value).collect::<Result<Vec<_>>>()?))
        }
        ValueType::I128 => {
            let value = |(c, r): &(&CapturedChunk, usize)| match &c.values[column] {
                SharedChunk::I128(v) => Ok(v[*r]),
                _ => Err(wrong()),
            };
            let values = rows.iter().map(value).collect::<Result<Vec<_>>>()?;
            // The full range of i128 is stored, whatever the declared precision.
            let ty = DataType::Decimal128(38, 0);
            Arc::new(Decimal128Array::from(values).with_data_type(ty))
        }
        ValueType::Bytes => {
            let mut builder = BinaryBuilder::new();
            for (c, r) in rows {
                match &c.values[column] {
                    SharedChunk::Bytes(v) => builder.append_option(v[*r].as_deref()),
                    _ => return Err(wrong()),
                }
            }
            Arc::new(builder.finish())
        }
    })
}

/// Merges the streams of one table, oldest first: living rows, newest version of each group.
pub fn merge(streams: &[Bytes]) -> Result<Vec<RecordBatch>> {
    let mut seen: Vec<u64> = Vec::new();
    let mut merged = Vec::new();
    for stream in streams.iter().rev() {
        let broken = |e| Error::corrupt("a segment of a snapshot cannot be read").caused_by(e);
        let reader = StreamReader::try_new(Cursor::new(stream.as_ref()), None).map_err(broken)?;
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(broken)?;
        for batch in &batches {
            let groups = batch.column(0).as_primitive::<UInt32Type>();
            let alive = batch.column(1).as_boolean();
            let mut keep = Vec::with_capacity(batch.num_rows());
            for row in 0..batch.num_rows() {
                let first = first_time(&mut seen, groups.value(row));
                keep.push(first && alive.value(row));
            }
            // Mostly everything is: then nothing is copied.
            let rows = match keep.iter().all(|keep| *keep) {
                true => batch.clone(),
                false => arrow::compute::filter_record_batch(batch, &BooleanArray::from(keep))?,
            };
            if rows.num_rows() > 0 {
                merged.push(rows);
            }
        }
    }
    Ok(merged)
}

fn first_time(seen: &mut Vec<u64>, group: u32) -> bool {
    let (word, bit) = (group as usize / 64, group % 64);
    if word >= seen.len() {
        seen.resize(word + 1, 0);
    }
    let new = seen[word] & (1 << bit) == 0;
    seen[word] |= 1 << bit;
    new
}

/// The key and the value columns of merged rows.
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

//! Captured tables as objects of a snapshot.
//!
//! A segment holds Arrow IPC streams one after the other, each with changed groups of one table:
//! the group number, whether it is alive, the key columns, the value columns. It is closed at a
//! size, so that neither writing nor reading a large state needs memory for all of it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryBuilder, BooleanArray, Decimal128Array, Float64Array, Int64Array, RecordBatch,
    UInt32Array,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::ipc::writer::StreamWriter;
use arrow::row::{RowConverter, SortField};

use brooklet_core::{Error, Result};

use super::capture::{Captured, CapturedChunk, SharedChunk};
use super::manifest::SegmentRef;
use crate::column::{CHUNK, ValueType};

/// A segment is closed when it has grown to this.
const SEGMENT_BYTES: usize = 32 << 20;
/// A batch of a stream ends at as many rows or bytes: an increment has few rows in each chunk, and
/// a row may be long.
const BATCH_ROWS: usize = 64 * CHUNK;
const BATCH_BYTES: usize = 4 << 20;

/// One object of a snapshot.
pub struct Segment {
    pub content: Vec<u8>,
    pub streams: Vec<Stream>,
}

/// Rows of one table in a segment.
pub struct Stream {
    /// Index of the table among those encoded.
    pub table: usize,
    pub offset: usize,
    pub length: usize,
}

impl Stream {
    /// How a manifest names these rows of `segment`, whose bytes are `content`.
    pub fn reference(&self, segment: String, content: &[u8]) -> SegmentRef {
        SegmentRef {
            segment,
            offset: self.offset as u64,
            length: self.length as u64,
            crc32: crc32fast::hash(&content[self.offset..self.offset + self.length]),
        }
    }
}

/// Encodes tables, giving each segment away when it is full. What is encoded is let go: the
/// operators need not copy it any more before they write.
pub fn encode(tables: Vec<Captured>, mut emit: impl FnMut(Segment) -> Result<()>) -> Result<()> {
    let mut segment = Segment::new();
    for (number, table) in tables.into_iter().enumerate() {
        let layout = Layout::of(&table)?;
        let mut rows = table.chunks.into_iter().flat_map(rows_of).peekable();
        while rows.peek().is_some() {
            segment.add(number, &layout, &mut rows)?;
            if segment.content.len() >= SEGMENT_BYTES {
                emit(std::mem::replace(&mut segment, Segment::new()))?;
            }
        }
    }
    if segment.streams.is_empty() { Ok(()) } else { emit(segment) }
}

impl Segment {
    /// With room for all that it will hold, so that it is not copied as it grows; the system gives
    /// memory for what is written only.
    fn new() -> Self {
        Segment { content: Vec::with_capacity(SEGMENT_BYTES + BATCH_BYTES), streams: Vec::new() }
    }

    /// Adds a stream of the next rows, until the segment is full.
    fn add(
        &mut self,
        table: usize,
        layout: &Layout,
        rows: &mut impl Iterator<Item = Row>,
    ) -> Result<()> {
        let offset = self.content.len();
        let mut writer = StreamWriter::try_new(&mut self.content, &layout.schema)?;
        let mut batch = Batch::default();
        for row in rows {
            batch.push(row);
            if batch.is_full() {
                writer.write(&layout.encode(&std::mem::take(&mut batch))?)?;
                if writer.get_ref().len() >= SEGMENT_BYTES {
                    break;
                }
            }
        }
        if !batch.rows.is_empty() {
            writer.write(&layout.encode(&batch)?)?;
        }
        writer.finish()?;
        drop(writer);
        self.streams.push(Stream { table, offset, length: self.content.len() - offset });
        Ok(())
    }
}

/// The columns of a table's streams.
struct Layout {
    schema: Arc<Schema>,
    key_fields: Vec<Arc<Field>>,
    value_types: Vec<ValueType>,
    converter: RowConverter,
}

impl Layout {
    fn of(table: &Captured) -> Result<Layout> {
        let mut fields = vec![
            Field::new("__group", DataType::UInt32, false),
            Field::new("__alive", DataType::Boolean, false),
        ];
        fields.extend(table.key_fields.iter().map(|f| f.as_ref().clone().with_nullable(true)));
        for (i, ty) in table.value_types.iter().enumerate() {
            let ty = match ty {
                ValueType::I64 => DataType::Int64,
                ValueType::F64 => DataType::Float64,
                ValueType::I128 => DataType::Decimal128(38, 0),
                ValueType::Bytes => DataType::Binary,
            };
            fields.push(Field::new(format!("__value{i}"), ty, true));
        }
        let sort = table.key_fields.iter().map(|f| SortField::new(f.data_type().clone()));
        Ok(Layout {
            schema: Arc::new(Schema::new(fields)),
            key_fields: table.key_fields.clone(),
            value_types: table.value_types.clone(),
            converter: RowConverter::new(sort.collect())?,
        })
    }

    fn encode(&self, batch: &Batch) -> Result<RecordBatch> {
        let alive = batch.rows().map(|(c, r)| c.keys[r].is_present());
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from_iter_values(batch.rows.iter().map(|row| row.group))),
            Arc::new(BooleanArray::from(alive.collect::<Vec<bool>>())),
        ];
        if !self.key_fields.is_empty() {
            columns.extend(self.key_columns(batch)?);
        }
        for (i, ty) in self.value_types.iter().enumerate() {
            columns.push(value_column(batch, i, *ty)?);
        }
        Ok(RecordBatch::try_new(self.schema.clone(), columns)?)
    }

    /// The keys of living groups; a removed group's key is NULL in every column.
    fn key_columns(&self, batch: &Batch) -> Result<Vec<ArrayRef>> {
        let null = |f: &Arc<Field>| arrow::array::new_null_array(f.data_type(), 1);
        let nulls: Vec<ArrayRef> = self.key_fields.iter().map(null).collect();
        let absent = self.converter.convert_columns(&nulls)?;
        let parser = self.converter.parser();
        let each = batch.rows().map(|(c, r)| match c.keys[r].get() {
            Some(key) => parser.parse(key),
            None => absent.row(0),
        });
        Ok(self.converter.convert_rows(each)?)
    }
}

/// A changed group; what it holds stands at a place of its chunk.
struct Row {
    group: u32,
    chunk: Arc<CapturedChunk>,
    place: usize,
}

fn rows_of(chunk: CapturedChunk) -> Vec<Row> {
    let chunk = Arc::new(chunk);
    let row = |(group, place)| Row { group, chunk: chunk.clone(), place };
    chunk.groups().map(row).collect()
}

/// Rows being gathered.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    /// Bytes of keys and values, about.
    bytes: usize,
}

impl Batch {
    fn push(&mut self, row: Row) {
        self.bytes += row.chunk.bytes_at(row.place);
        self.rows.push(row);
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES
    }

    fn rows(&self) -> impl Iterator<Item = (&CapturedChunk, usize)> {
        self.rows.iter().map(|row| (&*row.chunk, row.place))
    }
}

fn value_column(batch: &Batch, column: usize, ty: ValueType) -> Result<ArrayRef> {
    let wrong = || Error::bug("a captured chunk has another type than its column");
    Ok(match ty {
        ValueType::I64 => {
            let value = |(c, r): (&CapturedChunk, usize)| match &c.values[column] {
                SharedChunk::I64(v) => Ok(v[r]),
                _ => Err(wrong()),
            };
            Arc::new(Int64Array::from(batch.rows().map(value).collect::<Result<Vec<_>>>()?))
        }
        ValueType::F64 => {
            let value = |(c, r): (&CapturedChunk, usize)| match &c.values[column] {
                SharedChunk::F64(v) => Ok(v[r]),
                _ => Err(wrong()),
            };
            Arc::new(Float64Array::from(batch.rows().map(value).collect::<Result<Vec<_>>>()?))
        }
        ValueType::I128 => {
            let value = |(c, r): (&CapturedChunk, usize)| match &c.values[column] {
                SharedChunk::I128(v) => Ok(v[r]),
                _ => Err(wrong()),
            };
            let values = batch.rows().map(value).collect::<Result<Vec<_>>>()?;
            // The full range of i128 is stored, whatever the declared precision.
            let ty = DataType::Decimal128(38, 0);
            Arc::new(Decimal128Array::from(values).with_data_type(ty))
        }
        ValueType::Bytes => {
            let mut builder = BinaryBuilder::with_capacity(batch.rows.len(), batch.bytes);
            for (c, r) in batch.rows() {
                match &c.values[column] {
                    SharedChunk::Bytes(v) => builder.append_option(v[r].as_deref()),
                    _ => return Err(wrong()),
                }
            }
            Arc::new(builder.finish())
        }
    })
}

#[cfg(test)]
mod tests;

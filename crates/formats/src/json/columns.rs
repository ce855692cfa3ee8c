//! Columns under construction that may lag behind the row being read.
//!
//! A column shorter than the row it stands in is NULL in the rows it lacks: fields that are NULL
//! or missing cost nothing until the column is written again, and the last key of duplicates wins
//! by cutting the column back to the row's start. `row` is always the index of the row (or
//! element) being written; rows before it are finished.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, BooleanBufferBuilder, ListArray,
    MapArray, NullBufferBuilder, PrimitiveArray, StringArray, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowNativeType, DataType, Date32Type, Decimal128Type, Field, Float32Type, Float64Type,
    Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use brooklet_core::{Error, Result};

use super::node::Node;
use crate::time::DayCache;

/// One column, a field of a ROW, an array's elements, or a map's keys or values.
pub(crate) struct Column {
    pub field: Arc<Field>,
    pub data: Data,
}

pub(crate) enum Data {
    Bool(Bools),
    I8(Numbers<Int8Type>),
    I16(Numbers<Int16Type>),
    I32(Numbers<Int32Type>),
    I64(Numbers<Int64Type>),
    F32(Numbers<Float32Type>),
    F64(Numbers<Float64Type>),
    Decimal { numbers: Numbers<Decimal128Type>, precision: u8, scale: u8 },
    Date(Numbers<Date32Type>),
    Time(Numbers<Time32MillisecondType>),
    Timestamp { numbers: Numbers<Int64Type>, unit: TimeUnit, utc: bool, days: DayCache },
    Utf8(Bytes),
    Binary(Bytes),
    Row(Box<Rows>),
    List(Box<Lists>),
    Map(Box<Maps>),
}

/// Values of one primitive type.
pub(crate) struct Numbers<T: ArrowPrimitiveType> {
    values: Vec<T::Native>,
    nulls: NullBufferBuilder,
}

pub(crate) struct Bools {
    values: BooleanBufferBuilder,
    nulls: NullBufferBuilder,
}

/// Texts or byte strings, one after the other.
pub(crate) struct Bytes {
    pub bytes: Vec<u8>,
    ends: Ends,
}

pub(crate) struct Rows {
    pub node: Node,
    nulls: NullBufferBuilder,
}

pub(crate) struct Lists {
    pub items: Column,
    ends: Ends,
}

pub(crate) struct Maps {
    pub keys: Column,
    pub values: Column,
    entries: Arc<Field>,
    ordered: bool,
    ends: Ends,
}

/// Where each row's part of a child ends, and which rows are NULL.
struct Ends {
    /// Begins with 0.
    offsets: Vec<i32>,
    nulls: NullBufferBuilder,
}

impl Column {
    /// A column of the field's type, or an error that names it when JSON cannot carry it.
    pub fn new(field: &Arc<Field>) -> Result<Column> {
        let data = match field.data_type() {
            DataType::Boolean => Data::Bool(Bools::new()),
            DataType::Int8 => Data::I8(Numbers::new()),
            DataType::Int16 => Data::I16(Numbers::new()),
            DataType::Int32 => Data::I32(Numbers::new()),
            DataType::Int64 => Data::I64(Numbers::new()),
            DataType::Float32 => Data::F32(Numbers::new()),
            DataType::Float64 => Data::F64(Numbers::new()),
            DataType::Decimal128(p, s) if *s >= 0 => {
                Data::Decimal { numbers: Numbers::new(), precision: *p, scale: *s as u8 }
            }
            DataType::Date32 => Data::Date(Numbers::new()),
            DataType::Time32(TimeUnit::Millisecond) => Data::Time(Numbers::new()),
            DataType::Timestamp(unit, zone) => Data::Timestamp {
                numbers: Numbers::new(),
                unit: *unit,
                utc: zone.is_some(),
                days: DayCache::default(),
            },
            DataType::Utf8 => Data::Utf8(Bytes::new()),
            DataType::Binary => Data::Binary(Bytes::new()),
            DataType::Struct(fields) => {
                let nulls = NullBufferBuilder::new(0);
                Data::Row(Box::new(Rows { node: Node::new(fields)?, nulls }))
            }
            DataType::List(item) => {
                Data::List(Box::new(Lists { items: Column::new(item)?, ends: Ends::new() }))
            }
            DataType::Map(entries, ordered) => {
                Data::Map(Box::new(Maps::new(field, entries, *ordered)?))
            }
            other => {
                return Err(Error::config(format!(
                    "column '{}': the format cannot read type {other}",
                    field.name()
                )));
            }
        };
        Ok(Column { field: field.clone(), data })
    }

    /// Rows written; less than the rows read when the last ones are NULL.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Bool(c) => c.values.len(),
            Data::I8(c) => c.values.len(),
            Data::I16(c) => c.values.len(),
            Data::I32(c) => c.values.len(),
            Data::I64(c) => c.values.len(),
            Data::F32(c) => c.values.len(),
            Data::F64(c) => c.values.len(),
            Data::Decimal { numbers, .. } => numbers.values.len(),
            Data::Date(c) => c.values.len(),
            Data::Time(c) => c.values.len(),
            Data::Timestamp { numbers, .. } => numbers.values.len(),
            Data::Utf8(c) | Data::Binary(c) => c.ends.len(),
            Data::Row(c) => c.nulls.len(),
            Data::List(c) => c.ends.len(),
            Data::Map(c) => c.ends.len(),
        }
    }

    /// Whether `row` holds a value: the rows behind the last one written are NULL.
    pub fn is_set(&self, row: usize) -> bool {
        self.len() > row
    }

    /// Takes back whatever was written at `row` or behind it, also half-written parts.
    pub fn cut(&mut self, row: usize) {
        match &mut self.data {
            Data::Bool(c) => {
                c.values.truncate(row);
                c.nulls.truncate(row);
            }
            Data::I8(c) => c.cut(row),
            Data::I16(c) => c.cut(row),
            Data::I32(c) => c.cut(row),
            Data::I64(c) => c.cut(row),
            Data::F32(c) => c.cut(row),
            Data::F64(c) => c.cut(row),
            Data::Decimal { numbers, .. } => numbers.cut(row),
            Data::Date(c) => c.cut(row),
            Data::Time(c) => c.cut(row),
            Data::Timestamp { numbers, .. } => numbers.cut(row),
            Data::Utf8(c) | Data::Binary(c) => {
                let end = c.ends.cut(row);
                c.bytes.truncate(end);
            }
            Data::Row(c) => {
                c.nulls.truncate(row);
                c.node.cut(row);
            }
            Data::List(c) => {
                let end = c.ends.cut(row);
                c.items.cut(end);
            }
            Data::Map(c) => c.cut(row),
        }
    }

    /// The first `rows` rows as an array; the column is empty afterwards.
    pub fn finish(&mut self, rows: usize) -> ArrayRef {
        let ty = self.field.data_type();
        match &mut self.data {
            Data::Bool(c) => {
                c.open(rows);
                Arc::new(BooleanArray::new(c.values.finish(), c.nulls.finish()))
            }
            Data::I8(c) => Arc::new(c.finish(rows)),
            Data::I16(c) => Arc::new(c.finish(rows)),
            Data::I32(c) => Arc::new(c.finish(rows)),
            Data::I64(c) => Arc::new(c.finish(rows)),
            Data::F32(c) => Arc::new(c.finish(rows)),
            Data::F64(c) => Arc::new(c.finish(rows)),
            Data::Decimal { numbers, .. } => {
                Arc::new(numbers.finish(rows).with_data_type(ty.clone()))
            }
            Data::Date(c) => Arc::new(c.finish(rows)),
            Data::Time(c) => Arc::new(c.finish(rows)),
            Data::Timestamp { numbers, unit, .. } => {
                let array = numbers.finish(rows);
                match unit {
                    TimeUnit::Second => instants::<TimestampSecondType>(array, ty),
                    TimeUnit::Millisecond => instants::<TimestampMillisecondType>(array, ty),
                    TimeUnit::Microsecond => instants::<TimestampMicrosecondType>(array, ty),
                    TimeUnit::Nanosecond => instants::<TimestampNanosecondType>(array, ty),
                }
            }
            Data::Utf8(c) => {
                let (offsets, bytes, nulls) = c.finish(rows);
                let array = StringArray::try_new(offsets, bytes.into(), nulls);
                Arc::new(array.expect("every part was cut at the quotes of valid UTF-8"))
            }
            Data::Binary(c) => {
                let (offsets, bytes, nulls) = c.finish(rows);
                let array = BinaryArray::try_new(offsets, bytes.into(), nulls);
                Arc::new(array.expect("the last offset is the length of the bytes"))
            }
            Data::Row(c) => Arc::new(c.finish(rows)),
            Data::List(c) => {
                let (offsets, nulls) = c.ends.finish(rows);
                let items = c.items.finish(end_of(&offsets));
                let array = ListArray::try_new(c.items.field.clone(), offsets, items, nulls);
                Arc::new(array.expect("elements were checked against NOT NULL"))
            }
            Data::Map(c) => Arc::new(c.finish(rows)),
        }
    }
}

/// Takes what was written and makes room for as much again: batches tend to be alike. What is
/// handed on does not hold much more memory than it needs.
fn renew<T>(values: &mut Vec<T>) -> Vec<T> {
    let fresh = Vec::with_capacity(values.len());
    let mut full = std::mem::replace(values, fresh);
    if full.capacity() > 2 * full.len() + 64 {
        full.shrink_to_fit();
    }
    full
}

fn instants<T: ArrowPrimitiveType<Native = i64>>(
    array: PrimitiveArray<Int64Type>,
    ty: &DataType,
) -> ArrayRef {
    Arc::new(array.reinterpret_cast::<T>().with_data_type(ty.clone()))
}

impl<T: ArrowPrimitiveType> Numbers<T> {
    fn new() -> Self {
        Numbers { values: Vec::new(), nulls: NullBufferBuilder::new(0) }
    }

    #[inline(always)]
    pub fn push(&mut self, row: usize, value: T::Native) {
        if self.values.len() != row {
            self.open(row);
        }
        self.values.push(value);
        self.nulls.append_non_null();
    }

    /// Makes the column exactly `row` long: fills up with NULL or cuts.
    #[inline(never)]
    fn open(&mut self, row: usize) {
        let len = self.values.len();
        if len > row {
            return self.cut(row);
        }
        self.values.resize(row, T::Native::default());
        self.nulls.append_n_nulls(row - len);
    }

    fn cut(&mut self, row: usize) {
        self.values.truncate(row);
        self.nulls.truncate(row);
    }

    fn finish(&mut self, rows: usize) -> PrimitiveArray<T> {
        if self.values.len() != rows {
            self.open(rows);
        }
        let values = ScalarBuffer::from(renew(&mut self.values));
        PrimitiveArray::new(values, self.nulls.finish())
    }
}

impl Bools {
    fn new() -> Self {
        Bools { values: BooleanBufferBuilder::new(0), nulls: NullBufferBuilder::new(0) }
    }
    pub fn push(&mut self, row: usize, value: bool) {
        self.open(row);
        self.values.append(value);
        self.nulls.append_non_null();
    }
    fn open(&mut self, row: usize) {
        let len = self.values.len();
        if len > row {
            self.values.truncate(row);
            self.nulls.truncate(row);
        } else if len < row {
            self.values.append_n(row - len, false);
            self.nulls.append_n_nulls(row - len);
        }
    }
}

impl Bytes {
    fn new() -> Self {
        Bytes { bytes: Vec::new(), ends: Ends::new() }
    }

    /// Makes the column exactly `row` long; then append to `bytes` and call [`Bytes::close`].
    #[inline(always)]
    pub fn open(&mut self, row: usize) {
        if self.ends.len() != row {
            let end = self.ends.open(row);
            self.bytes.truncate(end);
        }
    }

    /// Ends the value begun by [`Bytes::open`]; None when 2 GiB are exceeded.
    #[inline(always)]
    pub fn close(&mut self) -> Option<()> {
        self.ends.close(self.bytes.len())
    }

    fn finish(&mut self, rows: usize) -> (OffsetBuffer<i32>, Vec<u8>, Option<NullBuffer>) {
        let (offsets, nulls) = self.ends.finish(rows);
        (offsets, renew(&mut self.bytes), nulls)
    }

    /// The value of a finished row.
    pub fn value(&self, row: usize) -> &[u8] {
        let from = self.ends.offsets[row].as_usize();
        &self.bytes[from..self.ends.offsets[row + 1].as_usize()]
    }
}

impl Rows {
    /// Marks `row` as present. Its fields may be written before.
    #[inline]
    pub fn close(&mut self, row: usize) {
        let len = self.nulls.len();
        if len < row {
            self.nulls.append_n_nulls(row - len);
        }
        self.nulls.append_non_null();
    }
    /// Takes back an earlier value of the same row.
    #[inline]
    pub fn open(&mut self, row: usize) {
        if self.nulls.len() > row {
            self.nulls.truncate(row);
            self.node.cut(row);
        }
    }
    fn finish(&mut self, rows: usize) -> StructArray {
        let len = self.nulls.len();
        if len < rows {
            self.nulls.append_n_nulls(rows - len);
        }
        let arrays = self.node.finish(rows);
        let fields = self.node.fields();
        StructArray::try_new_with_length(fields, arrays, self.nulls.finish(), rows)
            .expect("fields were checked against NOT NULL")
    }
}

impl Lists {
    /// The index of the next element, after making the column exactly `row` long.
    pub fn open(&mut self, row: usize) -> usize {
        if self.ends.len() != row {
            let end = self.ends.open(row);
            self.items.cut(end);
        }
        self.ends.last()
    }
    /// Ends the value; `end` is the index behind its last element.
    pub fn close(&mut self, end: usize) -> Option<()> {
        self.ends.close(end)
    }
}

impl Maps {
    fn new(field: &Field, entries: &Arc<Field>, ordered: bool) -> Result<Maps> {
        let DataType::Struct(kv) = entries.data_type() else {
            return Err(Error::bug(format!("column '{}': a map without entries", field.name())));
        };
        if kv.len() != 2 || kv[0].data_type() != &DataType::Utf8 {
            return Err(Error::config(format!(
                "column '{}': the format has no keys other than STRING; declare MAP<STRING, …>",
                field.name()
            )));
        }
        let (keys, values) = (Column::new(&kv[0])?, Column::new(&kv[1])?);
        Ok(Maps { keys, values, entries: entries.clone(), ordered, ends: Ends::new() })
    }
    pub fn open(&mut self, row: usize) -> usize {
        if self.ends.len() != row {
            self.ends.open(row);
            self.cut(row);
        }
        self.ends.last()
    }
    /// Takes back what was written at `row` or behind it.
    pub fn cut(&mut self, row: usize) {
        let end = self.ends.cut(row);
        self.keys.cut(end);
        self.values.cut(end);
    }
    pub fn close(&mut self, end: usize) -> Option<()> {
        self.ends.close(end)
    }
    fn finish(&mut self, rows: usize) -> MapArray {
        let (offsets, nulls) = self.ends.finish(rows);
        let len = end_of(&offsets);
        let arrays = vec![self.keys.finish(len), self.values.finish(len)];
        let fields = [self.keys.field.clone(), self.values.field.clone()].into_iter().collect();
        StructArray::try_new_with_length(fields, arrays, None, len)
            .and_then(|kv| {
                MapArray::try_new(self.entries.clone(), offsets, kv, nulls, self.ordered)
            })
            .expect("values were checked against NOT NULL")
    }
}

fn end_of(offsets: &OffsetBuffer<i32>) -> usize {
    offsets[offsets.len() - 1].as_usize()
}

impl Ends {
    fn new() -> Self {
        Ends { offsets: vec![0], nulls: NullBufferBuilder::new(0) }
    }
    #[inline(always)]
    fn len(&self) -> usize {
        self.offsets.len() - 1
    }
    fn last(&self) -> usize {
        self.offsets[self.offsets.len() - 1].as_usize()
    }
    /// Makes it exactly `row` long; the end of the last row.
    #[inline(never)]
    fn open(&mut self, row: usize) -> usize {
        let len = self.len();
        if len > row {
            return self.cut(row);
        }
        let end = self.offsets[len];
        self.offsets.resize(row + 1, end);
        self.nulls.append_n_nulls(row - len);
        end.as_usize()
    }
    #[inline(always)]
    fn close(&mut self, end: usize) -> Option<()> {
        self.offsets.push(i32::try_from(end).ok()?);
        self.nulls.append_non_null();
        Some(())
    }
    fn cut(&mut self, row: usize) -> usize {
        self.offsets.truncate(row + 1);
        self.nulls.truncate(row);
        self.last()
    }
    fn finish(&mut self, rows: usize) -> (OffsetBuffer<i32>, Option<NullBuffer>) {
        if self.len() != rows {
            self.open(rows);
        }
        let offsets = renew(&mut self.offsets);
        self.offsets.push(0);
        (OffsetBuffer::new(ScalarBuffer::from(offsets)), self.nulls.finish())
    }
}

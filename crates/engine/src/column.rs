//! A column of values by group number, in chunks that a snapshot shares until they are written.

use std::cmp::Ordering;
use std::sync::Arc;

/// Groups per chunk.
pub const CHUNK: usize = 1024;
const SHIFT: u32 = CHUNK.trailing_zeros();
const MASK: u32 = CHUNK as u32 - 1;

/// The kinds of values that accumulators keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    I64,
    F64,
    I128,
    /// Absent, or bytes of any length.
    Bytes,
}

/// Bytes of a group. Shared, because the first write to a captured chunk copies the chunk: that
/// must not copy what its other groups hold.
pub type Blob = Arc<[u8]>;

/// One value per group.
#[derive(Debug)]
pub enum Column {
    I64(Chunks<i64>),
    F64(Chunks<f64>),
    I128(Chunks<i128>),
    Bytes(Chunks<Option<Blob>>),
}

/// The value of one group, out of its column.
#[derive(Debug, Clone)]
pub enum Cell {
    I64(i64),
    F64(f64),
    I128(i128),
    Bytes(Option<Blob>),
}

impl Cell {
    /// The order of two cells of one column; FLOAT's is total.
    pub fn order(&self, other: &Cell) -> Ordering {
        match (self, other) {
            (Cell::I64(a), Cell::I64(b)) => a.cmp(b),
            (Cell::F64(a), Cell::F64(b)) => a.total_cmp(b),
            (Cell::I128(a), Cell::I128(b)) => a.cmp(b),
            (Cell::Bytes(a), Cell::Bytes(b)) => a.cmp(b),
            _ => Ordering::Equal,
        }
    }
}

/// Chunks of one type. A captured chunk is shared; the first write to it copies it.
#[derive(Debug, Default)]
pub struct Chunks<T> {
    chunks: Vec<Chunk<T>>,
}

/// Told apart without an atomic operation: writes are by row.
#[derive(Debug)]
enum Chunk<T> {
    Own(Vec<T>),
    Shared(Arc<Vec<T>>),
}

impl<T: Clone> Chunk<T> {
    #[inline]
    fn values(&self) -> &Vec<T> {
        match self {
            Chunk::Own(values) => values,
            Chunk::Shared(values) => values,
        }
    }
    #[inline]
    fn own(&mut self) -> &mut Vec<T> {
        if let Chunk::Shared(values) = self {
            *self = Chunk::copied(values);
        }
        match self {
            Chunk::Own(values) => values,
            Chunk::Shared(_) => unreachable!("it was just copied"),
        }
    }
    #[cold]
    fn copied(values: &mut Arc<Vec<T>>) -> Chunk<T> {
        Chunk::Own(Arc::unwrap_or_clone(std::mem::take(values)))
    }
    fn share(&mut self) -> Arc<Vec<T>> {
        if let Chunk::Own(values) = self {
            *self = Chunk::Shared(Arc::new(std::mem::take(values)));
        }
        match self {
            Chunk::Shared(values) => values.clone(),
            Chunk::Own(_) => unreachable!("it was just shared"),
        }
    }
}

impl<T: Clone + Default> Chunks<T> {
    pub fn push(&mut self, value: T) {
        match self.chunks.last_mut() {
            Some(last) if last.values().len() < CHUNK => last.own().push(value),
            _ => self.chunks.push(Chunk::Own(vec![value])),
        }
    }
    #[inline]
    pub fn get(&self, group: u32) -> &T {
        &self.chunks[(group >> SHIFT) as usize].values()[(group & MASK) as usize]
    }
    #[inline]
    pub fn get_mut(&mut self, group: u32) -> &mut T {
        &mut self.chunks[(group >> SHIFT) as usize].own()[(group & MASK) as usize]
    }
    /// The chunk, shared from now on.
    pub fn chunk(&mut self, number: usize) -> Arc<Vec<T>> {
        self.chunks[number].share()
    }
    fn bytes(&self) -> usize {
        self.chunks.iter().map(|c| c.values().capacity() * size_of::<T>()).sum()
    }
}

impl Column {
    pub fn new(ty: ValueType) -> Self {
        match ty {
            ValueType::I64 => Column::I64(Chunks::default()),
            ValueType::F64 => Column::F64(Chunks::default()),
            ValueType::I128 => Column::I128(Chunks::default()),
            ValueType::Bytes => Column::Bytes(Chunks::default()),
        }
    }
    pub fn value_type(&self) -> ValueType {
        match self {
            Column::I64(_) => ValueType::I64,
            Column::F64(_) => ValueType::F64,
            Column::I128(_) => ValueType::I128,
            Column::Bytes(_) => ValueType::Bytes,
        }
    }
    /// Appends the zero of the type, or absent.
    pub fn push_default(&mut self) {
        match self {
            Column::I64(c) => c.push(0),
            Column::F64(c) => c.push(0.0),
            Column::I128(c) => c.push(0),
            Column::Bytes(c) => c.push(None),
        }
    }
    /// Back to the zero of the type, or absent.
    pub fn reset(&mut self, group: u32) {
        match self {
            Column::I64(c) => *c.get_mut(group) = 0,
            Column::F64(c) => *c.get_mut(group) = 0.0,
            Column::I128(c) => *c.get_mut(group) = 0,
            Column::Bytes(c) => *c.get_mut(group) = None,
        }
    }
    pub fn cell(&self, group: u32) -> Cell {
        match self {
            Column::I64(c) => Cell::I64(*c.get(group)),
            Column::F64(c) => Cell::F64(*c.get(group)),
            Column::I128(c) => Cell::I128(*c.get(group)),
            Column::Bytes(c) => Cell::Bytes(c.get(group).clone()),
        }
    }
    pub fn i64(&self) -> &Chunks<i64> {
        match self {
            Column::I64(c) => c,
            _ => unreachable!("the accumulator declared this column as I64"),
        }
    }
    pub fn i64_mut(&mut self) -> &mut Chunks<i64> {
        match self {
            Column::I64(c) => c,
            _ => unreachable!("the accumulator declared this column as I64"),
        }
    }
    pub fn f64(&self) -> &Chunks<f64> {
        match self {
            Column::F64(c) => c,
            _ => unreachable!("the accumulator declared this column as F64"),
        }
    }
    pub fn f64_mut(&mut self) -> &mut Chunks<f64> {
        match self {
            Column::F64(c) => c,
            _ => unreachable!("the accumulator declared this column as F64"),
        }
    }
    pub fn i128(&self) -> &Chunks<i128> {
        match self {
            Column::I128(c) => c,
            _ => unreachable!("the accumulator declared this column as I128"),
        }
    }
    pub fn i128_mut(&mut self) -> &mut Chunks<i128> {
        match self {
            Column::I128(c) => c,
            _ => unreachable!("the accumulator declared this column as I128"),
        }
    }
    pub fn blobs(&self) -> &Chunks<Option<Blob>> {
        match self {
            Column::Bytes(c) => c,
            _ => unreachable!("the accumulator declared this column as Bytes"),
        }
    }
    pub fn blobs_mut(&mut self) -> &mut Chunks<Option<Blob>> {
        match self {
            Column::Bytes(c) => c,
            _ => unreachable!("the accumulator declared this column as Bytes"),
        }
    }
    /// Bytes of the chunks; what blobs point to is counted by the table as it is written.
    pub fn bytes(&self) -> usize {
        match self {
            Column::I64(c) => c.bytes(),
            Column::F64(c) => c.bytes(),
            Column::I128(c) => c.bytes(),
            Column::Bytes(c) => c.bytes(),
        }
    }
}

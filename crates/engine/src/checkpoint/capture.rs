//! Changed groups of a table, as it gives them to a snapshot: many in a chunk by sharing the
//! chunk, few by copying them.

use std::sync::Arc;

use arrow::datatypes::Field;

use crate::column::{Blob, CHUNK, Chunks, Column, ValueType};
use crate::key::Key;

/// Changed groups of a table.
pub struct Captured {
    pub key_fields: Vec<Arc<Field>>,
    pub value_types: Vec<ValueType>,
    pub chunks: Vec<CapturedChunk>,
}

/// Changed groups of a chunk.
pub struct CapturedChunk {
    pub first_group: u32,
    /// One bit per group of the chunk.
    pub changed: [u64; CHUNK / 64],
    /// `keys` and `values` hold the changed groups alone, not the chunk.
    pub copied: bool,
    pub keys: Arc<Vec<Key>>,
    pub values: Vec<SharedChunk>,
}

/// Values of a chunk, or of some of its groups.
pub enum SharedChunk {
    I64(Arc<Vec<i64>>),
    F64(Arc<Vec<f64>>),
    I128(Arc<Vec<i128>>),
    Bytes(Arc<Vec<Option<Blob>>>),
}

/// A chunk with fewer changes than this is not shared: the next write to it would copy it whole.
const SHARED_FROM: usize = CHUNK / 4;

impl CapturedChunk {
    /// The changed groups of chunk `number`; they keep these values, whatever is written next.
    pub fn of(
        number: usize,
        changed: [u64; CHUNK / 64],
        keys: &mut Chunks<Key>,
        columns: &mut [Column],
    ) -> CapturedChunk {
        let count: u32 = changed.iter().map(|bits| bits.count_ones()).sum();
        let copied = (count as usize) < SHARED_FROM;
        let rows: Vec<usize> = if copied { ones(&changed).collect() } else { Vec::new() };
        let values = columns.iter_mut().map(|column| match column {
            Column::I64(c) => SharedChunk::I64(part(c, number, copied, &rows)),
            Column::F64(c) => SharedChunk::F64(part(c, number, copied, &rows)),
            Column::I128(c) => SharedChunk::I128(part(c, number, copied, &rows)),
            Column::Bytes(c) => SharedChunk::Bytes(part(c, number, copied, &rows)),
        });
        CapturedChunk {
            first_group: (number * CHUNK) as u32,
            changed,
            copied,
            values: values.collect(),
            keys: part(keys, number, copied, &rows),
        }
    }

    /// The changed groups, each with its place in `keys` and `values`.
    pub fn groups(&self) -> impl Iterator<Item = (u32, usize)> {
        let place = |(rank, row)| (row, if self.copied { rank } else { row });
        let places = ones(&self.changed).enumerate().map(place);
        places.map(|(row, place)| (self.first_group + row as u32, place))
    }

    /// Bytes that the group at this place takes, about.
    pub fn bytes_at(&self, place: usize) -> usize {
        let key = self.keys[place].get().map_or(0, <[u8]>::len);
        let value = |value: &SharedChunk| match value {
            SharedChunk::Bytes(v) => v[place].as_ref().map_or(0, |blob| blob.len()),
            SharedChunk::I64(_) | SharedChunk::F64(_) => 8,
            SharedChunk::I128(_) => 16,
        };
        key + self.values.iter().map(value).sum::<usize>()
    }
}

fn part<T: Clone + Default>(
    chunks: &mut Chunks<T>,
    number: usize,
    copied: bool,
    rows: &[usize],
) -> Arc<Vec<T>> {
    if !copied {
        return chunks.chunk(number);
    }
    let value = |row: &usize| chunks.get((number * CHUNK + row) as u32).clone();
    Arc::new(rows.iter().map(value).collect())
}

/// The bits that are set, ascending.
fn ones(bits: &[u64; CHUNK / 64]) -> impl Iterator<Item = usize> {
    bits.iter().enumerate().flat_map(|(word, bits)| {
        let mut rest = *bits;
        std::iter::from_fn(move || {
            let bit = (rest != 0).then(|| rest.trailing_zeros() as usize)?;
            rest &= rest - 1;
            Some(word * 64 + bit)
        })
    })
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

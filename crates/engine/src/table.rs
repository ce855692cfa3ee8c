//! A keyed table: the one place where operators keep state.
//!
//! Key columns go through Arrow's row format into one hash index that gives a *group number*;
//! value columns are addressed by it ([`crate::column`]). A snapshot captures the chunks of groups
//! that changed since the last one by sharing them, so the operator goes on while they are encoded
//! elsewhere ([`crate::checkpoint::capture`]).

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType, Field, SchemaRef};
use arrow::row::{RowConverter, Rows, SortField};
use hashbrown::HashTable;

use brooklet_core::hash::hash_bytes;
use brooklet_core::{Error, Result};

use crate::checkpoint::capture::{self, Captured, CapturedChunk};
use crate::checkpoint::load;
use crate::column::{Blob, CHUNK, Chunks, Column, ValueType};
use crate::key::Key;
use crate::planted::{self, Mistake};

/// No group.
const NONE: u32 = u32::MAX;
/// Rows whose keys are encoded at a time: they are looked up while they are in the cache.
const PORTION: usize = 4_096;
const HASH_SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// Group numbers are dense; those of removed groups are used again.
pub struct Table {
    name: String,
    key_fields: Vec<Arc<Field>>,
    /// Which key columns decide the shard: a snapshot is dealt to any number of shards by them.
    dealt_by: Vec<usize>,
    converter: RowConverter,
    index: HashTable<Slot>,
    keys: Chunks<Key>,
    pub columns: Vec<Column>,
    len: u32,
    free: Vec<u32>,
    /// One bit per group: changed since the last capture.
    dirty: Vec<[u64; CHUNK / 64]>,
    /// Bytes behind keys and blobs.
    heap_bytes: usize,
}

/// The upper hash bits and the group: enough to grow the index without reading keys.
#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    group: u32,
}

/// What a lookup of many keys gave.
pub struct Groups {
    /// One group per row.
    pub groups: Vec<u32>,
    /// Rows whose key was new, in row order; each new key once.
    pub created: Vec<u32>,
}

impl Table {
    /// An empty table. `name` is unique within its operator; `dealt_by` indexes `key_fields`.
    pub fn new(
        name: impl Into<String>,
        key_fields: Vec<Arc<Field>>,
        dealt_by: Vec<usize>,
        values: &[ValueType],
    ) -> Result<Self> {
        let types = key_fields.iter().map(|f| SortField::new(f.data_type().clone()));
        let converter = RowConverter::new(types.collect())
            .map_err(|e| Error::config("a column of this type cannot be a key").caused_by(e))?;
        Ok(Table {
            name: name.into(),
            key_fields,
            dealt_by,
            converter,
            index: HashTable::new(),
            keys: Chunks::default(),
            columns: values.iter().map(|v| Column::new(*v)).collect(),
            len: 0,
            free: Vec::new(),
            dirty: Vec::new(),
            heap_bytes: 0,
        })
    }

    /// Keys of `schema` at `columns`.
    pub fn fields(schema: &SchemaRef, columns: &[usize]) -> Vec<Arc<Field>> {
        columns.iter().map(|c| schema.fields()[*c].clone()).collect()
    }

    pub fn rename(&mut self, name: String) {
        self.name = name;
    }
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Groups alive.
    pub fn len(&self) -> usize {
        self.index.len()
    }
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }
    /// Memory held, about.
    pub fn bytes(&self) -> usize {
        let slots = self.index.capacity() * (size_of::<Slot>() + 1);
        let keys = self.len as usize * size_of::<Key>();
        slots + keys + self.heap_bytes + self.columns.iter().map(Column::bytes).sum::<usize>()
    }

    /// The groups of each row's key; missing keys are created with zero values.
    pub fn find_or_create(&mut self, keys: &[ArrayRef], rows: usize) -> Result<Groups> {
        let mut found = Groups { groups: Vec::with_capacity(rows), created: Vec::new() };
        for from in (0..rows.max(1)).step_by(PORTION) {
            let count = (rows - from).min(PORTION);
            let part: Vec<ArrayRef> = keys.iter().map(|key| key.slice(from, count)).collect();
            self.find_or_create_some(&part, count, &mut found)?;
        }
        Ok(found)
    }

    /// The same for the rows behind those that were found.
    fn find_or_create_some(
        &mut self,
        keys: &[ArrayRef],
        rows: usize,
        found: &mut Groups,
    ) -> Result<()> {
        let encoded = self.encode(keys, rows)?;
        let from = found.groups.len();
        // One pass each for hashes, index and keys: the rows of a pass do not wait for each
        // other's memory.
        let hashes: Vec<u64> =
            (0..rows).map(|row| hash_bytes(encoded.key(row), HASH_SEED)).collect();
        found.groups.extend(hashes.iter().map(|hash| self.likely(*hash)));
        for (row, hash) in hashes.into_iter().enumerate() {
            let (key, group) = (encoded.key(row), &mut found.groups[from + row]);
            if *group != NONE && self.keys.get(*group).is(key) {
                continue;
            }
            *group = match self.lookup(hash, key) {
                Some(group) => group,
                None => {
                    found.created.push((from + row) as u32);
                    self.create(hash, key)
                }
            };
        }
        Ok(())
    }

    /// The groups of each row's key, None where there is none.
    pub fn find(&self, keys: &[ArrayRef], rows: usize) -> Result<Vec<Option<u32>>> {
        let encoded = self.encode(keys, rows)?;
        let find = |row| {
            let key = encoded.key(row);
            self.lookup(hash_bytes(key, HASH_SEED), key)
        };
        Ok((0..rows).map(find).collect())
    }

    /// Marks a group as changed; every write to a value column must be followed by it.
    #[inline]
    pub fn touch(&mut self, group: u32) {
        let (chunk, bit) = (group as usize / CHUNK, group as usize % CHUNK);
        self.dirty[chunk][bit / 64] |= 1 << (bit % 64);
    }

    /// Forgets a group; its number may be given to another key.
    pub fn remove(&mut self, group: u32) {
        let key = std::mem::take(self.keys.get_mut(group));
        let Some(bytes) = key.get() else { return };
        self.heap_bytes -= key.heap_bytes();
        let hash = hash_bytes(bytes, HASH_SEED);
        let found = self.index.find_entry(spread(hash), |slot| slot.group == group);
        if let Ok(entry) = found {
            entry.remove();
        }
        for column in &mut self.columns {
            column.reset(group);
        }
        self.touch(group);
        self.free.push(group);
    }

    /// Replaces a blob and keeps the books.
    pub fn set_blob(&mut self, column: usize, group: u32, blob: Option<&[u8]>) {
        let cell = self.columns[column].blobs_mut().get_mut(group);
        self.heap_bytes -= cell.as_ref().map_or(0, |b| b.len());
        self.heap_bytes += blob.map_or(0, <[u8]>::len);
        *cell = blob.map(Blob::from);
    }

    /// All groups alive, by number.
    pub fn groups(&self) -> Vec<u32> {
        (0..self.len).filter(|g| self.keys.get(*g).is_present()).collect()
    }

    pub fn is_alive(&self, group: u32) -> bool {
        self.keys.get(group).is_present()
    }

    /// The encoded key of a living group; encodings compare as the keys do.
    pub fn key(&self, group: u32) -> &[u8] {
        self.keys.get(group).get().expect("the group is alive")
    }

    /// The group of an encoded key.
    pub fn find_encoded(&self, key: &[u8]) -> Option<u32> {
        self.lookup(hash_bytes(key, HASH_SEED), key)
    }

    /// The same, created if it is missing.
    pub fn find_or_create_encoded(&mut self, key: &[u8]) -> u32 {
        let hash = hash_bytes(key, HASH_SEED);
        match self.lookup(hash, key) {
            Some(group) => group,
            None => self.create(hash, key),
        }
    }

    /// The key columns from `skip` on of encoded keys; None gives NULLs.
    pub fn decode_keys(&self, keys: &[Option<&[u8]>], skip: usize) -> Result<Vec<ArrayRef>> {
        let null = |f: &Arc<Field>| arrow::array::new_null_array(f.data_type(), 1);
        let nulls: Vec<ArrayRef> = self.key_fields.iter().map(null).collect();
        let absent = self.converter.convert_columns(&nulls)?;
        let parser = self.converter.parser();
        let rows = keys.iter().map(|key| match key {
            Some(key) => parser.parse(key),
            None => absent.row(0),
        });
        let mut columns = self.converter.convert_rows(rows)?;
        Ok(columns.split_off(skip))
    }

    /// The key columns of these groups.
    pub fn key_columns(&self, groups: &[u32]) -> Result<Vec<ArrayRef>> {
        if self.key_fields.is_empty() {
            return Ok(Vec::new());
        }
        let parser = self.converter.parser();
        let rows = groups.iter().map(|g| parser.parse(self.key(*g)));
        Ok(self.converter.convert_rows(rows)?)
    }

    /// Encodes key columns as this table does.
    pub fn encode(&self, keys: &[ArrayRef], rows: usize) -> Result<Encoded> {
        if keys.is_empty() {
            return Ok(Encoded(None));
        }
        debug_assert!(keys.iter().all(|k| k.len() == rows), "one key per row");
        let encoded = self.converter.convert_columns(keys).map_err(|e| {
            let types: Vec<&DataType> = keys.iter().map(|k| k.data_type()).collect();
            Error::bug(format!("keys of table {} came as {types:?}", self.name)).caused_by(e)
        })?;
        Ok(Encoded(Some(encoded)))
    }

    #[inline]
    fn lookup(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let short = (hash >> 32) as u32;
        let same = |slot: &Slot| slot.hash == short && self.keys.get(slot.group).is(key);
        self.index.find(spread(hash), same).map(|slot| slot.group)
    }

    /// A group of that hash, most likely the one of its key; NONE when there is none.
    #[inline]
    fn likely(&self, hash: u64) -> u32 {
        let short = (hash >> 32) as u32;
        self.index.find(spread(hash), |slot| slot.hash == short).map_or(NONE, |slot| slot.group)
    }

    fn create(&mut self, hash: u64, key: &[u8]) -> u32 {
        let key = Key::new(key);
        self.heap_bytes += key.heap_bytes();
        let group = match self.free.pop() {
            Some(group) => {
                *self.keys.get_mut(group) = key;
                group
            }
            None => {
                self.keys.push(key);
                for column in &mut self.columns {
                    column.push_default();
                }
                if (self.len as usize).is_multiple_of(CHUNK) {
                    self.dirty.push([0; CHUNK / 64]);
                }
                self.len += 1;
                self.len - 1
            }
        };
        let slot = Slot { hash: (hash >> 32) as u32, group };
        self.index.insert_unique(spread(hash), slot, |s| spread(u64::from(s.hash) << 32));
        self.touch(group);
        group
    }

    /// What changed since the last capture (everything if `full`), sharing the chunks.
    pub fn capture(&mut self, full: bool) -> Captured {
        let mut chunks = Vec::new();
        for (number, dirty) in self.dirty.iter_mut().enumerate() {
            let rows = self.len as usize - number * CHUNK;
            let mut bits = if full { [u64::MAX; CHUNK / 64] } else { *dirty };
            *dirty = [0; CHUNK / 64];
            if !full && planted::has(Mistake::ForgottenRow) {
                // All but the first changed row of the chunk.
                let word = bits.iter_mut().find(|word| **word != 0);
                word.into_iter().for_each(|word| *word &= *word - 1);
            }
            capture::clear_from(&mut bits, rows.min(CHUNK));
            if bits.iter().all(|b| *b == 0) {
                continue;
            }
            chunks.push(CapturedChunk::of(number, bits, &mut self.keys, &mut self.columns));
        }
        Captured {
            key_fields: self.key_fields.clone(),
            value_types: self.columns.iter().map(Column::value_type).collect(),
            chunks,
        }
    }

    /// The living groups' keys with their blobs of a column, as they are now: later writes copy
    /// what is shared.
    pub fn share(&mut self, column: usize) -> Vec<SharedChunk> {
        let blobs = self.columns[column].blobs_mut();
        let share =
            |number| SharedChunk { keys: self.keys.chunk(number), blobs: blobs.chunk(number) };
        (0..self.dirty.len()).map(share).collect()
    }

    /// Adds the rows of a snapshot, as [`load`] gives them. Everything stays marked as changed:
    /// the next capture is full.
    pub fn load(&mut self, rows: &RecordBatch) -> Result<()> {
        let (keys, values) = load::split_columns(rows, self.key_fields.len())?;
        let found = self.find_or_create(&keys, rows.num_rows())?;
        load::write_values(self, &found.groups, &values)
    }

    /// The same with those rows only that belong to `mine`, by the hash of the dealing columns.
    pub fn load_dealt(&mut self, rows: &RecordBatch, mine: &dyn Fn(u64) -> bool) -> Result<()> {
        let (keys, _) = load::split_columns(rows, self.key_fields.len())?;
        let dealt: Vec<ArrayRef> = self.dealt_by.iter().map(|k| keys[*k].clone()).collect();
        let hashes = brooklet_core::hash::hash_rows(&dealt, rows.num_rows())?;
        let keep: Vec<u32> =
            (0..rows.num_rows() as u32).filter(|row| mine(hashes[*row as usize])).collect();
        match keep.len() {
            0 => Ok(()),
            all if all == rows.num_rows() => self.load(rows),
            _ => self.load(&compute::take_record_batch(rows, &UInt32Array::from(keep))?),
        }
    }
}

/// Keys and blobs of neighbouring groups.
pub struct SharedChunk {
    keys: Arc<Vec<Key>>,
    blobs: Arc<Vec<Option<Blob>>>,
}

impl SharedChunk {
    /// The encoded key and the blob of each living group that has one.
    pub fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let both = self.keys.iter().zip(self.blobs.iter());
        both.filter_map(|(key, blob)| Some((key.get()?, blob.as_deref()?)))
    }
}

/// Encoded keys of a batch; tables without key columns have one group.
pub struct Encoded(Option<Rows>);

impl Encoded {
    #[inline]
    pub fn key(&self, row: usize) -> &[u8] {
        match &self.0 {
            // Two lifetimes: the row borrows the batch, its bytes live as long.
            Some(rows) => rows.row(row).data(),
            None => &[],
        }
    }
}

/// hashbrown takes its bucket from the low bits and its tag from the top seven; only the upper
/// half of the hash is kept in a slot, so both come from there.
#[inline]
fn spread(hash: u64) -> u64 {
    (hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

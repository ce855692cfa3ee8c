//! The rows of a join's side by their key.

use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use brooklet_core::hash::hash_bytes;
use brooklet_core::{Delta, Result};

use crate::key::Key;
use crate::ops::rows::{any_null, columns_at};

const SEED: u64 = 0x6a09_e667_f3bc_c909;
/// No group.
const NONE: u32 = u32::MAX;

/// The encoded keys of rows.
pub struct Keys {
    /// None without columns.
    encoded: Option<Rows>,
    /// A part is NULL and matches nothing.
    nulls: Vec<bool>,
}

impl Keys {
    /// The key of a row; None matches nothing.
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        let key = self.encoded.as_ref().map_or(&[][..], |keys| keys.row(row).data());
        (!self.nulls[row]).then_some(key)
    }
}

/// Derived from the side's table.
pub struct Index {
    on: Vec<usize>,
    /// A key may have NULL parts.
    nulls_match: bool,
    /// None without columns: all rows have one key.
    codec: Option<RowConverter>,
    chains: HashTable<Chain>,
    /// By group: the one behind it in its chain.
    next: Vec<u32>,
}

/// The groups with a key, in the order in which they came.
struct Chain {
    hash: u64,
    key: Key,
    first: u32,
    last: u32,
}

impl Index {
    pub fn new(schema: &SchemaRef, on: Vec<usize>, nulls_match: bool) -> Result<Self> {
        let sort = |c: &usize| SortField::new(schema.field(*c).data_type().clone());
        let codec = match on.len() {
            0 => None,
            _ => Some(RowConverter::new(on.iter().map(sort).collect())?),
        };
        Ok(Index { on, nulls_match, codec, chains: HashTable::new(), next: Vec::new() })
    }

    /// Every row has the same key.
    pub fn is_of_all(&self) -> bool {
        self.codec.is_none()
    }

    pub fn keys(&self, rows: &Delta) -> Result<Keys> {
        let columns = columns_at(rows, &self.on);
        let nulls = match self.nulls_match {
            true => vec![false; rows.len()],
            false => any_null(&columns, rows.len()),
        };
        let encoded = self.codec.as_ref().map(|codec| codec.convert_columns(&columns));
        Ok(Keys { encoded: encoded.transpose()?, nulls })
    }

    /// The groups with that key.
    pub fn get(&self, key: Option<&[u8]>) -> impl Iterator<Item = u32> + '_ {
        let chain =
            key.and_then(|key| self.chains.find(hash_bytes(key, SEED), |chain| chain.key.is(key)));
        let some = |group: u32| (group != NONE).then_some(group);
        let first = chain.map(|chain| chain.first);
        std::iter::successors(first, move |group| some(self.next[*group as usize]))
    }

    pub fn link(&mut self, group: u32, key: Option<&[u8]>) {
        let Some(key) = key else { return };
        let place = group as usize;
        if self.next.len() <= place {
            self.next.resize(place + 1, NONE);
        }
        self.next[place] = NONE;
        let hash = hash_bytes(key, SEED);
        match self.chains.entry(hash, |chain| chain.key.is(key), |chain| chain.hash) {
            Entry::Occupied(mut chain) => {
                let last = std::mem::replace(&mut chain.get_mut().last, group);
                self.next[last as usize] = group;
            }
            Entry::Vacant(free) => {
                free.insert(Chain { hash, key: Key::new(key), first: group, last: group });
            }
        }
    }

    pub fn unlink(&mut self, group: u32, key: Option<&[u8]>) {
        let Some(key) = key else { return };
        let found = self.chains.find_entry(hash_bytes(key, SEED), |chain| chain.key.is(key));
        let Ok(mut chain) = found else { return };
        let (mut before, mut at) = (NONE, chain.get().first);
        while at != group {
            if at == NONE {
                return;
            }
            (before, at) = (at, self.next[at as usize]);
        }
        let behind = self.next[group as usize];
        match before {
            NONE if behind == NONE => _ = chain.remove(),
            NONE => chain.get_mut().first = behind,
            before => {
                self.next[before as usize] = behind;
                if behind == NONE {
                    chain.get_mut().last = before;
                }
            }
        }
    }

    pub fn clear(&mut self) {
        self.chains.clear();
        self.next.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    fn index() -> Index {
        let schema = Arc::new(Schema::new(vec![Field::new("k", DataType::Int64, true)]));
        Index::new(&schema, vec![0], false).unwrap()
    }

    #[test]
    fn groups_come_as_they_were_linked() {
        let (mut index, long) = (index(), [7u8; 100]);
        for group in [3, 9, 1, 4] {
            index.link(group, Some(b"a"));
        }
        index.link(0, Some(&long));
        index.link(2, None);
        let found = |index: &Index, key: &[u8]| index.get(Some(key)).collect::<Vec<u32>>();
        assert_eq!(found(&index, b"a"), [3, 9, 1, 4]);
        assert_eq!(found(&index, &long), [0]);
        assert_eq!(index.get(None).count() + found(&index, b"b").len(), 0);
        // One that is not there, the last, a middle one, the first; the last place is used again.
        for (gone, left) in
            [(0, vec![3, 9, 1, 4]), (4, vec![3, 9, 1]), (9, vec![3, 1]), (3, vec![1])]
        {
            index.unlink(gone, Some(b"a"));
            assert_eq!(found(&index, b"a"), left);
        }
        index.link(4, Some(b"a"));
        assert_eq!(found(&index, b"a"), [1, 4]);
    }

    #[test]
    fn drawn_links_are_those_of_a_map_of_lists() {
        let (mut index, mut model) = (index(), BTreeMap::<u8, Vec<u32>>::new());
        let (mut state, mut key_of) = (1u64, [None::<u8>; 40]);
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (group, key) = ((state >> 33) as u32 % 40, (state >> 50) as u8 % 6);
            match key_of[group as usize].take() {
                Some(key) => {
                    index.unlink(group, Some(&[key]));
                    model.get_mut(&key).unwrap().retain(|g| *g != group);
                }
                None => {
                    index.link(group, Some(&[key]));
                    model.entry(key).or_default().push(group);
                    key_of[group as usize] = Some(key);
                }
            }
            for (key, groups) in &model {
                assert_eq!(index.get(Some(&[*key])).collect::<Vec<u32>>(), *groups);
            }
        }
    }
}

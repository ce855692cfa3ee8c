//! Values of each group with their counts: what DISTINCT and retraction need.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Field;

use brooklet_core::Result;

use crate::column::ValueType;
use crate::table::Table;

/// A table (group key ++ value) → count. With `ordered`, the smallest and largest value of a group
/// are found through an index that is derived from the table.
pub struct Multiset {
    pub table: Table,
    ordered: Option<BTreeSet<Box<[u8]>>>,
    key_columns: usize,
}

impl Multiset {
    /// `dealt_by` indexes `keys`.
    pub fn new(
        name: String,
        keys: &[Arc<Field>],
        values: &[Arc<Field>],
        dealt_by: Vec<usize>,
        ordered: bool,
    ) -> Result<Self> {
        let fields = keys.iter().chain(values).cloned().collect();
        let table = Table::new(name, fields, dealt_by, &[ValueType::I64])?;
        let ordered = ordered.then(BTreeSet::new);
        Ok(Multiset { table, ordered, key_columns: keys.len() })
    }

    /// Adds weights to the values of rows; returns for each row whether its value appeared (+1),
    /// vanished (−1) or neither (0) at that row.
    pub fn add(&mut self, columns: &[ArrayRef], weights: &[i64]) -> Result<Vec<i64>> {
        let found = self.table.find_or_create(columns, weights.len())?;
        let mut transitions = Vec::with_capacity(weights.len());
        for (group, weight) in found.groups.iter().zip(weights) {
            let count = self.table.columns[0].i64_mut().get_mut(*group);
            let before = *count;
            *count += weight;
            let after = *count;
            self.table.touch(*group);
            transitions.push(i64::from(after > 0) - i64::from(before > 0));
        }
        self.settle(&found.groups);
        Ok(transitions)
    }

    /// Removes values whose count came back to zero, indexes those that have appeared.
    fn settle(&mut self, groups: &[u32]) {
        let mut gone: Vec<u32> = Vec::new();
        for group in groups {
            let count = *self.table.columns[0].i64().get(*group);
            if let Some(ordered) = &mut self.ordered {
                let key = self.table.key(*group);
                if count > 0 && !ordered.contains(key) {
                    ordered.insert(key.into());
                } else if count <= 0 {
                    ordered.remove(key);
                }
            }
            if count == 0 {
                gone.push(*group);
            }
        }
        gone.sort_unstable();
        gone.dedup();
        gone.into_iter().for_each(|group| self.table.remove(group));
    }

    /// The encoded (group key ++ value) of the smallest or largest value of a group.
    pub fn extreme(&self, group_key: &[u8], largest: bool) -> Option<&[u8]> {
        let ordered = self.ordered.as_ref()?;
        let found = if largest {
            let end = successor(group_key);
            let upper = match &end {
                Some(end) => Bound::Excluded(end.as_slice()),
                None => Bound::Unbounded,
            };
            ordered.range::<[u8], _>((Bound::Unbounded, upper)).next_back()
        } else {
            let from = Bound::Included(group_key);
            ordered.range::<[u8], _>((from, Bound::Unbounded)).next()
        };
        found.map(AsRef::as_ref).filter(|key: &&[u8]| key.starts_with(group_key))
    }

    /// The value columns of encoded keys; `None` gives NULL.
    pub fn values(&self, keys: &[Option<&[u8]>]) -> Result<Vec<ArrayRef>> {
        self.table.decode_keys(keys, self.key_columns)
    }

    /// The encoded (group key ++ value) of a group's values, ascending, with their counts; only of
    /// an ordered one.
    pub fn entries(&self, group_key: &[u8]) -> Vec<(&[u8], i64)> {
        let from = Bound::Included(group_key);
        let keys = self.ordered.iter().flat_map(|o| o.range::<[u8], _>((from, Bound::Unbounded)));
        let of_group = keys.take_while(|key| key.starts_with(group_key));
        let count = |key: &[u8]| {
            self.table.find_encoded(key).map_or(0, |group| *self.table.columns[0].i64().get(group))
        };
        of_group.map(|key| (&**key, count(key))).collect()
    }

    /// Moves the values of a group into another's; of an ordered one.
    pub fn absorb(&mut self, from: &[u8], into: &[u8]) {
        let entries = self.entries(from).into_iter();
        let moved: Vec<(Vec<u8>, i64)> =
            entries.map(|(key, count)| ([into, &key[from.len()..]].concat(), count)).collect();
        self.forget(from);
        let mut groups = Vec::with_capacity(moved.len());
        for (key, count) in moved {
            let group = self.table.find_or_create_encoded(&key);
            *self.table.columns[0].i64_mut().get_mut(group) += count;
            self.table.touch(group);
            groups.push(group);
        }
        self.settle(&groups);
    }

    /// Forgets every value of a group.
    pub fn forget(&mut self, group_key: &[u8]) {
        let groups: Vec<u32> = match &mut self.ordered {
            Some(ordered) => {
                let from = Bound::Included(group_key);
                let keys: Vec<Box<[u8]>> = ordered
                    .range::<[u8], _>((from, Bound::Unbounded))
                    .take_while(|key| key.starts_with(group_key))
                    .cloned()
                    .collect();
                for key in &keys {
                    ordered.remove(key);
                }
                keys.iter().filter_map(|key| self.table.find_encoded(key)).collect()
            }
            None => {
                let mut groups = self.table.groups();
                groups.retain(|g| self.table.key(*g).starts_with(group_key));
                groups
            }
        };
        groups.into_iter().for_each(|group| self.table.remove(group));
    }

    /// Rebuilds the index after the table was loaded.
    pub fn loaded(&mut self) {
        if let Some(ordered) = &mut self.ordered {
            ordered.clear();
            for group in self.table.groups() {
                if *self.table.columns[0].i64().get(group) > 0 {
                    ordered.insert(self.table.key(group).into());
                }
            }
        }
    }
}

/// The smallest byte string above everything that starts with `prefix`.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}

//! Values of each group with their counts: what DISTINCT and retraction need.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Field;

use brooklet_core::Result;

use crate::column::ValueType;
use crate::table::Table;

/// A table (group key ++ value) → count, or several. With `ordered`, the values of a group are
/// found in order through an index that is derived from the table.
pub struct Multiset {
    pub table: Table,
    /// Encoded key → group of the table.
    ordered: Option<BTreeMap<Box<[u8]>, u32>>,
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
        let of_one = Multiset::counting(name, keys, values, dealt_by, 1)?;
        Ok(Multiset { ordered: ordered.then(BTreeMap::new), ..of_one })
    }

    /// The same without an order, and with several counts of each value.
    pub fn counting(
        name: String,
        keys: &[Arc<Field>],
        values: &[Arc<Field>],
        dealt_by: Vec<usize>,
        counts: usize,
    ) -> Result<Self> {
        let fields = keys.iter().chain(values).cloned().collect();
        let table = Table::new(name, fields, dealt_by, &vec![ValueType::I64; counts])?;
        Ok(Multiset { table, ordered: None, key_columns: keys.len() })
    }

    /// Adds weights to those counts of each row's value that the row is counted by; returns for
    /// each count the rows at which the value appeared (+1) or vanished (−1).
    pub fn count(
        &mut self,
        columns: &[ArrayRef],
        weights: &[i64],
        counted: &[Vec<bool>],
    ) -> Result<Vec<Vec<(u32, i64)>>> {
        let found = self.table.find_or_create(columns, weights.len())?;
        let mut turned = vec![Vec::new(); counted.len()];
        for ((column, counted), turned) in
            self.table.columns.iter_mut().zip(counted).zip(&mut turned)
        {
            let counts = column.i64_mut();
            for (row, group) in found.groups.iter().enumerate().filter(|(row, _)| counted[*row]) {
                let count = counts.get_mut(*group);
                let before = *count;
                *count += weights[row];
                match i64::from(*count > 0) - i64::from(before > 0) {
                    0 => {}
                    turn => turned.push((row as u32, turn)),
                }
            }
        }
        let is_zero = |group: &u32| {
            let mut counts = self.table.columns.iter();
            counts.all(|counts| *counts.i64().get(*group) == 0)
        };
        let mut gone: Vec<u32> = found.groups.iter().copied().filter(is_zero).collect();
        found.groups.iter().for_each(|group| self.table.touch(*group));
        gone.sort_unstable();
        gone.dedup();
        gone.into_iter().for_each(|group| self.table.remove(group));
        Ok(turned)
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
                if count > 0 && !ordered.contains_key(key) {
                    ordered.insert(key.into(), *group);
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
        let found = found.map(|(key, _)| key.as_ref());
        found.filter(|key: &&[u8]| key.starts_with(group_key))
    }

    /// The encoded (group key ++ value) of each value of a group, ascending, with its count; none
    /// without an order.
    pub fn entries<'a>(&'a self, group_key: &'a [u8]) -> impl Iterator<Item = (&'a [u8], i64)> {
        let counts = self.table.columns[0].i64();
        let from = (Bound::Included(group_key), Bound::Unbounded);
        let all = self.ordered.iter().flat_map(move |ordered| ordered.range::<[u8], _>(from));
        let own = all.take_while(move |(key, _)| key.starts_with(group_key));
        own.map(move |(key, group)| (key.as_ref(), *counts.get(*group)))
    }

    /// The value columns of encoded keys; `None` gives NULL.
    pub fn values(&self, keys: &[Option<&[u8]>]) -> Result<Vec<ArrayRef>> {
        self.table.decode_keys(keys, self.key_columns)
    }

    /// Moves the values of a group into another's; of an ordered one.
    pub fn absorb(&mut self, from: &[u8], into: &[u8]) {
        let entries = self.entries(from);
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
                let own: Vec<(Box<[u8]>, u32)> = ordered
                    .range::<[u8], _>((from, Bound::Unbounded))
                    .take_while(|(key, _)| key.starts_with(group_key))
                    .map(|(key, group)| (key.clone(), *group))
                    .collect();
                own.iter().for_each(|(key, _)| _ = ordered.remove(key));
                own.into_iter().map(|(_, group)| group).collect()
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
                    ordered.insert(self.table.key(group).into(), group);
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

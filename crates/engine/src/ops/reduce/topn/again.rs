//! Rows that are taken back, found again: a changelog's image of a row before its change says
//! nothing of when that row came, so the first of the stored rows that look the same is meant.

use std::collections::BTreeMap;
use std::ops::Bound;

use arrow::array::UInt32Array;
use arrow::compute;

use brooklet_core::{Delta, Result};

use super::{COUNT, TopN};
use crate::ops::map::batch;
use crate::ops::rows::consolidate;

/// What a number takes in an encoded row: whether it is NULL, then its bytes.
const NUMBER: usize = 1 + size_of::<i64>();

impl TopN {
    /// The rows, where what is taken back is stored, or comes in the same epoch and so vanishes.
    pub(in crate::ops::reduce) fn found_again(&self, rows: Delta) -> Result<Option<Delta>> {
        let taken_back: Vec<usize> = (0..rows.len()).filter(|r| rows.weight(*r) < 0).collect();
        if self.append_only || taken_back.is_empty() {
            return Ok(Some(rows));
        }
        let encoded = self.table.encode(rows.rows.columns(), rows.len())?;
        let places = self.places(&rows)?;
        let entries: Vec<Box<[u8]>> = (0..rows.len() as u32).map(|row| places.entry(row)).collect();
        let mut weights: Vec<i64> = (0..rows.len()).map(|r| rows.weight(r)).collect();
        let mut taken = Taken::default();
        let exact = |row: &usize| self.table.find_encoded(encoded.key(*row));
        let (known, unknown): (Vec<usize>, Vec<usize>) =
            taken_back.into_iter().partition(|row| exact(row).is_some());
        for row in known {
            let group = exact(&row).unwrap_or_default();
            taken.0.insert(group, -std::mem::take(&mut weights[row]));
        }
        let mut fresh: BTreeMap<&[u8], BTreeMap<&[u8], usize>> = BTreeMap::new();
        if !unknown.is_empty() {
            for row in (0..rows.len()).filter(|r| weights[*r] > 0) {
                let alike = fresh.entry(self.visible(encoded.key(row))).or_default();
                alike.insert(&entries[row], row);
            }
        }
        for row in unknown {
            let visible = self.visible(encoded.key(row));
            let mut left = -std::mem::take(&mut weights[row]);
            left = self.take_stored(&entries[row], visible, left, &mut taken);
            for other in fresh.get(visible).iter().flat_map(|alike| alike.values()) {
                let n = left.min(weights[*other]);
                weights[*other] -= n;
                left -= n;
            }
        }
        self.changes(&rows, &weights, taken)
    }

    /// An encoded row without its hidden columns, which stand behind and are numbers.
    fn visible<'a>(&self, row: &'a [u8]) -> &'a [u8] {
        &row[..row.len() - NUMBER * (self.input_schema.fields().len() - self.rank_at)]
    }

    /// Takes from stored rows that look the same, the first come first; what is left.
    fn take_stored(&self, entry: &[u8], visible: &[u8], n: i64, taken: &mut Taken) -> i64 {
        let mut left = n;
        let place = &entry[..entry.len() - NUMBER * self.arrival];
        for (at, group) in self.index.range::<[u8], _>((Bound::Included(place), Bound::Unbounded)) {
            if left == 0 || !at.starts_with(place) {
                break;
            }
            if self.visible(self.table.key(*group)) != visible {
                continue;
            }
            let before = taken.0.entry(*group).or_default();
            let there = *self.table.columns[COUNT].i64().get(*group) - *before;
            let now = left.min(there.max(0));
            *before += now;
            left -= now;
        }
        left
    }

    fn changes(&self, rows: &Delta, weights: &[i64], taken: Taken) -> Result<Option<Delta>> {
        let kept: Vec<u32> =
            (0..rows.len() as u32).filter(|row| weights[*row as usize] > 0).collect();
        let new = weights.iter().copied().filter(|weight| *weight > 0).collect();
        let new_rows = compute::take_record_batch(&rows.rows, &UInt32Array::from(kept))?;
        let (groups, counts): (Vec<u32>, Vec<i64>) =
            taken.0.into_iter().filter(|(_, n)| *n != 0).map(|(group, n)| (group, -n)).unzip();
        let old_rows = batch(&self.input_schema, self.table.key_columns(&groups)?, groups.len())?;
        consolidate(&self.input_schema, &[Delta::new(old_rows, counts), Delta::new(new_rows, new)])
    }
}

/// How often the row of a group is taken back.
#[derive(Default)]
struct Taken(BTreeMap<u32, i64>);

//! A call over the distinct values of its argument.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute;

use brooklet_core::Result;

use super::rows::{counted, picked, weights_of};
use super::{Accumulator, Batch, CallArgs};
use crate::column::ValueType;
use crate::ops::reduce::multiset::Multiset;
use crate::table::Table;

pub struct Distinct {
    arg: usize,
    filter: Option<usize>,
    multiset: Multiset,
    inner: Box<dyn Accumulator>,
}

impl Distinct {
    pub fn new(args: &CallArgs<'_>, inner: Box<dyn Accumulator>) -> Result<Self> {
        let arg = args.arg(0)?;
        let multiset = args.multiset(&[arg], false)?;
        Ok(Distinct { arg, filter: args.call.filter, multiset, inner })
    }
}

impl Accumulator for Distinct {
    fn columns(&self) -> Vec<ValueType> {
        self.inner.columns()
    }
    fn update(&mut self, batch: &Batch<'_>, table: &mut Table, at: usize) -> Result<()> {
        let arg = &batch.columns[self.arg];
        let rows = counted(batch, self.filter, Some(arg));
        let columns = picked(batch, std::slice::from_ref(arg), &rows)?;
        let transitions = self.multiset.add(&columns, &weights_of(batch, &rows))?;
        let mut groups = Vec::new();
        let mut weights = Vec::new();
        let mut moved: Vec<u32> = Vec::new();
        for (row, weight) in rows.iter().zip(transitions) {
            if weight != 0 {
                groups.push(batch.groups[*row as usize]);
                weights.push(weight);
                moved.push(*row);
            }
        }
        if moved.is_empty() {
            return Ok(());
        }
        // The call looks at no other columns.
        let take = UInt32Array::from(moved);
        let mut columns = batch.columns.to_vec();
        for column in std::iter::once(self.arg).chain(self.filter) {
            columns[column] = compute::take(&batch.columns[column], &take, None)?;
        }
        let inner = Batch { groups: &groups, keys: &[], columns: &columns, weights: &weights };
        self.inner.update(&inner, table, at)
    }
    fn evaluate(&self, table: &Table, at: usize, groups: &[u32]) -> Result<ArrayRef> {
        self.inner.evaluate(table, at, groups)
    }
    fn side(&mut self) -> Option<&mut Multiset> {
        Some(&mut self.multiset)
    }
}

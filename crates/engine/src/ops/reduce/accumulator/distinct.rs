//! Calls over the distinct values of one argument: they share the values, each with a count of its
//! own for the rows that its filter lets through.

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, UInt32Array};
use arrow::compute;

use brooklet_core::{Error, Result};

use super::rows::{counted, picked, weights_of};
use super::{Accumulator, Batch, CallArgs};
use crate::column::ValueType;
use crate::ops::reduce::multiset::Multiset;
use crate::table::Table;

/// The first of the calls; it keeps the state of all.
pub struct Distinct {
    arg: usize,
    multiset: Multiset,
    calls: Vec<Call>,
}

/// What is made of the values that appear and vanish.
struct Call {
    filter: Option<usize>,
    inner: Box<dyn Accumulator>,
    columns: Vec<ValueType>,
}

/// One of the others: its state stands behind the first's.
pub struct Sharing(pub Box<dyn Accumulator>);

impl Distinct {
    /// `calls` are over the same values; `inner` makes what counts them.
    pub fn new(
        calls: &[&CallArgs<'_>],
        inner: impl Fn(&CallArgs<'_>) -> Result<Box<dyn Accumulator>>,
    ) -> Result<Self> {
        let first = calls.first().ok_or_else(|| Error::bug("distinct values without a call"))?;
        let arg = first.arg(0)?;
        let call = |args: &&CallArgs<'_>| {
            let inner = inner(args)?;
            Ok(Call { filter: args.call.filter, columns: inner.columns(), inner })
        };
        let calls = calls.iter().map(call).collect::<Result<Vec<_>>>()?;
        Ok(Distinct { arg, multiset: first.counts(&[arg], calls.len())?, calls })
    }
}

impl Accumulator for Distinct {
    fn columns(&self) -> Vec<ValueType> {
        self.calls.iter().flat_map(|call| call.columns.iter().copied()).collect()
    }
    fn update(&mut self, batch: &Batch<'_>, table: &mut Table, at: usize) -> Result<()> {
        let arg = &batch.columns[self.arg];
        let filter = |call: &Call| call.filter.map(|filter| batch.columns[filter].as_boolean());
        let filters: Vec<Option<&BooleanArray>> = self.calls.iter().map(filter).collect();
        let passes = |filter: &Option<&BooleanArray>, row: u32| {
            let row = row as usize;
            filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
        };
        let mut rows = counted(batch, None, Some(arg));
        rows.retain(|row| filters.iter().any(|filter| passes(filter, *row)));
        let by = |filter| rows.iter().map(|row| passes(filter, *row)).collect();
        let counted_by: Vec<Vec<bool>> = filters.iter().map(by).collect();
        let values = picked(batch, std::slice::from_ref(arg), &rows)?;
        let turned = self.multiset.count(&values, &weights_of(batch, &rows), &counted_by)?;
        let mut at = at;
        for (call, turned) in self.calls.iter_mut().zip(turned) {
            if !turned.is_empty() {
                let turned: Vec<(u32, i64)> =
                    turned.into_iter().map(|(place, turn)| (rows[place as usize], turn)).collect();
                call.update(batch, &turned, self.arg, table, at)?;
            }
            at += call.columns.len();
        }
        Ok(())
    }
    fn evaluate(&self, table: &Table, at: usize, groups: &[u32]) -> Result<ArrayRef> {
        self.calls[0].inner.evaluate(table, at, groups)
    }
    fn side(&mut self) -> Option<&mut Multiset> {
        Some(&mut self.multiset)
    }
}

impl Call {
    /// Takes values that appeared (+1) or vanished (−1) at some of a batch's rows.
    fn update(
        &mut self,
        batch: &Batch<'_>,
        turned: &[(u32, i64)],
        arg: usize,
        table: &mut Table,
        at: usize,
    ) -> Result<()> {
        let (rows, weights): (Vec<u32>, Vec<i64>) = turned.iter().copied().unzip();
        let groups: Vec<u32> = rows.iter().map(|row| batch.groups[*row as usize]).collect();
        // The call looks at no other columns.
        let take = UInt32Array::from(rows);
        let mut columns = batch.columns.to_vec();
        for column in std::iter::once(arg).chain(self.filter) {
            columns[column] = compute::take(&batch.columns[column], &take, None)?;
        }
        let inner = Batch { groups: &groups, keys: &[], columns: &columns, weights: &weights };
        self.inner.update(&inner, table, at)
    }
}

impl Accumulator for Sharing {
    fn columns(&self) -> Vec<ValueType> {
        Vec::new()
    }
    fn update(&mut self, _batch: &Batch<'_>, _table: &mut Table, _at: usize) -> Result<()> {
        Ok(())
    }
    fn evaluate(&self, table: &Table, at: usize, groups: &[u32]) -> Result<ArrayRef> {
        self.0.evaluate(table, at, groups)
    }
}

//! MIN, MAX, FIRST_VALUE, LAST_VALUE under retraction: an ordered multiset.

use arrow::array::{Array, ArrayRef};
use arrow::compute;
use arrow::datatypes::DataType;

use brooklet_core::Result;
use brooklet_plan::node::AggFunc;

use super::rows::{counted, picked, weights_of};
use super::{Accumulator, Batch, CallArgs};
use crate::column::ValueType;
use crate::ops::reduce::multiset::Multiset;
use crate::table::Table;

pub struct Extreme {
    /// Arrival order (for FIRST and LAST).
    order: Vec<usize>,
    arg: usize,
    filter: Option<usize>,
    largest: bool,
    multiset: Multiset,
    ty: DataType,
}

impl Extreme {
    pub fn new(args: &CallArgs<'_>) -> Result<Self> {
        let order = match args.call.func {
            AggFunc::FirstValue | AggFunc::LastValue => args.arrival()?.to_vec(),
            _ => Vec::new(),
        };
        let arg = args.arg(0)?;
        Ok(Extreme {
            multiset: args.multiset(&[order.as_slice(), &[arg]].concat(), true)?,
            order,
            arg,
            filter: args.call.filter,
            largest: matches!(args.call.func, AggFunc::Max | AggFunc::LastValue),
            ty: args.call.ty.clone(),
        })
    }
}

impl Accumulator for Extreme {
    fn columns(&self) -> Vec<ValueType> {
        Vec::new()
    }
    fn update(&mut self, batch: &Batch<'_>, _table: &mut Table, _at: usize) -> Result<()> {
        let rows = counted(batch, self.filter, Some(&batch.columns[self.arg]));
        let columns = self.order.iter().chain([&self.arg]);
        let columns: Vec<ArrayRef> = columns.map(|c| batch.columns[*c].clone()).collect();
        self.multiset.add(&picked(batch, &columns, &rows)?, &weights_of(batch, &rows))?;
        Ok(())
    }
    fn evaluate(&self, table: &Table, _at: usize, groups: &[u32]) -> Result<ArrayRef> {
        let best: Vec<Option<&[u8]>> =
            groups.iter().map(|g| self.multiset.extreme(table.key(*g), self.largest)).collect();
        let value = self.multiset.values(&best)?.swap_remove(self.order.len());
        match value.data_type() == &self.ty {
            true => Ok(value),
            false => Ok(compute::cast(&value, &self.ty)?),
        }
    }
    fn side(&mut self) -> Option<&mut Multiset> {
        Some(&mut self.multiset)
    }
}

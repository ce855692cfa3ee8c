//! COUNT(*) and COUNT(x).

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use brooklet_core::{Error, Result};

use super::rows::each_row;
use super::{Accumulator, Batch, CallArgs};
use crate::column::{Cell, ValueType};
use crate::table::Table;

pub struct Count {
    arg: Option<usize>,
    filter: Option<usize>,
}

impl Count {
    pub fn new(args: &CallArgs<'_>) -> Self {
        Count { arg: args.call.args.first().copied(), filter: args.call.filter }
    }
}

impl Accumulator for Count {
    fn columns(&self) -> Vec<ValueType> {
        vec![ValueType::I64]
    }
    fn update(&mut self, batch: &Batch<'_>, table: &mut Table, at: usize) -> Result<()> {
        let counts = table.columns[at].i64_mut();
        let arg = self.arg.map(|a| &batch.columns[a]);
        each_row(batch, self.filter, arg, |_, group, weight| *counts.get_mut(group) += weight);
        Ok(())
    }
    fn evaluate(&self, table: &Table, at: usize, groups: &[u32]) -> Result<ArrayRef> {
        let counts = table.columns[at].i64();
        Ok(Arc::new(Int64Array::from_iter_values(groups.iter().map(|g| *counts.get(*g)))))
    }
    fn merge(&self, table: &mut Table, at: usize, group: u32, from: &[Cell]) -> Result<()> {
        let [Cell::I64(count)] = from else { return Err(Error::bug("a count")) };
        *table.columns[at].i64_mut().get_mut(group) += count;
        Ok(())
    }
}

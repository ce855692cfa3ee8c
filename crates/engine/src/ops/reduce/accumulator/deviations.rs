//! The sum of squared deviations from the mean, which STDDEV and VARIANCE are made of: Welford's
//! recurrence, forwards and backwards.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::datatypes::Float64Type;

use brooklet_core::Result;

use super::rows::each_row;
use super::values::Kind;
use super::{Accumulator, Batch, CallArgs};
use crate::column::ValueType;
use crate::table::Table;

pub struct SquaredDeviations {
    arg: usize,
    filter: Option<usize>,
}

impl SquaredDeviations {
    pub fn new(args: &CallArgs<'_>) -> Result<Self> {
        Ok(SquaredDeviations { arg: args.arg(0)?, filter: args.call.filter })
    }
}

/// Of one group.
#[derive(Clone, Copy)]
struct Moments {
    count: i64,
    mean: f64,
    /// The sum of squared deviations.
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.squares += before * (value - self.mean);
    }
    fn take_away(&mut self, value: f64) {
        self.count -= 1;
        if self.count <= 0 {
            *self = Moments { count: self.count, mean: 0.0, squares: 0.0 };
            return;
        }
        let after = value - self.mean;
        self.mean -= after / self.count as f64;
        self.squares -= after * (value - self.mean);
    }
}

impl Accumulator for SquaredDeviations {
    fn columns(&self) -> Vec<ValueType> {
        vec![ValueType::I64, ValueType::F64, ValueType::F64]
    }
    fn update(&mut self, batch: &Batch<'_>, table: &mut Table, at: usize) -> Result<()> {
        let arg = Kind::Float.normalise(&batch.columns[self.arg])?;
        let values = arg.as_primitive::<Float64Type>();
        let [counts, means, squares] = &mut table.columns[at..at + 3] else {
            unreachable!("the accumulator declared three columns")
        };
        let (counts, means, squares) = (counts.i64_mut(), means.f64_mut(), squares.f64_mut());
        let mut step = |group: u32, value: f64, times: i64| {
            let (count, mean, square) =
                (counts.get_mut(group), means.get_mut(group), squares.get_mut(group));
            let mut moments = Moments { count: *count, mean: *mean, squares: *square };
            for _ in 0..times {
                moments.add(value);
            }
            for _ in times..0 {
                moments.take_away(value);
            }
            (*count, *mean, *square) = (moments.count, moments.mean, moments.squares);
        };
        // What comes first: a mean of no values cannot be taken away from.
        let mut takes_away = false;
        each_row(batch, self.filter, Some(&arg), |row, group, weight| {
            match weight > 0 {
                true => step(group, values.value(row), weight),
                false => takes_away |= weight < 0,
            };
        });
        if takes_away {
            each_row(batch, self.filter, Some(&arg), |row, group, weight| {
                if weight < 0 {
                    step(group, values.value(row), weight);
                }
            });
        }
        Ok(())
    }
    fn evaluate(&self, table: &Table, at: usize, groups: &[u32]) -> Result<ArrayRef> {
        let (counts, squares) = (table.columns[at].i64(), table.columns[at + 2].f64());
        let value = |g: &u32| (*counts.get(*g) > 0).then(|| squares.get(*g).max(0.0));
        Ok(Arc::new(groups.iter().map(value).collect::<Float64Array>()))
    }
}

//! Accumulators: the state of one aggregate call in columns of the group table.
//!
//! Over append-only input a few numbers suffice: [`count`], [`sum`], [`deviations`], [`best`].
//! Under retraction MIN, MAX, FIRST_VALUE and LAST_VALUE keep an ordered multiset ([`extreme`]);
//! DISTINCT keeps a multiset and feeds an inner accumulator with the values that appear and vanish
//! ([`distinct`]). What is made of all values keeps them all ([`gathered`]). Result types are
//! Flink's.

mod best;
mod count;
mod deviations;
mod distinct;
mod extreme;
mod gathered;
mod rows;
mod shape;
mod sum;
mod values;

use std::ops::Range;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};

use brooklet_core::{Error, Result};
use brooklet_plan::node::{AggCall, AggFunc};

use super::multiset::Multiset;
use crate::column::{Cell, ValueType};
use crate::table::Table;
use best::{Best, Pick};

/// The rows of one update.
pub struct Batch<'a> {
    /// The group of each row.
    pub groups: &'a [u32],
    /// The group keys of each row.
    pub keys: &'a [ArrayRef],
    /// All input columns.
    pub columns: &'a [ArrayRef],
    pub weights: &'a [i64],
}

/// One aggregate call. Its state stands in `columns()` of the group table, from column `at` on,
/// and in its multiset.
pub trait Accumulator: Send {
    fn columns(&self) -> Vec<ValueType>;
    fn update(&mut self, batch: &Batch<'_>, table: &mut Table, at: usize) -> Result<()>;
    /// The results of these groups, in order.
    fn evaluate(&self, table: &Table, at: usize, groups: &[u32]) -> Result<ArrayRef>;
    /// Adds the state of another group, whose cells are those of `columns()`. What is planned to
    /// be merged can be ([`AggCall::merges`]).
    fn merge(&self, _table: &mut Table, _at: usize, _group: u32, _from: &[Cell]) -> Result<()> {
        Err(Error::bug("an aggregate that cannot be merged was planned to be"))
    }
    fn side(&mut self) -> Option<&mut Multiset> {
        None
    }
}

/// What an accumulator is built from.
pub struct CallArgs<'a> {
    pub call: &'a AggCall,
    pub input: &'a SchemaRef,
    pub keys: &'a [usize],
    pub dealt_by: &'a [usize],
    /// Hidden arrival-order columns of the input.
    pub ord: &'a [usize],
    /// The input takes rows back.
    pub retracts: bool,
    /// Names the call's multiset.
    pub number: usize,
}

impl CallArgs<'_> {
    /// The column of argument `i`.
    fn arg(&self, i: usize) -> Result<usize> {
        let missing = || Error::bug(format!("{} needs an argument", self.call.func));
        self.call.args.get(i).copied().ok_or_else(missing)
    }

    fn type_of(&self, column: usize) -> &DataType {
        self.input.field(column).data_type()
    }

    /// The columns that tell which row came first.
    fn arrival(&self) -> Result<&[usize]> {
        match self.ord {
            [] => Err(Error::bug(format!("{} needs the arrival order", self.call.func))),
            ord => Ok(ord),
        }
    }

    /// Both are made of the distinct values of one column.
    fn shares_values_with(&self, other: &CallArgs<'_>) -> bool {
        let counts = |func: &AggFunc| {
            use AggFunc::{Avg, Count, SquaredDeviations, Sum, Sum0};
            matches!(func, Count | Sum | Sum0 | Avg | SquaredDeviations)
        };
        let of_values = |call: &AggCall| call.distinct && counts(&call.func);
        of_values(self.call) && of_values(other.call) && self.call.args == other.call.args
    }

    /// Values of each group with several counts of each.
    fn counts(&self, values: &[usize], counts: usize) -> Result<Multiset> {
        let (keys, values) =
            (Table::fields(self.input, self.keys), Table::fields(self.input, values));
        let dealt = self.dealt_by.to_vec();
        Multiset::counting(format!("values{}", self.number), &keys, &values, dealt, counts)
    }

    /// Values of each group; `values` are columns of the input.
    fn multiset(&self, values: &[usize], ordered: bool) -> Result<Multiset> {
        self.multiset_of(&Table::fields(self.input, values), ordered)
    }

    fn multiset_of(
        &self,
        values: &[std::sync::Arc<arrow::datatypes::Field>],
        ordered: bool,
    ) -> Result<Multiset> {
        let keys = Table::fields(self.input, self.keys);
        let dealt = self.dealt_by.to_vec();
        Multiset::new(format!("values{}", self.number), &keys, values, dealt, ordered)
    }
}

/// An accumulator and the columns of the group table where its state stands.
pub type Placed = (Box<dyn Accumulator>, Range<usize>);

/// The accumulators of calls, whose state begins at column `at`.
pub fn build(calls: &[CallArgs<'_>], mut at: usize) -> Result<Vec<Placed>> {
    let mut built: Vec<Placed> = Vec::with_capacity(calls.len());
    for (number, call) in calls.iter().enumerate() {
        let alike = |other: &usize| calls[*other].shares_values_with(call);
        let sharers: Vec<usize> = (0..calls.len()).filter(alike).collect();
        match sharers.first() {
            Some(first) if *first < number => {
                let before = sharers.iter().take_while(|sharer| **sharer < number);
                let widths = before.map(|sharer| Ok(numbers(&calls[*sharer])?.columns().len()));
                let from = built[*first].1.start + widths.sum::<Result<usize>>()?;
                let inner = numbers(call)?;
                let place = from..from + inner.columns().len();
                built.push((Box::new(distinct::Sharing(inner)), place));
            }
            _ => {
                let accumulator = match sharers.is_empty() {
                    true => alone(call)?,
                    false => {
                        let sharers: Vec<_> = sharers.iter().map(|n| &calls[*n]).collect();
                        Box::new(distinct::Distinct::new(&sharers, numbers)?)
                    }
                };
                let width = accumulator.columns().len();
                built.push((accumulator, at..at + width));
                at += width;
            }
        }
    }
    Ok(built)
}

/// The accumulator of a call that shares nothing.
fn alone(args: &CallArgs<'_>) -> Result<Box<dyn Accumulator>> {
    match &args.call.func {
        AggFunc::Count
        | AggFunc::Sum
        | AggFunc::Sum0
        | AggFunc::Avg
        | AggFunc::SquaredDeviations => numbers(args),
        AggFunc::LastValue if args.call.distinct => Ok(Box::new(gathered::Gathered::new(args)?)),
        AggFunc::Min | AggFunc::Max | AggFunc::FirstValue | AggFunc::LastValue => {
            match args.retracts {
                true => Ok(Box::new(extreme::Extreme::new(args)?)),
                false => Ok(Box::new(Best::new(args, pick(args)?)?)),
            }
        }
        AggFunc::SingleValue
        | AggFunc::ListAgg { .. }
        | AggFunc::ArrayAgg { .. }
        | AggFunc::Collect
        | AggFunc::JsonArrayAgg { .. }
        | AggFunc::JsonObjectAgg { .. }
        | AggFunc::Percentile { .. } => Ok(Box::new(gathered::Gathered::new(args)?)),
    }
}

/// What is added and taken away as numbers.
fn numbers(args: &CallArgs<'_>) -> Result<Box<dyn Accumulator>> {
    Ok(match args.call.func {
        AggFunc::Count => Box::new(count::Count::new(args)),
        AggFunc::SquaredDeviations => Box::new(deviations::SquaredDeviations::new(args)?),
        _ => Box::new(sum::Sum::new(args)?),
    })
}

fn pick(args: &CallArgs<'_>) -> Result<Pick> {
    let arrival = || Ok::<_, Error>(args.arrival()?[args.ord.len() - 1]);
    Ok(match args.call.func {
        AggFunc::Min => Pick::Smallest,
        AggFunc::Max => Pick::Largest,
        AggFunc::FirstValue => Pick::First(arrival()?),
        _ => Pick::Last(arrival()?),
    })
}

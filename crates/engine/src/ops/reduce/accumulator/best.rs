//! MIN, MAX, FIRST_VALUE, LAST_VALUE over append-only input.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::compute;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use brooklet_core::{Error, Result};

use super::rows::each_row;
use super::values::{Kind, from_blobs, from_i64};
use super::{Accumulator, Batch, CallArgs};
use crate::column::{Cell, ValueType};
use crate::table::Table;

#[derive(Debug, Clone, Copy)]
pub enum Pick {
    Smallest,
    Largest,
    /// By the arrival-order column.
    First(usize),
    Last(usize),
}

/// The best value so far, and its arrival or a mark that there is one. NULLs are skipped.
pub struct Best {
    arg: usize,
    filter: Option<usize>,
    kind: Kind,
    ty: DataType,
    by: Pick,
}

/// No value yet.
const NONE: i64 = 0;

/// NaN is above everything, as in an ORDER BY; zeros are equal.
fn below(a: &f64, b: &f64) -> bool {
    a < b || (b.is_nan() && !a.is_nan())
}

impl Best {
    pub fn new(args: &CallArgs<'_>, by: Pick) -> Result<Self> {
        let arg = args.arg(0)?;
        let kind = Kind::of(args.type_of(arg))?;
        Ok(Best { arg, filter: args.call.filter, kind, ty: args.call.ty.clone(), by })
    }

    /// The best of a batch per group first, so that each blob is copied at most once.
    fn update_blobs(
        &self,
        batch: &Batch<'_>,
        (table, at): (&mut Table, usize),
        arg: &ArrayRef,
        mark: impl Fn(usize) -> i64,
    ) {
        let (values, marks) = table.columns[at..at + 2].split_at_mut(1);
        let (kept, marks) = (values[0].blobs(), marks[0].i64_mut());
        let mut ahead: BTreeMap<u32, usize> = BTreeMap::new();
        let array = arg.as_binary::<i32>();
        each_row(batch, self.filter, Some(arg), |row, group, _| {
            let seen = marks.get_mut(group);
            let value = array.value(row);
            let best = match ahead.get(&group) {
                Some(row) => Some(array.value(*row)),
                None => kept.get(group).as_deref(),
            };
            let better = match (self.by, best) {
                (_, None) => true,
                (Pick::Smallest, Some(best)) => value < best,
                (Pick::Largest, Some(best)) => value > best,
                (Pick::First(_), _) => mark(row) < *seen,
                (Pick::Last(_), _) => mark(row) > *seen,
            };
            if better {
                *seen = mark(row);
                ahead.insert(group, row);
            }
        });
        for (group, row) in ahead {
            table.set_blob(at, group, Some(array.value(row)));
        }
    }
}

impl Accumulator for Best {
    fn columns(&self) -> Vec<ValueType> {
        vec![self.kind.value_type(), ValueType::I64]
    }
    fn update(&mut self, batch: &Batch<'_>, table: &mut Table, at: usize) -> Result<()> {
        let arg = self.kind.normalise(&batch.columns[self.arg])?;
        // Arrival numbers start at 0; one more, so that 0 means none.
        let ords = match self.by {
            Pick::First(c) | Pick::Last(c) => Some(batch.columns[c].as_primitive::<Int64Type>()),
            _ => None,
        };
        let mark = |row: usize| ords.map_or(1, |o| o.value(row) + 1);
        if matches!(self.kind, Kind::Bytes | Kind::Nested) {
            self.update_blobs(batch, (table, at), &arg, mark);
            return Ok(());
        }
        let (values, marks) = table.columns[at..at + 2].split_at_mut(1);
        let marks = marks[0].i64_mut();
        let by = self.by;
        macro_rules! pick {
            ($state:expr, $array:expr, $less:expr) => {{
                let (state, array) = ($state, $array);
                each_row(batch, self.filter, Some(&arg), |row, group, _| {
                    let (seen, value) = (marks.get_mut(group), array.value(row));
                    let best = state.get_mut(group);
                    let better = match by {
                        _ if *seen == NONE => true,
                        Pick::Smallest => $less(&value, best),
                        Pick::Largest => $less(best, &value),
                        Pick::First(_) => mark(row) < *seen,
                        Pick::Last(_) => mark(row) > *seen,
                    };
                    if better {
                        *seen = mark(row);
                        *best = value;
                    }
                });
            }};
        }
        match self.kind {
            Kind::Int => {
                pick!(values[0].i64_mut(), arg.as_primitive::<Int64Type>(), |a: &i64, b: &i64| a
                    < b)
            }
            Kind::Float => {
                pick!(values[0].f64_mut(), arg.as_primitive::<Float64Type>(), below)
            }
            Kind::Decimal => pick!(
                values[0].i128_mut(),
                arg.as_primitive::<Decimal128Type>(),
                |a: &i128, b: &i128| a < b
            ),
            // Blobs are changed through the table, which accounts for their size.
            Kind::Bytes | Kind::Nested => {}
        }
        Ok(())
    }
    fn evaluate(&self, table: &Table, at: usize, groups: &[u32]) -> Result<ArrayRef> {
        let marks = table.columns[at + 1].i64();
        let known = |g: &u32| *marks.get(*g) != NONE;
        match self.kind {
            Kind::Int => {
                let values = table.columns[at].i64();
                let value = |g: &u32| known(g).then(|| *values.get(*g));
                from_i64(groups.iter().map(value).collect(), &self.ty)
            }
            Kind::Float => {
                let values = table.columns[at].f64();
                let value = |g: &u32| known(g).then(|| *values.get(*g));
                let array: Float64Array = groups.iter().map(value).collect();
                Ok(compute::cast(&array, &self.ty)?)
            }
            Kind::Decimal => {
                let values = table.columns[at].i128();
                let value = |g: &u32| known(g).then(|| *values.get(*g));
                let array: Decimal128Array = groups.iter().map(value).collect();
                Ok(Arc::new(array.with_data_type(self.ty.clone())))
            }
            Kind::Bytes | Kind::Nested => {
                let values = table.columns[at].blobs();
                from_blobs(groups.iter().map(|g| values.get(*g).as_deref()), &self.ty)
            }
        }
    }
    fn merge(&self, table: &mut Table, at: usize, group: u32, from: &[Cell]) -> Result<()> {
        let [value, Cell::I64(mark)] = from else { return Err(Error::bug("a value and a mark")) };
        let seen = *table.columns[at + 1].i64().get(group);
        let better = match self.by {
            _ if *mark == NONE => false,
            _ if seen == NONE => true,
            Pick::First(_) => *mark < seen,
            Pick::Last(_) => *mark > seen,
            Pick::Smallest => value.order(&table.columns[at].cell(group)).is_lt(),
            Pick::Largest => value.order(&table.columns[at].cell(group)).is_gt(),
        };
        if !better {
            return Ok(());
        }
        *table.columns[at + 1].i64_mut().get_mut(group) = *mark;
        match value {
            Cell::I64(v) => *table.columns[at].i64_mut().get_mut(group) = *v,
            Cell::F64(v) => *table.columns[at].f64_mut().get_mut(group) = *v,
            Cell::I128(v) => *table.columns[at].i128_mut().get_mut(group) = *v,
            Cell::Bytes(v) => table.set_blob(at, group, v.as_deref()),
        }
        Ok(())
    }
}

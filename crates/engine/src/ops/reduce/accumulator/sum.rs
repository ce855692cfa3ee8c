//! SUM and AVG.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use arrow::compute;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type};

use brooklet_core::{Error, Result};
use brooklet_plan::node::AggFunc;

use super::rows::each_row;
use super::values::Kind;
use super::{Accumulator, Batch, CallArgs};
use crate::column::{Cell, Chunks, ValueType};
use crate::table::Table;

/// SUM and AVG: a sum and the number of values in it; NULL without values.
pub struct Sum {
    arg: usize,
    filter: Option<usize>,
    kind: Kind,
    ty: DataType,
    average: bool,
    /// The result without values is 0.
    zero: bool,
    /// Each step is rounded to a FLOAT.
    single: bool,
    /// Of the argument.
    scale: i8,
}

impl Sum {
    pub fn new(args: &CallArgs<'_>) -> Result<Self> {
        let (arg, func, ty) = (args.arg(0)?, &args.call.func, args.call.ty.clone());
        let average = *func == AggFunc::Avg;
        Ok(Sum {
            arg,
            filter: args.call.filter,
            kind: Kind::of(args.type_of(arg))?,
            average,
            zero: *func == AggFunc::Sum0,
            single: ty == DataType::Float32 && !average,
            scale: scale(args.type_of(arg)),
            ty,
        })
    }
}

/// A sum that no DECIMAL holds.
const TOO_LARGE: i128 = i128::MIN;

impl Accumulator for Sum {
    fn columns(&self) -> Vec<ValueType> {
        vec![self.kind.value_type(), ValueType::I64]
    }
    fn update(&mut self, batch: &Batch<'_>, table: &mut Table, at: usize) -> Result<()> {
        let arg = self.kind.normalise(&batch.columns[self.arg])?;
        let (sums, counts) = table.columns[at..at + 2].split_at_mut(1);
        let counts = counts[0].i64_mut();
        match self.kind {
            Kind::Int => {
                let values = arg.as_primitive::<Int64Type>();
                let sums = sums[0].i64_mut();
                each_row(batch, self.filter, Some(&arg), |row, group, weight| {
                    let sum = sums.get_mut(group);
                    *sum = sum.wrapping_add(values.value(row).wrapping_mul(weight));
                    *counts.get_mut(group) += weight;
                });
            }
            Kind::Float => {
                let values = arg.as_primitive::<Float64Type>();
                let sums = sums[0].f64_mut();
                each_row(batch, self.filter, Some(&arg), |row, group, weight| {
                    *counts.get_mut(group) += weight;
                    let sum = sums.get_mut(group);
                    *sum += values.value(row) * weight as f64;
                    if self.single {
                        *sum = f64::from(*sum as f32);
                    }
                });
                // What rounding left of values that are gone.
                emptied(batch, counts).for_each(|group| *sums.get_mut(group) = 0.0);
            }
            Kind::Decimal => {
                let values = arg.as_primitive::<Decimal128Type>();
                let sums = sums[0].i128_mut();
                each_row(batch, self.filter, Some(&arg), |row, group, weight| {
                    *counts.get_mut(group) += weight;
                    let sum = sums.get_mut(group);
                    *sum = match values.value(row).checked_mul(i128::from(weight)) {
                        Some(value) if *sum != TOO_LARGE => {
                            sum.checked_add(value).unwrap_or(TOO_LARGE)
                        }
                        _ => TOO_LARGE,
                    };
                });
                emptied(batch, counts).for_each(|group| *sums.get_mut(group) = 0);
            }
            Kind::Bytes | Kind::Nested => return Err(Error::bug("SUM of what is no number")),
        }
        Ok(())
    }
    fn evaluate(&self, table: &Table, at: usize, groups: &[u32]) -> Result<ArrayRef> {
        let counts = table.columns[at + 1].i64();
        let count = |g: &u32| *counts.get(*g);
        let known = |g: &u32| self.zero || count(g) > 0;
        match self.kind {
            Kind::Int => {
                let sums = table.columns[at].i64();
                let value = |g: &u32| {
                    let sum = *sums.get(*g);
                    known(g).then(|| if self.average { sum / count(g) } else { sum })
                };
                wrap_int(groups.iter().map(value).collect(), &self.ty)
            }
            Kind::Float => {
                let sums = table.columns[at].f64();
                let value = |g: &u32| {
                    let sum = *sums.get(*g);
                    known(g).then(|| if self.average { sum / count(g) as f64 } else { sum })
                };
                let array: Float64Array = groups.iter().map(value).collect();
                Ok(compute::cast(&array, &self.ty)?)
            }
            _ => {
                let sums = table.columns[at].i128();
                let value = |g: &u32| {
                    let sum = *sums.get(*g);
                    known(g).then(|| self.decimal(sum, count(g))).flatten()
                };
                let array: Decimal128Array = groups.iter().map(value).collect();
                Ok(Arc::new(array.with_data_type(self.ty.clone())))
            }
        }
    }
    fn merge(&self, table: &mut Table, at: usize, group: u32, from: &[Cell]) -> Result<()> {
        let [sum, Cell::I64(count)] = from else { return Err(Error::bug("a sum and a count")) };
        self.add(table, at, group, sum);
        *table.columns[at + 1].i64_mut().get_mut(group) += count;
        Ok(())
    }
}

/// The groups that are left without values once all rows are in; before, a value may have been
/// taken away that was yet to come.
fn emptied<'a>(batch: &'a Batch<'_>, counts: &'a Chunks<i64>) -> impl Iterator<Item = u32> + 'a {
    let takes_away = batch.weights.iter().any(|weight| *weight < 0);
    let groups = if takes_away { batch.groups } else { &[] };
    groups.iter().copied().filter(|group| *counts.get(*group) == 0)
}

impl Sum {
    fn add(&self, table: &mut Table, at: usize, group: u32, from: &Cell) {
        let column = &mut table.columns[at];
        match from {
            Cell::I64(value) => {
                let sum = column.i64_mut().get_mut(group);
                *sum = sum.wrapping_add(*value);
            }
            Cell::F64(value) => {
                let sum = column.f64_mut().get_mut(group);
                *sum += value;
                if self.single {
                    *sum = f64::from(*sum as f32);
                }
            }
            Cell::I128(value) => {
                let sum = column.i128_mut().get_mut(group);
                *sum = match *sum == TOO_LARGE || *value == TOO_LARGE {
                    true => TOO_LARGE,
                    false => sum.checked_add(*value).unwrap_or(TOO_LARGE),
                };
            }
            Cell::Bytes(_) => {}
        }
    }

    /// The result's unscaled value; NULL on overflow, as Flink's decimals.
    fn decimal(&self, sum: i128, count: i64) -> Option<i128> {
        let up = 10i128.checked_pow(u32::try_from(scale(&self.ty) - self.scale).ok()?)?;
        let scaled = sum.checked_mul(up)?;
        let value = if self.average { divide_half_up(scaled, i128::from(count)) } else { scaled };
        (value.unsigned_abs() < 10u128.pow(38)).then_some(value)
    }
}

fn divide_half_up(value: i128, by: i128) -> i128 {
    let (quotient, rest) = (value / by, value % by);
    if rest.unsigned_abs() * 2 >= by.unsigned_abs() { quotient + value.signum() } else { quotient }
}

/// Integers in the result's width, wrapping as Flink's SUM(INT) does.
fn wrap_int(values: Vec<Option<i64>>, ty: &DataType) -> Result<ArrayRef> {
    let wrapped: Int64Array = match ty {
        DataType::Int8 => values.iter().map(|v| v.map(|v| i64::from(v as i8))).collect(),
        DataType::Int16 => values.iter().map(|v| v.map(|v| i64::from(v as i16))).collect(),
        DataType::Int32 => values.iter().map(|v| v.map(|v| i64::from(v as i32))).collect(),
        _ => Int64Array::from(values),
    };
    Ok(compute::cast(&wrapped, ty)?)
}

fn scale(ty: &DataType) -> i8 {
    match ty {
        DataType::Decimal128(_, s) => *s,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, Schema};
    use brooklet_plan::node::AggCall;

    use super::*;

    fn sum_of(values: ArrayRef, weights: &[i64]) -> ArrayRef {
        let ty = values.data_type().clone();
        let input = Arc::new(Schema::new(vec![Field::new("v", ty.clone(), true)]));
        let call = AggCall { func: AggFunc::Sum, args: vec![0], distinct: false, filter: None, ty };
        let mut sum = Sum::new(&CallArgs {
            call: &call,
            input: &input,
            keys: &[],
            dealt_by: &[],
            ord: &[],
            retracts: true,
            number: 0,
        })
        .unwrap();
        let mut table = Table::new("groups", vec![], vec![], &sum.columns()).unwrap();
        let group = table.find_or_create(&[], 1).unwrap().groups[0];
        let groups = vec![group; weights.len()];
        let batch = Batch { groups: &groups, keys: &[], columns: &[values], weights };
        sum.update(&batch, &mut table, 0).unwrap();
        sum.evaluate(&table, 0, &[group]).unwrap()
    }

    /// 7 is taken away before it comes: for a moment there are as many values as there are not.
    #[test]
    fn a_value_may_be_taken_away_before_it_comes() {
        let weights = [-1, 1, 1];
        let floats = sum_of(Arc::new(Float64Array::from(vec![7.0, 2.5, 7.0])), &weights);
        assert_eq!(floats.as_primitive::<Float64Type>().value(0), 2.5);
        let decimals = Decimal128Array::from(vec![700, 250, 700]);
        let decimals = decimals.with_precision_and_scale(38, 2).unwrap();
        let sum = sum_of(Arc::new(decimals), &weights);
        assert_eq!(sum.as_primitive::<Decimal128Type>().value(0), 250);
    }
}

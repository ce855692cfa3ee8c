//! Accumulators: the state of one aggregate call in columns of the group table.
//!
//! Over append-only input a few numbers suffice. Under retraction MIN, MAX, FIRST_VALUE and
//! LAST_VALUE keep an ordered multiset; DISTINCT keeps a multiset and feeds an inner accumulator
//! with the values that appear and vanish. Result types are Flink's.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Decimal128Array, Float64Array, Int64Array,
    StringArray,
};
use arrow::compute;
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, SchemaRef};

use brooklet_core::{Error, Result};
use brooklet_plan::node::{AggCall, AggFunc};

use super::multiset::Multiset;
use crate::column::{Cell, ValueType};
use crate::table::Table;

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
    fn side(&mut self) -> Option<&mut Multiset> {
        None
    }
    /// Adds the state of another group, whose cells are those of `columns()`. What is planned to
    /// be merged can be ([`AggCall::merges`]).
    fn merge(&self, _table: &mut Table, _at: usize, _group: u32, _from: &[Cell]) -> Result<()> {
        Err(Error::bug("an aggregate that cannot be merged was planned to be"))
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

/// The accumulator of a call.
pub fn build(args: &CallArgs<'_>) -> Result<Box<dyn Accumulator>> {
    let call = args.call;
    let order_only = matches!(call.func, AggFunc::Min | AggFunc::Max);
    if call.distinct && !order_only {
        let inner = simple(call, args)?;
        let multiset = multiset(args, &call.args, false)?;
        let (arg, filter) = (call.args[0], call.filter);
        return Ok(Box::new(Distinct { arg, filter, multiset, inner }));
    }
    let ordered = !matches!(call.func, AggFunc::Count | AggFunc::Sum | AggFunc::Avg);
    if args.retracts && ordered {
        let by_arrival = matches!(call.func, AggFunc::FirstValue | AggFunc::LastValue);
        let mut columns = if by_arrival { args.ord.to_vec() } else { Vec::new() };
        columns.push(call.args[0]);
        let largest = matches!(call.func, AggFunc::Max | AggFunc::LastValue);
        let multiset = multiset(args, &columns, true)?;
        return Ok(Box::new(Extreme {
            columns,
            filter: call.filter,
            largest,
            multiset,
            ty: call.ty.clone(),
        }));
    }
    simple(call, args)
}

fn multiset(args: &CallArgs<'_>, values: &[usize], ordered: bool) -> Result<Multiset> {
    let keys = Table::fields(args.input, args.keys);
    let values = Table::fields(args.input, values);
    let dealt = args.dealt_by.to_vec();
    Multiset::new(format!("values{}", args.number), &keys, &values, dealt, ordered)
}

fn simple(call: &AggCall, args: &CallArgs<'_>) -> Result<Box<dyn Accumulator>> {
    let arg = call.args.first().copied();
    let filter = call.filter;
    let ty = call.ty.clone();
    let needs = || Error::bug(format!("{:?} needs an argument", call.func));
    let of = |arg: usize| args.input.field(arg).data_type().clone();
    Ok(match call.func {
        AggFunc::Count => Box::new(Count { arg, filter }),
        AggFunc::Sum | AggFunc::Avg => {
            let arg = arg.ok_or_else(needs)?;
            let kind = Kind::of(&of(arg))?;
            Box::new(Sum {
                arg,
                filter,
                kind,
                ty,
                average: call.func == AggFunc::Avg,
                scale: scale(&of(arg)),
            })
        }
        AggFunc::Min | AggFunc::Max | AggFunc::FirstValue | AggFunc::LastValue => {
            let arg = arg.ok_or_else(needs)?;
            let by = match call.func {
                AggFunc::Min => Pick::Smallest,
                AggFunc::Max => Pick::Largest,
                AggFunc::FirstValue => Pick::First(order_column(args.ord)?),
                _ => Pick::Last(order_column(args.ord)?),
            };
            Box::new(Best { arg, filter, kind: Kind::of(&of(arg))?, ty, by })
        }
    })
}

fn order_column(ord: &[usize]) -> Result<usize> {
    ord.last()
        .copied()
        .ok_or_else(|| Error::bug("FIRST_VALUE and LAST_VALUE need the arrival order"))
}

fn scale(ty: &DataType) -> i8 {
    match ty {
        DataType::Decimal128(_, s) => *s,
        _ => 0,
    }
}

/// How values are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Integers, dates, times, timestamps, booleans.
    Int,
    Float,
    Decimal,
    Bytes,
}

impl Kind {
    fn of(ty: &DataType) -> Result<Kind> {
        Ok(match ty {
            DataType::Boolean
            | DataType::Int8
            | DataType::Int16
            | DataType::Int32
            | DataType::Int64
            | DataType::Date32
            | DataType::Time32(_)
            | DataType::Timestamp(_, _) => Kind::Int,
            DataType::Float32 | DataType::Float64 => Kind::Float,
            DataType::Decimal128(_, _) => Kind::Decimal,
            DataType::Utf8 | DataType::Binary => Kind::Bytes,
            other => {
                return Err(Error::config(format!("aggregates over {other} are not supported")));
            }
        })
    }
    fn value_type(self) -> ValueType {
        match self {
            Kind::Int => ValueType::I64,
            Kind::Float => ValueType::F64,
            Kind::Decimal => ValueType::I128,
            Kind::Bytes => ValueType::Bytes,
        }
    }
    /// The column in the form values are kept in.
    fn normalise(self, column: &ArrayRef) -> Result<ArrayRef> {
        let target = match self {
            Kind::Int => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::Bytes => DataType::Binary,
            Kind::Decimal => return Ok(column.clone()),
        };
        if column.data_type() == &target {
            return Ok(column.clone());
        }
        if matches!(column.data_type(), DataType::Date32 | DataType::Time32(_)) {
            let ints = compute::cast(column, &DataType::Int32)?;
            return Ok(compute::cast(&ints, &target)?);
        }
        Ok(compute::cast(column, &target)?)
    }
}

/// Calls `each(row, group, weight)` for the rows that count: filter true, argument not NULL.
#[inline]
fn each_row(
    batch: &Batch<'_>,
    filter: Option<usize>,
    arg: Option<&ArrayRef>,
    mut each: impl FnMut(usize, u32, i64),
) {
    let filter: Option<&BooleanArray> = filter.map(|f| batch.columns[f].as_boolean());
    let nulls = arg.and_then(|a| a.nulls());
    for (row, group) in batch.groups.iter().enumerate() {
        if nulls.is_some_and(|n| n.is_null(row)) {
            continue;
        }
        if filter.is_some_and(|f| f.is_null(row) || !f.value(row)) {
            continue;
        }
        each(row, *group, batch.weights[row]);
    }
}

/// COUNT(*) and COUNT(x).
struct Count {
    arg: Option<usize>,
    filter: Option<usize>,
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
        add(table, at, group, &from[0]);
        Ok(())
    }
}

/// Adds a cell to a group's.
fn add(table: &mut Table, column: usize, group: u32, from: &Cell) {
    let column = &mut table.columns[column];
    match from {
        Cell::I64(v) => {
            let sum = column.i64_mut().get_mut(group);
            *sum = sum.wrapping_add(*v);
        }
        Cell::F64(v) => *column.f64_mut().get_mut(group) += v,
        Cell::I128(v) => {
            let sum = column.i128_mut().get_mut(group);
            *sum = sum.wrapping_add(*v);
        }
        Cell::Bytes(_) => {}
    }
}

/// SUM and AVG: a sum and the number of values in it; NULL without values.
struct Sum {
    arg: usize,
    filter: Option<usize>,
    kind: Kind,
    ty: DataType,
    average: bool,
    /// Of the argument.
    scale: i8,
}

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
                    let count = counts.get_mut(group);
                    *count += weight;
                    let sum = sums.get_mut(group);
                    *sum += values.value(row) * weight as f64;
                    if *count == 0 {
                        *sum = 0.0;
                    }
                });
            }
            Kind::Decimal => {
                let values = arg.as_primitive::<Decimal128Type>();
                let sums = sums[0].i128_mut();
                each_row(batch, self.filter, Some(&arg), |row, group, weight| {
                    let sum = sums.get_mut(group);
                    *sum = sum.wrapping_add(values.value(row).wrapping_mul(i128::from(weight)));
                    *counts.get_mut(group) += weight;
                });
            }
            Kind::Bytes => return Err(Error::bug("SUM over text")),
        }
        Ok(())
    }
    fn evaluate(&self, table: &Table, at: usize, groups: &[u32]) -> Result<ArrayRef> {
        let counts = table.columns[at + 1].i64();
        let count = |g: &u32| *counts.get(*g);
        let known = |g: &u32| count(g) > 0;
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
        from.iter().enumerate().for_each(|(i, cell)| add(table, at + i, group, cell));
        Ok(())
    }
}

impl Sum {
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

#[derive(Debug, Clone, Copy)]
enum Pick {
    Smallest,
    Largest,
    /// By the arrival-order column.
    First(usize),
    Last(usize),
}

/// MIN, MAX, FIRST_VALUE, LAST_VALUE over append-only input: the best value so far, and its
/// arrival or a mark that there is one. NULLs are skipped.
struct Best {
    arg: usize,
    filter: Option<usize>,
    kind: Kind,
    ty: DataType,
    by: Pick,
}

/// No value yet.
const NONE: i64 = 0;

impl Best {
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
        if self.kind == Kind::Bytes {
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
                pick!(values[0].f64_mut(), arg.as_primitive::<Float64Type>(), |a: &f64, b: &f64| a
                    .total_cmp(b)
                    .is_lt())
            }
            Kind::Decimal => pick!(
                values[0].i128_mut(),
                arg.as_primitive::<Decimal128Type>(),
                |a: &i128, b: &i128| a < b
            ),
            // Blobs are changed through the table, which accounts for their size.
            Kind::Bytes => {}
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
            Kind::Bytes => {
                let values = table.columns[at].blobs();
                blobs_to_array(groups.iter().map(|g| values.get(*g).as_deref()), &self.ty)
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

/// Integers back in the column's own type.
fn from_i64(array: Int64Array, ty: &DataType) -> Result<ArrayRef> {
    if matches!(ty, DataType::Date32 | DataType::Time32(_)) {
        return Ok(compute::cast(&compute::cast(&array, &DataType::Int32)?, ty)?);
    }
    Ok(compute::cast(&array, ty)?)
}

fn blobs_to_array<'a>(
    blobs: impl Iterator<Item = Option<&'a [u8]>>,
    ty: &DataType,
) -> Result<ArrayRef> {
    if ty == &DataType::Binary {
        return Ok(Arc::new(blobs.collect::<BinaryArray>()));
    }
    let text = |b: Option<&'a [u8]>| b.map(std::str::from_utf8).transpose();
    let array: StringArray = blobs
        .map(text)
        .collect::<Result<_, _>>()
        .map_err(|e| Error::corrupt("text in the state is not UTF-8").caused_by(e))?;
    Ok(Arc::new(array))
}

/// MIN, MAX, FIRST_VALUE, LAST_VALUE under retraction: an ordered multiset.
struct Extreme {
    /// Arrival order (for FIRST and LAST), then the value.
    columns: Vec<usize>,
    filter: Option<usize>,
    largest: bool,
    multiset: Multiset,
    ty: DataType,
}

impl Accumulator for Extreme {
    fn columns(&self) -> Vec<ValueType> {
        Vec::new()
    }
    fn update(&mut self, batch: &Batch<'_>, _table: &mut Table, _at: usize) -> Result<()> {
        let value = &batch.columns[*self.columns.last().expect("a value column")];
        let rows = counted(batch, self.filter, value);
        let (columns, weights) = pick_rows(batch, &self.columns, &rows)?;
        self.multiset.add(&columns, &weights)?;
        Ok(())
    }
    fn evaluate(&self, table: &Table, _at: usize, groups: &[u32]) -> Result<ArrayRef> {
        let best: Vec<Option<&[u8]>> =
            groups.iter().map(|g| self.multiset.extreme(table.key(*g), self.largest)).collect();
        let columns = self.multiset.values(&best)?;
        let value = columns.last().expect("a value column");
        Ok(compute::cast(value, &self.ty)?)
    }
    fn side(&mut self) -> Option<&mut Multiset> {
        Some(&mut self.multiset)
    }
}

/// A call over the distinct values of its argument.
struct Distinct {
    arg: usize,
    filter: Option<usize>,
    multiset: Multiset,
    inner: Box<dyn Accumulator>,
}

impl Accumulator for Distinct {
    fn columns(&self) -> Vec<ValueType> {
        self.inner.columns()
    }
    fn update(&mut self, batch: &Batch<'_>, table: &mut Table, at: usize) -> Result<()> {
        let rows = counted(batch, self.filter, &batch.columns[self.arg]);
        let (columns, weights) = pick_rows(batch, &[self.arg], &rows)?;
        let transitions = self.multiset.add(&columns, &weights)?;
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
        let take = arrow::array::UInt32Array::from(moved);
        let pick = |c: &ArrayRef| Ok::<_, Error>(compute::take(c, &take, None)?);
        let columns = batch.columns.iter().map(pick).collect::<Result<Vec<_>>>()?;
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

fn counted(batch: &Batch<'_>, filter: Option<usize>, arg: &ArrayRef) -> Vec<u32> {
    let mut rows = Vec::with_capacity(batch.groups.len());
    each_row(batch, filter, Some(arg), |row, _, _| rows.push(row as u32));
    rows
}

/// The group keys and these columns of some rows, with their weights.
fn pick_rows(
    batch: &Batch<'_>,
    columns: &[usize],
    rows: &[u32],
) -> Result<(Vec<ArrayRef>, Vec<i64>)> {
    let weights = rows.iter().map(|r| batch.weights[*r as usize]).collect();
    let take = arrow::array::UInt32Array::from(rows.to_vec());
    let chosen = columns.iter().map(|c| &batch.columns[*c]);
    let picked = batch
        .keys
        .iter()
        .chain(chosen)
        .map(|c| Ok::<_, Error>(compute::take(c, &take, None)?))
        .collect::<Result<Vec<_>>>()?;
    Ok((picked, weights))
}

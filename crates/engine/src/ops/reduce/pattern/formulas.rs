//! Conditions and measures over many runs at once: the values of rows are gathered into columns,
//! one row a run.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, TimestampMillisecondArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::{AggCall, Emit, Node, NodeOp, ReduceKind, ReduceSpec};
use brooklet_plan::pattern::{End, Fold, Formulas, Read};

use super::runs::{Position, Run};
use crate::ops::exprs::Prepared;
use crate::ops::map::{batch, now_column};
use crate::ops::reduce::ReduceArgs;
use crate::ops::reduce::group::{GroupLayout, GroupSet};

/// A run as a formula sees it.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub run: &'a Run,
    /// The rows of the key, as indices of the step's rows, and the position of the first.
    pub rows: &'a [u32],
    pub base: Position,
    /// The row in question, and the variable that would take it.
    pub current: Option<(u32, usize)>,
    pub time: Millis,
}

impl View<'_> {
    fn row(&self, position: Position) -> u32 {
        self.rows[(position - self.base) as usize]
    }
    /// The rows of a variable, the one in question behind the others.
    fn span(&self, variable: Option<usize>) -> (Position, Position, Option<u32>) {
        let (from, to) = self.run.rows(variable);
        let joins = |v: &(u32, usize)| variable.is_none_or(|variable| v.1 == variable);
        (from, to, self.current.filter(joins).map(|(row, _)| row))
    }
    fn read(&self, read: &Read) -> Option<u32> {
        let (from, to, current) = self.span(read.variable);
        let taken = to - from;
        let len = taken + u64::from(current.is_some());
        let offset = read.offset as u64;
        if offset >= len {
            return None;
        }
        let at = if read.from == End::First { offset } else { len - 1 - offset };
        if at == taken { current } else { Some(self.row(from + at)) }
    }
}

/// Formulas made ready.
pub struct Evaluator {
    formulas: Formulas,
    prepared: Prepared,
    folds: Vec<Folds>,
    label: String,
}

impl Evaluator {
    pub fn new(formulas: &Formulas, label: &str) -> Result<Self> {
        let prepared = Prepared::new(&formulas.exprs, &formulas.schema, label)?;
        let mut folds: Vec<Folds> = Vec::new();
        for (number, fold) in formulas.folds.iter().enumerate() {
            match folds.iter_mut().find(|f| f.variable == fold.variable) {
                Some(same) => same.numbers.push(number),
                None => folds.push(Folds { variable: fold.variable, numbers: vec![number] }),
            }
        }
        Ok(Evaluator { formulas: formulas.clone(), prepared, folds, label: label.to_string() })
    }

    /// One value a view for each expression.
    pub fn over(
        &self,
        rows: &RecordBatch,
        views: &[View<'_>],
        now: Millis,
    ) -> Result<Vec<ArrayRef>> {
        let mut columns = Vec::with_capacity(self.formulas.schema.fields().len());
        for read in &self.formulas.reads {
            let at = UInt32Array::from_iter(views.iter().map(|view| view.read(read)));
            columns.push(compute::take(rows.column(read.column), &at, None)?);
        }
        let mut folded: Vec<Option<ArrayRef>> = vec![None; self.formulas.folds.len()];
        for folds in &self.folds {
            let results = self.fold(folds, rows, views)?;
            folds.numbers.iter().zip(results).for_each(|(n, result)| folded[*n] = Some(result));
        }
        columns.extend(folded.into_iter().flatten());
        let times = views.iter().map(|view| view.time).collect();
        self.evaluate(columns, times, now)
    }

    /// The same for conditions that look at one row only, over each row.
    pub fn over_rows(
        &self,
        rows: &RecordBatch,
        times: &[Millis],
        now: Millis,
    ) -> Result<Vec<ArrayRef>> {
        let reads = &self.formulas.reads;
        let columns = reads.iter().map(|read| rows.column(read.column).clone()).collect();
        self.evaluate(columns, times.to_vec(), now)
    }

    fn evaluate(
        &self,
        mut columns: Vec<ArrayRef>,
        times: Vec<Millis>,
        now: Millis,
    ) -> Result<Vec<ArrayRef>> {
        let len = times.len();
        columns.push(Arc::new(TimestampMillisecondArray::from(times)));
        columns.push(now_column(now, len));
        self.prepared.over(&batch(&self.formulas.schema, columns, len)?)
    }

    fn fold(&self, folds: &Folds, rows: &RecordBatch, views: &[View<'_>]) -> Result<Vec<ArrayRef>> {
        let (mut of, mut at): (Vec<i64>, Vec<u32>) = (Vec::new(), Vec::new());
        for (number, view) in views.iter().enumerate() {
            let (from, to, current) = view.span(folds.variable);
            at.extend((from..to).map(|position| view.row(position)).chain(current));
            of.resize(at.len(), number as i64);
        }
        let calls: Vec<&Fold> = folds.numbers.iter().map(|n| &self.formulas.folds[*n]).collect();
        let (schema, calls) = over_numbers(&rows.schema(), &calls);
        let at = UInt32Array::from(at);
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..at.len() as i64));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(Int64Array::from(of)), numbers];
        for fold in folds.numbers.iter().map(|n| &self.formulas.folds[*n]) {
            for arg in &fold.call.args {
                columns.push(compute::take(rows.column(*arg), &at, None)?);
            }
        }
        let mut set = GroupSet::new(&layout(&schema, &calls, &self.label), "")?;
        let all: ArrayRef = Arc::new(Int64Array::from_iter_values(0..views.len() as i64));
        let groups = set.table.find_or_create(&[all], views.len())?.groups;
        let rows = Delta::inserts(batch(&schema, columns, at.len())?);
        let of_rows = set.find_or_create(&rows)?.groups;
        set.update(&rows, &of_rows)?;
        Ok(set.rows(&groups)?.split_off(1))
    }
}

/// The aggregates over the rows of one variable.
struct Folds {
    variable: Option<usize>,
    numbers: Vec<usize>,
}

/// The columns that aggregates are fed: the number of the run, the order of the rows, arguments.
fn over_numbers(rows: &SchemaRef, folds: &[&Fold]) -> (SchemaRef, Vec<AggCall>) {
    let number = |name: &str| Arc::new(Field::new(name, DataType::Int64, false));
    let mut fields = vec![number("run"), number("order")];
    let mut calls = Vec::new();
    for fold in folds {
        let first = fields.len();
        fields.extend(fold.call.args.iter().map(|arg| rows.fields()[*arg].clone()));
        calls.push(AggCall { args: (first..fields.len()).collect(), ..fold.call.clone() });
    }
    (Arc::new(Schema::new(fields)), calls)
}

fn layout(schema: &SchemaRef, calls: &[AggCall], label: &str) -> GroupLayout {
    let kind = ReduceKind::Aggregate { calls: calls.to_vec() };
    let spec = ReduceSpec { keys: vec![0], kind, emit: Emit::EveryEpoch, ttl_ms: None };
    let input = Node {
        op: NodeOp::Union,
        inputs: Vec::new(),
        schema: schema.clone(),
        append_only: true,
        key: None,
        ord: vec![1],
        late: None,
        fingerprint: 0,
        label: label.to_string(),
    };
    let node = Node { ord: Vec::new(), ..input.clone() };
    let args = ReduceArgs { spec: &spec, node: &node, input: &input, dealt_by: vec![0] };
    GroupLayout::new(&args, calls, false)
}

/// Whether a condition holds for each row: NULL does not.
pub fn truths(values: &ArrayRef) -> Result<Vec<bool>> {
    use arrow::array::{Array, AsArray};
    let values = values.as_boolean_opt().ok_or_else(|| Error::bug("a condition is BOOLEAN"))?;
    Ok((0..values.len()).map(|row| values.is_valid(row) && values.value(row)).collect())
}

//! Map: filter, window assignment, projection. Stateless.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions,
    TimestampMillisecondArray,
};
use arrow::compute;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::{Expr, MapSpec, NOW, WindowAssign, WindowKind};

use super::{Operator, StepCtx, StepOutput};

pub struct Map {
    spec: MapSpec,
    schema: SchemaRef,
    label: String,
}

impl Map {
    pub fn new(spec: MapSpec, schema: SchemaRef, label: String) -> Self {
        Map { spec, schema, label }
    }

    fn one(&self, ctx: &StepCtx, input: &Delta, out: &mut StepOutput) -> Result<()> {
        out.counts.rows_in += input.len() as u64;
        let mut rows = input.clone();
        if self.spec.needs_now {
            rows = rows.with_rows(with_now(&rows.rows, ctx.now)?);
        }
        if let Some(filter) = &self.spec.filter {
            let keep = evaluate(filter, &rows.rows, &self.label)?;
            let keep = keep.as_boolean_opt().ok_or_else(|| Error::bug("a filter is BOOLEAN"))?;
            if keep.true_count() < rows.len() {
                rows = rows.filter(keep)?;
            }
            out.counts.filtered += (input.len() - rows.len()) as u64;
        }
        if rows.is_empty() {
            return Ok(());
        }
        if let Some(window) = &self.spec.window {
            rows = assign(window, &rows)?;
        }
        let columns = self
            .spec
            .exprs
            .iter()
            .map(|e| evaluate(e, &rows.rows, &self.label))
            .collect::<Result<Vec<_>>>()?;
        let projected = batch(&self.schema, columns, rows.len())?;
        out.counts.rows_out += rows.len() as u64;
        out.rows.push(rows.with_rows(projected));
        Ok(())
    }
}

impl Operator for Map {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        for input in inputs.iter().flatten().filter(|d| !d.is_empty()) {
            self.one(ctx, input, &mut out)?;
        }
        Ok(out)
    }
}

/// The value of an expression for every row. A failure names the first row it fails on.
pub fn evaluate(expr: &Expr, rows: &RecordBatch, label: &str) -> Result<ArrayRef> {
    let value = expr.evaluate(rows).and_then(|v| v.into_array(rows.num_rows()));
    match value {
        Ok(array) => Ok(array),
        Err(error) => {
            let (row, reason) = first_failing(expr, rows, error.to_string());
            Err(Error::data(format!(
                "{reason} in row {row} of the batch, evaluating {expr}; \
                 SET 'brooklet.on-row-error' = 'dead-letter' passes such rows"
            ))
            .at(label.to_string()))
        }
    }
}

/// Halves the batch until one row is left that fails by itself.
fn first_failing(expr: &Expr, rows: &RecordBatch, reason: String) -> (usize, String) {
    let (mut from, mut len, mut reason) = (0, rows.num_rows(), reason);
    while len > 1 {
        let half = len / 2;
        match expr.evaluate(&rows.slice(from, half)) {
            Err(e) => {
                reason = e.to_string();
                len = half;
            }
            Ok(_) => {
                from += half;
                len -= half;
            }
        }
    }
    (from, reason)
}

/// A batch of these columns, each made nullable or not as the schema says.
pub fn batch(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let columns = columns
        .into_iter()
        .zip(schema.fields())
        .map(|(column, field)| {
            if column.data_type() == field.data_type() {
                return Ok(column);
            }
            Ok(compute::cast(&column, field.data_type())?)
        })
        .collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(schema.clone(), columns, &options)
        .map_err(|e| Error::bug("columns do not fit the node's schema").caused_by(e))
}

/// The rows with the epoch's `now` as an additional last column.
pub fn with_now(rows: &RecordBatch, now: Millis) -> Result<RecordBatch> {
    let utc: Arc<str> = brooklet_core::types::UTC.into();
    let column = TimestampMillisecondArray::from(vec![now; rows.num_rows()]).with_timezone(utc);
    append(rows, vec![(NOW, Arc::new(column))])
}

/// The rows with further columns.
pub fn append(rows: &RecordBatch, added: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let mut fields: Vec<Arc<Field>> = rows.schema().fields().to_vec();
    let mut columns = rows.columns().to_vec();
    for (name, column) in added {
        fields.push(Arc::new(Field::new(name, column.data_type().clone(), true)));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

/// Event times in milliseconds, whatever the column's precision.
pub fn millis(column: &ArrayRef) -> Result<ArrayRef> {
    if matches!(column.data_type(), DataType::Timestamp(TimeUnit::Millisecond, _)) {
        return Ok(column.clone());
    }
    let DataType::Timestamp(_, zone) = column.data_type() else {
        return Err(Error::bug(format!("{} is no event time", column.data_type())));
    };
    let target = DataType::Timestamp(TimeUnit::Millisecond, zone.clone());
    Ok(compute::cast(column, &target)?)
}

/// Adds the window columns, a copy of the row for each window it falls into. Rows without a time
/// vanish.
fn assign(window: &WindowAssign, input: &Delta) -> Result<Delta> {
    let times = millis(input.column(window.time))?;
    let mut input = input.clone();
    let mut times = times;
    if times.null_count() > 0 {
        let known: BooleanArray = compute::is_not_null(&times)?;
        input = input.filter(&known)?;
        times = compute::filter(&times, &known)?;
    }
    let zone = match times.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        _ => None,
    };
    let values = times.as_primitive::<TimestampMillisecondType>().values();
    let mut starts: Vec<Millis> = Vec::with_capacity(values.len());
    let mut ends: Vec<Millis> = Vec::with_capacity(values.len());
    if let WindowKind::Tumble { size, offset } = window.kind {
        for t in values {
            let start = floor(*t, size, offset);
            starts.push(start);
            ends.push(start + size);
        }
    } else {
        let mut rows: Vec<u32> = Vec::with_capacity(values.len());
        for (row, t) in values.iter().enumerate() {
            windows_of(window.kind, *t, |start, end| {
                rows.push(row as u32);
                starts.push(start);
                ends.push(end);
            });
        }
        input = input.take(&rows)?;
    }
    let column = |v: Vec<Millis>| -> ArrayRef {
        Arc::new(TimestampMillisecondArray::from(v).with_timezone_opt(zone.clone()))
    };
    let window_time = ends.iter().map(|e| e - 1).collect();
    let added = vec![
        ("window_start", column(starts)),
        ("window_end", column(ends)),
        ("window_time", column(window_time)),
    ];
    let rows = append(&input.rows, added)?;
    Ok(input.with_rows(rows))
}

/// The start of the window of that size which holds `t`; right before 1970 too.
fn floor(t: Millis, size: Millis, offset: Millis) -> Millis {
    t - (t - offset).rem_euclid(size)
}

/// Calls `each` with the windows that hold `t`, latest start first for HOP, shortest first for
/// CUMULATE.
fn windows_of(kind: WindowKind, t: Millis, mut each: impl FnMut(Millis, Millis)) {
    match kind {
        WindowKind::Tumble { size, offset } => {
            let start = floor(t, size, offset);
            each(start, start + size);
        }
        WindowKind::Hop { size, slide, offset } => {
            let mut start = floor(t, slide, offset);
            while start > t - size {
                each(start, start + size);
                start -= slide;
            }
        }
        WindowKind::Cumulate { size, step, offset } => {
            let start = floor(t, size, offset);
            let mut end = start + ((t - start) / step + 1) * step;
            while end <= start + size {
                each(start, end);
                end += step;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(kind: WindowKind, t: Millis) -> Vec<(Millis, Millis)> {
        let mut found = Vec::new();
        windows_of(kind, t, |s, e| found.push((s, e)));
        found
    }

    #[test]
    fn windows_hold_their_rows_also_before_1970() {
        let tumble = WindowKind::Tumble { size: 10, offset: 0 };
        assert_eq!(all(tumble, 10), [(10, 20)]);
        assert_eq!(all(tumble, -1), [(-10, 0)]);
        let hop = WindowKind::Hop { size: 10, slide: 4, offset: 0 };
        assert_eq!(all(hop, 9), [(8, 18), (4, 14), (0, 10)]);
        assert_eq!(all(hop, 10), [(8, 18), (4, 14)]);
        let cumulate = WindowKind::Cumulate { size: 10, step: 5, offset: 0 };
        assert_eq!(all(cumulate, 3), [(0, 5), (0, 10)]);
        assert_eq!(all(cumulate, 5), [(0, 10)]);
        assert_eq!(all(WindowKind::Tumble { size: 10, offset: 3 }, 2), [(-7, 3)]);
    }
}

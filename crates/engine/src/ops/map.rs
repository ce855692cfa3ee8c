//! Map: filter, window assignment, projection. Stateless.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions,
    TimestampMillisecondArray, UInt32Array,
};
use arrow::compute::{self, FilterBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit, TimestampMillisecondType};

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, ErrorKind, Result, Weights};
use brooklet_plan::node::{MapSpec, NOW, WindowAssign, WindowKind};

use super::exprs::{self, Prepared};
use super::{BadRows, Operator, StepCtx, StepOutput, bisect};

pub struct Map {
    filter: Option<Prepared>,
    exprs: Prepared,
    window: Option<WindowAssign>,
    /// Where expressions see `__now` and the three window columns, behind the input's own.
    now: usize,
    windows: usize,
    schema: SchemaRef,
    sets_bad_aside: bool,
}

/// A batch on its way through a Map: the columns that the projection reads, as far as they exist.
struct Rows {
    columns: Vec<Option<ArrayRef>>,
    /// Event times, for window assignment.
    times: Option<ArrayRef>,
    weights: Weights,
    len: usize,
}

impl Rows {
    fn filter(self, keep: &BooleanArray) -> Result<Rows> {
        let predicate = FilterBuilder::new(keep).optimize().build();
        let filter = |c: ArrayRef| Ok::<_, Error>(predicate.filter(&c)?);
        let optional = |c: Option<ArrayRef>| c.map(filter).transpose();
        let weights = match self.weights {
            Weights::Ones => Weights::Ones,
            Weights::Each(w) => Weights::Each(
                w.into_iter().zip(keep).filter(|(_, k)| *k == Some(true)).map(|(w, _)| w).collect(),
            ),
        };
        Ok(Rows {
            columns: self.columns.into_iter().map(optional).collect::<Result<_>>()?,
            times: optional(self.times)?,
            weights,
            len: predicate.count(),
        })
    }

    fn take(self, rows: Vec<u32>) -> Result<Rows> {
        let len = rows.len();
        let weights = match self.weights {
            Weights::Ones => Weights::Ones,
            Weights::Each(w) => Weights::Each(rows.iter().map(|r| w[*r as usize]).collect()),
        };
        let rows = UInt32Array::from(rows);
        let take = |c: ArrayRef| Ok::<_, Error>(compute::take(&c, &rows, None)?);
        let optional = |c: Option<ArrayRef>| c.map(take).transpose();
        let columns = self.columns.into_iter().map(optional).collect::<Result<_>>()?;
        Ok(Rows { columns, times: None, weights, len })
    }
}

impl Map {
    /// `input` is the schema of the node below, `schema` the one of the Map's own rows.
    pub fn new(spec: MapSpec, input: &SchemaRef, schema: SchemaRef, label: String) -> Result<Self> {
        let mut fields = input.fields().to_vec();
        let now = fields.len();
        if spec.needs_now {
            fields.push(Arc::new(now_field()));
        }
        let filtered: SchemaRef = Arc::new(Schema::new(fields.clone()));
        let windows = fields.len();
        if let Some(window) = &spec.window {
            let ty = window_type(input.field(window.time).data_type());
            let names = ["window_start", "window_end", "window_time"];
            fields.extend(names.map(|name| Arc::new(Field::new(name, ty.clone(), true))));
        }
        let filter =
            spec.filter.map(|filter| Prepared::new(&[filter], &filtered, &label)).transpose()?;
        let exprs = Prepared::new(&spec.exprs, &Arc::new(Schema::new(fields)), &label)?;
        Ok(Map { filter, exprs, window: spec.window, now, windows, schema, sets_bad_aside: false })
    }

    /// Rows that an expression fails on are set aside instead of failing the pipeline.
    pub fn setting_bad_rows_aside(self, sets_bad_aside: bool) -> Self {
        Map { sets_bad_aside, ..self }
    }

    /// As `one` after it has failed: finds the bad rows and does the others.
    fn without_bad(&self, ctx: &StepCtx, input: &Delta, out: &mut StepOutput) -> Result<()> {
        let alone = |part: &Delta| self.one(ctx, part, &mut StepOutput::default());
        let found = bisect::failing(input, alone)?;
        let (bad, reasons): (Vec<u32>, Vec<String>) =
            found.iter().map(|(row, e)| (*row, exprs::reason(e))).unzip();
        out.counts.rows_in += bad.len() as u64;
        out.counts.bad += bad.len() as u64;
        out.bad.push(BadRows { rows: input.take(&bad)?, reasons });
        let good = bisect::all_but(&bad, input.len());
        match good.is_empty() {
            true => Ok(()),
            false => self.one(ctx, &input.take(&good)?, out),
        }
    }

    fn one(&self, ctx: &StepCtx, input: &Delta, out: &mut StepOutput) -> Result<()> {
        out.counts.rows_in += input.len() as u64;
        let mut rows = Rows {
            columns: self.exprs.gather(&input.rows)?,
            times: self.window.as_ref().map(|w| millis(input.column(w.time))).transpose()?,
            weights: input.weights.clone(),
            len: input.len(),
        };
        if let Some(filter) = &self.filter {
            let mut seen = filter.gather(&input.rows)?;
            filter.fill(&mut seen, self.now, || now_column(ctx.now, input.len()));
            let keep = filter.evaluate(seen, input.len())?.remove(0);
            let keep = keep.as_boolean_opt().ok_or_else(|| Error::bug("a filter is BOOLEAN"))?;
            if keep.true_count() < rows.len {
                rows = rows.filter(keep)?;
            }
            out.counts.filtered += (input.len() - rows.len) as u64;
        }
        if rows.len == 0 {
            return Ok(());
        }
        if let Some(window) = &self.window {
            rows = self.assign(window, rows)?;
        }
        let Rows { mut columns, weights, len, .. } = rows;
        if self.now < self.windows {
            self.exprs.fill(&mut columns, self.now, || now_column(ctx.now, len));
        }
        let columns = self.exprs.evaluate(columns, len)?;
        out.counts.rows_out += len as u64;
        out.rows.push(Delta { rows: batch(&self.schema, columns, len)?, weights });
        Ok(())
    }

    /// Makes the window columns that are read, and a copy of the row for each window it falls
    /// into. Rows without a time vanish.
    fn assign(&self, window: &WindowAssign, mut rows: Rows) -> Result<Rows> {
        let no_times = || Error::bug("windows are assigned by a time");
        let mut times = rows.times.take().ok_or_else(no_times)?;
        if times.null_count() > 0 {
            let known: BooleanArray = compute::is_not_null(&times)?;
            rows = rows.filter(&known)?;
            times = compute::filter(&times, &known)?;
        }
        let ty = window_type(times.data_type());
        let times = times.as_primitive::<TimestampMillisecondType>().values();
        let (starts, ends) = match window.kind {
            WindowKind::Tumble { size, offset } => {
                let starts: Vec<Millis> = starts(times, size, offset);
                let ends = starts.iter().map(|s| s + size).collect();
                (starts, ends)
            }
            kind => {
                let mut of_rows: Vec<u32> = Vec::with_capacity(times.len());
                let (mut starts, mut ends) = (Vec::new(), Vec::new());
                for (row, t) in times.iter().enumerate() {
                    windows_of(kind, *t, |start, end| {
                        of_rows.push(row as u32);
                        starts.push(start);
                        ends.push(end);
                    });
                }
                rows = rows.take(of_rows)?;
                (starts, ends)
            }
        };
        let last = |ends: &[Millis]| ends.iter().map(|e| e - 1).collect::<Vec<Millis>>();
        let column = |v: Vec<Millis>| -> ArrayRef {
            Arc::new(TimestampMillisecondArray::from(v).with_data_type(ty.clone()))
        };
        let exprs = &self.exprs;
        exprs.fill(&mut rows.columns, self.windows, || column(starts));
        exprs.fill(&mut rows.columns, self.windows + 2, || column(last(&ends)));
        exprs.fill(&mut rows.columns, self.windows + 1, || column(ends));
        Ok(rows)
    }
}

impl Operator for Map {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        for input in inputs.iter().flatten().filter(|d| !d.is_empty()) {
            let before = out.counts;
            match self.one(ctx, input, &mut out) {
                Err(e) if self.sets_bad_aside && e.kind == ErrorKind::Data => {
                    out.counts = before;
                    self.without_bad(ctx, input, &mut out)?;
                }
                result => result?,
            }
        }
        Ok(out)
    }
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

/// `__now` as expressions see it.
pub fn now_field() -> Field {
    let utc: Arc<str> = brooklet_core::types::UTC.into();
    Field::new(NOW, DataType::Timestamp(TimeUnit::Millisecond, Some(utc)), true)
}

/// The epoch's `now` for every row.
pub fn now_column(now: Millis, rows: usize) -> ArrayRef {
    let utc: Arc<str> = brooklet_core::types::UTC.into();
    Arc::new(TimestampMillisecondArray::from(vec![now; rows]).with_timezone(utc))
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

/// The type of window columns over a time column of that type.
fn window_type(time: &DataType) -> DataType {
    match time {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        _ => DataType::Timestamp(TimeUnit::Millisecond, None),
    }
}

/// The start of each time's window. Times come mostly in order: the window before is tried first.
fn starts(times: &[Millis], size: Millis, offset: Millis) -> Vec<Millis> {
    let mut start = times.first().map_or(0, |t| floor(*t, size, offset));
    let of = |t: &Millis| {
        if !(start..start + size).contains(t) {
            start = floor(*t, size, offset);
        }
        start
    };
    times.iter().map(of).collect()
}

/// The start of the window of that size which holds `t`; right before 1970 too.
pub fn floor(t: Millis, size: Millis, offset: Millis) -> Millis {
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

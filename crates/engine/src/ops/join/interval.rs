//! Interval joins: rows do not meet what was to be forgotten when they came.
//!
//! Which of two rows came later, and what watermark it saw, stands in their hidden columns, so that
//! it does not matter where the input is cut into epochs. Event times of what comes out are behind
//! the watermark by up to the interval: the output's watermark lags, and so does the watermark that
//! its rows carry.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};

use brooklet_core::Result;
use brooklet_core::time::Millis;
use brooklet_plan::node::{Node, Retain};

use crate::ops::StepCtx;
use crate::ops::map::{batch, millis};

pub struct Interval {
    /// Of both sides: arrival columns and the one of the watermark seen, among left ++ right.
    ords: [Vec<usize>; 2],
    late: [Option<usize>; 2],
    /// Until when rows of each side are met: the watermark must not be past column + time. The
    /// column among left ++ right and in its side; None: by the clock, which conditions see to.
    until: [Option<(usize, usize, Millis)>; 2],
    lag_ms: Millis,
    /// The output's column of the watermark seen.
    carried: Option<usize>,
}

impl Interval {
    pub fn new(
        late: [Option<usize>; 2],
        lag_ms: Millis,
        retain: [Retain; 2],
        node: &Node,
        inputs: [&Node; 2],
    ) -> Self {
        let starts = [0, inputs[0].schema.fields().len()];
        let ord = |side: usize| inputs[side].ord.iter().map(|c| starts[side] + c).collect();
        let until = |side: usize| match retain[side] {
            Retain::UntilWatermark { column, after_ms } => {
                Some((starts[side] + column, column, after_ms))
            }
            _ => None,
        };
        Interval {
            ords: [ord(0), ord(1)],
            late: [late[0], late[1].map(|c| starts[1] + c)],
            until: [until(0), until(1)],
            lag_ms,
            carried: node.late,
        }
    }

    /// The pairs whose earlier row was not to be forgotten when the later one came.
    pub fn met(&self, ctx: &StepCtx, pairs: &RecordBatch) -> Result<Vec<u32>> {
        let [Some(left), Some(right)] = self.until else {
            return Ok((0..pairs.num_rows() as u32).collect());
        };
        let later = self.later(pairs);
        let seen = self.watermarks(ctx, pairs, &later);
        let mut until = Vec::new();
        for (column, _, after_ms) in [left, right] {
            let times = millis(pairs.column(column))?;
            let times = times.as_primitive::<TimestampMillisecondType>();
            let at = |t: Option<Millis>| t.map_or(Millis::MIN, |t| t.saturating_add(after_ms));
            until.push(times.iter().map(at).collect::<Vec<Millis>>());
        }
        let is_met = |row: &u32| {
            let row = *row as usize;
            until[1 - later[row]][row] >= seen[row]
        };
        Ok((0..pairs.num_rows() as u32).filter(is_met).collect())
    }

    /// Joined pairs with the watermark that they are judged by further up.
    pub fn seen(&self, ctx: &StepCtx, pairs: RecordBatch) -> Result<RecordBatch> {
        let Some(carried) = self.carried else { return Ok(pairs) };
        let later = self.later(&pairs);
        let seen = self.watermarks(ctx, &pairs, &later);
        self.carrying(pairs, carried, seen.into_iter())
    }

    /// The same for rows of one side that met nothing, beside NULLs.
    pub fn seen_alone(
        &self,
        side: usize,
        rows: &RecordBatch,
        padded: RecordBatch,
    ) -> Result<RecordBatch> {
        let (Some(carried), Some((_, column, after_ms))) = (self.carried, self.until[side]) else {
            return Ok(padded);
        };
        let times = millis(rows.column(column))?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        let at = |t: Option<Millis>| t.map_or(Millis::MIN, |t| t.saturating_add(after_ms));
        self.carrying(padded, carried, times.iter().map(at))
    }

    fn carrying(
        &self,
        rows: RecordBatch,
        carried: usize,
        seen: impl Iterator<Item = Millis>,
    ) -> Result<RecordBatch> {
        let lagged = seen.map(|watermark| watermark.saturating_sub(self.lag_ms));
        let mut columns: Vec<ArrayRef> = rows.columns().to_vec();
        columns[carried] = Arc::new(Int64Array::from_iter_values(lagged));
        batch(&rows.schema(), columns, rows.num_rows())
    }

    /// The side whose row came later.
    fn later(&self, pairs: &RecordBatch) -> Vec<usize> {
        let [left, right] = [0, 1].map(|side| self.arrivals(side, pairs));
        left.into_iter().zip(right).map(|(l, r)| usize::from(r >= l)).collect()
    }

    fn arrivals(&self, side: usize, pairs: &RecordBatch) -> Vec<i64> {
        let mut arrivals = vec![i64::MIN; pairs.num_rows()];
        for column in &self.ords[side] {
            let ord = pairs.column(*column).as_primitive::<Int64Type>();
            for (latest, ord) in arrivals.iter_mut().zip(ord.iter().flatten()) {
                *latest = (*latest).max(ord);
            }
        }
        arrivals
    }

    /// The watermark that the later row of each pair saw.
    fn watermarks(&self, ctx: &StepCtx, pairs: &RecordBatch, later: &[usize]) -> Vec<Millis> {
        let [Some(left), Some(right)] = self.late else {
            return vec![ctx.late_before; pairs.num_rows()];
        };
        let columns = [left, right].map(|c| pairs.column(c).as_primitive::<Int64Type>());
        later.iter().enumerate().map(|(row, side)| columns[*side].value(row)).collect()
    }
}

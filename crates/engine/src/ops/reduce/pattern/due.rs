//! Which rows of a row pattern can be taken, and in which order.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt32Array};
use arrow::compute::{self, SortOptions};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMillisecondType};
use arrow::row::{RowConverter, SortField};

use brooklet_core::delta;
use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::SortKey;

use super::PatternMatch;
use crate::ops::bisect::all_but;
use crate::ops::map::millis;
use crate::ops::rows::by_arrival;
use crate::ops::{StepCtx, StepOutput};

/// Rows in the order they are taken, with their times.
pub struct Due {
    pub rows: RecordBatch,
    pub times: Vec<Millis>,
}

impl Due {
    fn none(schema: SchemaRef) -> Self {
        Due { rows: RecordBatch::new_empty(schema), times: Vec::new() }
    }
}

impl PatternMatch {
    /// The rows that can be taken now, in order; others wait.
    pub fn due(
        &mut self,
        ctx: &StepCtx,
        inputs: &[Vec<Delta>],
        out: &mut StepOutput,
    ) -> Result<Due> {
        let schema = self.kept.schema().clone();
        let arrived = delta::concat(&schema, &inputs[0])?;
        let arrived = arrived.map(|rows| by_arrival(rows, &self.ord)).transpose()?;
        out.counts.rows_in += arrived.as_ref().map_or(0, |rows| rows.len() as u64);
        let Some(time) = self.spec.time else {
            let Some(rows) = arrived else { return Ok(Due::none(schema)) };
            let times = vec![ctx.now; rows.len()];
            return self.in_order(Due { rows: rows.rows, times });
        };
        let (old, mut times) = self.kept.take_due(ctx.watermark)?;
        let mut parts = vec![old];
        if let Some(rows) = arrived {
            let (rows, of_rows) = self.on_time(ctx, rows, time, out)?;
            let (now, later): (Vec<u32>, Vec<u32>) = (0..rows.num_rows() as u32)
                .partition(|row| of_rows[*row as usize] <= ctx.watermark);
            let of = |part: &[u32]| part.iter().map(|r| of_rows[*r as usize]).collect::<Vec<_>>();
            if !later.is_empty() {
                let later_rows = take(&rows, &later)?;
                self.kept.wait(&later_rows, &of(&later))?;
            }
            times.extend(of(&now));
            parts.push(if later.is_empty() { rows } else { take(&rows, &now)? });
        }
        let rows = compute::concat_batches(&schema, &parts)?;
        self.in_order(Due { rows, times })
    }

    /// Without late rows.
    fn on_time(
        &self,
        ctx: &StepCtx,
        rows: Delta,
        time: usize,
        out: &mut StepOutput,
    ) -> Result<(RecordBatch, Vec<Millis>)> {
        let times = millis(rows.column(time))?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        let limits = self.late.map(|c| rows.column(c).as_primitive::<Int64Type>());
        let limit = |row: usize| limits.map_or(ctx.late_before, |limits| limits.value(row));
        if times.null_count() > 0 {
            return Err(Error::data(
                "MATCH_RECOGNIZE: the event time that it is ordered by is NULL; filter such rows",
            ));
        }
        let kept: Vec<u32> = (0..rows.len())
            .filter(|row| times.value(*row) > limit(*row))
            .map(|row| row as u32)
            .collect();
        let of_kept = kept.iter().map(|row| times.value(*row as usize)).collect();
        if kept.len() == rows.len() {
            return Ok((rows.rows, of_kept));
        }
        out.counts.late += (rows.len() - kept.len()) as u64;
        out.late.push(rows.take(&all_but(&kept, rows.len()))?);
        Ok((take(&rows.rows, &kept)?, of_kept))
    }

    /// By time, then by the other columns of ORDER BY, then by arrival.
    fn in_order(&self, due: Due) -> Result<Due> {
        if due.times.is_sorted() && self.spec.order.is_empty() {
            return Ok(due);
        }
        let mut order: Vec<u32> = (0..due.times.len() as u32).collect();
        let time = |row: &u32| due.times[*row as usize];
        if self.spec.order.is_empty() {
            order.sort_by_key(time);
        } else {
            let fields = self.spec.order.iter().map(|key| {
                let SortKey { column, descending, nulls_first } = *key;
                let options = SortOptions { descending, nulls_first };
                SortField::new_with_options(due.rows.column(column).data_type().clone(), options)
            });
            let converter = RowConverter::new(fields.collect())?;
            let columns: Vec<ArrayRef> =
                self.spec.order.iter().map(|key| due.rows.column(key.column).clone()).collect();
            let keys = converter.convert_columns(&columns)?;
            let key = |row: u32| keys.row(row as usize);
            order.sort_by(|a, b| time(a).cmp(&time(b)).then_with(|| key(*a).cmp(&key(*b))));
        }
        let times = order.iter().map(time).collect();
        Ok(Due { rows: take(&due.rows, &order)?, times })
    }
}

pub fn take(rows: &RecordBatch, indices: &[u32]) -> Result<RecordBatch> {
    Ok(compute::take_record_batch(rows, &UInt32Array::from(indices.to_vec()))?)
}

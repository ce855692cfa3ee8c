//! The first arrival of each key, whose keys are forgotten by the watermark; rows before the
//! watermark are late, for whether they are duplicates is not known any more.
//!
//! Which watermark a row sees is the epoch's, or with on-event watermarks the row's own: then it
//! does not matter where the input is cut into epochs.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Result};

use super::Base;
use crate::ops::bisect::all_but;
use crate::ops::map::millis;
use crate::ops::{Operator, StepCtx, StepOutput};
use crate::table::Table;

pub struct FirstWithin {
    /// A key is touched at the event time of its row.
    pub base: Base,
    pub time: usize,
}

/// Rows that are not late.
pub struct OnTime {
    pub rows: Delta,
    /// Their event times, and the watermark that each is judged by.
    pub times: Vec<Millis>,
    pub limits: Vec<Millis>,
}

impl Base {
    /// Counts the rows and sets the late ones aside.
    pub fn on_time(
        &self,
        ctx: &StepCtx,
        rows: &Delta,
        time: usize,
        out: &mut StepOutput,
    ) -> Result<OnTime> {
        out.counts.rows_in += rows.len() as u64;
        let times = millis(rows.column(time))?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        let limits = self.late.map(|c| rows.column(c).as_primitive::<Int64Type>().clone());
        let limit = |row: usize| limits.as_ref().map_or(ctx.late_before, |c| c.value(row));
        let on_time: Vec<u32> = (0..rows.len() as u32)
            .filter(|row| times.is_valid(*row as usize))
            .filter(|row| times.value(*row as usize) >= limit(*row as usize))
            .collect();
        out.counts.late += (rows.len() - on_time.len()) as u64;
        if on_time.len() < rows.len() {
            out.late.push(rows.take(&all_but(&on_time, rows.len()))?);
        }
        Ok(OnTime {
            rows: rows.take(&on_time)?,
            times: on_time.iter().map(|row| times.value(*row as usize)).collect(),
            limits: on_time.iter().map(|row| limit(*row as usize)).collect(),
        })
    }
}

impl Operator for FirstWithin {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        self.base.sweep(ctx.late_before);
        let Some(rows) = self.base.rows(inputs)? else { return Ok(out) };
        let OnTime { rows, times, limits } = self.base.on_time(ctx, &rows, self.time, &mut out)?;
        let (groups, fresh) = self.base.found(&rows)?;
        let mut first = Vec::new();
        for (row, group) in groups.into_iter().enumerate() {
            if fresh[row] || self.base.is_expired(group, limits[row]) {
                self.base.touch(group, times[row]);
                first.push(row as u32);
            }
        }
        out.counts.rows_out += first.len() as u64;
        out.counts.duplicates += (rows.len() - first.len()) as u64;
        if !first.is_empty() {
            out.rows.push(Delta::inserts(rows.take(&first)?.rows));
        }
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.base.table]
    }
}

//! Deals rows to the windows that they belong to and sets aside those that come too late.
//!
//! A row is late when its window's last millisecond is not after `late_before`: the row's hidden
//! column with on-event watermarks, else the watermark before the epoch. By the clock no row is.

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, TimestampMillisecondArray};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Result};
use brooklet_plan::node::{Clock, Node};

use super::StepCtx;
use super::map::millis;

/// How the rows of an input belong to windows.
#[derive(Debug, Clone, Copy)]
pub struct ByWindow {
    window_end: usize,
    /// Hidden column of the input.
    late: Option<usize>,
    clock: Clock,
    /// How much later than others rows may come.
    allowed_ms: Millis,
}

/// The rows of each window, by its end; and those that came too late.
pub struct Dealt {
    pub panes: Vec<(Millis, Delta)>,
    pub late: Option<Delta>,
}

impl ByWindow {
    pub fn new(input: &Node, window_end: usize, clock: Clock) -> Self {
        ByWindow { window_end, late: input.late, clock, allowed_ms: 0 }
    }

    /// The same for windows that stay for some time after they have closed.
    pub fn allowing(self, allowed_ms: Millis) -> Self {
        ByWindow { allowed_ms, ..self }
    }

    pub fn deal(&self, ctx: &StepCtx, rows: &Delta) -> Result<Dealt> {
        let ends = millis(rows.column(self.window_end))?;
        let ends = ends.as_primitive::<TimestampMillisecondType>();
        let (mut rows, mut ends, mut late_rows) = (rows.clone(), ends.clone(), None);
        if self.may_be_late(ctx, &ends) {
            let late = self.late_ones(ctx, &rows, &ends);
            if late.true_count() > 0 {
                let on_time = arrow::compute::not(&late)?;
                late_rows = Some(rows.filter(&late)?);
                rows = rows.filter(&on_time)?;
                let kept: ArrayRef = arrow::compute::filter(&ends, &on_time)?;
                ends = kept.as_primitive::<TimestampMillisecondType>().clone();
            }
        }
        let mut panes = Vec::new();
        for (end, indices) in in_groups(ends.values()) {
            let all = indices.len() == rows.len();
            panes.push((end, if all { rows.clone() } else { rows.take(&indices)? }));
        }
        Ok(Dealt { panes, late: late_rows })
    }

    /// Windows that end here or before are complete.
    pub fn closed(&self, ctx: &StepCtx) -> Millis {
        closed(self.clock, ctx)
    }

    /// The same before this epoch.
    pub fn closed_before(&self, ctx: &StepCtx) -> Millis {
        match self.clock {
            Clock::Now => Millis::MIN,
            clock => clock.reached(ctx.late_before).saturating_add(1),
        }
    }

    /// When the first of these windows is due, if the clock closes them.
    pub fn next_due(&self, first_end: Option<Millis>) -> Option<Millis> {
        first_end.filter(|_| self.clock == Clock::Now)
    }

    fn may_be_late(&self, ctx: &StepCtx, ends: &TimestampMillisecondArray) -> bool {
        let first = || ends.values().iter().copied().min().unwrap_or(Millis::MAX);
        self.clock != Clock::Now
            && (self.late.is_some() || self.last(first()) <= self.clock.reached(ctx.late_before))
    }

    /// The last moment at which rows of a window are on time.
    fn last(&self, end: Millis) -> Millis {
        end.saturating_sub(1).saturating_add(self.allowed_ms)
    }

    fn late_ones(
        &self,
        ctx: &StepCtx,
        rows: &Delta,
        ends: &TimestampMillisecondArray,
    ) -> BooleanArray {
        let limits = self.late.map(|c| rows.column(c).as_primitive::<Int64Type>());
        let before = self.clock.reached(ctx.late_before);
        let is_late = |(row, end): (usize, &Millis)| {
            let reached = |limits: &Int64Array| self.clock.reached(limits.value(row));
            self.last(*end) <= limits.map_or(before, reached)
        };
        BooleanArray::from(ends.values().iter().enumerate().map(is_late).collect::<Vec<bool>>())
    }
}

/// Windows that end here or before are complete. The clock's last millisecond may still bring
/// rows.
pub fn closed(clock: Clock, ctx: &StepCtx) -> Millis {
    match clock {
        Clock::Now => ctx.now,
        clock => clock.reached(ctx.watermark).saturating_add(1),
    }
}

/// The rows of each window, by window: `windows` has one for each row. A batch has few, mostly one
/// after the other.
pub fn in_groups<W: Copy + Ord>(windows: &[W]) -> Vec<(W, Vec<u32>)> {
    let mut groups: Vec<(W, Vec<u32>)> = Vec::new();
    let mut last = 0;
    for (row, window) in windows.iter().enumerate() {
        if groups.get(last).is_none_or(|(of, _)| of != window) {
            last = groups.iter().position(|(of, _)| of == window).unwrap_or(groups.len());
            if last == groups.len() {
                groups.push((*window, Vec::with_capacity(windows.len() - row)));
            }
        }
        groups[last].1.push(row as u32);
    }
    groups.sort_unstable_by_key(|(window, _)| *window);
    groups
}

/// `w<end>.`: the tables of a window start with it.
pub fn pane_name(end: Millis) -> String {
    format!("w{end}.")
}

/// The window's end that the name of a table starts with.
pub fn pane_of(table: &str) -> Option<Millis> {
    table.strip_prefix('w')?.split_once('.')?.0.parse().ok()
}

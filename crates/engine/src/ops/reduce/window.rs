//! Window aggregation: one set of groups per open window, emitted once when the watermark reaches
//! the window's last millisecond, then dropped whole.
//!
//! A row is late when its window's last millisecond is not after `late_before`: the row's hidden
//! column with on-event watermarks, else the watermark before the epoch.

use std::collections::BTreeMap;

use arrow::array::{ArrayRef, AsArray, BooleanArray, TimestampMillisecondArray};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMillisecondType};

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::ReduceKind;

use super::ReduceArgs;
use super::group::{GroupLayout, GroupSet};
use crate::ops::map::{batch, millis};
use crate::ops::{Operator, StepCtx, StepOutput};
use crate::table::Table;

pub struct WindowAggregate {
    layout: GroupLayout,
    schema: SchemaRef,
    window_end: usize,
    /// Hidden column of the input.
    late: Option<usize>,
    /// By window end.
    panes: BTreeMap<Millis, GroupSet>,
}

impl WindowAggregate {
    pub fn new(args: ReduceArgs<'_>, window_end: usize) -> Result<Self> {
        let ReduceKind::Aggregate { calls } = &args.spec.kind else {
            return Err(Error::bug("a window aggregate is made for aggregate calls"));
        };
        Ok(WindowAggregate {
            layout: GroupLayout::new(&args, calls, false),
            schema: args.node.schema.clone(),
            window_end,
            late: args.input.late,
            panes: BTreeMap::new(),
        })
    }

    fn pane(&mut self, end: Millis) -> Result<&mut GroupSet> {
        if !self.panes.contains_key(&end) {
            let set = GroupSet::new(&self.layout, &pane_name(end))?;
            self.panes.insert(end, set);
        }
        self.panes.get_mut(&end).ok_or_else(|| Error::bug("the pane was just made"))
    }

    fn add(&mut self, rows: &Delta, end: Millis) -> Result<()> {
        let pane = self.pane(end)?;
        let found = pane.find_or_create(rows)?;
        pane.update(rows, &found.groups)
    }

    /// Deals rows to their windows; returns those that came too late.
    fn deal(&mut self, ctx: &StepCtx, rows: &Delta) -> Result<Option<Delta>> {
        let ends = millis(rows.column(self.window_end))?;
        let ends = ends.as_primitive::<TimestampMillisecondType>();
        let first = ends.values().iter().copied().min().unwrap_or(Millis::MAX);
        let (mut rows, mut ends, mut late_rows) = (rows.clone(), ends.clone(), None);
        if self.late.is_some() || first - 1 <= ctx.late_before {
            let late = self.late_ones(ctx, &rows, &ends);
            if late.true_count() > 0 {
                let on_time = arrow::compute::not(&late)?;
                late_rows = Some(rows.filter(&late)?);
                rows = rows.filter(&on_time)?;
                let kept = arrow::compute::filter(&ends, &on_time)?;
                ends = kept.as_primitive::<TimestampMillisecondType>().clone();
            }
        }
        for (end, indices) in by_window(ends.values()) {
            match indices.len() == rows.len() {
                true => self.add(&rows, end)?,
                false => self.add(&rows.take(&indices)?, end)?,
            }
        }
        Ok(late_rows)
    }

    fn late_ones(
        &self,
        ctx: &StepCtx,
        rows: &Delta,
        ends: &TimestampMillisecondArray,
    ) -> BooleanArray {
        let limits = self.late.map(|c| rows.column(c).as_primitive::<Int64Type>());
        let is_late = |(row, end): (usize, &Millis)| {
            end - 1 <= limits.map_or(ctx.late_before, |limits| limits.value(row))
        };
        BooleanArray::from(ends.values().iter().enumerate().map(is_late).collect::<Vec<bool>>())
    }

    /// The results of the windows that the watermark has passed.
    fn fire(&mut self, watermark: Millis) -> Result<Vec<Delta>> {
        let mut fired = Vec::new();
        while let Some(entry) = self.panes.first_entry() {
            if entry.key().saturating_sub(1) > watermark {
                break;
            }
            let pane = entry.remove();
            let mut groups = pane.table.groups();
            groups.retain(|g| pane.is_filled(*g));
            if groups.is_empty() {
                continue;
            }
            let columns: Vec<ArrayRef> = pane.rows(&groups)?;
            fired.push(Delta::inserts(batch(&self.schema, columns, groups.len())?));
        }
        Ok(fired)
    }
}

/// The rows of each window, by window. A batch has few, mostly one after the other.
fn by_window(ends: &[Millis]) -> Vec<(Millis, Vec<u32>)> {
    let mut windows: Vec<(Millis, Vec<u32>)> = Vec::new();
    let mut last = 0;
    for (row, end) in ends.iter().enumerate() {
        if windows.get(last).is_none_or(|(of, _)| of != end) {
            last = windows.iter().position(|(of, _)| of == end).unwrap_or(windows.len());
            if last == windows.len() {
                windows.push((*end, Vec::with_capacity(ends.len() - row)));
            }
        }
        windows[last].1.push(row as u32);
    }
    windows.sort_unstable_by_key(|(end, _)| *end);
    windows
}

/// `w<end>.`: the tables of a pane start with it.
fn pane_name(end: Millis) -> String {
    format!("w{end}.")
}

impl Operator for WindowAggregate {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        for rows in inputs[0].iter().filter(|d| !d.is_empty()) {
            out.counts.rows_in += rows.len() as u64;
            if let Some(late) = self.deal(ctx, rows)? {
                out.counts.late += late.len() as u64;
                out.late.push(late);
            }
        }
        out.rows = self.fire(ctx.watermark)?;
        out.counts.rows_out = out.rows.iter().map(|d| d.len() as u64).sum();
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        self.panes.values_mut().flat_map(GroupSet::tables).collect()
    }
    fn table(&mut self, name: &str) -> Result<Option<&mut Table>> {
        let end =
            name.strip_prefix('w').and_then(|n| n.split_once('.')).map(|(end, _)| end.parse());
        let Some(Ok(end)) = end else { return Ok(None) };
        let pane = self.pane(end)?;
        Ok(pane.tables().into_iter().find(|t| t.name() == name))
    }
    fn loaded(&mut self) -> Result<()> {
        self.panes.values_mut().for_each(GroupSet::loaded);
        Ok(())
    }
}

//! Window aggregation: one set of groups per open window, emitted once when the clock reaches
//! the window's last millisecond, then dropped whole.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;

use brooklet_core::delta::{self, Delta};
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::node::{Clock, ReduceKind};

use super::ReduceArgs;
use super::group::{GroupLayout, GroupSet};
use super::in_order::InOrder;
use crate::ops::map::batch;
use crate::ops::panes::{ByWindow, pane_name, pane_of};
use crate::ops::{Operator, StepCtx, StepOutput};
use crate::table::Table;

pub struct WindowAggregate {
    layout: GroupLayout,
    in_order: Option<InOrder>,
    input_schema: SchemaRef,
    schema: SchemaRef,
    by_window: ByWindow,
    /// By window end.
    panes: BTreeMap<Millis, GroupSet>,
}

impl WindowAggregate {
    pub fn new(args: ReduceArgs<'_>, window_end: usize, clock: Clock) -> Result<Self> {
        let ReduceKind::Aggregate { calls } = &args.spec.kind else {
            return Err(Error::bug("a window aggregate is made for aggregate calls"));
        };
        Ok(WindowAggregate {
            layout: GroupLayout::new(&args, calls, false),
            in_order: InOrder::of(args.input, calls)?,
            input_schema: args.input.schema.clone(),
            schema: args.node.schema.clone(),
            by_window: ByWindow::new(args.input, window_end, clock),
            panes: BTreeMap::new(),
        })
    }

    /// The batches to add, one after the other.
    fn batches(&self, deltas: &[Delta]) -> Result<Vec<Delta>> {
        let Some(in_order) = &self.in_order else {
            return Ok(deltas.iter().filter(|d| !d.is_empty()).cloned().collect());
        };
        let all = delta::concat(&self.input_schema, deltas)?;
        all.map(|rows| in_order.sorted(rows)).transpose().map(|rows| rows.into_iter().collect())
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

    /// The results of the windows that are complete.
    fn fire(&mut self, closed: Millis) -> Result<Vec<Delta>> {
        let mut fired = Vec::new();
        while let Some(entry) = self.panes.first_entry() {
            if *entry.key() > closed {
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

impl Operator for WindowAggregate {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        for rows in self.batches(&inputs[0])? {
            out.counts.rows_in += rows.len() as u64;
            let dealt = self.by_window.deal(ctx, &rows)?;
            dealt.panes.iter().try_for_each(|(end, rows)| self.add(rows, *end))?;
            out.counts.late += dealt.late.as_ref().map_or(0, |late| late.len() as u64);
            out.late.extend(dealt.late);
        }
        out.rows = self.fire(self.by_window.closed(ctx))?;
        out.counts.rows_out = out.rows.iter().map(|d| d.len() as u64).sum();
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        self.panes.values_mut().flat_map(GroupSet::tables).collect()
    }
    fn table(&mut self, name: &str) -> Result<Option<&mut Table>> {
        let Some(end) = pane_of(name) else { return Ok(None) };
        let pane = self.pane(end)?;
        Ok(pane.tables().into_iter().find(|t| t.name() == name))
    }
    fn next_due(&self) -> Option<Millis> {
        self.by_window.next_due(self.panes.keys().next().copied())
    }
    fn loaded(&mut self) -> Result<()> {
        self.panes.values_mut().for_each(GroupSet::loaded);
        Ok(())
    }
}

//! Window aggregation that gives results before a window closes, or new ones for rows that come
//! after that: an unbounded aggregate per window, dropped whole in the end.

use std::collections::BTreeMap;

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::Emit;

use super::aggregate::Aggregate;
use super::{MadeOf, ReduceArgs};
use crate::ops::panes::{ByWindow, pane_name, pane_of};
use crate::ops::{Operator, StepCtx, StepOutput};
use crate::table::Table;

pub struct Firing {
    made_of: MadeOf,
    by_window: ByWindow,
    /// Changes come out before a window closes.
    early: bool,
    late_ms: Millis,
    /// By window end.
    panes: BTreeMap<Millis, Aggregate>,
}

impl Firing {
    pub fn new(args: ReduceArgs<'_>) -> Result<Self> {
        let Emit::Firing { window_end, clock, early, late_ms } = args.spec.emit else {
            return Err(Error::bug("windows that fire say when"));
        };
        let by_window = ByWindow::new(args.input, window_end, clock).allowing(late_ms);
        let made_of = MadeOf::of(&args);
        Ok(Firing { made_of, by_window, early, late_ms, panes: BTreeMap::new() })
    }

    fn pane(&mut self, end: Millis) -> Result<&mut Aggregate> {
        if !self.panes.contains_key(&end) {
            let mut pane = Aggregate::new(self.made_of.args())?;
            for table in pane.tables() {
                table.rename(format!("{}{}", pane_name(end), table.name()));
            }
            self.panes.insert(end, pane);
        }
        self.panes.get_mut(&end).ok_or_else(|| Error::bug("the pane was just made"))
    }

    /// The results of windows that close now and showed none yet; those past their time go.
    fn close(&mut self, before: Millis, closed: Millis) -> Result<Vec<Delta>> {
        let mut out = Vec::new();
        if !self.early && before < closed {
            let first = before.saturating_add(1);
            for (_, pane) in self.panes.range(first..=closed) {
                out.extend(pane.all()?);
            }
        }
        while let Some(entry) = self.panes.first_entry() {
            if entry.key().saturating_add(self.late_ms) > closed {
                break;
            }
            entry.remove();
        }
        Ok(out)
    }
}

impl Operator for Firing {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        let mut dealt: BTreeMap<Millis, Vec<Delta>> = BTreeMap::new();
        for rows in inputs[0].iter().filter(|d| !d.is_empty()) {
            out.counts.rows_in += rows.len() as u64;
            let found = self.by_window.deal(ctx, rows)?;
            let panes = found.panes.into_iter();
            panes.for_each(|(end, rows)| dealt.entry(end).or_default().push(rows));
            out.counts.late += found.late.as_ref().map_or(0, |late| late.len() as u64);
            out.late.extend(found.late);
        }
        let (before, closed) = (self.by_window.closed_before(ctx), self.by_window.closed(ctx));
        let early = self.early;
        for (end, rows) in dealt {
            let changes = self.pane(end)?.step(ctx, &[rows])?;
            // What was not shown yet comes out when the window closes.
            if early || end <= before {
                out.rows.extend(changes.rows);
            }
        }
        out.rows.extend(self.close(before, closed)?);
        out.counts.rows_out = out.rows.iter().map(|d| d.len() as u64).sum();
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        self.panes.values_mut().flat_map(Aggregate::tables).collect()
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
        self.panes.values_mut().try_for_each(Aggregate::loaded)
    }
}

impl Aggregate {
    /// The results of all groups.
    fn all(&self) -> Result<Option<Delta>> {
        let mut groups = self.set.table.groups();
        groups.retain(|g| self.set.is_filled(*g));
        match groups.is_empty() {
            true => Ok(None),
            false => Ok(Some(Delta::inserts(self.results(&groups)?))),
        }
    }
}

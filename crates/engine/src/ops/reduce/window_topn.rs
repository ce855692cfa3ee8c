//! Top-N and deduplication within windows: one Top-N per open window, whose rows come out once
//! when the window closes.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::Clock;

use super::topn::TopN;
use super::{MadeOf, ReduceArgs};
use crate::ops::panes::{ByWindow, pane_name, pane_of};
use crate::ops::rows::{consolidate, one_by_one};
use crate::ops::{Operator, StepCtx, StepOutput};
use crate::table::Table;

pub struct WindowTopN {
    made_of: MadeOf,
    input_schema: SchemaRef,
    by_window: ByWindow,
    /// By window end.
    panes: BTreeMap<Millis, TopN>,
}

fn build(made_of: &MadeOf, end: Millis) -> Result<TopN> {
    let mut top = TopN::new(made_of.args())?;
    for table in top.tables() {
        table.rename(format!("{}{}", pane_name(end), table.name()));
    }
    Ok(top)
}

impl WindowTopN {
    pub fn new(args: ReduceArgs<'_>, window_end: usize, clock: Clock) -> Result<Self> {
        let by_window = ByWindow::new(args.input, window_end, clock);
        let input_schema = args.input.schema.clone();
        let made_of = MadeOf::of(&args);
        Ok(WindowTopN { made_of, input_schema, by_window, panes: BTreeMap::new() })
    }

    fn pane(&mut self, end: Millis) -> Result<&mut TopN> {
        if !self.panes.contains_key(&end) {
            self.panes.insert(end, build(&self.made_of, end)?);
        }
        self.panes.get_mut(&end).ok_or_else(|| Error::bug("the pane was just made"))
    }

    fn fire(&mut self, closed: Millis) -> Result<Vec<Delta>> {
        let mut fired = Vec::new();
        while let Some(entry) = self.panes.first_entry() {
            if *entry.key() > closed {
                break;
            }
            if let Some(rows) = entry.remove().all()? {
                fired.push(one_by_one(rows)?);
            }
        }
        Ok(fired)
    }
}

impl Operator for WindowTopN {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        let mut dealt: BTreeMap<Millis, Vec<Delta>> = BTreeMap::new();
        for rows in inputs[0].iter().filter(|d| !d.is_empty()) {
            out.counts.rows_in += rows.len() as u64;
            let found = self.by_window.deal(ctx, rows)?;
            found
                .panes
                .into_iter()
                .for_each(|(end, rows)| dealt.entry(end).or_default().push(rows));
            out.counts.late += found.late.as_ref().map_or(0, |late| late.len() as u64);
            out.late.extend(found.late);
        }
        for (end, rows) in dealt {
            if let Some(rows) = consolidate(&self.input_schema, &rows)? {
                self.pane(end)?.take_in(rows)?;
            }
        }
        out.rows = self.fire(self.by_window.closed(ctx))?;
        out.counts.rows_out = out.rows.iter().map(|d| d.len() as u64).sum();
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        self.panes.values_mut().flat_map(TopN::tables).collect()
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
        self.panes.values_mut().try_for_each(TopN::loaded)
    }
}

impl TopN {
    /// Adds rows whose effect is asked for later.
    fn take_in(&mut self, rows: Delta) -> Result<()> {
        let Some(rows) = self.found_again(rows)? else { return Ok(()) };
        let mut entered = self.contenders(rows)?;
        let touched = std::mem::take(&mut entered.keys);
        let gone = self.apply(entered, 0)?;
        gone.into_iter().for_each(|group| self.table.remove(group));
        if self.append_only {
            touched.iter().for_each(|key| self.prune(key));
        }
        Ok(())
    }

    /// The rows that are in, of all keys.
    fn all(&self) -> Result<Option<Delta>> {
        let groups: Vec<u32> = self.index.values().copied().collect();
        let columns = self.table.key_columns(&groups)?;
        let rows = crate::ops::map::batch(&self.input_schema, columns, groups.len())?;
        let keys = self.contenders(Delta::inserts(rows))?.keys;
        let mut all = Vec::new();
        keys.iter().for_each(|key| self.top(key, 0, &mut all));
        self.output(&all)
    }
}

//! Window join: the rows of both sides wait in a table per open window and are joined once, when
//! the window closes. Nothing that came out is taken back.

use std::collections::BTreeMap;

use arrow::datatypes::SchemaRef;

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::{JoinOnClose, JoinSpec, Node, Retain};

use super::join::Join;
use super::map::batch;
use super::panes::{ByWindow, pane_name, pane_of};
use super::rows::{consolidate, fields_at, one_by_one};
use super::{BadRows, Operator, StepCtx, StepOutput};
use crate::column::ValueType;
use crate::table::Table;

pub struct WindowJoin {
    spec: JoinSpec,
    /// As the join within a window sees it: what it gives may be taken back.
    node: Node,
    sides: [Side; 2],
    /// By window end, a table of rows for each side.
    panes: BTreeMap<Millis, [Table; 2]>,
    sets_bad_aside: bool,
}

struct Side {
    input: Node,
    dealt_by: Vec<usize>,
    by_window: ByWindow,
}

impl WindowJoin {
    /// `dealt_by`: columns of each side that decide the shard.
    pub fn new(
        spec: &JoinSpec,
        node: &Node,
        inputs: [&Node; 2],
        dealt_by: [Vec<usize>; 2],
        close: JoinOnClose,
    ) -> Self {
        let [left, right] = inputs;
        let [dealt_left, dealt_right] = dealt_by;
        let side = |input: &Node, dealt_by, end| Side {
            by_window: ByWindow::new(input, end, close.clock),
            input: input.clone(),
            dealt_by,
        };
        let [left_end, right_end] = close.window_ends;
        WindowJoin {
            spec: JoinSpec { retain: [Retain::Forever; 2], on_close: None, ..spec.clone() },
            node: Node { append_only: false, ..node.clone() },
            sides: [side(left, dealt_left, left_end), side(right, dealt_right, right_end)],
            panes: BTreeMap::new(),
            sets_bad_aside: false,
        }
    }

    /// Pairs that the filter fails on do not match and are set aside, instead of failing the
    /// pipeline.
    pub fn setting_bad_rows_aside(self, sets_bad_aside: bool) -> Self {
        WindowJoin { sets_bad_aside, ..self }
    }

    fn pane(&mut self, end: Millis) -> Result<&mut [Table; 2]> {
        if !self.panes.contains_key(&end) {
            let [left, right] = &self.sides;
            let pane = [left.table(end, "left")?, right.table(end, "right")?];
            self.panes.insert(end, pane);
        }
        self.panes.get_mut(&end).ok_or_else(|| Error::bug("the pane was just made"))
    }

    /// The joined rows of the windows that are complete.
    fn fire(&mut self, ctx: &StepCtx, out: &mut StepOutput) -> Result<()> {
        let closed = self.sides[0].by_window.closed(ctx);
        while let Some(entry) = self.panes.first_entry() {
            if *entry.key() > closed {
                break;
            }
            let pane = entry.remove();
            let [left, right] = &self.sides;
            let dealt_by = [left.dealt_by.clone(), right.dealt_by.clone()];
            let join = Join::new(&self.spec, &self.node, [&left.input, &right.input], dealt_by)?;
            let mut join = join.setting_bad_rows_aside(self.sets_bad_aside);
            let rows = [left.rows(&pane[0])?, right.rows(&pane[1])?];
            let joined = join.step(ctx, &rows.map(Vec::from_iter))?;
            if let Some(rows) = consolidate(&self.node.schema, &joined.rows)? {
                let rows = one_by_one(rows)?;
                out.counts.rows_out += rows.len() as u64;
                out.rows.push(rows);
            }
            out.counts.bad += joined.counts.bad;
            let bad: Vec<BadRows> = joined.bad;
            out.bad.extend(bad);
        }
        Ok(())
    }
}

impl Side {
    /// Rows and how often each is there.
    fn table(&self, end: Millis, name: &str) -> Result<Table> {
        let all: Vec<usize> = (0..self.input.schema.fields().len()).collect();
        let fields = fields_at(&self.input.schema, &all);
        let name = format!("{}{name}", pane_name(end));
        Table::new(name, fields, self.dealt_by.clone(), &[ValueType::I64])
    }

    fn rows(&self, table: &Table) -> Result<Option<Delta>> {
        let groups = table.groups();
        if groups.is_empty() {
            return Ok(None);
        }
        let schema: &SchemaRef = &self.input.schema;
        let rows = batch(schema, table.key_columns(&groups)?, groups.len())?;
        let counts = table.columns[0].i64();
        Ok(Some(Delta::new(rows, groups.iter().map(|g| *counts.get(*g)).collect())))
    }
}

fn add(table: &mut Table, rows: &Delta) -> Result<()> {
    let found = table.find_or_create(rows.rows.columns(), rows.len())?;
    for (row, group) in found.groups.iter().enumerate() {
        *table.columns[0].i64_mut().get_mut(*group) += rows.weight(row);
        table.touch(*group);
    }
    let gone = |group: &u32| *table.columns[0].i64().get(*group) == 0;
    let mut gone: Vec<u32> = found.groups.iter().copied().filter(gone).collect();
    gone.sort_unstable();
    gone.dedup();
    gone.into_iter().for_each(|group| table.remove(group));
    Ok(())
}

impl Operator for WindowJoin {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        for (side, deltas) in inputs.iter().enumerate() {
            for rows in deltas.iter().filter(|d| !d.is_empty()) {
                out.counts.rows_in += rows.len() as u64;
                let dealt = self.sides[side].by_window.deal(ctx, rows)?;
                for (end, rows) in &dealt.panes {
                    add(&mut self.pane(*end)?[side], rows)?;
                }
                out.counts.late += dealt.late.map_or(0, |late| late.len() as u64);
            }
        }
        self.fire(ctx, &mut out)?;
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        self.panes.values_mut().flatten().collect()
    }
    fn table(&mut self, name: &str) -> Result<Option<&mut Table>> {
        let Some(end) = pane_of(name) else { return Ok(None) };
        Ok(self.pane(end)?.iter_mut().find(|t| t.name() == name))
    }
    fn next_due(&self) -> Option<Millis> {
        self.sides[0].by_window.next_due(self.panes.keys().next().copied())
    }
}

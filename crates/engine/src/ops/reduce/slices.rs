//! Aggregation over windows that overlap: a row is added once, to the slice that holds its time,
//! and a window is made of its slices when it closes (J. Li et al., "No Pane, No Gain", SIGMOD
//! Record 2005). HOP and CUMULATE by event time, over rows that are only added.
//!
//! A row may come when some windows of its slice have closed and others have not. What such rows
//! add stands beside the slice, in a pane that says which windows are too old for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, TimestampMillisecondArray};
use arrow::datatypes::{DataType, Int64Type, SchemaRef, TimestampMillisecondType};

use brooklet_core::delta::{self, Delta};
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::node::{Clock, Emit, Node, ReduceKind, WindowColumn};

use self::grid::Grid;
use super::ReduceArgs;
use super::group::{GroupLayout, GroupSet};
use super::in_order::InOrder;
use crate::ops::map::{batch, millis};
use crate::ops::panes::{closed, in_groups};
use crate::ops::{Operator, StepCtx, StepOutput};
use crate::table::Table;

mod grid;

pub struct Slices {
    layout: GroupLayout,
    in_order: Option<InOrder>,
    input: Node,
    schema: SchemaRef,
    /// The column of the input that holds the slice's end.
    slice_end: usize,
    grid: Grid,
    /// The input's columns of the slice, which are the output's of the window.
    bounds: Vec<(usize, WindowColumn)>,
    keys: usize,
    panes: BTreeMap<Pane, GroupSet>,
}

/// Rows of one slice that belong to the same windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pane {
    /// Where the slice ends.
    slice: Millis,
    /// Windows that end here or before had closed when the rows came.
    after: Millis,
}

impl Slices {
    pub fn new(args: ReduceArgs<'_>) -> Result<Self> {
        let (ReduceKind::Slices { windows, bounds, calls }, Emit::OnClose { window_end, .. }) =
            (&args.spec.kind, args.spec.emit)
        else {
            return Err(Error::bug("Slices are made for an aggregate over slices"));
        };
        Ok(Slices {
            layout: GroupLayout::new(&args, calls, false),
            in_order: InOrder::of(args.input, calls)?,
            input: args.input.clone(),
            schema: args.node.schema.clone(),
            slice_end: window_end,
            grid: Grid::of(*windows)?,
            bounds: bounds.clone(),
            keys: args.spec.keys.len(),
            panes: BTreeMap::new(),
        })
    }

    fn pane(&mut self, pane: Pane) -> Result<&mut GroupSet> {
        if !self.panes.contains_key(&pane) {
            let set = GroupSet::new(&self.layout, &pane.name())?;
            self.panes.insert(pane, set);
        }
        self.panes.get_mut(&pane).ok_or_else(|| Error::bug("the pane was just made"))
    }

    fn arrived(&self, deltas: &[Delta]) -> Result<Option<Delta>> {
        let rows = delta::concat(&self.input.schema, deltas)?;
        match &self.in_order {
            Some(in_order) => rows.map(|rows| in_order.sorted(rows)).transpose(),
            None => Ok(rows),
        }
    }

    /// Where the rows belong.
    fn places(&self, ctx: &StepCtx, rows: &Delta) -> Result<Places> {
        let slices = millis(rows.column(self.slice_end))?;
        let slices = slices.as_primitive::<TimestampMillisecondType>().values();
        let limits = self.input.late.map(|c| rows.column(c).as_primitive::<Int64Type>().values());
        let fired = closed_before(ctx);
        let mut places = Places { panes: Vec::with_capacity(rows.len()), late: Vec::new() };
        for (row, slice) in slices.iter().copied().enumerate() {
            let closed = limits.map_or(fired, |limits| limits[row].saturating_add(1));
            let newest = self.grid.newest_window(slice, closed);
            let Some(newest) = newest else {
                places.panes.push(Some(Pane { slice, after: Millis::MIN }));
                continue;
            };
            places.late.extend(self.grid.windows(slice, newest).map(|end| (row as u32, end)));
            // Windows that are closed for all rows need not be told apart.
            let after = if newest > fired { newest } else { Millis::MIN };
            let open = newest < self.grid.last_window(slice);
            places.panes.push(open.then_some(Pane { slice, after }));
        }
        Ok(places)
    }

    /// The rows that are too late, once for each window that they miss.
    fn late(&self, rows: &Delta, late: &[(u32, Millis)]) -> Result<Delta> {
        let of_rows: Vec<u32> = late.iter().map(|(row, _)| *row).collect();
        let ends: Vec<Millis> = late.iter().map(|(_, end)| *end).collect();
        let missed = rows.take(&of_rows)?;
        let mut columns = missed.rows.columns().to_vec();
        for (column, bound) in &self.bounds {
            columns[*column] = self.bound(*bound, &ends, columns[*column].data_type());
        }
        Ok(missed.with_rows(batch(&self.input.schema, columns, late.len())?))
    }

    /// A column of the windows that end here.
    fn bound(&self, bound: WindowColumn, ends: &[Millis], ty: &DataType) -> ArrayRef {
        let of = |end: &Millis| match bound {
            WindowColumn::Start => self.grid.start(*end),
            WindowColumn::End => *end,
            WindowColumn::Time => *end - 1,
        };
        let column = TimestampMillisecondArray::from_iter_values(ends.iter().map(of));
        Arc::new(column.with_data_type(ty.clone()))
    }

    fn add(&mut self, rows: &Delta, pane: Pane) -> Result<()> {
        let set = self.pane(pane)?;
        let found = set.find_or_create(rows)?;
        set.update(rows, &found.groups)
    }

    /// The results of the windows that close now; slices without a window to come are dropped.
    fn fire(&mut self, before: Millis, closed: Millis) -> Result<Vec<Delta>> {
        let mut ends = BTreeSet::new();
        for pane in self.panes.keys() {
            let last = self.grid.last_window(pane.slice).min(closed);
            let first = self.grid.first_window(pane.slice, before.max(pane.after));
            ends.extend(self.grid.windows(first, last));
        }
        let fired = ends.into_iter().map(|end| self.window(end)).collect::<Result<Vec<_>>>()?;
        self.panes.retain(|pane, _| self.grid.last_window(pane.slice) > closed);
        Ok(fired.into_iter().filter(|rows| !rows.is_empty()).collect())
    }

    fn window(&self, end: Millis) -> Result<Delta> {
        let first = Pane { slice: self.grid.start(end) + 1, after: Millis::MIN };
        let last = Pane { slice: end, after: end - 1 };
        let panes = self.panes.range(first..=last).filter(|(pane, _)| pane.after < end);
        let mut panes: Vec<&GroupSet> = panes.map(|(_, set)| set).collect();
        if let [only] = panes[..] {
            return self.results(only, end);
        }
        // Sums of floating point numbers are added up in Flink's order.
        if self.grid.merges_latest_first() {
            panes.reverse();
        }
        let mut window = GroupSet::new(&self.layout, "")?;
        panes.into_iter().try_for_each(|pane| window.absorb(pane))?;
        self.results(&window, end)
    }

    /// Keys, the window's columns, results, ord columns.
    fn results(&self, set: &GroupSet, end: Millis) -> Result<Delta> {
        let groups = set.table.groups();
        let ends = vec![end; groups.len()];
        let mut columns = set.rows(&groups)?;
        for (at, (_, bound)) in (self.keys..).zip(&self.bounds) {
            columns.insert(at, self.bound(*bound, &ends, self.schema.field(at).data_type()));
        }
        Ok(Delta::inserts(batch(&self.schema, columns, groups.len())?))
    }
}

/// The rows of a batch.
struct Places {
    /// Of each row; None: all its windows have closed.
    panes: Vec<Option<Pane>>,
    /// Rows and the ends of windows that they are too late for.
    late: Vec<(u32, Millis)>,
}

/// Windows that end here or before had closed before this epoch.
fn closed_before(ctx: &StepCtx) -> Millis {
    ctx.late_before.saturating_add(1)
}

impl Pane {
    /// `s<slice>.` or `s<slice>a<after>.`: the tables of a pane start with it.
    fn name(self) -> String {
        match self.after {
            Millis::MIN => format!("s{}.", self.slice),
            after => format!("s{}a{after}.", self.slice),
        }
    }

    fn of(table: &str) -> Option<Pane> {
        let pane = table.strip_prefix('s')?.split_once('.')?.0;
        let (slice, after) = match pane.split_once('a') {
            Some((slice, after)) => (slice, after.parse().ok()?),
            None => (pane, Millis::MIN),
        };
        Some(Pane { slice: slice.parse().ok()?, after })
    }
}

impl Operator for Slices {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        if let Some(rows) = self.arrived(&inputs[0])? {
            out.counts.rows_in = rows.len() as u64;
            let places = self.places(ctx, &rows)?;
            for (pane, indices) in in_groups(&places.panes) {
                let Some(pane) = pane else { continue };
                let all = indices.len() == rows.len();
                self.add(&if all { rows.clone() } else { rows.take(&indices)? }, pane)?;
            }
            if !places.late.is_empty() {
                out.counts.late = places.late.len() as u64;
                out.late.push(self.late(&rows, &places.late)?);
            }
        }
        out.rows = self.fire(closed_before(ctx), closed(Clock::Watermark, ctx))?;
        out.counts.rows_out = out.rows.iter().map(|d| d.len() as u64).sum();
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        self.panes.values_mut().flat_map(GroupSet::tables).collect()
    }
    fn table(&mut self, name: &str) -> Result<Option<&mut Table>> {
        let Some(pane) = Pane::of(name) else { return Ok(None) };
        let pane = self.pane(pane)?;
        Ok(pane.tables().into_iter().find(|t| t.name() == name))
    }
    fn loaded(&mut self) -> Result<()> {
        self.panes.values_mut().for_each(GroupSet::loaded);
        Ok(())
    }
}

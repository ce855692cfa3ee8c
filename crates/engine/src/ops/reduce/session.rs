//! Session windows: per key, rows that follow each other within a gap belong together.
//!
//! A row opens a window `[t, t + gap)` that becomes one with every open window it touches; it is
//! late when the result has ended before the row came. Each window is a group of a table, under
//! its key and its start; where windows become one, so do their groups. Without aggregates the
//! rows themselves wait in a multiset.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, TimestampMillisecondArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef, TimestampMillisecondType};
use arrow::row::{RowConverter, SortField};

use brooklet_core::delta::{self, Delta};
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::node::{Clock, Emit, Node, ReduceKind, ReduceSpec};

use self::open::{Open, Places};
use super::ReduceArgs;
use super::group::{GroupLayout, GroupSet};
use super::in_order::InOrder;
use super::multiset::Multiset;
use crate::ops::map::{append, batch, millis};
use crate::ops::panes::closed;
use crate::ops::rows::{any_null, by_arrival, columns_at, fields_at, one_by_one};
use crate::ops::{Operator, StepCtx, StepOutput};
use crate::table::Table;

mod open;

/// The column that rows get: the start of their window.
const START: &str = "__session";
/// Bytes of an encoded start behind an encoded key.
const START_BYTES: usize = 9;

pub struct Session {
    keys: Vec<usize>,
    time: usize,
    input: Node,
    clock: Clock,
    schema: SchemaRef,
    /// How many of the last columns of results say when rows came.
    ords: usize,
    /// None without keys.
    codec: Option<RowConverter>,
    in_order: Option<InOrder>,
    open: Open,
    /// By key ++ start; the end stands where other groups note when they were touched.
    windows: GroupSet,
    /// The rows of each window, if they come out themselves.
    rows: Option<Multiset>,
    /// Windows by their end; those that have grown since are there again.
    due: BTreeMap<Millis, Vec<u32>>,
}

impl Session {
    pub fn new(args: ReduceArgs<'_>) -> Result<Self> {
        let (ReduceKind::Session { gap_ms, calls }, Emit::OnClose { window_end, clock }) =
            (&args.spec.kind, args.spec.emit)
        else {
            return Err(Error::bug("a Session is made for a session spec"));
        };
        let (input, keys) = (args.input.clone(), args.spec.keys.clone());
        let mut fields = input.schema.fields().to_vec();
        let start = fields.len();
        fields.push(Arc::new(Field::new(START, DataType::Int64, true)));
        let with_start = Node { schema: Arc::new(Schema::new(fields)), ..input.clone() };
        let by_start: Vec<usize> = keys.iter().copied().chain([start]).collect();
        let spec = ReduceSpec { keys: by_start.clone(), ..args.spec.clone() };
        let mut node = args.node.clone();
        if calls.is_none() {
            node.ord.clear();
        }
        let dealt_by = args.dealt_by.clone();
        let of = ReduceArgs { spec: &spec, node: &node, input: &with_start, dealt_by };
        let layout = GroupLayout::new(&of, calls.as_deref().unwrap_or_default(), true);
        let rows = match calls {
            Some(_) => None,
            None => {
                let all: Vec<usize> = (0..start).collect();
                let keys = fields_at(&with_start.schema, &by_start);
                let place = |d: &usize| by_start.iter().position(|k| k == d);
                let dealt = args.dealt_by.iter().filter_map(place).collect();
                let values = fields_at(&with_start.schema, &all);
                Some(Multiset::new("rows".into(), &keys, &values, dealt, true)?)
            }
        };
        let sort = |k: &usize| SortField::new(input.schema.field(*k).data_type().clone());
        let codec = match keys.len() {
            0 => None,
            _ => Some(RowConverter::new(keys.iter().map(sort).collect())?),
        };
        Ok(Session {
            keys,
            time: window_end,
            clock,
            schema: args.node.schema.clone(),
            ords: args.node.ord.len(),
            codec,
            in_order: InOrder::of(&input, calls.as_deref().unwrap_or_default())?,
            open: Open::new(*gap_ms),
            windows: GroupSet::new(&layout, "")?,
            rows,
            due: BTreeMap::new(),
            input,
        })
    }

    /// The rows in the order in which they came, those without a time left out.
    fn arrived(&self, deltas: &[Delta]) -> Result<Option<Delta>> {
        let Some(rows) = delta::concat(&self.input.schema, deltas)? else { return Ok(None) };
        let nulls = any_null(&columns_at(&rows, &[self.time]), rows.len());
        let rows = match nulls.contains(&true) {
            true => {
                let known: Vec<u32> =
                    (0..rows.len() as u32).filter(|row| !nulls[*row as usize]).collect();
                rows.take(&known)?
            }
            false => rows,
        };
        match &self.in_order {
            Some(in_order) => in_order.sorted(rows),
            None => by_arrival(rows, &self.input.ord),
        }
        .map(Some)
    }

    /// Finds the window of each row, and which windows became one by that.
    fn place(&mut self, ctx: &StepCtx, rows: &Delta) -> Result<Places> {
        let times = millis(rows.column(self.time))?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        let limits = self.input.late.map(|c| rows.column(c).as_primitive::<Int64Type>());
        let keys = match &self.codec {
            Some(codec) => Some(codec.convert_columns(&columns_at(rows, &self.keys))?),
            None => None,
        };
        self.open.next_round();
        for row in 0..rows.len() {
            let late_before = match (self.clock, limits) {
                (Clock::Now, _) => ctx.now - 1,
                (clock, Some(limits)) => clock.reached(limits.value(row)),
                (clock, None) => clock.reached(ctx.late_before),
            };
            let key: &[u8] = keys.as_ref().map_or(&[], |keys| keys.row(row).data());
            self.open.add(key, row as u32, times.value(row), late_before);
        }
        Ok(self.open.places())
    }

    /// Makes the groups of windows that became one into one, and adds the rows.
    fn add(&mut self, rows: &Delta, places: &Places) -> Result<()> {
        let starts: ArrayRef = Arc::new(Int64Array::from(places.starts.clone()));
        let rows = rows.take(&places.on_time)?;
        let rows = rows.with_rows(append(&rows.rows, vec![(START, starts)])?);
        let found = self.windows.find_or_create(&rows)?;
        self.merge(&rows, places)?;
        self.windows.update(&rows, &found.groups)?;
        if let Some(kept) = &mut self.rows {
            let start = rows.rows.num_columns() - 1;
            let columns: Vec<usize> =
                self.keys.iter().copied().chain([start]).chain(0..start).collect();
            let weights: Vec<i64> = (0..rows.len()).map(|row| rows.weight(row)).collect();
            kept.add(&columns_at(&rows, &columns), &weights)?;
        }
        for (group, end) in found.groups.iter().zip(&places.ends) {
            if self.windows.last_touched(*group) != *end {
                self.windows.set_touched(*group, *end);
                self.due.entry(*end).or_default().push(*group);
            }
        }
        Ok(())
    }

    fn merge(&mut self, rows: &Delta, places: &Places) -> Result<()> {
        if places.merges.is_empty() {
            return Ok(());
        }
        let of: Vec<u32> = places.merges.iter().map(|m| m.row).collect();
        let of = UInt32Array::from(of);
        let keys = columns_at(rows, &self.keys).into_iter();
        let keys: Vec<ArrayRef> =
            keys.map(|c| Ok(compute::take(&c, &of, None)?)).collect::<Result<_>>()?;
        let groups = |starts: Vec<Millis>| {
            let count = starts.len();
            let starts: ArrayRef = Arc::new(Int64Array::from(starts));
            let keys: Vec<ArrayRef> = keys.iter().cloned().chain([starts]).collect();
            self.windows.table.find(&keys, count)
        };
        let from = groups(places.merges.iter().map(|m| m.from).collect())?;
        let into = groups(places.merges.iter().map(|m| m.into).collect())?;
        let mut cells = Vec::new();
        for (from, into) in from.into_iter().zip(into) {
            let (Some(from), Some(into)) = (from, into) else {
                return Err(Error::bug("a session window without its group"));
            };
            self.windows.cells(from, &mut cells);
            self.windows.merge(into, &cells)?;
            if let Some(rows) = &mut self.rows {
                let table = &self.windows.table;
                rows.absorb(table.key(from), table.key(into));
            }
            self.windows.remove(from);
        }
        Ok(())
    }

    /// The windows that are complete, once each.
    fn complete(&mut self, closed: Millis) -> Vec<u32> {
        let mut groups = BTreeSet::new();
        while let Some(entry) = self.due.first_entry() {
            let end = *entry.key();
            if end > closed {
                break;
            }
            for group in entry.remove() {
                if self.windows.table.is_alive(group) && self.windows.last_touched(group) == end {
                    groups.insert(group);
                }
            }
        }
        groups.into_iter().collect()
    }

    fn fire(&mut self, closed: Millis) -> Result<Vec<Delta>> {
        let groups = self.complete(closed);
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let filled: Vec<u32> =
            groups.iter().copied().filter(|g| self.windows.is_filled(*g)).collect();
        let out = match &self.rows {
            Some(_) => self.window_rows(&filled)?,
            None => self.results(&filled)?,
        };
        let starts = self.starts(&groups)?;
        for (group, start) in groups.into_iter().zip(starts.values()) {
            let key = self.windows.table.key(group).to_vec();
            self.open.remove(&key[..key.len() - START_BYTES], *start);
            if let Some(rows) = &mut self.rows {
                rows.forget(&key);
            }
            self.windows.remove(group);
        }
        Ok(out.filter(|rows| !rows.is_empty()).into_iter().collect())
    }

    /// Keys, results, bounds, ord columns.
    fn results(&self, groups: &[u32]) -> Result<Option<Delta>> {
        let mut columns = self.windows.rows(groups)?;
        let starts = columns.remove(self.keys.len());
        let ends = groups.iter().map(|g| self.windows.last_touched(*g)).collect();
        let ord = columns.split_off(columns.len() - self.ords);
        columns.extend(bounds(starts.as_primitive::<Int64Type>().values().to_vec(), ends));
        columns.extend(ord);
        let rows = batch(&self.schema, columns, groups.len())?;
        Ok(Some(Delta::inserts(rows)))
    }

    fn starts(&self, groups: &[u32]) -> Result<Int64Array> {
        let keys = self.windows.table.key_columns(groups)?;
        Ok(keys[self.keys.len()].as_primitive::<Int64Type>().clone())
    }

    /// The input's columns, bounds, ord columns.
    fn window_rows(&self, groups: &[u32]) -> Result<Option<Delta>> {
        let Some(kept) = &self.rows else { return Ok(None) };
        let starts = self.starts(groups)?;
        let (mut keys, mut weights) = (Vec::new(), Vec::new());
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (group, start) in groups.iter().zip(starts.values()) {
            for (key, count) in kept.entries(self.windows.table.key(*group)) {
                keys.push(Some(key));
                weights.push(count);
                from.push(*start);
                to.push(self.windows.last_touched(*group));
            }
        }
        let all = kept.values(&keys)?;
        let hidden = self.input.ord.len() + usize::from(self.input.late.is_some());
        let visible = all.len() - hidden;
        let mut columns = all[..visible].to_vec();
        columns.extend(bounds(from, to));
        let ord = self.schema.fields().len() - columns.len();
        columns.extend(self.input.ord.iter().take(ord).map(|c| all[*c].clone()));
        let rows = batch(&self.schema, columns, weights.len())?;
        one_by_one(Delta::new(rows, weights)).map(Some)
    }
}

/// `window_start`, `window_end`, `window_time`.
fn bounds(starts: Vec<Millis>, ends: Vec<Millis>) -> [ArrayRef; 3] {
    let last = ends.iter().map(|end| end - 1).collect();
    [starts, ends, last].map(|v: Vec<Millis>| Arc::new(TimestampMillisecondArray::from(v)) as _)
}

impl Operator for Session {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let mut out = StepOutput::default();
        if let Some(rows) = self.arrived(&inputs[0])? {
            out.counts.rows_in = rows.len() as u64;
            let places = self.place(ctx, &rows)?;
            if !places.on_time.is_empty() {
                self.add(&rows, &places)?;
            }
            if !places.late.is_empty() {
                out.counts.late = places.late.len() as u64;
                out.late.push(rows.take(&places.late)?);
            }
        }
        out.rows = self.fire(closed(self.clock, ctx))?;
        out.counts.rows_out = out.rows.iter().map(|d| d.len() as u64).sum();
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        let rows = self.rows.as_mut().map(|rows| &mut rows.table);
        self.windows.tables().into_iter().chain(rows).collect()
    }
    fn next_due(&self) -> Option<Millis> {
        self.due.keys().next().copied().filter(|_| self.clock == Clock::Now)
    }
    fn loaded(&mut self) -> Result<()> {
        self.windows.loaded();
        self.rows.iter_mut().for_each(Multiset::loaded);
        self.open.clear();
        self.due.clear();
        let groups = self.windows.table.groups();
        let starts = self.starts(&groups)?;
        for (group, start) in groups.iter().zip(starts.values()) {
            let key = self.windows.table.key(*group);
            let end = self.windows.last_touched(*group);
            self.open.restore(&key[..key.len() - START_BYTES], *start, end);
            self.due.entry(end).or_default().push(*group);
        }
        Ok(())
    }
}

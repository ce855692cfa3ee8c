//! OVER in the order of time: each row comes out once.
//!
//! Rows wait in a table until the watermark passes them (not at all in the order of arrival). A
//! frame that starts at the beginning keeps accumulators and no rows; of others the rows stay that
//! a later row can look back to, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Field, Int64Type, SchemaRef, TimestampMillisecondType};

use brooklet_core::delta::{self, Delta};
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::over::{FrameUnit, OverFunc, OverOrder, OverSpec};

use super::super::ReduceArgs;
use super::super::group::GroupSet;
use super::compute::Calls;
use super::frame::{Order, Part, Places};
use super::{late, spec};
use crate::column::ValueType;
use crate::ops::bisect::all_but;
use crate::ops::map::{batch, millis};
use crate::ops::rows::{by_arrival, columns_at, fields_at, one_by_one};
use crate::ops::ttl::Ttl;
use crate::ops::{Operator, StepCtx, StepOutput};
use crate::table::Table;

/// Of a row: how often it is there, whether it came out, the watermark when it came, the life of
/// its key then.
const COUNT: usize = 0;
const GIVEN: usize = 1;
const SEEN: usize = 2;
const LIFE: usize = 3;
/// Of a key: see [`late::Calls`]; then the number of its next row, when it was last touched, and
/// calls to come.
const LAST: usize = 0;
const FORGOTTEN_AT: usize = 1;
const LIVES: usize = 2;
const NEXT: usize = 3;
const TOUCHED: usize = 4;
const DUE: usize = 5;

pub struct TimedOver {
    keys: Vec<usize>,
    ord: Vec<usize>,
    late: Option<usize>,
    /// None: the order of arrival.
    time: Option<usize>,
    keep: Keep,
    input_schema: SchemaRef,
    schema: SchemaRef,
    /// Columns of the output before the results.
    visible: usize,
    calls: Calls,
    /// Of frames that start at the beginning.
    sets: Vec<GroupSet>,
    /// Keyed by key, time, arrival, then all other columns.
    rows: Table,
    /// Where the input's columns stand in the table's key.
    places: Vec<usize>,
    by_key: Table,
    ttl: Ttl,
    /// Derived: the encoded rows in order; those that wait, by time; keys to be forgotten.
    index: BTreeMap<Box<[u8]>, u32>,
    waiting: BTreeSet<(Millis, u32)>,
    forgets: BTreeSet<(Millis, u32)>,
}

/// What later rows can look back to.
#[derive(Debug, Clone, Copy, Default)]
struct Keep {
    /// Frames start at the beginning.
    all: bool,
    /// Rows before the newest.
    rows: usize,
    /// Milliseconds before the newest.
    range: Option<Millis>,
}

impl Keep {
    fn of(spec: &OverSpec) -> Keep {
        let mut keep = Keep { all: true, ..Keep::default() };
        for call in &spec.calls {
            match (&call.func, call.frame.start.exact()) {
                (OverFunc::Shifted { back, .. }, _) => keep.rows = keep.rows.max(*back as usize),
                (_, None) => {}
                (_, Some(start)) => {
                    keep.all = false;
                    match call.frame.unit {
                        FrameUnit::Rows => keep.rows = keep.rows.max(-start as usize),
                        FrameUnit::Range => keep.range = keep.range.max(Some(-start)),
                    }
                }
            }
        }
        keep
    }
    fn nothing(&self) -> bool {
        self.rows == 0 && self.range.is_none()
    }
}

impl TimedOver {
    pub fn new(args: ReduceArgs<'_>) -> Result<Self> {
        let spec = spec(&args)?;
        if !args.input.append_only {
            let message = "OVER ordered by time reads rows that are only added: order by a column";
            return Err(Error::config(message).at(args.node.label.clone()));
        }
        let time = match spec.order {
            OverOrder::Rowtime(time) => Some(time),
            _ => None,
        };
        let schema = args.input.schema.clone();
        let (keys, ord) = (args.spec.keys.clone(), args.input.ord.clone());
        let front: Vec<usize> = keys.iter().chain(&ord).copied().collect();
        let rest: Vec<usize> = (0..schema.fields().len()).filter(|c| !front.contains(c)).collect();
        let mut fields = fields_at(&schema, &keys);
        fields.push(Arc::new(Field::new("__time", DataType::Int64, false)));
        fields.extend(fields_at(&schema, &ord));
        fields.extend(fields_at(&schema, &rest));
        let mut places = vec![0; schema.fields().len()];
        keys.iter().enumerate().for_each(|(at, c)| places[*c] = at);
        let behind = ord.iter().chain(&rest).enumerate();
        behind.for_each(|(at, c)| places[*c] = keys.len() + 1 + at);
        let find = |d: &usize| keys.iter().position(|k| k == d);
        let dealt: Vec<usize> = args.dealt_by.iter().filter_map(find).collect();
        let one = ValueType::I64;
        let of_key = [one, one, one, one, one, ValueType::Bytes];
        let calls = Calls::new(&args, spec)?;
        let hidden = args.node.ord.len() + usize::from(args.node.late.is_some());
        Ok(TimedOver {
            late: args.input.late,
            time,
            keep: Keep::of(spec),
            visible: args.node.schema.fields().len() - hidden - spec.calls.len(),
            schema: args.node.schema.clone(),
            sets: calls.sets()?,
            calls,
            rows: Table::new("rows", fields, dealt.clone(), &[one, one, one, one])?,
            places,
            by_key: Table::new("keys", fields_at(&schema, &keys), dealt, &of_key)?,
            ttl: Ttl::new(args.spec.ttl_ms),
            input_schema: schema,
            keys,
            ord,
            index: BTreeMap::new(),
            waiting: BTreeSet::new(),
            forgets: BTreeSet::new(),
        })
    }

    fn of_key(&self, column: usize, key: u32) -> i64 {
        *self.by_key.columns[column].i64().get(key)
    }
    fn set_of_key(&mut self, column: usize, key: u32, value: i64) {
        *self.by_key.columns[column].i64_mut().get_mut(key) = value;
        self.by_key.touch(key);
    }
    fn of_row(&self, column: usize, row: u32) -> i64 {
        *self.rows.columns[column].i64().get(row)
    }

    /// A key's rows, in order.
    fn rows_of(&self, key: u32) -> Vec<u32> {
        let prefix = self.by_key.key(key);
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let all = self.index.range::<[u8], _>(from);
        all.take_while(|(entry, _)| entry.starts_with(prefix)).map(|(_, row)| *row).collect()
    }

    fn remove_row(&mut self, row: u32) {
        self.index.remove(self.rows.key(row));
        self.rows.remove(row);
    }

    /// The milliseconds of each row's place in time.
    fn times(&self, ctx: &StepCtx, rows: &Delta) -> Result<Int64Array> {
        let Some(time) = self.time else { return Ok(Int64Array::from(vec![ctx.now; rows.len()])) };
        let times = millis(rows.column(time))?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        if times.null_count() > 0 {
            let name = self.input_schema.field(time).name();
            let message = format!("OVER: the event time '{name}' of a row is NULL");
            return Err(Error::data(message));
        }
        Ok(Int64Array::new(times.values().clone(), None))
    }

    /// Takes the rows that are not too late in; returns whether each was, and the keys' calls.
    fn admit(
        &mut self,
        ctx: &StepCtx,
        rows: &Delta,
        times: &Int64Array,
        touched: &mut BTreeMap<u32, late::Calls>,
    ) -> Result<Vec<u32>> {
        let keys = self.by_key.find_or_create(&columns_at(rows, &self.keys), rows.len())?.groups;
        let limits = self.late.map(|c| rows.column(c).as_primitive::<Int64Type>().clone());
        let (mut taken, mut lives) = (Vec::with_capacity(rows.len()), Vec::new());
        for (row, key) in keys.iter().copied().enumerate() {
            let limit = limits.as_ref().map_or(ctx.late_before, |c| c.value(row));
            let on_time = match (self.time, self.keep.all) {
                (None, _) => true,
                (_, true) => times.value(row) > limit,
                (_, false) => {
                    let calls = touched.entry(key).or_insert_with(|| self.calls_of(key));
                    calls.take(times.value(row), limit, self.keep.range)
                }
            };
            if on_time {
                taken.push(row as u32);
                // The next row may end this life of the key.
                lives.push(touched.get(&key).map_or(self.of_key(LIVES, key), |calls| calls.life));
                self.revive(key, ctx.now)?;
            }
        }
        if !taken.is_empty() {
            self.hold(ctx, rows, times, (&taken, &lives))?;
        }
        Ok(taken)
    }

    /// Keeps rows until they are due.
    fn hold(
        &mut self,
        ctx: &StepCtx,
        rows: &Delta,
        times: &Int64Array,
        (taken, lives): (&[u32], &[i64]),
    ) -> Result<()> {
        let limits = self.late.map(|c| rows.column(c).as_primitive::<Int64Type>().clone());
        let added = rows.take(taken)?;
        let mut columns = columns_at(&added, &self.keys);
        let at: Vec<i64> = taken.iter().map(|row| times.value(*row as usize)).collect();
        columns.push(Arc::new(Int64Array::from(at.clone())));
        let rest = |c: &usize| !self.keys.contains(c) && !self.ord.contains(c);
        let rest: Vec<usize> = (0..self.places.len()).filter(rest).collect();
        columns.extend(self.ord.iter().chain(&rest).map(|c| added.column(*c).clone()));
        let found = self.rows.find_or_create(&columns, added.len())?;
        for (((group, row), life), at) in found.groups.iter().zip(taken).zip(lives).zip(at) {
            let limit = limits.as_ref().map_or(ctx.late_before, |c| c.value(*row as usize));
            let columns = &mut self.rows.columns;
            *columns[COUNT].i64_mut().get_mut(*group) += 1;
            *columns[GIVEN].i64_mut().get_mut(*group) = 0;
            *columns[SEEN].i64_mut().get_mut(*group) = limit;
            *columns[LIFE].i64_mut().get_mut(*group) = *life;
            self.rows.touch(*group);
            self.index.insert(self.rows.key(*group).into(), *group);
            self.waiting.insert((at, *group));
        }
        Ok(())
    }

    /// Touches a key; one that has expired starts anew.
    fn revive(&mut self, key: u32, now: Millis) -> Result<()> {
        let touched = self.of_key(TOUCHED, key);
        if self.ttl.is_set() && touched != 0 && self.ttl.has_passed(touched, now) {
            self.forget(key)?;
            self.set_of_key(NEXT, key, 0);
        }
        self.set_of_key(TOUCHED, key, now);
        Ok(())
    }

    /// Without what came out of a key before.
    fn forget(&mut self, key: u32) -> Result<()> {
        for row in self.rows_of(key) {
            if self.of_row(GIVEN, row) == 1 {
                self.remove_row(row);
            }
        }
        let encoded = self.by_key.key(key).to_vec();
        for set in &mut self.sets {
            if let Some(group) = set.table.find_encoded(&encoded) {
                set.remove(group);
            }
        }
        Ok(())
    }

    fn sweep(&mut self, now: Millis) -> Result<()> {
        if !self.ttl.sweep_is_due(now) {
            return Ok(());
        }
        for key in self.by_key.groups() {
            if self.ttl.has_passed(self.of_key(TOUCHED, key), now) {
                self.forget(key)?;
                if self.rows_of(key).is_empty() {
                    self.forgets.remove(&(self.of_key(FORGOTTEN_AT, key), key));
                    self.by_key.remove(key);
                }
            }
        }
        Ok(())
    }

    /// The calls of a key as they stand in the tables.
    fn calls_of(&self, key: u32) -> late::Calls {
        let mut calls = late::Calls {
            last: self.of_key(LAST, key),
            forgotten_at: self.of_key(FORGOTTEN_AT, key),
            life: self.of_key(LIVES, key),
            due: BTreeMap::new(),
        };
        for row in self.rows_of(key).into_iter().filter(|row| self.of_row(GIVEN, *row) == 0) {
            let time = self.time_of(row);
            calls.due.entry(time).or_insert(self.of_row(SEEN, row));
        }
        if let Some(bytes) = self.by_key.columns[DUE].blobs().get(key).as_deref() {
            calls.add_bytes(bytes);
        }
        calls
    }

    /// A waiting row's time.
    fn time_of(&self, row: u32) -> Millis {
        let of = self.rows.key_columns(&[row]);
        of.map_or(0, |c| c[self.keys.len()].as_primitive::<Int64Type>().value(0))
    }

    fn store(&mut self, key: u32, calls: &late::Calls) {
        let old = (self.of_key(FORGOTTEN_AT, key), key);
        self.forgets.remove(&old);
        let of_rows: BTreeSet<Millis> = self
            .rows_of(key)
            .into_iter()
            .filter(|row| self.of_row(GIVEN, *row) == 0)
            .map(|row| self.time_of(row))
            .collect();
        let bytes = calls.to_bytes(&|time| of_rows.contains(&time));
        self.by_key.set_blob(DUE, key, Some(&bytes).filter(|b| !b.is_empty()).map(|b| &b[..]));
        self.set_of_key(LAST, key, calls.last);
        self.set_of_key(FORGOTTEN_AT, key, calls.forgotten_at);
        self.set_of_key(LIVES, key, calls.life);
        if calls.forgotten_at != 0 {
            self.forgets.insert((calls.forgotten_at, key));
        }
    }

    /// The rows that come out now, in the order of their keys and times.
    fn due(&mut self, ctx: &StepCtx) -> Vec<u32> {
        let limit = if self.time.is_some() { ctx.watermark } else { Millis::MAX };
        let reached = self.waiting.range(..=(limit, u32::MAX));
        let asked = |row: u32| self.time.is_none() || self.of_row(SEEN, row) < limit;
        let due: Vec<(Millis, u32)> = reached.copied().filter(|(_, row)| asked(*row)).collect();
        due.iter().for_each(|entry| {
            self.waiting.remove(entry);
        });
        let mut due: Vec<u32> = due.into_iter().map(|(_, row)| row).collect();
        due.sort_by(|a, b| self.rows.key(*a).cmp(self.rows.key(*b)));
        due
    }

    /// The due rows of each key and life behind those that they can look back to. A key's lives
    /// come one after the other: one list each, since their accumulators are the key's.
    fn parts(&self, due: &[u32]) -> Result<Vec<Vec<Due>>> {
        if due.is_empty() {
            return Ok(Vec::new());
        }
        let columns = self.rows.key_columns(due)?;
        let keys = self.by_key.find(&columns[..self.keys.len()], due.len())?;
        let mut parts: Vec<Vec<Due>> = Vec::new();
        let mut at = 0;
        while at < due.len() {
            let Some(key) = keys[at] else {
                return Err(Error::bug("a row whose key is not there"));
            };
            let end = at + keys[at..].iter().take_while(|k| **k == Some(key)).count();
            let mut lives: Vec<i64> = due[at..end].iter().map(|r| self.of_row(LIFE, *r)).collect();
            lives.sort_unstable();
            lives.dedup();
            for (nth, life) in lives.into_iter().enumerate() {
                let of_life = |row: &u32| self.of_row(LIFE, *row) == life;
                let before = match self.keep.nothing() {
                    true => vec![],
                    false => self.rows_of(key),
                };
                let given = |row: &u32| self.of_row(GIVEN, *row) == 1 && of_life(row);
                if parts.len() == nth {
                    parts.push(Vec::new());
                }
                parts[nth].push(Due {
                    key,
                    before: before.into_iter().filter(given).collect(),
                    rows: due[at..end].iter().copied().filter(of_life).collect(),
                });
            }
            at = end;
        }
        Ok(parts)
    }

    /// Computes what is due.
    fn give(&mut self, ctx: &StepCtx, parts: &[Due], out: &mut StepOutput) -> Result<()> {
        let (mut all, mut places, mut first) = (Vec::new(), Vec::new(), Vec::new());
        let mut wanted: Vec<u32> = Vec::new();
        for part in parts {
            let start = all.len();
            let many = |row: &u32| std::iter::repeat_n(*row, self.of_row(COUNT, *row) as usize);
            all.extend(part.before.iter().flat_map(many));
            let from = all.len();
            all.extend(part.rows.iter().flat_map(many));
            wanted.extend(from as u32..all.len() as u32);
            first.push(self.of_key(NEXT, part.key) - (from - start) as i64);
            places.push(Part { rows: start..all.len(), from });
        }
        let columns = self.rows.key_columns(&all)?;
        let at = columns[self.keys.len()].clone();
        let input: Vec<ArrayRef> = self.places.iter().map(|p| columns[*p].clone()).collect();
        let input = batch(&self.input_schema, input, all.len())?;
        let order =
            Order { peers: peers(&at, &places), places: Places::of(&at)?, descending: false };
        let results = match self.keep.all {
            true => {
                // Rows that are only looked back to are in the accumulators already.
                self.calls.run(&mut self.sets, &input, (&places, &first), &order)?
            }
            false => self.calls.run(&mut self.calls.sets()?, &input, (&places, &first), &order)?,
        };
        let given = Delta::inserts(input).take(&wanted)?;
        out.rows.push(with_results(&self.schema, &given, self.visible, results)?);
        out.counts.rows_out += wanted.len() as u64;
        for (part, place) in parts.iter().zip(&places) {
            let next = self.of_key(NEXT, part.key) + (place.rows.end - place.from) as i64;
            self.set_of_key(NEXT, part.key, next);
            self.set_of_key(TOUCHED, part.key, ctx.now);
            self.prune(part, &at.as_primitive::<Int64Type>().values()[place.rows.clone()]);
        }
        Ok(())
    }

    /// Marks rows as given and removes those that no later row looks back to.
    fn prune(&mut self, part: &Due, times: &[Millis]) {
        for row in &part.rows {
            *self.rows.columns[GIVEN].i64_mut().get_mut(*row) = 1;
            self.rows.touch(*row);
        }
        let newest = times.last().copied().unwrap_or_default();
        let mut at = times.len();
        for row in part.rows.iter().rev().chain(part.before.iter().rev()) {
            at -= self.of_row(COUNT, *row) as usize;
            let behind = times.len() - at - self.of_row(COUNT, *row) as usize;
            let near = self.keep.range.is_some_and(|range| newest - times[at] <= range);
            if behind >= self.keep.rows && !near {
                self.remove_row(*row);
            }
        }
    }

    /// The calls of the keys that this watermark calls.
    fn called(
        &self,
        ctx: &StepCtx,
        due: &[u32],
        touched: &mut BTreeMap<u32, late::Calls>,
    ) -> Result<()> {
        let columns = self.rows.key_columns(due)?;
        let of_rows = match due.is_empty() {
            true => vec![],
            false => self.by_key.find(&columns[..self.keys.len()], due.len())?,
        };
        let reached = self.forgets.range(..=(ctx.watermark, u32::MAX)).map(|(_, key)| *key);
        for key in of_rows.into_iter().flatten().chain(reached) {
            touched.entry(key).or_insert_with(|| self.calls_of(key));
        }
        Ok(())
    }

    /// Drops rows of lives that are over, and the key if nothing is left of it.
    fn clean(&mut self, key: u32) {
        let life = self.of_key(LIVES, key);
        let rows = self.rows_of(key);
        let over = |row: &u32| self.of_row(GIVEN, *row) == 1 && self.of_row(LIFE, *row) < life;
        let gone: Vec<u32> = rows.iter().copied().filter(over).collect();
        let all_gone = gone.len() == rows.len();
        gone.into_iter().for_each(|row| self.remove_row(row));
        let calls_left = self.by_key.columns[DUE].blobs().get(key).is_some();
        if all_gone && !calls_left && self.of_key(LAST, key) == 0 {
            self.by_key.remove(key);
        }
    }
}

/// The rows of one key that come out, behind the given ones they look back to.
struct Due {
    key: u32,
    before: Vec<u32>,
    rows: Vec<u32>,
}

/// Rows of the same time.
fn peers(at: &ArrayRef, parts: &[Part]) -> Vec<(usize, usize)> {
    let at = at.as_primitive::<Int64Type>().values();
    let mut peers = vec![(0, 0); at.len()];
    for part in parts {
        let mut start = part.rows.start;
        while start < part.rows.end {
            let same = at[start..part.rows.end].iter().take_while(|t| **t == at[start]).count();
            peers[start..start + same].fill((start, start + same));
            start += same;
        }
    }
    peers
}

/// The rows with results behind their visible columns.
pub fn with_results(
    schema: &SchemaRef,
    rows: &Delta,
    visible: usize,
    results: Vec<ArrayRef>,
) -> Result<Delta> {
    let mut columns = rows.rows.columns().to_vec();
    columns.splice(visible..visible, results);
    Ok(rows.with_rows(batch(schema, columns, rows.len())?))
}

impl Operator for TimedOver {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        self.sweep(ctx.now)?;
        let mut out = StepOutput::default();
        let mut touched = BTreeMap::new();
        if let Some(rows) = delta::concat(&self.input_schema, &inputs[0])? {
            let rows = one_by_one(by_arrival(rows, &self.ord)?)?;
            let times = self.times(ctx, &rows)?;
            let taken = self.admit(ctx, &rows, &times, &mut touched)?;
            out.counts.rows_in += rows.len() as u64;
            out.counts.late += (rows.len() - taken.len()) as u64;
            if taken.len() < rows.len() {
                out.late.push(rows.take(&all_but(&taken, rows.len()))?);
            }
        }
        let due = self.due(ctx);
        let calls = self.time.is_some() && !self.keep.all;
        if calls {
            self.called(ctx, &due, &mut touched)?;
        }
        for parts in self.parts(&due)? {
            self.give(ctx, &parts, &mut out)?;
        }
        for (key, of_key) in &mut touched {
            of_key.reach(ctx.watermark);
            self.store(*key, of_key);
            self.clean(*key);
        }
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        let sets = self.sets.iter_mut().flat_map(GroupSet::tables);
        [&mut self.rows, &mut self.by_key].into_iter().chain(sets).collect()
    }
    fn loaded(&mut self) -> Result<()> {
        self.sets.iter_mut().for_each(GroupSet::loaded);
        let rows = self.rows.groups();
        self.index = rows.iter().map(|row| (self.rows.key(*row).into(), *row)).collect();
        let waiting = rows.into_iter().filter(|row| self.of_row(GIVEN, *row) == 0);
        self.waiting = waiting.map(|row| (self.time_of(row), row)).collect();
        let keys = self.by_key.groups().into_iter();
        let forgets = keys.map(|key| (self.of_key(FORGOTTEN_AT, key), key));
        self.forgets = forgets.filter(|(at, _)| *at != 0).collect();
        Ok(())
    }
}

//! Gate: rows wait until the watermark reaches their time.
//!
//! A row is due at its time, or, if it comes when the watermark is there already, when the
//! watermark moves again. What watermark a row saw is in its hidden column, so that it does not
//! matter where the input is cut into epochs. With an order rows come out by the moment they are
//! due, their time, the order's columns and arrival, numbered anew, and rows that are not after the
//! last one that came out are late.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::compute::{self, SortColumn, SortOptions};
use arrow::datatypes::{Int64Type, SchemaRef, TimestampMillisecondType};

use brooklet_core::delta::{self, Delta};
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::node::{GateSpec, Node, SortKey};

use super::map::{batch, millis};
use super::rows::{by_arrival, fields_at, one_by_one};
use super::{Counts, Operator, StepCtx, StepOutput};
use crate::column::ValueType;
use crate::table::Table;

/// Of a row that waits: how often it is there, when it is due.
const COUNT: usize = 0;
const DUE: usize = 1;
/// Of the last row that came out: its time, its number, whether there is one.
const LAST: usize = 0;
const NUMBER: usize = 1;
const ANY: usize = 2;

pub struct Gate {
    time: Option<usize>,
    order: Option<Vec<SortKey>>,
    input: SchemaRef,
    schema: SchemaRef,
    ord: Vec<usize>,
    late: Option<usize>,
    /// Keyed by all columns.
    waiting: Table,
    /// One group without a key; only with an order.
    last: Table,
    /// Groups by when they are due; derived from `waiting`.
    due: BTreeMap<Millis, Due>,
}

/// Rows due at one moment: those of the table and those of this epoch.
#[derive(Default)]
struct Due {
    latest: Millis,
    groups: Vec<u32>,
    rows: Vec<u32>,
}

impl Due {
    fn noting(&mut self, time: Millis) -> &mut Due {
        let first = self.groups.is_empty() && self.rows.is_empty();
        self.latest = if first { time } else { self.latest.max(time) };
        self
    }
}

/// Rows that come out, with the moment each was due.
#[derive(Default)]
struct Passing {
    groups: Vec<(u32, Millis)>,
    rows: Vec<(u32, Millis)>,
}

impl Gate {
    /// `dealt_by`: columns that decide the shard.
    pub fn new(spec: &GateSpec, node: &Node, input: &Node, dealt_by: Vec<usize>) -> Result<Self> {
        if !input.append_only {
            return Err(Error::config("rows that wait for the watermark cannot be taken back")
                .at(node.label.clone()));
        }
        let all: Vec<usize> = (0..input.schema.fields().len()).collect();
        let (two, three) = ([ValueType::I64; 2], [ValueType::I64; 3]);
        Ok(Gate {
            time: spec.time,
            order: spec.order.clone(),
            waiting: Table::new("waiting", fields_at(&input.schema, &all), dealt_by, &two)?,
            last: Table::new("last", Vec::new(), Vec::new(), &three)?,
            input: input.schema.clone(),
            schema: node.schema.clone(),
            ord: input.ord.clone(),
            late: input.late,
            due: BTreeMap::new(),
        })
    }

    /// Event times of rows; None where a row has none.
    fn times(&self, rows: &Delta) -> Result<Vec<Option<Millis>>> {
        let Some(time) = self.time else { return Ok(vec![Some(Millis::MIN); rows.len()]) };
        let times = millis(rows.column(time))?;
        let times = times.as_primitive::<TimestampMillisecondType>();
        Ok(times.iter().collect())
    }

    /// Takes out what is due at a watermark.
    fn pass(&mut self, watermark: Millis, last: &mut Option<Millis>, out: &mut Passing) {
        while let Some(entry) = self.due.first_entry() {
            if *entry.key() > watermark {
                break;
            }
            let (at, due) = entry.remove_entry();
            *last = Some(last.map_or(due.latest, |last| last.max(due.latest)));
            out.groups.extend(due.groups.into_iter().map(|group| (group, at)));
            out.rows.extend(due.rows.into_iter().map(|row| (row, at)));
        }
    }

    /// Deals the epoch's rows: late, or due at some moment. Gives the late ones.
    fn deal(
        &mut self,
        ctx: &StepCtx,
        rows: &Delta,
        last: &mut Option<Millis>,
        out: &mut Passing,
    ) -> Result<Vec<u32>> {
        let times = self.times(rows)?;
        let seen = self.late.map(|c| rows.column(c).as_primitive::<Int64Type>().clone());
        let mut late = Vec::new();
        for (row, time) in times.into_iter().enumerate() {
            let watermark = seen.as_ref().map_or(ctx.late_before, |c| c.value(row));
            self.pass(watermark, last, out);
            let Some(time) = time else {
                late.push(row as u32);
                continue;
            };
            let is_late = self.order.is_some() && last.is_some_and(|last| time <= last);
            if is_late && self.time.is_some() {
                late.push(row as u32);
                continue;
            }
            let due = if time > watermark { time } else { watermark.saturating_add(1) };
            // By the clock all rows of an epoch come out together.
            let due = if self.time.is_some() { due } else { Millis::MIN };
            self.due.entry(due).or_default().noting(time).rows.push(row as u32);
        }
        Ok(late)
    }

    /// The rows that come out: those that waited, then those of this epoch.
    fn gather(
        &mut self,
        rows: Option<&Delta>,
        out: Passing,
    ) -> Result<Option<(Delta, Vec<Millis>)>> {
        let (mut parts, mut moments) = (Vec::new(), Vec::new());
        if !out.groups.is_empty() {
            let groups: Vec<u32> = out.groups.iter().map(|(group, _)| *group).collect();
            let count = |g: &u32| *self.waiting.columns[COUNT].i64().get(*g);
            let counts: Vec<i64> = groups.iter().map(count).collect();
            let each = out.groups.iter().zip(&counts);
            moments.extend(each.flat_map(|((_, at), n)| std::iter::repeat_n(*at, *n as usize)));
            let columns = self.waiting.key_columns(&groups)?;
            let held = Delta::new(batch(&self.input, columns, groups.len())?, counts);
            parts.push(one_by_one(held)?);
            groups.into_iter().for_each(|group| self.waiting.remove(group));
        }
        if let Some(rows) = rows.filter(|_| !out.rows.is_empty()) {
            let (taken, at): (Vec<u32>, Vec<Millis>) = out.rows.into_iter().unzip();
            let taken = rows.take(&taken)?;
            let each = at.iter().enumerate();
            moments.extend(
                each.flat_map(|(row, at)| std::iter::repeat_n(*at, taken.weight(row) as usize)),
            );
            parts.push(one_by_one(taken)?);
        }
        Ok(delta::concat(&self.input, &parts)?.map(|rows| (rows, moments)))
    }

    /// The rows in their order, numbered.
    fn ordered(&mut self, rows: Delta, moments: Vec<Millis>, order: &[SortKey]) -> Result<Delta> {
        let plain = |values: ArrayRef| SortColumn { values, options: None };
        let mut by = vec![plain(Arc::new(Int64Array::from(moments)))];
        by.extend(self.time.map(|time| plain(rows.column(time).clone())));
        by.extend(order.iter().map(|key| SortColumn {
            values: rows.column(key.column).clone(),
            options: Some(SortOptions { descending: key.descending, nulls_first: key.nulls_first }),
        }));
        by.extend(self.ord.iter().map(|c| plain(rows.column(*c).clone())));
        let sorted = compute::lexsort_to_indices(&by, None)?;
        let rows = rows.take(sorted.values())?;
        let group = self.last.find_or_create(&[], 1)?.groups[0];
        let number = self.last.columns[NUMBER].i64_mut().get_mut(group);
        let first = *number;
        *number += rows.len() as i64;
        self.last.touch(group);
        let hidden = |c: &usize| self.ord.contains(c) || self.late == Some(*c);
        let visible = (0..self.input.fields().len()).filter(|c| !hidden(c));
        let mut columns: Vec<ArrayRef> = visible.map(|c| rows.column(c).clone()).collect();
        let numbers = first..first + rows.len() as i64;
        columns.push(Arc::new(Int64Array::from_iter_values(numbers)));
        Ok(Delta::inserts(batch(&self.schema, columns, rows.len())?))
    }

    /// Keeps what is not due yet.
    fn hold(&mut self, rows: &Delta) -> Result<()> {
        let held = self.due.iter().flat_map(|(at, due)| due.rows.iter().map(|row| (*row, *at)));
        let (held, at): (Vec<u32>, Vec<Millis>) = held.unzip();
        if held.is_empty() {
            return Ok(());
        }
        let rows = rows.take(&held)?;
        let found = self.waiting.find_or_create(rows.rows.columns(), rows.len())?;
        let mut fresh = vec![false; rows.len()];
        found.created.iter().for_each(|row| fresh[*row as usize] = true);
        self.due.values_mut().for_each(|due| due.rows.clear());
        for (row, group) in found.groups.into_iter().enumerate() {
            *self.waiting.columns[COUNT].i64_mut().get_mut(group) += rows.weight(row);
            *self.waiting.columns[DUE].i64_mut().get_mut(group) = at[row];
            self.waiting.touch(group);
            if fresh[row] {
                self.due.entry(at[row]).or_default().groups.push(group);
            }
        }
        Ok(())
    }

    fn last(&mut self) -> Result<Option<Millis>> {
        let group = self.last.find_or_create(&[], 1)?.groups[0];
        let any = *self.last.columns[ANY].i64().get(group) == 1;
        Ok(any.then_some(*self.last.columns[LAST].i64().get(group)))
    }

    fn set_last(&mut self, last: Millis) -> Result<()> {
        let group = self.last.find_or_create(&[], 1)?.groups[0];
        *self.last.columns[LAST].i64_mut().get_mut(group) = last;
        *self.last.columns[ANY].i64_mut().get_mut(group) = 1;
        self.last.touch(group);
        Ok(())
    }
}

impl Operator for Gate {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        let rows = delta::concat(&self.input, &inputs[0])?;
        let rows = rows.map(|rows| by_arrival(rows, &self.ord)).transpose()?;
        if rows.is_none() && self.due.first_key_value().is_none_or(|(at, _)| *at > ctx.watermark) {
            return Ok(StepOutput::default());
        }
        let ordered = self.order.clone();
        let mut last = if ordered.is_some() { self.last()? } else { None };
        let (before, mut passing) = (last, Passing::default());
        let mut out = StepOutput::default();
        if let Some(rows) = &rows {
            out.counts.rows_in = rows.len() as u64;
            let late = self.deal(ctx, rows, &mut last, &mut passing)?;
            if !late.is_empty() {
                out.counts.late = late.len() as u64;
                out.late.push(rows.take(&late)?);
            }
        }
        let until = if self.time.is_some() { ctx.watermark } else { Millis::MAX };
        self.pass(until, &mut last, &mut passing);
        if let Some(rows) = &rows {
            self.hold(rows)?;
        }
        if let Some(last) = last.filter(|_| last != before && ordered.is_some()) {
            self.set_last(last)?;
        }
        if let Some((passed, moments)) = self.gather(rows.as_ref(), passing)? {
            let passed = match &ordered {
                Some(order) => self.ordered(passed, moments, order)?,
                None => passed,
            };
            out.counts = Counts { rows_out: passed.len() as u64, ..out.counts };
            out.rows.push(passed);
        }
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.waiting, &mut self.last]
    }
    fn loaded(&mut self) -> Result<()> {
        self.due.clear();
        let groups = self.waiting.groups();
        let columns = self.waiting.key_columns(&groups)?;
        let rows = Delta::inserts(batch(&self.input, columns, groups.len())?);
        for (group, time) in groups.into_iter().zip(self.times(&rows)?) {
            let at = *self.waiting.columns[DUE].i64().get(group);
            let due = self.due.entry(at).or_default();
            due.noting(time.unwrap_or(at)).groups.push(group);
        }
        Ok(())
    }
}

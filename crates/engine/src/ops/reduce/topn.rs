//! Top-N: the first n rows of each key in an order, ties by arrival.
//!
//! Rows are kept in a table; an ordered index over (key, order, arrival) is derived from it. Over
//! append-only input only the n best rows of a key are kept.

use std::collections::BTreeMap;
use std::ops::Bound;

use arrow::array::{ArrayRef, Int64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, Rows, SortField};
use hashbrown::HashMap;

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::{ReduceKind, SortKey};

use super::ReduceArgs;
use crate::column::ValueType;
use crate::ops::map::batch;
use crate::ops::rows::columns_at;
use crate::ops::ttl::Ttl;
use crate::ops::{Counts, Operator, StepCtx, StepOutput};
use crate::table::Table;

mod again;
mod contenders;

use contenders::Entered;

/// How often the row is there.
const COUNT: usize = 0;
/// When it was last touched.
const TOUCHED: usize = 1;

pub struct TopN {
    keys: Vec<usize>,
    sort: Vec<usize>,
    n: i64,
    rank: bool,
    /// Where the rank stands: behind the input's visible columns.
    rank_at: usize,
    /// How many hidden columns say when a row came; they are the last of `sort`.
    arrival: usize,
    pub(super) append_only: bool,
    pub(super) input_schema: SchemaRef,
    schema: SchemaRef,
    ttl: Ttl,
    /// Keyed by all input columns.
    pub(super) table: Table,
    key_codec: Option<RowConverter>,
    sort_codec: RowConverter,
    /// key ++ order ++ arrival → group of the table.
    pub(super) index: BTreeMap<Box<[u8]>, u32>,
}

impl TopN {
    pub fn new(args: ReduceArgs<'_>) -> Result<Self> {
        let ReduceKind::TopN { order, n, rank } = &args.spec.kind else {
            return Err(Error::bug("a TopN is made for a top-n spec"));
        };
        let schema = args.input.schema.clone();
        let hidden = args.input.ord.len() + usize::from(args.input.late.is_some());
        let visible = schema.fields().len() - hidden;
        let ty = |c: usize| schema.field(c).data_type().clone();
        let keys = args.spec.keys.clone();
        let mut sort = Vec::new();
        let mut fields: Vec<SortField> = Vec::new();
        for SortKey { column, descending, nulls_first } in order {
            let options = SortOptions { descending: *descending, nulls_first: *nulls_first };
            fields.push(SortField::new_with_options(ty(*column), options));
            sort.push(*column);
        }
        for column in &args.input.ord {
            fields.push(SortField::new(ty(*column)));
            sort.push(*column);
        }
        let key_codec = match keys.len() {
            0 => None,
            _ => Some(RowConverter::new(keys.iter().map(|k| SortField::new(ty(*k))).collect())?),
        };
        let all = (0..schema.fields().len()).collect::<Vec<_>>();
        let values = [ValueType::I64, ValueType::I64];
        let fields_of_rows = crate::ops::rows::fields_at(&schema, &all);
        Ok(TopN {
            keys,
            sort,
            n: *n as i64,
            rank: *rank,
            rank_at: visible,
            arrival: args.input.ord.len(),
            append_only: args.input.append_only,
            ttl: Ttl::new(args.spec.ttl_ms),
            table: Table::new("rows", fields_of_rows, args.dealt_by.clone(), &values)?,
            input_schema: schema,
            schema: args.node.schema.clone(),
            key_codec,
            sort_codec: RowConverter::new(fields)?,
            index: BTreeMap::new(),
        })
    }

    /// Where rows stand in the index.
    fn places(&self, rows: &Delta) -> Result<Places> {
        let keys = match &self.key_codec {
            Some(codec) => Some(codec.convert_columns(&columns_at(rows, &self.keys))?),
            None => None,
        };
        Ok(Places { keys, order: self.sort_codec.convert_columns(&columns_at(rows, &self.sort))? })
    }

    fn is_expired(&self, group: u32, now: Millis) -> bool {
        self.ttl.has_passed(*self.table.columns[TOUCHED].i64().get(group), now)
    }

    fn sweep(&mut self, now: Millis) {
        if !self.ttl.sweep_is_due(now) {
            return;
        }
        let mut index = std::mem::take(&mut self.index);
        index.retain(|_, group| {
            let idle = self.is_expired(*group, now);
            if idle {
                self.table.remove(*group);
            }
            !idle
        });
        self.index = index;
    }

    /// Appends the rows of a partition that are in, in order.
    pub(super) fn top(&self, prefix: &[u8], now: Millis, ranked: &mut Vec<Ranked>) {
        let mut before = 0;
        let from = Bound::Included(prefix);
        for (entry, group) in self.index.range::<[u8], _>((from, Bound::Unbounded)) {
            if !entry.starts_with(prefix) || before >= self.n {
                break;
            }
            if self.is_expired(*group, now) {
                continue;
            }
            let count = *self.table.columns[COUNT].i64().get(*group);
            let weight = count.min(self.n - before);
            match self.rank {
                true => ranked.extend((1..=weight).map(|i| Ranked {
                    group: *group,
                    rank: before + i,
                    weight: 1,
                })),
                false => ranked.push(Ranked { group: *group, rank: 0, weight }),
            }
            before += weight;
        }
    }

    /// Drops what can never be in again: only possible when rows are never taken back.
    pub(super) fn prune(&mut self, prefix: &[u8]) {
        let from = Bound::Included(prefix);
        let mut before = 0;
        let mut out: Vec<(Box<[u8]>, u32)> = Vec::new();
        for (entry, group) in self.index.range::<[u8], _>((from, Bound::Unbounded)) {
            if !entry.starts_with(prefix) {
                break;
            }
            if before >= self.n {
                out.push((entry.clone(), *group));
            }
            before += *self.table.columns[COUNT].i64().get(*group);
        }
        for (entry, group) in out {
            self.index.remove(&entry);
            self.table.remove(group);
        }
    }

    /// Adds rows to what is stored; gives the groups that hold no row any more, which are still
    /// there.
    pub(super) fn apply(&mut self, entered: Entered, now: Millis) -> Result<Vec<u32>> {
        let Entered { rows, entries, .. } = entered;
        let found = self.table.find_or_create(rows.rows.columns(), rows.len())?;
        let mut gone = Vec::new();
        for (row, (group, entry)) in found.groups.into_iter().zip(entries).enumerate() {
            let forgotten = self.is_expired(group, now);
            let count = self.table.columns[COUNT].i64_mut().get_mut(group);
            *count = if forgotten { 0 } else { *count } + rows.weight(row);
            let is_gone = *count <= 0;
            *self.table.columns[TOUCHED].i64_mut().get_mut(group) = now;
            self.table.touch(group);
            if is_gone {
                self.index.remove(&entry);
                gone.push(group);
            } else {
                self.index.insert(entry, group);
            }
        }
        Ok(gone)
    }

    pub(super) fn output(&self, changed: &[Ranked]) -> Result<Option<Delta>> {
        if changed.is_empty() {
            return Ok(None);
        }
        let groups: Vec<u32> = changed.iter().map(|ranked| ranked.group).collect();
        let mut columns: Vec<ArrayRef> = self.table.key_columns(&groups)?;
        if self.rank {
            let ranks = changed.iter().map(|ranked| ranked.rank);
            let ranks = std::sync::Arc::new(Int64Array::from_iter_values(ranks));
            columns.insert(self.rank_at, ranks);
        }
        let rows = batch(&self.schema, columns, changed.len())?;
        Ok(Some(Delta::new(rows, changed.iter().map(|ranked| ranked.weight).collect())))
    }
}

/// Encoded keys of rows, and their order with the arrival.
struct Places {
    keys: Option<Rows>,
    order: Rows,
}

impl Places {
    fn key(&self, row: u32) -> &[u8] {
        self.keys.as_ref().map_or(&[], |keys| keys.row(row as usize).data())
    }
    fn order(&self, row: u32) -> &[u8] {
        self.order.row(row as usize).data()
    }
    /// As the index has it.
    fn entry(&self, row: u32) -> Box<[u8]> {
        [self.key(row), self.order(row)].concat().into()
    }
}

/// A row that is in: its group, its rank (0 without ranks), its weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranked {
    group: u32,
    rank: i64,
    weight: i64,
}

/// By group and rank.
type Weights = HashMap<(u32, i64), i64, foldhash::fast::FixedState>;

/// Appends what changed from one list of a key's first rows to another.
fn differ(before: &[Ranked], after: &[Ranked], weights: &mut Weights, changed: &mut Vec<Ranked>) {
    let same = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let (before, after) = (&before[same..], &after[same..]);
    weights.clear();
    for ranked in after {
        *weights.entry((ranked.group, ranked.rank)).or_default() += ranked.weight;
    }
    for ranked in before {
        *weights.entry((ranked.group, ranked.rank)).or_default() -= ranked.weight;
    }
    for ranked in before.iter().chain(after) {
        // What it is listed with again, it does not change by again.
        let weight = weights.insert((ranked.group, ranked.rank), 0).unwrap_or(0);
        if weight != 0 {
            changed.push(Ranked { weight, ..*ranked });
        }
    }
}

impl Operator for TopN {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        self.sweep(ctx.now);
        let rows_in = inputs[0].iter().map(|delta| delta.len() as u64).sum();
        let rows = self.brought_together(&inputs[0])?;
        let rows = rows.map(|rows| self.found_again(rows)).transpose()?.flatten();
        let Some(rows) = rows else {
            let counts = Counts { rows_in, ..Counts::default() };
            return Ok(StepOutput { counts, ..StepOutput::default() });
        };
        let mut entered = self.contenders(rows)?;
        let touched = std::mem::take(&mut entered.keys);
        let (mut before, mut ends) = (Vec::new(), Vec::with_capacity(touched.len()));
        for key in &touched {
            self.top(key, ctx.now, &mut before);
            ends.push(before.len());
        }
        let gone = self.apply(entered, ctx.now)?;
        let (mut changed, mut after, mut from) = (Vec::new(), Vec::new(), 0);
        let mut weights = Weights::default();
        for (key, end) in touched.iter().zip(ends) {
            after.clear();
            self.top(key, ctx.now, &mut after);
            differ(&before[from..end], &after, &mut weights, &mut changed);
            from = end;
        }
        let out = self.output(&changed)?;
        gone.into_iter().for_each(|group| self.table.remove(group));
        if self.append_only {
            touched.iter().for_each(|key| self.prune(key));
        }
        let counts = Counts {
            rows_in,
            rows_out: out.as_ref().map_or(0, |d| d.len() as u64),
            ..Counts::default()
        };
        Ok(StepOutput { rows: out.into_iter().collect(), counts, ..StepOutput::default() })
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.table]
    }
    fn loaded(&mut self) -> Result<()> {
        let groups = self.table.groups();
        let columns = self.table.key_columns(&groups)?;
        let rows = Delta::inserts(batch(&self.input_schema, columns, groups.len())?);
        let places = self.places(&rows)?;
        let entry = |(group, row)| (places.entry(row), group);
        self.index = groups.into_iter().zip(0..).map(entry).collect();
        Ok(())
    }
}

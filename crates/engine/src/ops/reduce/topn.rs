//! Top-N: the first n rows of each key in an order, ties by arrival.
//!
//! Rows are kept in a table; an ordered index over (key, order, arrival) is derived from it. Over
//! append-only input only the n best rows of a key are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use arrow::array::{ArrayRef, Int64Array};
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::{ReduceKind, SortKey};

use super::ReduceArgs;
use crate::column::ValueType;
use crate::ops::map::batch;
use crate::ops::rows::{columns_at, consolidate};
use crate::ops::ttl::Ttl;
use crate::ops::{Counts, Operator, StepCtx, StepOutput};
use crate::table::Table;

mod again;
mod contenders;

pub(super) use contenders::Entered;

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

    /// The encoded partition keys of rows and the index entries.
    pub(super) fn entries(&self, rows: &Delta) -> Result<(Vec<Box<[u8]>>, Vec<Box<[u8]>>)> {
        let keys = match &self.key_codec {
            Some(codec) => Some(codec.convert_columns(&columns_at(rows, &self.keys))?),
            None => None,
        };
        let sort = self.sort_codec.convert_columns(&columns_at(rows, &self.sort))?;
        let mut prefixes: Vec<Box<[u8]>> = Vec::with_capacity(rows.len());
        let mut entries: Vec<Box<[u8]>> = Vec::with_capacity(rows.len());
        for row in 0..rows.len() {
            let key: &[u8] = keys.as_ref().map_or(&[], |k| k.row(row).data());
            prefixes.push(key.into());
            entries.push([key, sort.row(row).data()].concat().into());
        }
        Ok((prefixes, entries))
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

    /// The rows of a partition that are in, with rank and weight.
    pub(super) fn top(&self, prefix: &[u8], now: Millis) -> Vec<Ranked> {
        let mut ranked = Vec::new();
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
            let row: Box<[u8]> = self.table.key(*group).into();
            if self.rank {
                let each = (0..weight).map(|i| (row.clone(), before + i + 1, 1));
                ranked.extend(each);
            } else {
                ranked.push((row, 0, weight));
            }
            before += weight;
        }
        ranked
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

    pub(super) fn apply(&mut self, rows: &Delta, entries: &[Box<[u8]>], now: Millis) -> Result<()> {
        let found = self.table.find_or_create(rows.rows.columns(), rows.len())?;
        for (row, group) in found.groups.iter().enumerate() {
            let forgotten = self.is_expired(*group, now);
            let count = self.table.columns[COUNT].i64_mut().get_mut(*group);
            *count = if forgotten { 0 } else { *count } + rows.weight(row);
            let gone = *count <= 0;
            *self.table.columns[TOUCHED].i64_mut().get_mut(*group) = now;
            self.table.touch(*group);
            if gone {
                self.index.remove(&entries[row]);
                self.table.remove(*group);
            } else {
                self.index.insert(entries[row].clone(), *group);
            }
        }
        Ok(())
    }

    pub(super) fn output(&self, changed: BTreeMap<(Box<[u8]>, i64), i64>) -> Result<Option<Delta>> {
        let changed: Vec<_> = changed.into_iter().filter(|(_, weight)| *weight != 0).collect();
        if changed.is_empty() {
            return Ok(None);
        }
        let keys: Vec<Option<&[u8]>> = changed.iter().map(|((row, _), _)| Some(&**row)).collect();
        let mut columns: Vec<ArrayRef> = self.table.decode_keys(&keys, 0)?;
        if self.rank {
            let ranks = changed.iter().map(|((_, rank), _)| *rank);
            let ranks = std::sync::Arc::new(Int64Array::from_iter_values(ranks));
            columns.insert(self.rank_at, ranks);
        }
        let rows = batch(&self.schema, columns, changed.len())?;
        Ok(Some(Delta::new(rows, changed.into_iter().map(|(_, weight)| weight).collect())))
    }
}

/// The encoded row, its rank (0 without ranks), its weight.
pub(super) type Ranked = (Box<[u8]>, i64, i64);

impl Operator for TopN {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        self.sweep(ctx.now);
        let Some(rows) = consolidate(&self.input_schema, &inputs[0])? else {
            return Ok(StepOutput::default());
        };
        let rows_in = rows.len() as u64;
        let Some(rows) = self.found_again(rows)? else {
            return Ok(StepOutput::default());
        };
        let Entered { rows, prefixes, entries } = self.contenders(rows)?;
        let touched: BTreeSet<Box<[u8]>> = prefixes.into_iter().collect();
        let mut changed: BTreeMap<(Box<[u8]>, i64), i64> = BTreeMap::new();
        for prefix in &touched {
            for (row, rank, weight) in self.top(prefix, ctx.now) {
                *changed.entry((row, rank)).or_default() -= weight;
            }
        }
        self.apply(&rows, &entries, ctx.now)?;
        for prefix in &touched {
            for (row, rank, weight) in self.top(prefix, ctx.now) {
                *changed.entry((row, rank)).or_default() += weight;
            }
            if self.append_only {
                self.prune(prefix);
            }
        }
        let out = self.output(changed)?;
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
        let (_, entries) = self.entries(&rows)?;
        self.index = entries.into_iter().zip(groups).collect();
        Ok(())
    }
}

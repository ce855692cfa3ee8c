//! OVER in the order of columns: a key's rows are all kept, and a change computes it anew.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use arrow::array::ArrayRef;
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};

use brooklet_core::time::Millis;
use brooklet_core::{Delta, Error, Result};
use brooklet_plan::node::SortKey;
use brooklet_plan::over::OverOrder;

use super::super::ReduceArgs;
use super::compute::Calls;
use super::frame::{Order, Part, Places};
use super::spec;
use super::timed::with_results;
use crate::column::ValueType;
use crate::ops::map::batch;
use crate::ops::rows::{columns_at, consolidate, fields_at};
use crate::ops::ttl::Ttl;
use crate::ops::{Operator, StepCtx, StepOutput};
use crate::table::Table;

/// How often the row is there, and when it was last touched.
const COUNT: usize = 0;
const TOUCHED: usize = 1;

pub struct SortedOver {
    keys: Vec<usize>,
    order: Vec<SortKey>,
    /// Columns of the order, then of the arrival.
    sort: Vec<usize>,
    input_schema: SchemaRef,
    schema: SchemaRef,
    /// Columns of the output before the results.
    visible: usize,
    calls: Calls,
    /// Keyed by all input columns.
    rows: Table,
    key_codec: Option<RowConverter>,
    sort_codec: RowConverter,
    /// key ++ order ++ arrival ++ row → group of the table; derived.
    index: BTreeMap<Box<[u8]>, u32>,
    ttl: Ttl,
}

impl SortedOver {
    pub fn new(args: ReduceArgs<'_>) -> Result<Self> {
        let spec = spec(&args)?;
        let OverOrder::Sorted(order) = &spec.order else {
            return Err(Error::bug("a sorted OVER has columns to sort by"));
        };
        let schema = args.input.schema.clone();
        let ty = |c: usize| schema.field(c).data_type().clone();
        let keys = args.spec.keys.clone();
        let mut fields: Vec<SortField> = Vec::new();
        for SortKey { column, descending, nulls_first } in order {
            let options = SortOptions { descending: *descending, nulls_first: *nulls_first };
            fields.push(SortField::new_with_options(ty(*column), options));
        }
        fields.extend(args.input.ord.iter().map(|c| SortField::new(ty(*c))));
        let sort = order.iter().map(|s| s.column).chain(args.input.ord.iter().copied()).collect();
        let of_keys = keys.iter().map(|k| SortField::new(ty(*k))).collect::<Vec<_>>();
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let values = [ValueType::I64, ValueType::I64];
        let hidden = args.node.ord.len() + usize::from(args.node.late.is_some());
        Ok(SortedOver {
            order: order.clone(),
            sort,
            visible: args.node.schema.fields().len() - hidden - spec.calls.len(),
            schema: args.node.schema.clone(),
            calls: Calls::new(&args, spec)?,
            rows: Table::new("rows", fields_at(&schema, &all), args.dealt_by.clone(), &values)?,
            key_codec: match of_keys.is_empty() {
                true => None,
                false => Some(RowConverter::new(of_keys)?),
            },
            sort_codec: RowConverter::new(fields)?,
            index: BTreeMap::new(),
            ttl: Ttl::new(args.spec.ttl_ms),
            input_schema: schema,
            keys,
        })
    }

    /// The encoded keys of rows and their places in the index.
    fn entries(&self, rows: &Delta) -> Result<(Vec<Box<[u8]>>, Vec<Box<[u8]>>)> {
        let keys = match &self.key_codec {
            Some(codec) => Some(codec.convert_columns(&columns_at(rows, &self.keys))?),
            None => None,
        };
        let sort = match self.sort.is_empty() {
            true => None,
            false => Some(self.sort_codec.convert_columns(&columns_at(rows, &self.sort))?),
        };
        let whole = self.rows.encode(rows.rows.columns(), rows.len())?;
        let (mut prefixes, mut entries) = (Vec::new(), Vec::new());
        for row in 0..rows.len() {
            let key: &[u8] = keys.as_ref().map_or(&[], |k| k.row(row).data());
            let sort: &[u8] = sort.as_ref().map_or(&[], |s| s.row(row).data());
            prefixes.push(key.into());
            entries.push([key, sort, whole.key(row)].concat().into());
        }
        Ok((prefixes, entries))
    }

    fn is_expired(&self, row: u32, now: Millis) -> bool {
        self.ttl.is_set() && self.ttl.has_passed(*self.rows.columns[TOUCHED].i64().get(row), now)
    }

    fn sweep(&mut self, now: Millis) {
        if !self.ttl.sweep_is_due(now) {
            return;
        }
        let mut index = std::mem::take(&mut self.index);
        index.retain(|_, row| {
            let idle = self.is_expired(*row, now);
            if idle {
                self.rows.remove(*row);
            }
            !idle
        });
        self.index = index;
    }

    fn apply(&mut self, rows: &Delta, entries: &[Box<[u8]>], now: Millis) -> Result<()> {
        let found = self.rows.find_or_create(rows.rows.columns(), rows.len())?;
        for (row, group) in found.groups.iter().enumerate() {
            let forgotten = self.is_expired(*group, now);
            let count = self.rows.columns[COUNT].i64_mut().get_mut(*group);
            *count = if forgotten { 0 } else { *count } + rows.weight(row);
            let gone = *count <= 0;
            *self.rows.columns[TOUCHED].i64_mut().get_mut(*group) = now;
            self.rows.touch(*group);
            if gone {
                self.index.remove(&entries[row]);
                self.rows.remove(*group);
            } else {
                self.index.insert(entries[row].clone(), *group);
            }
        }
        Ok(())
    }

    /// All rows of these keys with their results.
    fn results(&self, keys: &BTreeSet<Box<[u8]>>, now: Millis) -> Result<Option<Delta>> {
        let (mut all, mut parts) = (Vec::new(), Vec::new());
        for key in keys {
            let start = all.len();
            let from = (Bound::Included(&**key), Bound::Unbounded);
            for (entry, row) in self.index.range::<[u8], _>(from) {
                if !entry.starts_with(key) {
                    break;
                }
                if !self.is_expired(*row, now) {
                    let count = *self.rows.columns[COUNT].i64().get(*row);
                    all.extend(std::iter::repeat_n(*row, count as usize));
                }
            }
            if all.len() > start {
                parts.push(Part { rows: start..all.len(), from: start });
            }
        }
        if all.is_empty() {
            return Ok(None);
        }
        let input = batch(&self.input_schema, self.rows.key_columns(&all)?, all.len())?;
        let rows = Delta::inserts(input);
        let (peers, column) = (self.peers(&rows, &parts)?, self.order.first());
        let order = Order {
            peers,
            places: match column {
                Some(key) if self.order.len() == 1 => Places::of(rows.column(key.column))?,
                _ => Places::None,
            },
            descending: column.is_some_and(|key| key.descending),
        };
        let first = vec![0; parts.len()];
        let results =
            self.calls.run(&mut self.calls.sets()?, &rows.rows, (&parts, &first), &order)?;
        with_results(&self.schema, &rows, self.visible, results).map(Some)
    }

    /// Rows of equal order.
    fn peers(&self, rows: &Delta, parts: &[Part]) -> Result<Vec<(usize, usize)>> {
        let mut peers = vec![(0, 0); rows.len()];
        let columns: Vec<ArrayRef> =
            self.order.iter().map(|key| rows.column(key.column).clone()).collect();
        let fields = columns.iter().map(|c| SortField::new(c.data_type().clone())).collect();
        let encoded = match columns.is_empty() {
            true => None,
            false => Some(RowConverter::new(fields)?.convert_columns(&columns)?),
        };
        let same = |a: usize, b: usize| encoded.as_ref().is_none_or(|e| e.row(a) == e.row(b));
        for part in parts {
            let mut start = part.rows.start;
            while start < part.rows.end {
                let end = (start..part.rows.end).find(|row| !same(start, *row));
                let end = end.unwrap_or(part.rows.end);
                peers[start..end].fill((start, end));
                start = end;
            }
        }
        Ok(peers)
    }
}

impl Operator for SortedOver {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        self.sweep(ctx.now);
        let mut out = StepOutput::default();
        let Some(rows) = consolidate(&self.input_schema, &inputs[0])? else { return Ok(out) };
        let (prefixes, entries) = self.entries(&rows)?;
        let touched: BTreeSet<Box<[u8]>> = prefixes.into_iter().collect();
        let before = self.results(&touched, ctx.now)?;
        self.apply(&rows, &entries, ctx.now)?;
        let after = self.results(&touched, ctx.now)?;
        let before = before.map(|b| Delta::new(b.rows.clone(), vec![-1; b.len()]));
        let both: Vec<Delta> = before.into_iter().chain(after).collect();
        let changes = consolidate(&self.schema, &both)?;
        out.counts.rows_in = rows.len() as u64;
        out.counts.rows_out = changes.as_ref().map_or(0, |d| d.len() as u64);
        out.rows = changes.into_iter().collect();
        Ok(out)
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        vec![&mut self.rows]
    }
    fn loaded(&mut self) -> Result<()> {
        let groups = self.rows.groups();
        let columns = self.rows.key_columns(&groups)?;
        let rows = Delta::inserts(batch(&self.input_schema, columns, groups.len())?);
        let (_, entries) = self.entries(&rows)?;
        self.index = entries.into_iter().zip(groups).collect();
        Ok(())
    }
}

//! Unbounded aggregation: each epoch emits the new result of every touched group and takes the
//! old one back.
//!
//! The old row is computed from the accumulators when the epoch first touches the group, so no
//! output is stored. Unchanged results are suppressed, as Flink does.

use std::collections::BTreeSet;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute;
use arrow::datatypes::SchemaRef;
use arrow::row::{RowConverter, SortField};

use brooklet_core::delta::{self, Delta};
use brooklet_core::time::Millis;
use brooklet_core::{Error, Result};
use brooklet_plan::node::ReduceKind;

use super::ReduceArgs;
use super::group::{GroupLayout, GroupSet};
use super::in_order::InOrder;
use crate::ops::map::batch;
use crate::ops::ttl::Ttl;
use crate::ops::{Counts, Operator, StepCtx, StepOutput};
use crate::table::Table;

pub struct Aggregate {
    pub(super) set: GroupSet,
    in_order: Option<InOrder>,
    input_schema: SchemaRef,
    schema: SchemaRef,
    ttl: Ttl,
    /// Compares old and new results, without hidden columns.
    compared: RowConverter,
    visible: usize,
}

impl Aggregate {
    pub fn new(args: ReduceArgs<'_>) -> Result<Self> {
        let ReduceKind::Aggregate { calls } = &args.spec.kind else {
            return Err(Error::bug("an Aggregate is made for aggregate calls"));
        };
        let layout = GroupLayout::new(&args, calls, args.spec.ttl_ms.is_some());
        let schema = args.node.schema.clone();
        let visible = args.spec.keys.len() + calls.len();
        let sort = schema.fields()[..visible].iter();
        let sort = sort.map(|f| SortField::new(f.data_type().clone())).collect();
        Ok(Aggregate {
            set: GroupSet::new(&layout, "")?,
            in_order: InOrder::of(args.input, calls)?,
            input_schema: args.input.schema.clone(),
            schema,
            ttl: Ttl::new(args.spec.ttl_ms),
            compared: RowConverter::new(sort)?,
            visible,
        })
    }

    /// The touched groups: those that held a result before, and all of them in order.
    fn first_touch(&mut self, rows: &Delta, now: Millis) -> Result<(Vec<u32>, Touched)> {
        let found = self.set.find_or_create(rows)?;
        let mut all: Vec<u32> = found.groups.clone();
        all.sort_unstable();
        all.dedup();
        let created: BTreeSet<u32> =
            found.created.iter().map(|row| found.groups[*row as usize]).collect();
        let mut before = Vec::new();
        for group in &all {
            if created.contains(group) || !self.set.is_filled(*group) {
                continue;
            }
            if self.is_expired(*group, now) {
                self.set.reset(*group);
            } else {
                before.push(*group);
            }
        }
        Ok((found.groups, Touched { all, before }))
    }

    fn is_expired(&self, group: u32, now: Millis) -> bool {
        self.ttl.is_set() && self.ttl.has_passed(self.set.last_touched(group), now)
    }

    fn sweep(&mut self, now: Millis) {
        if !self.ttl.sweep_is_due(now) {
            return;
        }
        let expired: Vec<u32> =
            self.set.table.groups().into_iter().filter(|g| self.is_expired(*g, now)).collect();
        expired.into_iter().for_each(|group| self.set.remove(group));
    }

    pub(super) fn results(&self, groups: &[u32]) -> Result<RecordBatch> {
        batch(&self.schema, self.set.rows(groups)?, groups.len())
    }

    /// −old, +new for every group whose result changed.
    fn changes(&self, touched: &Touched, old: RecordBatch) -> Result<Option<Delta>> {
        let after: Vec<u32> =
            touched.all.iter().copied().filter(|g| self.set.is_filled(*g)).collect();
        let new = self.results(&after)?;
        let old_rows = self.compared.convert_columns(&old.columns()[..self.visible])?;
        let new_rows = self.compared.convert_columns(&new.columns()[..self.visible])?;
        let (mut take, mut weights) = (Vec::new(), Vec::new());
        let (mut i, mut j) = (0, 0);
        while i < touched.before.len() || j < after.len() {
            let (was, is) = (touched.before.get(i), after.get(j));
            match (was, is) {
                (Some(a), Some(b)) if a == b => {
                    if old_rows.row(i) != new_rows.row(j) {
                        take.extend([(0, i), (1, j)]);
                        weights.extend([-1, 1]);
                    }
                    i += 1;
                    j += 1;
                }
                (Some(a), b) if b.is_none_or(|b| a < b) => {
                    take.push((0, i));
                    weights.push(-1);
                    i += 1;
                }
                _ => {
                    take.push((1, j));
                    weights.push(1);
                    j += 1;
                }
            }
        }
        if take.is_empty() {
            return Ok(None);
        }
        let columns = (0..self.schema.fields().len())
            .map(|c| {
                let sides: [&dyn arrow::array::Array; 2] = [old.column(c), new.column(c)];
                Ok(compute::interleave(&sides, &take)?)
            })
            .collect::<Result<Vec<ArrayRef>>>()?;
        Ok(Some(Delta::new(batch(&self.schema, columns, take.len())?, weights)))
    }
}

/// Groups of an epoch, ascending.
struct Touched {
    all: Vec<u32>,
    before: Vec<u32>,
}

impl Operator for Aggregate {
    fn step(&mut self, ctx: &StepCtx, inputs: &[Vec<Delta>]) -> Result<StepOutput> {
        self.sweep(ctx.now);
        let Some(rows) = delta::concat(&self.input_schema, &inputs[0])? else {
            return Ok(StepOutput::default());
        };
        let rows = match &self.in_order {
            Some(in_order) => in_order.sorted(rows)?,
            None => rows,
        };
        let (groups, touched) = self.first_touch(&rows, ctx.now)?;
        let old = self.results(&touched.before)?;
        self.set.update(&rows, &groups)?;
        if self.ttl.is_set() {
            touched.all.iter().for_each(|g| self.set.set_touched(*g, ctx.now));
        }
        let changes = self.changes(&touched, old)?;
        for group in &touched.all {
            match self.set.is_filled(*group) {
                true => {}
                // What was forgotten by age may be taken back: then something is left.
                false if self.ttl.is_set() => self.set.remove(*group),
                false => self.set.remove_empty(*group),
            }
        }
        let rows_out = changes.as_ref().map_or(0, |d| d.len() as u64);
        let counts = Counts { rows_in: rows.len() as u64, rows_out, ..Counts::default() };
        Ok(StepOutput { rows: changes.into_iter().collect(), counts, ..StepOutput::default() })
    }
    fn tables(&mut self) -> Vec<&mut Table> {
        self.set.tables()
    }
    fn loaded(&mut self) -> Result<()> {
        self.set.loaded();
        Ok(())
    }
}

//! Rows that a source gives once: kept, so that after a restart it knows what was given.

use arrow::datatypes::SchemaRef;

use brooklet_core::source::Reading;
use brooklet_core::{Delta, Result};
use brooklet_plan::node::{Node, NodeId, NodeOp, StreamPlan};

use super::map::batch;
use super::rows::{consolidate, fields_at};
use crate::column::ValueType;
use crate::table::Table;

const WEIGHT: usize = 0;

pub struct Held {
    pub node: NodeId,
    schema: SchemaRef,
    /// Row → weight.
    table: Table,
}

impl Held {
    /// One per scan of the plan that needs it.
    pub fn of(plan: &StreamPlan) -> Result<Vec<Held>> {
        plan.nodes.iter().enumerate().filter_map(|(id, node)| Held::new(id, node)).collect()
    }

    fn new(id: NodeId, node: &Node) -> Option<Result<Held>> {
        let NodeOp::Scan(spec) = &node.op else { return None };
        if spec.reading == Reading::Log {
            return None;
        }
        let schema = spec.decode.clone();
        let all: Vec<usize> = (0..schema.fields().len()).collect();
        let table = Table::new("held", fields_at(&schema, &all), Vec::new(), &[ValueType::I64]);
        Some(table.map(|table| Held { node: id, schema, table }))
    }

    /// Adds what a source gave; nothing is needed any more when it has `ended`.
    pub fn step(&mut self, rows: &[Delta], ended: bool) -> Result<()> {
        if ended {
            self.table.groups().into_iter().for_each(|group| self.table.remove(group));
            return Ok(());
        }
        let Some(rows) = consolidate(&self.schema, rows)? else { return Ok(()) };
        let found = self.table.find_or_create(rows.rows.columns(), rows.len())?;
        for (row, group) in found.groups.iter().enumerate() {
            *self.table.columns[WEIGHT].i64_mut().get_mut(*group) += rows.weight(row);
            self.table.touch(*group);
        }
        let weights = self.table.columns[WEIGHT].i64();
        let mut gone: Vec<u32> =
            found.groups.into_iter().filter(|group| *weights.get(*group) == 0).collect();
        gone.sort_unstable();
        gone.dedup();
        gone.into_iter().for_each(|group| self.table.remove(group));
        Ok(())
    }

    /// All of them.
    pub fn rows(&self) -> Result<Delta> {
        let groups = self.table.groups();
        let weights = self.table.columns[WEIGHT].i64();
        let weights = groups.iter().map(|group| *weights.get(*group)).collect();
        let rows = batch(&self.schema, self.table.key_columns(&groups)?, groups.len())?;
        Ok(Delta::new(rows, weights))
    }

    pub fn table(&mut self) -> &mut Table {
        &mut self.table
    }
}

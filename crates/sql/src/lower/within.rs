//! `dedup-ttl` = watermark: which deduplication forgets its keys by the watermark.

use std::sync::Arc;

use brooklet_core::schema::TableDef;
use brooklet_plan::node::{Keep, ReduceKind, StreamPlan};
use brooklet_plan::{NodeId, NodeOp};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::facts::{self, TimeKind};
use super::rel::{self, Rel};
use super::{Lowering, error};
use crate::query::Names;

const SETTING: &str = "brooklet.dedup-ttl";

/// The table whose rows, filtered and projected, are those of the plan, if it has the setting.
pub fn table_of(plan: &LogicalPlan, names: &dyn Names) -> Option<Arc<TableDef>> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            names.table(scan.table_name.table()).filter(|table| is_set(table))
        }
        LogicalPlan::Projection(_) | LogicalPlan::Filter(_) | LogicalPlan::SubqueryAlias(_) => {
            table_of(plan.inputs().first()?, names)
        }
        _ => None,
    }
}

fn is_set(table: &TableDef) -> bool {
    table.options.get(SETTING).is_some()
}

impl Lowering<'_> {
    /// `kind` as the table below wants it, and the column that it reads besides; `source` is
    /// `rel`'s plan.
    pub(super) fn within(
        &self,
        kind: &ReduceKind,
        source: &LogicalPlan,
        rel: &Rel,
    ) -> Result<Option<Within>> {
        let names = self.provider.names();
        let ReduceKind::Dedup { keep: Keep::First, time } = kind else { return Ok(None) };
        let Some(table) = table_of(source, names) else { return Ok(None) };
        let wrong = |why: String| {
            error(format!("SET 'brooklet.table.{}.dedup-ttl': {why}", table.name), None)
        };
        let Some(watermark) = &table.watermark else {
            return Err(wrong(
                "the table has no WATERMARK, which the duration follows from".into(),
            ));
        };
        let facts = facts::columns(source, names);
        let visible = facts.iter().position(|f| f.time == Some(TimeKind::Rowtime));
        let scanned = match &self.plan.node(rel.node).op {
            NodeOp::Scan(scan) => scan.watermark.as_ref().map(|w| rel::column(w.column)),
            _ => None,
        };
        let column = visible.map(|i| rel.exprs[i].clone()).or(scanned);
        let column = column.ok_or_else(|| {
            wrong(format!(
                "the event time '{}' does not reach the ROW_NUMBER() that finds duplicates: select \
                 and read it there, or compute other columns behind the deduplication",
                watermark.column
            ))
        })?;
        Ok(Some(Within { column, by_time: time.is_some(), after_ms: watermark.delay_ms }))
    }
}

/// A deduplication that forgets.
pub struct Within {
    /// The event time.
    column: Expr,
    by_time: bool,
    after_ms: i64,
}

impl Within {
    /// Its Reduce over a Map that carries the event time.
    pub fn over(self, map: &mut Rel) -> ReduceKind {
        let known = map.exprs.iter().position(|old| *old == self.column);
        let time = known.unwrap_or_else(|| {
            map.names.push(format!("${}", map.exprs.len()));
            map.exprs.push(self.column);
            map.exprs.len() - 1
        });
        ReduceKind::FirstWithin { time, by_time: self.by_time, after_ms: self.after_ms }
    }
}

/// A setting that no deduplication follows would be a promise nobody keeps.
pub fn check(plan: &StreamPlan) -> Result<()> {
    let follows = |scan: NodeId| {
        plan.nodes.iter().any(|node| match &node.op {
            NodeOp::Reduce(spec) => {
                matches!(spec.kind, ReduceKind::FirstWithin { .. })
                    && scan_below(plan, node.inputs[0]) == Some(scan)
            }
            _ => false,
        })
    };
    match plan.scans().find(|(id, scan)| is_set(&scan.table) && !follows(*id)) {
        None => Ok(()),
        Some((_, scan)) => Err(error(
            format!(
                "SET 'brooklet.table.{}.dedup-ttl': no query has a filter on ROW_NUMBER() = 1 over \
                 the table itself, with PARTITION BY and ORDER BY its event time or PROCTIME() \
                 ascending",
                scan.table.name
            ),
            None,
        )),
    }
}

fn scan_below(plan: &StreamPlan, node: NodeId) -> Option<NodeId> {
    match &plan.node(node).op {
        NodeOp::Scan(_) => Some(node),
        NodeOp::Map(_) | NodeOp::Exchange(_) => scan_below(plan, *plan.node(node).inputs.first()?),
        _ => None,
    }
}

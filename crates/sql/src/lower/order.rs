//! ORDER BY a time attribute: a Gate that lets all rows out in order.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use brooklet_plan::node::{GateSpec, SortKey};
use brooklet_plan::{Node, NodeOp};
use datafusion::common::Result;
use datafusion::logical_expr::Sort;

use super::facts::{self, TimeKind};
use super::needs::Need;
use super::rel::{self, Rel};
use super::{Lowering, error};
use crate::query::clock::is_proctime;

/// What a stream's rows can be brought in the order of.
pub fn time_of(sort: &Sort, names: &dyn crate::query::Names) -> Option<TimeKind> {
    let first = sort.expr.first().filter(|first| first.asc)?;
    match facts::trace(&first.expr, &sort.input) {
        Some(column) => facts::columns(&sort.input, names)[column].time,
        None => is_proctime(&first.expr).then_some(TimeKind::Proctime),
    }
}

impl Lowering<'_> {
    pub(super) fn sort(&mut self, sort: &Sort, need: Need) -> Result<Rel> {
        let kind = time_of(sort, self.provider.names()).ok_or_else(|| {
            let message = "ORDER BY without LIMIT never ends on a stream, unless it is first by a \
                           time attribute, ascending: the column of a WATERMARK or PROCTIME(). \
                           Remove it, add LIMIT or order by time";
            error(message, None)
        })?;
        let need = Need { ord: true, late: true, ..need };
        let rel = self.lower(&sort.input, need)?;
        let width = rel.exprs.len();
        let mut map = rel.clone();
        let mut order = Vec::new();
        for s in &sort.expr {
            let e = rel::substitute(s.expr.clone(), sort.input.schema(), &rel.exprs)?;
            let known = map.exprs.iter().position(|old| *old == e);
            let column = known.unwrap_or(map.exprs.len());
            if known.is_none() {
                map.names.push(format!("${column}"));
                map.exprs.push(e);
            }
            order.push(SortKey { column, descending: !s.asc, nulls_first: s.nulls_first });
        }
        let first = order.remove(0).column;
        map.label = "ORDER BY".into();
        let input = self.emit(&map, need)?;
        if !self.plan.node(input).append_only {
            let message = "ORDER BY a time attribute over rows that are updated";
            return Err(error(message, None));
        }
        let input = self.exchange(input, &[], false);
        let below = self.plan.node(input).clone();
        let visible = rel::visible(&below);
        let mut fields: Vec<Field> =
            below.schema.fields()[..visible].iter().map(|f| f.as_ref().clone()).collect();
        fields.push(rel::hidden_ord(0));
        let node = Node {
            op: NodeOp::Gate(GateSpec {
                time: (kind == TimeKind::Rowtime).then_some(first),
                order: Some(order),
            }),
            inputs: vec![input],
            schema: Arc::new(Schema::new(fields)),
            ord: vec![visible],
            late: None,
            label: "ORDER BY".into(),
            ..below
        };
        let node = self.push(node, Some(vec![]));
        let mut out = Rel::of_node(&self.plan, node, "ORDER BY");
        out.exprs.truncate(width);
        out.names = rel.names;
        Ok(out)
    }
}

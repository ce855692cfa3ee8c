//! UNNEST: a Map that adds the collection, and one that copies rows for its elements.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use brooklet_plan::node::MapSpec;
use brooklet_plan::unnest::UnnestSpec;
use brooklet_plan::{Node, NodeOp};
use datafusion::common::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::expressions::Column;

use super::needs::Need;
use super::rel::{self, Rel};
use super::{Lowering, names_of};
use crate::query::unnest::Unnest;

impl Lowering<'_> {
    pub(super) fn unnest(&mut self, it: &Unnest, plan: &LogicalPlan, need: Need) -> Result<Rel> {
        let below = self.lower(&it.input, need)?;
        let width = below.exprs.len();
        let collection = rel::substitute(it.collection.clone(), it.input.schema(), &below.exprs)?;
        let mut map = below.clone();
        let known = map.exprs.iter().position(|e| *e == collection);
        let column = known.unwrap_or(width);
        if known.is_none() {
            map.exprs.push(collection);
            map.names.push("collection".into());
        }
        let inner = map.exprs.len();
        let input = self.emit(&map, need)?;
        let below = self.plan.node(input).clone();
        let visible = rel::visible(&below);
        let given: Vec<Field> = below.schema.fields().iter().map(|f| f.as_ref().clone()).collect();
        let names = names_of(plan);
        let added = plan.schema().fields()[it.input.schema().fields().len()..].iter();
        let added: Vec<Field> = added.map(|f| f.as_ref().clone().with_nullable(true)).collect();
        let shift = |i: &usize| i + added.len();
        let mut fields = given.clone();
        fields.splice(visible..visible, added.clone());
        let filter = match &it.filter {
            Some(filter) => Some(self.on_element(it, filter, &below, width, &added)?),
            None => None,
        };
        let exprs = given
            .iter()
            .enumerate()
            .map(|(i, f)| Arc::new(Column::new(f.name(), i)) as brooklet_plan::node::Expr);
        let unnest = UnnestSpec {
            column,
            kind: it.kind,
            width: it.width(),
            numbered: it.numbered,
            filter,
            outer: it.outer,
        };
        let node = Node {
            op: NodeOp::Map(MapSpec {
                filter: None,
                window: None,
                exprs: exprs.collect(),
                needs_now: false,
                unnest: Some(unnest),
            }),
            inputs: vec![input],
            schema: Arc::new(Schema::new(fields)),
            append_only: below.append_only,
            key: None,
            ord: below.ord.iter().map(shift).collect(),
            late: below.late.as_ref().map(shift),
            fingerprint: 0,
            label: "UNNEST".into(),
        };
        let dealt = self.dealt[input].clone().filter(|keys| keys.iter().all(|k| *k < visible));
        let node = self.push(node, dealt);
        let mut out = Rel::of_node(&self.plan, node, "UNNEST");
        out.exprs.drain(width..inner);
        out.names = names;
        Ok(out)
    }

    /// The condition over the node's input, then the element's columns.
    fn on_element(
        &self,
        it: &Unnest,
        filter: &datafusion::logical_expr::Expr,
        below: &Node,
        width: usize,
        added: &[Field],
    ) -> Result<brooklet_plan::node::Expr> {
        let all = below.schema.fields().len();
        let behind = (0..added.len()).map(|i| rel::column(all + i));
        let by: Vec<_> = (0..width).map(rel::column).chain(behind).collect();
        let filter = rel::substitute(filter.clone(), it.output(), &by)?;
        let mut fields: Vec<Field> =
            below.schema.fields().iter().map(|f| f.as_ref().clone()).collect();
        fields.extend(added.iter().cloned());
        let pairs = Arc::new(Schema::new(fields));
        let scope = rel::scope(&pairs, None)?;
        rel::Physical { schema: &pairs, scope: &scope, needs_now: false }.expr(&filter)
    }
}

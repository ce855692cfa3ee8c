//! CURRENT_WATERMARK(rowtime): read off the hidden column that says what a row is judged by.

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, LogicalPlan, lit, when};

use super::facts::{self, TimeKind};
use super::rel::{self, Rel};
use super::{Lowering, error};
use crate::query::watermark::argument;

/// Whether a node's own expressions read it.
pub fn is_read(plan: &LogicalPlan) -> bool {
    plan.expressions().iter().any(reads)
}

fn reads(expr: &Expr) -> bool {
    let mut found = false;
    let _ = expr.apply(|e| {
        found |= argument(e).is_some();
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

impl Lowering<'_> {
    /// `made` is `expr` over the columns of `rel`'s node, `input` the plan that it stands for.
    pub(super) fn with_watermark(
        &self,
        expr: &Expr,
        made: Expr,
        input: &LogicalPlan,
        rel: &Rel,
    ) -> Result<Expr> {
        if !reads(expr) {
            return Ok(made);
        }
        let facts = facts::columns(input, self.provider.names());
        expr.apply(|e| {
            let Some(time) = argument(e) else { return Ok(TreeNodeRecursion::Continue) };
            let column = facts::trace(time, input);
            match column.and_then(|i| facts[i].time) {
                Some(TimeKind::Rowtime) => Ok(TreeNodeRecursion::Continue),
                _ => Err(error("CURRENT_WATERMARK takes the column of a WATERMARK", None)),
            }
        })?;
        let node = self.plan.node(rel.node);
        let Some(late) = node.late else {
            return Err(error(
                "CURRENT_WATERMARK needs a watermark for every row: set \
                 'scan.watermark.emit.strategy' = 'on-event' in the table's WITH",
                None,
            ));
        };
        let scope = rel.scope(&self.plan)?;
        let replaced = made.transform_up(|e| {
            let Some(time) = argument(&e) else { return Ok(Transformed::no(e)) };
            let ty = time.get_type(&scope)?;
            let ms = Expr::Cast(Cast::new(Box::new(rel::column(late)), millis(&ty)));
            let at = Expr::Cast(Cast::new(Box::new(ms), ty.clone()));
            let none = Expr::Literal(ScalarValue::try_from(&ty)?, None);
            let known = rel::column(late).gt(lit(i64::MIN / 2));
            Ok(Transformed::yes(when(known, at).otherwise(none)?))
        })?;
        Ok(replaced.data)
    }
}

fn millis(ty: &arrow::datatypes::DataType) -> arrow::datatypes::DataType {
    use arrow::datatypes::{DataType, TimeUnit};
    match ty {
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        _ => DataType::Timestamp(TimeUnit::Millisecond, None),
    }
}

//! LATERAL (SELECT … FROM UNNEST(…)) over a collection of the left side: the left side with the
//! collection's elements, and what is selected of them.

use std::sync::Arc;

use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    Expr, Extension, Join, JoinType, LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNodeCore,
};

use super::lateral::as_left;
use super::unnest::Unnest;
use super::window_tvf::as_unnest;

/// What such a subquery is made of.
struct Parts<'a> {
    selected: &'a [Expr],
    predicate: Option<&'a Expr>,
    unnest: &'a Unnest,
}

impl Parts<'_> {
    fn of(subquery: &LogicalPlan) -> Option<Parts<'_>> {
        let LogicalPlan::Projection(p) = subquery else { return None };
        let (predicate, below) = match &*p.input {
            LogicalPlan::Filter(f) => (Some(&f.predicate), &f.input),
            _ => (None, &p.input),
        };
        let LogicalPlan::Extension(e) = &**below else { return None };
        let unnest = as_unnest(e).filter(|u| u.collection.contains_outer() && !u.outer)?;
        let alone = matches!(unnest.input, LogicalPlan::EmptyRelation(_));
        alone.then_some(Parts { selected: &p.expr, predicate, unnest })
    }
}

/// The join with such a subquery; None for other subqueries.
pub(super) fn joined(join: &Join, subquery: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    let Some(Parts { selected, predicate, unnest }) = Parts::of(subquery) else { return Ok(None) };
    let outer = join.join_type == JoinType::Left;
    let on = join.filter.as_ref().filter(|on| !is_true(on));
    let bare = |e: &Expr| matches!(e.clone().unalias(), Expr::Column(_));
    if outer && (on.is_some() || !join.on.is_empty() || !selected.iter().all(bare)) {
        return Ok(None);
    }
    let predicate = predicate.cloned().map(as_left).transpose()?;
    let collection = as_left(unnest.collection.clone())?;
    let left = join.left.as_ref().clone();
    let mut node = unnest.clone();
    node.outer = outer;
    node.filter = predicate.clone().filter(|_| outer);
    let node = node.with_exprs_and_inputs(vec![collection], vec![left])?;
    let elements = LogicalPlan::Extension(Extension { node: Arc::new(node) });
    let mut made = LogicalPlanBuilder::from(elements);
    if let Some(predicate) = predicate.filter(|_| !outer) {
        made = made.filter(predicate)?;
    }
    let width = join.left.schema().fields().len();
    let columns = join.schema.iter().enumerate().map(|(at, (qualifier, field))| {
        Ok(match at.checked_sub(width).and_then(|at| selected.get(at)) {
            None => Expr::Column((qualifier, field).into()),
            Some(e) => {
                as_left(e.clone().unalias())?.alias_qualified(qualifier.cloned(), field.name())
            }
        })
    });
    made = made.project(columns.collect::<Result<Vec<_>>>()?)?;
    for (left, right) in &join.on {
        made = made.filter(left.clone().eq(right.clone()))?;
    }
    if let Some(on) = on {
        made = made.filter(on.clone())?;
    }
    made.build().map(Some)
}

fn is_true(on: &Expr) -> bool {
    matches!(on, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}

//! INTERSECT and EXCEPT as a count of both sides' rows per distinct row: NULLs are equal, rows can
//! be taken back, and ALL keeps as many copies as the counts say.
//!
//! DataFusion makes joins of them in which NULL equals NULL; no query can write such a join.

use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, JoinType, NullEquality, Result};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::{Distinct, Expr, Join, LogicalPlan, LogicalPlanBuilder, lit, when};

use super::aggregates;
use super::unnest::Unnest;

/// How often a row is on the left and on the right.
const LEFT: &str = "$left";
const RIGHT: &str = "$right";

/// A bound plan with counts in place of such joins.
pub fn counted(plan: LogicalPlan) -> Result<LogicalPlan> {
    let rewritten = plan.transform_up_with_subqueries(|plan| match &plan {
        LogicalPlan::Join(join) if is_set_operation(join) => of_join(join).map(Transformed::yes),
        _ => Ok(Transformed::no(plan)),
    })?;
    Ok(rewritten.data)
}

fn is_set_operation(join: &Join) -> bool {
    let one_sided = matches!(join.join_type, JoinType::LeftSemi | JoinType::LeftAnti);
    one_sided && join.null_equality == NullEquality::NullEqualsNull && join.filter.is_none()
}

fn of_join(join: &Join) -> Result<LogicalPlan> {
    let (left, all) = match &*join.left {
        LogicalPlan::Distinct(Distinct::All(input)) => ((**input).clone(), false),
        other => (other.clone(), true),
    };
    let named: Vec<_> = left.schema().iter().map(|(q, f)| (q.cloned(), f.name().clone())).collect();
    let width = named.len();
    let one_side = |plan: LogicalPlan, counts: [i64; 2]| {
        let columns = plan.schema().columns().into_iter().enumerate();
        let mut exprs: Vec<Expr> =
            columns.map(|(i, c)| Expr::Column(c).alias(format!("${i}"))).collect();
        exprs.push(lit(counts[0]).alias(LEFT));
        exprs.push(lit(counts[1]).alias(RIGHT));
        LogicalPlanBuilder::from(plan).project(exprs)?.build()
    };
    let right = one_side((*join.right).clone(), [0, 1])?;
    let both = LogicalPlanBuilder::from(one_side(left, [1, 0])?).union(right)?;
    let column = |name: &str| Expr::Column(Column::new_unqualified(name));
    let groups: Vec<Expr> = (0..width).map(|i| column(&format!("${i}"))).collect();
    let sums = [LEFT, RIGHT].map(|name| sum(column(name)).map(|sum| sum.alias(name)));
    let sums = sums.into_iter().collect::<Result<Vec<_>>>()?;
    let counted = both.aggregate(groups, sums)?;
    let (in_left, in_right) = (column(LEFT), column(RIGHT));
    let keeps = match (join.join_type, all) {
        (JoinType::LeftSemi, _) => {
            in_left.clone().gt(lit(0_i64)).and(in_right.clone().gt(lit(0_i64)))
        }
        (_, false) => in_left.clone().gt(lit(0_i64)).and(in_right.clone().eq(lit(0_i64))),
        (_, true) => in_left.clone().gt(in_right.clone()),
    };
    let kept = counted.filter(keeps)?.build()?;
    let kept = match (all, join.join_type) {
        (false, _) => kept,
        (true, JoinType::LeftSemi) => {
            let less = in_left.clone().lt(in_right.clone());
            Unnest::repeating(kept, when(less, in_left).otherwise(in_right)?)?
        }
        (true, _) => Unnest::repeating(kept, in_left - in_right)?,
    };
    let names = named
        .into_iter()
        .enumerate()
        .map(|(i, (relation, name))| column(&format!("${i}")).alias_qualified(relation, name));
    LogicalPlanBuilder::from(kept).project(names.collect::<Vec<_>>())?.build()
}

fn sum(of: Expr) -> Result<Expr> {
    let Some(udf) = aggregates::all().into_iter().find(|udf| udf.name() == "sum") else {
        return datafusion::common::plan_err!("there is no SUM");
    };
    Ok(Expr::AggregateFunction(AggregateFunction::new_udf(
        udf,
        vec![of],
        false,
        None,
        vec![],
        None,
    )))
}

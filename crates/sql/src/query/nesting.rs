//! How deep may stand in each other what takes more time to plan with every level.
//!
//! DataFusion looks at the plan of a subquery twice a level whenever it checks a plan, and it
//! writes what stands before BETWEEN twice.

use std::ops::ControlFlow;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, plan_err};
use datafusion::logical_expr::{Expr, LogicalPlan};
use sqlparser::ast::{Expr as Text, Visit};

use super::walk::{Seen, walk};
use crate::parse;

/// Levels of IN, EXISTS and scalar subqueries.
const SUBQUERIES: usize = 8;
/// Levels of BETWEEN.
const RANGES: usize = 4;
/// Levels of ARRAY[…], MAP[…] and ROW(…): types are compared as a whole at each of them.
const VALUES: usize = 40;

/// What of a text is nested too deeply, if something is.
pub fn fault(text: &impl Visit) -> Option<String> {
    let asks =
        |e: &Text| matches!(e, Text::Subquery(_) | Text::InSubquery { .. } | Text::Exists { .. });
    if depth(text, asks) > SUBQUERIES {
        return Some(too_many_subqueries());
    }
    if depth(text, is_made) > VALUES {
        return Some(format!("more than {VALUES} ARRAYs, MAPs and ROWs stand in each other"));
    }
    let ranges = depth(text, |e| matches!(e, Text::Between { .. }));
    (ranges > RANGES).then(|| format!("more than {RANGES} BETWEENs stand in each other"))
}

fn is_made(e: &Text) -> bool {
    match e {
        Text::Array(_) | Text::Map(_) | Text::Tuple(_) | Text::Struct { .. } => true,
        Text::Function(f) => {
            let name = f.name.to_string();
            ["ROW", "ARRAY", "MAP", parse::expr::MAP]
                .iter()
                .any(|made| name.eq_ignore_ascii_case(made))
        }
        _ => false,
    }
}

fn too_many_subqueries() -> String {
    format!(
        "more than {SUBQUERIES} subqueries stand in each other, also by way of views: write joins"
    )
}

/// Refuses a bound plan in which subqueries, also those of views, are nested deeper.
pub fn check(plan: &LogicalPlan) -> Result<()> {
    if is_deeper(plan, SUBQUERIES)? {
        return plan_err!("{}", too_many_subqueries());
    }
    Ok(())
}

fn is_deeper(plan: &LogicalPlan, than: usize) -> Result<bool> {
    let mut deeper = false;
    plan.apply(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|e| {
                let inside = match e {
                    Expr::ScalarSubquery(inside) => inside,
                    Expr::InSubquery(it) => &it.subquery,
                    Expr::Exists(it) => &it.subquery,
                    Expr::SetComparison(it) => &it.subquery,
                    _ => return Ok(TreeNodeRecursion::Continue),
                };
                deeper |= than == 0 || is_deeper(&inside.subquery, than - 1)?;
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(deeper)
}

/// How many of these expressions stand in each other at most.
fn depth(text: &impl Visit, counts: fn(&Text) -> bool) -> usize {
    let (mut open, mut now, mut most) = (Vec::new(), 0_usize, 0);
    walk(text, &mut |seen| {
        match seen {
            Seen::Expr(e) => {
                let counted = usize::from(counts(e));
                open.push(counted);
                now += counted;
            }
            Seen::ExprEnd => now -= open.pop().unwrap_or_default(),
            _ => {}
        }
        most = most.max(now);
        ControlFlow::Continue(())
    });
    most
}

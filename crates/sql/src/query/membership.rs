//! Rows and comparisons with subqueries: `(a, b) IN (SELECT …)`, `x > ANY (SELECT …)` and
//! `x > ALL (SELECT …)` as EXISTS, which is planned as a join.
//!
//! What NULL makes unknown counts against NOT IN and ALL and not for IN and ANY, as in a filter.

use sqlparser::ast::{BinaryOperator, Expr, Ident, Query, SetExpr, TableFactor};
use sqlparser::parser::Parser;

use crate::parse::dialect::Flink;

/// What such a condition means; None for what is planned as it stands.
pub fn rewritten(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::InSubquery { expr, subquery, negated } => {
            let Expr::Tuple(values) = &**expr else { return None };
            let each = values.iter().enumerate();
            let equal = each.map(|(i, value)| compared(value, BinaryOperator::Eq, i));
            let equal = equal.reduce(|a, b| binary(a, BinaryOperator::And, b))?;
            let met = match negated {
                true => Expr::IsNotFalse(Box::new(Expr::Nested(Box::new(equal)))),
                false => equal,
            };
            exists(subquery, values.len(), met, *negated)
        }
        Expr::AnyOp { left, compare_op, right, .. } => {
            let Expr::Subquery(subquery) = &**right else { return None };
            exists(subquery, 1, compared(left, compare_op.clone(), 0), false)
        }
        Expr::AllOp { left, compare_op, right } => {
            let Expr::Subquery(subquery) = &**right else { return None };
            let holds = Expr::Nested(Box::new(compared(left, compare_op.clone(), 0)));
            exists(subquery, 1, Expr::IsNotTrue(Box::new(holds)), true)
        }
        _ => None,
    }
}

/// Of the subquery's columns by position.
fn column(position: usize) -> Expr {
    Expr::Identifier(Ident::with_quote('`', format!("__{position}")))
}

fn compared(value: &Expr, op: BinaryOperator, position: usize) -> Expr {
    binary(value.clone(), op, column(position))
}

fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    Expr::BinaryOp { left: Box::new(left), op, right: Box::new(right) }
}

/// Whether the subquery has a row that fulfils the condition.
fn exists(subquery: &Query, width: usize, condition: Expr, negated: bool) -> Option<Expr> {
    let columns: Vec<String> = (0..width).map(|i| format!("`__{i}`")).collect();
    let frame = format!("SELECT 1 FROM (SELECT 1) AS `__in` ({})", columns.join(", "));
    let mut query = Parser::new(&Flink).try_with_sql(&frame).ok()?.parse_query().ok()?;
    let SetExpr::Select(select) = &mut *query.body else { return None };
    select.selection = Some(condition);
    let TableFactor::Derived { subquery: inner, .. } = &mut select.from.first_mut()?.relation
    else {
        return None;
    };
    **inner = subquery.clone();
    Some(Expr::Exists { subquery: query, negated })
}

//! Rows and comparisons with subqueries: `(a, b) IN (SELECT …)`, `x > ANY (SELECT …)` and
//! `x > ALL (SELECT …)` as EXISTS, which is planned as a join.
//!
//! In a filter what NULL makes unknown counts against NOT IN and ALL and not for IN and ANY. Where
//! the value is shown it is NULL.

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, JoinConstraint, JoinOperator, Query, Select, SetExpr, TableFactor,
    UnaryOperator,
};
use sqlparser::parser::Parser;

use crate::parse::dialect::Flink;

/// Rewrites such conditions where a filter takes what is unknown as FALSE.
pub fn filters(select: &mut Select) {
    let joins = select.from.iter_mut().flat_map(|from| &mut from.joins);
    let on = joins.filter_map(|join| match &mut join.join_operator {
        JoinOperator::Join(JoinConstraint::On(on))
        | JoinOperator::Inner(JoinConstraint::On(on))
        | JoinOperator::Left(JoinConstraint::On(on))
        | JoinOperator::LeftOuter(JoinConstraint::On(on))
        | JoinOperator::Right(JoinConstraint::On(on))
        | JoinOperator::RightOuter(JoinConstraint::On(on))
        | JoinOperator::FullOuter(JoinConstraint::On(on)) => Some(on),
        _ => None,
    });
    on.chain(&mut select.selection).chain(&mut select.having).for_each(filter);
}

fn filter(expr: &mut Expr) {
    match expr {
        Expr::Nested(inner) => filter(inner),
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            filter(left);
            filter(right);
        }
        other => {
            if let Some(rewritten) = in_filter(other) {
                *other = rewritten;
            }
        }
    }
}

/// The value of such a condition; None for what is planned as it stands.
pub fn value(expr: &Expr) -> Option<Expr> {
    let negated = |e: Expr| Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(e) };
    let nested = |e: Expr| Expr::Nested(Box::new(e));
    let (subquery, width, hit, of_hit) = match expr {
        Expr::InSubquery { expr, subquery, negated } => {
            let Expr::Tuple(values) = &**expr else { return None };
            (subquery, values.len(), equal(values)?, !negated)
        }
        Expr::AnyOp { left, compare_op, right, .. } => {
            let Expr::Subquery(subquery) = &**right else { return None };
            (subquery, 1, compared(left, compare_op.clone(), 0), true)
        }
        Expr::AllOp { left, compare_op, right } => {
            let Expr::Subquery(subquery) = &**right else { return None };
            (subquery, 1, negated(nested(compared(left, compare_op.clone(), 0))), false)
        }
        _ => return None,
    };
    let unknown = Expr::IsUnknown(Box::new(nested(hit.clone())));
    let frame = match of_hit {
        true => "CASE WHEN TRUE THEN TRUE WHEN TRUE THEN FALSE END",
        false => "CASE WHEN TRUE THEN FALSE WHEN TRUE THEN TRUE END",
    };
    let mut made = Parser::new(&Flink).try_with_sql(frame).ok()?.parse_expr().ok()?;
    let Expr::Case { conditions, .. } = &mut made else { return None };
    let [first, second] = conditions.as_mut_slice() else { return None };
    first.condition = exists(subquery, width, hit, false)?;
    second.condition = exists(subquery, width, unknown, true)?;
    Some(made)
}

/// Whether it is TRUE.
fn in_filter(expr: &Expr) -> Option<Expr> {
    match expr {
        Expr::InSubquery { expr, subquery, negated } => {
            let Expr::Tuple(values) = &**expr else { return None };
            let equal = equal(values)?;
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

fn equal(values: &[Expr]) -> Option<Expr> {
    let each = values.iter().enumerate();
    let each = each.map(|(i, value)| compared(value, BinaryOperator::Eq, i));
    each.reduce(|a, b| binary(a, BinaryOperator::And, b))
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

//! ROWs that are written out, compared by = and IN field by field: what is unknown of one field is
//! unknown of the row unless another field decides. Other rows, and these by <>, are compared as a
//! whole: NULL in both is the same.

use datafusion::common::Result;
use datafusion::logical_expr::expr::{Case, InList};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, not};

use super::{Typing, nested};

impl Typing {
    pub(super) fn binary(&self, e: BinaryExpr) -> Result<Expr> {
        let sides = fields(&e.left).zip(fields(&e.right)).filter(|_| e.op == Operator::Eq);
        let Some((left, right)) = sides.filter(|(left, right)| left.len() == right.len()) else {
            return Ok(Expr::BinaryExpr(self.compared(e)?));
        };
        let each = left.iter().zip(right).map(|(l, r)| {
            let (left, right) = (Box::new(l.clone()), Box::new(r.clone()));
            self.binary(BinaryExpr { left, op: Operator::Eq, right })
        });
        let each = each.collect::<Result<Vec<_>>>()?;
        Ok(each.into_iter().reduce(Expr::and).unwrap_or(Expr::BinaryExpr(e)))
    }

    /// `CASE row WHEN …` with its comparisons written out.
    pub(super) fn of_nested(&self, case: Case) -> Result<Case> {
        let Case { expr: Some(value), when_then_expr, else_expr } = case else { return Ok(case) };
        if !nested(&self.of(&value)?) {
            return Ok(Case { expr: Some(value), when_then_expr, else_expr });
        }
        let equal = when_then_expr.into_iter().map(|(when, then)| {
            let compared = BinaryExpr { left: value.clone(), op: Operator::Eq, right: when };
            Ok((Box::new(self.binary(compared)?), then))
        });
        let when_then_expr = equal.collect::<Result<_>>()?;
        Ok(Case { expr: None, when_then_expr, else_expr })
    }

    /// Whether a row is in a list of rows; None for other values.
    pub(super) fn row_in(&self, e: &InList) -> Result<Option<Expr>> {
        if fields(&e.expr).is_none() || !e.list.iter().all(|item| fields(item).is_some()) {
            return Ok(None);
        }
        let each = e.list.iter().map(|item| {
            let (left, right) = (e.expr.clone(), Box::new(item.clone()));
            self.binary(BinaryExpr { left, op: Operator::Eq, right })
        });
        let any = each.collect::<Result<Vec<_>>>()?.into_iter().reduce(Expr::or);
        Ok(any.map(|any| if e.negated { not(any) } else { any }))
    }
}

fn fields(row: &Expr) -> Option<&[Expr]> {
    match row {
        Expr::ScalarFunction(f) if f.func.name() == "__row" => Some(&f.args),
        _ => None,
    }
}

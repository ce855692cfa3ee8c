//! ROWs that are written out, compared field by field: what is unknown of one field is unknown of
//! the row unless another field decides.

use datafusion::common::Result;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator, binary_expr, not};

use super::Typing;

impl Typing {
    pub(super) fn binary(&self, e: BinaryExpr) -> Result<Expr> {
        let both = match e.op {
            Operator::Eq => Operator::And,
            Operator::NotEq => Operator::Or,
            _ => return Ok(Expr::BinaryExpr(self.compared(e)?)),
        };
        match fields(&e.left).zip(fields(&e.right)) {
            Some((left, right)) if left.len() == right.len() => {
                let each = left.iter().zip(right).map(|(l, r)| {
                    let (left, right) = (Box::new(l.clone()), Box::new(r.clone()));
                    self.binary(BinaryExpr { left, op: e.op, right })
                });
                let each = each.collect::<Result<Vec<_>>>()?.into_iter();
                Ok(each.reduce(|a, b| binary_expr(a, both, b)).unwrap_or(Expr::BinaryExpr(e)))
            }
            _ => Ok(Expr::BinaryExpr(self.compared(e)?)),
        }
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

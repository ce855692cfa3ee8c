//! Interval joins: bounds between the rowtimes of both sides say how long a row can still match.

use brooklet_core::time::Millis;
use brooklet_plan::node::Retain;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, Operator};

use super::facts::{self, TimeKind};
use crate::query::Names;
use crate::query::window_tvf::interval_millis;

/// A rowtime column of one side and what is added to it.
struct Moment {
    right: bool,
    column: usize,
    plus: Millis,
}

/// Whether the join is one within an interval.
pub fn is_one(join: &Join, names: &dyn Names) -> bool {
    retain(join, names).is_some()
}

/// What may be forgotten when the condition bounds the distance of both rowtimes both ways.
pub fn retain(join: &Join, names: &dyn Names) -> Option<[Retain; 2]> {
    let sides = [facts::columns(&join.left, names), facts::columns(&join.right, names)];
    let moment = |e: &Expr| moment(e, join, &sides);
    // right − left is at most `above` and left − right at most `below`.
    let (mut above, mut below, mut columns) = (None, None, None);
    for part in split_conjunction(join.filter.as_ref()?) {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { continue };
        let (Some(a), Some(b)) = (moment(left), moment(right)) else { continue };
        let (op, l, r) = match (a.right, b.right) {
            (false, true) => (*op, a, b),
            (true, false) => (op.swap()?, b, a),
            _ => continue,
        };
        match op {
            Operator::GtEq | Operator::Gt => above = Some(l.plus - r.plus),
            Operator::LtEq | Operator::Lt => below = Some(r.plus - l.plus),
            Operator::Eq => (above, below) = (Some(l.plus - r.plus), Some(r.plus - l.plus)),
            _ => continue,
        }
        columns = Some((l.column, r.column));
    }
    let ((left, right), above, below) = (columns?, above?, below?);
    let until = |column, after: Millis| Retain::UntilWatermark { column, after_ms: after.max(0) };
    Some([until(left, above), until(right, below)])
}

fn moment(expr: &Expr, join: &Join, sides: &[Vec<facts::Facts>; 2]) -> Option<Moment> {
    match expr {
        Expr::Column(c) => {
            let left = join.left.schema().index_of_column(c).ok();
            let right = join.right.schema().index_of_column(c).ok();
            let (right, column) = match (left, right) {
                (Some(i), _) => (false, i),
                (None, Some(i)) => (true, i),
                (None, None) => return None,
            };
            let time = sides[usize::from(right)].get(column)?.time;
            (time == Some(TimeKind::Rowtime)).then_some(Moment { right, column, plus: 0 })
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
            let millis = interval_millis(right)?;
            let plus = match op {
                Operator::Plus => millis,
                Operator::Minus => -millis,
                _ => return None,
            };
            let inner = moment(left, join, sides)?;
            Some(Moment { plus: inner.plus + plus, ..inner })
        }
        _ => None,
    }
}

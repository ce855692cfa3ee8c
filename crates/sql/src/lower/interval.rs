//! Interval joins: bounds between the times of both sides say how long a row can still match.

use brooklet_core::time::Millis;
use brooklet_plan::node::Retain;
use datafusion::common::JoinType;
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{BinaryExpr, Expr, Join, Operator};

use super::facts::{self, TimeKind};
use super::window_join;
use crate::query::Names;
use crate::query::window_tvf::interval_millis;

/// How far the times of rows that match are apart at most.
pub struct Interval {
    pub retain: [Retain; 2],
    /// How far the times of what comes out can be behind the watermark.
    pub lag_ms: Millis,
}

/// A time attribute of one side and what is added to it.
struct Moment {
    right: bool,
    column: usize,
    kind: TimeKind,
    plus: Millis,
}

/// Bounds found so far.
#[derive(Default)]
struct Bounds {
    /// right − left is at most `above` and left − right at most `below`.
    above: Option<Millis>,
    below: Option<Millis>,
    columns: Option<(usize, usize, TimeKind)>,
}

impl Bounds {
    fn add(&mut self, op: Operator, a: Moment, b: Moment) -> Option<()> {
        let (op, l, r) = match (a.right, b.right) {
            (false, true) => (op, a, b),
            (true, false) => (op.swap()?, b, a),
            _ => return None,
        };
        if l.kind != r.kind {
            return None;
        }
        let tighter = |old: Option<Millis>, new| Some(old.map_or(new, |old: Millis| old.min(new)));
        let (above, below) = (l.plus - r.plus, r.plus - l.plus);
        match op {
            Operator::GtEq | Operator::Gt => self.above = tighter(self.above, above),
            Operator::LtEq | Operator::Lt => self.below = tighter(self.below, below),
            Operator::Eq => {
                self.above = tighter(self.above, above);
                self.below = tighter(self.below, below);
            }
            _ => return None,
        }
        self.columns = Some((l.column, r.column, l.kind));
        Some(())
    }
}

/// The interval of a join whose condition bounds the distance of both sides' times both ways. Semi
/// and anti joins have none, as in Flink; joins of windows need none.
pub fn of(join: &Join, names: &dyn Names) -> Option<Interval> {
    of_columns(join, &facts::of_sides(join, names))
}

/// The same of what is known of both sides.
pub fn of_columns(join: &Join, sides: &[Vec<facts::Facts>; 2]) -> Option<Interval> {
    if !matches!(
        join.join_type,
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full
    ) {
        return None;
    }
    if window_join::of_columns(join, sides).is_some() {
        return None;
    }
    let moment = |e: &Expr| moment(e, join, sides);
    let mut bounds = Bounds::default();
    for (l, r) in &join.on {
        if let (Some(a), Some(b)) = (moment(l), moment(r)) {
            bounds.add(Operator::Eq, a, b);
        }
    }
    for part in join.filter.iter().flat_map(|filter| split_conjunction(filter)) {
        let Expr::BinaryExpr(BinaryExpr { left, op, right }) = part else { continue };
        if let (Some(a), Some(b)) = (moment(left), moment(right)) {
            bounds.add(*op, a, b);
        }
    }
    let (left, right, kind) = bounds.columns?;
    let (above, below) = (bounds.above?.max(0), bounds.below?.max(0));
    let until = |column, after_ms| match kind {
        TimeKind::Rowtime => Retain::UntilWatermark { column, after_ms },
        TimeKind::Proctime => Retain::UntilClock { column, after_ms },
    };
    let lag_ms = match kind {
        TimeKind::Rowtime => above.max(below),
        TimeKind::Proctime => 0,
    };
    Some(Interval { retain: [until(left, above), until(right, below)], lag_ms })
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
            let kind = sides[usize::from(right)].get(column)?.time?;
            Some(Moment { right, column, kind, plus: 0 })
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

//! Join conditions such as `a = b OR c = d`: no column says where two rows meet, but one of a few
//! must be equal, so that the rows to be tried are found by each.

use arrow::datatypes::DataType;
use datafusion::logical_expr::utils::{split_binary, split_conjunction};
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, Join, LogicalPlan, Operator};

/// Of each alternative of a condition an equality (left, right); empty when some have none, or
/// when the join has equalities that always hold.
pub fn alternatives(join: &Join) -> Vec<(Expr, Expr)> {
    let Some(filter) = join.filter.as_ref().filter(|_| join.on.is_empty()) else {
        return Vec::new();
    };
    let of = |condition: &Expr| {
        let each = split_binary(condition, Operator::Or).into_iter();
        each.map(|alternative| equality(join, alternative)).collect::<Option<Vec<_>>>()
    };
    split_conjunction(filter).into_iter().find_map(of).unwrap_or_default()
}

/// An equality between the sides that the alternative asks for.
fn equality(join: &Join, alternative: &Expr) -> Option<(Expr, Expr)> {
    let between = |e: &Expr| {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = e else { return None };
        let pair = match (is_of(left, &join.left), is_of(right, &join.right)) {
            (true, true) => (left, right),
            _ if is_of(right, &join.left) && is_of(left, &join.right) => (right, left),
            _ => return None,
        };
        let l = pair.0.get_type(join.left.schema()).ok()?;
        let r = pair.1.get_type(join.right.schema()).ok()?;
        (l == r && is_exact(&l)).then(|| (*pair.0.clone(), *pair.1.clone()))
    };
    split_conjunction(alternative).into_iter().find_map(between)
}

/// Whether an expression reads columns of that side, and no others.
fn is_of(expr: &Expr, side: &LogicalPlan) -> bool {
    let columns = expr.column_refs();
    !columns.is_empty() && columns.into_iter().all(|c| side.schema().index_of_column(c).is_ok())
}

/// Equal values have equal encodings: not those of floating point, which has two zeros.
fn is_exact(ty: &DataType) -> bool {
    !ty.is_floating() && !ty.is_nested()
}

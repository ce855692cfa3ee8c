//! VALUES with Flink's names of columns: `EXPR$0`, `EXPR$1` and so on.

use sqlparser::ast::{Expr, SetExpr, TableFactor};
use sqlparser::parser::Parser;

use super::as_written::AS_WRITTEN;
use super::calls::call;
use crate::parse::dialect::Flink;

/// VALUES as `SELECT * FROM (VALUES …) AS t (EXPR$0, …)`, once.
pub fn name(body: &mut SetExpr) {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            name(left);
            name(right);
        }
        // The mark of those that are named; it means nothing else.
        SetExpr::Values(values) if !values.explicit_row => {
            values.explicit_row = true;
            values.rows.iter_mut().flat_map(|row| &mut row.content).for_each(as_written);
            let width = values.rows.first().map_or(0, |row| row.content.len());
            if let Some(named) = around(body.clone(), width) {
                *body = named;
            }
        }
        _ => {}
    }
}

fn as_written(value: &mut Expr) {
    if !matches!(value, Expr::Value(_)) {
        *value = call(AS_WRITTEN, vec![value.clone()]);
    }
}

fn around(values: SetExpr, width: usize) -> Option<SetExpr> {
    let columns: Vec<String> = (0..width).map(|i| format!("`EXPR${i}`")).collect();
    let frame = format!("SELECT * FROM (SELECT 1) AS `__values` ({})", columns.join(", "));
    let query = Parser::new(&Flink).try_with_sql(&frame).ok()?.parse_query().ok()?;
    let SetExpr::Select(mut select) = *query.body else { return None };
    let from = &mut select.from.first_mut()?.relation;
    let TableFactor::Derived { subquery, .. } = from else { return None };
    *subquery.body = values;
    Some(SetExpr::Select(select))
}

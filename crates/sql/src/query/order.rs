//! ORDER BY of a whole query: a column that numbers the rows, for whoever shows them.

use std::sync::Arc;

use brooklet_plan::node::ORDER;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::{
    Expr, Limit, LogicalPlan, LogicalPlanBuilder, Projection, WindowFrame, WindowFunctionDefinition,
};

use super::row_number::row_number;

/// The plan with the number as its last column; None where the query's end has no order that can
/// be shown. For batch mode: on a stream a Gate brings rows into the order of time.
pub fn numbered(plan: &LogicalPlan) -> Result<Option<LogicalPlan>> {
    match plan {
        LogicalPlan::Projection(p) => {
            let Some(below) = numbered(&p.input)? else { return Ok(None) };
            let mut exprs = p.expr.clone();
            exprs.push(number());
            let made = Projection::try_new(exprs, Arc::new(below))?;
            Ok(Some(LogicalPlan::Projection(made)))
        }
        LogicalPlan::Limit(limit) => {
            let LogicalPlan::Sort(sort) = &*limit.input else { return Ok(None) };
            let below = with_number(&sort.input, sort.expr.clone())?;
            let below =
                LogicalPlanBuilder::from(below).sort(vec![Sort::new(number(), true, false)]);
            let input = Arc::new(below?.build()?);
            Ok(Some(LogicalPlan::Limit(Limit { input, ..limit.clone() })))
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
            with_number(&sort.input, sort.expr.clone()).map(Some)
        }
        _ => Ok(None),
    }
}

fn number() -> Expr {
    Expr::Column(Column::new_unqualified(ORDER))
}

fn with_number(input: &LogicalPlan, order_by: Vec<Sort>) -> Result<LogicalPlan> {
    let mut call = WindowFunction::new(WindowFunctionDefinition::WindowUDF(row_number()), vec![]);
    call.params.order_by = order_by;
    call.params.window_frame = WindowFrame::new(Some(false));
    let call = Expr::WindowFunction(Box::new(call)).alias(ORDER);
    LogicalPlanBuilder::from(input.clone()).window(vec![call])?.build()
}

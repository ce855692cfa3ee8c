//! ORDER BY of a whole query: a column that numbers the rows, for whoever shows them.

use std::sync::Arc;

use brooklet_plan::node::ORDER;
use datafusion::common::{Column, Result, plan_err};
use datafusion::logical_expr::expr::{Sort, WindowFunction};
use datafusion::logical_expr::{
    Expr, Limit, LogicalPlan, LogicalPlanBuilder, Projection, WindowFrame, WindowFunctionDefinition,
};

use super::Names;
use super::row_number::row_number;
use crate::lower::facts;

/// The plan with the number as its last column; None where the query's end has no order that can
/// be shown. In a stream that is the order of time.
pub fn numbered(plan: &LogicalPlan, batch: bool, names: &dyn Names) -> Result<Option<LogicalPlan>> {
    match plan {
        LogicalPlan::Projection(p) => {
            let Some(below) = numbered(&p.input, batch, names)? else { return Ok(None) };
            let mut exprs = p.expr.clone();
            exprs.push(number());
            let made = Projection::try_new(exprs, Arc::new(below))?;
            Ok(Some(LogicalPlan::Projection(made)))
        }
        LogicalPlan::Limit(limit) if batch => {
            let LogicalPlan::Sort(sort) = &*limit.input else { return Ok(None) };
            let below = with_number(&sort.input, sort.expr.clone())?;
            let below =
                LogicalPlanBuilder::from(below).sort(vec![Sort::new(number(), true, false)]);
            let input = Arc::new(below?.build()?);
            Ok(Some(LogicalPlan::Limit(Limit { input, ..limit.clone() })))
        }
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => {
            if !batch && !by_time(&sort.expr, &sort.input, names) {
                return plan_err!(
                    "ORDER BY on a stream needs a time column, ascending: order by an event time \
                     or PROCTIME(), or add LIMIT"
                );
            }
            with_number(&sort.input, sort.expr.clone()).map(Some)
        }
        _ => Ok(None),
    }
}

fn by_time(order: &[Sort], input: &LogicalPlan, names: &dyn Names) -> bool {
    let [by] = order else { return false };
    let time = facts::trace(&by.expr, input).and_then(|i| facts::columns(input, names)[i].time);
    by.asc && time.is_some()
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

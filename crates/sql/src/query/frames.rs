//! Frames of OVER: DataFusion reads the numbers of their bounds off the text, so that these must
//! stay as they are written while other literals are given types; and its RANGE knows less types
//! than rows can be ordered by.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Expr as Bound, ExprSchemable, LogicalPlan, WindowFrame, WindowFrameBound as Edge,
    WindowFrameUnits,
};
use sqlparser::ast::{
    Expr, Interval, NamedWindowExpr, Select, Value, WindowFrameBound, WindowSpec,
};

/// Bounds whose numbers have been typed, as they were.
pub fn bare(spec: &mut WindowSpec) {
    each_bound(spec, &mut |bound| {
        if let Expr::Cast { expr, .. } = bound {
            *bound = (**expr).clone();
        }
    });
}

/// Bounds of `WINDOW w AS (…)`, in a form that nothing changes: they are visited after this.
pub fn named(select: &mut Select) {
    for definition in &mut select.named_window {
        if let NamedWindowExpr::WindowSpec(spec) = &mut definition.1 {
            each_bound(spec, &mut quoted);
        }
    }
}

fn quoted(bound: &mut Expr) {
    let Expr::Value(value) = &*bound else { return };
    let Value::Number(text, _) = &value.value else { return };
    *bound = Expr::Interval(Interval {
        value: Box::new(Expr::value(Value::SingleQuotedString(text.clone()))),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    });
}

fn each_bound(spec: &mut WindowSpec, each: &mut dyn FnMut(&mut Expr)) {
    let Some(frame) = &mut spec.window_frame else { return };
    for bound in [Some(&mut frame.start_bound), frame.end_bound.as_mut()].into_iter().flatten() {
        if let WindowFrameBound::Preceding(Some(e)) | WindowFrameBound::Following(Some(e)) = bound {
            each(e);
        }
    }
}

/// RANGE as GROUPS where rows are ordered by what has no distances, such as a TIME: up to the rows
/// that are equal to this one, both say the same.
pub fn without_distances(plan: LogicalPlan) -> Result<LogicalPlan> {
    let changed = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Window(window) = &node else { return Ok(Transformed::no(node)) };
        let (schema, names) = (Arc::clone(window.input.schema()), NamePreserver::new(&node));
        let changed = node.map_expressions(|expr| {
            let name = names.save(&expr);
            let grouped = expr.transform_up(|e| grouped(e, &schema))?;
            Ok(grouped.update_data(|e| name.restore(e)))
        })?;
        match changed.transformed {
            true => changed.map_data(|node| node.recompute_schema()),
            false => Ok(changed),
        }
    });
    changed.data()
}

fn grouped(expr: Bound, schema: &DFSchema) -> Result<Transformed<Bound>> {
    let Bound::WindowFunction(mut call) = expr else { return Ok(Transformed::no(expr)) };
    let order = call.params.order_by.first().map(|by| by.expr.get_type(schema)).transpose()?;
    let frame = &mut call.params.window_frame;
    match order {
        Some(ty) if frame.units == WindowFrameUnits::Range && !has_distances(&ty) => {
            if !is_up_to_here(frame) {
                return plan_err!("RANGE with a distance is ordered by a number or a time");
            }
            frame.units = WindowFrameUnits::Groups;
            Ok(Transformed::yes(Bound::WindowFunction(call)))
        }
        _ => Ok(Transformed::no(Bound::WindowFunction(call))),
    }
}

/// Whether all rows before this one and those equal to it are in the frame.
pub fn is_up_to_here(frame: &WindowFrame) -> bool {
    matches!(&frame.start_bound, Edge::Preceding(v) if v.is_null())
        && matches!(frame.end_bound, Edge::CurrentRow)
}

fn has_distances(ty: &DataType) -> bool {
    ty.is_numeric()
        || ty.is_null()
        || matches!(
            ty,
            DataType::Utf8
                | DataType::Boolean
                | DataType::List(_)
                | DataType::Date32
                | DataType::Timestamp(..)
        )
}

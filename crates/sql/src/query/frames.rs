//! Bounds of OVER's frames: DataFusion reads their numbers off the text, so that these must stay
//! as they are written while other literals are given types.

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

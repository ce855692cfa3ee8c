//! OVER in the plan's text.

use arrow::datatypes::SchemaRef;

use super::{call, order_by};
use crate::over::{Distance, Edge, Frame, FrameUnit, OverFunc, OverOrder, OverSpec};

/// The order and each call with its frame.
pub fn text(spec: &OverSpec, input: &SchemaRef) -> String {
    let order = match &spec.order {
        OverOrder::Rowtime(time) => input.field(*time).name().clone(),
        OverOrder::Proctime => "arrival".into(),
        OverOrder::Sorted(keys) if keys.is_empty() => "nothing".into(),
        OverOrder::Sorted(keys) => order_by(keys, input),
    };
    let calls: Vec<String> = spec
        .calls
        .iter()
        .map(|c| match &c.func {
            OverFunc::Aggregate(a) => format!("{} {}", call(a, input), frame(&c.frame)),
            other => ranked(other, input),
        })
        .collect();
    format!("over {order} [{}]", calls.join(", "))
}

fn ranked(func: &OverFunc, input: &SchemaRef) -> String {
    match func {
        OverFunc::Shifted { arg, back, .. } if *back < 0 => {
            format!("lead({}, {})", input.field(*arg).name(), -back)
        }
        OverFunc::Shifted { arg, back, .. } => {
            format!("lag({}, {back})", input.field(*arg).name())
        }
        OverFunc::Ntile(n) => format!("ntile({n})"),
        OverFunc::RowNumber => "row_number".into(),
        OverFunc::DenseRank => "dense_rank".into(),
        OverFunc::PercentRank => "percent_rank".into(),
        OverFunc::CumeDist => "cume_dist".into(),
        _ => "rank".into(),
    }
}

fn frame(frame: &Frame) -> String {
    let unit = match frame.unit {
        FrameUnit::Rows => "rows",
        FrameUnit::Range => "range",
    };
    format!("{unit} {}..{}", edge(frame.start), edge(frame.end))
}

fn edge(edge: Edge) -> String {
    match edge {
        Edge::Unbounded => String::new(),
        Edge::Offset(Distance::Exact(n)) => n.to_string(),
        Edge::Offset(Distance::Float(x)) => x.to_string(),
    }
}

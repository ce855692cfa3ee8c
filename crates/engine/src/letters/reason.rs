//! Why a row was late, in words.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Int64Type, TimestampMillisecondType};
use arrow::temporal_conversions::timestamp_ms_to_datetime;

use brooklet_core::time::{Millis, WATERMARK_MAX};
use brooklet_core::{Delta, Result};
use brooklet_plan::node::{Emit, NodeId, NodeOp, ReduceKind, StreamPlan};
use brooklet_plan::over::OverOrder;

use crate::ops::map::millis;

/// One reason a row. `late_before` is the watermark before the epoch; a row's hidden column says
/// more.
pub fn late(
    plan: &StreamPlan,
    node: NodeId,
    rows: &Delta,
    late_before: Millis,
) -> Result<Vec<String>> {
    let (column, is_window) = match &plan.node(node).op {
        NodeOp::Reduce(spec) => match (spec.emit, &spec.kind) {
            (Emit::OnClose { window_end, .. }, ReduceKind::Session { .. }) => {
                (Some(window_end), false)
            }
            (Emit::OnClose { window_end, .. } | Emit::Firing { window_end, .. }, _) => {
                (Some(window_end), true)
            }
            (_, ReduceKind::Dedup { time, .. }) => (*time, false),
            (_, ReduceKind::FirstWithin { time, .. }) => (Some(*time), false),
            (_, ReduceKind::Over(spec)) => match spec.order {
                OverOrder::Rowtime(time) => (Some(time), false),
                _ => (None, false),
            },
            (_, ReduceKind::Match(spec)) => (spec.time, false),
            _ => (None, false),
        },
        NodeOp::Gate(spec) => (spec.time, false),
        _ => (None, false),
    };
    let Some(column) = column else { return Ok(vec!["late".to_string(); rows.len()]) };
    let times = millis(rows.column(column))?;
    let times = times.as_primitive::<TimestampMillisecondType>();
    let limits = plan.node(plan.node(node).inputs[0]).late;
    let limits = limits.and_then(|c| rows.column(c).as_primitive_opt::<Int64Type>());
    let reason = |row: usize| {
        let limit = moment(limits.map_or(late_before, |l| l.value(row)));
        if times.is_null(row) {
            return "it has no event time".to_string();
        }
        let time = moment(times.value(row));
        match is_window {
            true => format!("its window ended at {time}, the watermark was {limit}"),
            false => format!("its time is {time}, the watermark was {limit}"),
        }
    };
    Ok((0..rows.len()).map(reason).collect())
}

fn moment(ms: Millis) -> String {
    if ms == WATERMARK_MAX {
        return "at the end of the input".to_string();
    }
    timestamp_ms_to_datetime(ms).map_or_else(|| ms.to_string(), |t| t.to_string())
}

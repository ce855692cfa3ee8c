//! HOP and CUMULATE below an aggregate that can be made of slices: rows are not copied into each
//! of their windows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use brooklet_plan::node::{
    AggCall, Clock, Emit, ReduceKind, ReduceSpec, WindowAssign, WindowColumn, WindowKind,
};
use brooklet_plan::{Node, NodeId, NodeOp, StreamPlan};
use datafusion::common::Result;
use datafusion::logical_expr::Expr;

use super::Lowering;
use super::aggregate::{self, Grouped};
use super::needs::Need;
use super::rel::{self, Rel};
use crate::query::window_tvf::WINDOW_COLUMNS;

/// The aggregate as it runs: over the slices' columns instead of the windows', and without them in
/// its keys.
pub(super) struct Slices {
    map: Rel,
    windows: WindowKind,
    slice_end: usize,
    keys: Vec<usize>,
    bounds: Vec<(usize, WindowColumn)>,
    calls: Vec<AggCall>,
    /// Where each group expression stands in the output.
    pub places: Vec<usize>,
}

impl Slices {
    /// None: the rows must be copied.
    pub fn of(plan: &StreamPlan, map: &Rel, grouped: &Grouped) -> Option<Self> {
        let Grouped { keys, emit, calls, .. } = grouped;
        let Emit::OnClose { window_end, clock: Clock::Watermark } = *emit else { return None };
        let WindowAssign { time, kind } = map.window.clone()?;
        let slice = slice_of(kind)?;
        let below = plan.node(map.node);
        let plain = matches!(below.schema.field(time).data_type(), DataType::Timestamp(_, None));
        let bound = |column: &usize| bound(&map.exprs[*column]);
        let mut others = (0..map.exprs.len()).filter(|c| bound(c).is_none());
        let mut read = calls.iter().flat_map(|c| c.args.iter().chain(&c.filter));
        if !plain
            || !below.append_only
            || !calls.iter().all(AggCall::merges)
            || map.filter.iter().any(reads_window)
            || others.any(|c| reads_window(&map.exprs[c]))
            || read.any(|column| bound(column).is_some())
        {
            return None;
        }
        let own: Vec<usize> = keys.iter().copied().filter(|k| bound(k).is_none()).collect();
        let bounds: Vec<(usize, WindowColumn)> =
            keys.iter().filter_map(|k| Some((*k, bound(k)?))).collect();
        let columns = || own.iter().copied().chain(bounds.iter().map(|(column, _)| *column));
        let places = keys.iter().filter_map(|k| columns().position(|c| c == *k)).collect();
        Some(Slices {
            map: Rel { window: Some(WindowAssign { time, kind: slice }), ..map.clone() },
            windows: kind,
            slice_end: window_end,
            calls: calls.clone(),
            places,
            keys: own,
            bounds,
        })
    }
}

impl Lowering<'_> {
    pub(super) fn slices(
        &mut self,
        slices: &Slices,
        gives: Vec<Field>,
        (below, need): (Need, Need),
    ) -> Result<NodeId> {
        let Slices { map, windows, slice_end, keys, bounds, calls, .. } = slices;
        let input = self.emit(map, below)?;
        let input = self.exchange(input, keys, false);
        let below = self.plan.node(input).clone();
        let columns = keys.iter().chain(bounds.iter().map(|(column, _)| column));
        let mut fields: Vec<Field> = columns.map(|c| below.schema.field(*c).clone()).collect();
        let width = fields.len();
        fields.extend(aggregate::results(calls, gives, &below.schema));
        let visible = fields.len();
        let ords = if need.ord { below.ord.len() } else { 0 };
        fields.extend((0..ords).map(rel::hidden_ord));
        let by = self.dealt[input].as_ref();
        let place = |column: &usize| keys.iter().position(|k| k == column);
        let dealt = by.and_then(|by| by.iter().map(place).collect());
        let node = Node {
            op: NodeOp::Reduce(ReduceSpec {
                keys: keys.clone(),
                kind: ReduceKind::Slices {
                    windows: *windows,
                    bounds: bounds.clone(),
                    calls: calls.clone(),
                },
                emit: Emit::OnClose { window_end: *slice_end, clock: Clock::Watermark },
                ttl_ms: None,
            }),
            inputs: vec![input],
            schema: Arc::new(Schema::new(fields)),
            append_only: true,
            key: Some((0..width).collect()),
            ord: (visible..visible + ords).collect(),
            late: None,
            fingerprint: 0,
            label: String::new(),
        };
        Ok(self.push(node, dealt))
    }
}

/// The windows that are slices of these; None: a step does not fill them, or is all there is.
fn slice_of(kind: WindowKind) -> Option<WindowKind> {
    match kind {
        WindowKind::Hop { size, slide: step, offset }
        | WindowKind::Cumulate { size, step, offset }
            if step < size && size % step == 0 =>
        {
            Some(WindowKind::Tumble { size: step, offset })
        }
        _ => None,
    }
}

/// The window's column that an expression is.
fn bound(expr: &Expr) -> Option<WindowColumn> {
    let all = [WindowColumn::Start, WindowColumn::End, WindowColumn::Time];
    all.into_iter().enumerate().find(|(i, _)| *expr == rel::window_column(*i)).map(|(_, c)| c)
}

fn reads_window(expr: &Expr) -> bool {
    expr.column_refs().iter().any(|c| WINDOW_COLUMNS.contains(&c.name.as_str()))
}

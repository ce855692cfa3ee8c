//! Plan to operators: one match over the node kinds.

use datafusion::physical_expr::expressions::Column;

use brooklet_core::{Error, Result};
use brooklet_plan::node::{Expr, JoinKind, JoinTime, NodeId, NodeOp, ReduceKind, StreamPlan};

use crate::ops::gate::Gate;
use crate::ops::join::Join;
use crate::ops::map::Map;
use crate::ops::reduce::{self, ReduceArgs};
use crate::ops::versions::TemporalJoin;
use crate::ops::window_join::WindowJoin;
use crate::ops::{self, Operator};

/// The operator of a node on one shard; None for nodes the epoch itself carries out (Scan,
/// Exchange, Lookup, Union, Sink).
pub fn operator(plan: &StreamPlan, id: NodeId) -> Result<Option<Box<dyn Operator>>> {
    let node = plan.node(id);
    Ok(match &node.op {
        NodeOp::Scan(_)
        | NodeOp::Exchange(_)
        | NodeOp::Lookup(_)
        | NodeOp::Union
        | NodeOp::Sink(_) => None,
        NodeOp::Map(spec) => {
            let input = &plan.node(node.inputs[0]).schema;
            let schema = node.schema.clone();
            if let Some(unnest) = &spec.unnest {
                let unnest = ops::unnest::build(unnest, node, plan.node(node.inputs[0]))?;
                let aside = plan.sets_bad_rows_aside;
                return Ok(Some(Box::new(unnest.setting_bad_rows_aside(aside))));
            }
            let map = Map::new(spec.clone(), input, schema, node.label.clone())?;
            Some(Box::new(map.setting_bad_rows_aside(plan.sets_bad_rows_aside)))
        }
        NodeOp::Reduce(spec) => {
            let input = plan.node(node.inputs[0]);
            let dealt_by = dealt_by(plan, node.inputs[0])
                .ok_or_else(|| Error::bug("a Reduce whose input is not dealt by its keys"))?;
            Some(reduce::build(ReduceArgs { spec, node, input, dealt_by })?)
        }
        NodeOp::Gate(spec) => {
            let input = plan.node(node.inputs[0]);
            let dealt_by = dealt_by(plan, node.inputs[0])
                .ok_or_else(|| Error::bug("a Gate whose input is not dealt"))?;
            Some(Box::new(Gate::new(spec, node, input, dealt_by)?))
        }
        NodeOp::Join(spec) => {
            let [left, right] = [node.inputs[0], node.inputs[1]];
            let dealt = |input| {
                dealt_by(plan, input)
                    .ok_or_else(|| Error::bug("a Join whose input is not dealt by its keys"))
            };
            let inputs = [plan.node(left), plan.node(right)];
            if let JoinTime::Versions(versions) = &spec.time {
                let join = TemporalJoin::new(spec, versions, node, inputs, dealt(right)?)?;
                return Ok(Some(Box::new(join.setting_bad_rows_aside(plan.sets_bad_rows_aside))));
            }
            let dealt_by = [dealt(left)?, dealt(right)?];
            if let Some(close) = spec.on_close {
                let join = WindowJoin::new(spec, node, inputs, dealt_by, close);
                return Ok(Some(Box::new(join.setting_bad_rows_aside(plan.sets_bad_rows_aside))));
            }
            let join = Join::new(spec, node, inputs, dealt_by)?;
            Some(Box::new(join.setting_bad_rows_aside(plan.sets_bad_rows_aside)))
        }
    })
}

/// The columns of a node whose hash decided the shard of its rows; None when rows are dealt
/// otherwise (below the first Exchange).
pub fn dealt_by(plan: &StreamPlan, id: NodeId) -> Option<Vec<usize>> {
    let node = plan.node(id);
    match &node.op {
        NodeOp::Scan(_) | NodeOp::Sink(_) => None,
        NodeOp::Exchange(spec) => Some(spec.keys.clone()),
        NodeOp::Lookup(_) | NodeOp::Gate(_) => dealt_by(plan, node.inputs[0]),
        NodeOp::Map(spec) => {
            let below = dealt_by(plan, node.inputs[0])?;
            below.iter().map(|column| position(&spec.exprs, *column)).collect()
        }
        NodeOp::Reduce(spec) => {
            let below = dealt_by(plan, node.inputs[0])?;
            match spec.kind {
                ReduceKind::Aggregate { .. }
                | ReduceKind::Slices { .. }
                | ReduceKind::Match(_)
                | ReduceKind::Session { calls: Some(_), .. } => below
                    .iter()
                    .map(|column| spec.keys.iter().position(|key| key == column))
                    .collect(),
                _ => Some(below),
            }
        }
        NodeOp::Join(spec) => {
            let left = dealt_by(plan, node.inputs[0])?;
            match spec.kind {
                // A padded row of the right side stands where the left's NULLs do not say.
                JoinKind::Right | JoinKind::Full => {
                    let offset = plan.node(node.inputs[0]).schema.fields().len();
                    let right = dealt_by(plan, node.inputs[1])?;
                    match spec.kind {
                        JoinKind::Right => Some(right.iter().map(|c| c + offset).collect()),
                        _ => None,
                    }
                }
                _ => Some(left),
            }
        }
        NodeOp::Union => {
            let mut each = node.inputs.iter().map(|input| dealt_by(plan, *input));
            let first = each.next()??;
            each.all(|other| other.as_ref() == Some(&first)).then_some(first)
        }
    }
}

/// Where a projection passes a column on unchanged.
fn position(exprs: &[Expr], column: usize) -> Option<usize> {
    exprs.iter().position(|e| e.downcast_ref::<Column>().is_some_and(|c| c.index() == column))
}

/// The stage each node runs in: the output of an Exchange or a Lookup belongs to the stage after
/// its input's.
pub fn stage_of(plan: &StreamPlan) -> Vec<usize> {
    let mut stages: Vec<usize> = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let below = node.inputs.iter().map(|input| stages[*input]).max().unwrap_or(0);
        stages
            .push(below + usize::from(matches!(node.op, NodeOp::Exchange(_) | NodeOp::Lookup(_))));
    }
    stages
}

//! Reduce: per key, in meaning a function rows → rows.
//!
//! [`aggregate`] emits changes every epoch, [`window`] once when a window closes; both keep their
//! groups in a [`group::GroupSet`] of [`accumulator`]s, with a [`multiset`] where values must be
//! counted or taken back. [`dedup`], [`upserts`], [`topn`] and [`over`] keep rows instead.

pub mod accumulator;
pub mod aggregate;
pub mod dedup;
pub mod group;
pub mod multiset;
pub mod over;
pub mod topn;
pub mod upserts;
pub mod window;

use brooklet_core::Result;
use brooklet_plan::node::{Emit, Node, ReduceKind, ReduceSpec};

use super::Operator;

/// What every kind of Reduce is built from.
pub struct ReduceArgs<'a> {
    pub spec: &'a ReduceSpec,
    pub node: &'a Node,
    pub input: &'a Node,
    /// Input columns that decide the shard.
    pub dealt_by: Vec<usize>,
}

/// The operator of a Reduce node.
pub fn build(args: ReduceArgs<'_>) -> Result<Box<dyn Operator>> {
    Ok(match (&args.spec.kind, args.spec.emit) {
        (ReduceKind::Aggregate { .. }, Emit::EveryEpoch) => {
            Box::new(aggregate::Aggregate::new(args)?)
        }
        (ReduceKind::Aggregate { .. }, Emit::OnClose { window_end }) => {
            Box::new(window::WindowAggregate::new(args, window_end)?)
        }
        (ReduceKind::Dedup { .. } | ReduceKind::FirstWithin { .. }, _) => dedup::build(args)?,
        (ReduceKind::Over(_), _) => over::build(args)?,
        (ReduceKind::Upserts, _) => Box::new(upserts::Upserts::new(args)?),
        (ReduceKind::TopN { .. }, _) => Box::new(topn::TopN::new(args)?),
    })
}

//! Reduce: per key, in meaning a function rows → rows.
//!
//! [`aggregate`] emits changes every epoch, [`window`] once when a window closes ([`firing`] before
//! and after as well), [`slices`] is for windows that overlap, [`session`] for those that grow;
//! they keep their groups in a [`group::GroupSet`] of [`accumulator`]s, with a [`multiset`] where
//! values must be counted or taken back. [`topn`] (within windows: [`window_topn`]), [`dedup`],
//! [`upserts`] and [`over`] keep rows instead; [`pattern`] finds row patterns.

pub mod accumulator;
pub mod aggregate;
pub mod dedup;
pub mod firing;
pub mod group;
mod in_order;
mod java_order;
pub mod multiset;
pub mod over;
pub mod pattern;
pub mod session;
pub mod slices;
pub mod topn;
pub mod upserts;
pub mod window;
pub mod window_topn;

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

/// The same, kept: operators are made of it when windows open.
struct MadeOf {
    spec: ReduceSpec,
    node: Node,
    input: Node,
    dealt_by: Vec<usize>,
}

impl MadeOf {
    /// Windows are dropped when they close, not when they are old.
    fn of(args: &ReduceArgs<'_>) -> Self {
        let spec = ReduceSpec { ttl_ms: None, ..args.spec.clone() };
        let (node, input) = (args.node.clone(), args.input.clone());
        MadeOf { spec, node, input, dealt_by: args.dealt_by.clone() }
    }

    fn args(&self) -> ReduceArgs<'_> {
        let MadeOf { spec, node, input, dealt_by } = self;
        ReduceArgs { spec, node, input, dealt_by: dealt_by.clone() }
    }
}

/// The operator of a Reduce node.
pub fn build(args: ReduceArgs<'_>) -> Result<Box<dyn Operator>> {
    Ok(match (&args.spec.kind, args.spec.emit) {
        (ReduceKind::Aggregate { .. }, Emit::EveryEpoch) => {
            Box::new(aggregate::Aggregate::new(args)?)
        }
        (ReduceKind::Aggregate { .. }, Emit::OnClose { window_end, clock }) => {
            Box::new(window::WindowAggregate::new(args, window_end, clock)?)
        }
        (ReduceKind::Aggregate { .. }, Emit::Firing { .. }) => Box::new(firing::Firing::new(args)?),
        (ReduceKind::TopN { .. }, Emit::OnClose { window_end, clock }) => {
            Box::new(window_topn::WindowTopN::new(args, window_end, clock)?)
        }
        (ReduceKind::Slices { .. }, _) => Box::new(slices::Slices::new(args)?),
        (ReduceKind::Session { .. }, _) => Box::new(session::Session::new(args)?),
        (ReduceKind::Dedup { .. } | ReduceKind::FirstWithin { .. }, _) => dedup::build(args)?,
        (ReduceKind::Over(_), _) => over::build(args)?,
        (ReduceKind::Match(_), _) => Box::new(pattern::PatternMatch::new(args)?),
        (ReduceKind::Upserts, _) => Box::new(upserts::Upserts::new(args)?),
        (ReduceKind::TopN { .. }, _) => Box::new(topn::TopN::new(args)?),
    })
}

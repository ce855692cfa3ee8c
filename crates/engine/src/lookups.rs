//! The Lookups of a plan and who answers them.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use brooklet_core::lookup::Answers;
use brooklet_core::{Error, Result};
use brooklet_plan::node::{LookupSpec, Node, NodeId, NodeOp, StreamPlan};

use crate::ops::kept::Kept;
use crate::ops::lookup::Lookup;

/// Who answers what tables outside are asked for.
pub trait Outside {
    /// The rows that have each of `keys`, of the table of a Lookup.
    fn answer(&mut self, node: &Node, keys: &RecordBatch) -> Result<Answers>;
}

/// Where there are no Lookups.
pub struct Nobody;

impl Outside for Nobody {
    fn answer(&mut self, node: &Node, _: &RecordBatch) -> Result<Answers> {
        Err(Error::bug(format!("nobody answers {}", node.label)))
    }
}

/// The Lookups of a plan by node.
pub fn of(plan: &StreamPlan) -> Result<BTreeMap<NodeId, Lookup>> {
    let mut lookups = BTreeMap::new();
    for (id, node) in plan.nodes.iter().enumerate() {
        if let NodeOp::Lookup(spec) = &node.op {
            let lookup = Lookup::new(spec, node, plan.node(node.inputs[0]))?;
            lookups.insert(id, lookup.setting_bad_rows_aside(plan.sets_bad_rows_aside));
        }
    }
    Ok(lookups)
}

/// Who answers one Lookup.
pub enum Answering<'a> {
    Outside(&'a mut dyn Outside),
    /// A built-in table, as it was after the epoch before.
    Kept(&'a Kept, &'a LookupSpec),
}

impl Answering<'_> {
    pub fn answer(&mut self, node: &Node, keys: &RecordBatch) -> Result<Answers> {
        match self {
            Answering::Outside(outside) => outside.answer(node, keys),
            Answering::Kept(kept, spec) => kept.answer(spec, keys),
        }
    }
}

//! A file that was edited: the state it keeps, what is new in it, what would be lost.
//!
//! State belongs to a node's fingerprint, so whatever computes the same as before keeps it. New
//! nodes start empty at the current position and lost state is deleted, but only when asked for.

use brooklet_core::hash::hash_bytes;
use brooklet_core::source::Reading;
use brooklet_core::{Error, Result};
use brooklet_plan::node::{Node, NodeOp, StreamPlan};

use crate::checkpoint::manifest::{Manifest, NodeState};

/// What the one who starts an edited file has agreed to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Agreed {
    /// New nodes, tables and sinks start empty.
    pub new: bool,
    /// State that no node has any more is deleted.
    pub lost: bool,
}

/// Identity of a whole plan: a journal's tail is replayed by the plan that wrote it.
pub fn identity(plan: &StreamPlan) -> u64 {
    let each = plan.nodes.iter().flat_map(|n| n.fingerprint.to_le_bytes());
    hash_bytes(&each.collect::<Vec<u8>>(), 0)
}

/// A `Config` error that lists what is kept, new and lost, unless all of it was agreed to.
pub fn check(plan: &StreamPlan, manifest: &Manifest, agreed: Agreed) -> Result<()> {
    let has_tables =
        |fingerprint| manifest.tables.iter().any(|(id, _)| id.fingerprint == fingerprint);
    let in_plan = |fingerprint| plan.nodes.iter().any(|n| n.fingerprint == fingerprint);
    let held = manifest.nodes.iter().filter(|n| has_tables(n.fingerprint));
    let name = |n: &NodeState| match n.kind.as_str() {
        "Sink" => format!("rows kept for {}", n.label),
        kind => format!("{kind} {}", n.label),
    };
    let lost: Vec<String> = held.filter(|n| !in_plan(n.fingerprint)).map(name).collect();
    let (kept, new): (Vec<&Node>, Vec<&Node>) = plan
        .nodes
        .iter()
        .filter(|n| !matches!(n.op, NodeOp::Map(_) | NodeOp::Exchange(_) | NodeOp::Union))
        .partition(|n| is_known(n, manifest));
    if (new.is_empty() || agreed.new) && (lost.is_empty() || agreed.lost) {
        return Ok(());
    }
    let names = |nodes: &[&Node]| {
        let each = nodes.iter().map(|n| format!("{} {}", n.op.name(), n.label));
        list(&each.collect::<Vec<_>>())
    };
    let mut ask = Vec::new();
    if !new.is_empty() && !agreed.new {
        ask.push("--accept-new starts what is new empty, from the current position");
    }
    if !lost.is_empty() && !agreed.lost {
        ask.push("--drop-state deletes what is lost");
    }
    Err(Error::config(format!(
        "the file has changed since its last snapshot\n  KEPT {}\n  NEW  {}\n  LOST {}\n{}; --fresh \
         starts all of it anew as another instance",
        names(&kept),
        names(&new),
        list(&lost),
        ask.join("; ")
    )))
}

/// Scans and sinks go on under their tables' names, operators and scans that keep rows under their
/// fingerprints.
fn is_known(node: &Node, manifest: &Manifest) -> bool {
    match &node.op {
        NodeOp::Scan(spec) if spec.reading == Reading::Log => {
            manifest.ingest.scans.contains_key(&spec.table.name)
        }
        NodeOp::Sink(_) => {
            manifest.nodes.iter().any(|n| n.kind == node.op.name() && n.label == node.label)
        }
        _ => manifest.nodes.iter().any(|n| n.fingerprint == node.fingerprint),
    }
}

fn list(names: &[String]) -> String {
    match names.is_empty() {
        true => "nothing".to_string(),
        false => names.join(", "),
    }
}

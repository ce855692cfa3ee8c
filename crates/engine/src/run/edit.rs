//! A file that was edited: the state it keeps, what is new in it, what would be lost.
//!
//! State belongs to a node's fingerprint, so whatever computes the same as before keeps it. New
//! nodes start empty at the current position and lost state is deleted, but only when asked for.

use brooklet_core::hash::hash_bytes;
use brooklet_core::source::Reading;
use brooklet_core::{Error, Result};
use brooklet_plan::node::{Node, NodeOp, StreamPlan};

use crate::checkpoint::manifest::{Manifest, NodeState};
use crate::ops::lookup::CACHE;

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
    let has_tables = |n: &NodeState| {
        let of_node = manifest.tables.iter().filter(|(id, _)| id.fingerprint == n.fingerprint);
        of_node.map(|(id, _)| id).any(|id| id.table != CACHE)
    };
    let in_plan = |fingerprint| plan.nodes.iter().any(|n| n.fingerprint == fingerprint);
    let held = manifest.nodes.iter().filter(|n| has_tables(n));
    let name = |n: &NodeState| match n.kind.as_str() {
        "Sink" => format!("rows kept for {}", n.label),
        kind => format!("{kind} {}", n.label),
    };
    let lost: Vec<String> = held.filter(|n| !in_plan(n.fingerprint)).map(name).collect();
    let (kept, new): (Vec<&Node>, Vec<&Node>) =
        plan.nodes.iter().filter(|n| keeps_state(n)).partition(|n| is_known(n, manifest));
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

/// Whether starting the node empty would be another thing than having gone on.
fn keeps_state(node: &Node) -> bool {
    match &node.op {
        NodeOp::Map(_) | NodeOp::Exchange(_) | NodeOp::Union => false,
        // A cache is none.
        NodeOp::Lookup(_) => !node.append_only,
        NodeOp::Scan(_) | NodeOp::Reduce(_) | NodeOp::Join(_) => true,
        NodeOp::Gate(_) | NodeOp::Sink(_) => true,
    }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Schema;
    use brooklet_core::Epoch;
    use brooklet_core::lookup::LookupCache;
    use brooklet_core::schema::TableDef;
    use brooklet_plan::node::LookupSpec;

    use super::*;
    use crate::checkpoint::manifest::VERSION;
    use crate::compute::TableId;
    use crate::ingest::IngestState;

    const CACHED: LookupCache = LookupCache {
        max_keys: None,
        expire_after_write_ms: None,
        expire_after_access_ms: None,
        keeps_missing: true,
    };

    fn lookup(fingerprint: u64, append_only: bool) -> StreamPlan {
        let table = TableDef {
            name: "people".into(),
            columns: vec![],
            watermark: None,
            primary_key: vec![],
            partitioned_by: vec![],
            options: Default::default(),
            comment: None,
        };
        let spec = LookupSpec {
            table: Arc::new(table),
            built_in: false,
            keys: vec![],
            key_columns: Arc::new(Schema::empty()),
            columns: Arc::new(Schema::empty()),
            outer: false,
            filter: None,
            cache: Some(CACHED),
        };
        let node = Node {
            op: NodeOp::Lookup(spec),
            inputs: vec![],
            schema: Arc::new(Schema::empty()),
            append_only,
            key: None,
            ord: vec![],
            late: None,
            fingerprint,
            label: "lookup in people".into(),
        };
        StreamPlan { nodes: vec![node], ..StreamPlan::default() }
    }

    fn manifest(of: &StreamPlan, tables: &[&str]) -> Manifest {
        let fingerprint = of.nodes[0].fingerprint;
        let state = NodeState {
            fingerprint,
            label: of.nodes[0].label.clone(),
            kind: of.nodes[0].op.name().into(),
            counts: Default::default(),
            watermark: 0,
        };
        let table =
            |name: &&str| (TableId { fingerprint, shard: 0, table: name.to_string() }, vec![]);
        Manifest {
            brooklet_snapshot: VERSION,
            epoch: Epoch(1),
            taken_at: 0,
            shards: 1,
            finished: false,
            ingest: IngestState::default(),
            nodes: vec![state],
            tables: tables.iter().map(table).collect(),
        }
    }

    #[test]
    fn a_cache_may_come_and_go() {
        let before = manifest(&lookup(1, true), &["cache"]);
        assert!(check(&lookup(2, true), &before, Agreed::default()).is_ok());
        assert!(check(&StreamPlan::default(), &before, Agreed::default()).is_ok());
    }

    #[test]
    fn answers_that_were_given_are_state() {
        let before = manifest(&lookup(1, false), &["cache", "given"]);
        assert!(check(&lookup(1, false), &before, Agreed::default()).is_ok());
        let said = check(&lookup(2, false), &before, Agreed::default()).unwrap_err().message;
        let lines = ["NEW  Lookup lookup in people", "LOST Lookup lookup in people"];
        assert!(lines.iter().all(|line| said.contains(line)), "{said}");
    }
}

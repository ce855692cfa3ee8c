//! The identity of each node's state: a hash of what it computes and of what feeds it.

use brooklet_core::hash::{hash_bytes, mix};
use brooklet_core::schema::TableDef;
use brooklet_plan::node::{JoinTime, ReduceKind, ReduceSpec};
use brooklet_plan::{Node, NodeOp, StreamPlan};

use super::pattern;

/// Changes when the meaning of a node's state does.
const VERSION: u64 = 1;

/// `zone`: the session's time zone, which belongs to the meaning of instants.
pub fn fill(plan: &mut StreamPlan, zone: &str) {
    let zone = match brooklet_functions::Zone::parse(zone) {
        None | Some(brooklet_functions::Zone::UTC) => "",
        Some(_) => zone,
    };
    for id in 0..plan.nodes.len() {
        let node = plan.node(id);
        let text = format!("{} {}{zone}", spec(node), types(node));
        let inputs = node.inputs.iter().map(|i| plan.node(*i).fingerprint);
        let hash = inputs.fold(hash_bytes(text.as_bytes(), VERSION), mix);
        plan.nodes[id].fingerprint = hash;
    }
}

/// Nodes that keep rows keep their hidden columns as well; elsewhere those do not matter.
fn types(node: &Node) -> String {
    let keeps = matches!(
        node.op,
        NodeOp::Reduce(_) | NodeOp::Join(_) | NodeOp::Gate(_) | NodeOp::Lookup(_)
    );
    let fields = node.schema.fields().iter().enumerate();
    let each: Vec<String> = fields
        .filter(|(i, _)| keeps || !is_hidden(node, *i))
        .map(|(_, f)| f.data_type().to_string())
        .collect();
    each.join(",")
}

fn is_hidden(node: &Node, column: usize) -> bool {
    node.ord.contains(&column) || node.late == Some(column)
}

/// What the node computes, without names a user can change freely.
fn spec(node: &Node) -> String {
    match &node.op {
        NodeOp::Scan(s) => {
            let exprs: Vec<String> = s.exprs.iter().map(|e| e.to_string()).collect();
            format!("Scan {} {exprs:?} {:?}", s.table.name, s.watermark)
        }
        NodeOp::Map(s) => {
            let exprs = s.exprs.iter().enumerate();
            let exprs: Vec<String> =
                exprs.filter(|(i, _)| !is_hidden(node, *i)).map(|(_, e)| e.to_string()).collect();
            let filter = s.filter.as_ref().map(|f| f.to_string());
            let unnest = s.unnest.as_ref().map(|u| format!(" {u:?}")).unwrap_or_default();
            format!("Map {filter:?} {:?} {exprs:?}{unnest}", s.window)
        }
        NodeOp::Exchange(s) => format!("Exchange {:?}", s.keys),
        NodeOp::Join(s) => {
            let filter = s.filter.as_ref().map(|f| f.to_string());
            let time = match &s.time {
                JoinTime::Any if s.nulls_match => " NULL".to_string(),
                JoinTime::Any => String::new(),
                JoinTime::Interval { .. } => format!(" {:?}", s.retain),
                JoinTime::Versions(v) => format!(" {:?} {}", v.times, v.newest_only),
            };
            let close = s.on_close.map(|close| format!(" {close:?}")).unwrap_or_default();
            format!("Join {:?} {:?} {filter:?}{time}{close}", s.kind, s.on)
        }
        NodeOp::Reduce(ReduceSpec { keys, kind: ReduceKind::Match(spec), .. }) => {
            pattern::identity(keys, spec)
        }
        NodeOp::Reduce(s) => format!("Reduce {:?} {:?} {:?}", s.keys, s.kind, s.emit),
        NodeOp::Lookup(s) => {
            let filter = s.filter.as_ref().map(|f| f.to_string());
            let keys: Vec<&String> = s.key_columns.fields().iter().map(|f| f.name()).collect();
            let columns: Vec<&String> = s.columns.fields().iter().map(|f| f.name()).collect();
            let cached = s.cache.is_some();
            format!(
                "Lookup {} {:?} {keys:?} {columns:?} {} {cached} {filter:?}",
                s.table.name, s.keys, s.outer
            )
        }
        NodeOp::Gate(s) => format!("Gate {:?} {:?}", s.time, s.order),
        NodeOp::Union => "Union".into(),
        NodeOp::Sink(s) => {
            let tables: Vec<&str> = s.tables.iter().map(|t| t.table.name.as_str()).collect();
            let kept = s.tables.iter().filter(|t| t.kept).map(|t| kept_shape(&t.table));
            let kept: String = kept.collect();
            format!("Sink {} {} {tables:?}{kept}", s.connector, s.domain)
        }
    }
}

/// What the rows of a kept table are stored by: other keys or types are another state.
fn kept_shape(table: &TableDef) -> String {
    let schema = table.write_schema();
    let types: Vec<String> = schema.fields().iter().map(|f| f.data_type().to_string()).collect();
    let key: Vec<Option<usize>> =
        table.primary_key.iter().map(|name| schema.index_of(name).ok()).collect();
    format!(" {key:?} {types:?}")
}

/// All of a node as text: equal texts are the same node, so that one is enough.
pub fn identity(node: &Node) -> String {
    let op = match &node.op {
        NodeOp::Sink(_) | NodeOp::Scan(_) => spec(node),
        other => format!("{other:?}"),
    };
    format!("{op} {:?} {:?} {:?} {:?}", node.inputs, node.schema, node.ord, node.late)
}

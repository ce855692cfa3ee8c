//! Prunes ROW columns of scans to the fields that are read.
//!
//! A field read is `get_field(column, 'a', …)` in a Map above a Scan or in a computed column;
//! any other use of the column needs all of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema};
use brooklet_plan::node::Expr;
use brooklet_plan::{NodeId, NodeOp, StreamPlan};
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{Column, Literal};

/// What is read of a column: everything, or fields by name.
#[derive(Debug, Clone, Default, PartialEq)]
struct Use {
    whole: bool,
    fields: BTreeMap<String, Use>,
}

impl Use {
    fn add(&mut self, path: &[String]) {
        match path.split_first() {
            None => self.whole = true,
            Some((first, rest)) => self.fields.entry(first.clone()).or_default().add(rest),
        }
    }
    fn merge(&mut self, other: &Use) {
        self.whole |= other.whole;
        for (name, inner) in &other.fields {
            self.fields.entry(name.clone()).or_default().merge(inner);
        }
    }
}

type Uses = BTreeMap<usize, Use>;

pub fn prune(plan: &mut StreamPlan) {
    let scans: Vec<NodeId> = plan.scans().map(|(id, _)| id).collect();
    for id in scans {
        prune_scan(plan, id);
    }
}

fn prune_scan(plan: &mut StreamPlan, id: NodeId) {
    let above = uses_of_output(plan, id);
    let NodeOp::Scan(spec) = &plan.nodes[id].op else { return };
    let mut decoded = Uses::new();
    for (i, expr) in spec.exprs.iter().enumerate() {
        match expr.downcast_ref::<Column>() {
            Some(c) => {
                let used = above.get(&i).cloned().unwrap_or_default();
                decoded.entry(c.index()).or_default().merge(&used);
            }
            None => collect(expr, &mut decoded),
        }
    }
    let prune_field = |i: usize, f: &Arc<Field>| match decoded.get(&i) {
        Some(used) => Arc::new(pruned(f, used)),
        None => Arc::clone(f),
    };
    let decode: Fields =
        spec.decode.fields().iter().enumerate().map(|(i, f)| prune_field(i, f)).collect();
    let sources: Vec<Option<usize>> =
        spec.exprs.iter().map(|e| e.downcast_ref::<Column>().map(Column::index)).collect();
    let node = &mut plan.nodes[id];
    let visible = node.schema.fields().iter().enumerate().map(|(i, f)| {
        let source = sources.get(i).copied().flatten().filter(|s| *s < decode.len());
        match source {
            Some(s) => Arc::new(f.as_ref().clone().with_data_type(decode[s].data_type().clone())),
            None => Arc::clone(f),
        }
    });
    node.schema = Arc::new(Schema::new(visible.collect::<Fields>()));
    if let NodeOp::Scan(spec) = &mut node.op {
        spec.decode = Arc::new(Schema::new(decode));
    }
    pass_on(plan, id);
}

/// Exchanges and Unions give their input's columns as they are.
fn pass_on(plan: &mut StreamPlan, id: NodeId) {
    let schema = Arc::clone(&plan.nodes[id].schema);
    let above: Vec<NodeId> = readers(plan, id).collect();
    for reader in above {
        if matches!(plan.nodes[reader].op, NodeOp::Exchange(_)) {
            plan.nodes[reader].schema = Arc::clone(&schema);
            pass_on(plan, reader);
        }
    }
}

fn readers(plan: &StreamPlan, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
    let reads = move |n: &brooklet_plan::Node| n.inputs.contains(&id);
    plan.nodes.iter().enumerate().filter(move |(_, n)| reads(n)).map(|(i, _)| i)
}

/// How the readers of a node use its columns.
fn uses_of_output(plan: &StreamPlan, id: NodeId) -> Uses {
    let width = plan.node(id).schema.fields().len();
    let mut uses = Uses::new();
    for reader in readers(plan, id) {
        match &plan.node(reader).op {
            NodeOp::Map(map) => {
                map.filter.iter().chain(&map.exprs).for_each(|e| collect(e, &mut uses));
                if let Some(w) = &map.window {
                    uses.entry(w.time).or_default().whole = true;
                }
            }
            NodeOp::Exchange(e) => {
                for (i, used) in uses_of_output(plan, reader) {
                    uses.entry(i).or_default().merge(&used);
                }
                e.keys.iter().for_each(|k| uses.entry(*k).or_default().whole = true);
            }
            _ => (0..width).for_each(|i| uses.entry(i).or_default().whole = true),
        }
    }
    uses
}

fn collect(expr: &Expr, uses: &mut Uses) {
    if let Some((column, path)) = field_path(expr) {
        uses.entry(column).or_default().add(&path);
        return;
    }
    expr.children().into_iter().for_each(|child| collect(child, uses));
}

/// Column and field names of a bare column or a get_field over one.
fn field_path(expr: &Expr) -> Option<(usize, Vec<String>)> {
    if let Some(column) = expr.downcast_ref::<Column>() {
        return Some((column.index(), vec![]));
    }
    let call = expr.downcast_ref::<ScalarFunctionExpr>().filter(|c| c.name() == "get_field")?;
    let (base, names) = call.args().split_first()?;
    let (column, mut path) = field_path(base)?;
    for name in names {
        let value = name.downcast_ref::<Literal>()?.value();
        path.push(value.try_as_str()??.to_string());
    }
    Some((column, path))
}

fn pruned(field: &Field, used: &Use) -> Field {
    let DataType::Struct(fields) = field.data_type() else { return field.clone() };
    if used.whole || used.fields.is_empty() {
        return field.clone();
    }
    let kept: Fields = fields
        .iter()
        .filter_map(|f| Some(Arc::new(pruned(f, used.fields.get(f.name())?))))
        .collect();
    field.clone().with_data_type(DataType::Struct(kept))
}

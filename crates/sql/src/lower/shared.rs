//! Calls that several queries make of the same rows are made once, in a Map that they all read.
//!
//! Expressions of a view become part of the Maps of its readers, which for the program's own
//! functions is the cheapest; functions from outside, in Python, cost more than a Map. Rows that a
//! filter keeps from a call stay kept from it: a call is shared by Maps with the same filter, or by
//! all where one of them makes it for every row. Fingerprints of the other nodes stay as they are,
//! so that a query does not lose its state when another one reads the same view.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use brooklet_core::hash::{hash_bytes, mix};
use brooklet_plan::letters::LetterTo;
use brooklet_plan::node::{Expr, MapSpec};
use brooklet_plan::{Node, NodeId, NodeOp, StreamPlan};
use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::{BinaryExpr, CaseExpr, Column};

use super::rel::visible;

/// `costly` are names of functions in lower case.
pub fn calls(plan: &mut StreamPlan, costly: &BTreeSet<String>) -> Result<()> {
    while let Some(shared) = (0..plan.nodes.len()).find_map(|node| find(plan, node, costly)) {
        insert(plan, shared)?;
    }
    Ok(())
}

/// Calls over the rows of a node that pass the filter, and the Maps that will read the results.
struct Shared {
    node: NodeId,
    filter: Option<Expr>,
    calls: Vec<Expr>,
    readers: Vec<NodeId>,
}

fn find(plan: &StreamPlan, node: NodeId, costly: &BTreeSet<String>) -> Option<Shared> {
    let maps = plan.nodes.iter().enumerate().filter_map(|(id, reader)| match &reader.op {
        NodeOp::Map(map) if reader.inputs == [node] => Some((id, map)),
        _ => None,
    });
    let maps: Vec<(NodeId, &MapSpec)> = maps.collect();
    let known = |call: &Expr| is_call(call, costly) && reads_below(call, visible(plan.node(node)));
    // By the filter that a row must have passed.
    let mut made: BTreeMap<String, (Option<Expr>, Vec<Expr>)> = BTreeMap::new();
    for (_, map) in &maps {
        let always = made.entry(String::new()).or_default();
        map.filter.iter().for_each(|filter| surely(filter, &known, &mut always.1));
        let gate = map.filter.as_ref().map_or(String::new(), |filter| format!("{filter:?}"));
        let gated = made.entry(gate).or_insert_with(|| (map.filter.clone(), Vec::new()));
        map.exprs.iter().for_each(|expr| surely(expr, &known, &mut gated.1));
    }
    made.into_values().find_map(|(filter, candidates)| {
        let same = |map: &MapSpec| match &filter {
            None => true,
            Some(filter) => map.filter.as_ref().is_some_and(|own| own == filter),
        };
        let readers: Vec<&(NodeId, &MapSpec)> = maps.iter().filter(|(_, map)| same(map)).collect();
        let mut calls: Vec<Expr> = Vec::new();
        for call in candidates {
            let uses = readers.iter().filter(|(_, map)| map_holds(map, &call)).count();
            if uses > 1 && !calls.contains(&call) {
                calls.push(call);
            }
        }
        let reads = |map: &MapSpec| calls.iter().any(|call| map_holds(map, call));
        let readers = readers.iter().filter(|(_, map)| reads(map)).map(|(id, _)| *id).collect();
        (!calls.is_empty()).then_some(Shared { node, filter, calls, readers })
    })
}

fn is_call(expr: &Expr, costly: &BTreeSet<String>) -> bool {
    let call = expr.downcast_ref::<ScalarFunctionExpr>();
    call.is_some_and(|call| costly.contains(&call.name().to_lowercase()))
}

/// Whether the expression reads none of the columns from `end` on.
fn reads_below(expr: &Expr, end: usize) -> bool {
    !holds(expr, &|e| e.downcast_ref::<Column>().is_some_and(|column| column.index() >= end))
}

/// Adds the known calls that are made for each row, whatever its values.
fn surely(expr: &Expr, known: &dyn Fn(&Expr) -> bool, to: &mut Vec<Expr>) {
    if known(expr) {
        to.push(expr.clone());
    }
    let lazy = |op: &Operator| matches!(op, Operator::And | Operator::Or);
    let binary = expr.downcast_ref::<BinaryExpr>().filter(|binary| lazy(binary.op()));
    let call = expr.downcast_ref::<ScalarFunctionExpr>();
    if let Some(binary) = binary {
        surely(binary.left(), known, to);
    } else if expr.downcast_ref::<CaseExpr>().is_none()
        && call.is_none_or(|call| !call.fun().short_circuits())
    {
        expr.children().into_iter().for_each(|child| surely(child, known, to));
    }
}

fn map_holds(map: &MapSpec, call: &Expr) -> bool {
    map.exprs.iter().chain(&map.filter).any(|expr| holds(expr, &|e| e == call))
}

fn holds(expr: &Expr, wanted: &dyn Fn(&Expr) -> bool) -> bool {
    wanted(expr) || expr.children().into_iter().any(|child| holds(child, wanted))
}

/// Puts the Map behind its node, where all that read it come later.
fn insert(plan: &mut StreamPlan, shared: Shared) -> Result<()> {
    let below = plan.node(shared.node).clone();
    let (first, count) = (visible(&below), shared.calls.len());
    let at = shared.node + 1;
    let moved = |id: NodeId| if id >= at { id + 1 } else { id };
    for id in &shared.readers {
        let NodeOp::Map(map) = &mut plan.nodes[*id].op else { continue };
        if shared.filter.is_some() {
            map.filter = None;
        }
        for expr in map.exprs.iter_mut().chain(&mut map.filter) {
            *expr = over_results(expr, &shared.calls, first)?;
        }
    }
    let made = results(&below, &shared)?;
    for (id, node) in plan.nodes.iter_mut().enumerate() {
        let reads = shared.readers.contains(&id);
        let input = |input: &NodeId| if reads { at } else { moved(*input) };
        node.inputs = node.inputs.iter().map(input).collect();
    }
    for route in &mut plan.letters {
        if let LetterTo::Node(id) = &mut route.to {
            *id = moved(*id);
        }
    }
    plan.nodes.insert(at, made);
    debug_assert_eq!(plan.node(at).schema.fields().len(), below.schema.fields().len() + count);
    Ok(())
}

/// The expression with results in the place of calls; hidden columns stand behind these.
fn over_results(expr: &Expr, calls: &[Expr], first: usize) -> Result<Expr> {
    let column = |name: &str, index: usize| -> Expr { Arc::new(Column::new(name, index)) };
    let replaced = Arc::clone(expr).transform_down(|e| {
        if let Some(call) = calls.iter().position(|call| call == &e) {
            let result = column(&format!("${call}"), first + call);
            return Ok(Transformed::new(result, true, TreeNodeRecursion::Jump));
        }
        match e.downcast_ref::<Column>().filter(|c| c.index() >= first) {
            Some(c) => Ok(Transformed::yes(column(c.name(), c.index() + calls.len()))),
            None => Ok(Transformed::no(e)),
        }
    });
    Ok(replaced?.data)
}

/// The Map that makes the calls: its columns are the node's visible ones, results, hidden ones.
fn results(below: &Node, shared: &Shared) -> Result<Node> {
    let (first, count) = (visible(below), shared.calls.len());
    let own = |i: usize| -> Expr { Arc::new(Column::new(below.schema.field(i).name(), i)) };
    let mut exprs: Vec<Expr> = (0..below.schema.fields().len()).map(own).collect();
    let mut fields: Vec<Field> = below.schema.fields().iter().map(|f| f.as_ref().clone()).collect();
    for (i, call) in shared.calls.iter().enumerate() {
        let field = call.return_field(&below.schema)?.as_ref().clone();
        fields.insert(first + i, field.with_name(format!("${i}")).with_nullable(true));
        exprs.insert(first + i, Arc::clone(call));
    }
    let written: Vec<String> = shared.calls.iter().map(|call| call.to_string()).collect();
    let text = format!("{:?} {written:?}", shared.filter);
    Ok(Node {
        op: NodeOp::Map(MapSpec {
            filter: shared.filter.clone(),
            window: None,
            exprs,
            needs_now: false,
            unnest: None,
        }),
        inputs: vec![shared.node],
        schema: Arc::new(Schema::new(fields)),
        ord: below.ord.iter().map(|i| i + count).collect(),
        late: below.late.map(|i| i + count),
        fingerprint: mix(below.fingerprint, hash_bytes(text.as_bytes(), 0)),
        label: written.join(", "),
        ..below.clone()
    })
}

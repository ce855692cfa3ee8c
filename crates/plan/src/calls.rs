//! Which functions a plan calls.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::physical_expr::ScalarFunctionExpr;

use crate::node::{Expr, NodeOp, StreamPlan};

impl StreamPlan {
    /// Names of the scalar functions that its expressions call.
    pub fn functions(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for expr in self.nodes.iter().flat_map(|node| exprs(&node.op)) {
            let noted = expr.apply(|e| {
                names.extend(e.downcast_ref::<ScalarFunctionExpr>().map(|f| f.name().to_string()));
                Ok(TreeNodeRecursion::Continue)
            });
            debug_assert!(noted.is_ok(), "noting a name does not fail");
        }
        names
    }

    /// How deep its expressions are nested at most. Needs as much of the stack as they do.
    pub fn depth(&self) -> usize {
        self.nodes.iter().flat_map(|node| exprs(&node.op)).map(depth).max().unwrap_or(0)
    }
}

fn depth(expr: &Expr) -> usize {
    1 + expr.children().into_iter().map(depth).max().unwrap_or(0)
}

fn exprs(op: &NodeOp) -> Vec<&Expr> {
    match op {
        NodeOp::Scan(scan) => scan.exprs.iter().collect(),
        NodeOp::Map(map) => map.filter.iter().chain(&map.exprs).collect(),
        NodeOp::Join(join) => join.filter.iter().collect(),
        NodeOp::Lookup(lookup) => lookup.filter.iter().collect(),
        NodeOp::Exchange(_)
        | NodeOp::Reduce(_)
        | NodeOp::Gate(_)
        | NodeOp::Union
        | NodeOp::Sink(_) => Vec::new(),
    }
}

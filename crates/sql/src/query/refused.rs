//! What is read and then refused, as in Flink.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Query, Spanned, Value,
};

use super::walk::{Seen, walk};
use crate::fault::Fault;

/// A fault for each expression that means nothing, whatever its operands are.
pub fn faults(query: &Query) -> Vec<Fault> {
    let mut found = Vec::new();
    walk(query, &mut |seen| {
        if let Seen::Expr(expr) = seen {
            found.extend(reason(expr).map(|reason| Fault::new(reason, expr.span())));
        }
        ControlFlow::Continue(())
    });
    found
}

fn reason(expr: &Expr) -> Option<&'static str> {
    match expr {
        Expr::ILike { .. } => Some("there is no ILIKE: write LOWER(…) LIKE '…'"),
        Expr::RLike { .. } => Some("there is no RLIKE: write REGEXP(…, '…')"),
        Expr::Value(value) => match &value.value {
            Value::HexStringLiteral(digits) if !digits.len().is_multiple_of(2) => {
                Some("X'…' has two digits for each byte")
            }
            _ => None,
        },
        Expr::Function(function) if is(function, "TYPEOF") => {
            let clock =
                arguments(function).any(|e| matches!(e, Expr::Function(f) if is(f, "PROCTIME")));
            clock.then_some("TYPEOF does not take PROCTIME()")
        }
        Expr::Function(function) if INTERNAL.iter().any(|name| is(function, name)) => {
            Some("there is no such function: write ARRAY[…], ROW(…) or row.field")
        }
        _ => None,
    }
}

/// DataFusion's functions that only the planner calls.
const INTERNAL: &[&str] = &["MAKE_ARRAY", "NAMED_STRUCT", "GET_FIELD"];

fn is(function: &Function, name: &str) -> bool {
    function.name.to_string().eq_ignore_ascii_case(name)
}

fn arguments(function: &Function) -> impl Iterator<Item = &Expr> {
    let given = match &function.args {
        FunctionArguments::List(list) => list.args.as_slice(),
        _ => &[],
    };
    given.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

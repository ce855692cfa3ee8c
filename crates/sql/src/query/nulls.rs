//! Bare NULLs where nothing says of which type they are: refused, as in Flink.
//!
//! Comparisons, BETWEEN, IN, IS, CASE, COALESCE, ARRAY[…] and MAP[…] give NULL the type of the
//! other values; so do the functions of [`TYPED`]. Everywhere else it needs a CAST.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr,
    Query, SelectItem, SetExpr, Value,
};
use sqlparser::tokenizer::Span;

use super::walk::{Seen, walk};
use crate::fault::Fault;

/// Functions that give a NULL among their arguments a type.
const TYPED: &[&str] = &[
    "BTRIM",
    "COALESCE",
    "CURRENT_WATERMARK",
    "ELT",
    "ENDSWITH",
    "IFNULL",
    "INET_ATON",
    "INET_NTOA",
    "JSON",
    "JSON_QUOTE",
    "JSON_STRING",
    "JSON_UNQUOTE",
    "NULLIF",
    "PRINTF",
    "REGEXP_COUNT",
    "REGEXP_EXTRACT_ALL",
    "REGEXP_INSTR",
    "REGEXP_SUBSTR",
    "SPLIT",
    "STARTSWITH",
    "TO_TIMESTAMP_LTZ",
    "TRANSLATE",
    "TYPEOF",
    "UNHEX",
    "URL_DECODE",
    "URL_ENCODE",
];

/// A fault for each bare NULL of a query that has no type; `own` says which functions are the
/// user's, who may be given one.
pub fn faults(query: &Query, own: &dyn Fn(&str) -> bool) -> Vec<Fault> {
    let mut places = Vec::new();
    walk(query, &mut |seen| {
        match seen {
            Seen::Query(query) => of_body(&query.body, &mut places),
            Seen::Expr(expr) => within(expr, own, &mut places),
            _ => {}
        }
        ControlFlow::Continue(())
    });
    let message = "NULL has no type here: write CAST(NULL AS …)";
    places.into_iter().map(|place| Fault::new(message, place)).collect()
}

/// Where the expression is nothing but NULL.
fn bare(expr: &Expr) -> Option<Span> {
    match expr {
        Expr::Nested(inner) => bare(inner),
        Expr::Value(value) if value.value == Value::Null => Some(value.span),
        _ => None,
    }
}

fn of_body(body: &SetExpr, places: &mut Vec<Span>) {
    match body {
        SetExpr::Select(select) => {
            places.extend(select.projection.iter().filter_map(|item| match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    bare(expr)
                }
                _ => None,
            }));
            if let GroupByExpr::Expressions(by, _) = &select.group_by {
                places.extend(by.iter().filter_map(bare));
            }
        }
        SetExpr::Values(values) => {
            let cells = values.rows.iter().flat_map(|row| &row.content);
            places.extend(cells.filter_map(bare));
        }
        SetExpr::SetOperation { left, right, .. } => {
            of_body(left, places);
            of_body(right, places);
        }
        _ => {}
    }
}

/// The NULLs directly in an expression that it gives no type.
fn within(expr: &Expr, own: &dyn Fn(&str) -> bool, places: &mut Vec<Span>) {
    match expr {
        Expr::BinaryOp { left, op, right } if !compares(op) => {
            places.extend([left, right].into_iter().filter_map(|e| bare(e)));
        }
        Expr::UnaryOp { expr, .. }
        | Expr::IsTrue(expr)
        | Expr::IsNotTrue(expr)
        | Expr::IsFalse(expr)
        | Expr::IsNotFalse(expr)
        | Expr::IsUnknown(expr)
        | Expr::IsNotUnknown(expr)
        | Expr::Extract { expr, .. }
        | Expr::Trim { expr, .. }
        | Expr::Substring { expr, .. }
        | Expr::Overlay { expr, .. }
        | Expr::Ceil { expr, .. }
        | Expr::Floor { expr, .. } => places.extend(bare(expr)),
        Expr::Like { expr, pattern, .. }
        | Expr::SimilarTo { expr, pattern, .. }
        | Expr::Position { expr, r#in: pattern } => {
            places.extend([expr, pattern].into_iter().filter_map(|e| bare(e)));
        }
        Expr::Tuple(values) => places.extend(values.iter().filter_map(bare)),
        Expr::Array(array) => nothing_else(&mut array.elem.iter(), places),
        Expr::Case { conditions, else_result, .. } => {
            let results = conditions.iter().map(|when| &when.result);
            nothing_else(&mut results.chain(else_result.as_deref()), places);
        }
        Expr::Function(function) => of_function(function, own, places),
        _ => {}
    }
}

fn compares(op: &BinaryOperator) -> bool {
    matches!(
        op,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

/// The NULLs, if there is no other value.
fn nothing_else(values: &mut dyn Iterator<Item = &Expr>, places: &mut Vec<Span>) {
    let nulls: Option<Vec<Span>> = values.map(bare).collect();
    places.extend(nulls.into_iter().flatten());
}

fn of_function(function: &Function, own: &dyn Fn(&str) -> bool, places: &mut Vec<Span>) {
    let FunctionArguments::List(list) = &function.args else { return };
    let given = list.args.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    let given: Vec<&Expr> = given.collect();
    let name = function.name.to_string();
    let upper = name.to_uppercase();
    match upper.as_str() {
        "COALESCE" | "IFNULL" => nothing_else(&mut given.into_iter(), places),
        "NULLIF" => places.extend(given.first().and_then(|first| bare(first))),
        "__MAP" => nothing_else(&mut given.into_iter().step_by(2), places),
        _ if TYPED.contains(&upper.as_str()) || upper.starts_with("ARRAY_") => {}
        _ if upper.starts_with("MAP_") || own(&name) => {}
        _ => places.extend(given.into_iter().filter_map(bare)),
    }
}

//! Small steps over the syntax tree of conditions and measures.

use sqlparser::ast::{
    AccessExpr, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, Value,
};
use sqlparser::tokenizer::Span;

/// `a.b[1]`: the names in front of the index belong together.
pub fn lift_names(root: &mut Expr, chain: &mut Vec<AccessExpr>) {
    let mut ids = match root {
        Expr::Identifier(id) => vec![id.clone()],
        Expr::CompoundIdentifier(ids) => ids.clone(),
        _ => return,
    };
    let named = |a: &AccessExpr| matches!(a, AccessExpr::Dot(Expr::Identifier(_)));
    let count = chain.iter().take_while(|a| named(a)).count();
    ids.extend(chain.drain(..count).filter_map(|a| match a {
        AccessExpr::Dot(Expr::Identifier(id)) => Some(id),
        _ => None,
    }));
    *root = Expr::CompoundIdentifier(ids);
}

pub fn joined(mut ids: Vec<Ident>) -> Expr {
    match ids.len() {
        1 => Expr::Identifier(ids.remove(0)),
        _ => Expr::CompoundIdentifier(ids),
    }
}

pub fn identifier(name: String, span: Span) -> Expr {
    Expr::Identifier(Ident::with_span(span, name))
}

pub fn has_distinct(function: &Function) -> bool {
    let FunctionArguments::List(list) = &function.args else { return false };
    list.duplicate_treatment.is_some()
}

pub fn arguments(function: &Function) -> Vec<&Expr> {
    let FunctionArguments::List(list) = &function.args else { return Vec::new() };
    let each = list.args.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
        _ => None,
    });
    each.collect()
}

pub fn first_argument(function: &Function) -> Option<Expr> {
    arguments(function).first().map(|e| (*e).clone())
}

pub fn offset(function: &Function, default: usize) -> Result<usize, String> {
    let name = function.name.to_string().to_uppercase();
    match arguments(function).as_slice() {
        [_] => Ok(default),
        [_, offset] => whole(offset)
            .ok_or_else(|| format!("{name}: the second argument is a whole number, not below 0")),
        _ => Err(format!("{name} takes a column and a whole number")),
    }
}

/// A literal, with or without the type that it was given.
fn whole(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Cast { expr, .. } | Expr::Nested(expr) => whole(expr),
        Expr::Value(value) => match &value.value {
            Value::Number(text, _) => text.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

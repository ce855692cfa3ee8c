//! Calls that mean another expression: MOD, ROW, COUNT of rows, the clauses of JSON functions.

use brooklet_core::types::SqlType;
use sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Value,
};

use super::prepare::cast_call;
use crate::parse::types::parse_type_text;

/// What a call stands for, if not for itself.
pub fn rewritten(function: &Function) -> Option<Expr> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let name = function.name.to_string().to_uppercase();
    match name.as_str() {
        "MOD" => modulo(list),
        "ROW" => renamed("__row", list),
        "JSON" => renamed("__json", list),
        "BTRIM" => renamed("__btrim", list),
        "CURRENT_DATABASE" if list.args.is_empty() => {
            Some(cast_call(false, &SqlType::STRING, &text("default_database")))
        }
        "UNIX_TIMESTAMP" if list.args.is_empty() => Some(seconds_of_now()),
        "JSON_VALUE" | "JSON_QUERY" | "JSON_EXISTS" => json_read(&name, list),
        "JSON_OBJECT" | "JSON_ARRAY" => json_made(&name, list),
        "JSON_OBJECTAGG" | "JSON_ARRAYAGG" => json_aggregate(&name, function, list),
        "COUNT" => count_of_rows(function, list),
        _ => None,
    }
}

fn plain(argument: &FunctionArg) -> Option<&Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
        _ => None,
    }
}

fn named<'a>(list: &'a FunctionArgumentList, wanted: &str) -> Option<&'a Expr> {
    list.args.iter().find_map(|argument| match argument {
        FunctionArg::Named { name, arg: FunctionArgExpr::Expr(e), .. } if name.value == wanted => {
            Some(e)
        }
        _ => None,
    })
}

fn word(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn text(value: &str) -> Expr {
    Expr::value(Value::SingleQuotedString(value.to_string()))
}

pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|e| FunctionArg::Unnamed(FunctionArgExpr::Expr(e))).collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// MOD(a, b) is a % b.
fn modulo(list: &FunctionArgumentList) -> Option<Expr> {
    let [a, b] = list.args.as_slice() else { return None };
    let nested = |e: &Expr| Box::new(Expr::Nested(Box::new(e.clone())));
    let (left, right) = (nested(plain(a)?), nested(plain(b)?));
    let rest = Expr::BinaryOp { left, op: BinaryOperator::Modulo, right };
    Some(Expr::Nested(Box::new(rest)))
}

/// A call under another name.
fn renamed(name: &str, list: &FunctionArgumentList) -> Option<Expr> {
    Some(call(
        name,
        list.args.iter().map(plain).collect::<Option<Vec<_>>>()?.into_iter().cloned().collect(),
    ))
}

/// UNIX_TIMESTAMP(): the seconds of the clock.
fn seconds_of_now() -> Expr {
    call("__unix_timestamp", vec![call("current_timestamp", vec![])])
}

/// The clauses of JSON_VALUE, JSON_QUERY and JSON_EXISTS as arguments; RETURNING as a CAST.
fn json_read(name: &str, list: &FunctionArgumentList) -> Option<Expr> {
    list.args.iter().find(|a| matches!(a, FunctionArg::Named { .. }))?;
    let behavior = |which| named(list, which).and_then(word).unwrap_or("NULL").to_string();
    let default = |which| named(list, which).cloned().unwrap_or_else(|| Expr::value(Value::Null));
    let mut args: Vec<Expr> = list.args.iter().filter_map(plain).cloned().collect();
    let returning = match named(list, "returning").and_then(word) {
        Some(text) => parse_type_text(text).ok()?.ty,
        None => SqlType::STRING,
    };
    if name == "JSON_EXISTS" {
        args.extend(named(list, "on_error").cloned());
        return Some(call(name, args));
    }
    if name == "JSON_QUERY" {
        let wrapper = named(list, "wrapper").and_then(word).unwrap_or("WITHOUT");
        args.extend([text(&behavior("on_error")), text(&behavior("on_empty")), text(wrapper)]);
        return Some(match returning {
            SqlType::Array(_) => call("__json_query_array", args),
            ty if ty == SqlType::STRING => call(name, args),
            ty => cast_call(false, &ty, &call(name, args)),
        });
    }
    let as_text = |e: Expr| match returning == SqlType::STRING {
        true => e,
        false => cast_call(false, &SqlType::STRING, &e),
    };
    args.extend([text(&behavior("on_error")), as_text(default("on_error_default"))]);
    args.extend([text(&behavior("on_empty")), as_text(default("on_empty_default"))]);
    let read = call(name, args);
    match &returning {
        ty if *ty == SqlType::STRING => Some(read),
        SqlType::Char(_) | SqlType::Varchar(_) => Some(cast_call(false, &returning, &read)),
        SqlType::Int | SqlType::Double | SqlType::Boolean => {
            Some(cast_call(false, &returning, &read))
        }
        _ => None,
    }
}

/// JSON made by an inner call, which is nested and not quoted.
fn is_json(expr: &Expr) -> bool {
    match expr {
        Expr::Function(f) => {
            ["__json", "__json_object", "__json_array"].contains(&f.name.to_string().as_str())
        }
        _ => false,
    }
}

/// NULL ON NULL or ABSENT ON NULL comes first; without it objects keep NULLs and arrays do not.
fn json_made(name: &str, list: &FunctionArgumentList) -> Option<Expr> {
    let on_null = match (named(list, "on_null").and_then(word), name) {
        (Some(on_null), _) => on_null,
        (None, "JSON_OBJECT") => "NULL",
        (None, _) => "ABSENT",
    };
    let given: Vec<Expr> = list.args.iter().filter_map(plain).cloned().collect();
    let mut mode = on_null.to_string();
    for (i, _) in given.iter().enumerate().filter(|(_, e)| is_json(e)) {
        mode += &format!(" {}", i + 1);
    }
    let args = std::iter::once(text(&mode)).chain(given).collect();
    Some(call(&format!("__{}", name.to_lowercase()), args))
}

/// The aggregate of JSON texts; objects keep NULLs and arrays do not, unless a clause says so.
fn json_aggregate(name: &str, function: &Function, list: &FunctionArgumentList) -> Option<Expr> {
    let on_null = match (named(list, "on_null").and_then(word), name) {
        (Some(on_null), _) => on_null.to_lowercase(),
        (None, "JSON_OBJECTAGG") => "null".to_string(),
        (None, _) => "absent".to_string(),
    };
    let mut args: Vec<Expr> = list.args.iter().filter_map(plain).cloned().collect();
    let value = args.pop()?;
    let mode = if is_json(&value) { "JSON" } else { "VALUE" };
    args.push(call("__json_text", vec![text(mode), value]));
    let made = call(&format!("__{}_{on_null}", name.to_lowercase()), args);
    let Expr::Function(mut made) = made else { return None };
    made.filter = function.filter.clone();
    Some(Expr::Function(made))
}

/// COUNT((a, b)): a row is never NULL.
fn count_of_rows(function: &Function, list: &FunctionArgumentList) -> Option<Expr> {
    let [argument] = list.args.as_slice() else { return None };
    let row = matches!(plain(argument)?, Expr::Tuple(_));
    if !row || list.duplicate_treatment == Some(DuplicateTreatment::Distinct) {
        return None;
    }
    let mut counted = function.clone();
    let one = FunctionArg::Unnamed(FunctionArgExpr::Expr(text("row")));
    let args = FunctionArgumentList { args: vec![one], ..list.clone() };
    counted.args = FunctionArguments::List(args);
    Some(Expr::Function(counted))
}

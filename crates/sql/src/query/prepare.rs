//! Rewrites a parsed query so that DataFusion plans it with Flink's names and literal types.

use std::sync::Arc;

use brooklet_core::types::SqlType;
use brooklet_functions::Zone;
use datafusion::logical_expr::ScalarUDF;
use sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, ExactNumberInfo, Expr, Fetch, Function,
    FunctionArg, FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, LimitClause,
    ObjectName, OrderBy, OrderByKind, Query, Select, SelectItem, TypedString, UnaryOperator, Value,
    ValueWithSpan, WindowType,
};

use super::types::flink_type;
use super::walk::{Changed, walk_mut};
use super::{
    calls, frames, group_windows, grouping, membership, named_values, predicates, unnest,
    with_names,
};
use crate::parse::types::{carried, parse_type_text};

/// Names unnamed columns, gives literals Flink's types.
pub fn prepare(query: &mut Query) {
    with_names::tell_apart(query);
    walk_mut(query, &mut change);
    if let Some(OrderBy { kind: OrderByKind::Expressions(order), .. }) = &mut query.order_by {
        order.iter_mut().for_each(|by| bare_number(&mut by.expr));
    }
}

/// ORDER BY 2 means the second column.
fn bare_number(expr: &mut Expr) {
    if let Expr::Cast { expr: inner, .. } = expr
        && matches!(&**inner, Expr::Value(v) if matches!(v.value, Value::Number(..)))
    {
        *expr = (**inner).clone();
    }
}

/// The same for an expression that stands alone.
pub fn prepare_expr(expr: &mut Expr) {
    walk_mut(expr, &mut change);
}

/// Functions whose result type depends on the value of a literal argument: a cast would hide it.
const TYPED_BY_VALUE: [&str; 3] = ["round", "truncate", "to_timestamp_ltz"];

fn change(changed: Changed<'_>) {
    match changed {
        Changed::Query(query) => {
            fetch_as_limit(query);
            named_values::name(&mut query.body);
        }
        Changed::Select(select) => {
            group_windows::mark(select);
            membership::filters(select);
            name_columns(select);
            grouping::prepare(select);
            frames::named(select);
            unnest::nest(select);
        }
        Changed::Enter(expr) => compared_rows(expr),
        Changed::QueryEnd | Changed::TableFactor(_) => {}
        Changed::Expr(expr) => change_expr(expr),
    }
}

/// `(a, b)` as `ROW(a, b)` where it is compared.
fn compared_rows(expr: &mut Expr) {
    match expr {
        Expr::BinaryOp { left, op, right } if *op != BinaryOperator::Overlaps => {
            as_row(left);
            as_row(right);
        }
        Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
            as_row(left);
            as_row(right);
        }
        Expr::InList { expr, list, .. } => {
            as_row(expr);
            list.iter_mut().for_each(as_row);
        }
        _ => {}
    }
}

fn as_row(expr: &mut Expr) {
    if let Expr::Tuple(values) = expr {
        values.iter_mut().for_each(as_row);
        *expr = calls::call("ROW", std::mem::take(values));
    }
}

/// `FETCH NEXT n ROWS ONLY` as LIMIT n.
fn fetch_as_limit(query: &mut Query) {
    let Some(Fetch { with_ties: false, percent: false, quantity: Some(n) }) = &query.fetch else {
        return;
    };
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit: limit @ None, .. }) => *limit = Some(n.clone()),
        none @ None => {
            let limit = Some(n.clone());
            *none = Some(LimitClause::LimitOffset { limit, offset: None, limit_by: vec![] });
        }
        _ => return,
    }
    query.fetch = None;
}

fn change_expr(expr: &mut Expr) {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::UnicodeStringLiteral(text) => {
                value.value = Value::SingleQuotedString(text.clone());
            }
            Value::Number(text, _) => {
                if let Some(ty) = literal_type(text) {
                    *expr = cast(expr.clone(), ty);
                }
            }
            _ => {}
        },
        Expr::TypedString(TypedString {
            data_type:
                DataType::Timestamp(precision @ None, _) | DataType::Time(precision @ None, _),
            value,
            ..
        }) => {
            let text = value.value.to_string();
            let fraction = text.trim_matches('\'').split_once('.').map_or("", |x| x.1);
            *precision = Some(fraction.len().min(9) as u64);
        }
        Expr::Function(Function { over: Some(WindowType::WindowSpec(spec)), .. }) => {
            frames::bare(spec);
        }
        Expr::Function(function) if typed_by_value(function) => bare_literals(function),
        Expr::Function(function) => {
            if let Some(other) = calls::rewritten(function) {
                *expr = other;
            }
        }
        Expr::InSubquery { .. } | Expr::AnyOp { .. } | Expr::AllOp { .. } => {
            if let Some(other) = membership::value(expr) {
                *expr = other;
            }
        }
        Expr::CompoundFieldAccess { root, access_chain } => {
            quoted_fields(matches!(**root, Expr::Identifier(_)), access_chain);
        }
        Expr::Interval(interval) => {
            if let Some(other) = predicates::range(interval) {
                *expr = other;
            }
        }
        Expr::SimilarTo { .. } | Expr::BinaryOp { op: BinaryOperator::Overlaps, .. } => {
            if let Some(other) = predicates::rewritten(expr) {
                *expr = other;
            }
        }
        Expr::Like { pattern, escape_char, .. } => escape_as_backslash(pattern, escape_char),
        Expr::Cast { kind, expr: inner, data_type, .. } => {
            let ty = carried(data_type).map(|n| n.ty).or_else(|| flink_type(data_type));
            if let Some(ty) = ty {
                *expr = cast_call(*kind != CastKind::Cast, &ty, inner);
            }
        }
        _ => {}
    }
}

/// INT where it fits, DOUBLE with an exponent, DECIMAL with as many digits as are written (0.908
/// has four); DataFusion's own type is right for the rest.
fn literal_type(text: &str) -> Option<DataType> {
    if text.contains(['e', 'E']) {
        return Some(DataType::Double(ExactNumberInfo::None));
    }
    if let Some((whole, fraction)) =
        text.split_once('.').filter(|(_, fraction)| !fraction.is_empty())
    {
        let (digits, scale) = ((whole.len() + fraction.len()) as u64, fraction.len() as i64);
        let info = ExactNumberInfo::PrecisionAndScale(digits, scale);
        return (1..=38).contains(&digits).then_some(DataType::Decimal(info));
    }
    text.trim_end_matches('.').parse::<i32>().is_ok().then_some(DataType::Int(None))
}

/// Fields behind an index (`a[1].b`) or a value (`ROW(1).f`) as texts, the way DataFusion reads
/// them; those directly behind a name belong to it.
fn quoted_fields(of_name: bool, chain: &mut [AccessExpr]) {
    for access in chain.iter_mut().skip_while(|a| of_name && matches!(a, AccessExpr::Dot(_))) {
        if let AccessExpr::Dot(Expr::Identifier(id)) = access {
            let name = Value::SingleQuotedString(id.value.clone());
            *access = AccessExpr::Dot(Expr::value(name));
        }
    }
}

/// `LIKE 'a|%' ESCAPE '|'` as `LIKE 'a\%'`, the one escape that DataFusion knows and Flink has only
/// where it is named: a backslash of any other pattern is doubled.
fn escape_as_backslash(pattern: &mut Expr, escape: &mut Option<ValueWithSpan>) {
    let with = escape.as_ref().and_then(|v| v.value.clone().into_string()).unwrap_or_default();
    let mut one = with.chars();
    let (with, None) = (one.next(), one.next()) else { return };
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) = pattern else {
        if with.is_none() && !is_parameter(pattern) {
            let [one, two] = ["\\", "\\\\"].map(|t| Value::SingleQuotedString(t.into()));
            let arguments = vec![pattern.clone(), Expr::value(one), Expr::value(two)];
            *pattern = calls::call("replace", arguments);
        }
        return;
    };
    let mut written = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if Some(c) == with {
            written.push('\\');
            written.extend(chars.next());
        } else if c == '\\' {
            written.push_str("\\\\");
        } else {
            written.push(c);
        }
    }
    *text = written;
    *escape = None;
}

/// Its type is told by what it is compared with.
fn is_parameter(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(v) if matches!(v.value, Value::Placeholder(_)))
}

/// Names of the functions that CAST and TRY_CAST become: the type follows.
const CASTS: [(&str, bool); 2] = [("__cast ", false), ("__try_cast ", true)];

/// Flink's CAST as a call of the function that does it; its name carries the type.
pub(super) fn cast_call(try_cast: bool, ty: &SqlType, inner: &Expr) -> Expr {
    let (prefix, _) = CASTS[usize::from(try_cast)];
    let argument = FunctionArg::Unnamed(FunctionArgExpr::Expr(inner.clone()));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::with_quote('`', format!("{prefix}{ty}"))]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: vec![argument],
            clauses: vec![],
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: vec![],
    })
}

/// The function behind such a name.
pub fn cast_of(name: &str, zone: Zone) -> Option<Arc<ScalarUDF>> {
    let of = |(prefix, try_cast): (&str, bool)| {
        let ty = parse_type_text(name.strip_prefix(prefix)?).ok()?;
        Some(brooklet_functions::cast_udf_in(ty.ty, try_cast, zone))
    };
    CASTS.into_iter().find_map(of)
}

fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

fn typed_by_value(function: &Function) -> bool {
    let name = function.name.to_string().to_lowercase();
    TYPED_BY_VALUE.contains(&name.as_str())
}

fn bare_literals(function: &mut Function) {
    let FunctionArguments::List(list) = &mut function.args else { return };
    for argument in list.args.iter_mut().skip(1) {
        let FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) = argument else { continue };
        if let Expr::UnaryOp { op: UnaryOperator::Minus, expr: negative } = e {
            if let Expr::Cast { expr: inner, .. } = negative.as_ref() {
                *negative = inner.clone();
            }
            continue;
        }
        let Expr::Cast { expr: inner, .. } = e else { continue };
        if matches!(&**inner, Expr::Value(_)) {
            *e = (**inner).clone();
        }
    }
}

/// `a.b` is called `b`, anything else `EXPR$<position>`, a repeated name gets a number.
fn name_columns(select: &mut Select) {
    let mut taken: Vec<String> = Vec::new();
    for (position, item) in select.projection.iter_mut().enumerate() {
        let (name, explicit) = match item {
            SelectItem::ExprWithAlias { alias, .. } => (alias.value.clone(), true),
            SelectItem::UnnamedExpr(expr) => match expr {
                Expr::Identifier(id) => (id.value.clone(), true),
                Expr::CompoundIdentifier(ids) => {
                    (ids.last().map(|i| i.value.clone()).unwrap_or_default(), false)
                }
                _ => (format!("EXPR${position}"), false),
            },
            _ => continue,
        };
        let mut unique = name.clone();
        let mut number = 0;
        while taken.contains(&unique) {
            unique = format!("{name}{number}");
            number += 1;
        }
        taken.push(unique.clone());
        if explicit && unique == name {
            continue;
        }
        let alias = Ident::with_quote('`', unique);
        *item = match item.clone() {
            SelectItem::ExprWithAlias { expr, .. } | SelectItem::UnnamedExpr(expr) => {
                SelectItem::ExprWithAlias { expr, alias }
            }
            other => other,
        };
    }
}

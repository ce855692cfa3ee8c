//! Parameters such as `:name` of a query that is asked over HTTP: what the text says of them, their
//! types, and the values that take their place.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use brooklet_core::types::SqlType;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DataFusionError, Diagnostic, Result, ScalarValue, Span as Place};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{Expr, LogicalPlan};
use sqlparser::ast::{self, Query, Value};
use sqlparser::tokenizer::Span;

use super::types::flink_type;
use super::walk::{Seen, walk};
use crate::fault::Fault;
use crate::lower::sql_type;

/// What a query's text says of a parameter.
#[derive(Debug, Clone)]
pub struct Said {
    /// Where it stands first.
    pub span: Span,
    /// Of CAST(:name AS type).
    pub ty: Option<SqlType>,
    /// The query asks whether it is there: `:name IS NULL`, COALESCE(:name, …).
    pub optional: bool,
}

/// By name, without the colon.
pub type Parameters = BTreeMap<String, Said>;

/// The parameters of a query.
pub fn of_query(query: &Query) -> Result<Parameters, Vec<Fault>> {
    let (mut found, mut faults) = (Parameters::new(), Vec::new());
    walk(query, &mut |seen| {
        let Seen::Expr(expr) = seen else { return ControlFlow::Continue(()) };
        match expr {
            ast::Expr::Value(value) => match &value.value {
                Value::Placeholder(text) if text.starts_with(':') => {
                    entry(&mut found, text, value.span);
                }
                Value::Placeholder(text) => {
                    let message = format!("'{text}' is no parameter here: write :name");
                    faults.push(Fault::new(message, value.span));
                }
                _ => {}
            },
            ast::Expr::Cast { expr: inner, data_type, .. } => {
                if let Some((text, span)) = placeholder(inner) {
                    entry(&mut found, text, span).ty = flink_type(data_type);
                }
            }
            ast::Expr::IsNull(inner) | ast::Expr::IsNotNull(inner) => {
                if let Some((text, span)) = placeholder(inner) {
                    entry(&mut found, text, span).optional = true;
                }
            }
            ast::Expr::Function(f) if f.name.to_string().eq_ignore_ascii_case("coalesce") => {
                for (text, span) in arguments(f).filter_map(placeholder) {
                    entry(&mut found, text, span).optional = true;
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    });
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

fn entry<'a>(found: &'a mut Parameters, text: &str, span: Span) -> &'a mut Said {
    let name = text.trim_start_matches(':').to_string();
    found.entry(name).or_insert(Said { span, ty: None, optional: false })
}

fn placeholder(expr: &ast::Expr) -> Option<(&str, Span)> {
    match expr {
        ast::Expr::Nested(inner) | ast::Expr::Cast { expr: inner, .. } => placeholder(inner),
        ast::Expr::Value(value) => match &value.value {
            Value::Placeholder(text) => Some((text.as_str(), value.span)),
            _ => None,
        },
        _ => None,
    }
}

fn arguments(function: &ast::Function) -> impl Iterator<Item = &ast::Expr> {
    let list = match &function.args {
        ast::FunctionArguments::List(list) => list.args.as_slice(),
        _ => &[],
    };
    list.iter().filter_map(|argument| match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

/// Gives every parameter a type: of what it is compared with, of LIMIT, or text when the query
/// casts it. `said` is None for queries that nobody gives values to.
pub fn typed(plan: LogicalPlan, said: Option<&Parameters>) -> Result<LogicalPlan> {
    let mut known: BTreeMap<String, FieldRef> = BTreeMap::new();
    let mut any = false;
    each(&plan, &mut |node, p| {
        any = true;
        let counts = matches!(node, LogicalPlan::Limit(_)).then(|| field(DataType::Int64));
        if let Some(field) = p.field.clone().or(counts) {
            known.entry(name_of(p).to_string()).or_insert(field);
        }
    })?;
    if !any {
        return Ok(plan);
    }
    let Some(said) = said else {
        let message = "a parameter such as :name can stand in the queries of serve/ only";
        return Err(DataFusionError::Plan(message.into()));
    };
    replace(plan, &mut |p| {
        let name = name_of(&p);
        let said = said.get(name);
        let cast = || said.and_then(|s| s.ty.as_ref()).map(|_| field(DataType::Utf8));
        let field = p.field.clone().or_else(cast).or_else(|| known.get(name).cloned());
        let Some(field) = field else {
            let message = format!(
                "the type of :{name} cannot be told: compare it with a column, or write \
                 CAST(:{name} AS …)"
            );
            let place = said.and_then(|s| Place::try_from_sqlparser_span(s.span));
            let plain = DataFusionError::Plan(message.clone());
            return Err(plain.with_diagnostic(Diagnostic::new_error(message, place)));
        };
        Ok(Expr::Placeholder(Placeholder { field: Some(field), ..p }))
    })
}

fn field(ty: DataType) -> FieldRef {
    Arc::new(Field::new("", ty, true))
}

/// The types by name: of the CAST, or of the first place that says one.
pub fn types(plan: &LogicalPlan, said: &Parameters) -> Result<BTreeMap<String, SqlType>> {
    let mut types = BTreeMap::new();
    each(plan, &mut |_, p| {
        let name = name_of(p);
        let cast = said.get(name).and_then(|s| s.ty.clone());
        if let Some(ty) = cast.or_else(|| p.field.as_ref().and_then(|f| sql_type(f))) {
            types.entry(name.to_string()).or_insert(ty);
        }
    })?;
    Ok(types)
}

/// The plan with values in the places of its parameters; those without a value are NULL.
pub fn filled(plan: LogicalPlan, values: &BTreeMap<String, String>) -> Result<LogicalPlan> {
    replace(plan, &mut |p| {
        let ty = p.field.as_ref().map_or(&DataType::Null, |f| f.data_type());
        let value = match (values.get(name_of(&p)), p.field.as_ref().and_then(|f| sql_type(f))) {
            (Some(text), Some(ty)) => value(text, &ty).map_err(DataFusionError::Plan)?,
            _ => ScalarValue::try_from(ty)?,
        };
        Ok(Expr::Literal(value, None))
    })
}

/// A text as a value of a type, or what was expected. Numbers are read strictly; moments also in
/// the form of ISO 8601.
pub fn value(text: &str, ty: &SqlType) -> Result<ScalarValue, String> {
    let wrong = || format!("'{text}' is no {ty}");
    let whole = match ty {
        SqlType::Char(_) | SqlType::Varchar(_) => return Ok(ScalarValue::from(text)),
        SqlType::TinyInt => text.parse().ok().map(|n| ScalarValue::Int8(Some(n))),
        SqlType::SmallInt => text.parse().ok().map(|n| ScalarValue::Int16(Some(n))),
        SqlType::Int => text.parse().ok().map(|n| ScalarValue::Int32(Some(n))),
        SqlType::BigInt => text.parse().ok().map(|n| ScalarValue::Int64(Some(n))),
        _ => return other(text, ty).ok_or_else(wrong),
    };
    whole.ok_or_else(wrong)
}

fn other(text: &str, ty: &SqlType) -> Option<ScalarValue> {
    let moment = matches!(ty, SqlType::Timestamp(_) | SqlType::TimestampLtz(_));
    let text = match text.split_once('T').filter(|_| moment) {
        Some((day, time)) => format!("{day} {}", time.trim_end_matches('Z')),
        None => text.to_string(),
    };
    let column: ArrayRef = Arc::new(StringArray::from(vec![text]));
    let cast = brooklet_functions::cast(&column, &SqlType::STRING, ty, false).ok()?;
    let value = ScalarValue::try_from_array(&cast, 0).ok()?;
    (!value.is_null()).then_some(value)
}

fn name_of(p: &Placeholder) -> &str {
    p.id.trim_start_matches(':')
}

/// Shows every parameter with the node it stands in.
fn each(plan: &LogicalPlan, show: &mut dyn FnMut(&LogicalPlan, &Placeholder)) -> Result<()> {
    use datafusion::common::tree_node::TreeNodeRecursion::Continue;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Placeholder(p) = expr {
                    show(node, p);
                }
                Ok(Continue)
            })
        })
    })
    .map(drop)
}

/// Puts something else in the place of every parameter.
fn replace(
    plan: LogicalPlan,
    by: &mut dyn FnMut(Placeholder) -> Result<Expr>,
) -> Result<LogicalPlan> {
    rewrite(plan, &mut |expr| match expr {
        Expr::Placeholder(p) => Ok(Transformed::yes(by(p)?)),
        other => Ok(Transformed::no(other)),
    })
}

/// Rewrites all expressions of a plan, from the inside out; columns keep their names.
pub fn rewrite(
    plan: LogicalPlan,
    by: &mut dyn FnMut(Expr) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    let done = plan.transform_up_with_subqueries(|node| {
        let names = NamePreserver::new(&node);
        let node = node.map_expressions(|expr| {
            let name = names.save(&expr);
            Ok(expr.transform_up(&mut *by)?.update_data(|expr| name.restore(expr)))
        })?;
        // Types of columns follow from what stands below.
        node.map_data(LogicalPlan::recompute_schema)
    })?;
    Ok(done.data)
}

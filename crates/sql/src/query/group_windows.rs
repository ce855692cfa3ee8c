//! `GROUP BY TUMBLE(ts, INTERVAL …)`, HOP and SESSION: the windows of GROUP BY, and what speaks of
//! them (`TUMBLE_START(ts, INTERVAL …)`, …_END, …_ROWTIME, …_PROCTIME).
//!
//! In the text they become calls of functions that only the planner knows, each around the call
//! that GROUP BY holds; in the plan that call becomes a window function below the aggregate, and
//! what is around it the function's columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use brooklet_plan::node::WindowKind;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{
    Column, DFSchema, DataFusionError, Result, plan_datafusion_err, plan_err,
};
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Expr, Extension, LogicalPlan, Projection, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use sqlparser::ast::{self, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Select};

use super::clock;
use super::walk::{Changed, walk_mut};
use super::window_tvf::{Place, TvfKind, WINDOW_COLUMNS, WindowTvf, interval_millis};

const WINDOWS: [&str; 3] = ["TUMBLE", "HOP", "SESSION"];
/// What is asked of a window, in the order of [`WINDOW_COLUMNS`]; then the clock.
const PARTS: [&str; 4] = ["START", "END", "ROWTIME", "PROCTIME"];

/// Rewrites a SELECT whose GROUP BY holds a window.
pub fn mark(select: &mut Select) {
    let GroupByExpr::Expressions(exprs, _) = &mut select.group_by else { return };
    let mut windows = BTreeMap::new();
    for expr in exprs {
        let ast::Expr::Function(f) = expr else { continue };
        let name = f.name.to_string().to_uppercase();
        if WINDOWS.contains(&name.as_str()) && !arguments(f).is_empty() {
            f.name = hidden(&name);
            windows.insert(key(&name, f), expr.clone());
        }
    }
    if windows.is_empty() {
        return;
    }
    let mut change = |changed: Changed<'_>| {
        let Changed::Expr(expr) = changed else { return };
        let ast::Expr::Function(f) = &*expr else { return };
        let name = f.name.to_string().to_uppercase();
        let Some((window, part)) = name.rsplit_once('_') else { return };
        let found = windows.get(&key(window, f)).filter(|_| PARTS.contains(&part));
        if let Some(of) = found {
            *expr = around(part, of.clone());
        }
    };
    walk_mut(&mut select.projection, &mut change);
    walk_mut(&mut select.having, &mut change);
    walk_mut(&mut select.qualify, &mut change);
}

fn hidden(name: &str) -> ast::ObjectName {
    ast::ObjectName::from(vec![ast::Ident::new(format!("__group_{}", name.to_lowercase()))])
}

/// A call of the function that gives a part of a window.
fn around(part: &str, window: ast::Expr) -> ast::Expr {
    let ast::Expr::Function(f) = &window else { return window };
    let arg = FunctionArg::Unnamed(FunctionArgExpr::Expr(window.clone()));
    let args =
        ast::FunctionArgumentList { duplicate_treatment: None, args: vec![arg], clauses: vec![] };
    ast::Expr::Function(ast::Function {
        name: hidden(part),
        args: FunctionArguments::List(args),
        ..f.clone()
    })
}

fn arguments(f: &ast::Function) -> Vec<&ast::Expr> {
    let FunctionArguments::List(list) = &f.args else { return vec![] };
    let plain =
        |arg: &'_ FunctionArg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(_)));
    if !list.args.iter().all(plain) {
        return vec![];
    }
    let each = list.args.iter().filter_map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
        _ => None,
    });
    each.collect()
}

/// The window and its arguments as text; whether the time is qualified does not matter.
fn key(window: &str, f: &ast::Function) -> String {
    let text = |e: &ast::Expr| match e {
        ast::Expr::CompoundIdentifier(ids) => ids.last().map(|id| id.value.clone()),
        ast::Expr::Identifier(id) => Some(id.value.clone()),
        other => Some(other.to_string()),
    };
    let args: Vec<String> = arguments(f).into_iter().filter_map(text).collect();
    format!("{window}({})", args.join(", "))
}

/// The functions by name.
pub fn functions() -> BTreeMap<String, Arc<ScalarUDF>> {
    let all = WINDOWS.iter().chain(&PARTS);
    let udf = |name: &&str| {
        let name = format!("__group_{}", name.to_lowercase());
        let signature = Signature::variadic_any(Volatility::Immutable);
        (name.clone(), Arc::new(ScalarUDF::new_from_impl(Marker { name, signature })))
    };
    all.map(udf).collect()
}

/// A call that the planner replaces.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Marker {
    name: String,
    signature: Signature,
}

impl ScalarUDFImpl for Marker {
    fn name(&self) -> &str {
        &self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let plain = DataType::Timestamp(TimeUnit::Millisecond, None);
        Ok(match (self.name.as_str(), args.first()) {
            ("__group_start" | "__group_end", _) | (_, None) => plain,
            ("__group_proctime", _) => clock::now_type(),
            (_, Some(time)) => time.clone(),
        })
    }
    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        plan_err!("a window of GROUP BY is found by the engine")
    }
}

/// Puts window functions below the aggregates that ask for them.
pub fn resolve(plan: LogicalPlan) -> Result<LogicalPlan> {
    let resolved = plan.transform_up_with_subqueries(|node| match node {
        LogicalPlan::Aggregate(a) if a.group_expr.iter().any(is_window) => {
            Ok(Transformed::yes(windowed(a)?))
        }
        node => {
            let inputs = node.inputs();
            let [input] = inputs.as_slice() else { return Ok(Transformed::no(node)) };
            let schema = Arc::clone(input.schema());
            let changed =
                node.map_expressions(|e| e.transform_up(|e| part_of_window(e, &schema)))?;
            match changed.transformed {
                true => Ok(Transformed::yes(changed.data.recompute_schema()?)),
                false => Ok(changed),
            }
        }
    })?;
    Ok(resolved.data)
}

/// The name behind `__group_`.
fn marker(expr: &Expr) -> Option<(&str, &[Expr])> {
    let Expr::ScalarFunction(f) = expr else { return None };
    Some((f.func.name().strip_prefix("__group_")?, &f.args))
}

fn is_window(expr: &Expr) -> bool {
    marker(expr).is_some_and(|(name, _)| ["tumble", "hop", "session"].contains(&name))
}

/// The column that a part of a window is.
fn part_of_window(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let Some((name, _)) = marker(&expr) else { return Ok(Transformed::no(expr)) };
    let part = PARTS.iter().position(|part| part.eq_ignore_ascii_case(name));
    let Some(part) = part else {
        return plan_err!("TUMBLE, HOP and SESSION stand in GROUP BY or in TABLE(…)");
    };
    let Some(column) = WINDOW_COLUMNS.get(part) else {
        let now = clock::functions().remove("proctime");
        let now = now.ok_or_else(|| plan_datafusion_err!("there is no PROCTIME()"))?;
        return Ok(Transformed::yes(now.call(vec![])));
    };
    let found = schema.iter().find(|(_, field)| field.name() == column);
    let (qualifier, field) =
        found.ok_or_else(|| plan_datafusion_err!("{name} without a window in GROUP BY"))?;
    Ok(Transformed::yes(Expr::Column(Column::new(qualifier.cloned(), field.name()))))
}

/// The aggregate over the windows' bounds in the place of the call.
fn windowed(aggregate: Aggregate) -> Result<LogicalPlan> {
    let (windows, mut keys): (Vec<Expr>, Vec<Expr>) =
        aggregate.group_expr.into_iter().partition(is_window);
    let [window] = windows.as_slice() else {
        return plan_err!("GROUP BY holds one window, not {}", windows.len());
    };
    let Some((name, args)) = marker(window) else {
        return plan_err!("no window in GROUP BY");
    };
    let kind = kind(name, args)?;
    let Some(Expr::Column(time)) = args.first() else {
        return plan_err!("the first argument of a window in GROUP BY is a time attribute");
    };
    let mut input = Arc::unwrap_or_clone(aggregate.input);
    let mut partition = Vec::new();
    if matches!(kind, TvfKind::Session { .. }) {
        (input, keys) = with_columns(input, keys)?;
        partition = keys.iter().map(|key| key.clone().unalias()).collect();
    }
    let place = Place(time.spans().first());
    let time = (Expr::Column(time.clone()), place);
    let tvf = WindowTvf::new(kind, time, partition, input)?.grouped();
    let node = LogicalPlan::Extension(Extension { node: Arc::new(tvf) });
    let width = node.schema().fields().len();
    for column in width - WINDOW_COLUMNS.len()..width {
        keys.push(Expr::Column(Column::from(node.schema().qualified_field(column))));
    }
    Ok(LogicalPlan::Aggregate(Aggregate::try_new(Arc::new(node), keys, aggregate.aggr_expr)?))
}

/// Keys that are no columns become some, under their names.
fn with_columns(input: LogicalPlan, keys: Vec<Expr>) -> Result<(LogicalPlan, Vec<Expr>)> {
    if keys.iter().all(|key| matches!(key, Expr::Column(_))) {
        return Ok((input, keys));
    }
    let mut exprs: Vec<Expr> = input.schema().columns().into_iter().map(Expr::Column).collect();
    let mut named = Vec::new();
    for (number, key) in keys.into_iter().enumerate() {
        if matches!(key, Expr::Column(_)) {
            named.push(key);
            continue;
        }
        let (column, name) = (format!("$key{number}"), key.schema_name().to_string());
        exprs.push(key.alias(&column));
        named.push(Expr::Column(Column::new_unqualified(column)).alias(name));
    }
    let input = LogicalPlan::Projection(Projection::try_new(exprs, Arc::new(input))?);
    Ok((input, named))
}

fn kind(name: &str, args: &[Expr]) -> Result<TvfKind> {
    let wrong = || -> DataFusionError {
        plan_datafusion_err!(
            "{}: expected a time attribute and intervals such as INTERVAL '1' MINUTE",
            name.to_uppercase()
        )
    };
    let millis: Vec<i64> = args[1..]
        .iter()
        .map(|e| interval_millis(e).filter(|ms| *ms > 0))
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    Ok(match (name, millis.as_slice()) {
        ("tumble", [size]) => TvfKind::Aligned(WindowKind::Tumble { size: *size, offset: 0 }),
        ("hop", [slide, size]) => {
            TvfKind::Aligned(WindowKind::Hop { size: *size, slide: *slide, offset: 0 })
        }
        ("session", [gap]) => TvfKind::Session { gap: *gap },
        _ => return Err(wrong()),
    })
}

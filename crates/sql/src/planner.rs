//! The way from INSERTs and SELECTs to one streaming plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use brooklet_core::options::Options;
use brooklet_core::schema::{ColumnDef, ColumnKind, TableDef};
use brooklet_core::types::SqlType;
use brooklet_plan::{Settings, StreamPlan};
use datafusion::common::tree_node::TreeNode;
use datafusion::common::{DataFusionError, Diagnostic, Result, ScalarValue, Span as Place};
use datafusion::logical_expr::{
    Cast, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, Projection,
};
use sqlparser::ast::{self, GroupByExpr, Ident, Query, SetExpr, Spanned};
use sqlparser::tokenizer::Span;

use crate::catalog::name_of;
use crate::fault::{Fault, Faults};
use brooklet_functions::Zone;

use crate::lower::{self, COLLECT, Conflict, Job, Offers, Target};
use crate::parse::ast::{Insert, OnConflict};
use crate::query::aggregates::flink_name;
use crate::query::{self, Names, Provider, check, errors, order};

/// Plans all INSERTs of a script as one graph. Faults of all of them are reported together.
pub fn plan(
    names: &dyn Names,
    settings: &Settings,
    offers: Offers,
    inserts: &[Insert],
) -> Result<StreamPlan, Faults> {
    let provider = Provider::in_zone(names, zone(settings)?);
    let (mut jobs, mut faults) = (Vec::new(), Vec::new());
    for insert in inserts {
        match insert_job(&provider, settings, insert) {
            Ok(job) => jobs.push(job),
            Err(wrong) => faults.extend(wrong),
        }
    }
    let lowered = match jobs.is_empty() {
        true => Ok(StreamPlan::default()),
        false => lower::lower(&provider, settings, offers, &jobs),
    };
    match lowered {
        Ok(plan) if faults.is_empty() => return Ok(plan),
        Ok(_) => {}
        Err(errors) => faults.extend(lowering_faults(&provider, &jobs, &errors)),
    }
    Err(Faults(faults))
}

/// Plans a top-level SELECT: its Sink's table has the connector `collect` and the query's columns
/// under Flink's names.
pub fn plan_select(
    names: &dyn Names,
    settings: &Settings,
    offers: Offers,
    query: &Query,
) -> Result<StreamPlan, Faults> {
    let provider = Provider::in_zone(names, zone(settings)?);
    let jobs = [select_job(&provider, settings, query).map_err(Faults)?];
    lower::lower(&provider, settings, offers, &jobs)
        .map_err(|errors| Faults(lowering_faults(&provider, &jobs, &errors)))
}

/// The session's time zone.
fn zone(settings: &Settings) -> Result<Zone, Faults> {
    let name = settings.text("table.local-time-zone");
    Zone::parse(&name).ok_or_else(|| {
        let message = format!(
            "SET 'table.local-time-zone' = '{name}': expected a zone such as UTC, Europe/Berlin or \
             GMT+02:00"
        );
        Faults(vec![Fault::new(message, Span::empty())])
    })
}

/// Faults of a view's query, and of the names that its columns are given.
pub fn check_view(names: &dyn Names, query: &Query, columns: &[Ident]) -> Result<(), Vec<Fault>> {
    let plan = check::bind_all(&Provider::new(names), query, query_span(query))?;
    let twice = columns.iter().enumerate().find(|(i, c)| columns[..*i].contains(c));
    if let Some((_, column)) = twice {
        let message = format!("the view names column '{}' twice", column.value);
        return Err(Fault::new(message, column.span).into());
    }
    let given = plan.schema().fields().len();
    match columns.last() {
        Some(last) if columns.len() != given => {
            let message =
                format!("the view names {} columns, its query has {given}", columns.len());
            Err(Fault::new(message, last.span).into())
        }
        _ => Ok(()),
    }
}

/// Errors of lowering, each with the number of its job.
fn lowering_faults(
    provider: &Provider,
    jobs: &[Job],
    errors: &[(usize, DataFusionError)],
) -> Vec<Fault> {
    let functions = provider.functions();
    let fault = |(job, e): &(usize, DataFusionError)| {
        errors::fault(e, jobs.get(*job).map_or(Span::empty(), |j| j.span), &functions)
    };
    errors.iter().map(fault).collect()
}

/// The columns a query gives: name, type, whether NULL may stand there. For DESCRIBE and views.
pub fn query_columns(
    names: &dyn Names,
    query: &Query,
) -> Result<Vec<(String, SqlType, bool)>, Faults> {
    let provider = Provider::new(names);
    let plan = check::bind_all(&provider, query, query_span(query)).map_err(Faults)?;
    let column = |f: &FieldRef| {
        let ty = lower::sql_type(f).unwrap_or(SqlType::STRING);
        (f.name().clone(), ty, f.is_nullable())
    };
    Ok(plan.schema().fields().iter().map(column).collect())
}

fn insert_span(insert: &Insert) -> Span {
    insert.table.span()
}

/// Where a query starts.
fn query_span(query: &Query) -> Span {
    match &*query.body {
        SetExpr::Select(select) => select.select_token.0.span,
        _ => query.span(),
    }
}

fn insert_job(
    provider: &Provider,
    settings: &Settings,
    insert: &Insert,
) -> Result<Job, Vec<Fault>> {
    let span = insert_span(insert);
    let at = Place::try_from_sqlparser_span(span);
    let name = name_of(&insert.table)?;
    let Some(table) = provider.names().table(&name) else {
        let all = provider.names().all();
        let fault = Fault::new(format!("there is no table '{name}'"), span);
        return Err(fault.suggest(&name, all.iter().map(String::as_str)).into());
    };
    if insert.overwrite && !settings.is_batch() {
        let message = format!(
            "INSERT OVERWRITE needs SET 'execution.runtime-mode' = 'batch'; on a stream, SET \
             'brooklet.table.{name}.output-mode' = 'complete' replaces the rows by each result"
        );
        return Err(Fault::new(message, span).into());
    }
    let fault = |e: DataFusionError| vec![errors::fault(&e, span, &provider.functions())];
    let bound = check::bind_all(provider, &insert.query, query_span(&insert.query))?;
    let shaped = shape(provider, insert, &table, bound, at).map_err(fault)?;
    let shaped = match drops_nulls(settings) {
        true => without_nulls(&table, shaped).map_err(fault)?,
        false => shaped,
    };
    let plan = query::optimized(provider, shaped).map_err(fault)?;
    let conflict = match insert.on_conflict {
        None => Conflict::Unwritten,
        Some(OnConflict::DoNothing) => Conflict::Nothing,
        Some(OnConflict::DoError | OnConflict::DoDeduplicate) => Conflict::Other,
    };
    let (overwrite, updates_at) = (insert.overwrite, updating_clause(&insert.query));
    Ok(Job { plan, span, target: Target { table, conflict, overwrite, at, updates_at } })
}

fn placed(message: String, at: Option<Place>) -> DataFusionError {
    DataFusionError::Plan(message.clone()).with_diagnostic(Diagnostic::new_error(message, at))
}

/// The query's columns as the table takes them: in order, cast, NULL where none is given.
fn shape(
    provider: &Provider,
    insert: &Insert,
    table: &TableDef,
    plan: LogicalPlan,
    at: Option<Place>,
) -> Result<LogicalPlan> {
    let write = table.write_schema();
    let fixed: Vec<&str> = insert.partition.iter().map(|(c, _)| c.value.as_str()).collect();
    let given: Vec<String> = match insert.columns.is_empty() {
        true => {
            let open = write.fields().iter().map(|f| f.name());
            open.filter(|n| !fixed.contains(&n.as_str())).cloned().collect()
        }
        false => insert.columns.iter().map(|c| c.value.clone()).collect(),
    };
    for name in given.iter().map(String::as_str).chain(fixed.iter().copied()) {
        if write.index_of(name).is_err() {
            let message = format!("table '{}' has no column '{name}' to write", table.name);
            return Err(placed(message, at));
        }
    }
    let columns = plan.schema().columns();
    if columns.len() != given.len() {
        let (has, gives) = (given.len(), columns.len());
        let name = &table.name;
        let message = format!("table '{name}' takes {has} columns, the query gives {gives}");
        return Err(placed(message, at));
    }
    let mut exprs = Vec::new();
    for field in write.fields() {
        let to = field.data_type();
        let by_query = given.iter().position(|n| n == field.name());
        let by_clause = insert.partition.iter().find(|(c, _)| c.value == *field.name());
        let expr = match (by_query, by_clause) {
            (Some(i), _) => Expr::Column(columns[i].clone()),
            (None, Some((_, value))) => {
                query::bind_expr(provider, value.clone(), &arrow::datatypes::Schema::empty())?
            }
            (None, None) => Expr::Literal(ScalarValue::Null, None),
        };
        let (_, given) = expr.to_field(plan.schema())?;
        let from = given.data_type().clone();
        if !assignable(&from, to) {
            let (from, to, name) = (flink_name(&from), flink_name(to), field.name());
            let message = format!(
                "column '{name}' of table '{}' is {to}, the query gives {from}: write a CAST",
                table.name
            );
            return Err(placed(message, at));
        }
        let target = table.column(field.name()).map_or(SqlType::STRING, |c| c.ty.clone());
        exprs.push(implicit_cast(expr, &given, target, to, provider.zone()).alias(field.name()));
    }
    LogicalPlanBuilder::from(plan).project(exprs)?.build()
}

/// Without rows that have NULL in a NOT NULL column. That the query's type has no NULL there either
/// says nothing: some functions give one all the same.
fn without_nulls(table: &TableDef, plan: LogicalPlan) -> Result<LogicalPlan> {
    let write = table.write_schema();
    let columns = plan.schema().columns();
    let strict = write.fields().iter().zip(columns).filter(|(f, _)| !f.is_nullable());
    let known = strict.map(|(field, column)| {
        let ty = lower::sql_type(field).unwrap_or(SqlType::STRING);
        brooklet_functions::loosened_udf(ty).call(vec![Expr::Column(column)]).is_not_null()
    });
    match known.reduce(Expr::and) {
        Some(all) => LogicalPlanBuilder::from(plan).filter(all)?.build(),
        None => Ok(plan),
    }
}

/// Whether such rows are left out.
fn drops_nulls(settings: &Settings) -> bool {
    settings.text("table.exec.sink.not-null-enforcer").eq_ignore_ascii_case("drop")
}

/// Flink's cast into a table's column: texts are cut to VARCHAR(n), moments to their precision.
fn implicit_cast(expr: Expr, given: &FieldRef, target: SqlType, to: &DataType, zone: Zone) -> Expr {
    let from = lower::sql_type(given);
    if from.as_ref() == Some(&target) {
        return expr;
    }
    let fits = |n: u32| matches!(target, SqlType::Varchar(m) if n <= m);
    match from {
        // Nothing is cut.
        Some(SqlType::Char(n) | SqlType::Varchar(n)) if fits(n) => expr,
        Some(from) if brooklet_functions::castable(&from, &target) => {
            brooklet_functions::cast_udf_in(target, false, zone).call(vec![expr])
        }
        _ if given.data_type() == to => expr,
        _ => Expr::Cast(Cast::new(Box::new(expr), to.clone())),
    }
}

/// Whether Flink casts by itself when a query's column goes into a table's.
fn assignable(from: &DataType, to: &DataType) -> bool {
    use DataType::*;
    let integer = |t: &DataType| match t {
        Int8 => Some(1),
        Int16 => Some(2),
        Int32 => Some(4),
        Int64 => Some(8),
        _ => None,
    };
    match (from, to) {
        (Null, _) => true,
        _ if from == to => true,
        (_, Float64 | Decimal128(..)) => from.is_numeric(),
        (Decimal128(..), Float32) => true,
        (_, Float32) => integer(from).is_some(),
        (_, Int8 | Int16 | Int32 | Int64) => match (integer(from), integer(to)) {
            (Some(a), Some(b)) => a <= b,
            _ => false,
        },
        (Timestamp(..), Timestamp(..) | Date32 | Time32(_)) => true,
        (Struct(a), Struct(b)) => {
            a.len() == b.len()
                && a.iter().zip(b).all(|(x, y)| assignable(x.data_type(), y.data_type()))
        }
        (List(a), List(b)) => assignable(a.data_type(), b.data_type()),
        (Map(a, _), Map(b, _)) => assignable(a.data_type(), b.data_type()),
        _ => false,
    }
}

fn select_job(provider: &Provider, settings: &Settings, query: &Query) -> Result<Job, Vec<Fault>> {
    let span = query_span(query);
    let bound = check::bind_all(provider, query, span)?;
    let fault = |e: DataFusionError| vec![errors::fault(&e, span, &provider.functions())];
    let bound = match settings.is_batch() {
        true => order::numbered(&bound).map_err(fault)?.unwrap_or(bound),
        false => bound,
    };
    let names = unique_names(&bound);
    let columns = bound.schema().columns();
    let fields = bound.schema().fields().clone();
    let exprs: Vec<Expr> =
        columns.into_iter().zip(&names).map(|(c, n)| Expr::Column(c).alias(n)).collect();
    let named = match &bound {
        // A projection here would hide ORDER BY … LIMIT from the query's end: only names differ.
        LogicalPlan::Sort(_) => bound,
        _ => {
            let named = Projection::try_new(exprs, Arc::new(bound)).map_err(fault)?;
            LogicalPlan::Projection(named)
        }
    };
    // A subquery that has no row is NULL, whatever the type of its column says.
    let loose = reads_single_values(&named);
    let plan = query::optimized(provider, named).map_err(fault)?;
    let column = |(name, field): (&String, &FieldRef)| ColumnDef {
        name: name.clone(),
        ty: lower::sql_type(field).unwrap_or(SqlType::STRING),
        nullable: field.is_nullable() || loose,
        kind: ColumnKind::Physical,
        comment: None,
    };
    let table = TableDef {
        name: COLLECT.into(),
        columns: names.iter().zip(&fields).map(column).collect(),
        watermark: None,
        primary_key: vec![],
        partitioned_by: vec![],
        options: Options(BTreeMap::from([("connector".to_string(), COLLECT.to_string())])),
        comment: None,
    };
    let target = Target {
        table: Arc::new(table),
        conflict: Conflict::Other,
        overwrite: false,
        at: None,
        updates_at: None,
    };
    Ok(Job { plan, span, target })
}

/// Whether a scalar subquery stands somewhere in the plan.
fn reads_single_values(plan: &LogicalPlan) -> bool {
    let subquery = |e: &Expr| Ok(matches!(e, Expr::ScalarSubquery(_)));
    let reads = |node: &LogicalPlan| {
        let expressions = node.expressions();
        Ok(expressions.iter().any(|e| e.exists(subquery).unwrap_or(true)))
    };
    plan.exists(reads).unwrap_or(true)
}

/// Flink's names: a repeated one gets a number.
pub(crate) fn unique_names(plan: &LogicalPlan) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for field in plan.schema().fields() {
        let mut name = field.name().clone();
        let mut number = 0;
        while names.contains(&name) {
            name = format!("{}{number}", field.name());
            number += 1;
        }
        names.push(name);
    }
    names
}

/// Where an error about updates points: GROUP BY, else the first join, else the query.
fn updating_clause(query: &Query) -> Option<Place> {
    let SetExpr::Select(select) = &*query.body else {
        return Place::try_from_sqlparser_span(query.span());
    };
    let group = match &select.group_by {
        GroupByExpr::Expressions(exprs, _) if !exprs.is_empty() => {
            Some(Span::union_iter(exprs.iter().map(ast::Expr::span)))
        }
        _ => None,
    };
    let join = || {
        let joins = select.from.iter().flat_map(|f| &f.joins);
        joins.map(|j| j.span()).next()
    };
    Place::try_from_sqlparser_span(group.or_else(join).unwrap_or_else(|| query.span()))
}

#[cfg(test)]
mod tests;

//! Queries of built-in tables that are asked over HTTP: bound once, filled in for each request.

use std::collections::BTreeMap;
use std::sync::Arc;

use brooklet_core::time::Millis;
use brooklet_core::types::SqlType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, TableSource};
use sqlparser::ast::{Query, SetExpr, Spanned, TableFactor};
use sqlparser::tokenizer::Span;

use crate::fault::{Fault, Faults};
use crate::lower;
use crate::planner::unique_names;
use crate::query::parameters::{self, Parameters};
use crate::query::{self, Names, Provider, aggregates, check, clock, errors};

/// A query with parameters.
pub struct Served {
    plan: LogicalPlan,
    /// In the order of their names.
    pub parameters: Vec<Parameter>,
    pub columns: Vec<OutputColumn>,
    /// Its answer depends on when it is asked.
    pub reads_clock: bool,
}

#[derive(Debug, Clone)]
pub struct Parameter {
    /// Without the colon.
    pub name: String,
    pub ty: SqlType,
    /// The query asks whether it is there.
    pub optional: bool,
}

#[derive(Debug, Clone)]
pub struct OutputColumn {
    pub name: String,
    pub ty: SqlType,
    pub nullable: bool,
}

/// Binds a query. `refusal` says why a table cannot be read, if so.
pub fn bind(
    names: &dyn Names,
    query: &Query,
    refusal: &dyn Fn(&str) -> Option<String>,
) -> Result<Served, Faults> {
    let said = parameters::of_query(query).map_err(Faults)?;
    let provider = Provider::new(names).with_parameters(said.clone());
    let start = start_of(query);
    let plan = check::bind_all(&provider, query, start).map_err(Faults)?;
    let faults = cannot_be_served(&plan, query, refusal);
    if !faults.is_empty() {
        return Err(Faults(faults));
    }
    let fault = |e: DataFusionError| Faults(vec![errors::fault(&e, start, &provider.functions())]);
    let mut reads_clock = false;
    visit(&plan, &mut |expr| reads_clock |= clock::is_call(expr)).map_err(fault)?;
    Ok(Served {
        parameters: parameters_of(&plan, &said).map_err(fault)?,
        columns: columns_of(&plan),
        reads_clock,
        plan,
    })
}

fn parameters_of(plan: &LogicalPlan, said: &Parameters) -> Result<Vec<Parameter>> {
    let types = parameters::types(plan, said)?;
    let parameter = |(name, ty): (String, SqlType)| {
        let optional = said.get(&name).is_some_and(|s| s.optional);
        Parameter { name, ty, optional }
    };
    Ok(types.into_iter().map(parameter).collect())
}

fn columns_of(plan: &LogicalPlan) -> Vec<OutputColumn> {
    let fields = plan.schema().fields().iter();
    let column = |(name, field): (String, &arrow::datatypes::FieldRef)| OutputColumn {
        name,
        ty: lower::sql_type(field).unwrap_or(SqlType::STRING),
        nullable: field.is_nullable(),
    };
    unique_names(plan).into_iter().zip(fields).map(column).collect()
}

fn start_of(query: &Query) -> Span {
    match &*query.body {
        SetExpr::Select(select) => select.select_token.0.span,
        _ => query.span(),
    }
}

/// Tables that cannot be read, and what only the engine can compute.
fn cannot_be_served(
    plan: &LogicalPlan,
    query: &Query,
    refusal: &dyn Fn(&str) -> Option<String>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    let start = start_of(query);
    let look = |node: &LogicalPlan| {
        match node {
            LogicalPlan::TableScan(scan) => {
                let name = scan.table_name.table();
                if let Some(message) = refusal(name) {
                    let place = place_of(query, name).unwrap_or(start);
                    faults.push(Fault::new(message, place));
                }
            }
            LogicalPlan::Aggregate(a) => {
                let calls = a.aggr_expr.iter().filter_map(|e| match e.clone().unalias() {
                    Expr::AggregateFunction(call) => aggregates::refusal(&call),
                    _ => None,
                });
                faults.extend(calls.map(|message| Fault::new(message, start)));
            }
            LogicalPlan::Window(_) | LogicalPlan::Extension(_) => {
                let message = "window functions and OVER are for the pipeline: let it write what \
                               they give to a built-in table";
                faults.push(Fault::new(message, start));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    };
    // The closure never fails.
    let _ = plan.apply_with_subqueries(look);
    faults
}

/// Where a query reads a table first.
fn place_of(query: &Query, table: &str) -> Option<Span> {
    let mut found = None;
    query::walk::walk(query, &mut |seen| {
        if let query::walk::Seen::TableFactor(TableFactor::Table { name, .. }) = seen
            && crate::catalog::name_of(name).is_ok_and(|name| name == table)
        {
            found = Some(crate::catalog::span_of(name));
            return std::ops::ControlFlow::Break(());
        }
        std::ops::ControlFlow::Continue(())
    });
    found
}

fn visit(plan: &LogicalPlan, show: &mut dyn FnMut(&Expr)) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                show(expr);
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map(drop)
}

impl Served {
    /// The query with values for its parameters, over `tables`, ready to be run. Values must be
    /// of their parameters' types; one that is not there is NULL.
    pub fn asked(
        &self,
        values: &BTreeMap<String, String>,
        now: Millis,
        tables: &dyn Fn(&str) -> Option<Arc<dyn TableSource>>,
    ) -> brooklet_core::Result<LogicalPlan> {
        let failed = |e: DataFusionError| {
            brooklet_core::Error::data("the query cannot be answered").caused_by(e)
        };
        let plan = parameters::filled(self.plan.clone(), values).map_err(failed)?;
        let plan = match self.reads_clock {
            true => parameters::rewrite(plan, &mut |expr| clock::to_literal(expr, now)),
            false => Ok(plan),
        };
        let plan = plan.and_then(|plan| over(plan, tables)).map_err(failed)?;
        query::optimize::optimize(plan, &query::provider::options()).map_err(failed)
    }
}

impl Parameter {
    /// Why a text is no value of the parameter.
    pub fn check(&self, text: &str) -> Result<(), String> {
        parameters::value(text, &self.ty).map(drop)
    }
}

/// The plan with its tables' rows in place.
fn over(
    plan: LogicalPlan,
    tables: &dyn Fn(&str) -> Option<Arc<dyn TableSource>>,
) -> Result<LogicalPlan> {
    let done = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::TableScan(mut scan) = node else { return Ok(Transformed::no(node)) };
        let name = scan.table_name.table();
        let Some(source) = tables(name) else {
            return Err(DataFusionError::Plan(format!("there is no table '{name}'")));
        };
        scan.source = source;
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(done.data)
}

#[cfg(test)]
mod tests;

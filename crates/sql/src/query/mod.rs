//! Flink queries to DataFusion's logical plan, and the plan rewritten for streams.
//!
//! [`prepare`], [`calls`], [`predicates`], [`membership`], [`named_values`] (with
//! [`as_written`]), [`grouping`], [`frames`], [`with_names`] and [`row_fields`] rewrite the parsed
//! text (names, literals, calls, rows with IN, VALUES, grouping sets, OVER, WITH, `r.*`),
//! [`provider`] says what names mean, [`window_tvf`], [`group_windows`], [`pattern`], [`clock`],
//! [`operators`], [`aggregates`] (run by [`folds`] where no engine does), [`row_number`],
//! [`window_functions`], [`unnest`], [`sets`], [`watermark`], [`order`], [`state_ttl`],
//! [`temporal`] (with [`as_of`]), [`types`] and [`typing`] teach Flink's meaning, [`parameters`]
//! stand for values, [`optimize`] runs the rules, behind [`lateral`] (with [`lateral_unnest`]) and
//! [`subqueries`], which make joins; [`errors`] and [`check`] turn what goes wrong into faults,
//! [`numbers`], [`nulls`], [`refused`] and [`reserved`] refuse what Flink refuses, [`nesting`] what
//! would take too long.

pub mod aggregates;
pub mod as_of;
mod as_written;
mod calls;
pub mod check;
pub mod clock;
pub mod errors;
mod folds;
pub mod frames;
mod group_windows;
mod grouping;
mod lateral;
mod lateral_unnest;
mod membership;
mod named_values;
mod nesting;
mod nulls;
mod numbers;
pub mod operators;
pub mod optimize;
pub mod order;
pub mod parameters;
pub mod pattern;
mod predicates;
pub mod prepare;
pub mod provider;
mod refused;
mod reserved;
mod row_fields;
pub mod row_number;
mod sets;
pub(crate) mod state_ttl;
mod subqueries;
pub mod temporal;
pub mod types;
mod typing;
pub mod unnest;
pub(crate) mod walk;
pub mod watermark;
pub mod window_functions;
pub mod window_tvf;
mod with_names;

use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::{DFSchema, Result, plan_datafusion_err};
use datafusion::logical_expr::planner::ContextProvider;
use datafusion::logical_expr::{EmptyRelation, Expr, ExprSchemable, LogicalPlan, Projection};
use datafusion::sql::planner::PlannerContext;
use sqlparser::ast;

pub use provider::{Names, Provider, View};

/// A query bound to its tables, types coerced, not yet rewritten.
pub fn bind(provider: &Provider, mut query: ast::Query) -> Result<LogicalPlan> {
    numbers::check(&query)?;
    prepare::prepare(&mut query);
    state_ttl::mark(&mut query);
    row_fields::spread(provider, &mut query);
    query_plan(provider, query)
}

/// The same for a query that is prepared already.
fn query_plan(provider: &Provider, query: ast::Query) -> Result<LogicalPlan> {
    let plan = provider.sql().sql_statement_to_plan(ast::Statement::Query(Box::new(query)))?;
    nesting::check(&plan)?;
    let plan = window_tvf::in_zone(group_windows::resolve(plan)?, provider.zone())?;
    let plan = parameters::typed(plan, provider.parameters())?;
    let plan = typing::typed(plan, provider.zone())?;
    let plan = sets::counted(plan)?;
    operators::check_choices(&plan)?;
    let plan = subqueries::single(plan)?;
    let plan = optimize::coerce(plan, provider.options())?;
    temporal::resolve(plan, provider.names())
}

/// A bound plan with types coerced, rewritten by the rules that are valid on streams.
pub fn optimized(provider: &Provider, plan: LogicalPlan) -> Result<LogicalPlan> {
    optimize::optimize(plan, provider.options())
}

/// An expression over the columns of `schema`, coerced and simplified: a computed column.
pub fn bind_expr(provider: &Provider, mut expr: ast::Expr, schema: &Schema) -> Result<Expr> {
    prepare::prepare_expr(&mut expr);
    let schema = Arc::new(DFSchema::try_from(schema.clone())?);
    let bound = provider.sql().sql_to_expr(expr, &schema, &mut PlannerContext::new())?;
    let input = EmptyRelation { produce_one_row: false, schema };
    let input = Arc::new(LogicalPlan::EmptyRelation(input));
    let plan = LogicalPlan::Projection(Projection::try_new(vec![bound.alias("it")], input)?);
    let plan = typing::typed(plan, provider.zone())?;
    match optimize::simplify(plan, provider.options())? {
        LogicalPlan::Projection(mut p) if p.expr.len() == 1 => Ok(p.expr.remove(0).unalias()),
        other => Err(plan_datafusion_err!("not an expression: {}", other.display())),
    }
}

/// The type of such an expression and whether it can be NULL.
pub fn expr_type(expr: &Expr, schema: &Schema) -> Result<(DataType, bool)> {
    let schema = DFSchema::try_from(schema.clone())?;
    Ok((expr.get_type(&schema)?, expr.nullable(&schema)?))
}

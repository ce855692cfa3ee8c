//! MATCH_RECOGNIZE: its clauses to a node of the logical plan.
//!
//! [`quantifiers`] read the pattern, [`formula`] binds conditions and measures ([`syntax`] helps),
//! [`node`] is the result. What Flink refuses is refused.

mod formula;
mod node;
mod quantifiers;
mod syntax;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};
use sqlparser::ast::{
    self, AfterMatchSkip, FunctionArg, FunctionArgExpr, Ident, Measure, OrderByExpr, RowsPerMatch,
    Spanned, SymbolDefinition, TableFactor,
};
use sqlparser::tokenizer::Span;

pub use self::formula::is_match_time;
pub use self::node::{
    Folded, Formula, Navigation, PatternVariable, RowPattern, SkipTo, as_pattern,
};

use self::formula::{Binder, Scope};
use self::node::Parts;
use crate::parse::interval;
use crate::parse::pattern::{DERIVED, SUBSET, WITHIN};
use crate::query::window_tvf::{Place, fault};

/// The plan of `table MATCH_RECOGNIZE (…)`.
pub fn plan(
    relation: TableFactor,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let TableFactor::MatchRecognize {
        table,
        partition_by,
        order_by,
        measures,
        rows_per_match,
        after_match_skip,
        pattern,
        mut symbols,
        alias: _,
    } = relation
    else {
        return Err(fault("this is no MATCH_RECOGNIZE".into(), relation.span()));
    };
    let place = table.span();
    if let Some(RowsPerMatch::AllRows(_)) = rows_per_match {
        return Err(fault(
            "ALL ROWS PER MATCH is not supported: write ONE ROW PER MATCH".into(),
            place,
        ));
    }
    let input = context.plan(derived(*table))?;
    let within = symbols.iter().position(|s| s.symbol.value == WITHIN).map(|at| symbols.remove(at));
    let (subsets, symbols): (Vec<_>, Vec<_>) =
        symbols.into_iter().partition(|s| s.symbol.value.starts_with(SUBSET));
    let quantified = quantifiers::read(&pattern)?;
    let mut names: Vec<String> = quantified.iter().map(|q| q.name.clone()).collect();
    let skip = skip_to(after_match_skip.as_ref(), &names)?;
    let within_ms = within.map(|w| within_of(&w)).transpose()?;
    names.extend(subsets.iter().map(|s| s.symbol.value[SUBSET.len()..].to_string()));
    let mut partition = Vec::new();
    for key in partition_by {
        partition.push(column(key, "PARTITION BY", &input, context)?);
    }
    let (time, order, place) = order_of(order_by, &input, place, context)?;
    let mut binder = Binder { context, input: &input, names: &names };
    let mut variables = Vec::new();
    for (number, quantified) in quantified.into_iter().enumerate() {
        let defined = symbols.iter().find(|s| s.symbol.value == quantified.name);
        let condition = defined.map(|s| binder.bind(s.definition.clone(), Scope::Define(number)));
        let condition = condition.transpose()?;
        if let Some(formula) = &condition {
            formula::must_be_condition(formula, &quantified.name, defined)?;
        }
        variables.push(PatternVariable { condition, ..quantified });
    }
    let measures = measures_of(measures, &partition, &mut binder, place)?;
    let within_ms = within_ms.filter(|ms| *ms > 0);
    let place = Place(datafusion::common::Span::try_from_sqlparser_span(place));
    let parts =
        Parts { input, partition, time, order, variables, skip, within_ms, measures, place };
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(RowPattern::new(parts)?) }))
}

/// A query that the parser knows as the argument of a table's name.
fn derived(table: TableFactor) -> TableFactor {
    let TableFactor::Table { name, alias, args: Some(args), .. } = &table else { return table };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Subquery(subquery)))] =
        args.args.as_slice()
    else {
        return table;
    };
    if name.to_string() != DERIVED {
        return table;
    }
    let (subquery, alias) = (subquery.clone(), alias.clone());
    TableFactor::Derived { lateral: false, subquery, alias, sample: None }
}

fn column(
    key: ast::Expr,
    clause: &str,
    input: &LogicalPlan,
    context: &mut dyn RelationPlannerContext,
) -> Result<Expr> {
    let span = key.span();
    match context.sql_to_expr(key, input.schema())? {
        Expr::Column(c) => Ok(Expr::Column(c)),
        _ => Err(fault(format!("{clause} of MATCH_RECOGNIZE names columns"), span)),
    }
}

type Order = (Expr, Vec<(Expr, bool, bool)>, Span);

fn order_of(
    order_by: Vec<OrderByExpr>,
    input: &LogicalPlan,
    place: Span,
    context: &mut dyn RelationPlannerContext,
) -> Result<Order> {
    let (mut time, mut order, mut at) = (None, Vec::new(), place);
    for by in order_by {
        let span = by.span();
        let descending = by.options.asc == Some(false);
        // NULL is the smallest value.
        let nulls_first = by.options.nulls_first.unwrap_or(!descending);
        let column = column(by.expr, "ORDER BY", input, context)?;
        if time.is_some() {
            order.push((column, descending, nulls_first));
            continue;
        }
        if descending {
            let message = "ORDER BY of MATCH_RECOGNIZE begins with a time attribute, ascending";
            return Err(fault(message.into(), span));
        }
        (time, at) = (Some(column), span);
    }
    match time {
        Some(time) => Ok((time, order, at)),
        None => {
            let message = "MATCH_RECOGNIZE needs ORDER BY a time attribute: the column of a \
                           WATERMARK, or one declared AS PROCTIME()";
            Err(fault(message.into(), place))
        }
    }
}

fn measures_of(
    measures: Vec<Measure>,
    partition: &[Expr],
    binder: &mut Binder<'_>,
    place: Span,
) -> Result<Vec<(String, Formula)>> {
    if measures.is_empty() {
        return Err(fault("MATCH_RECOGNIZE needs MEASURES: what a match gives".into(), place));
    }
    let is_key =
        |name: &str| partition.iter().any(|e| matches!(e, Expr::Column(c) if c.name == name));
    let mut bound: Vec<(String, Formula)> = Vec::new();
    for Measure { expr, alias } in measures {
        let Ident { value: name, span, .. } = alias;
        if is_key(&name) || bound.iter().any(|(other, _)| *other == name) {
            return Err(fault(format!("two columns of MATCH_RECOGNIZE are called '{name}'"), span));
        }
        bound.push((name, binder.bind(expr, Scope::Measures)?));
    }
    Ok(bound)
}

fn skip_to(skip: Option<&AfterMatchSkip>, names: &[String]) -> Result<SkipTo> {
    let number = |name: &Ident| {
        names.iter().position(|n| *n == name.value).ok_or_else(|| {
            let message =
                format!("AFTER MATCH SKIP TO {0}: the pattern has no variable {0}", name.value);
            fault(message, name.span)
        })
    };
    Ok(match skip {
        None | Some(AfterMatchSkip::ToNextRow) => SkipTo::NextRow,
        Some(AfterMatchSkip::PastLastRow) => SkipTo::PastLastRow,
        Some(AfterMatchSkip::ToFirst(name)) => SkipTo::First(number(name)?),
        Some(AfterMatchSkip::ToLast(name)) => SkipTo::Last(number(name)?),
    })
}

fn within_of(within: &SymbolDefinition) -> Result<i64> {
    interval::millis(&within.definition).ok_or_else(|| {
        let message = "WITHIN takes an interval of days to seconds, such as INTERVAL '5' SECOND";
        fault(message.into(), within.symbol.span)
    })
}

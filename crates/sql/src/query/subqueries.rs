//! Subqueries within expressions, before DataFusion's rules make joins of the others.
//!
//! IN and EXISTS become columns of mark joins where their value is shown: in SELECT, in CASE, in
//! the arguments of an aggregation, under NOT. IN is TRUE, FALSE or, when nothing is equal and a
//! NULL may be, NULL; a second mark says that. A scalar subquery that may have several rows goes
//! through SINGLE_VALUE, which fails on the second one.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::common::alias::AliasGenerator;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::{AggregateFunction, Exists, InSubquery};
use datafusion::logical_expr::logical_plan::Subquery;
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    Aggregate, AggregateUDF, Expr, ExprSchemable, Filter, JoinType, LogicalPlan,
    LogicalPlanBuilder, Operator, Projection, Sort, Window, lit, not, when,
};
use datafusion::optimizer::decorrelate::PullUpCorrelatedExpr;

use super::aggregates;
use super::lateral::literal;

const UNSUPPORTED: &str = "this correlated subquery is not supported: its conditions on the outer \
                           query must be equalities below an aggregation, LIMIT or UNION";

/// The plan with scalar subqueries that give one value or fail.
pub fn single(plan: LogicalPlan) -> Result<LogicalPlan> {
    plan.transform_up_with_subqueries(with_single_values).data()
}

/// The plan with IN and EXISTS as joins where their value is shown.
pub fn rewritten(plan: LogicalPlan) -> Result<LogicalPlan> {
    let names = AliasGenerator::new();
    plan.transform_up_with_subqueries(|node| node_rewritten(node, &names)).data()
}

/// What the rules left where it stood.
pub fn check(plan: &LogicalPlan) -> Result<()> {
    let correlated =
        |e: &Expr| matches!(e, Expr::ScalarSubquery(s) if !s.outer_ref_columns.is_empty());
    plan.apply(|node| {
        let found = |e: &Expr| e.exists(|e| Ok(correlated(e))).unwrap_or(false);
        if node.expressions().iter().any(found) {
            return plan_err!("{UNSUPPORTED}");
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn node_rewritten(node: LogicalPlan, names: &AliasGenerator) -> Result<Transformed<LogicalPlan>> {
    if !holds_subquery(&node) {
        return Ok(Transformed::no(node));
    }
    match node {
        LogicalPlan::Filter(filter) => filtered(filter, names),
        LogicalPlan::Projection(p) if p.expr.iter().any(has_membership) => {
            projected(p, names).map(Transformed::yes)
        }
        LogicalPlan::Aggregate(_) | LogicalPlan::Window(_) | LogicalPlan::Sort(_) => {
            hoisted(node, names).map(Transformed::yes)
        }
        other => Ok(Transformed::no(other)),
    }
}

fn is_membership(expr: &Expr) -> bool {
    matches!(expr, Expr::InSubquery(_) | Expr::Exists(_))
}

fn has_membership(expr: &Expr) -> bool {
    expr.exists(|e| Ok(is_membership(e))).unwrap_or(false)
}

fn holds_subquery(node: &LogicalPlan) -> bool {
    let is_subquery = |e: &Expr| is_membership(e) || matches!(e, Expr::ScalarSubquery(_));
    node.expressions().iter().any(|e| e.exists(|e| Ok(is_subquery(e))).unwrap_or(false))
}

fn with_single_values(node: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let single = |e: Expr| -> Result<Transformed<Expr>> {
        match e {
            Expr::ScalarSubquery(subquery) if !is_single(&subquery.subquery) => {
                let plan = single_value(&subquery.subquery)?;
                let subquery = Subquery { subquery: Arc::new(plan), ..subquery };
                Ok(Transformed::yes(Expr::ScalarSubquery(subquery)))
            }
            other => Ok(Transformed::no(other)),
        }
    };
    node.map_expressions(|e| e.transform_up(single))
}

/// Whether there is one row at most, whatever the rows below are.
fn is_single(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(a) => a.group_expr.is_empty(),
        LogicalPlan::Projection(p) => is_single(&p.input),
        LogicalPlan::Filter(f) => is_single(&f.input),
        LogicalPlan::SubqueryAlias(a) => is_single(&a.input),
        LogicalPlan::Sort(s) => s.fetch == Some(1) || is_single(&s.input),
        LogicalPlan::Limit(l) => l.fetch.as_deref().and_then(literal) == Some(1),
        LogicalPlan::Values(v) => v.values.len() < 2,
        LogicalPlan::EmptyRelation(_) => true,
        _ => false,
    }
}

fn single_value(plan: &LogicalPlan) -> Result<LogicalPlan> {
    let Some(function) = aggregate_named("single_value") else {
        return plan_err!("there is no SINGLE_VALUE");
    };
    let value = head(plan)?;
    let Expr::Column(column) = &value else { return plan_err!("a subquery gives a column") };
    let name = column.name.clone();
    let call = AggregateFunction::new_udf(function, vec![value], false, None, vec![], None);
    let input = LogicalPlanBuilder::from(plan.clone());
    input.aggregate(Vec::<Expr>::new(), [Expr::AggregateFunction(call).alias(name)])?.build()
}

fn aggregate_named(name: &str) -> Option<Arc<AggregateUDF>> {
    aggregates::all().into_iter().find(|function| function.name() == name)
}

/// The first column.
fn head(plan: &LogicalPlan) -> Result<Expr> {
    match plan.schema().columns().into_iter().next() {
        Some(column) => Ok(Expr::Column(column)),
        None => plan_err!("a subquery gives a column"),
    }
}

/// Parts of a filter where DataFusion's marks, which know no NULL, would not do.
fn filtered(filter: Filter, names: &AliasGenerator) -> Result<Transformed<LogicalPlan>> {
    let parts = split_conjunction_owned(filter.predicate.clone());
    if !parts.iter().any(shows_null) {
        return Ok(Transformed::no(LogicalPlan::Filter(filter)));
    }
    let before = filter.input.schema().columns();
    let mut input = Arc::unwrap_or_clone(filter.input);
    let mut all = Vec::new();
    for part in parts {
        all.push(if shows_null(&part) { marked(part, &mut input, names)? } else { part });
    }
    let mut plan = LogicalPlanBuilder::from(input);
    if let Some(predicate) = conjunction(all) {
        plan = plan.filter(predicate)?;
    }
    plan.project(before.into_iter().map(Expr::Column))?.build().map(Transformed::yes)
}

/// Whether an IN stands where its NULL is more than a FALSE.
fn shows_null(part: &Expr) -> bool {
    let part = match part {
        Expr::Not(inner) if is_membership(inner) => inner,
        other => other,
    };
    let seen = |e: &Expr| match e {
        Expr::InSubquery(i) => i.negated,
        Expr::BinaryExpr(b) if matches!(b.op, Operator::And | Operator::Or) => false,
        Expr::Exists(_) | Expr::Column(_) | Expr::Literal(..) => false,
        other => has_membership(other),
    };
    !is_membership(part) && has_membership(part) && part.exists(|e| Ok(seen(e))).unwrap_or(true)
}

fn projected(projection: Projection, names: &AliasGenerator) -> Result<LogicalPlan> {
    let mut input = Arc::unwrap_or_clone(projection.input);
    let mut exprs = Vec::new();
    for (expr, (qualifier, field)) in projection.expr.into_iter().zip(projection.schema.iter()) {
        exprs.push(match has_membership(&expr) {
            true => {
                let made = marked(expr.unalias(), &mut input, names)?;
                made.alias_qualified(qualifier.cloned(), field.name())
            }
            false => expr,
        });
    }
    LogicalPlanBuilder::from(input).project(exprs)?.build()
}

/// Subqueries of an aggregation, a window or an order as columns of a projection below it.
fn hoisted(node: LogicalPlan, names: &AliasGenerator) -> Result<LogicalPlan> {
    let Some(input) = node.inputs().first().map(|input| (*input).clone()) else {
        return Ok(node);
    };
    let mut made: Vec<(Expr, String)> = Vec::new();
    let mut take = |e: Expr| -> Result<Transformed<Expr>> {
        if !is_membership(&e) && !matches!(e, Expr::ScalarSubquery(_)) {
            return Ok(Transformed::no(e));
        }
        let known = made.iter().find(|(old, _)| *old == e).map(|(_, name)| name.clone());
        let name = known.unwrap_or_else(|| {
            let name = names.next("__subquery");
            made.push((e, name.clone()));
            name
        });
        let column = Expr::Column(Column::new_unqualified(name));
        Ok(Transformed::new(column, true, TreeNodeRecursion::Jump))
    };
    let mut change = |e: Expr| e.transform_down(&mut take).data();
    let before = node.schema().columns();
    enum Over {
        Aggregate(Vec<Expr>, Vec<Expr>),
        Window(Vec<Expr>),
        Sort(Vec<datafusion::logical_expr::SortExpr>, Option<usize>),
    }
    let over = match node {
        LogicalPlan::Aggregate(Aggregate { group_expr, aggr_expr, .. }) => Over::Aggregate(
            group_expr.into_iter().map(&mut change).collect::<Result<_>>()?,
            aggr_expr.into_iter().map(&mut change).collect::<Result<_>>()?,
        ),
        LogicalPlan::Window(Window { window_expr, .. }) => {
            Over::Window(window_expr.into_iter().map(&mut change).collect::<Result<_>>()?)
        }
        LogicalPlan::Sort(Sort { expr, fetch, .. }) => {
            let each = expr.into_iter().map(|mut by| {
                by.expr = change(by.expr)?;
                Ok(by)
            });
            Over::Sort(each.collect::<Result<_>>()?, fetch)
        }
        other => return Ok(other),
    };
    let columns = input.schema().columns().into_iter().map(Expr::Column);
    let computed = made.into_iter().map(|(e, name)| e.alias(name));
    let below = Projection::try_new(columns.chain(computed).collect(), Arc::new(input))?;
    let below = LogicalPlanBuilder::from(projected(below, names)?);
    let plan = match over {
        Over::Aggregate(group, calls) => below.aggregate(group, calls)?.build()?,
        Over::Window(calls) => below.window(calls)?.build()?,
        Over::Sort(by, fetch) => below.sort_with_limit(by, fetch)?.build()?,
    };
    renamed(plan, before)
}

/// The columns under their names from before; what was added is left out.
fn renamed(plan: LogicalPlan, before: Vec<Column>) -> Result<LogicalPlan> {
    let now = plan.schema().columns();
    let width = now.len();
    let wanted = before.len();
    let shift = |at: usize| match plan {
        // Computed columns stand behind those that were there.
        LogicalPlan::Window(_) => {
            let results = match &plan {
                LogicalPlan::Window(w) => w.window_expr.len(),
                _ => 0,
            };
            if at + results >= wanted { width - (wanted - at) } else { at }
        }
        _ => at,
    };
    let each = before.into_iter().enumerate().map(|(at, old)| {
        let new = Expr::Column(now[shift(at)].clone());
        new.alias_qualified(old.relation, old.name)
    });
    let each: Vec<Expr> = each.collect();
    LogicalPlanBuilder::from(plan).project(each)?.build()
}

/// The expression with marks for its IN and EXISTS; `input` is joined with them.
fn marked(expr: Expr, input: &mut LogicalPlan, names: &AliasGenerator) -> Result<Expr> {
    let with_mark = |e: Expr| -> Result<Transformed<Expr>> {
        let made = match e {
            Expr::Exists(Exists { subquery, negated }) => {
                let plan = match subquery.outer_ref_columns.is_empty() {
                    true => distinct(&subquery.subquery, lit(1_i32))?,
                    false => subquery.subquery.as_ref().clone(),
                };
                let mark = mark(input, plan, &|_| None, true, names)?;
                if negated { not(mark) } else { mark }
            }
            Expr::InSubquery(InSubquery { expr, subquery, negated }) => {
                let is_in = membership(*expr, &subquery.subquery, input, names)?;
                if negated { not(is_in) } else { is_in }
            }
            other => return Ok(Transformed::no(other)),
        };
        Ok(Transformed::new(made, true, TreeNodeRecursion::Jump))
    };
    expr.transform_down(with_mark).data()
}

fn membership(
    value: Expr,
    subquery: &LogicalPlan,
    input: &mut LogicalPlan,
    names: &AliasGenerator,
) -> Result<Expr> {
    let of = head(subquery)?;
    let may_be_null = value.nullable(input.schema())? || of.nullable(subquery.schema())?;
    let equals = |column: Expr| Some(value.clone().eq(column));
    let equal = mark(input, subquery.clone(), &equals, false, names)?;
    if !may_be_null {
        return Ok(equal);
    }
    let nulls = distinct(subquery, of.is_null())?;
    let may_equal = |is_null: Expr| Some(value.clone().is_null().or(is_null));
    let unknown = mark(input, nulls, &may_equal, false, names)?;
    let null = Expr::Literal(ScalarValue::Boolean(None), None);
    when(equal, lit(true)).when(unknown, null).otherwise(lit(false))
}

/// The expression with the subquery's columns under the name of the join's right side.
fn requalified(e: Expr, columns: &BTreeSet<Column>, name: &str) -> Result<Expr> {
    let renamed = |e: Expr| -> Result<Transformed<Expr>> {
        match e {
            Expr::Column(column) if columns.contains(&column) => {
                Ok(Transformed::yes(Expr::Column(Column::new(Some(name), column.name))))
            }
            other => Ok(Transformed::no(other)),
        }
    };
    e.transform_up(renamed).data()
}

/// The different values of an expression over the plan's rows.
fn distinct(plan: &LogicalPlan, expr: Expr) -> Result<LogicalPlan> {
    LogicalPlanBuilder::from(plan.clone()).project([expr.alias("__value")])?.distinct()?.build()
}

/// Joins the input with a column that says whether a row of `plan` fulfils the condition, which is
/// made of its first column, and the conditions that correlate it.
fn mark(
    input: &mut LogicalPlan,
    plan: LogicalPlan,
    condition: &dyn Fn(Expr) -> Option<Expr>,
    exists: bool,
    names: &AliasGenerator,
) -> Result<Expr> {
    let mut pull = PullUpCorrelatedExpr::new().with_exists_sub_query(exists);
    let plan = plan.rewrite(&mut pull).data()?;
    if !pull.can_pull_up {
        return plan_err!("{UNSUPPORTED}");
    }
    let name = names.next("__mark");
    let right = LogicalPlanBuilder::from(plan).alias(name.clone())?.build()?;
    let correlated: BTreeSet<Column> =
        pull.correlated_subquery_cols_map.values().flatten().cloned().collect();
    let correlation = conjunction(pull.join_filters)
        .map(|filter| requalified(filter, &correlated, &name))
        .transpose()?;
    let on = condition(head(&right)?).into_iter().chain(correlation).reduce(Expr::and);
    let on = on.unwrap_or_else(|| lit(true));
    let left = LogicalPlanBuilder::from(input.clone());
    *input = left.join_on(right, JoinType::LeftMark, Some(on))?.build()?;
    Ok(Expr::Column(Column::new(Some(name), "mark")))
}

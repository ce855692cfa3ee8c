//! LATERAL subqueries as joins.
//!
//! Conditions that compare with the left side are taken out of the subquery and become those of the
//! join; the columns that they read are carried up. Above an equality there may be an aggregation,
//! DISTINCT and ORDER BY … LIMIT, which then go by the carried columns: each value of the left side
//! has its own.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result, TableReference, plan_err};
use datafusion::logical_expr::expr::{WindowFunction, WindowFunctionDefinition};
use datafusion::logical_expr::utils::{conjunction, split_conjunction_owned};
use datafusion::logical_expr::{
    BinaryExpr, Distinct, Expr, ExprFunctionExt, Join, JoinType, Limit, LogicalPlan,
    LogicalPlanBuilder, Operator, Projection, Subquery, SubqueryAlias, lit,
};

use super::lateral_unnest;
use super::row_number::row_number;

/// The plan without LATERAL.
pub fn joined(plan: LogicalPlan) -> Result<LogicalPlan> {
    let join = |node: LogicalPlan| -> Result<Transformed<LogicalPlan>> {
        match node {
            LogicalPlan::Join(join) => match lateral(&join.right) {
                Some((subquery, alias)) => one(&join, &subquery, alias).map(Transformed::yes),
                None => Ok(Transformed::no(LogicalPlan::Join(join))),
            },
            other => Ok(Transformed::no(other)),
        }
    };
    plan.transform_up_with_subqueries(join).data()
}

fn lateral(right: &LogicalPlan) -> Option<(Subquery, Option<TableReference>)> {
    match right {
        LogicalPlan::Subquery(subquery) => Some((subquery.clone(), None)),
        LogicalPlan::SubqueryAlias(a) => match &*a.input {
            LogicalPlan::Subquery(subquery) => Some((subquery.clone(), Some(a.alias.clone()))),
            _ => None,
        },
        _ => None,
    }
}

/// A subquery without its conditions on the left side.
struct Pulled {
    plan: LogicalPlan,
    /// What a column of the left side, or an expression of them, is equal to.
    keys: Vec<(Expr, Column)>,
    /// Other conditions, over columns of both sides.
    conditions: Vec<Expr>,
    /// Results that read the left side, by name.
    late: Vec<(String, Expr)>,
    /// Results that are 0 where there are no rows, by name.
    counts: Vec<String>,
    /// Only the first rows of each value are there.
    limited: bool,
    carried: usize,
}

impl Pulled {
    fn of(plan: LogicalPlan) -> Self {
        let (keys, conditions, late, counts) = (vec![], vec![], vec![], vec![]);
        Pulled { plan, keys, conditions, late, counts, limited: false, carried: 0 }
    }

    /// Where each value of the left side must have a result of its own.
    fn by_equality(&self, what: &str) -> Result<()> {
        if self.conditions.is_empty() && self.late.is_empty() {
            return Ok(());
        }
        plan_err!("{what} within LATERAL goes with = between columns of both sides only")
    }

    fn key_columns(&self) -> impl Iterator<Item = Expr> {
        self.keys.iter().map(|(_, column)| Expr::Column(column.clone()))
    }

    /// Each column that is carried, under the name that `new` gives it.
    fn rename(&mut self, new: &dyn Fn(&Column) -> Column) -> Result<()> {
        self.keys.iter_mut().for_each(|(_, column)| *column = new(column));
        let late = self.late.iter_mut().map(|(_, e)| e);
        for e in self.conditions.iter_mut().chain(late) {
            let renamed = e.clone().transform_up(|e| match e {
                Expr::Column(c) => Ok(Transformed::yes(Expr::Column(new(&c)))),
                other => Ok(Transformed::no(other)),
            });
            *e = renamed.data()?;
        }
        Ok(())
    }

    /// The inner columns that keys, conditions and late results read.
    fn read(&self) -> Vec<Column> {
        let mut all: Vec<Column> = self.keys.iter().map(|(_, column)| column.clone()).collect();
        for e in self.conditions.iter().chain(self.late.iter().map(|(_, e)| e)) {
            all.extend(e.column_refs().into_iter().cloned());
        }
        all.sort();
        all.dedup();
        all
    }
}

fn one(join: &Join, subquery: &Subquery, alias: Option<TableReference>) -> Result<LogicalPlan> {
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return plan_err!("LATERAL stands on the right side of JOIN, CROSS JOIN or LEFT JOIN");
    }
    if let Some(made) = lateral_unnest::joined(join, &subquery.subquery)? {
        return Ok(made);
    }
    let mut pulled = pull(subquery.subquery.as_ref().clone())?;
    if let Some(alias) = alias {
        pulled = aliased(pulled, alias)?;
    }
    let same = match pulled.limited && is_distinct(&join.left) {
        // The left side is made of the groups themselves, NULL among them.
        true => Operator::IsNotDistinctFrom,
        false => Operator::Eq,
    };
    let equal = |(outer, inner): &(Expr, Column)| {
        let (outer, inner) = (Box::new(outer.clone()), Box::new(Expr::Column(inner.clone())));
        Expr::BinaryExpr(BinaryExpr::new(outer, same, inner))
    };
    let mut on: Vec<Expr> = pulled.keys.iter().map(equal).collect();
    on.extend(pulled.conditions.iter().cloned());
    on.extend(join.on.iter().map(|(l, r)| l.clone().eq(r.clone())));
    on.extend(join.filter.clone());
    let on = conjunction(on).map(as_left).transpose()?.unwrap_or_else(|| lit(true));
    let left_width = join.left.schema().fields().len();
    let left = LogicalPlanBuilder::from(join.left.as_ref().clone());
    let made = left.join_on(pulled.plan, join.join_type, Some(on))?.build()?;
    let columns = join.schema.iter().enumerate().map(|(at, (qualifier, field))| -> Result<Expr> {
        let name = field.name();
        let column = Expr::Column(Column::new(qualifier.cloned(), name));
        let late = pulled.late.iter().find(|(late, _)| late == name);
        let new = match late {
            Some((_, e)) if at >= left_width => as_left(e.clone())?,
            _ if at >= left_width
                && join.join_type == JoinType::Left
                && pulled.counts.contains(name) =>
            {
                let zero = Expr::Literal(datafusion::common::ScalarValue::Int64(Some(0)), None);
                datafusion::logical_expr::when(column.clone().is_null(), zero).otherwise(column)?
            }
            _ => return Ok(column),
        };
        Ok(new.alias_qualified(qualifier.cloned(), name))
    });
    let columns: Vec<Expr> = columns.collect::<Result<_>>()?;
    LogicalPlanBuilder::from(made).project(columns)?.build()
}

fn is_distinct(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Distinct(_) => true,
        LogicalPlan::Aggregate(a) => a.aggr_expr.is_empty(),
        LogicalPlan::SubqueryAlias(a) => is_distinct(&a.input),
        LogicalPlan::Projection(p) => is_distinct(&p.input),
        _ => false,
    }
}

/// References to the left side as its columns.
pub(super) fn as_left(e: Expr) -> Result<Expr> {
    let column = |e: Expr| -> Result<Transformed<Expr>> {
        match e {
            Expr::OuterReferenceColumn(_, column) => Ok(Transformed::yes(Expr::Column(column))),
            other => Ok(Transformed::no(other)),
        }
    };
    e.transform_up(column).data()
}

fn reads_left(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_with_subqueries(|node| {
        found |= node.contains_outer_reference();
        Ok(if found { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    Ok(found)
}

fn pull(plan: LogicalPlan) -> Result<Pulled> {
    if !reads_left(&plan)? {
        return Ok(Pulled::of(plan));
    }
    match plan {
        LogicalPlan::Filter(filter) => {
            filtered(pull(Arc::unwrap_or_clone(filter.input))?, filter.predicate)
        }
        LogicalPlan::Projection(p) => projected(p),
        LogicalPlan::SubqueryAlias(a) => aliased(pull(Arc::unwrap_or_clone(a.input))?, a.alias),
        LogicalPlan::Aggregate(a) => {
            let mut pulled = pull(Arc::unwrap_or_clone(a.input))?;
            pulled.by_equality("an aggregation")?;
            let is_count = |e: &&Expr| {
                let bare = (*e).clone().unalias_nested().data;
                matches!(bare, Expr::AggregateFunction(f) if f.func.name() == "count")
            };
            if a.group_expr.is_empty() {
                let counts = a.aggr_expr.iter().filter(is_count);
                pulled.counts = counts.map(|e| e.schema_name().to_string()).collect();
            }
            let mut keys: Vec<Expr> = pulled.key_columns().collect();
            for group in a.group_expr {
                if !keys.contains(&group) {
                    keys.push(group);
                }
            }
            let input = LogicalPlanBuilder::from(pulled.plan);
            pulled.plan = input.aggregate(keys, a.aggr_expr)?.build()?;
            Ok(pulled)
        }
        LogicalPlan::Distinct(Distinct::All(input)) => {
            let mut pulled = pull(Arc::unwrap_or_clone(input))?;
            pulled.by_equality("DISTINCT")?;
            pulled.plan = LogicalPlanBuilder::from(pulled.plan).distinct()?.build()?;
            Ok(pulled)
        }
        // Without a limit the order of a subquery means nothing.
        LogicalPlan::Sort(sort) if sort.fetch.is_none() => pull(Arc::unwrap_or_clone(sort.input)),
        LogicalPlan::Limit(limit) => limited(limit),
        other => {
            let text = other.display().to_string();
            let name = text.split(':').next().unwrap_or_default();
            plan_err!("{name} within LATERAL cannot read the left side")
        }
    }
}

fn aliased(mut pulled: Pulled, alias: TableReference) -> Result<Pulled> {
    pulled.rename(&|column| Column::new(Some(alias.clone()), &column.name))?;
    let plan = SubqueryAlias::try_new(Arc::new(pulled.plan), alias)?;
    pulled.plan = LogicalPlan::SubqueryAlias(plan);
    Ok(pulled)
}

fn filtered(mut pulled: Pulled, predicate: Expr) -> Result<Pulled> {
    let mut own = Vec::new();
    for part in split_conjunction_owned(predicate) {
        if !part.contains_outer() {
            own.push(part);
        } else if let Some((outer, inner)) = equality(&part) {
            let column = carried(&mut pulled, inner)?;
            pulled.keys.push((outer, column));
        } else if pulled.limited || !pulled.counts.is_empty() {
            return plan_err!("a condition on the left side stands below LIMIT and aggregations");
        } else {
            pulled.conditions.push(part);
        }
    }
    let plan = LogicalPlanBuilder::from(pulled.plan);
    pulled.plan = match conjunction(own) {
        Some(own) => plan.filter(own)?.build()?,
        None => plan.build()?,
    };
    Ok(pulled)
}

/// An expression of the left side and one of the subquery's own columns that are equal.
fn equality(part: &Expr) -> Option<(Expr, Expr)> {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) = part else { return None };
    let is_outer = |e: &Expr| e.contains_outer() && e.column_refs().is_empty();
    let is_inner = |e: &Expr| !e.contains_outer() && !e.column_refs().is_empty();
    match (&**left, &**right) {
        (outer, inner) | (inner, outer) if is_outer(outer) && is_inner(inner) => {
            Some((outer.clone(), inner.clone()))
        }
        _ => None,
    }
}

/// A column of the plan that holds the expression.
fn carried(pulled: &mut Pulled, expr: Expr) -> Result<Column> {
    if let Expr::Column(column) = expr {
        return Ok(column);
    }
    let name = format!("__key{}", pulled.carried);
    pulled.carried += 1;
    let columns = pulled.plan.schema().columns().into_iter().map(Expr::Column);
    let all: Vec<Expr> = columns.chain([expr.alias(name.clone())]).collect();
    pulled.plan = LogicalPlanBuilder::from(pulled.plan.clone()).project(all)?.build()?;
    Ok(Column::new_unqualified(name))
}

fn projected(p: Projection) -> Result<Pulled> {
    let names: Vec<String> = p.schema.fields().iter().map(|f| f.name().clone()).collect();
    let mut pulled = pull(Arc::unwrap_or_clone(p.input))?;
    if !pulled.late.is_empty() {
        return plan_err!("what a LATERAL subquery computes of the left side is its own result");
    }
    let mut exprs = Vec::new();
    let mut counts = Vec::new();
    for (expr, name) in p.expr.into_iter().zip(names) {
        if expr.contains_outer() {
            let null = datafusion::common::ScalarValue::Null;
            pulled.late.push((name.clone(), expr.unalias()));
            exprs.push(Expr::Literal(null, None).alias(name));
            continue;
        }
        if let Expr::Column(column) = expr.clone().unalias_nested().data
            && pulled.counts.contains(&column.name)
        {
            counts.push(name);
        }
        exprs.push(expr);
    }
    pulled.counts = counts;
    let read = pulled.read();
    let first = pulled.carried;
    let place = |column: &Column| read.iter().position(|c| c == column).unwrap_or_default();
    let new = |column: &Column| Column::new_unqualified(format!("__key{}", first + place(column)));
    exprs.extend(read.iter().map(|c| Expr::Column(c.clone()).alias(new(c).name)));
    pulled.rename(&new)?;
    pulled.carried += read.len();
    pulled.plan = LogicalPlanBuilder::from(pulled.plan).project(exprs)?.build()?;
    Ok(pulled)
}

/// The first rows of each value of the left side, by their numbers.
fn limited(limit: Limit) -> Result<Pulled> {
    let number = |e: &Option<Box<Expr>>, none: Option<usize>| match e {
        Some(e) => literal(e),
        None => none,
    };
    let (Some(skip), Some(fetch)) = (number(&limit.skip, Some(0)), number(&limit.fetch, None))
    else {
        return plan_err!("LIMIT within LATERAL is a number");
    };
    let input = Arc::unwrap_or_clone(limit.input);
    if let LogicalPlan::Projection(above) = &input
        && matches!(&*above.input, LogicalPlan::Sort(_))
    {
        // ORDER BY columns that are not selected.
        let limit = Limit { input: Arc::clone(&above.input), ..limit_of(skip, fetch) };
        let input = Arc::new(LogicalPlan::Limit(limit));
        return projected(Projection::try_new(above.expr.clone(), input)?);
    }
    let LogicalPlan::Sort(sort) = input else {
        return plan_err!("LIMIT within LATERAL needs ORDER BY: without it no row is the first");
    };
    let mut pulled = pull(Arc::unwrap_or_clone(sort.input))?;
    pulled.by_equality("LIMIT")?;
    let definition = WindowFunctionDefinition::WindowUDF(row_number());
    let number = Expr::from(WindowFunction::new(definition, vec![]));
    let keys: Vec<Expr> = pulled.key_columns().collect();
    let number = number.partition_by(keys).order_by(sort.expr).build()?;
    let columns: Vec<Expr> = pulled.plan.schema().columns().into_iter().map(Expr::Column).collect();
    let window = LogicalPlanBuilder::from(pulled.plan).window([number])?.build()?;
    let Some(last) = window.schema().columns().pop() else {
        return plan_err!("ROW_NUMBER() gives a column");
    };
    let name = format!("__number{}", pulled.carried);
    pulled.carried += 1;
    let numbered = columns.into_iter().chain([Expr::Column(last).alias(name.clone())]);
    let number = Expr::Column(Column::new_unqualified(name));
    let bound = |n: usize| lit(i64::try_from(n).unwrap_or(i64::MAX));
    let mut within = number.clone().lt_eq(bound(skip + fetch));
    if skip > 0 {
        within = within.and(number.gt(bound(skip)));
    }
    let plan = LogicalPlanBuilder::from(window).project(numbered.collect::<Vec<_>>())?;
    pulled.plan = plan.filter(within)?.build()?;
    pulled.limited = true;
    Ok(pulled)
}

/// A whole number, with or without the type that it was given.
pub fn literal(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Cast(c) => literal(&c.expr),
        Expr::Literal(value, _) => value.to_string().parse().ok(),
        _ => None,
    }
}

fn limit_of(skip: usize, fetch: usize) -> Limit {
    let number = |n: usize| Some(Box::new(lit(i64::try_from(n).unwrap_or(i64::MAX))));
    let nothing = LogicalPlan::default();
    Limit { skip: number(skip), fetch: number(fetch), input: Arc::new(nothing) }
}

//! UNNEST as a node of the logical plan, and its place in FROM.
//!
//! A join with UNNEST is planned together with everything on its left, which its argument may
//! read: [`nest`] puts the two into parentheses of their own, [`plan`] reads these.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef};
use brooklet_core::types::{Nullable, SqlType};
use brooklet_plan::unnest::UnnestKind;
use datafusion::common::{DFSchema, DFSchemaRef, Result, TableReference, plan_err};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{
    EmptyRelation, Expr, ExprSchemable, Extension, LogicalPlan, UserDefinedLogicalNodeCore,
};
use sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, Join, JoinConstraint, JoinOperator, Select, Spanned,
    TableAlias, TableFactor, TableWithJoins,
};

use super::window_tvf::fault;
use crate::lower::sql_type;

/// The input's columns, then those of each element, then its number if wanted.
#[derive(Debug, Clone)]
pub struct Unnest {
    pub input: LogicalPlan,
    pub collection: Expr,
    pub kind: UnnestKind,
    pub numbered: bool,
    pub outer: bool,
    /// Over the output.
    pub filter: Option<Expr>,
    /// What is added.
    added: Vec<(Option<TableReference>, FieldRef)>,
    schema: DFSchemaRef,
}

impl PartialEq for Unnest {
    fn eq(&self, other: &Self) -> bool {
        let key = |u: &Unnest| (u.collection.clone(), u.filter.clone(), u.kind);
        key(self) == key(other)
            && (self.outer, self.numbered) == (other.outer, other.numbered)
            && self.input == other.input
            && self.schema == other.schema
    }
}
impl Eq for Unnest {}
impl Hash for Unnest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.input, &self.collection, self.outer).hash(state);
    }
}
impl PartialOrd for Unnest {
    fn partial_cmp(&self, _: &Self) -> Option<Ordering> {
        None
    }
}

impl Unnest {
    pub fn width(&self) -> usize {
        self.added.len() - usize::from(self.numbered)
    }

    /// The columns of a row with one element.
    pub fn output(&self) -> &DFSchemaRef {
        &self.schema
    }

    /// Each row as often as the number says.
    pub fn repeating(input: LogicalPlan, times: Expr) -> Result<LogicalPlan> {
        let made = Unnest {
            collection: times,
            kind: UnnestKind::Repeat,
            numbered: false,
            outer: false,
            filter: None,
            added: vec![],
            schema: Arc::clone(input.schema()),
            input,
        };
        Ok(LogicalPlan::Extension(Extension { node: Arc::new(made) }))
    }

    /// What is added has the types of the collection, which may be said better than before.
    fn retype(&mut self, input: &LogicalPlan) -> Result<()> {
        let (_, field) = self.collection.to_field(input.schema())?;
        let Some((_, columns)) = taken_apart(&field) else { return Ok(()) };
        for ((_, old), (_, of)) in self.added.iter_mut().zip(columns) {
            *old = Arc::new(of.ty.field(old.name(), of.nullable || self.outer));
        }
        Ok(())
    }

    fn over(self, input: LogicalPlan) -> Result<Self> {
        let mut fields: Vec<_> =
            input.schema().iter().map(|(q, f)| (q.cloned(), Arc::clone(f))).collect();
        fields.extend(self.added.iter().cloned());
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(Unnest { input, schema, ..self })
    }
}

impl UserDefinedLogicalNodeCore for Unnest {
    fn name(&self) -> &str {
        "UNNEST"
    }
    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }
    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }
    fn expressions(&self) -> Vec<Expr> {
        vec![self.collection.clone()]
    }
    #[allow(clippy::disallowed_types, reason = "DataFusion asks for it and looks names up")]
    fn prevent_predicate_push_down_columns(&self) -> std::collections::HashSet<String> {
        self.added.iter().map(|(_, f)| f.name().clone()).collect()
    }
    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Unnest: {} {:?} {} {:?}", self.collection, self.kind, self.outer, self.filter)
    }
    fn with_exprs_and_inputs(
        &self,
        mut exprs: Vec<Expr>,
        mut inputs: Vec<LogicalPlan>,
    ) -> Result<Self> {
        let (Some(collection), Some(input)) = (exprs.pop(), inputs.pop()) else {
            return plan_err!("UNNEST has one argument and one input");
        };
        let mut made = Unnest { collection, ..self.clone() };
        made.retype(&input)?;
        made.over(input)
    }
    fn necessary_children_exprs(&self, output: &[usize]) -> Option<Vec<Vec<usize>>> {
        let schema = self.input.schema();
        let width = schema.fields().len();
        if self.filter.is_some() {
            return Some(vec![(0..width).collect()]);
        }
        let mut needed: Vec<usize> = output.iter().copied().filter(|i| *i < width).collect();
        let refs = self.collection.column_refs();
        needed.extend(refs.iter().filter_map(|c| schema.index_of_column(c).ok()));
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}

/// Whether a relation is `UNNEST(…)`.
pub fn is_unnest(factor: &TableFactor) -> bool {
    matches!(factor, TableFactor::Table { name, args: Some(_), .. }
        if name.to_string().eq_ignore_ascii_case("unnest"))
}

/// Puts each join with UNNEST into parentheses with all that stands on its left.
pub fn nest(select: &mut Select) {
    let mut from: Vec<TableWithJoins> = Vec::with_capacity(select.from.len());
    for mut item in std::mem::take(&mut select.from) {
        match from.pop() {
            Some(left) if is_unnest(&item.relation) => {
                let mut joins = left.joins;
                joins.push(Join {
                    relation: item.relation,
                    global: false,
                    join_operator: JoinOperator::CrossJoin(JoinConstraint::None),
                });
                joins.append(&mut item.joins);
                from.push(TableWithJoins { relation: left.relation, joins });
            }
            left => {
                from.extend(left);
                from.push(item);
            }
        }
    }
    select.from = from.into_iter().map(nested).collect();
}

fn nested(item: TableWithJoins) -> TableWithJoins {
    let mut all = TableWithJoins { relation: item.relation, joins: vec![] };
    for join in item.joins {
        let unnests = is_unnest(&join.relation);
        all.joins.push(join);
        if unnests {
            let relation = TableFactor::NestedJoin { table_with_joins: Box::new(all), alias: None };
            all = TableWithJoins { relation, joins: vec![] };
        }
    }
    all
}

/// Plans such parentheses, and UNNEST that stands alone; None for other relations.
pub fn plan(
    relation: &TableFactor,
    context: &mut dyn RelationPlannerContext,
) -> Result<Option<LogicalPlan>> {
    if is_unnest(relation) {
        let schema = Arc::new(DFSchema::empty());
        let one = LogicalPlan::EmptyRelation(EmptyRelation { produce_one_row: true, schema });
        return unnest(one, relation, false, None, context).map(Some);
    }
    let TableFactor::NestedJoin { table_with_joins, alias: None } = relation else {
        return Ok(None);
    };
    let mut left = (**table_with_joins).clone();
    if !left.joins.last().is_some_and(|join| is_unnest(&join.relation)) {
        return Ok(None);
    }
    let Some(join) = left.joins.pop() else { return Ok(None) };
    let input = match left.joins.is_empty() {
        true => left.relation,
        false => TableFactor::NestedJoin { table_with_joins: Box::new(left), alias: None },
    };
    let input = context.plan(input)?;
    let (outer, on) = match &join.join_operator {
        JoinOperator::CrossJoin(_) => (false, None),
        JoinOperator::Inner(JoinConstraint::On(on))
        | JoinOperator::Join(JoinConstraint::On(on)) => (false, Some(on)),
        JoinOperator::LeftOuter(JoinConstraint::On(on))
        | JoinOperator::Left(JoinConstraint::On(on)) => (true, Some(on)),
        _ => {
            let message = "UNNEST stands behind CROSS JOIN, or JOIN and LEFT JOIN with ON";
            return Err(fault(message.into(), join.relation.span()));
        }
    };
    unnest(input, &join.relation, outer, on, context).map(Some)
}

fn unnest(
    input: LogicalPlan,
    relation: &TableFactor,
    outer: bool,
    on: Option<&ast::Expr>,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let span = relation.span();
    let TableFactor::Table { args: Some(args), alias, with_ordinality, .. } = relation else {
        return plan_err!("UNNEST has an argument");
    };
    let [FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))] = args.args.as_slice() else {
        return Err(fault("UNNEST takes one ARRAY, MAP or MULTISET".into(), span));
    };
    let collection = context.sql_to_expr(argument.clone(), input.schema())?;
    let (_, field) = collection.to_field(input.schema())?;
    let Some((kind, mut columns)) = taken_apart(&field) else {
        return Err(fault("UNNEST takes an ARRAY, a MAP or a MULTISET".into(), span));
    };
    if *with_ordinality {
        columns.push(("ORDINALITY".into(), Nullable { ty: SqlType::Int, nullable: false }));
    }
    renamed(&mut columns, alias.as_ref()).map_err(|message| fault(message, span))?;
    let qualifier = alias.as_ref().map(|a| TableReference::bare(a.name.value.clone()));
    let added = columns
        .into_iter()
        .map(|(name, of)| (qualifier.clone(), Arc::new(of.ty.field(&name, of.nullable || outer))));
    let made = Unnest {
        collection,
        kind,
        numbered: *with_ordinality,
        outer,
        filter: None,
        added: added.collect(),
        schema: Arc::clone(input.schema()),
        input: input.clone(),
    };
    let mut made = made.over(input)?;
    let on = on.map(|on| context.sql_to_expr(on.clone(), &made.schema)).transpose()?;
    let on = on.filter(|on| !matches!(on, Expr::Literal(v, _) if v.to_string() == "true"));
    if outer {
        made.filter = on;
        return Ok(LogicalPlan::Extension(Extension { node: Arc::new(made) }));
    }
    let plan = LogicalPlan::Extension(Extension { node: Arc::new(made) });
    match on {
        Some(on) => datafusion::logical_expr::LogicalPlanBuilder::from(plan).filter(on)?.build(),
        None => Ok(plan),
    }
}

/// What each element of a collection gives, under the names that Flink gives it.
fn taken_apart(collection: &Field) -> Option<(UnnestKind, Vec<(String, Nullable)>)> {
    let rows = |item: &Nullable| matches!(item.ty, SqlType::Row(_));
    Some(match sql_type(collection)? {
        SqlType::Array(item) => (UnnestKind::Items { rows: rows(&item) }, item_columns(*item)),
        SqlType::Multiset(item) => (UnnestKind::Counted { rows: rows(&item) }, item_columns(*item)),
        SqlType::Map(key, value) => {
            (UnnestKind::Entries, vec![("KEY".to_string(), *key), ("VALUE".into(), *value)])
        }
        _ => return None,
    })
}

fn item_columns(item: Nullable) -> Vec<(String, Nullable)> {
    let nullable = item.nullable;
    let within = |of: Nullable| Nullable { nullable: of.nullable || nullable, ..of };
    match item.ty {
        SqlType::Row(fields) => fields.into_iter().map(|f| (f.name, within(f.ty))).collect(),
        ty => vec![("EXPR$0".into(), Nullable { ty, nullable })],
    }
}

fn renamed(columns: &mut [(String, Nullable)], alias: Option<&TableAlias>) -> Result<(), String> {
    let Some(alias) = alias.filter(|alias| !alias.columns.is_empty()) else { return Ok(()) };
    if alias.columns.len() != columns.len() {
        let (has, given) = (columns.len(), alias.columns.len());
        return Err(format!("UNNEST gives {has} columns here, {given} are named"));
    }
    for ((name, _), given) in columns.iter_mut().zip(&alias.columns) {
        *name = given.name.value.clone();
    }
    Ok(())
}

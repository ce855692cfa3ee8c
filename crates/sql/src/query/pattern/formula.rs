//! Conditions and measures: what navigates among the rows of a match becomes columns, the rest is
//! bound as any expression over these.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use brooklet_plan::pattern::MATCH_TIME;
use datafusion::common::{DFSchema, DataFusionError, ExprSchema, Result};
use datafusion::logical_expr::planner::RelationPlannerContext;
use datafusion::logical_expr::{
    Aggregate, EmptyRelation, Expr, ExprSchemable, LogicalPlan, Projection,
};
use sqlparser::ast::{self, Function, Ident, Spanned, SymbolDefinition};
use sqlparser::tokenizer::Span;

use super::syntax::{
    arguments, first_argument, has_distinct, identifier, joined, lift_names, offset,
};
use super::{Folded, Formula, Navigation};
use crate::query::provider::options;
use crate::query::walk::{Changed, walk_mut};
use crate::query::window_tvf::fault;
use crate::query::{operators, optimize};

/// What a formula is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The condition of the variable of that number.
    Define(usize),
    Measures,
}

pub struct Binder<'a> {
    pub context: &'a mut dyn RelationPlannerContext,
    pub input: &'a LogicalPlan,
    /// Variables of the pattern, then those of SUBSET, which never have a row.
    pub names: &'a [String],
}

impl Binder<'_> {
    pub fn bind(&mut self, mut expr: ast::Expr, scope: Scope) -> Result<Formula> {
        let mut finder = Finder {
            binder: self,
            scope,
            open: Vec::new(),
            reads: Vec::new(),
            folds: Vec::new(),
            fault: None,
        };
        walk_mut(&mut expr, &mut |changed| finder.see(changed));
        let Finder { reads, folds, fault, .. } = finder;
        if let Some(fault) = fault {
            return Err(fault);
        }
        let schema = Arc::new(self.schema(&reads, &folds)?);
        let bound = self.context.sql_to_expr(expr, &schema)?;
        let input = EmptyRelation { produce_one_row: false, schema: Arc::clone(&schema) };
        let input = Arc::new(LogicalPlan::EmptyRelation(input));
        let plan = LogicalPlan::Projection(Projection::try_new(vec![bound.alias("it")], input)?);
        operators::check_choices(&plan)?;
        let plan = optimize::simplify(plan, &options())?;
        let field = Arc::clone(plan.schema().field(0));
        let LogicalPlan::Projection(mut projection) = plan else {
            return Err(DataFusionError::Plan("a formula is one expression".into()));
        };
        let expr = projection.expr.remove(0).unalias();
        Ok(Formula { reads, folds, expr, schema, field })
    }

    fn schema(&self, reads: &[Navigation], folds: &[Folded]) -> Result<DFSchema> {
        let mut fields: Vec<FieldRef> = Vec::new();
        for read in reads {
            let Expr::Column(column) = &read.column else { continue };
            fields.push(Arc::clone(self.input.schema().field_from_column(column)?));
        }
        fields.extend(folds.iter().map(|f| Arc::new(Field::new("fold", f.ty.clone(), true))));
        let named = fields.into_iter().enumerate().map(|(n, field)| {
            let name = match n.checked_sub(reads.len()) {
                None => format!("${n}"),
                Some(fold) => format!("{FOLD}{fold}"),
            };
            (None, Arc::new(Field::clone(&field).with_name(name).with_nullable(true)))
        });
        let time = DataType::Timestamp(TimeUnit::Millisecond, None);
        let mut fields: Vec<_> = named.collect();
        fields.push((None, Arc::new(Field::new(MATCH_TIME, time, true))));
        DFSchema::new_with_metadata(fields, Default::default())
    }

    /// The variable of that name.
    fn variable(&self, name: &Ident) -> Option<usize> {
        self.names.iter().position(|n| *n == name.value)
    }

    fn fold(&mut self, call: ast::Expr, variable: Option<usize>) -> Result<Folded> {
        let schema = Arc::clone(self.input.schema());
        let bound = self.context.sql_to_expr(call, &schema)?;
        let input = EmptyRelation { produce_one_row: false, schema };
        let input = Arc::new(LogicalPlan::EmptyRelation(input));
        let plan = LogicalPlan::Aggregate(Aggregate::try_new(input, vec![], vec![bound])?);
        let plan = optimize::coerce(plan, &options())?;
        let ty = plan.schema().field(0).data_type().clone();
        let LogicalPlan::Aggregate(mut aggregate) = plan else {
            return Err(DataFusionError::Plan("an aggregate stays one".into()));
        };
        let Expr::AggregateFunction(call) = aggregate.aggr_expr.remove(0).unalias() else {
            return Err(DataFusionError::Plan("an aggregate stays one".into()));
        };
        Ok(Folded { variable, func: call.func, args: call.params.args, ty })
    }
}

/// What is open while an expression is walked over.
struct Open {
    span: Span,
    kind: Kind,
    /// Variables that are read inside.
    variables: Vec<Option<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// FIRST or LAST (PREV and NEXT of nothing are LAST) and the offset.
    Navigation {
        first: bool,
        offset: usize,
    },
    Aggregate,
}

struct Finder<'a, 'b> {
    binder: &'a mut Binder<'b>,
    scope: Scope,
    open: Vec<Open>,
    reads: Vec<Navigation>,
    folds: Vec<Folded>,
    fault: Option<DataFusionError>,
}

impl Finder<'_, '_> {
    fn see(&mut self, changed: Changed<'_>) {
        if self.fault.is_some() {
            return;
        }
        let result = match changed {
            Changed::Enter(expr) => self.enter(expr),
            Changed::Expr(expr) => self.leave(expr),
            _ => Ok(()),
        };
        self.fault = result.err();
    }

    fn enter(&mut self, expr: &mut ast::Expr) -> Result<()> {
        if let ast::Expr::CompoundFieldAccess { root, access_chain } = expr {
            lift_names(root, access_chain);
        }
        let ast::Expr::Function(function) = expr else { return Ok(()) };
        let Some(kind) = self.kind(function)? else { return Ok(()) };
        let span = function.name.span();
        if kind == Kind::Aggregate && has_distinct(function) {
            return Err(fault("DISTINCT is not supported in MATCH_RECOGNIZE".into(), span));
        }
        let nested = self.open.iter().any(|open| match (open.kind, kind) {
            (Kind::Navigation { .. }, _) => true,
            (Kind::Aggregate, Kind::Aggregate) => true,
            (Kind::Aggregate, Kind::Navigation { .. }) => false,
        });
        if nested {
            let name = function.name.to_string().to_uppercase();
            return Err(fault(format!("{name} cannot stand inside of another such call"), span));
        }
        self.open.push(Open { span, kind, variables: Vec::new() });
        Ok(())
    }

    /// Whether the call navigates or aggregates.
    fn kind(&self, function: &Function) -> Result<Option<Kind>> {
        let name = function.name.to_string().to_lowercase();
        let span = function.name.span();
        let offset = |default| offset(function, default).map_err(|m| fault(m, span));
        Ok(match name.as_str() {
            "first" | "last" => {
                Some(Kind::Navigation { first: name == "first", offset: offset(0)? })
            }
            "prev" | "next" if self.scope == Scope::Measures => {
                return Err(fault("PREV and NEXT cannot be used in MEASURES".into(), span));
            }
            "prev" | "next" => match offset(1)? {
                0 => Some(Kind::Navigation { first: false, offset: 0 }),
                _ => {
                    let message = "PREV and NEXT are not supported: LAST(column, n) is the nth row \
                                   before the last one of its variable";
                    return Err(fault(message.into(), span));
                }
            },
            _ => {
                let known = self.binder.context.context_provider().get_aggregate_meta(&name);
                known.map(|_| Kind::Aggregate)
            }
        })
    }

    fn leave(&mut self, expr: &mut ast::Expr) -> Result<()> {
        match expr {
            ast::Expr::Identifier(id) => {
                let ids = vec![id.clone()];
                self.column(expr, ids)
            }
            ast::Expr::CompoundIdentifier(ids) => {
                let ids = ids.clone();
                self.column(expr, ids)
            }
            ast::Expr::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                match name.as_str() {
                    "match_rowtime" => {
                        let span = function.name.span();
                        self.must_be_time(function)?;
                        *expr = identifier(MATCH_TIME.into(), span);
                    }
                    "match_proctime" => {
                        function.name = vec![Ident::new("PROCTIME")].into();
                    }
                    _ => return self.close(expr),
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// MATCH_ROWTIME takes nothing, or an event time, which it does not look at.
    fn must_be_time(&self, function: &Function) -> Result<()> {
        let time = match arguments(function).as_slice() {
            [] => true,
            [ast::Expr::Identifier(id)] => {
                let read = id.value.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
                let read = read.and_then(|n| self.reads.get(n));
                read.is_some_and(|read| {
                    let ty = read.column.get_type(self.binder.input.schema());
                    matches!(ty, Ok(DataType::Timestamp(..)))
                })
            }
            _ => false,
        };
        match time {
            true => Ok(()),
            false => {
                let message = "MATCH_ROWTIME takes the column of an event time, or nothing";
                Err(fault(message.into(), function.name.span()))
            }
        }
    }

    /// A column of the input becomes one of a row of the match; within an aggregate it stays.
    fn column(&mut self, expr: &mut ast::Expr, mut ids: Vec<Ident>) -> Result<()> {
        let span = ids[0].span;
        let variable = if ids.len() > 1 { self.binder.variable(&ids[0]) } else { None };
        if variable.is_some() {
            ids.remove(0);
        }
        let schema = self.binder.input.schema();
        let Ok((qualifier, field)) = schema.qualified_field_with_unqualified_name(&ids[0].value)
        else {
            if variable.is_some() || ids.len() == 1 {
                // What is said of an unknown column everywhere.
                ids.truncate(1);
                self.binder.context.sql_to_expr(joined(ids.clone()), schema)?;
            }
            let message = format!("'{}' is neither a variable of the pattern nor a column", ids[0]);
            return Err(fault(message, span));
        };
        let column = Expr::Column((qualifier, field).into());
        let mut kind = None;
        for open in &mut self.open {
            open.variables.push(variable);
            if kind != Some(Kind::Aggregate) {
                kind = Some(open.kind);
            }
        }
        let (first, offset) = match kind {
            Some(Kind::Aggregate) => {
                *expr = joined(ids);
                return Ok(());
            }
            Some(Kind::Navigation { first, offset }) => (first, offset),
            None => (false, 0),
        };
        let read = Navigation { variable, first, offset, column };
        let known = self.reads.iter().position(|other| *other == read);
        let number = known.unwrap_or_else(|| {
            self.reads.push(read);
            self.reads.len() - 1
        });
        ids[0] = Ident::with_span(span, format!("${number}"));
        *expr = joined(ids);
        Ok(())
    }

    /// The end of a call.
    fn close(&mut self, expr: &mut ast::Expr) -> Result<()> {
        let ast::Expr::Function(function) = expr else { return Ok(()) };
        let span = function.name.span();
        let Some(open) = self.open.pop_if(|open| open.span == span) else { return Ok(()) };
        let mut variables = open.variables;
        variables.dedup();
        if variables.iter().any(|v| *v != variables[0]) {
            let message = format!("{} reads more than one variable", function.name);
            return Err(fault(message, span));
        }
        if let Kind::Navigation { .. } = open.kind {
            let Some(first) = first_argument(function) else {
                return Err(fault(format!("{} needs a column", function.name), span));
            };
            if variables.is_empty() {
                return Err(fault(format!("{} reads no column", function.name), span));
            }
            *expr = ast::Expr::Nested(Box::new(first));
            return Ok(());
        }
        let variable = variables.first().copied().flatten();
        let folded = self.binder.fold(expr.clone(), variable)?;
        let known = self.folds.iter().position(|other| *other == folded);
        let number = known.unwrap_or_else(|| {
            self.folds.push(folded);
            self.folds.len() - 1
        });
        *expr = identifier(format!("{FOLD}{number}"), span);
        Ok(())
    }
}

/// Before the number of an aggregate.
const FOLD: &str = "$fold";

/// Whether a measure is MATCH_ROWTIME() and nothing else.
pub fn is_match_time(formula: &Formula) -> bool {
    matches!(&formula.expr, Expr::Column(c) if c.name == MATCH_TIME)
}

/// DEFINE gives conditions.
pub fn must_be_condition(
    formula: &Formula,
    name: &str,
    defined: Option<&SymbolDefinition>,
) -> Result<()> {
    match formula.field.data_type() {
        DataType::Boolean | DataType::Null => Ok(()),
        _ => {
            let span = defined.map_or(Span::empty(), |d| d.definition.span());
            Err(fault(format!("DEFINE {name}: expected a condition"), span))
        }
    }
}

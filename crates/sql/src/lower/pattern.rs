//! MATCH_RECOGNIZE: a Map of what is read, an Exchange on PARTITION BY, a Reduce.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use brooklet_core::types::SqlType;
use brooklet_plan::node::{AggCall, AggFunc, Emit, NOW, ReduceKind, ReduceSpec, SortKey};
use brooklet_plan::pattern::{End, Fold, Formulas, MATCH_TIME, MatchSpec, Read, Skip, Variable};
use brooklet_plan::{Node, NodeOp};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan};

use super::aggregate_calls::{engines, is_constant};
use super::deviation::{Deviation, cast};
use super::facts::{self, TimeKind};
use super::needs::Need;
use super::rel::{self, Physical, Rel};
use super::{Lowering, error, names_of, needs};
use crate::query::pattern::{Folded, Formula, RowPattern, SkipTo, as_pattern};
use crate::query::{aggregates, clock};

impl Lowering<'_> {
    pub(super) fn pattern(
        &mut self,
        extension: &Extension,
        plan: &LogicalPlan,
        need: Need,
    ) -> Result<Rel> {
        let Some(pattern) = as_pattern(extension) else {
            return Err(error("this is no MATCH_RECOGNIZE", None));
        };
        let place = pattern.place.0;
        let below = needs::of_inputs(plan, need, self.provider.names())[0];
        let facts = facts::columns(&pattern.input, self.provider.names());
        let time = facts::trace(&pattern.time, &pattern.input).and_then(|i| facts[i].time);
        let Some(time) = time else {
            let message = "ORDER BY of MATCH_RECOGNIZE begins with a time attribute: the column of \
                           a WATERMARK, or one declared AS PROCTIME(), passed on unchanged";
            return Err(error(message, place));
        };
        let rel = self.lower(&pattern.input, below)?;
        if !self.plan.node(rel.node).append_only {
            let message = "MATCH_RECOGNIZE reads rows that are only added; these are changed later";
            return Err(error(message, place));
        }
        let mut columns =
            Columns { input: pattern.input.schema(), rel: &rel, exprs: vec![], names: vec![] };
        let keys: Vec<usize> =
            pattern.partition.iter().map(|e| columns.add(e)).collect::<Result<_>>()?;
        let placed = placed(pattern, time, &mut columns)?;
        let (exprs, names) = (columns.exprs, columns.names);
        let label = "MATCH_RECOGNIZE".to_string();
        let map = Rel { exprs, names, label: label.clone(), ..rel.clone() };
        let input = self.emit(&map, below)?;
        let input = self.exchange(input, &keys, false);
        let spec = placed.bound(pattern, &self.plan.node(input).schema.clone())?;
        let node = self.matching(input, keys, spec, (pattern, need))?;
        Ok(Rel { names: names_of(plan), ..Rel::of_node(&self.plan, node, label) })
    }

    fn matching(
        &mut self,
        input: usize,
        keys: Vec<usize>,
        spec: MatchSpec,
        (pattern, need): (&RowPattern, Need),
    ) -> Result<usize> {
        let below = self.plan.node(input).clone();
        let mut fields: Vec<Field> = keys.iter().map(|k| below.schema.field(*k).clone()).collect();
        let measures = pattern.measures.iter();
        fields.extend(measures.map(|(name, f)| {
            let ty = rel::sql_type(&f.field).map(|ty| ty.field(name, true));
            ty.unwrap_or_else(|| Field::new(name, f.field.data_type().clone(), true))
        }));
        let ord: Vec<usize> = match need.ord {
            true => (0..below.ord.len() + 2).map(|n| fields.len() + n).collect(),
            false => vec![],
        };
        fields.extend((0..ord.len()).map(rel::hidden_ord));
        let by = self.dealt[input].as_ref();
        let place = |column: &usize| keys.iter().position(|k| k == column);
        let dealt = by.and_then(|by| by.iter().map(place).collect());
        let node = Node {
            op: NodeOp::Reduce(ReduceSpec {
                keys,
                kind: ReduceKind::Match(Box::new(spec)),
                emit: Emit::EveryEpoch,
                ttl_ms: self.ttl()?,
            }),
            inputs: vec![input],
            schema: Arc::new(Schema::new(fields)),
            append_only: true,
            key: None,
            ord,
            late: None,
            fingerprint: 0,
            label: "MATCH_RECOGNIZE".into(),
        };
        Ok(self.push(node, dealt))
    }
}

/// The columns a Reduce reads, each distinct expression once.
struct Columns<'a> {
    input: &'a DFSchema,
    rel: &'a Rel,
    exprs: Vec<Expr>,
    names: Vec<String>,
}

impl Columns<'_> {
    fn add(&mut self, expr: &Expr) -> Result<usize> {
        let name = match expr {
            Expr::Column(c) => c.name.clone(),
            _ => format!("arg{}", self.exprs.len()),
        };
        let expr = rel::substitute(expr.clone(), self.input, &self.rel.exprs)?;
        let known = self.exprs.iter().position(|e| *e == expr);
        Ok(known.unwrap_or_else(|| {
            self.exprs.push(expr);
            self.names.push(name);
            self.exprs.len() - 1
        }))
    }
}

/// Places of columns, before the types of the Map's columns are known.
struct Placed {
    time: Option<usize>,
    order: Vec<SortKey>,
    conditions: Vec<Option<PlacedFormula>>,
    measures: Vec<PlacedFormula>,
}

struct PlacedFormula {
    reads: Vec<Read>,
    folds: Vec<Folds>,
}

/// What an aggregate of a formula is made of: itself, or squared deviations and their number.
enum Folds {
    One(Fold),
    Deviation(Box<OfDeviation>),
}

struct OfDeviation {
    squares: Fold,
    sum: Option<Fold>,
    count: Fold,
    all: bool,
    root: bool,
    result: Field,
}

fn placed(pattern: &RowPattern, time: TimeKind, columns: &mut Columns<'_>) -> Result<Placed> {
    let time = match time {
        TimeKind::Rowtime => Some(columns.add(&pattern.time)?),
        TimeKind::Proctime => None,
    };
    let mut order = Vec::new();
    for (expr, descending, nulls_first) in &pattern.order {
        let (descending, nulls_first) = (*descending, *nulls_first);
        order.push(SortKey { column: columns.add(expr)?, descending, nulls_first });
    }
    let mut conditions = Vec::new();
    for variable in &pattern.variables {
        let condition = variable.condition.as_ref();
        conditions.push(condition.map(|f| placed_formula(f, columns)).transpose()?);
    }
    let measures = pattern.measures.iter().map(|(_, f)| placed_formula(f, columns));
    Ok(Placed { time, order, conditions, measures: measures.collect::<Result<_>>()? })
}

fn placed_formula(formula: &Formula, columns: &mut Columns<'_>) -> Result<PlacedFormula> {
    let mut reads = Vec::new();
    for read in &formula.reads {
        let from = if read.first { End::First } else { End::Last };
        let column = columns.add(&read.column)?;
        reads.push(Read { variable: read.variable, from, offset: read.offset, column });
    }
    let folds = formula.folds.iter().map(|f| fold(f, columns));
    Ok(PlacedFormula { reads, folds: folds.collect::<Result<_>>()? })
}

fn fold(folded: &Folded, columns: &mut Columns<'_>) -> Result<Folds> {
    use aggregates::Function as F;
    let name = aggregates::shown_name(&folded.func);
    let function = match aggregates::function(&folded.func) {
        Some(function) if !matches!(function, F::JsonArrayAgg { .. } | F::JsonObjectAgg { .. }) => {
            function
        }
        _ => {
            let message = format!("aggregate {name} is not supported in MATCH_RECOGNIZE");
            return Err(error(message, None));
        }
    };
    let mut args = Vec::new();
    for (place, arg) in folded.args.iter().enumerate() {
        let never_null = matches!(arg, Expr::Literal(v, _) if !v.is_null());
        if function == F::Count && never_null || is_constant(function, place) {
            continue;
        }
        args.push(columns.add(arg)?);
    }
    let made = |func, ty| {
        let call = AggCall { func, args: args.clone(), distinct: false, filter: None, ty };
        Fold { variable: folded.variable, call }
    };
    if let F::Deviation { all, root } = function {
        let result = match SqlType::from_arrow(&folded.ty) {
            Some(ty) => ty.field("deviation", true),
            None => Field::new("deviation", folded.ty.clone(), true),
        };
        let count = made(AggFunc::Count, DataType::Int64);
        let mut squares = made(AggFunc::SquaredDeviations, DataType::Float64);
        let mut sum = None;
        if let (true, [value]) = (folded.ty.is_integer(), folded.args.as_slice()) {
            let value = cast(value.clone(), &DataType::Int64);
            let mut of = |e: Expr| -> Result<Fold> {
                let (func, args) = (AggFunc::Sum, vec![columns.add(&e)?]);
                let call =
                    AggCall { func, args, distinct: false, filter: None, ty: DataType::Int64 };
                Ok(Fold { variable: folded.variable, call })
            };
            squares = of(value.clone() * value.clone())?;
            sum = Some(of(value)?);
        }
        let of = OfDeviation { squares, sum, count, all, root, result };
        return Ok(Folds::Deviation(Box::new(of)));
    }
    let func = engines(function, &folded.args, None, &name)?;
    Ok(Folds::One(made(func, folded.ty.clone())))
}

impl Placed {
    fn bound(self, pattern: &RowPattern, input: &Arc<Schema>) -> Result<MatchSpec> {
        let names: Vec<&str> = pattern.variables.iter().map(|v| v.name.as_str()).collect();
        let mut variables = Vec::new();
        for (variable, placed) in pattern.variables.iter().zip(self.conditions) {
            let condition = match (&variable.condition, placed) {
                (Some(formula), Some(placed)) => {
                    Some(formulas(vec![(formula, placed)], input, &names)?)
                }
                _ => None,
            };
            variables.push(Variable {
                name: variable.name.clone(),
                least: variable.least,
                most: variable.most,
                greedy: variable.greedy,
                condition,
            });
        }
        let measures = pattern.measures.iter().map(|(_, formula)| formula).zip(self.measures);
        Ok(MatchSpec {
            variables,
            time: self.time,
            order: self.order,
            skip: match pattern.skip {
                SkipTo::PastLastRow => Skip::PastLastRow,
                SkipTo::NextRow => Skip::ToNextRow,
                SkipTo::First(v) => Skip::ToFirst(v),
                SkipTo::Last(v) => Skip::ToLast(v),
            },
            within_ms: pattern.within_ms,
            measures: formulas(measures.collect(), input, &names)?,
        })
    }
}

/// Formulas over the same rows: what several read or aggregate is there once.
fn formulas(
    each: Vec<(&Formula, PlacedFormula)>,
    input: &Arc<Schema>,
    names: &[&str],
) -> Result<Formulas> {
    let (mut reads, mut folds): (Vec<Read>, Vec<Fold>) = (Vec::new(), Vec::new());
    let mut places = Vec::new();
    for (_, placed) in &each {
        let of_reads: Vec<usize> =
            placed.reads.iter().map(|r| index_of(&mut reads, r, |a, b| a == b)).collect();
        let same = |a: &Fold, b: &Fold| format!("{a:?}") == format!("{b:?}");
        let mut place = |fold: &Fold| index_of(&mut folds, fold, same);
        let of_folds = placed.folds.iter().map(|made| match made {
            Folds::One(fold) => (place(fold), None),
            Folds::Deviation(of) => {
                let deviation = Deviation { all: of.all, root: of.root, field: &of.result };
                let (squares, sum) = (place(&of.squares), of.sum.as_ref().map(&mut place));
                (squares, Some((sum, place(&of.count), deviation)))
            }
        });
        let of_folds: Vec<_> = of_folds.collect();
        places.push((of_reads, of_folds));
    }
    let schema = Arc::new(Schema::new(fields(&reads, &folds, input, names)));
    let time = schema.fields().len() - 1;
    let scope = rel::scope(&schema, None)?;
    let physical = Physical { schema: &schema, scope: &scope, needs_now: true };
    let mut exprs = Vec::new();
    for ((formula, _), (of_reads, of_folds)) in each.iter().zip(places) {
        let mut by: Vec<Expr> = of_reads.into_iter().map(rel::column).collect();
        for (fold, deviation) in of_folds {
            let column = |fold: usize| rel::column(reads.len() + fold);
            by.push(match deviation {
                None => column(fold),
                Some((Some(sum), count, deviation)) => {
                    deviation.of_sums(column(fold), column(sum), column(count))?
                }
                Some((None, count, deviation)) => {
                    deviation.of_squares(column(fold), column(count))?
                }
            });
        }
        by.push(rel::column(time));
        let expr = rel::substitute(formula.expr.clone(), &formula.schema, &by)?;
        exprs.push(physical.expr(&expr)?);
    }
    let mut with_now: Vec<Field> = schema.fields().iter().map(|f| f.as_ref().clone()).collect();
    with_now.push(Field::new(NOW, clock::now_type(), true));
    Ok(Formulas { reads, folds, exprs, schema: Arc::new(Schema::new(with_now)) })
}

/// What formulas read, under the names that a person would write.
fn fields(reads: &[Read], folds: &[Fold], input: &Schema, names: &[&str]) -> Vec<Field> {
    let of = |variable: Option<usize>| match variable {
        None => String::new(),
        Some(v) => format!("{}.", names.get(v).copied().unwrap_or("-")),
    };
    let read = |r: &Read| {
        let field = input.field(r.column);
        let name = format!("{}{}", of(r.variable), field.name());
        let name = match (r.from, r.offset) {
            (End::Last, 0) => name,
            (End::Last, n) => format!("LAST({name}, {n})"),
            (End::First, 0) => format!("FIRST({name})"),
            (End::First, n) => format!("FIRST({name}, {n})"),
        };
        field.clone().with_name(name).with_nullable(true)
    };
    let fold = |f: &Fold| {
        let arg = f.call.args.first().map_or("*", |a| input.field(*a).name());
        let name = format!("{:?}({}{arg})", f.call.func, of(f.variable)).to_uppercase();
        Field::new(name, f.call.ty.clone(), true)
    };
    let time = Field::new(MATCH_TIME, DataType::Timestamp(TimeUnit::Millisecond, None), true);
    reads.iter().map(read).chain(folds.iter().map(fold)).chain([time]).collect()
}

fn index_of<T: Clone>(all: &mut Vec<T>, one: &T, same: impl Fn(&T, &T) -> bool) -> usize {
    let known = all.iter().position(|other| same(other, one));
    known.unwrap_or_else(|| {
        all.push(one.clone());
        all.len() - 1
    })
}

/// What the node computes, without names a user can change freely.
pub fn identity(keys: &[usize], spec: &MatchSpec) -> String {
    let exprs = |f: &Formulas| {
        let each: Vec<String> = f.exprs.iter().map(|e| e.to_string()).collect();
        format!("{:?} {:?} {each:?}", f.reads, f.folds)
    };
    let each = spec.variables.iter().map(|v| {
        let condition = v.condition.as_ref().map(exprs);
        format!("{} {:?} {} {condition:?}", v.least, v.most, v.greedy)
    });
    let variables: Vec<String> = each.collect();
    let (time, order, skip, within) = (spec.time, &spec.order, spec.skip, spec.within_ms);
    format!("Match {keys:?} {variables:?} {time:?} {order:?} {skip:?} {within:?}")
}

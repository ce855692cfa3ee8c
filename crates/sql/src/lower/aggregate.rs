//! Aggregate: a Map of keys and arguments, an Exchange on the keys, a Reduce.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use brooklet_plan::node::{AggCall, AggFunc, Emit, ReduceKind, ReduceSpec};
use brooklet_plan::{Node, NodeOp};
use datafusion::common::Result;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use super::needs::Need;
use super::rel::{self, Rel};
use super::{Lowering, error, facts, names_of, needs};
use crate::query::aggregates;

/// The columns a Reduce reads, each distinct expression once.
#[derive(Default)]
pub(super) struct Columns {
    pub exprs: Vec<Expr>,
    pub names: Vec<String>,
}

impl Columns {
    pub fn add(&mut self, expr: Expr, name: String) -> usize {
        match self.exprs.iter().position(|e| *e == expr) {
            Some(i) => i,
            None => {
                self.exprs.push(expr);
                self.names.push(name);
                self.exprs.len() - 1
            }
        }
    }
}

impl Lowering<'_> {
    pub(super) fn aggregate(
        &mut self,
        aggregate: &Aggregate,
        plan: &LogicalPlan,
        need: Need,
    ) -> Result<Rel> {
        if let Some(rel) = self.session_aggregate(aggregate, plan, need)? {
            return Ok(rel);
        }
        let below = needs::of_inputs(plan, need, self.provider.names())[0];
        let end = facts::window_end(aggregate, self.provider.names());
        if end.is_some() {
            super::window::check_closing(&aggregate.input)?;
        }
        let rel = self.lower(&aggregate.input, below)?;
        let schema = aggregate.input.schema();
        let over = |e: &Expr| rel::substitute(e.clone(), schema, &rel.exprs);
        let mut columns = Columns::default();
        let mut keys = Vec::new();
        for e in &aggregate.group_expr {
            if matches!(e, Expr::GroupingSet(_)) {
                return Err(error("GROUPING SETS, ROLLUP and CUBE are not supported", None));
            }
            let name = key_name(e, keys.len());
            keys.push(columns.add(over(&e.clone().unalias())?, name));
        }
        let mut calls = Vec::new();
        for e in &aggregate.aggr_expr {
            calls.push(call(e, &mut columns, &over)?);
        }
        let fields = plan.schema().fields();
        for (call, field) in calls.iter_mut().zip(&fields[keys.len()..]) {
            call.ty = field.data_type().clone();
        }
        let label = label(aggregate);
        let map = Rel { exprs: columns.exprs, names: columns.names, ..rel };
        let input = self.emit(&map, below)?;
        let input = self.exchange(input, &keys, false);
        let emit = match end {
            Some((end, bound)) => {
                let emit = Emit::OnClose { window_end: keys[end], clock: bound.clock };
                self.firing(emit, &aggregate.input)?
            }
            None => Emit::EveryEpoch,
        };
        let node = self.reduce(input, keys, calls, emit, need)?;
        self.plan.nodes[node].label = label.clone();
        Ok(Rel { names: names_of(plan), ..Rel::of_node(&self.plan, node, label) })
    }

    fn reduce(
        &mut self,
        input: usize,
        keys: Vec<usize>,
        calls: Vec<AggCall>,
        emit: Emit,
        need: Need,
    ) -> Result<usize> {
        let below = self.plan.node(input).clone();
        let mut fields: Vec<Field> = keys.iter().map(|k| below.schema.field(*k).clone()).collect();
        fields.extend(results(&calls, &below.schema));
        let visible = fields.len();
        let ord: Vec<usize> = match need.ord {
            true => (0..below.ord.len()).map(|n| visible + n).collect(),
            false => vec![],
        };
        fields.extend((0..ord.len()).map(rel::hidden_ord));
        let distinct = calls.is_empty() && below.append_only;
        let closes = matches!(emit, Emit::OnClose { .. });
        let by = self.dealt[input].as_ref();
        let place = |column: &usize| keys.iter().position(|k| k == column);
        let dealt = by.and_then(|by| by.iter().map(place).collect());
        let node = Node {
            schema: Arc::new(Schema::new(fields)),
            append_only: closes || distinct && emit == Emit::EveryEpoch,
            key: Some((0..keys.len()).collect()),
            op: NodeOp::Reduce(ReduceSpec {
                keys,
                kind: ReduceKind::Aggregate { calls },
                emit,
                ttl_ms: if emit == Emit::EveryEpoch { self.ttl()? } else { None },
            }),
            inputs: vec![input],
            ord,
            late: None,
            fingerprint: 0,
            label: String::new(),
        };
        Ok(self.push(node, dealt))
    }

    /// `table.exec.state.ttl`; None when off.
    pub(super) fn ttl(&self) -> Result<Option<i64>> {
        let ttl = self.settings.millis("table.exec.state.ttl");
        let ttl = ttl.map_err(|e| error(e.to_string(), None))?;
        Ok((ttl > 0).then_some(ttl))
    }
}

pub(super) fn call(
    expr: &Expr,
    columns: &mut Columns,
    over: &impl Fn(&Expr) -> Result<Expr>,
) -> Result<AggCall> {
    let Expr::AggregateFunction(f) = expr.clone().unalias() else {
        return Err(error(format!("{expr} is not an aggregate"), None));
    };
    let name = f.func.name().to_uppercase();
    let Some(func) = aggregates::func(&f.func) else {
        return Err(error(format!("aggregate {name} is not supported"), None));
    };
    if !f.params.order_by.is_empty() {
        return Err(error(format!("ORDER BY within {name} is not supported"), None));
    }
    let filter = match &f.params.filter {
        Some(e) => {
            let filter = over(e)?;
            let number = columns.exprs.len();
            Some(columns.add(filter, format!("filter{number}")))
        }
        None => None,
    };
    let mut args = Vec::new();
    for e in &f.params.args {
        let never_null = matches!(e, Expr::Literal(v, _) if !v.is_null());
        if func == AggFunc::Count && never_null && !f.params.distinct {
            continue;
        }
        let number = columns.exprs.len();
        args.push(columns.add(over(e)?, key_name(e, number)));
    }
    Ok(AggCall {
        func,
        args,
        distinct: f.params.distinct,
        filter,
        ty: arrow::datatypes::DataType::Null,
    })
}

/// A key's name: the column's, or a number for expressions.
fn key_name(expr: &Expr, number: usize) -> String {
    match expr {
        Expr::Alias(_) | Expr::Column(_) => name_of(expr),
        _ => format!("key{number}"),
    }
}

/// The columns that calls give.
pub(super) fn results(calls: &[AggCall], input: &Schema) -> Vec<Field> {
    let result = |c: &AggCall| Field::new(call_name(c, input), c.ty.clone(), true);
    calls.iter().map(result).collect()
}

/// `SUM(price)`, as a person would write the call.
fn call_name(call: &AggCall, input: &Schema) -> String {
    let arg = call.args.first().map_or("*", |a| input.field(*a).name());
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    format!("{:?}({distinct}{arg})", call.func).to_lowercase()
}

fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Alias(alias) => alias.name.clone(),
        Expr::Column(c) => c.name.clone(),
        other => other.schema_name().to_string(),
    }
}

pub(super) fn label(aggregate: &Aggregate) -> String {
    let names: Vec<String> = aggregate.group_expr.iter().map(name_of).collect();
    match (names.is_empty(), aggregate.aggr_expr.is_empty()) {
        (true, _) => "aggregate without GROUP BY".into(),
        (_, true) => format!("DISTINCT {}", names.join(", ")),
        _ => format!("GROUP BY {}", names.join(", ")),
    }
}

//! Aggregate: a Map of keys and arguments, an Exchange on the keys, a Reduce.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use brooklet_plan::node::{AggCall, Emit, ReduceKind, ReduceSpec};
use brooklet_plan::{Node, NodeId, NodeOp};
use datafusion::common::Result;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use super::aggregate_calls::{Calls, Scope};
use super::needs::Need;
use super::rel::{self, Rel};
use super::slices::Slices;
use super::{Lowering, error, facts, grouping_sets, names_of, needs};
use crate::query::state_ttl;

/// The columns a Reduce reads, each distinct expression once.
#[derive(Default)]
pub struct Columns {
    pub exprs: Vec<Expr>,
    pub names: Vec<String>,
    /// Columns that others may not be: keys that grouping sets replace by NULL.
    own: usize,
}

impl Columns {
    pub fn add(&mut self, expr: Expr, name: String) -> usize {
        match self.exprs.iter().skip(self.own).position(|e| *e == expr) {
            Some(i) => i + self.own,
            None => self.push(expr, name),
        }
    }

    fn push(&mut self, expr: Expr, name: String) -> usize {
        self.exprs.push(expr);
        self.names.push(name);
        self.exprs.len() - 1
    }
}

/// How a Reduce groups and what it gives.
pub(super) struct Grouped {
    pub keys: Vec<usize>,
    pub emit: Emit,
    pub calls: Vec<AggCall>,
    pub fields: Vec<Field>,
    pub ttl_ms: Option<i64>,
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
        let over = |e: &Expr| {
            let made = rel::substitute(e.clone(), schema, &rel.exprs)?;
            self.with_watermark(e, made, &aggregate.input, &rel)
        };
        let (written, sets) = grouping_sets::of(aggregate);
        let several = grouping_sets::is_written(aggregate);
        let mut columns = Columns::default();
        let mut keys = Vec::new();
        for e in &written {
            let (name, expr) = (key_name(e, keys.len()), over(&e.clone().unalias())?);
            keys.push(if several { columns.push(expr, name) } else { columns.add(expr, name) });
        }
        columns.own = if several { keys.len() } else { 0 };
        let width = keys.len() + usize::from(several);
        let (set, batch) = (keys.len(), self.settings.is_batch());
        let scope = Scope { input: schema, keys: &written, sets: &sets, set, width, batch };
        let mut calls = Calls::default();
        for (e, field) in aggregate.aggr_expr.iter().zip(&plan.schema().fields()[width..]) {
            calls.add(e, field, &mut columns, &over, &scope)?;
        }
        let label = label(&written, aggregate);
        let set = columns.exprs.len();
        let map = Rel { exprs: columns.exprs, names: columns.names, ..rel };
        let Calls { calls, fields, results } = calls;
        let emit = match end {
            Some((end, bound)) => {
                let emit = Emit::OnClose { window_end: keys[end], clock: bound.clock };
                self.firing(emit, &aggregate.input)?
            }
            None => Emit::EveryEpoch,
        };
        let idle = (emit == Emit::EveryEpoch).then(|| self.ttl_of(&aggregate.input));
        let ttl_ms = idle.transpose()?.flatten();
        let mut grouped = Grouped { keys, emit, calls, fields, ttl_ms };
        let (node, places) = match several {
            true => {
                let input = self.for_each_set(map, &grouped.keys, &sets, below)?;
                grouped.keys.push(set);
                let input = self.exchange(input, &grouped.keys, false);
                (self.reduce(input, grouped, need)?, (0..width).collect())
            }
            false => self.by_one_set(&aggregate.input, map, grouped, (below, need))?,
        };
        self.plan.nodes[node].label = label.clone();
        let mut rel = Rel::of_node(&self.plan, node, label);
        rel.exprs = places.into_iter().map(rel::column).collect();
        if several {
            rel.exprs[width - 1] =
                grouping_sets::unread(plan.schema().field(width - 1).data_type());
        }
        rel.exprs.extend(results);
        Ok(Rel { names: names_of(plan), ..rel })
    }

    /// A Reduce, and where each group expression stands in its output.
    fn by_one_set(
        &mut self,
        input: &LogicalPlan,
        map: Rel,
        mut grouped: Grouped,
        (below, need): (Need, Need),
    ) -> Result<(NodeId, Vec<usize>)> {
        if grouped.keys.is_empty() && self.counts_nothing(input, &grouped.calls) {
            let input = self.beside_nothing(map, &mut grouped, below)?;
            return Ok((self.reduce(input, grouped, need)?, vec![]));
        }
        if let Some(slices) = Slices::of(&self.plan, &map, &grouped) {
            let node = self.slices(&slices, grouped.fields, (below, need))?;
            return Ok((node, slices.places));
        }
        let input = self.emit(&map, below)?;
        let input = self.exchange(input, &grouped.keys, false);
        let places = (0..grouped.keys.len()).collect();
        Ok((self.reduce(input, grouped, need)?, places))
    }

    fn reduce(&mut self, input: usize, grouped: Grouped, need: Need) -> Result<usize> {
        let Grouped { keys, emit, calls, fields: gives, ttl_ms } = grouped;
        let below = self.plan.node(input).clone();
        let mut fields: Vec<Field> = keys.iter().map(|k| below.schema.field(*k).clone()).collect();
        fields.extend(results(&calls, gives, &below.schema));
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
                ttl_ms,
            }),
            inputs: vec![input],
            ord,
            late: None,
            fingerprint: 0,
            label: String::new(),
        };
        Ok(self.push(node, dealt))
    }

    /// For how long rows of an input are known: its hint, else what is set.
    pub(super) fn ttl_of(&self, input: &LogicalPlan) -> Result<Option<i64>> {
        match state_ttl::of(input) {
            Some(ttl) => Ok((ttl > 0).then_some(ttl)),
            None => self.ttl(),
        }
    }

    /// `table.exec.state.ttl`; None when off.
    pub(super) fn ttl(&self) -> Result<Option<i64>> {
        let ttl = self.settings.millis("table.exec.state.ttl");
        let ttl = ttl.map_err(|e| error(e.to_string(), None))?;
        Ok((ttl > 0).then_some(ttl))
    }
}

/// A key's name: the column's, or a number for expressions.
pub fn key_name(expr: &Expr, number: usize) -> String {
    match expr {
        // An expression under its own text, which says no more than a number.
        Expr::Alias(alias) if alias.name.contains('(') => format!("key{number}"),
        Expr::Alias(_) | Expr::Column(_) => name_of(expr),
        _ => format!("key{number}"),
    }
}

/// The columns that calls give, named after them.
pub fn results(calls: &[AggCall], fields: Vec<Field>, input: &Schema) -> Vec<Field> {
    let result =
        |(c, field): (&AggCall, Field)| field.with_name(call_name(c, input)).with_nullable(true);
    calls.iter().zip(fields).map(result).collect()
}

/// `SUM(price)`, as a person would write the call.
fn call_name(call: &AggCall, input: &Schema) -> String {
    let arg = call.args.first().map_or("*", |a| input.field(*a).name());
    let distinct = if call.distinct { "DISTINCT " } else { "" };
    let name = call.func.to_string().replace('_', "");
    format!("{name}({distinct}{arg})").to_lowercase()
}

fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Alias(alias) => alias.name.clone(),
        Expr::Column(c) => c.name.clone(),
        other => other.schema_name().to_string(),
    }
}

pub fn label(keys: &[Expr], aggregate: &Aggregate) -> String {
    let names: Vec<String> = keys.iter().map(name_of).collect();
    match (names.is_empty(), aggregate.aggr_expr.is_empty()) {
        (true, _) => "aggregate without GROUP BY".into(),
        (_, true) => format!("DISTINCT {}", names.join(", ")),
        _ => format!("GROUP BY {}", names.join(", ")),
    }
}

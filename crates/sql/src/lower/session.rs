//! SESSION: a Reduce that finds the windows, over its rows or with the aggregate above it.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use brooklet_plan::node::{AggCall, Clock, Emit, ReduceKind, ReduceSpec};
use brooklet_plan::{Node, NodeOp};
use datafusion::common::Result;
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan};

use super::aggregate_calls::{Calls, Scope};
use super::facts::TimeKind;
use super::needs::Need;
use super::rel::{self, Rel};
use super::{Lowering, aggregate, grouping_sets, names_of};
use crate::query::window_tvf::{TvfKind, WINDOW_COLUMNS, WindowTvf, as_window};

/// A window function below an aggregate, and its columns' expressions there.
struct Below<'a> {
    tvf: &'a WindowTvf,
    gap: i64,
    /// The projections between, from the top.
    projections: Vec<&'a LogicalPlan>,
}

impl Lowering<'_> {
    /// The rows of sessions, each with its bounds.
    pub(super) fn session_rows(&mut self, tvf: &WindowTvf, gap: i64, need: Need) -> Result<Rel> {
        let below = session_need(need);
        let (rel, time) = self.timed(tvf, below)?;
        let names = rel.names.clone();
        let width = tvf.input.schema().fields().len();
        let input = self.emit(&rel, below)?;
        // The Map passes its columns on in the order of the input's.
        let time = match (input == rel.node, names.len() > width) {
            (true, _) => time,
            (false, true) => width,
            (false, false) => tvf.time_index().unwrap_or(time),
        };
        let kind = ReduceKind::Session { gap_ms: gap, calls: None };
        let node =
            self.session(input, tvf, (tvf.partition_indices(), time), (kind, vec![]), need)?;
        let label = self.plan.node(node).label.clone();
        let all = names.iter().take(width).cloned().chain(WINDOW_COLUMNS.map(String::from));
        let mut rel = Rel { names: all.collect(), ..Rel::of_node(&self.plan, node, label) };
        rel.exprs.drain(width..names.len());
        self.off_the_wall(tvf, &mut rel.exprs[width + 2])?;
        Ok(rel)
    }

    /// An aggregate whose groups are the sessions themselves; None for any other.
    pub(super) fn session_aggregate(
        &mut self,
        aggregate: &Aggregate,
        plan: &LogicalPlan,
        need: Need,
    ) -> Result<Option<Rel>> {
        let Some(below) = session_below(&aggregate.input) else { return Ok(None) };
        if grouping_sets::is_written(aggregate) {
            return Ok(None);
        }
        let input_need = session_need(need);
        self.time_attribute(below.tvf)?;
        let (mut rel, time) = self.timed(below.tvf, input_need)?;
        rel.truncate(below.tvf.input.schema().fields().len());
        let bounds = (0..WINDOW_COLUMNS.len()).map(rel::window_column);
        let of_tvf: Vec<Expr> = rel.exprs.iter().cloned().chain(bounds).collect();
        let exprs = below.exprs(of_tvf)?;
        let schema = aggregate.input.schema();
        let over = |e: &Expr| rel::substitute(e.clone(), schema, &exprs);
        let partition: Vec<Expr> =
            below.tvf.partition_indices().iter().map(|i| rel.exprs[*i].clone()).collect();
        let mut columns = aggregate::Columns::default();
        for (i, e) in partition.iter().enumerate() {
            columns.add(e.clone(), rel.names[below.tvf.partition_indices()[i]].clone());
        }
        let keys: Vec<usize> = (0..columns.exprs.len()).collect();
        let time = columns.add(rel::column(time), "$time".into());
        let grouped = aggregate.group_expr.iter().map(|e| over(&e.clone().unalias()));
        let grouped = grouped.collect::<Result<Vec<_>>>()?;
        let Some(groups) = groups(grouped, &partition, &keys, &mut columns) else {
            return Ok(None);
        };
        let sets = [(0..groups.len()).collect()];
        let scope = Scope {
            input: schema,
            keys: &aggregate.group_expr,
            sets: &sets,
            set: 0,
            width: keys.len(),
            batch: self.settings.is_batch(),
        };
        let mut of = Calls::default();
        for (e, field) in aggregate.aggr_expr.iter().zip(&plan.schema().fields()[groups.len()..]) {
            of.add(e, field, &mut columns, &over, &scope)?;
        }
        let Calls { calls, fields, results } = of;
        let appends = self.plan.node(rel.node).append_only;
        if columns.exprs.iter().any(reads_bounds) || !appends || !calls.iter().all(AggCall::merges)
        {
            return Ok(None);
        }
        self.firing(Emit::OnClose { window_end: time, clock: Clock::Watermark }, &aggregate.input)?;
        let map = Rel { exprs: columns.exprs, names: columns.names, ..rel };
        let input = self.emit(&map, input_need)?;
        let (width, given) = (keys.len(), calls.len());
        let kind = ReduceKind::Session { gap_ms: below.gap, calls: Some(calls) };
        let node = self.session(input, below.tvf, (keys, time), (kind, fields), need)?;
        let label = aggregate::label(&aggregate.group_expr, aggregate);
        self.plan.nodes[node].label = label.clone();
        let mut exprs = self.of_sessions(&groups, (width, given), below.tvf)?;
        exprs.extend(results);
        Ok(Some(Rel { exprs, names: names_of(plan), ..Rel::of_node(&self.plan, node, label) }))
    }

    /// The groups' columns over the node's.
    fn of_sessions(
        &self,
        groups: &[Group],
        (keys, results): (usize, usize),
        tvf: &WindowTvf,
    ) -> Result<Vec<Expr>> {
        let mut exprs = Vec::with_capacity(groups.len());
        for group in groups {
            let mut column = group.column(keys, results);
            if matches!(group, Group::Bound(2)) {
                self.off_the_wall(tvf, &mut column)?;
            }
            exprs.push(column);
        }
        Ok(exprs)
    }

    fn session(
        &mut self,
        input: usize,
        tvf: &WindowTvf,
        (keys, time): (Vec<usize>, usize),
        (kind, gives): (ReduceKind, Vec<Field>),
        need: Need,
    ) -> Result<usize> {
        let (_, time_kind) = self.time_attribute(tvf)?;
        let clock = match time_kind {
            TimeKind::Rowtime => tvf.zone.map_or(Clock::Watermark, Clock::Wall),
            TimeKind::Proctime => Clock::Now,
        };
        let input = self.exchange(input, &keys, false);
        let below = self.plan.node(input).clone();
        let mut fields: Vec<Field> = match &kind {
            ReduceKind::Session { calls: Some(calls), .. } => {
                let of_keys = keys.iter().map(|k| below.schema.field(*k).clone());
                of_keys.chain(aggregate::results(calls, gives, &below.schema)).collect()
            }
            _ => {
                let visible = &below.schema.fields()[..rel::visible(&below)];
                visible.iter().map(|f| f.as_ref().clone()).collect()
            }
        };
        let bounds = fields.len();
        let plain = DataType::Timestamp(TimeUnit::Millisecond, None);
        let rowtime = match below.schema.field(time).data_type() {
            DataType::Timestamp(_, zone) => {
                DataType::Timestamp(TimeUnit::Millisecond, zone.clone())
            }
            _ => plain.clone(),
        };
        for (name, ty) in WINDOW_COLUMNS.into_iter().zip([plain.clone(), plain, rowtime]) {
            fields.push(Field::new(name, ty, true));
        }
        let visible = fields.len();
        let ord: Vec<usize> = match need.ord {
            true => (0..below.ord.len()).map(|n| visible + n).collect(),
            false => vec![],
        };
        fields.extend((0..ord.len()).map(rel::hidden_ord));
        let aggregates = matches!(kind, ReduceKind::Session { calls: Some(_), .. });
        let place = |column: &usize| match aggregates {
            true => keys.iter().position(|k| k == column),
            false => Some(*column),
        };
        let by = self.dealt[input].as_ref();
        let dealt = by.and_then(|by| by.iter().map(place).collect());
        let key: Vec<usize> = (0..keys.len()).chain([bounds]).collect();
        let node = Node {
            op: NodeOp::Reduce(ReduceSpec {
                keys,
                kind,
                emit: Emit::OnClose { window_end: time, clock },
                ttl_ms: None,
            }),
            inputs: vec![input],
            schema: Arc::new(Schema::new(fields)),
            append_only: true,
            key: aggregates.then_some(key),
            ord,
            late: None,
            fingerprint: 0,
            label: "SESSION".into(),
        };
        Ok(self.push(node, dealt))
    }
}

/// A group expression of an aggregate over sessions.
enum Group {
    Key(usize),
    /// Which window column.
    Bound(usize),
}

/// What GROUP BY names, if that is the session itself: its bounds and all columns that have
/// sessions of their own, at the places `keys`.
fn groups(
    grouped: Vec<Expr>,
    partition: &[Expr],
    keys: &[usize],
    columns: &mut aggregate::Columns,
) -> Option<Vec<Group>> {
    let mut groups = Vec::new();
    for e in grouped {
        let bound = (0..WINDOW_COLUMNS.len()).find(|i| e == rel::window_column(*i));
        match (bound, partition.iter().position(|p| *p == e)) {
            (Some(bound), _) => groups.push(Group::Bound(bound)),
            (None, Some(_)) => groups.push(Group::Key(columns.add(e, String::new()))),
            (None, None) => return None,
        }
    }
    let covers = |key: &usize| groups.iter().any(|g| matches!(g, Group::Key(k) if k == key));
    let has_bounds = (0..2).all(|b| groups.iter().any(|g| matches!(g, Group::Bound(i) if *i == b)));
    (keys.iter().all(covers) && has_bounds).then_some(groups)
}

impl Group {
    /// Where it stands in the output: keys, results, bounds.
    fn column(&self, keys: usize, results: usize) -> Expr {
        match self {
            Group::Key(key) => rel::column(*key),
            Group::Bound(bound) => rel::column(keys + results + bound),
        }
    }
}

fn reads_bounds(expr: &Expr) -> bool {
    expr.column_refs().iter().any(|c| WINDOW_COLUMNS.contains(&c.name.as_str()))
}

/// Sessions are made of rows in the order in which they came.
fn session_need(need: Need) -> Need {
    Need { ord: true, late: true, ..need }
}

fn session_below(plan: &LogicalPlan) -> Option<Below<'_>> {
    match plan {
        LogicalPlan::SubqueryAlias(a) => session_below(&a.input),
        LogicalPlan::Projection(p) => {
            let mut below = session_below(&p.input)?;
            below.projections.push(plan);
            Some(below)
        }
        LogicalPlan::Extension(e) => {
            let tvf = as_window(e)?;
            let TvfKind::Session { gap } = tvf.kind else { return None };
            Some(Below { tvf, gap, projections: vec![] })
        }
        _ => None,
    }
}

impl Below<'_> {
    /// The aggregate's input over the columns of the function.
    fn exprs(&self, mut exprs: Vec<Expr>) -> Result<Vec<Expr>> {
        for plan in &self.projections {
            let LogicalPlan::Projection(p) = plan else { continue };
            let schema = p.input.schema();
            let new = p.expr.iter().map(|e| rel::substitute(e.clone().unalias(), schema, &exprs));
            exprs = new.collect::<Result<_>>()?;
        }
        Ok(exprs)
    }
}

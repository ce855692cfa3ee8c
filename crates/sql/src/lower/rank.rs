//! ROW_NUMBER() with a filter on it: deduplication and top-N; LIMIT as a top-N without keys.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use brooklet_plan::node::{Clock, Emit, Keep, ReduceKind, ReduceSpec, SortKey};
use brooklet_plan::{Node, NodeOp};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::expr::{Sort, WindowFunctionParams};
use datafusion::logical_expr::utils::{conjunction, split_conjunction};
use datafusion::logical_expr::{
    BinaryExpr, Expr, Filter, Limit, LogicalPlan, Operator, Window, WindowFunctionDefinition,
};

use super::facts::{self, TimeKind};
use super::needs::Need;
use super::rel::{self, Rel};
use super::{Lowering, error, names_of, needs};
use crate::query::Names;
use crate::query::clock::is_proctime;
use crate::query::row_number::ROW_NUMBER;
use crate::query::window_functions::{DENSE_RANK, RANK};

/// What stands over a ROW_NUMBER.
struct Ranked<'a> {
    window: &'a Window,
    partition_by: Vec<Expr>,
    order_by: Vec<Sort>,
    n: usize,
    /// The rank itself is read.
    rank: bool,
}

impl Lowering<'_> {
    /// Lowers a filter over ROW_NUMBER; None when the input is something else. `used`: columns
    /// of the filter that are read above it.
    pub(super) fn rank(
        &mut self,
        filter: &Filter,
        used: &dyn Fn(usize) -> bool,
        need: Need,
    ) -> Result<Option<Rel>> {
        let Some((plan, places)) = window_below(&filter.input) else { return Ok(None) };
        let LogicalPlan::Window(window) = plan else { return Ok(None) };
        let rank = window.input.schema().fields().len();
        let is_rank = |column: usize| places.get(column) == Some(&rank);
        let Some((name, params)) = ranking(window) else { return Ok(None) };
        if name != ROW_NUMBER {
            let mut parts = split_conjunction(&filter.predicate).into_iter();
            let limited = parts.any(|p| rank_limit(p, &filter.input, &is_rank).is_some());
            return match limited && !self.settings.is_batch() {
                true => Err(no_limit(&name)),
                false => Ok(None),
            };
        }
        let (mut n, mut rest) = (None, Vec::new());
        for part in split_conjunction(&filter.predicate) {
            match rank_limit(part, &filter.input, &is_rank) {
                Some((limit, exact)) => {
                    n = Some(n.map_or(limit, |old: usize| old.min(limit)));
                    rest.extend((!exact).then(|| part.clone()));
                }
                None => rest.push(part.clone()),
            }
        }
        let Some(n) = n else { return Ok(None) };
        let schema = filter.input.schema();
        let read_by_rest = rest
            .iter()
            .flat_map(|e: &Expr| e.column_refs())
            .any(|c| schema.index_of_column(c).is_ok_and(is_rank));
        let ranked = Ranked {
            window,
            partition_by: params.partition_by,
            order_by: params.order_by,
            n,
            rank: read_by_rest || (0..places.len()).any(|i| is_rank(i) && used(i)),
        };
        let below = self.ranked(&ranked, plan, need)?;
        let rel = Rel {
            exprs: places.iter().map(|i| below.exprs[*i].clone()).collect(),
            names: schema.fields().iter().map(|f| f.name().clone()).collect(),
            ..below
        };
        match conjunction(rest) {
            Some(rest) => self.filter(rel, &rest, &filter.input, need).map(Some),
            None => Ok(Some(rel)),
        }
    }

    fn ranked(&mut self, ranked: &Ranked, plan: &LogicalPlan, need: Need) -> Result<Rel> {
        let below = needs::of_inputs(plan, need, self.provider.names())[0];
        if ranked.order_by.is_empty() {
            return Err(error("ROW_NUMBER() needs ORDER BY: without it no row is the first", None));
        }
        let source = &ranked.window.input;
        let as_versions = self.ranking.take().is_some();
        let rel = self.lower(source, below)?;
        let width = rel.exprs.len();
        let mut map = rel.clone();
        let mut add = |e: &Expr| -> Result<usize> {
            let new = rel::substitute(e.clone(), source.schema(), &rel.exprs)?;
            let known = map.exprs.iter().position(|old| *old == new);
            Ok(known.unwrap_or_else(|| {
                map.names.push(format!("${}", map.exprs.len()));
                map.exprs.push(new);
                map.exprs.len() - 1
            }))
        };
        let mut keys = Vec::new();
        for e in &ranked.partition_by {
            keys.push(add(e)?);
        }
        let names = self.provider.names();
        let closing = facts::closing(&ranked.partition_by, source, names);
        let closing = closing.map(|(end, bound)| (keys[end], bound.clock));
        let times = times(ranked, names);
        let kind = kind(ranked, &times, closing.is_some(), &mut add)?;
        let kind = match (closing, self.within(&kind, source, &rel)?) {
            (None, Some(within)) => within.over(&mut map),
            _ => kind,
        };
        if as_versions && matches!(kind, ReduceKind::Dedup { keep: Keep::Last, time: Some(_) }) {
            return self.unranked(map, keys, below, plan, width);
        }
        let with_rank = matches!(kind, ReduceKind::TopN { rank: true, .. });
        map.label = match &kind {
            ReduceKind::Dedup { .. } | ReduceKind::FirstWithin { .. } => {
                "deduplication by ROW_NUMBER()".into()
            }
            _ => format!("top {} by ROW_NUMBER()", ranked.n),
        };
        let last = closing.is_some() && keeps_last(ranked, &times);
        let node = self.top(map, keys, (kind, last), closing, below)?;
        let rank = match with_rank {
            true => rel::column(rel::visible(self.plan.node(node)) - 1),
            false => rel::bigint(1),
        };
        let label = self.plan.node(node).label.clone();
        let mut out = Rel::of_node(&self.plan, node, label);
        out.exprs.truncate(width);
        out.exprs.push(rank);
        out.names = names_of(plan);
        Ok(out)
    }

    /// The rows of which the newest of each key is wanted, all of them.
    fn unranked(
        &mut self,
        map: Rel,
        keys: Vec<usize>,
        need: Need,
        plan: &LogicalPlan,
        width: usize,
    ) -> Result<Rel> {
        let node = self.emit(&map, need)?;
        let mut out = Rel::of_node(&self.plan, node, map.label);
        out.exprs.truncate(width);
        out.exprs.push(rel::bigint(1));
        out.names = names_of(plan);
        self.ranking = Some(keys);
        Ok(out)
    }

    /// Map, Exchange and Reduce of a top-N or a deduplication. `last`: of rows that are equal in
    /// order the last comes first. `closing`: the window's end among the Map's columns, if the
    /// rows are a window's.
    fn top(
        &mut self,
        map: Rel,
        keys: Vec<usize>,
        (mut kind, last): (ReduceKind, bool),
        closing: Option<(usize, Clock)>,
        need: Need,
    ) -> Result<usize> {
        let label = map.label.clone();
        let input = self.emit(&map, need)?;
        let input = self.exchange(input, &keys, false);
        let below = self.plan.node(input).clone();
        let width = rel::visible(&below);
        let mut fields: Vec<Field> =
            below.schema.fields().iter().map(|f| f.as_ref().clone()).collect();
        let (mut ord, mut late) = (below.ord.clone(), below.late);
        if let (ReduceKind::TopN { order, .. }, true) = (&mut kind, last) {
            let latest = |c: &usize| SortKey { column: *c, descending: true, nulls_first: false };
            order.extend(below.ord.iter().map(latest));
        }
        let mut key = Some(keys.clone());
        if let ReduceKind::TopN { rank, n, .. } = &kind {
            if *rank {
                fields.insert(width, Field::new("rank", DataType::Int64, false));
                ord.iter_mut().chain(&mut late).for_each(|i| *i += 1);
            }
            if *n > 1 {
                let with_rank = keys.iter().copied().chain([width]).collect();
                key = if *rank { Some(with_rank) } else { below.key.clone() };
            }
        }
        let first = matches!(
            kind,
            ReduceKind::Dedup { keep: Keep::First, .. } | ReduceKind::FirstWithin { .. }
        );
        let node = Node {
            op: NodeOp::Reduce(ReduceSpec {
                keys,
                kind,
                emit: match closing {
                    Some((window_end, clock)) => Emit::OnClose { window_end, clock },
                    None => Emit::EveryEpoch,
                },
                ttl_ms: if closing.is_some() { None } else { self.ttl()? },
            }),
            inputs: vec![input],
            schema: Arc::new(Schema::new(fields)),
            append_only: closing.is_some() || first && below.append_only,
            key,
            ord,
            late,
            fingerprint: 0,
            label,
        };
        let dealt = self.dealt[input].clone();
        Ok(self.push(node, dealt))
    }

    /// LIMIT n, with or without ORDER BY below it.
    pub(super) fn limit(&mut self, limit: &Limit, need: Need) -> Result<Rel> {
        let number = |e: &Option<Box<Expr>>| match e.as_deref() {
            None => Some(None),
            Some(Expr::Literal(v, _)) => integer(v).map(Some),
            Some(_) => None,
        };
        if limit.fetch.is_none() && limit.skip.is_some() {
            return Err(error("OFFSET needs FETCH NEXT n ROWS ONLY or LIMIT n", None));
        }
        let (Some(skip), Some(Some(n))) = (number(&limit.skip), number(&limit.fetch)) else {
            return Err(error("LIMIT needs a whole number", None));
        };
        let skip = skip.unwrap_or(0);
        let below = Need { ord: true, ..need };
        let (input, sort) = match &*limit.input {
            LogicalPlan::Sort(s) => (&*s.input, s.expr.clone()),
            other => (other, vec![]),
        };
        let rel = self.lower(input, below)?;
        let width = rel.exprs.len();
        let mut map = rel.clone();
        let mut order = Vec::new();
        for s in sort {
            let e = rel::substitute(s.expr.clone(), input.schema(), &rel.exprs)?;
            let known = map.exprs.iter().position(|old| *old == e);
            let column = known.unwrap_or(map.exprs.len());
            if known.is_none() {
                map.names.push(format!("${column}"));
                map.exprs.push(e);
            }
            order.push(SortKey { column, descending: !s.asc, nulls_first: s.nulls_first });
        }
        map.label = format!("LIMIT {n}");
        let label = map.label.clone();
        let kind = ReduceKind::TopN { order, n: n + skip, rank: skip > 0 };
        let node = self.top(map, vec![], (kind, false), None, below)?;
        let mut out = Rel::of_node(&self.plan, node, label);
        if skip > 0 {
            let rank = rel::column(rel::visible(self.plan.node(node)) - 1);
            out.filter = Some(rank.gt(rel::bigint(skip as i64)));
        }
        out.exprs.truncate(width);
        out.names = rel.names;
        Ok(out)
    }
}

/// What a rank is: a deduplication by one time, or the first rows in an order. `add` gives the
/// column of an expression; `closes`: the rows are a window's.
fn kind(
    ranked: &Ranked,
    times: &[Option<TimeKind>],
    closes: bool,
    add: &mut dyn FnMut(&Expr) -> Result<usize>,
) -> Result<ReduceKind> {
    match (ranked.order_by.as_slice(), times, ranked.n) {
        // Arrival is the order; no column of it is kept.
        ([by], [Some(TimeKind::Proctime)], 1) if !closes => {
            Ok(ReduceKind::Dedup { keep: keep(by), time: None })
        }
        ([by], [Some(TimeKind::Rowtime)], 1) if !closes => {
            Ok(ReduceKind::Dedup { keep: keep(by), time: Some(add(&by.expr)?) })
        }
        _ => {
            let mut order = Vec::new();
            for (s, time) in ranked.order_by.iter().zip(times) {
                // Within a window arrival is what decides among equal rows anyway.
                if closes && *time == Some(TimeKind::Proctime) {
                    continue;
                }
                let column = add(&s.expr)?;
                let (descending, nulls_first) = (!s.asc, s.nulls_first);
                order.push(SortKey { column, descending, nulls_first });
            }
            Ok(ReduceKind::TopN { order, n: ranked.n, rank: ranked.rank && ranked.n > 1 })
        }
    }
}

/// What kind of time each column of the order is.
fn times(ranked: &Ranked, names: &dyn Names) -> Vec<Option<TimeKind>> {
    let source = &ranked.window.input;
    let facts = facts::columns(source, names);
    let time = |s: &Sort| match facts::trace(&s.expr, source) {
        Some(i) => facts[i].time,
        None => is_proctime(&s.expr).then_some(TimeKind::Proctime),
    };
    ranked.order_by.iter().map(time).collect()
}

/// Whether it is a deduplication that keeps the last row.
fn keeps_last(ranked: &Ranked, times: &[Option<TimeKind>]) -> bool {
    match (ranked.order_by.as_slice(), times) {
        ([by], [Some(_)]) => !by.asc && ranked.n == 1,
        _ => false,
    }
}

fn keep(by: &Sort) -> Keep {
    if by.asc { Keep::First } else { Keep::Last }
}

/// The Window below a plan that only passes columns on, and where each column stands in it.
fn window_below(plan: &LogicalPlan) -> Option<(&LogicalPlan, Vec<usize>)> {
    match plan {
        LogicalPlan::Window(w) => Some((plan, (0..w.schema.fields().len()).collect())),
        LogicalPlan::SubqueryAlias(a) => window_below(&a.input),
        LogicalPlan::Projection(p) => {
            let (window, places) = window_below(&p.input)?;
            let place = |e: &Expr| facts::trace(e, &p.input).map(|i| places[i]);
            Some((window, p.expr.iter().map(place).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

/// The only call, if it ranks rows.
fn ranking(window: &Window) -> Option<(String, WindowFunctionParams)> {
    let [expr] = window.window_expr.as_slice() else { return None };
    let Expr::WindowFunction(f) = expr.clone().unalias() else { return None };
    let WindowFunctionDefinition::WindowUDF(udf) = &f.fun else { return None };
    let ranks = [ROW_NUMBER, RANK, DENSE_RANK].contains(&udf.name());
    ranks.then(|| (udf.name().to_string(), f.params.clone()))
}

fn no_limit(name: &str) -> DataFusionError {
    let name = name.to_uppercase();
    error(
        format!("{name}() with a filter on it is not supported on a stream: use ROW_NUMBER()"),
        None,
    )
}

/// `rn = n`, `rn <= n`, `rn < n` and their mirror images on the column of the rank: the last rank
/// that passes, and whether all before it do.
fn rank_limit(
    expr: &Expr,
    plan: &LogicalPlan,
    rank: &dyn Fn(usize) -> bool,
) -> Option<(usize, bool)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = expr else { return None };
    let is_rank = |e: &Expr| facts::trace(&uncast(e), plan).is_some_and(rank);
    let literal = |e: &Expr| match uncast(e) {
        Expr::Literal(v, _) => integer(&v),
        _ => None,
    };
    let (op, n) = match (is_rank(left), is_rank(right)) {
        (true, false) => (*op, literal(right)?),
        (false, true) => (op.swap()?, literal(left)?),
        _ => return None,
    };
    match op {
        Operator::Eq if n > 0 => Some((n, n == 1)),
        Operator::LtEq if n > 0 => Some((n, true)),
        Operator::Lt if n > 1 => Some((n - 1, true)),
        _ => None,
    }
}

fn uncast(expr: &Expr) -> Expr {
    match expr {
        Expr::Cast(c) => uncast(&c.expr),
        other => other.clone(),
    }
}

fn integer(value: &ScalarValue) -> Option<usize> {
    match value.cast_to(&DataType::Int64) {
        Ok(ScalarValue::Int64(Some(v))) => usize::try_from(v).ok(),
        _ => None,
    }
}

//! Join: both sides mapped to their columns and keys, dealt by the keys, joined.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use brooklet_plan::node::{Clock, Expr as PlanExpr, JoinKind, JoinSpec, JoinTime, Retain};
use brooklet_plan::{Node, NodeId, NodeOp};
use datafusion::common::{JoinType, NullEquality, Result};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, Join, LogicalPlan};

use super::interval::Interval;
use super::needs::Need;
use super::rel::{self, Physical, Rel};
use super::{Lowering, either, error, interval, names_of, needs, window_join};

/// One input: its node, the columns of the query it holds, then key columns.
pub(super) struct Side {
    pub node: NodeId,
    pub width: usize,
    pub keys: Vec<usize>,
}

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &Join, plan: &LogicalPlan, need: Need) -> Result<Rel> {
        let known = unless_known(join);
        let join = known.as_ref().unwrap_or(join);
        let (kind, swap) = kind(join)?;
        let below = needs::of_inputs(plan, need, self.provider.names());
        let either = either::alternatives(join);
        let keys = if join.on.is_empty() { &either } else { &join.on };
        let on = |right: bool| -> Vec<Expr> {
            keys.iter().map(|(l, r)| if right { r.clone() } else { l.clone() }).collect()
        };
        let casts = self.key_casts(join)?;
        let mut left = self.side(&join.left, on(false), &[], below[0])?;
        let mut right = self.side(&join.right, on(true), &casts, below[1])?;
        for side in [&mut left, &mut right] {
            // Rows that are equal in either of several columns can only meet on one shard.
            let dealt_by = if join.on.is_empty() { &[] } else { side.keys.as_slice() };
            side.node = self.exchange(side.node, dealt_by, true);
        }
        let interval = interval::of(join, self.provider.names());
        let retain = match &interval {
            Some(interval) => interval.retain,
            None => self.retain(join)?,
        };
        let time = self.join_time(interval, [&left, &right])?;
        let (a, b, retain) = match swap {
            true => (&right, &left, [retain[1], retain[0]]),
            false => (&left, &right, retain),
        };
        let offset = self.plan.node(a.node).schema.fields().len();
        let mut places: Vec<Expr> = Vec::new();
        for (i, side) in [&left, &right].into_iter().enumerate() {
            let first = (i == 0) != swap;
            let start = if first { 0 } else { offset };
            places.extend((0..side.width).map(|c| rel::column(start + c)));
        }
        let node = self.join_node(join, kind, [a, b], (retain, time), &places)?;
        let width = plan.schema().fields().len();
        let exprs: Vec<Expr> = match kind {
            JoinKind::Semi | JoinKind::Anti => (0..width).map(rel::column).collect(),
            JoinKind::Mark => (0..left.width).chain([offset]).map(rel::column).collect(),
            _ => places,
        };
        Ok(Rel {
            node,
            filter: None,
            window: None,
            exprs,
            names: names_of(plan),
            label: self.plan.node(node).label.clone(),
        })
    }

    /// Types the right side's keys must be cast to.
    fn key_casts(&self, join: &Join) -> Result<Vec<Option<arrow::datatypes::DataType>>> {
        let cast = |(l, r): &(Expr, Expr)| {
            let to = l.get_type(join.left.schema())?;
            let from = r.get_type(join.right.schema())?;
            Ok((to != from).then_some(to))
        };
        join.on.iter().map(cast).collect()
    }

    pub(super) fn side(
        &mut self,
        input: &LogicalPlan,
        on: Vec<Expr>,
        casts: &[Option<arrow::datatypes::DataType>],
        need: Need,
    ) -> Result<Side> {
        let mut rel = self.lower(input, need)?;
        let width = rel.exprs.len();
        let columns = rel.exprs.clone();
        let mut keys = Vec::new();
        for (i, e) in on.into_iter().enumerate() {
            let mut key = rel::substitute(e, input.schema(), &columns)?;
            if let Some(Some(ty)) = casts.get(i) {
                key = Expr::Cast(Cast::new(Box::new(key), ty.clone()));
            }
            let known = rel.exprs.iter().position(|old| *old == key);
            keys.push(known.unwrap_or(rel.exprs.len()));
            if known.is_none() {
                rel.names.push(format!("$key{i}"));
                rel.exprs.push(key);
            }
        }
        if rel.exprs.is_empty() {
            // Rows without columns could not be counted.
            rel.exprs.push(rel::bigint(0));
            rel.names.push("$row".into());
        }
        let node = self.emit(&rel, need)?;
        Ok(Side { node, width, keys })
    }

    /// Rows of closed windows can meet nothing more when both sides are joined on the window's
    /// end; otherwise the state's TTL decides.
    fn retain(&self, join: &Join) -> Result<[Retain; 2]> {
        let names = self.provider.names();
        if let Some(close) = window_join::of(join, names).filter(|c| c.clock != Clock::Now) {
            // No wall is further behind.
            let after_ms = if close.clock == Clock::Watermark { 0 } else { 86_400_000 };
            return Ok(close.window_ends.map(|column| Retain::UntilWatermark { column, after_ms }));
        }
        let of = |ttl: Option<i64>| ttl.map_or(Retain::Forever, |ms| Retain::Idle { ms });
        Ok([of(self.ttl_of(&join.left)?), of(self.ttl_of(&join.right)?)])
    }

    fn join_time(&self, interval: Option<Interval>, sides: [&Side; 2]) -> Result<JoinTime> {
        let Some(interval) = interval else { return Ok(JoinTime::Any) };
        let nodes = sides.map(|side| side.node);
        if !nodes.iter().all(|id| self.plan.node(*id).append_only) {
            let message = "a join on an interval of time does not take rows that are updated";
            return Err(error(message, None));
        }
        let late = match self.is_one_scan(nodes) {
            true => nodes.map(|id| self.plan.node(id).late),
            false => [None, None],
        };
        Ok(JoinTime::Interval { late, lag_ms: interval.lag_ms })
    }

    fn join_node(
        &mut self,
        join: &Join,
        kind: JoinKind,
        sides: [&Side; 2],
        (retain, time): ([Retain; 2], JoinTime),
        places: &[Expr],
    ) -> Result<NodeId> {
        let [a, b] = sides.map(|s| self.plan.node(s.node).clone());
        let one_sided = matches!(kind, JoinKind::Semi | JoinKind::Anti | JoinKind::Mark);
        let fields = a.schema.fields().iter().chain(b.schema.fields());
        let nullable = |f: &FieldRef| f.as_ref().clone().with_nullable(true);
        let both = Arc::new(Schema::new(fields.map(nullable).collect::<Vec<Field>>()));
        let filter = condition(join, &both, places)?;
        let offset = a.schema.fields().len();
        let (mut ord, mut fields) = (a.ord.clone(), both.fields().to_vec());
        match one_sided {
            true => {
                fields.truncate(offset);
                let mark = Field::new("mark", arrow::datatypes::DataType::Boolean, false);
                fields.extend((kind == JoinKind::Mark).then(|| Arc::new(mark)));
            }
            false => ord.extend(b.ord.iter().map(|i| offset + i)),
        }
        // Where either column may be equal, neither says which row is met.
        let met = |side: &Side| if join.on.is_empty() { vec![] } else { side.keys.clone() };
        let key = match one_sided {
            true => a.key.clone(),
            false => key([&a, &b], sides.map(met), kind),
        };
        let in_interval = matches!(time, JoinTime::Interval { .. });
        let on_close = window_join::of_sides(join, self.provider.names());
        let insert_only = in_interval || matches!(kind, JoinKind::Inner | JoinKind::Semi);
        let pairs: Vec<(usize, usize)> =
            sides[0].keys.iter().copied().zip(sides[1].keys.iter().copied()).collect();
        let nulls_match = join.null_equality == NullEquality::NullEqualsNull && !join.on.is_empty();
        let (on, either) = if join.on.is_empty() { (vec![], pairs) } else { (pairs, vec![]) };
        let node = Node {
            schema: Arc::new(Schema::new(fields)),
            append_only: on_close.is_some() || insert_only && a.append_only && b.append_only,
            key,
            ord,
            late: if on_close.is_some() { None } else { a.late },
            op: NodeOp::Join(JoinSpec {
                kind,
                on,
                nulls_match,
                either,
                filter,
                retain,
                time,
                on_close,
            }),
            inputs: vec![sides[0].node, sides[1].node],
            fingerprint: 0,
            label: label(join, kind),
        };
        let dealt = match outer_right(kind) {
            true => None,
            false if join.on.is_empty() => Some(vec![]),
            false => Some(sides[0].keys.clone()),
        };
        Ok(self.push(node, dealt))
    }
}

/// Columns that identify a pair of rows: those of one side where a row of it meets one row at most,
/// by the columns on which they meet.
fn key([a, b]: [&Node; 2], met: [Vec<usize>; 2], kind: JoinKind) -> Option<Vec<usize>> {
    let offset = a.schema.fields().len();
    let shift = |k: &Vec<usize>| k.iter().map(|i| offset + i).collect::<Vec<_>>();
    let covers = |side: &Node, met: &[usize]| {
        side.key.as_ref().is_some_and(|k| k.iter().all(|c| met.contains(c)))
    };
    match (&a.key, &b.key) {
        (Some(k), _) if covers(b, &met[1]) && !outer_right(kind) => Some(k.clone()),
        (_, Some(k)) if covers(a, &met[0]) && !outer_left(kind) => Some(shift(k)),
        (Some(l), Some(r)) => Some(l.iter().copied().chain(shift(r)).collect()),
        _ => None,
    }
}

/// What pairs of rows must fulfil beside the equalities, over the columns of both.
fn condition(join: &Join, both: &SchemaRef, places: &[Expr]) -> Result<Option<PlanExpr>> {
    let Some(filter) = &join.filter else { return Ok(None) };
    let schema = join.left.schema().join(join.right.schema())?;
    let filter = rel::substitute(filter.clone(), &schema, places)?;
    let scope = rel::scope(both, None)?;
    Physical { schema: both, scope: &scope, needs_now: false }.expr(&filter).map(Some)
}

fn outer_right(kind: JoinKind) -> bool {
    matches!(kind, JoinKind::Right | JoinKind::Full)
}

fn outer_left(kind: JoinKind) -> bool {
    matches!(kind, JoinKind::Left | JoinKind::Full)
}

/// The kind, and whether the sides change places.
fn kind(join: &Join) -> Result<(JoinKind, bool)> {
    Ok(match join.join_type {
        JoinType::Inner => (JoinKind::Inner, false),
        JoinType::Left => (JoinKind::Left, false),
        JoinType::Right => (JoinKind::Right, false),
        JoinType::Full => (JoinKind::Full, false),
        JoinType::LeftSemi => (JoinKind::Semi, false),
        JoinType::RightSemi => (JoinKind::Semi, true),
        JoinType::LeftAnti => (JoinKind::Anti, false),
        JoinType::RightAnti => (JoinKind::Anti, true),
        JoinType::LeftMark => (JoinKind::Mark, false),
        JoinType::RightMark => return Err(error("RIGHT MARK JOIN is not supported", None)),
    })
}

/// NOT IN: a row stays unless one equals it, or may do so because one of both is NULL.
fn unless_known(join: &Join) -> Option<Join> {
    let mut join = join.null_aware.then(|| join.clone())?;
    if !join.on.is_empty() {
        let (l, r) = join.on.remove(0);
        let unknown = Expr::IsNotFalse(Box::new(l.eq(r)));
        join.filter = Some(join.filter.take().into_iter().fold(unknown, Expr::and));
    } else if let Some(filter) = join.filter.take() {
        join.filter = Some(Expr::IsNotFalse(Box::new(filter)));
    }
    join.null_aware = false;
    Some(join)
}

fn label(join: &Join, kind: JoinKind) -> String {
    let on: Vec<String> = join.on.iter().map(|(l, r)| format!("{l} = {r}")).collect();
    let kind = format!("{kind:?}").to_uppercase();
    let either = either::alternatives(join);
    let either: Vec<String> = either.iter().map(|(l, r)| format!("{l} = {r}")).collect();
    match (on.is_empty(), either.is_empty()) {
        (true, true) => format!("{kind} JOIN without an equality"),
        (true, false) => format!("{kind} JOIN ON {}", either.join(" OR ")),
        (false, _) => format!("{kind} JOIN ON {}", on.join(" AND ")),
    }
}

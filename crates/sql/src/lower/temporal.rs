//! A temporal join in event time: the left side's rows wait in a Gate, the right side's rows are
//! versions of their key.
//!
//! Versions are the rows as they arrive: what makes a table of them (`Upserts`, the newest row by
//! ROW_NUMBER) would keep only the last of an epoch, so it is left out here.

use std::sync::Arc;

use arrow::datatypes::{Field, FieldRef, Schema};
use brooklet_plan::node::{
    GateSpec, JoinKind, JoinSpec, JoinTime, ReduceKind, Retain, VersionSpec,
};
use brooklet_plan::{Node, NodeId, NodeOp};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{JoinType, Result, Span};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, Join, LogicalPlan};

use super::join::Side;
use super::needs::Need;
use super::rel::{self, Physical, Rel};
use super::{Lowering, error, names_of, needs};
use crate::query::as_of::{self, as_as_of};

/// Where versions come from.
struct Versions {
    /// Their rows; `exprs` of `Versions` are over its columns.
    rel: Rel,
    /// What identifies a row at any moment: columns of `rel`'s node.
    key: Vec<usize>,
    newest_only: bool,
    /// Filters of a view keep rows away, which are no versions then.
    drops: bool,
    exprs: Vec<Expr>,
    /// What a version must fulfil to be met.
    filter: Vec<Expr>,
}

impl Lowering<'_> {
    pub(super) fn temporal(&mut self, join: &Join, plan: &LogicalPlan, need: Need) -> Result<Rel> {
        let place = as_of::right_of(join).and_then(|versions| versions.place.0);
        let Some((times, rest)) = as_of::split_times(join) else {
            return Err(error("FOR SYSTEM_TIME AS OF stands on the right side of a join", place));
        };
        let below = needs::of_inputs(plan, need, self.provider.names());
        let mut versions = self.versions(&join.right, below[1], place)?;
        let on = join.on.iter().map(|(l, _)| l.clone()).collect();
        let mut left = self.side(&join.left, on, &[], below[0])?;
        let mut right = self.version_side(join, &mut versions, below[1], place)?;
        left.node = self.exchange(left.node, &left.keys, true);
        right.node = self.exchange(right.node, &right.keys, true);
        let time = |e: &Expr, plan: &LogicalPlan| match e {
            Expr::Column(c) => plan.schema().index_of_column(c),
            _ => Err(error("a time attribute is a column", place)),
        };
        let left_time = time(times[0], &join.left)?;
        let right_time = rel::position(&versions.exprs[time(times[1], &join.right)?])
            .ok_or_else(|| error("a version's time is a column of its table", place))?;
        left.node = self.gate([left.node, right.node], left_time)?;
        let sides = [left.node, right.node].map(|id| self.plan.node(id).clone());
        let late = match self.is_one_scan([left.node, right.node]) {
            true => [sides[0].late, sides[1].late],
            false => [None, None],
        };
        let spec =
            VersionSpec { times: [left_time, right_time], late, newest_only: versions.newest_only };
        let offset = sides[0].schema.fields().len();
        let mut places: Vec<Expr> = (0..left.width).map(rel::column).collect();
        for e in &versions.exprs {
            places.push(shifted(e, offset)?);
        }
        let schema = join.left.schema().join(join.right.schema())?;
        let mut filter = Vec::new();
        for e in rest {
            filter.push(rel::substitute(e, &schema, &places)?);
        }
        for e in &versions.filter {
            filter.push(shifted(e, offset)?);
        }
        let node = self.temporal_node(join, [&left, &right], filter, spec)?;
        let label = self.plan.node(node).label.clone();
        Ok(Rel { node, filter: None, window: None, exprs: places, names: names_of(plan), label })
    }

    fn temporal_node(
        &mut self,
        join: &Join,
        sides: [&Side; 2],
        filter: Vec<Expr>,
        spec: VersionSpec,
    ) -> Result<NodeId> {
        let [a, b] = sides.map(|side| self.plan.node(side.node).clone());
        let fields = a.schema.fields().iter().chain(b.schema.fields());
        let nullable = |f: &FieldRef| f.as_ref().clone().with_nullable(true);
        let both = Arc::new(Schema::new(fields.map(nullable).collect::<Vec<Field>>()));
        let scope = rel::scope(&both, None)?;
        let physical = Physical { schema: &both, scope: &scope, needs_now: false };
        let filter = filter.into_iter().reduce(Expr::and);
        let filter = filter.map(|f| physical.expr(&f)).transpose()?;
        let kind = match join.join_type {
            JoinType::Left => JoinKind::Left,
            _ => JoinKind::Inner,
        };
        let retain = self.ttl()?.map_or(Retain::Forever, |ms| Retain::Idle { ms });
        let on = sides[0].keys.iter().copied().zip(sides[1].keys.iter().copied()).collect();
        let on_text: Vec<String> = join.on.iter().map(|(l, r)| format!("{l} = {r}")).collect();
        let node = Node {
            schema: both,
            append_only: true,
            key: a.key.clone(),
            ord: a.ord.clone(),
            late: a.late,
            op: NodeOp::Join(JoinSpec {
                kind,
                on,
                nulls_match: false,
                either: vec![],
                filter,
                retain: [retain, retain],
                time: JoinTime::Versions(spec),
                on_close: None,
            }),
            inputs: vec![sides[0].node, sides[1].node],
            fingerprint: 0,
            label: format!("temporal JOIN ON {}", on_text.join(" AND ")),
        };
        Ok(self.push(node, Some(sides[0].keys.clone())))
    }

    /// Rows that wait for the watermark of both: a version of their time may still come.
    fn gate(&mut self, [input, beside]: [NodeId; 2], time: usize) -> Result<NodeId> {
        let below = self.plan.node(input).clone();
        if !below.append_only {
            let message = "a temporal join in event time does not take a left side whose rows are \
                           updated: join the changes as they come, or aggregate behind the join";
            return Err(error(message, None));
        }
        let node = Node {
            op: NodeOp::Gate(GateSpec { time: Some(time), order: None }),
            inputs: vec![input, beside],
            label: format!("{} until the watermark", below.label),
            ..below
        };
        let dealt = self.dealt[input].clone();
        Ok(self.push(node, dealt))
    }

    /// Whether all rows come from one scan: then each row's watermark is that of all.
    pub(super) fn is_one_scan(&self, nodes: [NodeId; 2]) -> bool {
        let mut scans = std::collections::BTreeSet::new();
        let mut open: Vec<NodeId> = nodes.to_vec();
        while let Some(id) = open.pop() {
            let node = self.plan.node(id);
            match node.op {
                NodeOp::Scan(_) => {
                    scans.insert(id);
                }
                _ => open.extend(&node.inputs),
            }
        }
        scans.len() == 1
    }

    /// The node of versions with the columns of the join's keys, and that all of the key is there.
    fn version_side(
        &mut self,
        join: &Join,
        versions: &mut Versions,
        need: Need,
        place: Option<Span>,
    ) -> Result<Side> {
        let (mut keys, mut plain) = (Vec::new(), Vec::new());
        for (l, r) in &join.on {
            let (to, from) = (l.get_type(join.left.schema())?, r.get_type(join.right.schema())?);
            let mut key = rel::substitute(r.clone(), join.right.schema(), &versions.exprs)?;
            if to != from {
                key = Expr::Cast(Cast::new(Box::new(key), to));
            }
            let at = rel::position(&key);
            plain.extend(at.and_then(|i| rel::position(&versions.rel.exprs[i])));
            keys.push(at.unwrap_or(versions.rel.exprs.len()));
            if at.is_none() {
                let below = over(&key, &versions.rel.exprs)?;
                versions.rel.names.push(format!("$key{}", keys.len()));
                versions.rel.exprs.push(below);
            }
        }
        if join.on.is_empty() || !versions.key.iter().all(|column| plain.contains(column)) {
            let message = "a temporal join in event time compares the whole primary key of the \
                           versioned table (of a view: the PARTITION BY of its ROW_NUMBER) with \
                           columns of the left side, with = and AND";
            return Err(error(message, place));
        }
        let width = versions.rel.exprs.len();
        let node = self.emit(&versions.rel, need)?;
        Ok(Side { node, width, keys })
    }

    /// What stands between the join and the rows that are versions.
    fn versions(
        &mut self,
        plan: &LogicalPlan,
        need: Need,
        place: Option<Span>,
    ) -> Result<Versions> {
        match plan {
            LogicalPlan::SubqueryAlias(a) => self.versions(&a.input, need, place),
            LogicalPlan::Extension(_) if as_as_of(plan).is_some() => {
                let inputs = plan.inputs();
                let mut versions = self.versions(inputs[0], need, place)?;
                versions.drops = false;
                Ok(versions)
            }
            LogicalPlan::Projection(p) => {
                let below = self.versions(&p.input, need, place)?;
                let schema = p.input.schema();
                let new = p.expr.iter().map(|e| rel::substitute(e.clone(), schema, &below.exprs));
                Ok(Versions { exprs: new.collect::<Result<_>>()?, ..below })
            }
            LogicalPlan::Filter(f) => {
                self.ranking = Some(vec![]);
                let ranked = self.rank(f, &|_| true, need);
                let found = self.ranking.take().filter(|keys| !keys.is_empty());
                if let Some(mut rel) = ranked? {
                    let filter = rel.filter.take();
                    let kept = match &self.plan.node(rel.node).op {
                        NodeOp::Reduce(spec) if is_first(&spec.kind) => Some(spec.keys.clone()),
                        _ => None,
                    };
                    let newest_only = found.is_some();
                    let key = found.or(kept).ok_or_else(|| not_versioned(place))?;
                    return Ok(Versions {
                        filter: filter.into_iter().collect(),
                        ..versions_of(rel, key, newest_only)
                    });
                }
                let mut below = self.versions(&f.input, need, place)?;
                let new = rel::substitute(f.predicate.clone(), f.input.schema(), &below.exprs)?;
                match below.drops {
                    true => {
                        let new = over(&new, &below.rel.exprs)?;
                        below.rel.filter = Some(match below.rel.filter.take() {
                            Some(old) => old.and(new),
                            None => new,
                        });
                    }
                    false => below.filter.push(new),
                }
                Ok(below)
            }
            LogicalPlan::TableScan(scan) => {
                let mut rel = self.scan(scan)?;
                while !matches!(self.plan.node(rel.node).op, NodeOp::Scan(_)) {
                    rel.node = self.plan.node(rel.node).inputs[0];
                }
                let node = self.plan.node(rel.node);
                let key = node.key.clone().ok_or_else(|| not_versioned(place))?;
                let drops = node.append_only;
                Ok(Versions { drops, ..versions_of(rel, key, false) })
            }
            _ => Err(not_versioned(place)),
        }
    }
}

fn versions_of(rel: Rel, key: Vec<usize>, newest_only: bool) -> Versions {
    let exprs = (0..rel.exprs.len()).map(rel::column).collect();
    Versions { rel, key, newest_only, drops: false, exprs, filter: vec![] }
}

fn is_first(kind: &ReduceKind) -> bool {
    use brooklet_plan::node::Keep;
    matches!(kind, ReduceKind::Dedup { keep: Keep::First, time: Some(_) })
}

fn not_versioned(place: Option<Span>) -> datafusion::common::DataFusionError {
    let message = "a table as of an event time has a PRIMARY KEY and a WATERMARK; a view is one row \
                   per key: a filter on ROW_NUMBER() OVER (PARTITION BY key ORDER BY the event time \
                   DESC) = 1";
    error(message, place)
}

/// An expression over positions, with each column replaced by the expression at its position.
fn over(expr: &Expr, by: &[Expr]) -> Result<Expr> {
    replaced(expr, |i| by.get(i).cloned())
}

/// The same expression over columns that stand further behind.
fn shifted(expr: &Expr, offset: usize) -> Result<Expr> {
    replaced(expr, |i| Some(rel::column(offset + i)))
}

fn replaced(expr: &Expr, by: impl Fn(usize) -> Option<Expr>) -> Result<Expr> {
    let new = expr.clone().transform_up(|e| match &e {
        Expr::Column(_) => Ok(match rel::position(&e).and_then(&by) {
            Some(new) => Transformed::yes(new),
            None => Transformed::no(e),
        }),
        _ => Ok(Transformed::no(e)),
    })?;
    Ok(new.data)
}

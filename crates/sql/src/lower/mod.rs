//! Logical plans to one streaming plan: one file per kind of node.
//!
//! [`needs`] finds what each table is read for, [`scan`] makes one Scan of it, the others lower
//! their node over a [`rel::Rel`], [`sink`] closes the graph, [`structs`] prunes ROWs.

pub mod facts;

mod aggregate;
mod aggregate_calls;
mod deviation;
mod either;
mod fingerprint;
mod firing;
mod grouping_sets;
mod interval;
mod join;
mod letters;
mod lookup;
mod needs;
mod order;
mod over;
mod pattern;
mod rank;
mod rel;
mod scan;
mod session;
mod shared;
mod sink;
mod slices;
mod staging;
mod structs;
mod temporal;
mod union;
mod unnest;
mod watermark;
mod whole;
mod window;
mod window_join;
mod within;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use brooklet_core::connector::{Connector, Format};
use brooklet_plan::node::ExchangeSpec;
use brooklet_plan::{Node, NodeId, NodeOp, Settings, StreamPlan};
use datafusion::common::{DataFusionError, Diagnostic, JoinType, Result, ScalarValue, Span};
use datafusion::logical_expr::{Distinct, EmptyRelation, Expr, Limit, LogicalPlan, Projection};

use crate::query::pattern::as_pattern;
use crate::query::window_tvf::{as_unnest, as_window};
use crate::query::{Provider, as_of, temporal as times};
use needs::{Need, Wanted};
use rel::Rel;

pub use rel::sql_type;
pub use sink::{COLLECT, Conflict, Target};

/// What the outside offers to a plan.
#[derive(Clone, Copy)]
pub struct Offers {
    pub connectors: &'static [Connector],
    pub formats: &'static [Format],
}

/// One query and where its rows go.
pub struct Job {
    pub plan: LogicalPlan,
    /// Where the statement stands.
    pub span: sqlparser::tokenizer::Span,
    pub target: Target,
}

/// Lowers all jobs into one graph; an error comes with the number of its job.
pub fn lower(
    provider: &Provider,
    settings: &Settings,
    offers: Offers,
    jobs: &[Job],
) -> Result<StreamPlan, Vec<(usize, DataFusionError)>> {
    let mut wanted = BTreeMap::new();
    let need = sink::need(jobs, offers, settings);
    for job in jobs {
        needs::collect(&job.plan, need, provider.names(), &mut wanted);
    }
    let mut it = Lowering {
        plan: StreamPlan::default(),
        provider,
        settings,
        offers,
        need,
        wanted,
        scans: BTreeMap::new(),
        done: Vec::new(),
        dealt: Vec::new(),
        made: BTreeMap::new(),
        ends: BTreeSet::new(),
        ranking: None,
    };
    let (mut inputs, mut errors) = (Vec::new(), Vec::new());
    for (number, job) in jobs.iter().enumerate() {
        match it.job(job) {
            Ok(node) => inputs.push(node),
            Err(e) => errors.push((number, located(e, job.target.at))),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    it.sinks(jobs, inputs).map_err(|e| vec![(0, e)])?;
    lookup::check_written(&it.plan).map_err(|e| vec![(0, e)])?;
    whole::check_ends(&it.plan, offers, settings).map_err(|e| vec![(0, e)])?;
    within::check(&it.plan).map_err(|e| vec![(0, e)])?;
    structs::prune(&mut it.plan);
    fingerprint::fill(&mut it.plan, &settings.text("table.local-time-zone"));
    let brought = provider.names().functions();
    let costly = brought.iter().map(|function| function.name().to_lowercase()).collect();
    shared::calls(&mut it.plan, &costly).map_err(|e| vec![(0, e)])?;
    Ok(it.plan)
}

/// The graph so far.
struct Lowering<'a> {
    plan: StreamPlan,
    provider: &'a Provider<'a>,
    settings: &'a Settings,
    offers: Offers,
    /// Of every query's rows.
    need: Need,
    wanted: BTreeMap<String, Wanted>,
    scans: BTreeMap<String, NodeId>,
    /// Sub-plans that were lowered: equal ones are shared.
    done: Vec<(LogicalPlan, Need, Rel)>,
    /// Per node, the columns whose hash says on which shard a row is; `None` where nothing does.
    dealt: Vec<Option<Vec<usize>>>,
    /// Nodes by what they compute.
    made: BTreeMap<String, NodeId>,
    /// Nodes that feed a sink: their columns carry its names.
    ends: BTreeSet<NodeId>,
    /// Set where the newest row of each key is wanted as versions: the keys, once they are known.
    ranking: Option<Vec<usize>>,
}

impl Lowering<'_> {
    fn lower(&mut self, plan: &LogicalPlan, need: Need) -> Result<Rel> {
        let need = need.over(plan);
        let known = self.done.iter().find(|(p, n, _)| *n == need && p == plan);
        if let Some((_, _, rel)) = known {
            return Ok(rel.clone());
        }
        let rel = self.lower_new(plan, need)?;
        self.done.push((plan.clone(), need, rel.clone()));
        Ok(rel)
    }

    fn lower_new(&mut self, plan: &LogicalPlan, need: Need) -> Result<Rel> {
        match plan {
            LogicalPlan::TableScan(scan) if times::is_as_of(scan) => Err(error(
                "FOR SYSTEM_TIME AS OF stands on the right side of JOIN or LEFT JOIN",
                times::place(scan),
            )),
            LogicalPlan::TableScan(scan) => self.scan(scan),
            LogicalPlan::Projection(p) => {
                let rel = self.below_projection(p, need)?;
                self.project(rel, &p.expr, plan, need)
            }
            LogicalPlan::SubqueryAlias(a) => {
                let mut rel = self.lower(&a.input, need)?;
                rel.names = names_of(plan);
                Ok(rel)
            }
            LogicalPlan::Filter(f) => match self.rank(f, &|_| true, need)? {
                Some(rel) => Ok(rel),
                None => {
                    let rel = self.lower(&f.input, need)?;
                    self.filter(rel, &f.predicate, &f.input, need)
                }
            },
            LogicalPlan::Aggregate(a) => self.aggregate(a, plan, need),
            LogicalPlan::Join(j) => match times::looked_up(j) {
                Some(scan) if matches!(j.join_type, JoinType::Inner | JoinType::Left) => {
                    self.lookup(j, scan, plan, need)
                }
                _ if as_of::right_of(j).is_some() => self.temporal(j, plan, need),
                _ => self.join(j, plan, need),
            },
            LogicalPlan::Union(u) => self.union(u, plan, need),
            LogicalPlan::Values(v) => self.values(v, plan, need),
            LogicalPlan::EmptyRelation(e) => self.empty(e, plan, need),
            LogicalPlan::Limit(l) => match &*l.input {
                // ORDER BY a column that is not selected.
                LogicalPlan::Projection(p) if matches!(&*p.input, LogicalPlan::Sort(_)) => {
                    let limit = Limit { input: Arc::clone(&p.input), ..l.clone() };
                    let input = Arc::new(LogicalPlan::Limit(limit));
                    let (exprs, schema) = (p.expr.clone(), Arc::clone(&p.schema));
                    let above = Projection::try_new_with_schema(exprs, input, schema)?;
                    self.lower(&LogicalPlan::Projection(above), need)
                }
                _ => self.limit(l, need),
            },
            LogicalPlan::Distinct(Distinct::All(input)) => self.lower(input, need),
            LogicalPlan::Extension(e) => match (as_window(e), as_unnest(e)) {
                (Some(tvf), _) => self.window(tvf, need),
                (_, Some(it)) => self.unnest(it, plan, need),
                _ if as_pattern(e).is_some() => self.pattern(e, plan, need),
                _ => Err(error(format!("{} is not supported", e.node.name()), None)),
            },
            // A table has no order: only what stands around the query can keep one.
            LogicalPlan::Sort(s) if self.settings.is_batch() => {
                let mut rel = self.lower(&s.input, need)?;
                rel.names = names_of(plan);
                Ok(rel)
            }
            LogicalPlan::Sort(s) => self.sort(s, need),
            LogicalPlan::Window(w) => self.over(w, plan, need),
            other => {
                let text = other.display().to_string();
                let name = text.split(':').next().unwrap_or_default();
                Err(error(format!("{name} is not supported in a streaming query"), None))
            }
        }
    }

    /// A ranked input computes the rank only if the projection reads it.
    fn below_projection(&mut self, p: &Projection, need: Need) -> Result<Rel> {
        if let LogicalPlan::Filter(f) = &*p.input {
            let schema = f.input.schema();
            let refs = || p.expr.iter().flat_map(|e| e.column_refs());
            let used = |i: usize| refs().any(|c| schema.index_of_column(c).is_ok_and(|at| at == i));
            if let Some(rel) = self.rank(f, &used, need)? {
                return Ok(rel);
            }
        }
        self.lower(&p.input, need)
    }

    /// One row without columns, or none of the columns that it would have.
    fn empty(&mut self, e: &EmptyRelation, plan: &LogicalPlan, need: Need) -> Result<Rel> {
        let mut rel = self.rows(usize::from(e.produce_one_row))?;
        if !e.produce_one_row {
            let null = |f: &arrow::datatypes::FieldRef| {
                Ok(Expr::Literal(ScalarValue::try_from(f.data_type())?, None))
            };
            rel.exprs = e.schema.fields().iter().map(null).collect::<Result<_>>()?;
            rel.names = names_of(plan);
        }
        if !need.ord {
            return Ok(rel);
        }
        let (names, label) = (rel.names.clone(), rel.label.clone());
        let node = self.written(rel, 0, need)?;
        Ok(Rel { names, ..Rel::of_node(&self.plan, node, label) })
    }

    /// A projection over `rel`, in the same Map unless that would compute something twice.
    fn project(&mut self, rel: Rel, exprs: &[Expr], plan: &LogicalPlan, need: Need) -> Result<Rel> {
        let LogicalPlan::Projection(p) = plan else { return Ok(rel) };
        let schema = p.input.schema();
        let mut uses = vec![0usize; rel.exprs.len()];
        for e in exprs {
            for c in e.column_refs() {
                if let Ok(i) = schema.index_of_column(c) {
                    uses[i] += 1;
                }
            }
        }
        let twice = uses.iter().zip(&rel.exprs).any(|(n, e)| *n > 1 && !rel::is_cheap(e));
        let rel = if twice { self.settle(rel, need)? } else { rel };
        let new = exprs.iter().map(|e| {
            let made = rel::substitute(e.clone(), schema, &rel.exprs)?;
            self.with_watermark(e, made, &p.input, &rel)
        });
        let new = new.collect::<Result<_>>()?;
        Ok(Rel { exprs: new, names: names_of(plan), ..rel })
    }

    /// A filter over `rel`; it runs before the window assignment and the projection of its Map.
    fn filter(
        &mut self,
        rel: Rel,
        predicate: &Expr,
        input: &LogicalPlan,
        need: Need,
    ) -> Result<Rel> {
        let schema = input.schema();
        let refs = predicate.column_refs();
        let indices: Vec<usize> =
            refs.iter().filter_map(|c| schema.index_of_column(c).ok()).collect();
        let costly = indices.iter().any(|i| rel.exprs.get(*i).is_some_and(|e| !rel::is_cheap(e)));
        let bounds = |e: &Expr| (0..3).any(|i| *e == rel::window_column(i));
        let after = indices.iter().any(|i| rel.exprs.get(*i).is_some_and(bounds));
        let mut rel = if costly || after { self.settle(rel, need)? } else { rel };
        let new = rel::substitute(predicate.clone(), schema, &rel.exprs)?;
        let new = self.with_watermark(predicate, new, input, &rel)?;
        rel.filter = Some(match rel.filter.take() {
            Some(old) => old.and(new),
            None => new,
        });
        Ok(rel)
    }

    /// Makes the Map of `rel` and starts anew above it.
    fn settle(&mut self, rel: Rel, need: Need) -> Result<Rel> {
        let names = rel.names.clone();
        let label = rel.label.clone();
        let node = self.emit(&rel, need)?;
        Ok(Rel { names, ..Rel::of_node(&self.plan, node, label) })
    }

    fn emit(&mut self, rel: &Rel, need: Need) -> Result<NodeId> {
        let node = rel.emit(&mut self.plan, need)?;
        if node < self.dealt.len() {
            return Ok(node);
        }
        let below = self.dealt[rel.node].clone();
        self.dealt.push(below.and_then(|keys| rel.carried(&keys)));
        Ok(self.once(node))
    }

    /// The node that was just added, or the one like it that was there before.
    fn once(&mut self, node: NodeId) -> NodeId {
        let text = fingerprint::identity(self.plan.node(node));
        match self.made.get(&text) {
            Some(before) => {
                self.plan.nodes.pop();
                self.dealt.pop();
                *before
            }
            None => {
                self.made.insert(text, node);
                node
            }
        }
    }

    /// The same, with a Map even if only names change.
    fn emit_always(&mut self, rel: &Rel, need: Need) -> Result<NodeId> {
        let node = rel.emit_always(&mut self.plan, need)?;
        let below = self.dealt[rel.node].clone();
        self.dealt.push(below.and_then(|keys| rel.carried(&keys)));
        Ok(node)
    }

    fn push(&mut self, node: Node, dealt: Option<Vec<usize>>) -> NodeId {
        self.dealt.push(dealt);
        let node = self.plan.push(node);
        self.once(node)
    }

    /// Rows of equal `keys` on one shard: an Exchange, unless they are there already. `exact`:
    /// both sides of a join must be dealt by the same columns in the same order.
    fn exchange(&mut self, input: NodeId, keys: &[usize], exact: bool) -> NodeId {
        let there = match &self.dealt[input] {
            Some(by) if exact => by == keys,
            Some(by) => by.iter().all(|k| keys.contains(k)),
            None => false,
        };
        if there {
            return input;
        }
        let below = self.plan.node(input);
        let node = Node {
            op: NodeOp::Exchange(ExchangeSpec { keys: keys.to_vec() }),
            inputs: vec![input],
            ..below.clone()
        };
        self.push(node, Some(keys.to_vec()))
    }
}

/// An error without a place points at the job's table.
fn located(e: DataFusionError, at: Option<Span>) -> DataFusionError {
    if at.is_none() || e.diagnostic().is_some_and(|d| d.span.is_some()) {
        return e;
    }
    let message = match e.find_root() {
        DataFusionError::Plan(text) | DataFusionError::NotImplemented(text) => text.clone(),
        _ => return e,
    };
    e.with_diagnostic(Diagnostic::new_error(message, at))
}

/// Output names of a logical plan.
fn names_of(plan: &LogicalPlan) -> Vec<String> {
    plan.schema().fields().iter().map(|f| f.name().clone()).collect()
}

/// A planning error that may point at a place.
fn error(message: impl Into<String>, place: Option<Span>) -> DataFusionError {
    let message = message.into();
    let plain = DataFusionError::Plan(message.clone());
    match place {
        Some(_) => plain.with_diagnostic(Diagnostic::new_error(message, place)),
        None => plain,
    }
}

//! What the simulation has met: a zero where something could have been met is a hole in the test.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use brooklet_core::env::CrashPoint;
use brooklet_plan::node::{Emit, JoinTime, Keep, NodeOp, ReduceKind, StreamPlan};
use brooklet_plan::over::OverOrder;

/// Crashes by node kind of the plan, point, and whether the restart had another shard count.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    crashes: BTreeMap<(String, &'static str, bool), u32>,
    kinds: BTreeSet<String>,
    pub cases: u32,
    pub fenced: u32,
    pub sleepers: u32,
    pub lost_answers: u32,
    pub torn: u32,
    pub repeated: u32,
    pub late: u64,
}

/// All that a plan can be made of.
const KINDS: [&str; 39] = [
    "Scan",
    "Map",
    "Exchange",
    "Union",
    "Sink",
    "Reduce window",
    "Reduce global append",
    "Reduce global updating",
    "Reduce keyed append",
    "Reduce keyed updating",
    "Reduce top-n append",
    "Reduce keep-first",
    "Reduce keep-first by time",
    "Reduce keep-last",
    "Reduce over time",
    "Reduce over sorted",
    "Reduce pattern",
    "Join Inner",
    "Reduce slices",
    "Reduce session",
    "Reduce session rows",
    "Reduce window top-n",
    "Join window Inner",
    "Join window Left",
    "Join window Right",
    "Join window Full",
    "Join window Semi",
    "Join window Anti",
    "Join Left",
    "Join Right",
    "Join Full",
    "Join Semi",
    "Join Anti",
    "Join Left interval",
    "Join Full interval",
    "Join Left versions",
    "Gate",
    "Lookup append",
    "Lookup updating",
];

/// The kinds of a plan's nodes, Reduce and Join by what they do.
pub fn kinds(plan: &StreamPlan) -> BTreeSet<String> {
    let kind = |node: &brooklet_plan::Node| match &node.op {
        NodeOp::Reduce(spec) => {
            let input = match plan.node(node.inputs[0]).append_only {
                true => "append",
                false => "updating",
            };
            match (&spec.kind, spec.emit) {
                (ReduceKind::Aggregate { .. }, Emit::OnClose { .. }) => "Reduce window".into(),
                (ReduceKind::Aggregate { .. }, _) if spec.keys.is_empty() => {
                    format!("Reduce global {input}")
                }
                (ReduceKind::Aggregate { .. }, _) => format!("Reduce keyed {input}"),
                (ReduceKind::TopN { .. }, Emit::OnClose { .. }) => "Reduce window top-n".into(),
                (ReduceKind::TopN { .. }, _) => format!("Reduce top-n {input}"),
                (ReduceKind::Dedup { keep: Keep::First, time: None }, _) => {
                    "Reduce keep-first".into()
                }
                (ReduceKind::Dedup { keep: Keep::First, .. }, _) => {
                    "Reduce keep-first by time".into()
                }
                (ReduceKind::Dedup { .. }, _) => "Reduce keep-last".into(),
                (ReduceKind::FirstWithin { .. }, _) => "Reduce first within".into(),
                (ReduceKind::Over(over), _) => match over.order {
                    OverOrder::Sorted(_) => "Reduce over sorted".into(),
                    _ => "Reduce over time".into(),
                },
                (ReduceKind::Upserts, _) => "Reduce upserts".into(),
                (ReduceKind::Slices { .. }, _) => "Reduce slices".into(),
                (ReduceKind::Session { calls: Some(_), .. }, _) => "Reduce session".into(),
                (ReduceKind::Session { calls: None, .. }, _) => "Reduce session rows".into(),
                (ReduceKind::Match(_), _) => "Reduce pattern".into(),
            }
        }
        NodeOp::Lookup(_) if node.append_only => "Lookup append".into(),
        NodeOp::Lookup(_) => "Lookup updating".into(),
        NodeOp::Join(spec) if spec.on_close.is_some() => format!("Join window {:?}", spec.kind),
        NodeOp::Join(spec) => match spec.time {
            JoinTime::Any => format!("Join {:?}", spec.kind),
            JoinTime::Interval { .. } => format!("Join {:?} interval", spec.kind),
            JoinTime::Versions(_) => format!("Join {:?} versions", spec.kind),
        },
        op => op.name().to_string(),
    };
    plan.nodes.iter().map(kind).collect()
}

impl Coverage {
    pub fn crash(&mut self, plan: &StreamPlan, at: CrashPoint, reshard: bool) {
        for kind in kinds(plan) {
            *self.crashes.entry((kind, at.name(), reshard)).or_default() += 1;
        }
    }
    pub fn ran(&mut self, plan: &StreamPlan) {
        self.cases += 1;
        self.kinds.extend(kinds(plan));
    }
    pub fn add(&mut self, other: &Coverage) {
        for (key, count) in &other.crashes {
            *self.crashes.entry(key.clone()).or_default() += count;
        }
        self.kinds.extend(other.kinds.iter().cloned());
        self.cases += other.cases;
        self.fenced += other.fenced;
        self.sleepers += other.sleepers;
        self.lost_answers += other.lost_answers;
        self.torn += other.torn;
        self.repeated += other.repeated;
        self.late += other.late;
    }
    /// Kind × point × re-shard that was never met; MidUpload belongs to files.
    pub fn holes(&self) -> Vec<String> {
        let mut holes = Vec::new();
        for kind in &self.kinds {
            for point in CrashPoint::ALL {
                for reshard in [false, true] {
                    let met = self.crashes.contains_key(&(kind.clone(), point.name(), reshard));
                    if !met && point != CrashPoint::MidUpload {
                        holes.push(format!("{kind} × {} × {reshard}", point.name()));
                    }
                }
            }
        }
        holes
    }
    /// Kinds of nodes that no case had.
    pub fn kinds_missing(&self) -> Vec<&'static str> {
        KINDS.into_iter().filter(|kind| !self.kinds.contains(*kind)).collect()
    }
    pub fn crashes_at(&self, point: CrashPoint) -> u32 {
        let here =
            self.crashes.iter().filter(|((kind, at, _), _)| *at == point.name() && kind == "Scan");
        here.map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} cases, {} late rows, {} fenced owners, {} late wakers, {} lost answers, {} torn \
             slots, {} repeated epochs; crashes (same shards/re-sharded):",
            self.cases,
            self.late,
            self.fenced,
            self.sleepers,
            self.lost_answers,
            self.torn,
            self.repeated
        )?;
        for kind in &self.kinds {
            write!(f, "{kind:<26}")?;
            for point in CrashPoint::ALL {
                let of = |reshard| {
                    self.crashes.get(&(kind.clone(), point.name(), reshard)).copied().unwrap_or(0)
                };
                write!(f, " {} {}/{}", point.name(), of(false), of(true))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

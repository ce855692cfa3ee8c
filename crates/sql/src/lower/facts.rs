//! What is known of a logical plan's columns: time attributes and window bounds, traced from
//! tables and window functions through projections, aliases and views.

use arrow::datatypes::FieldRef;
use brooklet_core::hash::hash_bytes;
use brooklet_plan::node::Clock;
use datafusion::common::JoinType;
use datafusion::logical_expr::{Aggregate, Expr, Join, LogicalPlan, TableScan};

use super::{grouping_sets, interval, window_join};
use crate::query::clock::is_proctime;
use crate::query::pattern::{RowPattern, as_pattern, is_match_time};
use crate::query::window_tvf::{WindowTvf, as_unnest, as_window};
use crate::query::{Names, as_of, temporal};

/// What kind of time a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeKind {
    Rowtime,
    Proctime,
}

/// Which bound of a window a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    Start,
    End,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    pub time: Option<TimeKind>,
    pub window: Option<WindowBound>,
}

/// A column that holds a bound of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowBound {
    pub bound: Bound,
    /// The identity of its window function.
    pub id: u64,
    /// Windows of the same shape: those of two functions can be joined.
    pub shape: u64,
    pub clock: Clock,
}

impl WindowBound {
    /// The other bound of the same window.
    fn is_other_of(self, other: WindowBound) -> bool {
        self.id == other.id && self.bound != other.bound
    }
}

/// One entry per column of the plan's output.
pub fn columns(plan: &LogicalPlan, names: &dyn Names) -> Vec<Facts> {
    let width = plan.schema().fields().len();
    let nothing = || vec![Facts::default(); width];
    match plan {
        LogicalPlan::TableScan(scan) => of_scan(scan, names),
        LogicalPlan::Projection(p) => {
            let inner = columns(&p.input, names);
            let of = |e: &Expr| match trace(e, &p.input) {
                Some(i) => inner[i],
                None if is_proctime(e) => Facts { time: Some(TimeKind::Proctime), window: None },
                None => Facts::default(),
            };
            p.expr.iter().map(of).collect()
        }
        LogicalPlan::Filter(f) => columns(&f.input, names),
        LogicalPlan::SubqueryAlias(a) => columns(&a.input, names),
        LogicalPlan::Sort(s) => columns(&s.input, names),
        LogicalPlan::Window(w) => {
            let mut facts = columns(&w.input, names);
            facts.resize(width, Facts::default());
            facts
        }
        LogicalPlan::Aggregate(a) => of_aggregate(a, width, names),
        LogicalPlan::Join(j) => {
            let sides = of_sides(j, names);
            let keeps_time = keeps_time(j, &sides);
            let [left, right] = sides;
            match j.join_type {
                JoinType::LeftSemi | JoinType::LeftAnti if keeps_time => left,
                JoinType::LeftSemi | JoinType::LeftAnti => untimed(left),
                JoinType::LeftMark => [untimed(left), vec![Facts::default()]].concat(),
                JoinType::RightSemi | JoinType::RightAnti if keeps_time => right,
                JoinType::RightSemi | JoinType::RightAnti => untimed(right),
                _ => {
                    let mut facts = [left, right].concat();
                    facts.resize(width, Facts::default());
                    if keeps_time { facts } else { untimed(facts) }
                }
            }
        }
        LogicalPlan::Union(u) => {
            let all: Vec<Vec<Facts>> = u.inputs.iter().map(|i| columns(i, names)).collect();
            let same = |i: usize| {
                let first = all.first()?.get(i)?;
                let time = first.time.filter(|_| all.iter().all(|f| f[i].time == first.time));
                Some(Facts { time, window: None })
            };
            (0..width).map(|i| same(i).unwrap_or_default()).collect()
        }
        LogicalPlan::Extension(_) if as_of::as_as_of(plan).is_some() => {
            columns(plan.inputs()[0], names)
        }
        LogicalPlan::Extension(e) => match (as_window(e), as_unnest(e)) {
            (Some(tvf), _) => of_window(tvf, plan, names),
            (_, Some(it)) => {
                let mut facts = columns(&it.input, names);
                facts.resize(width, Facts::default());
                facts
            }
            _ => as_pattern(e).map_or_else(nothing, |pattern| of_pattern(pattern, names)),
        },
        _ => nothing(),
    }
}

fn of_aggregate(a: &Aggregate, width: usize, names: &dyn Names) -> Vec<Facts> {
    let inner = columns(&a.input, names);
    let of = |e: &Expr| trace(e, &a.input).map(|i| inner[i]).unwrap_or_default();
    let (keys, sets) = grouping_sets::of(a);
    let everywhere = |key: usize| sets.iter().all(|set| set.contains(&key));
    let mut facts: Vec<Facts> = keys.iter().map(of).collect();
    for (key, facts) in facts.iter_mut().enumerate() {
        *facts = if everywhere(key) { *facts } else { Facts::default() };
    }
    if window_end_of(a, &inner).is_none() {
        facts.iter_mut().for_each(|f| *f = Facts::default());
    }
    facts.resize(width, Facts::default());
    facts
}

/// Rows that are joined at any time have none to go by any more.
fn keeps_time(join: &Join, sides: &[Vec<Facts>; 2]) -> bool {
    temporal::looked_up(join).is_some()
        || as_of::right_of(join).is_some()
        || interval::of_columns(join, sides).is_some()
        || window_join::of_columns(join, sides).is_some()
}

/// What is known of both inputs of a join. It is asked for once a join, or else the time to plan
/// many joins is their number to the power of how often.
pub fn of_sides(join: &Join, names: &dyn Names) -> [Vec<Facts>; 2] {
    [columns(&join.left, names), columns(&join.right, names)]
}

/// Where rows come out later than their time says, it is a plain column.
fn untimed(facts: Vec<Facts>) -> Vec<Facts> {
    facts.into_iter().map(|f| Facts { time: None, ..f }).collect()
}

fn of_scan(scan: &TableScan, names: &dyn Names) -> Vec<Facts> {
    if temporal::is_as_of(scan) {
        return vec![Facts::default(); scan.projected_schema.fields().len()];
    }
    let table = names.table(scan.table_name.table());
    let rowtime = table.as_ref().and_then(|t| t.watermark.as_ref().map(|w| &w.column));
    let of = |f: &FieldRef| {
        let is_proc = table.as_ref().is_some_and(|t| proctime_column(t, f.name()));
        let time = match () {
            _ if rowtime == Some(f.name()) => Some(TimeKind::Rowtime),
            _ if is_proc => Some(TimeKind::Proctime),
            _ => None,
        };
        Facts { time, window: None }
    };
    scan.projected_schema.fields().iter().map(of).collect()
}

/// The input's columns, which lose the bounds of windows below, then start, end and time.
fn of_window(tvf: &WindowTvf, plan: &LogicalPlan, names: &dyn Names) -> Vec<Facts> {
    let mut facts = columns(&tvf.input, names);
    let id = hash_bytes(plan.display_indent().to_string().as_bytes(), 0);
    let time = tvf.time_index().and_then(|i| facts[i].time);
    let clock = match time {
        Some(TimeKind::Proctime) => Clock::Now,
        _ => tvf.zone.map_or(Clock::Watermark, Clock::Wall),
    };
    let shape = hash_bytes(format!("{:?} {time:?} {clock:?}", tvf.kind).as_bytes(), 0);
    facts.iter_mut().for_each(|f| f.window = None);
    for bound in [Bound::Start, Bound::End] {
        let window = Some(WindowBound { bound, id, shape, clock });
        facts.push(Facts { time: None, window });
    }
    facts.push(Facts { time, window: None });
    facts
}

/// The columns of PARTITION BY, then the measures: MATCH_ROWTIME() and MATCH_PROCTIME() are times,
/// and so is the event time of a row.
fn of_pattern(pattern: &RowPattern, names: &dyn Names) -> Vec<Facts> {
    let inner = columns(&pattern.input, names);
    let of = |e: &Expr| trace(e, &pattern.input).and_then(|i| inner[i].time);
    let is_rowtime = |e: &Expr| of(e) == Some(TimeKind::Rowtime);
    let mut facts = vec![Facts::default(); pattern.partition.len()];
    facts.extend(pattern.measures.iter().map(|(_, formula)| {
        let rowtime = match formula.only_read() {
            Some(read) => is_rowtime(&read.column),
            None => is_match_time(formula) && is_rowtime(&pattern.time),
        };
        let time = match rowtime {
            true => Some(TimeKind::Rowtime),
            false => is_proctime(&formula.expr).then_some(TimeKind::Proctime),
        };
        Facts { time, window: None }
    }));
    facts
}

/// A computed column that is PROCTIME() and nothing else.
fn proctime_column(table: &brooklet_core::schema::TableDef, name: &str) -> bool {
    match table.column(name).map(|c| &c.kind) {
        Some(brooklet_core::schema::ColumnKind::Computed { expr }) => {
            let text: String = expr.chars().filter(|c| !c.is_whitespace()).collect();
            text.eq_ignore_ascii_case("PROCTIME()")
        }
        _ => false,
    }
}

/// The input column that an expression passes on unchanged.
pub fn trace(expr: &Expr, input: &LogicalPlan) -> Option<usize> {
    match expr {
        Expr::Alias(alias) => trace(&alias.expr, input),
        Expr::Column(c) => input.schema().index_of_column(c).ok(),
        _ => None,
    }
}

/// The group key that holds window_end, when both bounds of one window are in every grouping set:
/// such an aggregate emits each group once, when its window closes.
pub fn window_end(aggregate: &Aggregate, names: &dyn Names) -> Option<(usize, WindowBound)> {
    window_end_of(aggregate, &columns(&aggregate.input, names))
}

fn window_end_of(aggregate: &Aggregate, inner: &[Facts]) -> Option<(usize, WindowBound)> {
    let (keys, sets) = grouping_sets::of(aggregate);
    let mut bounds = bounds(&keys, &aggregate.input, inner);
    for (key, bound) in bounds.iter_mut().enumerate() {
        if !sets.iter().all(|set| set.contains(&key)) {
            *bound = None;
        }
    }
    end_of(&bounds)
}

/// The expression that holds window_end, when both bounds of one window are among them.
pub fn closing(
    exprs: &[Expr],
    input: &LogicalPlan,
    names: &dyn Names,
) -> Option<(usize, WindowBound)> {
    end_of(&bounds(exprs, input, &columns(input, names)))
}

fn bounds(exprs: &[Expr], input: &LogicalPlan, inner: &[Facts]) -> Vec<Option<WindowBound>> {
    exprs.iter().map(|e| trace(e, input).and_then(|i| inner[i].window)).collect()
}

fn end_of(bounds: &[Option<WindowBound>]) -> Option<(usize, WindowBound)> {
    let is_end = |b: &Option<WindowBound>| b.is_some_and(|b| b.bound == Bound::End);
    let place = bounds.iter().position(is_end)?;
    let end = bounds[place]?;
    bounds.iter().flatten().any(|b| b.is_other_of(end)).then_some((place, end))
}

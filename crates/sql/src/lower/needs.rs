//! Hidden columns: who needs arrival order and lateness of rows, and so which scans add them.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::{DFSchema, JoinType};
use datafusion::logical_expr::{Expr, ExprSchemable, Extension, LogicalPlan};

use super::facts::{self, TimeKind};
use super::{interval, letters, watermark, window_join, within};
use crate::query::pattern::as_pattern;
use crate::query::window_tvf::{TvfKind, as_window};
use crate::query::{Names, aggregates, as_of, temporal};

/// Hidden columns a node's output must carry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Need {
    pub ord: bool,
    pub late: bool,
    /// A row that is set aside is found again by its arrival number: as far up as each row is one
    /// record's, which leaves the state of the nodes above as it is without.
    pub found: bool,
    /// Rows that are only added are summed up as floating point numbers, in the order in which
    /// they arrive.
    pub summed: bool,
}

impl Need {
    /// Whether the order of arrival is carried, where there is one.
    pub fn carries_ord(self) -> bool {
        self.ord || self.summed
    }

    /// What the output of `plan` carries.
    pub fn over(self, plan: &LogicalPlan) -> Need {
        Need { ord: self.ord || (self.found && is_of_records(plan)), ..self }
    }
}

/// Whether each row is one record's.
fn is_of_records(plan: &LogicalPlan) -> bool {
    let combines = matches!(
        plan,
        LogicalPlan::Aggregate(_)
            | LogicalPlan::Window(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::Values(_)
    ) || matches!(plan, LogicalPlan::Extension(e) if as_pattern(e).is_some());
    !combines && plan.inputs().into_iter().all(is_of_records)
}

/// What all queries together read of a table.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Indices into the table's read schema.
    pub columns: BTreeSet<usize>,
    pub need: Need,
}

/// What a node's inputs must carry so that its output can carry `need`.
pub fn of_inputs(plan: &LogicalPlan, need: Need, names: &dyn Names) -> Vec<Need> {
    match plan {
        LogicalPlan::Aggregate(a) => {
            let ordered = a.aggr_expr.iter().any(is_ordered);
            let closes = facts::window_end(a, names).is_some();
            let late = closes || watermark::is_read(plan);
            let found_again = closes && letters::keeps_late(&a.input, names);
            let schema = a.input.schema();
            let summed = is_of_records(&a.input) && a.aggr_expr.iter().any(|e| sums(e, schema));
            vec![Need { ord: need.ord || ordered || found_again, late, summed, ..need }]
        }
        LogicalPlan::Window(w) => {
            let inner = facts::columns(&w.input, names);
            let rowtime = w.window_expr.iter().any(|e| match e.clone().unalias() {
                Expr::WindowFunction(f) => f.params.order_by.first().is_some_and(|s| {
                    let column = facts::trace(&s.expr, &w.input);
                    s.asc && column.is_some_and(|i| inner[i].time == Some(TimeKind::Rowtime))
                }),
                _ => false,
            });
            let closes = w.window_expr.iter().any(|e| match e.clone().unalias() {
                Expr::WindowFunction(f) => {
                    facts::closing(&f.params.partition_by, &w.input, names).is_some()
                }
                _ => false,
            });
            let late = rowtime || closes || within::table_of(&w.input, names).is_some();
            vec![Need { ord: true, late: need.late || late, ..need }]
        }
        LogicalPlan::Limit(_) => vec![Need { ord: true, ..need }],
        LogicalPlan::Extension(e) if is_session(e) => {
            vec![Need { ord: true, late: true, ..need }]
        }
        LogicalPlan::Join(j) if window_join::judges_rows(j, names) => {
            vec![Need { late: true, ..need }; 2]
        }
        LogicalPlan::Extension(e) if as_pattern(e).is_some() => {
            vec![Need { ord: true, late: true, ..need }]
        }
        LogicalPlan::Join(j) => match j.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => {
                vec![need, beside(need)]
            }
            JoinType::RightSemi | JoinType::RightAnti => vec![beside(need), need],
            _ if interval::of(j, names).is_some() || as_of::right_of(j).is_some() => {
                vec![Need { ord: true, late: true, ..need }; 2]
            }
            _ => vec![need, Need { late: false, ..need }],
        },
        LogicalPlan::Sort(_) => vec![Need { ord: true, late: true, ..need }],
        other => {
            let late = need.late || watermark::is_read(other);
            vec![Need { late, ..need }; other.inputs().len()]
        }
    }
}

fn is_session(extension: &Extension) -> bool {
    as_window(extension).is_some_and(|tvf| matches!(tvf.kind, TvfKind::Session { .. }))
}

/// Of the side of a join whose rows do not come out.
fn beside(need: Need) -> Need {
    Need { found: need.found, ..Need::default() }
}

fn is_ordered(call: &Expr) -> bool {
    match call {
        Expr::Alias(alias) => is_ordered(&alias.expr),
        Expr::AggregateFunction(f) => aggregates::is_ordered(&f.func),
        _ => false,
    }
}

/// Whether the last digits depend on the order in which rows arrive.
fn sums(call: &Expr, schema: &DFSchema) -> bool {
    match call {
        Expr::Alias(alias) => sums(&alias.expr, schema),
        Expr::AggregateFunction(f) => {
            let floats = |e: &Expr| e.get_type(schema).is_ok_and(|ty| ty.is_floating());
            aggregates::sums_floats(&f.func, f.params.args.iter().any(floats))
        }
        _ => false,
    }
}

/// Adds what `plan` reads to `wanted`, table by table.
pub fn collect(
    plan: &LogicalPlan,
    need: Need,
    names: &dyn Names,
    wanted: &mut BTreeMap<String, Wanted>,
) {
    if let LogicalPlan::TableScan(scan) = plan {
        if temporal::is_as_of(scan) {
            return;
        }
        let entry = wanted.entry(scan.table_name.table().to_string()).or_default();
        match &scan.projection {
            Some(columns) => entry.columns.extend(columns),
            None => entry.columns.extend(0..scan.source.schema().fields().len()),
        }
        entry.need.ord |= need.over(plan).ord;
        entry.need.late |= need.late;
        entry.need.summed |= need.summed;
        return;
    }
    for (input, need) in plan.inputs().into_iter().zip(of_inputs(plan, need, names)) {
        collect(input, need, names, wanted);
    }
}

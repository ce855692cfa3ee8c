//! Joins of windows: when both sides are equal in the bounds of windows of one shape, rows meet
//! when their window closes.

use std::collections::BTreeSet;

use brooklet_plan::node::{Clock, JoinOnClose};
use datafusion::common::JoinType;
use datafusion::logical_expr::{Join, LogicalPlan};

use super::facts::{self, Bound, Facts, WindowBound};
use crate::query::Names;
use crate::query::window_tvf::{TvfKind, as_window};

/// Where the windows' ends stand in the left and in the right input, and what closes them.
pub fn of(join: &Join, names: &dyn Names) -> Option<JoinOnClose> {
    of_columns(join, &facts::of_sides(join, names))
}

/// The same of what is known of both sides.
pub fn of_columns(join: &Join, [left, right]: &[Vec<Facts>; 2]) -> Option<JoinOnClose> {
    let bounds = join.on.iter().filter_map(|(l, r)| {
        let (l, r) = (facts::trace(l, &join.left)?, facts::trace(r, &join.right)?);
        let (a, b) = (left[l].window?, right[r].window?);
        (a.bound == b.bound && a.shape == b.shape).then_some((a, b, [l, r]))
    });
    let bounds: Vec<(WindowBound, WindowBound, [usize; 2])> = bounds.collect();
    let (a, b, window_ends) = bounds.iter().find(|(a, ..)| a.bound == Bound::End)?;
    let same = |(x, y, _): &(WindowBound, WindowBound, _)| {
        x.bound == Bound::Start && x.id == a.id && y.id == b.id
    };
    bounds.iter().any(same).then_some(JoinOnClose { window_ends: *window_ends, clock: a.clock })
}

/// The same for a join that waits for the windows to close. An inner join of what comes out when
/// windows close need not.
pub fn waits(join: &Join, names: &dyn Names) -> Option<JoinOnClose> {
    let close = of(join, names)?;
    let at_once = join.join_type == JoinType::Inner
        && comes_when_closed(&join.left, names)
        && comes_when_closed(&join.right, names);
    (!at_once).then_some(close)
}

/// The same with the sides as the node has them: rows of a semi or anti join come from the left.
pub fn of_sides(join: &Join, names: &dyn Names) -> Option<JoinOnClose> {
    let mut close = waits(join, names)?;
    if matches!(join.join_type, JoinType::RightSemi | JoinType::RightAnti) {
        close.window_ends.reverse();
    }
    Some(close)
}

/// Whether lateness is judged row by row: of rows of one table only, each of which says what the
/// watermark was. Those of two tables come in any order.
pub fn judges_rows(join: &Join, names: &dyn Names) -> bool {
    let Some(close) = waits(join, names) else { return false };
    let mut tables = BTreeSet::new();
    tables_of(&join.left, &mut tables);
    tables_of(&join.right, &mut tables);
    close.clock != Clock::Now && tables.len() == 1
}

fn tables_of(plan: &LogicalPlan, tables: &mut BTreeSet<String>) {
    if let LogicalPlan::TableScan(scan) = plan {
        tables.insert(scan.table_name.table().to_string());
    }
    plan.inputs().into_iter().for_each(|input| tables_of(input, tables));
}

/// Whether rows come out when their window closes.
fn comes_when_closed(plan: &LogicalPlan, names: &dyn Names) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(a) => comes_when_closed(&a.input, names),
        LogicalPlan::Projection(p) => comes_when_closed(&p.input, names),
        LogicalPlan::Filter(f) => comes_when_closed(&f.input, names),
        LogicalPlan::Aggregate(a) => facts::window_end(a, names).is_some(),
        LogicalPlan::Extension(e) => {
            as_window(e).is_some_and(|tvf| matches!(tvf.kind, TvfKind::Session { .. }))
        }
        _ => false,
    }
}

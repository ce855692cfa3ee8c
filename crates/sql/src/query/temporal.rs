//! `FOR SYSTEM_TIME AS OF`: tables whose rows are found by key while rows pass.
//!
//! Such a table stands in the logical plan as a scan whose name says so; the join above it becomes
//! a Lookup when the plan is lowered.

use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{
    Column, DataFusionError, JoinType, Location, Result, Span, TableReference,
};
use datafusion::logical_expr::{
    Join, LogicalPlan, LogicalPlanBuilder, TableScan, TableScanBuilder,
};
use sqlparser::ast::{Expr, Spanned, TableVersion};

use super::Names;
use super::window_tvf::fault;
use crate::lower::facts::{self, TimeKind};

/// Stands before everything else in the catalog's place of such a scan's name.
const MARK: &str = "FOR SYSTEM_TIME AS OF ";

/// A table as of the time of each row that is joined with it.
pub fn plan(base: LogicalPlan, version: &TableVersion) -> Result<LogicalPlan> {
    let TableVersion::ForSystemTimeAsOf(time) = version else {
        return Err(fault(format!("{version} is not supported"), version_span(version)));
    };
    let span = time.span();
    let LogicalPlan::TableScan(scan) = base else {
        let message = "FOR SYSTEM_TIME AS OF stands behind a table, not behind a view or query";
        return Err(fault(message.into(), span));
    };
    let (qualifier, column) = match time {
        Expr::Identifier(column) => (String::new(), column),
        Expr::CompoundIdentifier(names) => match names.as_slice() {
            [qualifier, column] => (qualifier.value.clone(), column),
            _ => return Err(fault(no_attribute(time), span)),
        },
        _ => return Err(fault(no_attribute(time), span)),
    };
    let name = scan.table_name.table().to_string();
    let (from, to) = (span.start, span.end);
    let place = format!("{}:{}:{}:{}", from.line, from.column, to.line, to.column);
    let catalog = format!("{MARK}{place} {qualifier}");
    let marked = TableReference::full(catalog, column.value.clone(), name.clone());
    let scan = TableScanBuilder::new(marked, Arc::clone(&scan.source)).build()?;
    LogicalPlanBuilder::from(LogicalPlan::TableScan(scan)).alias(name)?.build()
}

fn version_span(version: &TableVersion) -> sqlparser::tokenizer::Span {
    match version {
        TableVersion::ForSystemTimeAsOf(e) => e.span(),
        _ => sqlparser::tokenizer::Span::empty(),
    }
}

fn no_attribute(time: &dyn std::fmt::Display) -> String {
    format!(
        "FOR SYSTEM_TIME AS OF {time}: expected a time attribute of the table on the left, a \
         column declared AS PROCTIME()"
    )
}

/// Whether this is a table as of the time of other rows.
pub fn is_as_of(scan: &TableScan) -> bool {
    scan.table_name.catalog().is_some_and(|catalog| catalog.starts_with(MARK))
}

/// Where the time stands as of which a table is seen.
pub fn place(scan: &TableScan) -> Option<Span> {
    time_of(scan)?.1
}

/// The table that is looked up on the right side of a join, if one is.
pub fn looked_up(join: &Join) -> Option<&TableScan> {
    fn scan_of(plan: &LogicalPlan) -> Option<&TableScan> {
        match plan {
            LogicalPlan::TableScan(scan) => Some(scan).filter(|scan| is_as_of(scan)),
            LogicalPlan::SubqueryAlias(a) => scan_of(&a.input),
            LogicalPlan::Filter(f) => scan_of(&f.input),
            LogicalPlan::Projection(p) => scan_of(&p.input),
            _ => None,
        }
    }
    scan_of(&join.right)
}

/// The time that a scan names, and where.
fn time_of(scan: &TableScan) -> Option<(Column, Option<Span>)> {
    let rest = scan.table_name.catalog()?.strip_prefix(MARK)?;
    let (place, qualifier) = rest.split_once(' ')?;
    let relation = (!qualifier.is_empty()).then(|| TableReference::bare(qualifier));
    let column = Column::new(relation, scan.table_name.schema()?);
    let numbers: Vec<u64> = place.split(':').filter_map(|n| n.parse().ok()).collect();
    let span = match numbers.as_slice() {
        [line, column, end_line, end_column] => Some(Span::new(
            Location { line: *line, column: *column },
            Location { line: *end_line, column: *end_column },
        )),
        _ => None,
    };
    Some((column, span))
}

/// Every such table stands on the right of an inner or left join and is seen as of a time
/// attribute of the left side.
pub fn check(plan: &LogicalPlan, names: &dyn Names) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        let LogicalPlan::Join(join) = node else { return Ok(TreeNodeRecursion::Continue) };
        if let Some((time, place)) = looked_up(join).and_then(time_of) {
            check_join(join, &time, names).map_err(|message| error(message, place))?;
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(())
}

fn check_join(join: &Join, time: &Column, names: &dyn Names) -> Result<(), String> {
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Err("FOR SYSTEM_TIME AS OF goes with JOIN and LEFT JOIN only".into());
    }
    let left = join.left.schema();
    let place = match &time.relation {
        Some(_) => left.maybe_index_of_column(time),
        None => left.iter().position(|(_, field)| *field.name() == time.name),
    };
    let kind = place.and_then(|place| facts::columns(&join.left, names)[place].time);
    match kind {
        Some(TimeKind::Proctime) => Ok(()),
        Some(TimeKind::Rowtime) => Err(format!(
            "'{}' is an event time, and temporal joins in event time are not supported; a column \
             declared AS PROCTIME() looks rows up as they are at that moment",
            time.name
        )),
        None => Err(no_attribute(&time.flat_name())),
    }
}

/// A planning error at a place.
fn error(message: String, place: Option<Span>) -> DataFusionError {
    let plain = DataFusionError::Plan(message.clone());
    plain.with_diagnostic(datafusion::common::Diagnostic::new_error(message, place))
}

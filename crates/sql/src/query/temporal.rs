//! `FOR SYSTEM_TIME AS OF`: tables whose rows are found by key while rows pass.
//!
//! Such a table stands in the logical plan as a scan whose name says so; the join above it becomes
//! a Lookup when the plan is lowered. As of an event time, and where it is a view, it becomes an
//! [`AsOf`].

use std::sync::Arc;

use datafusion::common::tree_node::Transformed;
use datafusion::common::{
    Column, DataFusionError, JoinType, Location, Result, Span, TableReference,
};
use datafusion::logical_expr::{
    Join, LogicalPlan, LogicalPlanBuilder, TableScan, TableScanBuilder,
};
use sqlparser::ast::{Expr, Spanned, TableVersion};

use super::Names;
use super::as_of::{self, AsOf};
use super::window_tvf::{Place, fault};
use crate::lower::facts::{self, TimeKind};

/// Stands before everything else in the catalog's place of such a scan's name.
const MARK: &str = "FOR SYSTEM_TIME AS OF ";

/// A table as of the time of each row that is joined with it.
pub fn plan(base: LogicalPlan, version: &TableVersion) -> Result<LogicalPlan> {
    let TableVersion::ForSystemTimeAsOf(time) = version else {
        return Err(fault(format!("{version} is not supported"), version_span(version)));
    };
    let span = time.span();
    let (qualifier, column) = match time {
        Expr::Identifier(column) => (String::new(), column),
        Expr::CompoundIdentifier(names) => match names.as_slice() {
            [qualifier, column] => (qualifier.value.clone(), column),
            _ => return Err(fault(no_attribute(time), span)),
        },
        _ => return Err(fault(no_attribute(time), span)),
    };
    let LogicalPlan::TableScan(scan) = base else {
        let relation = (!qualifier.is_empty()).then(|| TableReference::bare(qualifier));
        let column = Column::new(relation, column.value.clone());
        let name = base.schema().iter().find_map(|(q, _)| q.map(|q| q.table().to_string()));
        let versions = AsOf::over(base, column, Place(Span::try_from_sqlparser_span(span)));
        let builder = LogicalPlanBuilder::from(versions);
        return builder.alias(name.unwrap_or_default())?.build();
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
         column declared AS PROCTIME() or the one of its WATERMARK"
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
/// attribute of the left side: what is seen as of a processing time is looked up, versions are
/// joined as of an event time.
pub fn resolve(plan: LogicalPlan, names: &dyn Names) -> Result<LogicalPlan> {
    let resolved = plan.transform_up_with_subqueries(|node| {
        let LogicalPlan::Join(join) = node else { return Ok(Transformed::no(node)) };
        let scanned = looked_up(&join).and_then(time_of);
        let versions = as_of::right_of(&join).map(|v| (v.time.clone(), v.place.0));
        let Some((time, place)) = scanned.or(versions) else {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        };
        if as_of::split_times(&join).is_some() {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        }
        let (kind, left) = left_time(&join, &time, names).map_err(|e| error(e, place))?;
        match (kind, looked_up(&join).is_some()) {
            (TimeKind::Proctime, true) => Ok(Transformed::no(LogicalPlan::Join(join))),
            (TimeKind::Proctime, false) => Err(error(
                format!(
                    "'{}' is a processing time, as of which tables are looked up, not views: name \
                     a table, or an event time of the left side",
                    time.name
                ),
                place,
            )),
            (TimeKind::Rowtime, _) => {
                versioned(join, left, &time, place, names).map(Transformed::yes)
            }
        }
    })?;
    Ok(resolved.data)
}

/// The time that is named, of the left side.
fn left_time(join: &Join, time: &Column, names: &dyn Names) -> Result<(TimeKind, usize), String> {
    if !matches!(join.join_type, JoinType::Inner | JoinType::Left) {
        return Err("FOR SYSTEM_TIME AS OF goes with JOIN and LEFT JOIN only".into());
    }
    let left = join.left.schema();
    let place = match &time.relation {
        Some(_) => left.maybe_index_of_column(time),
        None => left.iter().position(|(_, field)| *field.name() == time.name),
    };
    let found = place.and_then(|i| Some((facts::columns(&join.left, names)[i].time?, i)));
    found.ok_or_else(|| no_attribute(&time.flat_name()))
}

/// The join with versions on its right side and the times of both in its condition.
fn versioned(
    mut join: Join,
    left: usize,
    time: &Column,
    place: Option<Span>,
    names: &dyn Names,
) -> Result<LogicalPlan> {
    join.right = Arc::new(versions_of(&join.right, time, place)?);
    let facts = facts::columns(&join.right, names);
    let right = facts.iter().position(|f| f.time == Some(TimeKind::Rowtime)).ok_or_else(|| {
        let message = "a table as of an event time needs one itself, which says from when each of \
                       its rows holds: declare a WATERMARK (a view passes the column on)";
        error(message.into(), place)
    })?;
    let (of_left, of_right) = (join.left.schema(), join.right.schema());
    let types = [of_left.field(left).data_type(), of_right.field(right).data_type()];
    let columns = [of_left.columns()[left].clone(), of_right.columns()[right].clone()];
    let [l, r] = columns;
    let condition = as_of::times(l, r, types.map(Clone::clone));
    let filter = match join.filter.take() {
        Some(filter) => filter.and(condition),
        None => condition,
    };
    join.filter = Some(filter);
    Ok(LogicalPlan::Join(join))
}

/// The right side with the scan that stands for a table replaced by the table's versions.
fn versions_of(plan: &LogicalPlan, time: &Column, place: Option<Span>) -> Result<LogicalPlan> {
    match plan {
        LogicalPlan::TableScan(scan) if is_as_of(scan) => {
            let name = TableReference::bare(scan.table_name.table());
            let plain = TableScanBuilder::new(name, Arc::clone(&scan.source)).build()?;
            Ok(AsOf::over(LogicalPlan::TableScan(plain), time.clone(), Place(place)))
        }
        LogicalPlan::SubqueryAlias(a) => {
            let input = versions_of(&a.input, time, place)?;
            LogicalPlanBuilder::from(input).alias(a.alias.clone())?.build()
        }
        other => Ok(other.clone()),
    }
}

/// A planning error at a place.
fn error(message: String, place: Option<Span>) -> DataFusionError {
    let plain = DataFusionError::Plan(message.clone());
    plain.with_diagnostic(datafusion::common::Diagnostic::new_error(message, place))
}

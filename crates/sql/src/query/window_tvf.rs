//! TUMBLE, HOP, CUMULATE and SESSION as a node of the logical plan, and the planner of relations
//! that reads them.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, TimeUnit};
use brooklet_functions::Zone;
use brooklet_plan::node::WindowKind;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DataFusionError, ExprSchema};
use datafusion::common::{DFSchema, DFSchemaRef, Diagnostic, Result, ScalarValue, Span, plan_err};
use datafusion::logical_expr::planner::{
    PlannedRelation, RelationPlanner, RelationPlannerContext, RelationPlanning,
};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};
use sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArgOperator, FunctionArguments, ObjectName,
    Spanned, TableFactor,
};

use super::state_ttl;
use crate::parse::interval::INTERVAL;

/// The columns a window function adds.
pub const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// A place in the SQL that does not take part in comparing plans.
#[derive(Debug, Clone, Copy)]
pub struct Place(pub Option<Span>);

impl PartialEq for Place {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}
impl Eq for Place {}
impl Hash for Place {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Assigns each row of its input to windows. Output: the input's columns, then
/// [`WINDOW_COLUMNS`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowTvf {
    pub kind: TvfKind,
    pub time: Expr,
    /// Columns that have sessions of their own.
    pub partition: Vec<Expr>,
    /// Written in GROUP BY.
    pub grouped: bool,
    /// Where DESCRIPTOR names the time column.
    pub place: Place,
    /// The time zone, not UTC, whose wall cuts windows over instants.
    pub zone: Option<Zone>,
    pub input: LogicalPlan,
    schema: DFSchemaRef,
}

/// Which windows there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TvfKind {
    /// Known before the rows are.
    Aligned(WindowKind),
    /// Rows that follow each other within a gap, in milliseconds.
    Session { gap: i64 },
}

impl PartialOrd for WindowTvf {
    fn partial_cmp(&self, _: &Self) -> Option<Ordering> {
        None
    }
}

impl WindowTvf {
    pub fn new(
        kind: TvfKind,
        (time, place): (Expr, Place),
        partition: Vec<Expr>,
        input: LogicalPlan,
    ) -> Result<Self> {
        let mut fields: Vec<_> =
            input.schema().iter().map(|(q, f)| (q.cloned(), Arc::clone(f))).collect();
        let qualifier = fields.first().and_then(|(q, _)| q.clone());
        let plain = DataType::Timestamp(TimeUnit::Millisecond, None);
        let rowtime = match &time {
            Expr::Column(c) => input.schema().field_from_column(c)?.data_type().clone(),
            _ => plain.clone(),
        };
        for (name, ty) in WINDOW_COLUMNS.into_iter().zip([plain.clone(), plain, rowtime]) {
            fields.push((qualifier.clone(), Arc::new(Field::new(name, ty, false))));
        }
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(WindowTvf { kind, time, partition, grouped: false, place, zone: None, input, schema })
    }
    /// The same, as written in GROUP BY.
    pub fn grouped(self) -> Self {
        WindowTvf { grouped: true, ..self }
    }
    /// The same in a session with this time zone.
    fn in_zone(self, zone: Zone) -> Self {
        let time = self.time_index().map(|i| self.input.schema().field(i).data_type());
        let instant = matches!(time, Some(DataType::Timestamp(_, Some(_))));
        WindowTvf { zone: (instant && zone != Zone::UTC).then_some(zone), ..self }
    }
    /// Index of the time column in the input.
    pub fn time_index(&self) -> Option<usize> {
        self.index(&self.time)
    }
    fn index(&self, expr: &Expr) -> Option<usize> {
        match expr {
            Expr::Column(c) => self.input.schema().index_of_column(c).ok(),
            _ => None,
        }
    }
    /// Indices of the partition columns in the input.
    pub fn partition_indices(&self) -> Vec<usize> {
        self.partition.iter().filter_map(|e| self.index(e)).collect()
    }
}

impl UserDefinedLogicalNodeCore for WindowTvf {
    fn name(&self) -> &str {
        "WindowTvf"
    }
    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }
    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }
    fn expressions(&self) -> Vec<Expr> {
        self.partition.iter().chain([&self.time]).cloned().collect()
    }
    #[allow(clippy::disallowed_types, reason = "DataFusion asks for it and looks names up")]
    fn prevent_predicate_push_down_columns(&self) -> std::collections::HashSet<String> {
        match self.kind {
            TvfKind::Aligned(_) => WINDOW_COLUMNS.map(String::from).into(),
            // Rows that a filter takes away hold sessions together.
            TvfKind::Session { .. } => {
                self.schema.fields().iter().map(|f| f.name().clone()).collect()
            }
        }
    }
    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "WindowTvf: {:?} on {}", self.kind, self.time)?;
        self.partition.iter().try_for_each(|e| write!(f, " by {e}"))
    }
    fn with_exprs_and_inputs(
        &self,
        mut exprs: Vec<Expr>,
        mut inputs: Vec<LogicalPlan>,
    ) -> Result<Self> {
        let (Some(time), Some(input)) = (exprs.pop(), inputs.pop()) else {
            return plan_err!("a window function has one time column and one input");
        };
        let new = Self::new(self.kind, (time, self.place), exprs, input)?;
        Ok(WindowTvf { grouped: self.grouped, zone: self.zone, ..new })
    }
    fn necessary_children_exprs(&self, output: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.input.schema().fields().len();
        let mut needed: Vec<usize> = output.iter().copied().filter(|i| *i < width).collect();
        needed.extend(self.time_index());
        needed.extend(self.partition_indices());
        needed.sort_unstable();
        needed.dedup();
        Some(vec![needed])
    }
}

/// Reads `TABLE(TUMBLE(TABLE t, DESCRIPTOR(c), INTERVAL …))`, resolves
/// `catalog.database.table` and refuses what streams cannot read yet.
#[derive(Debug)]
pub struct FlinkRelations;

impl RelationPlanner for FlinkRelations {
    fn plan_relation(
        &self,
        relation: TableFactor,
        context: &mut dyn RelationPlannerContext,
    ) -> Result<RelationPlanning> {
        if let Some((factor, mark)) = state_ttl::unmarked(&relation) {
            let plan = state_ttl::named(context.plan(factor)?, &mark)?;
            return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))));
        }
        if let Some(plan) = super::unnest::plan(&relation, context)? {
            return Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, None))));
        }
        match relation {
            TableFactor::TableFunction { expr: ast::Expr::Function(function), alias } => {
                let plan = plan_window(function, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            TableFactor::MatchRecognize { ref alias, .. } => {
                let alias = alias.clone();
                let plan = super::pattern::plan(relation, context)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            TableFactor::Table { version: Some(version), mut name, alias, .. } => {
                let last = name.0.split_off(name.0.len().saturating_sub(1));
                let base = context.plan(table(ObjectName(last)))?;
                let plan = super::temporal::plan(base, &version)?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            TableFactor::Table { mut name, alias, args: None, .. } if name.0.len() > 1 => {
                let last = name.0.split_off(name.0.len() - 1);
                let plan = context.plan(table(ObjectName(last)))?;
                Ok(RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, alias))))
            }
            other => Ok(RelationPlanning::Original(Box::new(other))),
        }
    }
}

/// A planning error that points at a place.
pub fn fault(message: String, span: sqlparser::tokenizer::Span) -> DataFusionError {
    let place = Span::try_from_sqlparser_span(span);
    DataFusionError::Plan(message.clone()).with_diagnostic(Diagnostic::new_error(message, place))
}

fn table(name: ObjectName) -> TableFactor {
    TableFactor::Table {
        name,
        alias: None,
        args: None,
        with_hints: vec![],
        version: None,
        with_ordinality: false,
        partitions: vec![],
        json_path: None,
        sample: None,
        index_hints: vec![],
    }
}

/// The arguments of a window function as they come: by position or by name.
#[derive(Default)]
struct Arguments {
    input: Option<LogicalPlan>,
    partition: Vec<Expr>,
    time: Option<(Expr, Place)>,
    /// (lower-case name, milliseconds), in order.
    intervals: Vec<(Option<String>, i64)>,
}

fn plan_window(
    function: ast::Function,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let name = function.name.to_string().to_uppercase();
    let span = function.name.span();
    if !["TUMBLE", "HOP", "CUMULATE", "SESSION"].contains(&name.as_str()) {
        let known = "TUMBLE, HOP, CUMULATE and SESSION";
        return Err(fault(format!("there is no table function {name}; there are {known}"), span));
    }
    let FunctionArguments::List(list) = function.args else {
        return Err(fault(format!("{name} needs a table, a time column and a size"), span));
    };
    let mut arguments = Arguments::default();
    for argument in table_first(list.args) {
        let at = argument.span();
        let (argument_name, value) = match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => (None, e),
            FunctionArg::Named {
                name,
                arg: FunctionArgExpr::Expr(e),
                operator: FunctionArgOperator::RightArrow,
            } => (Some(name.value.to_lowercase()), e),
            other => return Err(fault(format!("{name}: unexpected argument {other}"), at)),
        };
        add_argument(&mut arguments, argument_name, value, &name, context)?;
    }
    let kind = window_kind(&name, &arguments.intervals).map_err(|m| fault(m, span))?;
    let Arguments { input: Some(input), partition, time: Some(time), .. } = arguments else {
        return Err(fault(format!("{name} needs TABLE … and DESCRIPTOR(time column)"), span));
    };
    if !partition.is_empty() && !matches!(kind, TvfKind::Session { .. }) {
        return Err(fault(format!("{name}: PARTITION BY goes with SESSION only"), span));
    }
    let node = Arc::new(WindowTvf::new(kind, time, partition, input)?);
    Ok(LogicalPlan::Extension(Extension { node }))
}

/// DESCRIPTOR names a column of the table, wherever the table is named.
fn table_first(mut args: Vec<FunctionArg>) -> Vec<FunctionArg> {
    let is_table = |arg: &FunctionArg| match arg {
        FunctionArg::Named { arg: FunctionArgExpr::Expr(ast::Expr::Function(f)), .. }
        | FunctionArg::Unnamed(FunctionArgExpr::Expr(ast::Expr::Function(f))) => {
            is_named(f, "__table")
        }
        _ => false,
    };
    args.sort_by_key(|arg| !is_table(arg));
    args
}

fn add_argument(
    arguments: &mut Arguments,
    argument_name: Option<String>,
    value: ast::Expr,
    function: &str,
    context: &mut dyn RelationPlannerContext,
) -> Result<()> {
    let span = value.span();
    match value {
        ast::Expr::Function(f) if is_named(&f, "__table") => {
            let mut given = plain_arguments(f).into_iter();
            let relation = match given.next() {
                Some(ast::Expr::Identifier(id)) => table(ObjectName::from(vec![id])),
                Some(ast::Expr::CompoundIdentifier(ids)) => table(ObjectName::from(ids)),
                Some(ast::Expr::Subquery(subquery)) => derived(subquery),
                _ => return Err(fault(format!("{function}: TABLE needs a name"), span)),
            };
            let input = context.plan(relation)?;
            for column in given {
                let at = column.span();
                let column = context.sql_to_expr(column, input.schema())?;
                if !matches!(column, Expr::Column(_)) {
                    return Err(fault(format!("{function}: PARTITION BY names columns"), at));
                }
                arguments.partition.push(column);
            }
            arguments.input = Some(input);
        }
        ast::Expr::Subquery(subquery) if arguments.input.is_none() => {
            arguments.input = Some(context.plan(derived(subquery))?);
        }
        ast::Expr::Function(f) if is_named(&f, "descriptor") => {
            let Some(column) = plain_arguments(f).into_iter().next() else {
                return Err(fault(format!("{function}: DESCRIPTOR names one column"), span));
            };
            let at = column.span();
            let Some(input) = &arguments.input else {
                return Err(fault(format!("{function}: TABLE stands before DESCRIPTOR"), span));
            };
            let time = context.sql_to_expr(column, input.schema())?;
            if !matches!(time, Expr::Column(_)) {
                return Err(fault(format!("{function}: DESCRIPTOR names a column"), at));
            }
            arguments.time = Some((time, Place(Span::try_from_sqlparser_span(at))));
        }
        other => {
            let literal = context.sql_to_expr(other, &DFSchema::empty())?;
            let millis = interval_millis(&literal).ok_or_else(|| {
                fault(format!("{function}: expected an interval such as INTERVAL '1' MINUTE"), span)
            })?;
            arguments.intervals.push((argument_name, millis));
        }
    }
    Ok(())
}

fn is_named(function: &ast::Function, name: &str) -> bool {
    function.name.to_string().eq_ignore_ascii_case(name)
}

fn derived(subquery: Box<ast::Query>) -> TableFactor {
    TableFactor::Derived { lateral: false, subquery, alias: None, sample: None }
}

/// The arguments of a call; none if one of them is of another form.
fn plain_arguments(function: ast::Function) -> Vec<ast::Expr> {
    let FunctionArguments::List(list) = function.args else { return Vec::new() };
    let plain = |arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(e)) => Some(e),
        _ => None,
    };
    list.args.into_iter().map(plain).collect::<Option<_>>().unwrap_or_default()
}

/// Milliseconds of a day-to-second interval literal; None for anything else.
pub fn interval_millis(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::IntervalMonthDayNano(Some(v)), _) if v.months == 0 => {
            Some(i64::from(v.days) * 86_400_000 + v.nanoseconds / 1_000_000)
        }
        Expr::Literal(ScalarValue::IntervalDayTime(Some(v)), _) => {
            Some(i64::from(v.days) * 86_400_000 + i64::from(v.milliseconds))
        }
        Expr::Negative(inner) => interval_millis(inner).map(|v| -v),
        Expr::ScalarFunction(f) if f.name() == INTERVAL => match f.args.as_slice() {
            [Expr::Literal(unit, _), Expr::Literal(ScalarValue::Int64(n), _)] => {
                n.filter(|_| unit.try_as_str().flatten() == Some("SECOND"))
            }
            _ => None,
        },
        _ => None,
    }
}

fn window_kind(function: &str, given: &[(Option<String>, i64)]) -> Result<TvfKind, String> {
    let order: &[&str] = match function {
        "SESSION" => &["gap"],
        "TUMBLE" => &["size", "offset"],
        "HOP" => &["slide", "size", "offset"],
        _ => &["step", "size", "offset"],
    };
    let find = |wanted: &str| {
        let by_name = given.iter().find(|(n, _)| n.as_deref() == Some(wanted));
        let position = order.iter().position(|n| *n == wanted)?;
        by_name.or_else(|| given.get(position).filter(|(n, _)| n.is_none())).map(|(_, v)| *v)
    };
    if let Some((Some(name), _)) =
        given.iter().find(|(n, _)| n.as_ref().is_some_and(|n| !order.contains(&n.as_str())))
    {
        return Err(format!("{function} has no argument {}", name.to_uppercase()));
    }
    if given.len() > order.len() {
        return Err(format!("{function} takes at most {} intervals", order.len()));
    }
    let positive = |wanted: &str| match find(wanted) {
        Some(v) if v > 0 => Ok(v),
        Some(_) => Err(format!("{function}: the {wanted} must be positive")),
        None => Err(format!("{function}: the {wanted} is missing")),
    };
    if function == "SESSION" {
        return Ok(TvfKind::Session { gap: positive("gap")? });
    }
    let (size, offset) = (positive("size")?, find("offset").unwrap_or(0));
    let limit = if function == "HOP" { positive("slide")? } else { size };
    if offset.abs() >= limit {
        let of = if function == "HOP" { "slide" } else { "size" };
        return Err(format!("{function}: the offset must be smaller than the {of}"));
    }
    Ok(TvfKind::Aligned(match function {
        "TUMBLE" => WindowKind::Tumble { size, offset },
        "HOP" => WindowKind::Hop { size, slide: positive("slide")?, offset },
        _ => {
            let step = positive("step")?;
            if size % step != 0 {
                return Err("CUMULATE: the size must be a multiple of the step".into());
            }
            WindowKind::Cumulate { size, step, offset }
        }
    }))
}

/// The plan with its windows in the session's time zone.
pub fn in_zone(plan: LogicalPlan, zone: Zone) -> Result<LogicalPlan> {
    let placed = plan.transform_up_with_subqueries(|plan| match &plan {
        LogicalPlan::Extension(e) => match as_window(e) {
            Some(tvf) => {
                let node = Arc::new(tvf.clone().in_zone(zone));
                Ok(Transformed::yes(LogicalPlan::Extension(Extension { node })))
            }
            None => Ok(Transformed::no(plan)),
        },
        _ => Ok(Transformed::no(plan)),
    })?;
    Ok(placed.data)
}

/// The UNNEST behind an extension node.
pub fn as_unnest(extension: &Extension) -> Option<&super::unnest::Unnest> {
    extension.node.as_any().downcast_ref()
}

/// The window function behind an extension node. Nodes are downcast here and above.
pub fn as_window(extension: &Extension) -> Option<&WindowTvf> {
    extension.node.as_any().downcast_ref::<WindowTvf>()
}

/// The time column, for messages.
pub fn time_name(tvf: &WindowTvf) -> String {
    match &tvf.time {
        Expr::Column(Column { name, .. }) => name.clone(),
        other => other.to_string(),
    }
}

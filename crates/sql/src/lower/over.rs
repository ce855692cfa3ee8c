//! OVER: a Map of what the calls read, an Exchange on the keys, a Reduce.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use brooklet_plan::node::{AggCall, AggFunc, Emit, ReduceKind, ReduceSpec, SortKey};
use brooklet_plan::over::{
    Distance, Edge, Frame, FrameUnit, OverCall, OverFunc, OverOrder, OverSpec,
};
use brooklet_plan::{Node, NodeOp};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::expr::{Sort, WindowFunction, WindowFunctionParams};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, Window, WindowFrame, WindowFrameBound, WindowFrameUnits,
    WindowFunctionDefinition,
};

use super::aggregate_calls::{engines, is_constant};
use super::deviation::{Deviation, cast, sums};
use super::facts::{self, TimeKind};
use super::needs::Need;
use super::rel::{self, Rel};
use super::{Lowering, error, names_of, needs};
use crate::query::clock::is_proctime;
use crate::query::frames;
use crate::query::window_functions as functions;
use crate::query::window_tvf::interval_millis;
use crate::query::{aggregates, row_number};

/// The columns that a Reduce reads, each distinct expression once.
struct Columns<'a> {
    map: Rel,
    below: &'a Rel,
    source: &'a LogicalPlan,
}

impl Columns<'_> {
    fn add(&mut self, expr: &Expr) -> Result<usize> {
        let expr = rel::substitute(expr.clone(), self.source.schema(), &self.below.exprs)?;
        let known = self.map.exprs.iter().position(|old| *old == expr);
        Ok(known.unwrap_or_else(|| {
            self.map.names.push(format!("${}", self.map.exprs.len()));
            self.map.exprs.push(expr);
            self.map.exprs.len() - 1
        }))
    }
}

impl Lowering<'_> {
    pub(super) fn over(&mut self, window: &Window, plan: &LogicalPlan, need: Need) -> Result<Rel> {
        let below_need = needs::of_inputs(plan, need, self.provider.names())[0];
        let source = &*window.input;
        let below = self.lower(source, below_need)?;
        let batch = self.settings.is_batch();
        if !batch && matches!(source, LogicalPlan::Window(_)) {
            return Err(one_window());
        }
        let calls: Vec<WindowFunction> =
            window.window_expr.iter().map(call).collect::<Result<_>>()?;
        let Some(first) = calls.first() else { return Ok(below) };
        let params = first.params.clone();
        let width = below.exprs.len();
        let mut columns = Columns { map: below.clone(), below: &below, source };
        let mut keys = Vec::new();
        for e in &params.partition_by {
            keys.push(columns.add(e)?);
        }
        let order = self.over_order(&params, source, &mut columns)?;
        let unit = unit_of(&params.order_by, source, &order)?;
        let (mut specs, mut results) = (Vec::new(), Vec::new());
        let fields = &plan.schema().fields()[source.schema().fields().len()..];
        for (call, field) in calls.iter().zip(fields) {
            let made = Made { order: &order, unit: &unit, batch };
            let first = specs.len();
            match deviation(call, field) {
                Some(deviation) => {
                    specs.extend(made.sums(call, &mut columns)?);
                    results.push((first, Some(deviation)));
                }
                None => {
                    specs.push(made.call(call, field.data_type(), &mut columns)?);
                    results.push((first, None));
                }
            }
        }
        if !batch {
            check_stream(&order, &specs)?;
        }
        let mut map = columns.map;
        map.label = format!("OVER with {} calls", specs.len());
        let input = self.emit(&map, below_need)?;
        let input = self.exchange(input, &keys, false);
        let node = self.over_node(input, keys, OverSpec { order, calls: specs })?;
        let label = self.plan.node(node).label.clone();
        let mut out = Rel::of_node(&self.plan, node, label);
        out.exprs.truncate(width);
        let column = |number: usize| rel::column(map.exprs.len() + number);
        for (first, deviation) in results {
            out.exprs.push(match deviation {
                None => column(first),
                Some(it) => it.of_sums(column(first), column(first + 1), column(first + 2))?,
            });
        }
        out.names = names_of(plan);
        Ok(out)
    }

    fn over_order(
        &self,
        params: &WindowFunctionParams,
        source: &LogicalPlan,
        columns: &mut Columns<'_>,
    ) -> Result<OverOrder> {
        let facts = facts::columns(source, self.provider.names());
        let time = |s: &Sort| match facts::trace(&s.expr, source) {
            Some(i) => facts[i].time,
            None => is_proctime(&s.expr).then_some(TimeKind::Proctime),
        };
        if self.settings.is_batch() {
            return sorted(&params.order_by, columns);
        }
        let [by] = params.order_by.as_slice() else {
            return Err(error("on a stream OVER is ordered by one column, a time best", None));
        };
        if matches!(by.expr, Expr::Literal(..)) {
            return Err(error("on a stream OVER is ordered by a column", None));
        }
        if !by.asc {
            return Err(error("on a stream OVER is ordered ascending", None));
        }
        match time(by) {
            Some(TimeKind::Rowtime) => Ok(OverOrder::Rowtime(columns.add(&by.expr)?)),
            Some(TimeKind::Proctime) => Ok(OverOrder::Proctime),
            None => sorted(&params.order_by, columns),
        }
    }

    fn over_node(&mut self, input: usize, keys: Vec<usize>, spec: OverSpec) -> Result<usize> {
        let below = self.plan.node(input).clone();
        let by_time = !matches!(spec.order, OverOrder::Sorted(_));
        if by_time && !below.append_only {
            let message = "OVER ordered by a time reads rows that are only added, and this query \
                           changes them: order by a column that is no time";
            return Err(error(message, None));
        }
        let width = rel::visible(&below);
        let added = spec.calls.len();
        let mut fields: Vec<Field> =
            below.schema.fields().iter().map(|f| f.as_ref().clone()).collect();
        let result =
            |(n, c): (usize, &OverCall)| Field::new(format!("over{n}"), c.ty.clone(), true);
        let results: Vec<Field> = spec.calls.iter().enumerate().map(result).collect();
        fields.splice(width..width, results);
        let shift = |i: &usize| i + added;
        let node = Node {
            op: NodeOp::Reduce(ReduceSpec {
                keys,
                kind: ReduceKind::Over(spec),
                emit: Emit::EveryEpoch,
                ttl_ms: self.ttl()?,
            }),
            inputs: vec![input],
            schema: Arc::new(Schema::new(fields)),
            append_only: by_time,
            key: below.key.clone(),
            ord: below.ord.iter().map(shift).collect(),
            late: below.late.as_ref().map(shift),
            fingerprint: 0,
            label: "OVER".into(),
        };
        let dealt = self.dealt[input].clone();
        Ok(self.push(node, dealt))
    }
}

fn sorted(order_by: &[Sort], columns: &mut Columns<'_>) -> Result<OverOrder> {
    let mut keys = Vec::new();
    for s in order_by {
        let column = columns.add(&s.expr)?;
        keys.push(SortKey { column, descending: !s.asc, nulls_first: s.nulls_first });
    }
    Ok(OverOrder::Sorted(keys))
}

fn call(expr: &Expr) -> Result<WindowFunction> {
    match expr.clone().unalias() {
        Expr::WindowFunction(f) => Ok(*f),
        other => Err(error(format!("{other} is no call with OVER"), None)),
    }
}

/// STDDEV and VARIANCE.
fn deviation<'a>(call: &WindowFunction, field: &'a Field) -> Option<Deviation<'a>> {
    let WindowFunctionDefinition::AggregateUDF(udf) = &call.fun else { return None };
    match aggregates::function(udf) {
        Some(aggregates::Function::Deviation { all, root }) => Some(Deviation { all, root, field }),
        _ => None,
    }
}

/// How the distance of a RANGE is counted.
enum Unit {
    /// Units of the column's type in a millisecond, for times.
    Time(i64),
    Whole,
    /// Digits behind the point.
    Decimal(i8),
    Float,
    /// No distances.
    None,
}

fn unit_of(order_by: &[Sort], source: &LogicalPlan, order: &OverOrder) -> Result<Unit> {
    let ([by], OverOrder::Sorted(_)) = (order_by, order) else { return Ok(Unit::Time(1)) };
    Ok(match by.expr.get_type(source.schema())? {
        DataType::Timestamp(TimeUnit::Millisecond, _) | DataType::Time32(_) => Unit::Time(1),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Unit::Time(1_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Unit::Time(1_000_000),
        DataType::Decimal128(_, scale) => Unit::Decimal(scale),
        DataType::Float32 | DataType::Float64 => Unit::Float,
        ty if ty.is_integer() => Unit::Whole,
        _ => Unit::None,
    })
}

/// Makes the calls of one window.
struct Made<'a> {
    order: &'a OverOrder,
    unit: &'a Unit,
    batch: bool,
}

impl Made<'_> {
    fn call(
        &self,
        call: &WindowFunction,
        ty: &DataType,
        columns: &mut Columns<'_>,
    ) -> Result<OverCall> {
        let ty = ty.clone();
        let params = &call.params;
        let frame = self.frame(&params.window_frame)?;
        let udf = match &call.fun {
            WindowFunctionDefinition::AggregateUDF(udf) => {
                let func = OverFunc::Aggregate(aggregate(udf, params, &ty, columns)?);
                if self.batch && params.distinct {
                    return Err(error("in batch mode OVER takes no DISTINCT", None));
                }
                return Ok(OverCall { func, frame: self.as_run(frame), ty });
            }
            WindowFunctionDefinition::WindowUDF(udf) => udf,
        };
        let name = udf.name();
        if let Some(call) = valued(name, params, &ty, columns)? {
            let func = OverFunc::Aggregate(call);
            return Ok(OverCall { func, frame: self.as_run(frame), ty });
        }
        let default = [Frame::up_to_here(FrameUnit::Range), Frame::up_to_here(FrameUnit::Rows)];
        let written = !default.contains(&frame)
            && frame != (Frame { end: Edge::Unbounded, ..Frame::up_to_here(FrameUnit::Rows) });
        if written && name != functions::NTILE {
            let message = format!("{}() takes no ROWS or RANGE", name.to_uppercase());
            return Err(error(message, None));
        }
        let everything = |unit| Frame::up_to_here(unit);
        let counted = |unit| OverCall {
            func: OverFunc::Aggregate(AggCall {
                func: AggFunc::Count,
                args: vec![],
                distinct: false,
                filter: None,
                ty: DataType::Int64,
            }),
            frame: self.as_run(everything(unit)),
            ty: DataType::Int64,
        };
        let func = match name {
            // What Flink gives on a stream: how many rows are not behind this one.
            row_number::ROW_NUMBER if !self.batch => return Ok(counted(FrameUnit::Rows)),
            functions::RANK | functions::DENSE_RANK if !self.batch => {
                return Ok(counted(FrameUnit::Range));
            }
            functions::LAG | functions::LEAD if self.batch || name == functions::LAG => {
                shifted(name, params, columns)?
            }
            _ if !self.batch => {
                let message = format!("{}() is not supported on a stream", name.to_uppercase());
                return Err(error(message, None));
            }
            row_number::ROW_NUMBER => OverFunc::RowNumber,
            functions::RANK => OverFunc::Rank,
            functions::DENSE_RANK => OverFunc::DenseRank,
            functions::NTILE => OverFunc::Ntile(positive(params)?),
            functions::PERCENT_RANK => OverFunc::PercentRank,
            functions::CUME_DIST => OverFunc::CumeDist,
            other => return Err(error(format!("{other} is not supported with OVER"), None)),
        };
        // On a stream all rows of one time are there when LAG counts back.
        let unit = if self.batch { FrameUnit::Rows } else { FrameUnit::Range };
        Ok(OverCall { func, frame: self.as_run(everything(unit)), ty })
    }

    /// What STDDEV and VARIANCE are made of: the sums of squares and of values, and their number.
    fn sums(&self, call: &WindowFunction, columns: &mut Columns<'_>) -> Result<[OverCall; 3]> {
        let params = &call.params;
        if self.batch && params.distinct {
            return Err(error("in batch mode OVER takes no DISTINCT", None));
        }
        if params.filter.is_some() {
            return Err(error("FILTER and OVER do not go together", None));
        }
        let [value] = params.args.as_slice() else {
            return Err(error("STDDEV and VARIANCE take one number", None));
        };
        let frame = self.as_run(self.frame(&params.window_frame)?);
        let ty = sums(&value.get_type(columns.source.schema())?);
        let value = cast(value.clone(), &ty);
        let (square, value) =
            (columns.add(&(value.clone() * value.clone()))?, columns.add(&value)?);
        let call = |func, arg, ty: &DataType| {
            let (args, distinct, ty) = (vec![arg], params.distinct, ty.clone());
            let call = AggCall { func, args, distinct, filter: None, ty: ty.clone() };
            OverCall { func: OverFunc::Aggregate(call), frame, ty }
        };
        Ok([
            call(AggFunc::Sum, square, &ty),
            call(AggFunc::Sum, value, &ty),
            call(AggFunc::Count, value, &DataType::Int64),
        ])
    }

    /// By arrival no two rows are equal as long as all rows before count.
    fn as_run(&self, frame: Frame) -> Frame {
        match self.order {
            OverOrder::Proctime if frame.only_grows() => Frame::up_to_here(FrameUnit::Rows),
            _ => frame,
        }
    }

    fn frame(&self, frame: &WindowFrame) -> Result<Frame> {
        let unit = match frame.units {
            WindowFrameUnits::Rows => FrameUnit::Rows,
            WindowFrameUnits::Range => FrameUnit::Range,
            WindowFrameUnits::Groups if frames::is_up_to_here(frame) => FrameUnit::Range,
            WindowFrameUnits::Groups => return Err(error("GROUPS is not supported", None)),
        };
        let (start, end) = (&frame.start_bound, &frame.end_bound);
        let ends_here = matches!(end, WindowFrameBound::CurrentRow);
        if !self.batch && (!ends_here || !matches!(start, WindowFrameBound::Preceding(_))) {
            let whole = matches!(end, WindowFrameBound::Following(v) if v.is_null());
            let message = match whole && unit == FrameUnit::Rows {
                true => "on a stream OVER needs an ORDER BY and a frame that ends with CURRENT ROW",
                false => "on a stream the frame starts before the row and ends with CURRENT ROW",
            };
            return Err(error(message, None));
        }
        Ok(Frame { unit, start: self.edge(start, unit)?, end: self.edge(end, unit)? })
    }

    fn edge(&self, bound: &WindowFrameBound, unit: FrameUnit) -> Result<Edge> {
        let (value, sign) = match bound {
            WindowFrameBound::CurrentRow => return Ok(Edge::CURRENT),
            WindowFrameBound::Preceding(v) => (v, -1),
            WindowFrameBound::Following(v) => (v, 1),
        };
        if value.is_null() {
            return Ok(Edge::Unbounded);
        }
        let wrong =
            || error(format!("RANGE {value}: this is no distance of the order's column"), None);
        let whole = |value: &ScalarValue| match value.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(Some(n))) => Ok(n),
            _ => Err(wrong()),
        };
        let distance = match (unit, self.unit) {
            (FrameUnit::Rows, _) | (_, Unit::Whole) => Distance::Exact(sign * whole(value)?),
            (_, Unit::Time(units)) => {
                let ms = interval_millis(&Expr::Literal(value.clone(), None)).ok_or_else(wrong)?;
                Distance::Exact(sign * ms * units)
            }
            (_, Unit::Float) => match value.cast_to(&DataType::Float64)? {
                ScalarValue::Float64(Some(x)) => Distance::Float(sign as f64 * x),
                _ => return Err(wrong()),
            },
            (_, Unit::Decimal(scale)) => match value.cast_to(&DataType::Decimal128(38, *scale))? {
                ScalarValue::Decimal128(Some(n), ..) => {
                    Distance::Exact(sign * i64::try_from(n).map_err(|_| wrong())?)
                }
                _ => return Err(wrong()),
            },
            (_, Unit::None) => return Err(wrong()),
        };
        Ok(Edge::Offset(distance))
    }
}

fn aggregate(
    udf: &datafusion::logical_expr::AggregateUDF,
    params: &WindowFunctionParams,
    ty: &DataType,
    columns: &mut Columns<'_>,
) -> Result<AggCall> {
    let name = udf.name().to_uppercase();
    let Some(function) = aggregates::function(udf) else {
        return Err(error(format!("aggregate {name} is not supported"), None));
    };
    let func = engines(function, &params.args, params.null_treatment, &name)?;
    if params.filter.is_some() {
        return Err(error("FILTER and OVER do not go together", None));
    }
    let mut args = Vec::new();
    for (place, e) in params.args.iter().enumerate() {
        if is_constant(function, place) {
            continue;
        }
        let never_null = matches!(e, Expr::Literal(v, _) if !v.is_null());
        if func != AggFunc::Count || !never_null || params.distinct {
            args.push(columns.add(e)?);
        }
    }
    Ok(AggCall { func, args, distinct: params.distinct, filter: None, ty: ty.clone() })
}

/// FIRST_VALUE and LAST_VALUE, which the planner takes for no aggregates here.
fn valued(
    name: &str,
    params: &WindowFunctionParams,
    ty: &DataType,
    columns: &mut Columns<'_>,
) -> Result<Option<AggCall>> {
    let func = match name {
        functions::FIRST_VALUE => AggFunc::FirstValue,
        functions::LAST_VALUE => AggFunc::LastValue,
        _ => return Ok(None),
    };
    let args = params.args.iter().map(|e| columns.add(e)).collect::<Result<_>>()?;
    Ok(Some(AggCall { func, args, distinct: false, filter: None, ty: ty.clone() }))
}

fn shifted(
    name: &str,
    params: &WindowFunctionParams,
    columns: &mut Columns<'_>,
) -> Result<OverFunc> {
    let Some(value) = params.args.first() else { return Err(error("LAG needs a value", None)) };
    let by = match params.args.get(1) {
        None => 1,
        Some(e) => literal(e).filter(|n| *n >= 0).ok_or_else(|| {
            error(format!("{}: the second argument is a whole number", name.to_uppercase()), None)
        })?,
    };
    let default = params.args.get(2).map(|e| columns.add(e)).transpose()?;
    let back = if name == functions::LAG { by } else { -by };
    Ok(OverFunc::Shifted { arg: columns.add(value)?, back, default })
}

fn positive(params: &WindowFunctionParams) -> Result<u64> {
    let given = params.args.first().and_then(literal).filter(|n| *n > 0);
    given.map(|n| n as u64).ok_or_else(|| error("NTILE needs a whole number above 0", None))
}

fn literal(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Cast(c) => literal(&c.expr),
        Expr::Literal(v, _) => match v.cast_to(&DataType::Int64) {
            Ok(ScalarValue::Int64(n)) => n,
            _ => None,
        },
        _ => None,
    }
}

/// What a stream computes has one window, and by columns everything before the row.
fn check_stream(order: &OverOrder, calls: &[OverCall]) -> Result<()> {
    let aggregates = calls.iter().filter(|c| matches!(c.func, OverFunc::Aggregate(_)));
    let mut frames = aggregates.map(|c| c.frame);
    if let Some(first) = frames.next() {
        if frames.any(|f| f != first) {
            return Err(one_window());
        }
        if matches!(order, OverOrder::Sorted(_)) && !first.only_grows() {
            let message = "on a stream OVER that is ordered by a column that is no time starts at \
                           UNBOUNDED PRECEDING";
            return Err(error(message, None));
        }
    }
    Ok(())
}

fn one_window() -> datafusion::common::DataFusionError {
    let message = "on a stream all calls with OVER in one SELECT have the same window: compute the \
                   others in a query around it";
    error(message, None)
}

//! Aggregate calls as the engine carries them out, and the expressions that make the results of
//! them: STDDEV and VARIANCE are made of squared deviations and counts.

use arrow::datatypes::{DataType, Field};
use brooklet_plan::node::{AggCall, AggFunc, Percentages};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{AggregateFunction, NullTreatment};
use datafusion::logical_expr::{Expr, ExprSchemable};

use super::aggregate::{Columns, key_name};
use super::deviation::Deviation;
use super::{error, grouping_sets, rel};
use crate::query::aggregates::{self, Function};

/// The calls of a Reduce with the fields of their results.
#[derive(Default)]
pub struct Calls {
    pub calls: Vec<AggCall>,
    pub fields: Vec<Field>,
    /// What each aggregate of the query is, over the Reduce's columns.
    pub results: Vec<Expr>,
}

/// What a call is made from.
pub struct Scope<'a> {
    pub input: &'a DFSchema,
    /// The keys as they are written, and the sets of them.
    pub keys: &'a [Expr],
    pub sets: &'a [Vec<usize>],
    /// The Reduce's column that holds the number of the set.
    pub set: usize,
    /// How many of the Reduce's columns are keys.
    pub width: usize,
    /// Whether the query runs over a finished input.
    pub batch: bool,
}

/// The arguments of a call as columns.
struct Args<'a> {
    call: &'a AggregateFunction,
    columns: Vec<usize>,
    filter: Option<usize>,
}

impl Calls {
    /// Adds an aggregate of the query; `field` is its column.
    pub fn add(
        &mut self,
        expr: &Expr,
        field: &Field,
        columns: &mut Columns,
        over: &impl Fn(&Expr) -> Result<Expr>,
        scope: &Scope<'_>,
    ) -> Result<()> {
        let Expr::AggregateFunction(call) = expr.clone().unalias() else {
            return Err(error(format!("{expr} is not an aggregate"), None));
        };
        let name = aggregates::shown_name(&call.func);
        let Some(function) = aggregates::function(&call.func) else {
            return Err(error(format!("aggregate {name} is not supported"), None));
        };
        check(&call, function, &name, scope)?;
        check_types(&call, &name, scope)?;
        let set = rel::column(scope.set);
        let result = match function {
            Function::Grouping => {
                let place = |arg| grouping_sets::place(arg, scope.keys);
                let places = call.params.args.iter().map(place).collect::<Result<Vec<_>>>()?;
                grouping_sets::grouping(&places, scope.sets, &set)?
            }
            Function::GroupId => grouping_sets::group_id(scope.sets, &set)?,
            Function::Deviation { all, root } => {
                let args = args(&call, function, columns, over)?;
                self.deviation(&args, (all, root), field, scope)?
            }
            _ => {
                let args = args(&call, function, columns, over)?;
                let params = &call.params;
                let func = engines(function, &params.args, params.null_treatment, &name)?;
                self.one(func, &args, field.clone(), scope)
            }
        };
        self.results.push(result);
        Ok(())
    }

    /// The column of a call.
    fn one(&mut self, func: AggFunc, args: &Args<'_>, field: Field, scope: &Scope<'_>) -> Expr {
        let distinct = args.call.params.distinct || is_approximate(args.call);
        let (ty, columns) = (field.data_type().clone(), args.columns.clone());
        let call = AggCall { func, args: columns, distinct, filter: args.filter, ty };
        let same = |c: &AggCall| {
            (&c.func, &c.args, c.distinct, c.filter)
                == (&call.func, &call.args, call.distinct, call.filter)
        };
        let number = self.calls.iter().position(same).unwrap_or_else(|| {
            self.calls.push(call);
            self.fields.push(field);
            self.calls.len() - 1
        });
        rel::column(scope.width + number)
    }

    fn deviation(
        &mut self,
        args: &Args<'_>,
        (all, root): (bool, bool),
        field: &Field,
        scope: &Scope<'_>,
    ) -> Result<Expr> {
        let squares = Field::new("squares", DataType::Float64, true);
        let squares = self.one(AggFunc::SquaredDeviations, args, squares, scope);
        let count = Field::new("count", DataType::Int64, true);
        let count = self.one(AggFunc::Count, args, count, scope);
        Deviation { all, root, field }.of_squares(squares, count)
    }
}

fn is_approximate(call: &AggregateFunction) -> bool {
    aggregates::function(&call.func) == Some(Function::ApproxCountDistinct)
}

/// Refuses what Flink refuses.
fn check(
    call: &AggregateFunction,
    function: Function,
    name: &str,
    scope: &Scope<'_>,
) -> Result<()> {
    // In an ARRAY or JSON array, values stand as they come all the same.
    let in_order = matches!(function, Function::ArrayAgg | Function::JsonArrayAgg { .. });
    if !call.params.order_by.is_empty() && !in_order {
        return Err(error(format!("ORDER BY within {name} is not supported"), None));
    }
    if call.params.null_treatment.is_some() && function != Function::ArrayAgg {
        let message = format!("IGNORE NULLS and RESPECT NULLS do not go with {name}");
        return Err(error(message, None));
    }
    if function == Function::ApproxCountDistinct && !scope.batch {
        let message = "APPROX_COUNT_DISTINCT needs SET 'execution.runtime-mode' = 'batch'; \
                       COUNT(DISTINCT …) counts exactly";
        return Err(error(message, None));
    }
    Ok(())
}

/// Values that Flink does not compare for DISTINCT, and a condition that is none.
fn check_types(call: &AggregateFunction, name: &str, scope: &Scope<'_>) -> Result<()> {
    if matches!(call.params.filter.as_deref(), Some(Expr::Literal(ScalarValue::Null, _))) {
        return Err(error(format!("FILTER of {name}: NULL is no condition"), None));
    }
    for arg in call.params.args.iter().filter(|_| call.params.distinct) {
        let ty = arg.get_type(scope.input)?;
        if matches!(ty, DataType::Struct(_) | DataType::Map(..) | DataType::Binary) {
            let message = format!(
                "{name}(DISTINCT …) does not exist for values of type {}",
                aggregates::flink_name(&ty)
            );
            return Err(error(message, None));
        }
    }
    Ok(())
}

/// The call's arguments and filter as columns.
fn args<'a>(
    call: &'a AggregateFunction,
    function: Function,
    columns: &mut Columns,
    over: &impl Fn(&Expr) -> Result<Expr>,
) -> Result<Args<'a>> {
    let filter = match &call.params.filter {
        Some(e) => {
            let filter = over(e)?;
            let number = columns.exprs.len();
            Some(columns.add(filter, format!("filter{number}")))
        }
        None => None,
    };
    let mut args = Vec::new();
    for (place, e) in call.params.args.iter().enumerate() {
        let never_null = matches!(e, Expr::Literal(v, _) if !v.is_null());
        let counts_all = function == Function::Count && never_null && !call.params.distinct;
        if counts_all || is_constant(function, place) {
            continue;
        }
        let number = columns.exprs.len();
        args.push(columns.add(over(e)?, key_name(e, number)));
    }
    Ok(Args { call, columns: args, filter })
}

/// Whether the argument is a part of the function, not a column.
pub fn is_constant(function: Function, place: usize) -> bool {
    place == 1 && matches!(function, Function::ListAgg | Function::Percentile)
}

/// The engine's function where nothing but the name says it.
pub fn plain(function: Function) -> Option<AggFunc> {
    Some(match function {
        Function::Count | Function::ApproxCountDistinct => AggFunc::Count,
        Function::Sum => AggFunc::Sum,
        Function::Sum0 => AggFunc::Sum0,
        Function::Avg => AggFunc::Avg,
        Function::Min => AggFunc::Min,
        Function::Max => AggFunc::Max,
        Function::FirstValue => AggFunc::FirstValue,
        Function::LastValue => AggFunc::LastValue,
        Function::SingleValue => AggFunc::SingleValue,
        _ => return None,
    })
}

/// The engine's function.
pub fn engines(
    function: Function,
    args: &[Expr],
    nulls: Option<NullTreatment>,
    name: &str,
) -> Result<AggFunc> {
    let respects = nulls != Some(NullTreatment::IgnoreNulls);
    if let Some(func) = plain(function) {
        return Ok(func);
    }
    Ok(match function {
        Function::ArrayAgg => AggFunc::ArrayAgg { nulls: respects },
        Function::Collect => AggFunc::Collect,
        Function::JsonArrayAgg { nulls } => AggFunc::JsonArrayAgg { nulls },
        Function::JsonObjectAgg { nulls } => AggFunc::JsonObjectAgg { nulls },
        Function::ListAgg => AggFunc::ListAgg { separator: separator(args.get(1))? },
        Function::Percentile => AggFunc::Percentile { at: percentages(args.get(1))? },
        _ => {
            return Err(error(format!("{name} is no call of its own"), None));
        }
    })
}

fn separator(arg: Option<&Expr>) -> Result<String> {
    match arg {
        None => Ok(",".into()),
        Some(Expr::Literal(ScalarValue::Utf8(Some(text)), _)) => Ok(text.clone()),
        Some(_) => Err(error("LISTAGG: the separator must be a text literal", None)),
    }
}

fn percentages(arg: Option<&Expr>) -> Result<Percentages> {
    let wrong = || {
        let message = "PERCENTILE: the second argument must be a literal between 0 and 1, or an \
                       ARRAY of them";
        error(message, None)
    };
    let number = |value: &ScalarValue| match value.cast_to(&DataType::Float64) {
        Ok(ScalarValue::Float64(Some(at))) if (0.0..=1.0).contains(&at) => Ok(at),
        _ => Err(wrong()),
    };
    match arg {
        Some(Expr::Literal(ScalarValue::List(all), _)) => {
            let values = all.value(0);
            let each = (0..values.len()).map(|i| number(&ScalarValue::try_from_array(&values, i)?));
            Ok(Percentages::Many(each.collect::<Result<_>>()?))
        }
        Some(Expr::Literal(value, _)) => Ok(Percentages::One(number(value)?)),
        Some(Expr::Cast(cast)) => percentages(Some(&cast.expr)),
        _ => Err(wrong()),
    }
}

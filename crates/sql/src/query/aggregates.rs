//! Aggregate functions as the planner sees them: Flink's names, argument and result types.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use brooklet_core::types::{Nullable, SqlType};
use brooklet_plan::node::AggFunc;
use datafusion::common::{Result, ScalarValue, not_impl_err, plan_err};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use super::folds;
use crate::lower::sql_type;

/// What a name calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    Count,
    Sum,
    Sum0,
    Avg,
    Min,
    Max,
    FirstValue,
    LastValue,
    /// STDDEV and VARIANCE: whether of all values there are (POP), whether the root is taken.
    Deviation {
        all: bool,
        root: bool,
    },
    SingleValue,
    ListAgg,
    ArrayAgg,
    Collect,
    JsonArrayAgg {
        nulls: bool,
    },
    JsonObjectAgg {
        nulls: bool,
    },
    Percentile,
    /// Only in batch mode, and exact there.
    ApproxCountDistinct,
    /// GROUPING and GROUPING_ID.
    Grouping,
    GroupId,
}

use Function as F;

const ALL: [(&str, Function); 27] = [
    ("count", F::Count),
    ("sum", F::Sum),
    ("$sum0", F::Sum0),
    ("avg", F::Avg),
    ("min", F::Min),
    ("max", F::Max),
    ("first_value", F::FirstValue),
    ("last_value", F::LastValue),
    ("stddev", F::Deviation { all: false, root: true }),
    ("stddev_samp", F::Deviation { all: false, root: true }),
    ("stddev_pop", F::Deviation { all: true, root: true }),
    ("variance", F::Deviation { all: false, root: false }),
    ("var_samp", F::Deviation { all: false, root: false }),
    ("var_pop", F::Deviation { all: true, root: false }),
    ("single_value", F::SingleValue),
    ("listagg", F::ListAgg),
    ("array_agg", F::ArrayAgg),
    ("collect", F::Collect),
    ("__json_arrayagg_null", F::JsonArrayAgg { nulls: true }),
    ("__json_arrayagg_absent", F::JsonArrayAgg { nulls: false }),
    ("__json_objectagg_null", F::JsonObjectAgg { nulls: true }),
    ("__json_objectagg_absent", F::JsonObjectAgg { nulls: false }),
    ("percentile", F::Percentile),
    ("approx_count_distinct", F::ApproxCountDistinct),
    ("grouping", F::Grouping),
    ("grouping_id", F::Grouping),
    ("group_id", F::GroupId),
];

/// Every aggregate under its lower-case name.
pub fn all() -> Vec<Arc<AggregateUDF>> {
    let planned = |(name, function)| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(AggregateUDF::new_from_impl(Planned { name, function, signature }))
    };
    ALL.into_iter().map(planned).collect()
}

/// The function an aggregate of a plan stands for.
pub fn function(udaf: &AggregateUDF) -> Option<Function> {
    ALL.into_iter().find(|(name, _)| *name == udaf.name()).map(|(_, function)| function)
}

/// The name that a user wrote.
pub fn shown_name(udaf: &AggregateUDF) -> String {
    shown(udaf.name())
}

fn shown(name: &str) -> String {
    let name = name.trim_start_matches('_');
    name.trim_end_matches("_null").trim_end_matches("_absent").to_uppercase()
}

/// Whether the result depends on the order in which rows arrive.
pub fn is_ordered(udaf: &AggregateUDF) -> bool {
    matches!(
        function(udaf),
        Some(F::FirstValue | F::LastValue | F::ListAgg | F::ArrayAgg | F::JsonArrayAgg { .. })
    )
}

/// Whether values are added up as floating point numbers; `floats`: some of them are.
pub fn sums_floats(udaf: &AggregateUDF, floats: bool) -> bool {
    match function(udaf) {
        Some(F::Sum | F::Sum0 | F::Avg) => floats,
        Some(F::Deviation { .. }) => true,
        _ => false,
    }
}

/// Why a query of a built-in table cannot have this aggregate, if so.
pub fn refusal(call: &AggregateFunction) -> Option<String> {
    let name = shown_name(&call.func);
    match function(&call.func).and_then(served) {
        Some(known) if folds::is_known(&known) => call.params.distinct.then(|| {
            format!("{name}(DISTINCT …) cannot be served: aggregate over a SELECT DISTINCT")
        }),
        Some(_) => Some(format!("{name} cannot be served: a table's rows have no order")),
        None => Some(format!("{name} cannot be served: it is for streams")),
    }
}

/// What queries of built-in tables may run, if they know it.
fn served(function: Function) -> Option<AggFunc> {
    Some(match function {
        F::Count => AggFunc::Count,
        F::Sum => AggFunc::Sum,
        F::Avg => AggFunc::Avg,
        F::Min => AggFunc::Min,
        F::Max => AggFunc::Max,
        F::FirstValue => AggFunc::FirstValue,
        F::LastValue => AggFunc::LastValue,
        _ => return None,
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Planned {
    name: &'static str,
    function: Function,
    signature: Signature,
}

impl AggregateUDFImpl for Planned {
    fn name(&self) -> &str {
        self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn is_nullable(&self) -> bool {
        !matches!(
            self.function,
            F::Count
                | F::Sum0
                | F::Collect
                | F::JsonArrayAgg { .. }
                | F::JsonObjectAgg { .. }
                | F::ApproxCountDistinct
                | F::Grouping
                | F::GroupId
        )
    }
    fn supports_null_handling_clause(&self) -> bool {
        self.function == F::ArrayAgg
    }
    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        check(&shown(self.name), self.function, args)?;
        Ok(args.to_vec())
    }
    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let arg = args.first().and_then(SqlType::from_arrow).unwrap_or(SqlType::STRING);
        let result = result(self.function, &arg, args.get(1));
        Ok(if args.first() == Some(&DataType::Null) { DataType::Null } else { result.arrow() })
    }
    fn return_field(&self, args: &[FieldRef]) -> Result<FieldRef> {
        let arg = args.first().and_then(|f| sql_type(f)).unwrap_or(SqlType::STRING);
        let result = result(self.function, &arg, args.get(1).map(|f| f.data_type()));
        Ok(Arc::new(result.field(self.name, self.is_nullable())))
    }
    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let from = args.expr_fields.first().map_or(&DataType::Null, |f| f.data_type());
        match served(self.function) {
            Some(func) => folds::accumulator(&func, from, args.return_field.data_type()),
            None => not_impl_err!("{} is for streams", shown(self.name)),
        }
    }
    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let from = args.input_fields.first().map_or(&DataType::Null, |f| f.data_type());
        match served(self.function) {
            Some(func) => Ok(folds::state_fields(&func, from, args.return_field.data_type())),
            None => not_impl_err!("{} is for streams", shown(self.name)),
        }
    }
    fn default_value(&self, ty: &DataType) -> Result<ScalarValue> {
        match self.function {
            F::Count => Ok(ScalarValue::Int64(Some(0))),
            _ => ScalarValue::try_from(ty),
        }
    }
}

/// Refuses arguments that Flink refuses.
fn check(name: &str, function: Function, args: &[DataType]) -> Result<()> {
    let (least, most) = match function {
        F::ListAgg => (1, 2),
        F::JsonObjectAgg { .. } => (2, 2),
        F::Percentile => (2, 3),
        F::Grouping => (1, usize::MAX),
        F::GroupId => (0, 0),
        _ => (1, 1),
    };
    if !(least..=most).contains(&args.len()) {
        let takes = match (least, most) {
            (1, 1) => "one argument".to_string(),
            (0, 0) => "no argument".to_string(),
            (2, 2) => "two arguments".to_string(),
            (least, usize::MAX) => format!("at least {least} argument"),
            (least, most) => format!("{least} to {most} arguments"),
        };
        return plan_err!("{name} takes {takes}; {} were given", args.len());
    }
    let Some(arg) = args.first() else { return Ok(()) };
    if arg.is_null() {
        return plan_err!("{name} of NULL has no type: write CAST(NULL AS …)");
    }
    let shown = flink_name(arg);
    match function {
        F::Sum | F::Sum0 | F::Avg | F::Deviation { .. } | F::Percentile if !arg.is_numeric() => {
            plan_err!("{name} needs a number, not {shown}")
        }
        F::Min | F::Max if !is_ordered_type(arg) => {
            plan_err!("{name} does not exist for values of type {shown}")
        }
        F::ListAgg | F::JsonObjectAgg { .. } if *arg != DataType::Utf8 => {
            plan_err!("{name} needs a STRING, not {shown}: write a CAST")
        }
        _ => Ok(()),
    }
}

fn is_ordered_type(ty: &DataType) -> bool {
    let nested = matches!(ty, DataType::List(_) | DataType::Map(..) | DataType::Struct(_));
    !nested && *ty != DataType::Binary
}

/// The type of the result; `second` is that of the second argument.
fn result(function: Function, arg: &SqlType, second: Option<&DataType>) -> SqlType {
    let nullable = |ty: &SqlType| Box::new(Nullable { ty: ty.clone(), nullable: true });
    match (function, arg) {
        (F::Count | F::ApproxCountDistinct | F::Grouping | F::GroupId, _) => SqlType::BigInt,
        (F::Sum | F::Sum0, SqlType::Decimal(_, s)) => SqlType::Decimal(38, *s),
        (F::Avg | F::Deviation { .. }, SqlType::Decimal(_, s)) => SqlType::Decimal(38, (*s).max(6)),
        (F::JsonArrayAgg { .. } | F::JsonObjectAgg { .. }, _) => SqlType::Varchar(2000),
        (F::ArrayAgg, item) => SqlType::Array(nullable(item)),
        (F::Collect, item) => SqlType::Multiset(nullable(item)),
        (F::Percentile, _) => match second {
            Some(DataType::List(_)) => SqlType::Array(nullable(&SqlType::Double)),
            _ => SqlType::Double,
        },
        (_, same) => same.clone(),
    }
}

/// The SQL name of an Arrow type, for messages.
pub fn flink_name(ty: &DataType) -> String {
    match SqlType::from_arrow(ty) {
        Some(sql) => sql.to_string(),
        None => ty.to_string(),
    }
}

//! Aggregate functions as the planner sees them: Flink's names and result types.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use brooklet_plan::node::AggFunc;
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::expr::AggregateFunction;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

use super::folds;

const ALL: [(&str, AggFunc); 7] = [
    ("count", AggFunc::Count),
    ("sum", AggFunc::Sum),
    ("avg", AggFunc::Avg),
    ("min", AggFunc::Min),
    ("max", AggFunc::Max),
    ("first_value", AggFunc::FirstValue),
    ("last_value", AggFunc::LastValue),
];

/// Every aggregate under its lower-case name.
pub fn all() -> Vec<Arc<AggregateUDF>> {
    let planned = |(name, func)| {
        let signature = Signature::user_defined(Volatility::Immutable);
        Arc::new(AggregateUDF::new_from_impl(Planned { name, func, signature }))
    };
    ALL.into_iter().map(planned).collect()
}

/// The function an aggregate of a plan stands for.
pub fn func(udaf: &AggregateUDF) -> Option<AggFunc> {
    ALL.into_iter().find(|(name, _)| *name == udaf.name()).map(|(_, func)| func)
}

/// Why a query of a built-in table cannot have this aggregate, if so.
pub fn refusal(call: &AggregateFunction) -> Option<String> {
    let name = call.func.name().to_uppercase();
    match func(&call.func) {
        Some(known) if folds::is_known(known) => call.params.distinct.then(|| {
            format!("{name}(DISTINCT …) cannot be served: aggregate over a SELECT DISTINCT")
        }),
        _ => Some(format!("{name} cannot be served: a table's rows have no order")),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Planned {
    name: &'static str,
    func: AggFunc,
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
        self.func != AggFunc::Count
    }
    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        let name = self.name.to_uppercase();
        if args.len() != 1 {
            return plan_err!("{name} takes one argument; {} were given", args.len());
        }
        let numeric = matches!(self.func, AggFunc::Sum | AggFunc::Avg);
        if numeric && !args[0].is_numeric() && !args[0].is_null() {
            return plan_err!("{name} needs a number, not {}", flink_name(&args[0]));
        }
        Ok(args.to_vec())
    }
    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        let arg = args.first().cloned().unwrap_or(DataType::Null);
        Ok(match (self.func, arg) {
            (AggFunc::Count, _) => DataType::Int64,
            (AggFunc::Sum, DataType::Decimal128(_, s)) => DataType::Decimal128(38, s),
            (AggFunc::Avg, DataType::Decimal128(_, s)) => DataType::Decimal128(38, s.max(6)),
            (_, same) => same,
        })
    }
    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let from = args.expr_fields.first().map_or(&DataType::Null, |f| f.data_type());
        folds::accumulator(self.func, from, args.return_field.data_type())
    }
    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let from = args.input_fields.first().map_or(&DataType::Null, |f| f.data_type());
        Ok(folds::state_fields(self.func, from, args.return_field.data_type()))
    }
    fn default_value(&self, ty: &DataType) -> Result<ScalarValue> {
        match self.func {
            AggFunc::Count => Ok(ScalarValue::Int64(Some(0))),
            _ => ScalarValue::try_from(ty),
        }
    }
}

/// The SQL name of an Arrow type, for messages.
pub fn flink_name(ty: &DataType) -> String {
    match brooklet_core::types::SqlType::from_arrow(ty) {
        Some(sql) => sql.to_string(),
        None => ty.to_string(),
    }
}

//! Aggregate functions as the planner sees them: Flink's names and result types, no execution.

use std::sync::Arc;

use arrow::datatypes::DataType;
use brooklet_plan::node::AggFunc;
use datafusion::common::{Result, ScalarValue, not_impl_err, plan_err};
use datafusion::logical_expr::function::AccumulatorArgs;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility,
};

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
    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        not_impl_err!("{} is run by the engine", self.name)
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

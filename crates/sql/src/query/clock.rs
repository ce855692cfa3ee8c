//! Functions of the clock. They stand in the logical plan as calls that nothing folds and become
//! the epoch's `now` when the plan is lowered.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use brooklet_core::time::Millis;
use brooklet_core::types::UTC;
use brooklet_plan::node::NOW;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    Cast, ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

/// TIMESTAMP_LTZ(3), the type of `__now`.
pub fn now_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into()))
}

fn result_type(name: &str) -> Option<DataType> {
    Some(match name {
        "proctime" | "current_timestamp" | "now" | "current_row_timestamp" => now_type(),
        "localtimestamp" => DataType::Timestamp(TimeUnit::Millisecond, None),
        "current_date" => DataType::Date32,
        "current_time" | "localtime" => DataType::Time32(TimeUnit::Millisecond),
        _ => return None,
    })
}

/// The functions by name.
pub fn functions() -> BTreeMap<String, Arc<ScalarUDF>> {
    let names = [
        "proctime",
        "current_timestamp",
        "now",
        "current_row_timestamp",
        "localtimestamp",
        "current_date",
        "current_time",
        "localtime",
    ];
    let udf = |name: &str| {
        let ty = result_type(name)?;
        let signature = Signature::nullary(Volatility::Volatile);
        let udf = ScalarUDF::from(Reading { name: name.to_string(), ty, signature });
        Some((name.to_string(), Arc::new(udf)))
    };
    names.into_iter().filter_map(udf).collect()
}

/// A function of the clock, which is never NULL.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Reading {
    name: String,
    ty: DataType,
    signature: Signature,
}

impl ScalarUDFImpl for Reading {
    fn name(&self) -> &str {
        &self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.ty.clone())
    }
    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(&self.name, self.ty.clone(), false)))
    }
    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        plan_err!("the clock is read by the engine")
    }
}

/// Whether this is PROCTIME(), a processing-time attribute.
pub fn is_proctime(expr: &Expr) -> bool {
    match expr {
        Expr::Alias(alias) => is_proctime(&alias.expr),
        Expr::ScalarFunction(f) => f.func.name() == "proctime" && f.args.is_empty(),
        _ => false,
    }
}

/// Puts the column `__now` in the place of every call.
pub fn to_column(expr: Expr) -> Result<Expr> {
    let replaced = expr.transform_up(|e| {
        let Expr::ScalarFunction(f) = &e else { return Ok(Transformed::no(e)) };
        let Some(ty) = result_type(f.func.name()).filter(|_| f.args.is_empty()) else {
            return Ok(Transformed::no(e));
        };
        let now = Expr::Column(Column::new_unqualified(NOW));
        Ok(Transformed::yes(match ty == now_type() {
            true => now,
            false => Expr::Cast(Cast::new(Box::new(now), ty)),
        }))
    })?;
    Ok(replaced.data)
}

/// Whether this is a call of one of them.
pub fn is_call(expr: &Expr) -> bool {
    let Expr::ScalarFunction(f) = expr else { return false };
    f.args.is_empty() && result_type(f.func.name()).is_some()
}

/// Puts a moment in the place of a call.
pub fn to_literal(expr: Expr, now: Millis) -> Result<Transformed<Expr>> {
    let Expr::ScalarFunction(f) = &expr else { return Ok(Transformed::no(expr)) };
    let Some(ty) = result_type(f.func.name()).filter(|_| f.args.is_empty()) else {
        return Ok(Transformed::no(expr));
    };
    let now = ScalarValue::TimestampMillisecond(Some(now), Some(UTC.into()));
    Ok(Transformed::yes(Expr::Literal(now.cast_to(&ty)?, None)))
}

/// Whether the expression reads `__now`.
pub fn reads_now(expr: &Expr) -> bool {
    expr.column_refs().iter().any(|c| c.relation.is_none() && c.name == NOW)
}

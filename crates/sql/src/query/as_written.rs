//! A value of VALUES before the types of its column are made one: DataFusion refuses rows whose
//! types differ in what only metadata says, such as CHAR(2) and CHAR(3). The function hides that
//! until [`super::typing`] takes it away.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{Result, not_impl_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

pub const AS_WRITTEN: &str = "__as_written";

pub fn as_written() -> Arc<ScalarUDF> {
    let signature = Signature::any(1, Volatility::Immutable);
    Arc::new(ScalarUDF::from(AsWritten { signature }))
}

/// The value itself.
pub fn within(expr: Expr) -> Expr {
    match expr {
        Expr::ScalarFunction(mut f) if f.func.name() == AS_WRITTEN && f.args.len() == 1 => {
            f.args.remove(0)
        }
        other => other,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct AsWritten {
    signature: Signature,
}

impl ScalarUDFImpl for AsWritten {
    fn name(&self) -> &str {
        AS_WRITTEN
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(types[0].clone())
    }
    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("{AS_WRITTEN} is taken away before a query runs")
    }
}

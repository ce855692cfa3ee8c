//! CURRENT_WATERMARK(rowtime): the watermark that a row met, TIMESTAMP(3) or TIMESTAMP_LTZ(3).

use arrow::datatypes::DataType;
use datafusion::common::{Result, not_impl_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

const NAME: &str = "current_watermark";

pub fn function() -> ScalarUDF {
    ScalarUDF::new_from_impl(CurrentWatermark {
        signature: Signature::any(1, Volatility::Volatile),
    })
}

/// The argument, if the expression is such a call.
pub fn argument(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::ScalarFunction(f) if f.func.name() == NAME => f.args.first(),
        _ => None,
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct CurrentWatermark {
    signature: Signature,
}

impl ScalarUDFImpl for CurrentWatermark {
    fn name(&self) -> &str {
        NAME
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args {
            [time @ DataType::Timestamp(..)] => Ok(time.clone()),
            _ => plan_err!("CURRENT_WATERMARK takes an event time: the column of a WATERMARK"),
        }
    }
    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        not_impl_err!("CURRENT_WATERMARK is read off the row")
    }
}

//! TYPEOF, the one function that reads its argument's type and not its value.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::types::sql_type;

/// `TYPEOF(value [, long form])`: the SQL type of the value, as text; the long form has no
/// short names such as STRING.
///
/// ```sql
/// TYPEOF(CAST(NULL AS DECIMAL(10,2))) = 'DECIMAL(10, 2)'
/// ```
#[derive(Debug, PartialEq, Eq, Hash)]
struct TypeOf {
    signature: Signature,
}

pub(crate) fn udf() -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::from(TypeOf { signature }))
}

impl ScalarUDFImpl for TypeOf {
    fn name(&self) -> &str {
        "typeof"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [_] | [_, DataType::Boolean] => Ok(types.to_vec()),
            _ => plan_err!("TYPEOF takes a value and perhaps TRUE or FALSE"),
        }
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }
    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new("typeof", DataType::Utf8, true)))
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let field = &args.arg_fields[0];
        let long = matches!(
            args.args.get(1),
            Some(ColumnarValue::Scalar(ScalarValue::Boolean(Some(true))))
        );
        let text = type_text(field, long);
        Ok(ColumnarValue::Scalar(ScalarValue::Utf8(Some(text))))
    }
}

/// The SQL type of a value as TYPEOF gives it; the long form has no short names such as STRING.
pub fn type_text(field: &Field, long: bool) -> String {
    if *field.data_type() == DataType::Null {
        return "NULL".to_string();
    }
    let text = sql_type(field).to_string() + if field.is_nullable() { "" } else { " NOT NULL" };
    match long {
        true => {
            let text = text.replace("STRING", "VARCHAR(2147483647)");
            text.replace("BYTES", "VARBINARY(2147483647)")
        }
        false => text,
    }
}

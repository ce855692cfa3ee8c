//! A Python function as DataFusion sees it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, new_empty_array};
use arrow::compute::concat;
use arrow::datatypes::{DataType, FieldRef};
use brooklet_core::types::SqlType;
use brooklet_core::{Error, ErrorKind};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    TypeSignature, Volatility,
};

use crate::interpreter::{Declared, Interpreter};
use crate::values::{read, tag, write};

/// A declaration's types, read.
pub struct Types {
    pub result: SqlType,
    /// None: any.
    pub inputs: Option<Vec<SqlType>>,
}

/// Rows a request holds at most.
const CHUNK_ROWS: usize = 8_192;

struct PythonFunction {
    /// As queries call it.
    name: String,
    /// `module.function`.
    function: String,
    declared: Declared,
    types: Types,
    interpreter: Arc<Interpreter>,
    signature: Signature,
}

/// The function `module.function` under `name`. Its types must be such that a value of them can be
/// carried to Python and back.
pub fn function(
    name: &str,
    function: &str,
    declared: Declared,
    types: Types,
    interpreter: Arc<Interpreter>,
) -> brooklet_core::Result<Arc<ScalarUDF>> {
    for ty in types.inputs.iter().flatten().chain([&types.result]) {
        if tag(&ty.arrow()).is_none() {
            return Err(Error::config(format!(
                "Python function '{function}': type {ty} is not supported"
            )));
        }
    }
    let user_defined = TypeSignature::UserDefined;
    let signature = match (declared.least, declared.most) {
        (_, Some(0)) => TypeSignature::Nullary,
        (0, _) => TypeSignature::OneOf(vec![TypeSignature::Nullary, user_defined]),
        _ => user_defined,
    };
    let signature = Signature::new(signature, Volatility::Immutable);
    let (name, function) = (name.to_string(), function.to_string());
    let udf = PythonFunction { name, function, declared, types, interpreter, signature };
    Ok(Arc::new(ScalarUDF::from(udf)))
}

impl fmt::Debug for PythonFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.function)
    }
}

impl PartialEq for PythonFunction {
    fn eq(&self, other: &Self) -> bool {
        let same = Arc::ptr_eq(&self.interpreter, &other.interpreter);
        same && self.name == other.name && self.function == other.function
    }
}

impl Eq for PythonFunction {}

impl Hash for PythonFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.function.hash(state);
    }
}

impl ScalarUDFImpl for PythonFunction {
    fn name(&self) -> &str {
        &self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let Declared { least, most, .. } = self.declared;
        if given.len() < least || most.is_some_and(|most| given.len() > most) {
            let takes = match most {
                Some(most) if most == least => least.to_string(),
                Some(most) => format!("{least} to {most}"),
                None => format!("at least {least}"),
            };
            let plural = if takes == "1" { "" } else { "s" };
            let (name, given) = (&self.name, given.len());
            return plan_err!("{name} takes {takes} argument{plural}, {given} were given");
        }
        given.iter().enumerate().map(|(at, ty)| self.coerced(at, ty)).collect()
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.types.result.arrow())
    }
    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(self.types.result.field(&self.name, true)))
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let columns: Vec<ArrayRef> =
            args.args.into_iter().map(|a| a.into_array(rows)).collect::<Result<_>>()?;
        let result = self.types.result.arrow();
        let mut parts = Vec::with_capacity(rows.div_ceil(CHUNK_ROWS));
        for from in (0..rows).step_by(CHUNK_ROWS) {
            let length = CHUNK_ROWS.min(rows - from);
            let chunk: Vec<ArrayRef> = columns.iter().map(|c| c.slice(from, length)).collect();
            parts.push(self.call(&chunk, length, &result)?);
        }
        let parts: Vec<&dyn arrow::array::Array> = parts.iter().map(|p| p.as_ref()).collect();
        Ok(ColumnarValue::Array(match parts.is_empty() {
            true => new_empty_array(&result),
            false => concat(&parts)?,
        }))
    }
}

impl PythonFunction {
    /// The type an argument is cast to: a declared one only where nothing is lost.
    fn coerced(&self, at: usize, given: &DataType) -> Result<DataType> {
        let given = match given {
            DataType::Utf8View | DataType::LargeUtf8 | DataType::Null => &DataType::Utf8,
            other => other,
        };
        let declared = self.types.inputs.as_ref().and_then(|all| all.get(at)).map(SqlType::arrow);
        let wanted = declared.as_ref().unwrap_or(given);
        if tag(wanted).is_none() {
            return plan_err!("{} cannot take {given} as argument {}", self.name, at + 1);
        }
        match given == wanted || widens(given, wanted) {
            true => Ok(wanted.clone()),
            false => {
                let shown = |ty: &DataType| match SqlType::from_arrow(ty) {
                    Some(ty) => ty.to_string(),
                    None => ty.to_string(),
                };
                let (wanted, given) = (shown(wanted), shown(given));
                let (name, at) = (&self.name, at + 1);
                plan_err!("{name} takes {wanted} as argument {at}, not {given}: write a CAST")
            }
        }
    }

    fn call(&self, columns: &[ArrayRef], rows: usize, result: &DataType) -> Result<ArrayRef> {
        let request = write(&self.function, columns, rows, result)?;
        let answer = self.interpreter.ask(&self.function, &request).map_err(|e| match e.kind {
            ErrorKind::Data => DataFusionError::Execution(e.message),
            _ => DataFusionError::External(Box::new(e)),
        })?;
        if let Some(error) = answer.error {
            let error = error.trim_end();
            return Err(DataFusionError::Execution(format!("{}: {error}", self.function)));
        }
        if answer.values.len() != rows {
            let (function, got) = (&self.function, answer.values.len());
            let message = format!("{function} gave {got} values for {rows} rows");
            return Err(DataFusionError::Execution(message));
        }
        read(answer.values, result)
    }
}

/// Whether a number's type can become another without a loss.
fn widens(from: &DataType, to: &DataType) -> bool {
    use DataType::{Float32, Float64, Int8, Int16, Int32, Int64};
    let rank = |ty: &DataType| {
        [Int8, Int16, Int32, Int64, Float32, Float64].iter().position(|known| known == ty)
    };
    match (from, to) {
        (Int32 | Int64, Float32) | (Int64, Float64) => false,
        (DataType::Timestamp(_, from), DataType::Timestamp(_, to)) => from == to,
        _ => rank(from).zip(rank(to)).is_some_and(|(from, to)| from < to),
    }
}

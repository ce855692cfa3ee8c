//! CAST and TRY_CAST with Flink's rules, a column at a time.
//!
//! Where Arrow's own cast means the same it is used; the rest is here by source: text
//! ([`from_text`]), numbers ([`numbers`]), moments ([`moments`]), and everything into text
//! ([`to_text`]).

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, make_array, new_null_array};
use arrow::datatypes::{DataType, FieldRef};
use brooklet_core::types::{MAX_LENGTH, SqlType};
use datafusion::common::{DataFusionError, Result, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use crate::column::first_value;
use crate::time::zone::Zone;
use crate::types::sql_type;

pub(crate) mod decimal;
mod from_text;
mod moments;
mod nested;
mod numbers;
pub(crate) mod to_text;

pub use to_text::printed;

/// The value that could not be cast.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CastError {
    /// Its row in the column.
    pub row: usize,
    /// What is wrong, naming the value.
    pub message: String,
}

impl fmt::Display for CastError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CastError {}

/// Casts a column of SQL type `from` to `to`. With `try_cast` a value that cannot be cast becomes
/// NULL, else the first one is the error.
pub fn cast(
    column: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    try_cast: bool,
) -> Result<ArrayRef, CastError> {
    cast_in(column, from, to, try_cast, Zone::UTC)
}

/// The same with the session's time zone, which instants are read and written in.
pub fn cast_in(
    column: &ArrayRef,
    from: &SqlType,
    to: &SqlType,
    try_cast: bool,
    zone: Zone,
) -> Result<ArrayRef, CastError> {
    use SqlType as S;
    let target = Target { to, try_cast, zone };
    if from == to && column.data_type() == &to.arrow() {
        return Ok(Arc::clone(column));
    }
    if *column.data_type() == DataType::Null {
        return Ok(new_null_array(&to.arrow(), column.len()));
    }
    match (from, to) {
        (S::Char(_) | S::Varchar(_), _) => from_text::cast(column, target),
        (_, S::Char(_) | S::Varchar(_)) => to_text::cast(column, from, target),
        (S::Array(a), S::Array(b)) => nested::array(column, a, b, target),
        (S::Map(..), S::Map(..)) => nested::map(column, from, target),
        (S::Row(a), S::Row(b)) if a.len() == b.len() => nested::row(column, a, target),
        (a, b) if is_interval(a) && a == b => Ok(Arc::clone(column)),
        _ if is_moment(from) && is_moment(to) => moments::cast(column, target),
        _ if is_number(from) && is_number(to) => numbers::cast(column, target),
        (S::Binary(_) | S::Varbinary(_), S::Binary(n) | S::Varbinary(n)) => {
            from_text::bytes(column, *n, matches!(to, S::Binary(_)))
        }
        _ => Err(target.unsupported(from)),
    }
}

/// Whether a CAST between the types exists at all.
pub fn castable(from: &SqlType, to: &SqlType) -> bool {
    use SqlType as S;
    let text = |t: &S| matches!(t, S::Char(_) | S::Varchar(_));
    let bytes = |t: &S| matches!(t, S::Binary(_) | S::Varbinary(_));
    match (from, to) {
        _ if from == to => true,
        (from, to) if is_interval(from) || is_interval(to) => is_interval(from) && text(to),
        _ if text(from) => is_moment(to) || is_number(to) || text(to) || bytes(to),
        (S::Map(a, b), S::Map(c, d)) => castable(&a.ty, &c.ty) && castable(&b.ty, &d.ty),
        _ if text(to) => true,
        (S::Array(a), S::Array(b)) => castable(&a.ty, &b.ty),
        (S::Row(a), S::Row(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| castable(&a.ty.ty, &b.ty.ty))
        }
        (S::Date, S::Time(_)) | (S::Time(_), S::Date) => false,
        _ => {
            (is_moment(from) && is_moment(to))
                || (is_number(from) && is_number(to))
                || (bytes(from) && bytes(to))
        }
    }
}

/// Numbers and BOOLEAN, which counts as 1 and 0.
fn is_number(ty: &SqlType) -> bool {
    use SqlType as S;
    matches!(
        ty,
        S::Boolean
            | S::TinyInt
            | S::SmallInt
            | S::Int
            | S::BigInt
            | S::Float
            | S::Double
            | S::Decimal(..)
    )
}

fn is_interval(ty: &SqlType) -> bool {
    matches!(ty, SqlType::IntervalYearMonth | SqlType::IntervalDaySecond)
}

fn is_moment(ty: &SqlType) -> bool {
    matches!(
        ty,
        SqlType::Date | SqlType::Time(_) | SqlType::Timestamp(_) | SqlType::TimestampLtz(_)
    )
}

/// Where a cast goes and what becomes of a value that does not fit.
#[derive(Clone, Copy)]
struct Target<'a> {
    to: &'a SqlType,
    try_cast: bool,
    zone: Zone,
}

impl Target<'_> {
    /// NULL or the error for a value that cannot be cast.
    fn failed<T>(&self, row: usize, value: &str) -> Result<Option<T>, CastError> {
        if self.try_cast {
            return Ok(None);
        }
        let shown: String = value.chars().take(200).collect();
        let message =
            format!("cannot CAST '{shown}' to {}; TRY_CAST gives NULL for such a value", self.to);
        Err(CastError { row, message })
    }
    fn unsupported(&self, from: &SqlType) -> CastError {
        CastError { row: 0, message: format!("a CAST from {from} to {} does not exist", self.to) }
    }
}

fn arrow_failed(e: arrow::error::ArrowError) -> CastError {
    CastError { row: 0, message: e.to_string() }
}

/// The function that gives a value unchanged under a type whose values are carried alike, such as
/// VARCHAR(3) for a CHAR(3).
pub fn retyped_udf(to: SqlType) -> Arc<ScalarUDF> {
    let name = format!("as {to}");
    relabeled(to, name, false)
}

/// The function that gives a value unchanged, of which no planner believes that it is never NULL.
pub fn loosened_udf(to: SqlType) -> Arc<ScalarUDF> {
    let name = format!("perhaps {to}");
    relabeled(to, name, true)
}

fn relabeled(to: SqlType, name: String, loosens: bool) -> Arc<ScalarUDF> {
    let signature = Signature::any(1, Volatility::Immutable);
    Arc::new(ScalarUDF::from(Cast {
        to,
        try_cast: false,
        relabels: true,
        loosens,
        zone: Zone::UTC,
        name,
        signature,
    }))
}

/// The function `CAST(value AS to)` or `TRY_CAST(value AS to)`, for the planner to call in place of
/// DataFusion's own cast.
pub fn cast_udf(to: SqlType, try_cast: bool) -> Arc<ScalarUDF> {
    cast_udf_in(to, try_cast, Zone::UTC)
}

/// The same in a session with this time zone.
pub fn cast_udf_in(to: SqlType, try_cast: bool, zone: Zone) -> Arc<ScalarUDF> {
    let signature = Signature::any(1, Volatility::Immutable);
    let name = format!("{} AS {to}", if try_cast { "try_cast" } else { "cast" });
    Arc::new(ScalarUDF::from(Cast {
        to,
        try_cast,
        relabels: false,
        loosens: false,
        zone,
        name,
        signature,
    }))
}

#[derive(Debug)]
struct Cast {
    to: SqlType,
    try_cast: bool,
    /// Only the type changes.
    relabels: bool,
    /// NULL may come out whatever the value's type says.
    loosens: bool,
    zone: Zone,
    name: String,
    signature: Signature,
}

impl PartialEq for Cast {
    fn eq(&self, other: &Self) -> bool {
        (&self.to, self.try_cast, self.relabels) == (&other.to, other.try_cast, other.relabels)
            && (self.loosens, self.zone) == (other.loosens, other.zone)
    }
}

impl Eq for Cast {}

impl Hash for Cast {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.to, self.try_cast, self.relabels).hash(state);
    }
}

impl Cast {
    /// Whether the type says that NULL may come out of a value. A CAST of a number that is too
    /// large for a DECIMAL gives NULL, and Flink's type does not say so.
    fn can_null(&self, from: &SqlType) -> bool {
        self.try_cast && from != &self.to && !self.relabels
    }
}

impl ScalarUDFImpl for Cast {
    fn name(&self) -> &str {
        &self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.arrow())
    }
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [field] = args.arg_fields else { return plan_err!("CAST takes one value") };
        let from = sql_type(field);
        let constant_null = *field.data_type() == DataType::Null;
        if !constant_null && !self.relabels && !castable(&from, &self.to) {
            return plan_err!("a CAST from {from} to {} does not exist", self.to);
        }
        let nullable = field.is_nullable() || self.loosens || constant_null || self.can_null(&from);
        Ok(Arc::new(self.to.field(&self.name, nullable)))
    }
    fn is_strict(&self) -> bool {
        true
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let ([value], [field]) = (&args.args[..], &args.arg_fields[..]) else {
            return plan_err!("CAST takes one value");
        };
        let from = sql_type(field);
        if self.relabels {
            return Ok(value.clone());
        }
        let run = |array: &ArrayRef| {
            let result = cast_in(array, &from, &self.to, self.try_cast, self.zone);
            let result = result.map_err(|e| DataFusionError::Execution(e.message))?;
            Ok::<_, DataFusionError>(as_declared(result, &self.to.arrow()))
        };
        Ok(match value {
            ColumnarValue::Array(array) => ColumnarValue::Array(run(array)?),
            ColumnarValue::Scalar(scalar) => {
                let result = run(&scalar.to_array()?)?;
                ColumnarValue::Scalar(first_value(&result)?)
            }
        })
    }
}

/// An array, map or row whose inner fields say what the type says: that NULL cannot stand there,
/// how long texts are.
fn as_declared(array: ArrayRef, ty: &DataType) -> ArrayRef {
    if !ty.is_nested() || array.data_type() == ty {
        return array;
    }
    match array.to_data().into_builder().data_type(ty.clone()).build() {
        Ok(data) => make_array(data),
        Err(_) => arrow::compute::cast(&array, ty).unwrap_or(array),
    }
}

/// Cuts a text to VARCHAR(n), or fills it up to CHAR(n); lengths count characters.
fn fitted<'a>(text: &'a str, to: &SqlType, scratch: &'a mut String) -> &'a str {
    let (length, fill) = match to {
        SqlType::Char(n) => (*n, true),
        SqlType::Varchar(n) => (*n, false),
        _ => (MAX_LENGTH, false),
    };
    if length == MAX_LENGTH || (!fill && text.len() <= length as usize) {
        return text;
    }
    let mut count = 0;
    for (at, _) in text.char_indices() {
        if count == length as usize {
            return &text[..at];
        }
        count += 1;
    }
    if !fill || count == length as usize {
        return text;
    }
    scratch.clear();
    scratch.push_str(text);
    scratch.extend(std::iter::repeat_n(' ', length as usize - count));
    scratch
}

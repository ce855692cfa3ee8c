//! Functions of DOUBLEs.

use arrow::array::ArrayRef;
use arrow::datatypes::Float64Type;
use datafusion::common::Result;

use crate::column::{Call, value_rows};
use crate::function::Kind::Double as D;
use crate::function::{Body, Function, Output, SqlTypeOf};

const DOUBLE: Output = Output::Is(SqlTypeOf::Double);

/// `POWER(base, exponent)`
///
/// ```sql
/// POWER(2, 10) = CAST(1024 AS DOUBLE)
/// ```
pub(super) const POWER: Function =
    Function::new("power", &[D, D], DOUBLE, |call| two(call, f64::powf));

/// `SQRT(number)`: the number to the power of 0.5; NaN for a negative number.
///
/// ```sql
/// SQRT(4) = CAST(2 AS DOUBLE)
/// ```
pub(super) const SQRT: Function = of("sqrt", |call| one(call, |v| v.powf(0.5)));

/// `EXP(number)`: e to that power.
///
/// ```sql
/// EXP(0) = CAST(1 AS DOUBLE)
/// ```
pub(super) const EXP: Function = of("exp", |call| one(call, f64::exp));

/// `LN(number)`: the natural logarithm; -Infinity for 0.
///
/// ```sql
/// LN(1) = CAST(0 AS DOUBLE)
/// ```
pub(super) const LN: Function = of("ln", |call| one(call, f64::ln));

/// `LOG10(number)`: the logarithm to base 10.
///
/// ```sql
/// LOG10(100) = CAST(2 AS DOUBLE)
/// ```
pub(super) const LOG10: Function = of("log10", |call| one(call, f64::log10));

/// `LOG2(number)`: the logarithm to base 2.
///
/// ```sql
/// LOG2(8) = CAST(3 AS DOUBLE)
/// ```
pub(super) const LOG2: Function = of("log2", |call| one(call, |x| x.ln() / 2_f64.ln()));

/// `LOG([base,] number)`: the logarithm to the base, or the natural one.
///
/// ```sql
/// LOG(2, 8) = CAST(3 AS DOUBLE)
/// ```
pub(super) const LOG: Function = Function::new("log", &[D, D], DOUBLE, |call| match call.len() {
    1 => one(call, f64::ln),
    _ => two(call, |base, x| x.ln() / base.ln()),
})
.optional(1);

/// `PI()`: the ratio of a circle's circumference to its diameter.
///
/// ```sql
/// CAST(PI() AS STRING) = '3.141592653589793'
/// ```
pub(super) const PI: Function =
    Function::new("pi", &[], DOUBLE, |call| constant(call, std::f64::consts::PI)).never_null();

/// `E()`: the base of the natural logarithm.
///
/// ```sql
/// CAST(E() AS STRING) = '2.718281828459045'
/// ```
pub(super) const E: Function =
    Function::new("e", &[], DOUBLE, |call| constant(call, std::f64::consts::E)).never_null();

/// `SIN(radians)`: the sine.
///
/// ```sql
/// SIN(0) = CAST(0 AS DOUBLE)
/// ```
pub(super) const SIN: Function = of("sin", |call| one(call, f64::sin));

/// `COS(radians)`: the cosine.
///
/// ```sql
/// COS(0) = CAST(1 AS DOUBLE)
/// ```
pub(super) const COS: Function = of("cos", |call| one(call, f64::cos));

/// `TAN(radians)`: the tangent.
///
/// ```sql
/// TAN(0) = CAST(0 AS DOUBLE)
/// ```
pub(super) const TAN: Function = of("tan", |call| one(call, f64::tan));

/// `COT(radians)`: the cotangent.
///
/// ```sql
/// ROUND(COT(1), 4) = CAST(0.6421 AS DOUBLE)
/// ```
pub(super) const COT: Function = of("cot", |call| one(call, |x| 1.0 / x.tan()));

/// `ASIN(number)`: the arc sine in radians.
///
/// ```sql
/// ASIN(0) = CAST(0 AS DOUBLE)
/// ```
pub(super) const ASIN: Function = of("asin", |call| one(call, f64::asin));

/// `ACOS(number)`: the arc cosine in radians.
///
/// ```sql
/// ACOS(1) = CAST(0 AS DOUBLE)
/// ```
pub(super) const ACOS: Function = of("acos", |call| one(call, f64::acos));

/// `ATAN(number)`: the arc tangent in radians.
///
/// ```sql
/// ATAN(0) = CAST(0 AS DOUBLE)
/// ```
pub(super) const ATAN: Function = of("atan", |call| one(call, f64::atan));

/// `ATAN2(y, x)`: the angle of the point in radians.
///
/// ```sql
/// ATAN2(0, 1) = CAST(0 AS DOUBLE)
/// ```
pub(super) const ATAN2: Function =
    Function::new("atan2", &[D, D], DOUBLE, |call| two(call, f64::atan2));

/// `SINH(number)`: the hyperbolic sine.
///
/// ```sql
/// SINH(0) = CAST(0 AS DOUBLE)
/// ```
pub(super) const SINH: Function = of("sinh", |call| one(call, f64::sinh));

/// `COSH(number)`: the hyperbolic cosine.
///
/// ```sql
/// COSH(0) = CAST(1 AS DOUBLE)
/// ```
pub(super) const COSH: Function = of("cosh", |call| one(call, f64::cosh));

/// `TANH(number)`: the hyperbolic tangent.
///
/// ```sql
/// TANH(0) = CAST(0 AS DOUBLE)
/// ```
pub(super) const TANH: Function = of("tanh", |call| one(call, f64::tanh));

/// `DEGREES(radians)`: the angle in degrees.
///
/// ```sql
/// DEGREES(PI()) = CAST(180 AS DOUBLE)
/// ```
pub(super) const DEGREES: Function = of("degrees", |call| one(call, f64::to_degrees));

/// `RADIANS(degrees)`: the angle in radians.
///
/// ```sql
/// RADIANS(180) = PI()
/// ```
pub(super) const RADIANS: Function = of("radians", |call| one(call, f64::to_radians));

const fn of(name: &'static str, body: Body) -> Function {
    Function::new(name, &[D], DOUBLE, body)
}

fn one(call: &Call, f: fn(f64) -> f64) -> Result<ArrayRef> {
    let values = call.doubles(0)?;
    Ok(value_rows::<Float64Type>(call.rows, |row| values.get(row).map(f)))
}

fn two(call: &Call, f: fn(f64, f64) -> f64) -> Result<ArrayRef> {
    let (a, b) = (call.doubles(0)?, call.doubles(1)?);
    Ok(value_rows::<Float64Type>(call.rows, |row| Some(f(a.get(row)?, b.get(row)?))))
}

fn constant(call: &Call, value: f64) -> Result<ArrayRef> {
    Ok(value_rows::<Float64Type>(call.rows, |_| Some(value)))
}

//! Rounding and signs, which keep a number's type.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use brooklet_core::types::SqlType;
use datafusion::common::{DataFusionError, Result, plan_err};

use crate::cast::{decimal, to_text};
use crate::column::Call;
use crate::function::Kind::{Any, Long, Number as N, Text as T};
use crate::function::{Function, Output, Typing};
use crate::time::shift;

/// `ABS(number)`: without its sign, in the same type; the least integer stays as it is.
///
/// ```sql
/// ABS(-7) = 7
/// ```
pub(super) const ABS: Function = Function::new("abs", &[N], Output::Like(0), abs);

/// `SIGN(number)`: 1, 0 or -1 in the same type.
///
/// ```sql
/// SIGN(-7) = -1
/// ```
pub(super) const SIGN: Function = Function::new("sign", &[N], Output::Like(0), sign);

/// `ROUND(number [, digits])`
///
/// Rounded half up to that many digits after the point, none if not given; a negative number of
/// digits rounds before the point.
///
/// ```sql
/// ROUND(12.34, 1) = 12.3
/// ROUND(CAST(2.5 AS DOUBLE)) = CAST(3 AS DOUBLE)
/// ROUND(1250, -2) = 1300
/// ```
pub(super) const ROUND: Function =
    Function::new("round", &[N, Long], Output::By(rounded_type), |call| {
        rounded(call, Mode::HalfUp)
    })
    .optional(1)
    .nullable();

/// `TRUNCATE(number [, digits])`: cut off after that many digits after the point.
///
/// ```sql
/// TRUNCATE(42.345, 2) = 42.34
/// ```
pub(super) const TRUNCATE: Function =
    Function::new("truncate", &[N, Long], Output::By(rounded_type), |call| {
        rounded(call, Mode::Down)
    })
    .optional(1)
    .nullable();

/// `FLOOR(number)`, `FLOOR(moment TO unit)`; as a plain function `floor(moment, 'unit')`
///
/// The largest whole number not above the number, or the start of the unit that holds the moment.
/// Weeks start on Sunday.
///
/// ```sql
/// FLOOR(-1.5) = -2
/// FLOOR(TIMESTAMP '2020-01-15 15:44:05' TO HOUR) = TIMESTAMP '2020-01-15 15:00:00'
/// FLOOR(TIMESTAMP '2020-01-15 15:44:05' TO WEEK) = TIMESTAMP '2020-01-12 00:00:00'
/// ```
pub(super) const FLOOR: Function =
    Function::new("floor", &[Any, T], Output::By(whole_type), |call| whole(call, false))
        .optional(1);

/// `CEIL(number)`, `CEIL(moment TO unit)`; as a plain function `ceil(moment, 'unit')`
///
/// The smallest whole number not below the number, or the first start of the unit not before the
/// moment. Of weeks, months and more it is the first not before the moment's day.
///
/// ```sql
/// CEIL(1.2) = 2
/// CEIL(TIMESTAMP '2020-01-15 15:44:05' TO MONTH) = TIMESTAMP '2020-02-01 00:00:00'
/// CEIL(TIMESTAMP '2020-01-01 15:44:05' TO MONTH) = TIMESTAMP '2020-01-01 00:00:00'
/// ```
pub(super) const CEIL: Function =
    Function::new("ceil", &[Any, T], Output::By(whole_type), |call| whole(call, true))
        .optional(1)
        .aliases(&["ceiling"]);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    HalfUp,
    Down,
}

fn unknown<T>(call: &Call) -> Result<T> {
    let ty = call.any(0).array.data_type();
    Err(DataFusionError::Internal(format!("a number arrived as {ty}")))
}

fn abs(call: &Call) -> Result<ArrayRef> {
    let array = &call.array(0)?;
    Ok(match array.data_type() {
        DataType::Int8 => {
            Arc::new(array.as_primitive::<Int8Type>().unary::<_, Int8Type>(i8::wrapping_abs))
        }
        DataType::Int16 => {
            Arc::new(array.as_primitive::<Int16Type>().unary::<_, Int16Type>(i16::wrapping_abs))
        }
        DataType::Int32 => {
            Arc::new(array.as_primitive::<Int32Type>().unary::<_, Int32Type>(i32::wrapping_abs))
        }
        DataType::Int64 => {
            Arc::new(array.as_primitive::<Int64Type>().unary::<_, Int64Type>(i64::wrapping_abs))
        }
        DataType::Float32 => {
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(f32::abs))
        }
        DataType::Float64 => {
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::abs))
        }
        DataType::Decimal128(p, s) => decimals(array, i128::wrapping_abs, *p, *s)?,
        _ => return unknown(call),
    })
}

fn sign(call: &Call) -> Result<ArrayRef> {
    let array = &call.array(0)?;
    let zero = |v: f64| if v == 0.0 { v } else { v.signum() };
    Ok(match array.data_type() {
        DataType::Decimal128(p, s) => {
            let one = decimal::power(*s as u32).unwrap_or(1);
            decimals(array, move |v| v.signum() * one, *p, *s)?
        }
        ty if ty.is_floating() => {
            let values = cast(array, &DataType::Float64)?;
            let signs: Float64Array = values.as_primitive::<Float64Type>().unary(zero);
            cast(&(Arc::new(signs) as ArrayRef), ty)?
        }
        ty if ty.is_integer() => {
            let values = cast(array, &DataType::Int64)?;
            let signs = values.as_primitive::<Int64Type>().unary::<_, Int64Type>(i64::signum);
            cast(&(Arc::new(signs) as ArrayRef), ty)?
        }
        _ => return unknown(call),
    })
}

fn decimals(array: &ArrayRef, f: impl Fn(i128) -> i128, p: u8, s: i8) -> Result<ArrayRef> {
    let values: Decimal128Array = array.as_primitive::<Decimal128Type>().unary(f);
    Ok(Arc::new(values.with_precision_and_scale(p, s)?))
}

fn rounded_type(typing: &Typing) -> Result<SqlType> {
    let SqlType::Decimal(p, s) = typing.types[0] else { return Ok(typing.types[0].clone()) };
    let digits = match typing.types.len() {
        1 => Some(0),
        _ => typing.integer(1),
    };
    let scale = i64::from(s);
    let whole = i64::from(p) - scale;
    Ok(match digits {
        Some(digits @ 0..) if digits < scale => {
            SqlType::Decimal((1 + whole + digits).min(38) as u8, digits as u8)
        }
        Some(..0) => SqlType::Decimal((1 + whole).min(38) as u8, 0),
        _ => SqlType::Decimal(p, s),
    })
}

/// No number has as many digits before its point.
const FEWEST: i64 = -1_000;

fn rounded(call: &Call, mode: Mode) -> Result<ArrayRef> {
    let column = call.any(0);
    let digits = if call.len() > 1 { Some(call.longs(1)?) } else { None };
    let digits = |row: usize| match &digits {
        Some(digits) => digits.get(row).map(|digits| digits.max(FEWEST)),
        None => Some(0),
    };
    let array = &call.any(0).array;
    let at = |row: usize| Some(column.at(row)).filter(|at| array.is_valid(*at));
    Ok(match array.data_type() {
        DataType::Decimal128(_, s) => {
            let values = array.as_primitive::<Decimal128Type>();
            let DataType::Decimal128(p, to) = call.result else { return unknown(call) };
            let each = (0..call.rows).map(|row| {
                let value = values.value(at(row)?);
                let kept = digits(row)?.min(i64::from(*s));
                let value = shortened(value, i64::from(*s) - kept, mode)?;
                decimal::rescaled(value, kept, i64::from(to), p)
            });
            let result: Decimal128Array = each.collect();
            Arc::new(result.with_precision_and_scale(p, to)?)
        }
        ty if ty.is_integer() => {
            let values = cast(array, &DataType::Int64)?;
            let values = values.as_primitive::<Int64Type>();
            let each = (0..call.rows).map(|row| {
                let (value, kept) = (values.value(at(row)?), digits(row)?.min(0));
                let cut = shortened(i128::from(value), -kept, mode)?;
                let by = decimal::power(u32::try_from(-kept).ok()?).unwrap_or(0);
                // An integer that leaves its type wraps.
                let whole = cut * by;
                Some(match ty {
                    DataType::Int8 => i64::from(whole as i8),
                    DataType::Int16 => i64::from(whole as i16),
                    DataType::Int32 => i64::from(whole as i32),
                    _ => whole as i64,
                })
            });
            let result: arrow::array::Int64Array = each.collect();
            cast(&(Arc::new(result) as ArrayRef), ty)?
        }
        ty if ty.is_floating() => {
            let values = cast(array, &DataType::Float64)?;
            let values = values.as_primitive::<Float64Type>();
            let mut text = String::new();
            let each = (0..call.rows)
                .map(|row| Some(floating(values.value(at(row)?), digits(row)?, mode, &mut text)));
            let result: Float64Array = each.collect();
            cast(&(Arc::new(result) as ArrayRef), ty)?
        }
        _ => return unknown(call),
    })
}

/// The value without its last digits.
fn shortened(value: i128, dropped: i64, mode: Mode) -> Option<i128> {
    let Some(by) = decimal::power(u32::try_from(dropped).ok()?) else { return Some(0) };
    Some(match mode {
        Mode::HalfUp => decimal::round_half_up(value, by),
        Mode::Down => value / by,
    })
}

/// A DOUBLE rounded by the digits Java shows.
fn floating(value: f64, digits: i64, mode: Mode, text: &mut String) -> f64 {
    if !value.is_finite() || digits > 30 {
        return value;
    }
    text.clear();
    to_text::double(text, value);
    let Some((all, scale)) = decimal::digits(text) else { return value };
    if scale <= digits {
        return value;
    }
    let Some(cut) = shortened(all, scale - digits, mode) else { return value };
    text.clear();
    // The number as text, read back: the nearest DOUBLE.
    text.push_str(&cut.to_string());
    text.push_str(&format!("e{}", -digits));
    text.parse().unwrap_or(value)
}

fn whole_type(typing: &Typing) -> Result<SqlType> {
    use SqlType as S;
    Ok(match (&typing.types[0], typing.types.len()) {
        (S::Decimal(p, _), 1) => S::Decimal(*p, 0),
        (S::Double | S::Float | S::TinyInt | S::SmallInt | S::Int | S::BigInt, 1) => {
            typing.types[0].clone()
        }
        (S::Date | S::Time(_) | S::Timestamp(_) | S::TimestampLtz(_), 2) => typing.types[0].clone(),
        (ty, _) => {
            let name = typing.name.to_uppercase();
            return plan_err!("{name} takes a number, or a DATE or TIMESTAMP TO a unit, not {ty}");
        }
    })
}

fn whole(call: &Call, up: bool) -> Result<ArrayRef> {
    if call.len() > 1 {
        return shift::rounded(call, up);
    }
    let array = &call.array(0)?;
    Ok(match array.data_type() {
        DataType::Decimal128(p, s) => {
            let by = decimal::power(*s as u32).unwrap_or(1);
            let whole = move |v: i128| if up { -(-v).div_euclid(by) } else { v.div_euclid(by) };
            decimals(array, whole, *p, 0)?
        }
        DataType::Float32 => {
            let f = if up { f32::ceil } else { f32::floor };
            Arc::new(array.as_primitive::<Float32Type>().unary::<_, Float32Type>(f))
        }
        DataType::Float64 => {
            let f = if up { f64::ceil } else { f64::floor };
            Arc::new(array.as_primitive::<Float64Type>().unary::<_, Float64Type>(f))
        }
        _ => Arc::clone(array),
    })
}

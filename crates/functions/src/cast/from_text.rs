//! Casts from STRING.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryBuilder, BooleanBuilder, PrimitiveArray,
    StringArray, StringBuilder,
};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType,
};
use brooklet_core::types::SqlType;

use super::{CastError, Target, arrow_failed, decimal, fitted};
use crate::time::instants::{in_unit, stamps};
use crate::time::read;
use crate::time::zone::Zone;

pub(super) fn cast(column: &ArrayRef, target: Target) -> Result<ArrayRef, CastError> {
    let column = match column.data_type() {
        DataType::Utf8 => Arc::clone(column),
        _ => arrow::compute::cast(column, &DataType::Utf8).map_err(arrow_failed)?,
    };
    let text = column.as_string::<i32>();
    Ok(match target.to {
        SqlType::Boolean => booleans(text, target)?,
        SqlType::TinyInt => Arc::new(values::<Int8Type>(text, target, integer)?),
        SqlType::SmallInt => Arc::new(values::<Int16Type>(text, target, integer)?),
        SqlType::Int => Arc::new(values::<Int32Type>(text, target, integer)?),
        SqlType::BigInt => Arc::new(values::<Int64Type>(text, target, integer)?),
        SqlType::Float => Arc::new(values::<Float32Type>(text, target, float)?),
        SqlType::Double => Arc::new(values::<Float64Type>(text, target, float)?),
        SqlType::Decimal(p, s) => {
            let (p, s) = (*p, *s);
            let parse = move |text: &str| decimal::parse(text, p, s);
            let array = values::<Decimal128Type>(text, target, parse)?;
            Arc::new(array.with_precision_and_scale(p, s as i8).map_err(arrow_failed)?)
        }
        SqlType::Date => Arc::new(values::<Date32Type>(text, target, |text| {
            i32::try_from(read::date(text)?).ok()
        })?),
        SqlType::Time(_) => Arc::new(values::<Time32MillisecondType>(text, target, |text| {
            i32::try_from(read::time(text)?).ok()
        })?),
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) => timestamps(text, target, *p)?,
        SqlType::Char(_) | SqlType::Varchar(_) => texts(text, target.to),
        SqlType::Binary(n) => bytes(&column, *n, true)?,
        SqlType::Varbinary(n) => bytes(&column, *n, false)?,
        _ => return Err(target.unsupported(&SqlType::STRING)),
    })
}

fn values<T: ArrowPrimitiveType>(
    text: &StringArray,
    target: Target,
    parse: impl Fn(&str) -> Option<T::Native>,
) -> Result<PrimitiveArray<T>, CastError> {
    let mut builder = PrimitiveArray::<T>::builder(text.len());
    for (row, value) in text.iter().enumerate() {
        builder.append_option(match value {
            None => None,
            Some(value) => match parse(value) {
                None => target.failed(row, value)?,
                parsed => parsed,
            },
        });
    }
    Ok(builder.finish())
}

/// `[+-]digits[.digits]` between spaces; the fraction is dropped.
fn integer<T: TryFrom<i64>>(text: &str) -> Option<T> {
    let text = text.trim_matches(' ').as_bytes();
    let negative = text.first() == Some(&b'-');
    let digits = match text.first()? {
        b'+' | b'-' if text.len() == 1 => return None,
        b'+' | b'-' => &text[1..],
        _ => text,
    };
    let point = digits.iter().position(|c| *c == b'.');
    let (whole, fraction) = match point {
        Some(point) => (&digits[..point], &digits[point + 1..]),
        None => (digits, &[][..]),
    };
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // Counted downwards, because the least number has no positive twin.
    let mut value = 0_i64;
    for digit in whole {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit - b'0'))?;
    }
    T::try_from(if negative { value } else { value.checked_neg()? }).ok()
}

/// What Java's Double.parseDouble reads: NaN, Infinity, and numbers that may end in d or f.
fn float<T: std::str::FromStr>(text: &str) -> Option<T> {
    let text = text.trim_matches(|c: char| c <= ' ');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.parse().ok();
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text).parse().ok()
}

fn booleans(text: &StringArray, target: Target) -> Result<ArrayRef, CastError> {
    let is = |value: &str, of: [&str; 5]| of.iter().any(|t| value.eq_ignore_ascii_case(t));
    let mut builder = BooleanBuilder::with_capacity(text.len());
    for (row, value) in text.iter().enumerate() {
        builder.append_option(match value {
            None => None,
            Some(value) if is(value, ["t", "true", "y", "yes", "1"]) => Some(true),
            Some(value) if is(value, ["f", "false", "n", "no", "0"]) => Some(false),
            Some(value) => target.failed(row, value)?,
        });
    }
    Ok(Arc::new(builder.finish()))
}

fn timestamps(text: &StringArray, target: Target, precision: u8) -> Result<ArrayRef, CastError> {
    let ty = target.to.arrow();
    let DataType::Timestamp(unit, _) = ty else { return Err(target.unsupported(&SqlType::STRING)) };
    let dropped = 10_u32.pow(9 - u32::from(precision.min(9)));
    let instant = matches!(target.to, SqlType::TimestampLtz(_));
    let zone = if instant { target.zone } else { Zone::UTC };
    let array = values::<Int64Type>(text, target, |text| {
        let (seconds, nanos) = read::timestamp(text)?;
        let seconds = zone.instant(seconds);
        in_unit(unit, seconds, nanos - nanos % dropped)
    })?;
    Ok(stamps(array, &ty))
}

fn texts(text: &StringArray, to: &SqlType) -> ArrayRef {
    if *to == SqlType::STRING {
        return Arc::new(text.clone());
    }
    let mut builder = StringBuilder::with_capacity(text.len(), text.values().len());
    let mut scratch = String::new();
    for value in text {
        match value {
            Some(value) => builder.append_value(fitted(value, to, &mut scratch)),
            None => builder.append_null(),
        }
    }
    Arc::new(builder.finish())
}

/// Bytes cut to a length, or with `fill` followed by zeros up to it.
pub(super) fn bytes(column: &ArrayRef, length: u32, fill: bool) -> Result<ArrayRef, CastError> {
    let array = arrow::compute::cast(column, &DataType::Binary).map_err(arrow_failed)?;
    let array_bytes = array.as_binary::<i32>();
    let length = length as usize;
    let fits = |value: Option<&[u8]>| {
        value.is_none_or(|v| if fill { v.len() == length } else { v.len() <= length })
    };
    if array_bytes.iter().all(fits) {
        return Ok(array);
    }
    let mut builder = BinaryBuilder::new();
    let mut scratch = vec![];
    for value in array_bytes {
        let Some(value) = value else {
            builder.append_null();
            continue;
        };
        scratch.clear();
        scratch.extend_from_slice(&value[..value.len().min(length)]);
        if fill {
            scratch.resize(length, 0);
        }
        builder.append_value(&scratch);
    }
    Ok(Arc::new(builder.finish()))
}

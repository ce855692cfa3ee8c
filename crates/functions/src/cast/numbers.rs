//! Casts among numbers and BOOLEAN: integers wrap, floats saturate, decimals round half up and
//! become NULL where they do not fit.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, PrimitiveArray,
};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use brooklet_core::types::SqlType;

use super::{CastError, Target, arrow_failed, decimal, to_text};

/// A number on its way: whole, floating, or decimal with a scale.
enum Numbers {
    Whole(PrimitiveArray<Int64Type>),
    Floating(PrimitiveArray<Float64Type>),
    Decimal(Decimal128Array, u8),
}

pub(super) fn cast(column: &ArrayRef, target: Target) -> Result<ArrayRef, CastError> {
    let numbers = match column.data_type() {
        ty if ty.is_floating() => Numbers::Floating(as_type(column, &DataType::Float64)?),
        DataType::Decimal128(_, s) => {
            Numbers::Decimal(column.as_primitive::<Decimal128Type>().clone(), *s as u8)
        }
        _ => Numbers::Whole(as_type(column, &DataType::Int64)?),
    };
    Ok(match target.to {
        SqlType::TinyInt => whole::<Int8Type>(numbers, |v| v as i32 as i8, |f| f as i32 as i8),
        SqlType::SmallInt => whole::<Int16Type>(numbers, |v| v as i32 as i16, |f| f as i32 as i16),
        SqlType::Int => whole::<Int32Type>(numbers, |v| v as i32, |f| f as i32),
        SqlType::BigInt => whole::<Int64Type>(numbers, |v| v, |f| f as i64),
        SqlType::Float => match numbers {
            Numbers::Whole(a) => Arc::new(a.unary::<_, Float32Type>(|v| v as f32)) as ArrayRef,
            other => Arc::new(floating(&other).unary::<_, Float32Type>(|v| v as f32)),
        },
        SqlType::Double => Arc::new(floating(&numbers)),
        SqlType::Boolean => boolean(&numbers),
        SqlType::Decimal(p, s) => {
            let array = decimals(&numbers, *p, *s);
            Arc::new(array.with_precision_and_scale(*p, *s as i8).map_err(arrow_failed)?)
        }
        _ => return Err(target.unsupported(&SqlType::Double)),
    })
}

fn as_type<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    ty: &DataType,
) -> Result<PrimitiveArray<T>, CastError> {
    Ok(arrow_cast(column, ty).map_err(arrow_failed)?.as_primitive::<T>().clone())
}

fn whole<T: ArrowPrimitiveType>(
    numbers: Numbers,
    of_whole: impl Fn(i64) -> T::Native,
    of_floating: impl Fn(f64) -> T::Native,
) -> ArrayRef {
    Arc::new(match numbers {
        Numbers::Whole(a) => a.unary::<_, T>(of_whole),
        Numbers::Floating(a) => a.unary::<_, T>(of_floating),
        Numbers::Decimal(a, scale) => {
            let by = decimal::power(u32::from(scale)).unwrap_or(1);
            a.unary::<_, T>(|v| of_whole((v / by) as i64))
        }
    })
}

fn floating(numbers: &Numbers) -> PrimitiveArray<Float64Type> {
    match numbers {
        Numbers::Whole(a) => a.unary(|v| v as f64),
        Numbers::Floating(a) => a.clone(),
        Numbers::Decimal(a, scale) => {
            // Through text where the division would round twice.
            let by = 10_f64.powi(i32::from(*scale));
            let mut text = String::new();
            let mut value = |v: i128| {
                if *scale <= 22 && v.unsigned_abs() < 1 << 53 {
                    return v as f64 / by;
                }
                text.clear();
                decimal::write(&mut text, v, *scale);
                text.parse().unwrap_or(f64::NAN)
            };
            a.iter().map(|v| v.map(&mut value)).collect()
        }
    }
}

fn boolean(numbers: &Numbers) -> ArrayRef {
    Arc::new(match numbers {
        Numbers::Whole(a) => BooleanArray::from_unary(a, |v| v != 0),
        Numbers::Floating(a) => BooleanArray::from_unary(a, |v| v != 0.0),
        Numbers::Decimal(a, _) => BooleanArray::from_unary(a, |v| v != 0),
    })
}

fn decimals(numbers: &Numbers, precision: u8, scale: u8) -> Decimal128Array {
    let to = i64::from(scale);
    let limit = decimal::power(u32::from(precision)).unwrap_or(i128::MAX).unsigned_abs();
    match numbers {
        // Only the number of digits can be wrong.
        Numbers::Decimal(a, from) if *from == scale => match a.precision() <= precision {
            true => a.clone(),
            false => a.unary_opt(|v| (v.unsigned_abs() < limit).then_some(v)),
        },
        Numbers::Whole(a) => a.unary_opt(|v| decimal::rescaled(i128::from(v), 0, to, precision)),
        Numbers::Decimal(a, from) => {
            a.unary_opt(|v| decimal::rescaled(v, i64::from(*from), to, precision))
        }
        Numbers::Floating(a) => {
            let mut text = String::new();
            let mut read = |v: f64| {
                if !v.is_finite() {
                    return None;
                }
                text.clear();
                // As Java shows it; a FLOAT has the digits it has as a DOUBLE.
                to_text::double(&mut text, v);
                decimal::exact(&text, precision, scale)
            };
            a.iter().map(|v| v.and_then(&mut read)).collect()
        }
    }
}

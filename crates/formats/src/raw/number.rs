//! BOOLEAN and numbers as bytes of a fixed width.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};

/// The bytes of a value; None: the type has no fixed width.
pub(super) fn width(ty: &DataType) -> Option<usize> {
    match ty {
        DataType::Boolean | DataType::Int8 => Some(1),
        DataType::Int16 => Some(2),
        DataType::Int32 | DataType::Float32 => Some(4),
        DataType::Int64 | DataType::Float64 => Some(8),
        _ => None,
    }
}

/// A column of values that have the width of the type, which has one.
pub(super) fn read<'v>(
    ty: &DataType,
    values: impl Iterator<Item = Option<&'v [u8]>>,
    little: bool,
) -> ArrayRef {
    match ty {
        DataType::Boolean => {
            let is_true = |bytes: &[u8]| bytes.first().is_some_and(|byte| *byte != 0);
            Arc::new(values.map(|v| v.map(is_true)).collect::<BooleanArray>())
        }
        DataType::Int8 => numbers::<Int8Type, 1>(values, i8::from_be_bytes),
        DataType::Int16 if little => numbers::<Int16Type, 2>(values, i16::from_le_bytes),
        DataType::Int16 => numbers::<Int16Type, 2>(values, i16::from_be_bytes),
        DataType::Int32 if little => numbers::<Int32Type, 4>(values, i32::from_le_bytes),
        DataType::Int32 => numbers::<Int32Type, 4>(values, i32::from_be_bytes),
        DataType::Float32 if little => numbers::<Float32Type, 4>(values, f32::from_le_bytes),
        DataType::Float32 => numbers::<Float32Type, 4>(values, f32::from_be_bytes),
        DataType::Float64 if little => numbers::<Float64Type, 8>(values, f64::from_le_bytes),
        DataType::Float64 => numbers::<Float64Type, 8>(values, f64::from_be_bytes),
        _ if little => numbers::<Int64Type, 8>(values, i64::from_le_bytes),
        _ => numbers::<Int64Type, 8>(values, i64::from_be_bytes),
    }
}

fn numbers<'v, T: ArrowPrimitiveType, const WIDTH: usize>(
    values: impl Iterator<Item = Option<&'v [u8]>>,
    of: fn([u8; WIDTH]) -> T::Native,
) -> ArrayRef {
    let number = |bytes: &[u8]| bytes.try_into().ok().map(of);
    Arc::new(values.map(|v| v.and_then(number)).collect::<PrimitiveArray<T>>())
}

/// Adds the bytes of a value that is not NULL; false: the type has no fixed width.
pub(super) fn write(column: &ArrayRef, row: usize, little: bool, to: &mut Vec<u8>) -> bool {
    let from = to.len();
    match column.data_type() {
        DataType::Boolean => to.push(column.as_boolean().value(row).into()),
        DataType::Int8 => to.extend(value::<Int8Type>(column, row).to_be_bytes()),
        DataType::Int16 => to.extend(value::<Int16Type>(column, row).to_be_bytes()),
        DataType::Int32 => to.extend(value::<Int32Type>(column, row).to_be_bytes()),
        DataType::Int64 => to.extend(value::<Int64Type>(column, row).to_be_bytes()),
        DataType::Float32 => to.extend(value::<Float32Type>(column, row).to_be_bytes()),
        DataType::Float64 => to.extend(value::<Float64Type>(column, row).to_be_bytes()),
        _ => return false,
    }
    if little {
        to[from..].reverse();
    }
    true
}

fn value<T: ArrowPrimitiveType>(column: &ArrayRef, row: usize) -> T::Native {
    column.as_primitive::<T>().value(row)
}

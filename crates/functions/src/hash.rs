//! HASH_CODE: Java's hash codes.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    Time32MillisecondType, TimeUnit,
};
use datafusion::common::plan_err;

use crate::column::value_rows;
use crate::function::Kind::Any;
use crate::function::{Function, Output, SqlTypeOf};
use crate::time::instants::Instants;

/// `HASH_CODE(value)`: the hash code that Java gives a number, BOOLEAN, text or moment.
///
/// ```sql
/// HASH_CODE('aaa') = 96321
/// HASH_CODE(7) = 7
/// ```
const HASH_CODE: Function = Function::new(
    "hash_code",
    &[Any],
    Output::Is(SqlTypeOf::Int),
    |call| {
        let column = call.any(0);
        let array = &column.array;
        let folded = |bits: i64| (bits ^ ((bits as u64) >> 32) as i64) as i32;
        let of: Box<dyn Fn(usize) -> i32> = match array.data_type() {
            DataType::Boolean => {
                let values = array.as_boolean().clone();
                Box::new(move |at| if values.value(at) { 1231 } else { 1237 })
            }
            DataType::Int8 | DataType::Int16 | DataType::Int32 => {
                let values = arrow::compute::cast(array, &DataType::Int32)?;
                let values = values.as_primitive::<Int32Type>().clone();
                Box::new(move |at| values.value(at))
            }
            DataType::Int64 => {
                let values = array.as_primitive::<Int64Type>().clone();
                Box::new(move |at| folded(values.value(at)))
            }
            DataType::Date32 => {
                let values = array.as_primitive::<Date32Type>().clone();
                Box::new(move |at| values.value(at))
            }
            DataType::Time32(TimeUnit::Millisecond) => {
                let values = array.as_primitive::<Time32MillisecondType>().clone();
                Box::new(move |at| values.value(at))
            }
            DataType::Timestamp(_, None) => {
                let moments = Instants::new(column)?;
                return Ok(value_rows::<Int32Type>(call.rows, |row| {
                    let (seconds, nanos) = moments.get(row)?;
                    let millis = seconds * 1000 + i64::from(nanos / 1_000_000);
                    Some(folded(millis).wrapping_mul(31).wrapping_add((nanos % 1_000_000) as i32))
                }));
            }
            DataType::Decimal128(_, scale) => {
                let scale = i32::from(*scale);
                let values = array.as_primitive::<Decimal128Type>().clone();
                Box::new(move |at| big(values.value(at)).wrapping_mul(31).wrapping_add(scale))
            }
            DataType::Float32 => {
                let values = array.as_primitive::<Float32Type>().clone();
                Box::new(move |at| values.value(at).to_bits() as i32)
            }
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>().clone();
                Box::new(move |at| folded(values.value(at).to_bits() as i64))
            }
            DataType::Utf8 => {
                let values = array.as_string::<i32>().clone();
                Box::new(move |at| {
                    let units = values.value(at).encode_utf16();
                    let hash =
                        units.fold(0_i32, |h, u| h.wrapping_mul(31).wrapping_add(i32::from(u)));
                    // Of texts alone Flink takes the magnitude.
                    hash.wrapping_abs()
                })
            }
            other => {
                return plan_err!(
                    "HASH_CODE takes a number, BOOLEAN, STRING, DATE, TIME or TIMESTAMP, not {other}"
                );
            }
        };
        Ok(value_rows::<Int32Type>(call.rows, |row| {
            let at = column.at(row);
            array.is_valid(at).then(|| of(at))
        }))
    },
);

/// Of a BigInteger: its magnitude's 32-bit words, the highest first.
fn big(value: i128) -> i32 {
    let magnitude = value.unsigned_abs();
    let words = (0..4).rev().map(|i| (magnitude >> (32 * i)) as u32);
    let hash = words.fold(0_u32, |hash, word| hash.wrapping_mul(31).wrapping_add(word)) as i32;
    if value < 0 { hash.wrapping_neg() } else { hash }
}

/// Every function of this family.
pub(crate) const ALL: &[Function] = &[HASH_CODE];

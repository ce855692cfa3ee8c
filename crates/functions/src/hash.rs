//! HASH_CODE: Java's hash codes.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type};
use datafusion::common::plan_err;

use crate::column::value_rows;
use crate::function::Kind::Any;
use crate::function::{Function, Output, SqlTypeOf};

/// `HASH_CODE(value)`: the hash code that Java gives a number, BOOLEAN or text.
///
/// ```sql
/// HASH_CODE('aaa') = 96321
/// HASH_CODE(7) = 7
/// ```
const HASH_CODE: Function =
    Function::new("hash_code", &[Any], Output::Is(SqlTypeOf::Int), |call| {
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
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>().clone();
                Box::new(move |at| folded(values.value(at).to_bits() as i64))
            }
            DataType::Utf8 => {
                let values = array.as_string::<i32>().clone();
                Box::new(move |at| {
                    let units = values.value(at).encode_utf16();
                    units.fold(0_i32, |h, u| h.wrapping_mul(31).wrapping_add(i32::from(u)))
                })
            }
            other => {
                return plan_err!("HASH_CODE takes a number, a BOOLEAN or a STRING, not {other}");
            }
        };
        Ok(value_rows::<Int32Type>(call.rows, |row| {
            let at = column.at(row);
            array.is_valid(at).then(|| of(at))
        }))
    });

/// Every function of this family.
pub(crate) const ALL: &[Function] = &[HASH_CODE];

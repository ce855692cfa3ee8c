//! Columns as JSON on their way to a worker and back.
//!
//! Dates are days, times milliseconds, timestamps microseconds since 1970; decimals are text on
//! their way and whole numbers of the last digit back; bytes are Base64.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BinaryArray, BooleanArray, Decimal128Array,
    ListArray, PrimitiveArray, StringArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    Time32MillisecondType, TimeUnit, TimestampMicrosecondType,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use datafusion::common::{DataFusionError, Result};
use serde_json::{Value, json};

/// What the worker calls a type; None for those that are not carried.
pub fn tag(ty: &DataType) -> Option<Value> {
    Some(match ty {
        DataType::Boolean => json!(["bool"]),
        DataType::Int8 => json!(["int", 8]),
        DataType::Int16 => json!(["int", 16]),
        DataType::Int32 => json!(["int", 32]),
        DataType::Int64 => json!(["int", 64]),
        DataType::Float32 | DataType::Float64 => json!(["float"]),
        DataType::Decimal128(precision, scale) => json!(["decimal", precision, scale]),
        DataType::Utf8 => json!(["text"]),
        DataType::Binary => json!(["bytes"]),
        DataType::Date32 => json!(["date"]),
        DataType::Time32(TimeUnit::Millisecond) => json!(["time"]),
        DataType::Timestamp(_, None) => json!(["timestamp"]),
        DataType::Timestamp(_, Some(_)) => json!(["timestamp_ltz"]),
        DataType::List(item) => json!(["array", tag(item.data_type())?]),
        _ => return None,
    })
}

/// The request to call a function on every row.
pub fn write(
    function: &str,
    columns: &[ArrayRef],
    rows: usize,
    result: &DataType,
) -> Result<Vec<u8>> {
    let tags: Vec<Option<Value>> = columns.iter().map(|c| tag(c.data_type())).collect();
    let mut out = json!({
        "op": "call", "function": function, "rows": rows, "types": tags, "result": tag(result),
    })
    .to_string();
    out.pop();
    out.push_str(",\"columns\":[");
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        write_column(column, &mut out)?;
    }
    out.push_str("]}");
    Ok(out.into_bytes())
}

fn write_column(column: &ArrayRef, out: &mut String) -> Result<()> {
    let each = |out: &mut String, mut value: Box<dyn FnMut(usize, &mut String) + '_>| {
        out.push('[');
        for row in 0..column.len() {
            if row > 0 {
                out.push(',');
            }
            match column.is_valid(row) {
                true => value(row, out),
                false => out.push_str("null"),
            }
        }
        out.push(']');
    };
    match column.data_type() {
        DataType::Boolean => {
            let values = column.as_boolean();
            each(out, Box::new(|row, out| shown(values.value(row), out)));
        }
        DataType::Utf8 => {
            let values = column.as_string::<i32>();
            each(out, Box::new(|row, out| quoted(values.value(row), out)));
        }
        DataType::Binary => {
            let values = column.as_binary::<i32>();
            each(out, Box::new(|row, out| quoted(&STANDARD.encode(values.value(row)), out)));
        }
        DataType::Float32 | DataType::Float64 => {
            let values = cast(column, &DataType::Float64)?;
            let values = values.as_primitive::<Float64Type>();
            each(out, Box::new(|row, out| double(values.value(row), out)));
        }
        DataType::Decimal128(..) => {
            let values = column.as_primitive::<arrow::datatypes::Decimal128Type>();
            each(out, Box::new(|row, out| quoted(&values.value_as_string(row), out)));
        }
        DataType::List(_) => {
            let values = column.as_list::<i32>();
            let mut failed = None;
            each(
                out,
                Box::new(|row, out| {
                    failed = failed.take().or(write_column(&values.value(row), out).err());
                }),
            );
            return failed.map_or(Ok(()), Err);
        }
        _ => {
            let values = numbers(column)?;
            let values = values.as_primitive::<Int64Type>();
            each(out, Box::new(|row, out| shown(values.value(row), out)));
        }
    }
    Ok(())
}

/// What is carried as a whole number.
fn numbers(column: &ArrayRef) -> Result<ArrayRef> {
    let whole = match column.data_type() {
        DataType::Timestamp(_, zone) => {
            cast(column, &DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?
        }
        DataType::Date32 | DataType::Time32(_) => cast(column, &DataType::Int32)?,
        _ => Arc::clone(column),
    };
    Ok(cast(&whole, &DataType::Int64)?)
}

fn shown(value: impl std::fmt::Display, out: &mut String) {
    // A String takes whatever is written.
    let _ = write!(out, "{value}");
}

fn quoted(text: &str, out: &mut String) {
    shown(Value::from(text), out);
}

/// As Python's json reads it.
fn double(value: f64, out: &mut String) {
    match value {
        v if v.is_nan() => out.push_str("NaN"),
        f64::INFINITY => out.push_str("Infinity"),
        f64::NEG_INFINITY => out.push_str("-Infinity"),
        v => drop(write!(out, "{v:?}")),
    }
}

/// A column of the values that a worker gave.
pub fn read(values: Vec<Value>, ty: &DataType) -> Result<ArrayRef> {
    Ok(match ty {
        DataType::Boolean => {
            Arc::new(all(&values, Value::as_bool)?.into_iter().collect::<BooleanArray>())
        }
        DataType::Int8 => primitive::<Int8Type>(&values, |v| v.as_i64()?.try_into().ok())?,
        DataType::Int16 => primitive::<Int16Type>(&values, |v| v.as_i64()?.try_into().ok())?,
        DataType::Int32 => primitive::<Int32Type>(&values, |v| v.as_i64()?.try_into().ok())?,
        DataType::Int64 => primitive::<Int64Type>(&values, Value::as_i64)?,
        DataType::Float32 => primitive::<Float32Type>(&values, |v| Some(number(v)? as f32))?,
        DataType::Float64 => primitive::<Float64Type>(&values, number)?,
        DataType::Date32 => primitive::<Date32Type>(&values, |v| v.as_i64()?.try_into().ok())?,
        DataType::Time32(_) => {
            primitive::<Time32MillisecondType>(&values, |v| v.as_i64()?.try_into().ok())?
        }
        DataType::Timestamp(_, zone) => {
            let micros = all(&values, Value::as_i64)?.into_iter();
            let micros: PrimitiveArray<TimestampMicrosecondType> = micros.collect();
            cast(&micros.with_timezone_opt(zone.clone()), ty)?
        }
        DataType::Decimal128(precision, scale) => {
            let last_digits = all(&values, |v| v.as_str()?.parse::<i128>().ok())?;
            let column: Decimal128Array = last_digits.into_iter().collect();
            Arc::new(column.with_precision_and_scale(*precision, *scale)?)
        }
        DataType::Utf8 => Arc::new(StringArray::from(all(&values, Value::as_str)?)),
        DataType::Binary => {
            let bytes = all(&values, |v| STANDARD.decode(v.as_str()?).ok())?;
            Arc::new(bytes.into_iter().collect::<BinaryArray>())
        }
        DataType::List(item) => {
            let lists = all(&values, Value::as_array)?;
            let lengths = lists.iter().map(|list| list.map_or(0, Vec::len));
            let offsets = OffsetBuffer::from_lengths(lengths);
            let nulls = NullBuffer::from_iter(lists.iter().map(Option::is_some));
            let items: Vec<Value> = lists.into_iter().flatten().flatten().cloned().collect();
            let items = read(items, item.data_type())?;
            Arc::new(ListArray::try_new(Arc::clone(item), offsets, items, Some(nulls))?)
        }
        other => return Err(wrong(&Value::Null, other)),
    })
}

fn primitive<T: ArrowPrimitiveType>(
    values: &[Value],
    get: impl Fn(&Value) -> Option<T::Native>,
) -> Result<ArrayRef> {
    Ok(Arc::new(all(values, get)?.into_iter().collect::<PrimitiveArray<T>>()))
}

/// Each value, None for null.
fn all<'v, T>(values: &'v [Value], get: impl Fn(&'v Value) -> Option<T>) -> Result<Vec<Option<T>>> {
    let one = |value: &'v Value| match value {
        Value::Null => Ok(None),
        value => get(value).map(Some).ok_or_else(|| wrong(value, &DataType::Null)),
    };
    values.iter().map(one).collect()
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// The worker checks every value, so this is a mistake of ours.
fn wrong(value: &Value, ty: &DataType) -> DataFusionError {
    DataFusionError::Internal(format!("a Python process gave {value}, which is no {ty}"))
}

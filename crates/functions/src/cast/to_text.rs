//! Casts to STRING, as Flink prints values.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, StringArray};
use arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use brooklet_core::types::SqlType;

use super::{CastError, Target, decimal, fitted};
use crate::column::{Column, write_rows};
use crate::time::civil::Moment;
use crate::time::instants::Instants;
use crate::time::interval;
use crate::time::write;
use crate::time::zone::Zone;

pub(super) fn cast(
    column: &ArrayRef,
    from: &SqlType,
    target: Target,
) -> Result<ArrayRef, CastError> {
    let how = How { zone: target.zone, hex: false };
    let written = strings(column, from, how)
        .ok_or_else(|| target.unsupported(from))?
        .map_err(|e| CastError { row: 0, message: e.strip_backtrace() })?;
    if *target.to == SqlType::STRING {
        return Ok(written);
    }
    let text = written.as_string::<i32>();
    let mut scratch = String::new();
    Ok(write_rows(text.len(), |row, out| {
        let value = text.is_valid(row).then(|| text.value(row))?;
        out.push_str(fitted(value, target.to, &mut scratch));
        Some(())
    }))
}

/// The values as Flink shows the rows of a SELECT: as a CAST does, but bytes as x'0102'.
pub fn printed(column: &ArrayRef, from: &SqlType) -> Result<ArrayRef, CastError> {
    let written = strings(column, from, How { zone: Zone::UTC, hex: true });
    let missing = || CastError { row: 0, message: format!("values of {from} cannot be shown") };
    written.ok_or_else(missing)?.map_err(|e| CastError { row: 0, message: e.strip_backtrace() })
}

/// How values are written that have more than one form.
#[derive(Clone, Copy)]
struct How {
    /// Of instants.
    zone: Zone,
    /// Bytes as x'0102', not as the text that they encode.
    hex: bool,
}

type Strings = Option<datafusion::common::Result<ArrayRef>>;

fn strings(column: &ArrayRef, from: &SqlType, how: How) -> Strings {
    Some(Ok(match from {
        SqlType::Boolean => booleans(column),
        SqlType::TinyInt => values::<Int8Type>(column, |out, v| whole(out, v.into())),
        SqlType::SmallInt => values::<Int16Type>(column, |out, v| whole(out, v.into())),
        SqlType::Int => values::<Int32Type>(column, |out, v| whole(out, v.into())),
        SqlType::BigInt => values::<Int64Type>(column, whole),
        SqlType::Float => values::<Float32Type>(column, float),
        SqlType::Double => values::<Float64Type>(column, double),
        SqlType::Decimal(_, s) => {
            let scale = *s;
            values::<Decimal128Type>(column, move |out, v| decimal::write(out, v, scale))
        }
        SqlType::Date | SqlType::Time(_) | SqlType::Timestamp(_) | SqlType::TimestampLtz(_) => {
            return Some(moments(column, from, how.zone));
        }
        SqlType::Binary(_) | SqlType::Varbinary(_) => {
            let bytes = column.as_binary_opt::<i32>()?;
            write_rows(bytes.len(), |row, out| {
                let value = bytes.is_valid(row).then(|| bytes.value(row))?;
                match how.hex {
                    true => hex(out, value),
                    false => out.push_str(&String::from_utf8_lossy(value)),
                }
                Some(())
            })
        }
        SqlType::Array(item) => array(column, &item.ty, how)?,
        SqlType::Map(..) | SqlType::Multiset(_) => return map(column, from, how).map(Ok),
        SqlType::Row(fields) => {
            let rows = column.as_struct_opt()?;
            let columns = rows.columns().iter().zip(fields);
            let columns =
                columns.map(|(c, f)| text_or_same(c, &f.ty.ty, how)).collect::<Option<Vec<_>>>()?;
            write_rows(rows.len(), |row, out| {
                rows.is_valid(row).then(|| {
                    joined(out, ['(', ')'], 0..columns.len(), |out, i| {
                        value_or_null(out, columns[i].as_string::<i32>(), row);
                    })
                })
            })
        }
        // A column of NULLs without a type counts as text.
        SqlType::Char(_) | SqlType::Varchar(_) => match column.as_string_opt::<i32>() {
            Some(_) => column.clone(),
            None => arrow::compute::cast(column, &DataType::Utf8).ok()?,
        },
        SqlType::IntervalYearMonth | SqlType::IntervalDaySecond => {
            interval::texts(column, *from == SqlType::IntervalYearMonth)?
        }
    }))
}

fn array(column: &ArrayRef, item: &SqlType, how: How) -> Option<ArrayRef> {
    let list = column.as_list_opt::<i32>()?;
    let items = text_or_same(list.values(), item, how)?;
    let items = items.as_string::<i32>();
    Some(write_rows(list.len(), |row, out| {
        let offsets = list.value_offsets();
        let range = offsets[row] as usize..offsets[row + 1] as usize;
        list.is_valid(row)
            .then(|| joined(out, ['[', ']'], range, |out, i| value_or_null(out, items, i)))
    }))
}

fn booleans(column: &ArrayRef) -> ArrayRef {
    let values = column.as_boolean();
    write_rows(values.len(), |row, out| {
        let value = values.is_valid(row).then(|| values.value(row))?;
        out.push_str(if value { "TRUE" } else { "FALSE" });
        Some(())
    })
}

fn hex(out: &mut String, bytes: &[u8]) {
    out.push_str("x'");
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out.push('\'');
}

fn text_or_same(column: &ArrayRef, ty: &SqlType, how: How) -> Option<ArrayRef> {
    strings(column, ty, how)?.ok()
}

fn map(column: &ArrayRef, from: &SqlType, how: How) -> Option<ArrayRef> {
    let (key, value) = match from {
        SqlType::Map(key, value) => (key.ty.clone(), value.ty.clone()),
        SqlType::Multiset(item) => (item.ty.clone(), SqlType::Int),
        _ => return None,
    };
    let map = column.as_map_opt()?;
    let keys = text_or_same(map.keys(), &key, how)?;
    let values = text_or_same(map.values(), &value, how)?;
    let (keys, values) = (keys.as_string::<i32>(), values.as_string::<i32>());
    Some(write_rows(map.len(), |row, out| {
        let offsets = map.value_offsets();
        let range = offsets[row] as usize..offsets[row + 1] as usize;
        map.is_valid(row).then(|| {
            joined(out, ['{', '}'], range, |out, i| {
                value_or_null(out, keys, i);
                out.push('=');
                value_or_null(out, values, i);
            });
        })
    }))
}

fn joined(
    out: &mut String,
    [open, close]: [char; 2],
    range: std::ops::Range<usize>,
    write: impl Fn(&mut String, usize),
) {
    out.push(open);
    let start = range.start;
    for i in range {
        if i > start {
            out.push_str(", ");
        }
        write(out, i);
    }
    out.push(close);
}

fn value_or_null(out: &mut String, texts: &StringArray, row: usize) {
    out.push_str(if texts.is_valid(row) { texts.value(row) } else { "NULL" });
}

fn values<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    write: impl Fn(&mut String, T::Native),
) -> ArrayRef {
    let values = column.as_primitive::<T>();
    write_rows(values.len(), |row, out| {
        let value = values.is_valid(row).then(|| values.value(row))?;
        write(out, value);
        Some(())
    })
}

fn moments(column: &ArrayRef, from: &SqlType, zone: Zone) -> datafusion::common::Result<ArrayRef> {
    let moments = Instants::new(&Column::of(column.clone()))?;
    let precision = match from {
        SqlType::Timestamp(p) | SqlType::TimestampLtz(p) | SqlType::Time(p) => usize::from(*p),
        _ => 0,
    };
    let date = *column.data_type() == DataType::Date32;
    let time = matches!(from, SqlType::Time(_));
    let instant = matches!(from, SqlType::TimestampLtz(_));
    Ok(write_rows(column.len(), |row, out| {
        let (seconds, nanos) = moments.get(row)?;
        let moment = Moment::of(if instant { zone.local(seconds) } else { seconds }, nanos);
        match (date, time) {
            (true, _) => write::date(out, moment.date),
            (_, true) => write::time_of_day(out, &moment, precision),
            _ => write::timestamp(out, &moment, precision),
        }
        Some(())
    }))
}

fn whole(out: &mut String, value: i64) {
    write::number(out, value, 1);
}

/// A DOUBLE as Java's Double.toString: plain from 0.001 up to 10 million, else with an exponent.
pub(crate) fn double(out: &mut String, value: f64) {
    if !value.is_finite() {
        return not_finite(out, value);
    }
    let plain = value == 0.0 || (1e-3..1e7).contains(&value.abs());
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    // Java takes the nearest two digits where one would do: another number for the tiniest only.
    if value.is_subnormal() && !shortest.contains('.') {
        return java(out, &format!("{value:.1e}"), false);
    }
    java(out, shortest, plain);
}

/// A FLOAT as Java's Float.toString.
fn float(out: &mut String, value: f32) {
    if !value.is_finite() {
        return not_finite(out, value.into());
    }
    let plain = value == 0.0 || (1e-3..1e7).contains(&value.abs());
    let mut buffer = ryu::Buffer::new();
    let shortest = buffer.format_finite(value);
    // Java takes the nearest two digits where one would do: another number for the tiniest only.
    if value.is_subnormal() && !shortest.contains('.') {
        return java(out, &format!("{value:.1e}"), false);
    }
    java(out, shortest, plain);
}

fn not_finite(out: &mut String, value: f64) {
    out.push_str(match value {
        v if v.is_nan() => "NaN",
        v if v > 0.0 => "Infinity",
        _ => "-Infinity",
    });
}

/// The shortest digits in Java's layout; `text` is a finite number in any layout.
fn java(out: &mut String, text: &str, plain: bool) {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let all = [whole, fraction].concat();
    let digits = all.trim_start_matches('0');
    // The value is 0.digits × 10^point.
    let point = exponent + whole.len() as i32 - (all.len() - digits.len()) as i32;
    let digits = digits.trim_end_matches('0');
    if negative {
        out.push('-');
    }
    if digits.is_empty() {
        return out.push_str("0.0");
    }
    let tail = |at: usize| digits.get(at..).filter(|t| !t.is_empty()).unwrap_or("0");
    if !plain {
        out.push_str(&digits[..1]);
        out.push('.');
        out.push_str(tail(1));
        // Writing to a String cannot fail.
        let _ = write!(out, "E{}", point - 1);
    } else if point <= 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', -point as usize));
        out.push_str(digits);
    } else {
        let point = point as usize;
        out.push_str(&digits[..point.min(digits.len())]);
        out.extend(std::iter::repeat_n('0', point.saturating_sub(digits.len())));
        out.push('.');
        out.push_str(tail(point));
    }
}

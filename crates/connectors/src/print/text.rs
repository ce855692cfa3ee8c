//! Values as Java's `toString` shows what Flink hands to `print`.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, Time32MillisecondType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType,
};
use arrow::util::display::array_value_to_string;

const DAY_NANOS: i128 = 86_400_000_000_000;

/// Appends value `row` of `column`.
pub fn write_value(out: &mut String, column: &ArrayRef, row: usize) {
    if column.is_null(row) {
        out.push_str("null");
        return;
    }
    match column.data_type() {
        DataType::Utf8 => out.push_str(column.as_string::<i32>().value(row)),
        DataType::Boolean => show(out, column.as_boolean().value(row)),
        DataType::Int8 => show(out, column.as_primitive::<Int8Type>().value(row)),
        DataType::Int16 => show(out, column.as_primitive::<Int16Type>().value(row)),
        DataType::Int32 => show(out, column.as_primitive::<Int32Type>().value(row)),
        DataType::Int64 => show(out, column.as_primitive::<Int64Type>().value(row)),
        DataType::Float32 => {
            let v = column.as_primitive::<Float32Type>().value(row);
            float(out, f64::from(v), &format!("{v:e}"), &format!("{v:?}"));
        }
        DataType::Float64 => {
            let v = column.as_primitive::<Float64Type>().value(row);
            float(out, v, &format!("{v:e}"), &format!("{v:?}"));
        }
        DataType::Decimal128(_, scale) => {
            decimal(out, column.as_primitive::<Decimal128Type>().value(row), *scale);
        }
        DataType::Date32 => date(out, i64::from(column.as_primitive::<Date32Type>().value(row))),
        DataType::Time32(_) => {
            let millis = column.as_primitive::<Time32MillisecondType>().value(row);
            time(out, i64::from(millis) * 1_000_000, false);
        }
        DataType::Timestamp(unit, zone) => {
            timestamp(out, timestamp_nanos(column, *unit, row), zone.is_some());
        }
        DataType::Binary => {
            let bytes = column.as_binary::<i32>().value(row);
            // Java's bytes are signed.
            list(out, "[", "]", bytes, |out, byte| show(out, *byte as i8));
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            list(out, "[", "]", 0..items.len(), |out, i| write_value(out, &items, i));
        }
        DataType::Map(_, _) => {
            let entries = column.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            list(out, "{", "}", 0..entries.len(), |out, i| {
                write_value(out, keys, i);
                out.push('=');
                write_value(out, values, i);
            });
        }
        DataType::Struct(_) => {
            let fields = column.as_struct().columns();
            list(out, "+I[", "]", fields, |out, field| write_value(out, field, row));
        }
        _ => out.push_str(&array_value_to_string(column, row).unwrap_or_default()),
    }
}

fn show(out: &mut String, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("writing to a string cannot fail");
}

fn list<T>(
    out: &mut String,
    open: &str,
    close: &str,
    items: impl IntoIterator<Item = T>,
    mut each: impl FnMut(&mut String, T),
) {
    out.push_str(open);
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        each(out, item);
    }
    out.push_str(close);
}

/// `1.0`, `1.0E10`, `1.0E-4`: exponents below 10^-3 and from 10^7 on.
fn float(out: &mut String, v: f64, scientific: &str, plain: &str) {
    let size = v.abs();
    if v.is_nan() {
        out.push_str("NaN");
    } else if v.is_infinite() {
        out.push_str(if v > 0.0 { "Infinity" } else { "-Infinity" });
    } else if size == 0.0 || (1e-3..1e7).contains(&size) {
        out.push_str(plain);
    } else {
        let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
        out.push_str(mantissa);
        if !mantissa.contains('.') {
            out.push_str(".0");
        }
        out.push('E');
        out.push_str(exponent);
    }
}

/// As BigDecimal: all digits of the scale, exponents only for very small numbers.
fn decimal(out: &mut String, v: i128, scale: i8) {
    let (digits, scale) = (v.unsigned_abs().to_string(), usize::from(scale.unsigned_abs()));
    if v < 0 {
        out.push('-');
    }
    let exponent = digits.len() as i64 - 1 - scale as i64;
    if scale == 0 {
        out.push_str(&digits);
    } else if exponent < -6 {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        show(out, format_args!("E{exponent}"));
    } else {
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        show(out, format_args!("{whole}.{fraction}"));
    }
}

fn timestamp_nanos(column: &ArrayRef, unit: TimeUnit, row: usize) -> i128 {
    let (value, factor) = match unit {
        TimeUnit::Nanosecond => (column.as_primitive::<TimestampNanosecondType>().value(row), 1),
        TimeUnit::Microsecond => {
            (column.as_primitive::<TimestampMicrosecondType>().value(row), 1_000)
        }
        _ => (column.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000),
    };
    i128::from(value) * factor
}

/// `2024-01-15T10:27`; an instant always has seconds and ends in `Z`.
fn timestamp(out: &mut String, nanos: i128, instant: bool) {
    date(out, nanos.div_euclid(DAY_NANOS) as i64);
    out.push('T');
    time(out, nanos.rem_euclid(DAY_NANOS) as i64, instant);
    if instant {
        out.push('Z');
    }
}

/// Seconds are left out when zero; fractions have three, six or nine digits.
fn time(out: &mut String, nanos: i64, seconds_always: bool) {
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    show(out, format_args!("{h:02}:{m:02}"));
    if s > 0 || fraction > 0 || seconds_always {
        show(out, format_args!(":{s:02}"));
    }
    match fraction {
        0 => {}
        f if f % 1_000_000 == 0 => show(out, format_args!(".{:03}", f / 1_000_000)),
        f if f % 1_000 == 0 => show(out, format_args!(".{:06}", f / 1_000)),
        f => show(out, format_args!(".{f:09}")),
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar.
fn date(out: &mut String, days: i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    show(out, format_args!("{year:04}-{month:02}-{day:02}"));
}

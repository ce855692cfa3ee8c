//! PRINTF: values in a text by the format of Java's Formatter.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use brooklet_core::types::SqlType;
use datafusion::common::Result;

use crate::cast::cast;
use crate::column::{Call, Column, bad_value, write_rows};
use crate::function::Function;
use crate::function::Kind::{Any, Text as T};

/// `PRINTF(format, value, ...)`
///
/// The format with the values in place of `%s`, `%d`, `%x`, `%X`, `%o`, `%c`, `%b`, `%f`, `%e`
/// and `%g` as Java's String.format puts them there, with width, precision and flags; `%%` is a
/// percent sign, `%n` a line's end. NULL for a format that the values do not fit.
///
/// ```sql
/// PRINTF('%d-%s', 1, 'a') = '1-a'
/// PRINTF('%05d|%-3s|%.2f', 42, 'x', CAST(1.5 AS DOUBLE)) = '00042|x  |1.50'
/// ```
pub(super) const PRINTF: Function =
    Function::text("printf", &[T, Any], printf).optional(1).variadic().nullable();

/// A value of a row, as a conversion asks for it.
enum Value {
    Whole(Column<arrow::array::Int64Array>, i64),
    Float(Column<arrow::array::Float64Array>),
    Other,
}

struct Argument {
    value: Value,
    text: Column<arrow::array::StringArray>,
}

fn printf(call: &Call) -> Result<ArrayRef> {
    let formats = call.text(0)?;
    let arguments = (1..call.len()).map(|i| argument(call, i)).collect::<Result<Vec<_>>>()?;
    Ok(write_rows(call.rows, |row, out| write(formats.get(row)?, &arguments, row, out)))
}

fn argument(call: &Call, i: usize) -> Result<Argument> {
    let column = call.any(i);
    let ty = column.array.data_type();
    let bits = ty.primitive_width().map_or(64, |bytes| 8 * bytes.min(8) as u32);
    let value = if ty.is_integer() {
        let values = arrow::compute::cast(&column.array, &DataType::Int64)?;
        let mask = if bits == 64 { -1 } else { (1 << bits) - 1 };
        Value::Whole(column.like(values.as_primitive::<Int64Type>().clone()), mask)
    } else if ty.is_floating() || matches!(ty, DataType::Decimal128(..)) {
        let values = arrow::compute::cast(&column.array, &DataType::Float64)?;
        Value::Float(column.like(values.as_primitive::<Float64Type>().clone()))
    } else {
        Value::Other
    };
    let from = SqlType::from_arrow(ty).unwrap_or(SqlType::STRING);
    let text = cast(&column.array, &from, &SqlType::STRING, false);
    let text = text.map_err(|e| bad_value(e.message))?;
    Ok(Argument { value, text: column.like(text.as_string::<i32>().clone()) })
}

#[derive(Default)]
struct Spec {
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    comma: bool,
    width: usize,
    precision: Option<usize>,
}

fn write(format: &str, arguments: &[Argument], row: usize, out: &mut String) -> Option<()> {
    let mut next = 0;
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (index, after) = index(rest);
        let (spec, conversion, after) = spec(after)?;
        rest = after;
        match conversion {
            '%' => padded(out, &spec, "%"),
            'n' => out.push('\n'),
            _ => {
                let place = index.unwrap_or(next);
                next += usize::from(index.is_none());
                converted(out, &spec, conversion, arguments.get(place)?, row)?;
            }
        }
    }
    out.push_str(rest);
    Some(())
}

/// `1$` of `%1$s`.
fn index(text: &str) -> (Option<usize>, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text[digits..].strip_prefix('$') {
        Some(after) if digits > 0 => (text[..digits].parse::<usize>().ok().map(|n| n - 1), after),
        _ => (None, text),
    }
}

fn spec(text: &str) -> Option<(Spec, char, &str)> {
    let mut spec = Spec::default();
    let mut rest = text;
    while let Some(flag) = rest.chars().next().filter(|c| "-0+ ,(#".contains(*c)) {
        match flag {
            '-' => spec.left = true,
            '0' => spec.zero = true,
            '+' => spec.plus = true,
            ' ' => spec.space = true,
            ',' => spec.comma = true,
            _ => return None,
        }
        rest = &rest[1..];
    }
    let number = |rest: &mut &str| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number = rest[..digits].parse::<usize>().ok().filter(|n| *n < 10_000);
        *rest = &rest[digits..];
        number
    };
    spec.width = number(&mut rest).unwrap_or(0);
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        spec.precision = Some(number(&mut rest)?);
    }
    let conversion = rest.chars().next()?;
    Some((spec, conversion, &rest[conversion.len_utf8()..]))
}

fn converted(out: &mut String, spec: &Spec, c: char, of: &Argument, row: usize) -> Option<()> {
    let text = of.text.get(row);
    let number = match (c, &of.value) {
        ('s' | 'S', _) => {
            let shown: String = text.unwrap_or("null").chars().take(cut(spec)).collect();
            padded(out, spec, &if c == 'S' { shown.to_uppercase() } else { shown });
            return Some(());
        }
        ('b' | 'B', _) => {
            let shown = match (text, of.text.array.len()) {
                (Some("FALSE"), _) => "false",
                (None, _) => "false",
                _ => "true",
            };
            padded(out, spec, shown);
            return Some(());
        }
        _ if text.is_none() => {
            padded(out, spec, if c.is_uppercase() { "NULL" } else { "null" });
            return Some(());
        }
        ('d', Value::Whole(values, _)) => values.get(row)?.to_string(),
        ('x', Value::Whole(values, mask)) => format!("{:x}", values.get(row)? & mask),
        ('X', Value::Whole(values, mask)) => format!("{:X}", values.get(row)? & mask),
        ('o', Value::Whole(values, mask)) => format!("{:o}", values.get(row)? & mask),
        ('c', Value::Whole(values, _)) => {
            let c = char::from_u32(u32::try_from(values.get(row)?).ok()?)?;
            padded(out, spec, c.encode_utf8(&mut [0; 4]));
            return Some(());
        }
        ('f', Value::Float(values)) => fixed(values.get(row)?, spec.precision.unwrap_or(6)),
        ('e', Value::Float(values)) => scientific(values.get(row)?, spec.precision.unwrap_or(6)),
        ('g', Value::Float(values)) => general(values.get(row)?, spec.precision.unwrap_or(6)),
        _ => return None,
    };
    signed(out, spec, number, matches!(c, 'd' | 'f' | 'g'));
    Some(())
}

fn cut(spec: &Spec) -> usize {
    spec.precision.unwrap_or(usize::MAX)
}

/// Halves up, as Java rounds the digits that it shows.
fn fixed(value: f64, digits: usize) -> String {
    let mut shown = String::new();
    crate::cast::to_text::double(&mut shown, value);
    match crate::cast::decimal::digits(&shown) {
        Some((all, scale)) => {
            let to = digits.min(30) as i64;
            match crate::cast::decimal::rescaled(all, scale, to, 38) {
                Some(rounded) => {
                    let lost = rounded == 0 && value.is_sign_negative();
                    let mut out = String::from(if lost { "-" } else { "" });
                    crate::cast::decimal::write(&mut out, rounded, to as u8);
                    out
                }
                None => format!("{value:.digits$}"),
            }
        }
        None => shown,
    }
}

/// Halves up, too.
fn scientific(value: f64, digits: usize) -> String {
    let shown = format!("{:e}", value.abs());
    let Some((mantissa, exponent)) = shown.split_once('e') else { return fixed(value, digits) };
    let mut exponent: i32 = exponent.parse().unwrap_or_default();
    let mut all: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    let up = all.get(digits + 1).is_some_and(|next| *next >= b'5');
    all.resize(digits + 1, b'0');
    if up {
        let nines = all.iter().rev().take_while(|digit| **digit == b'9').count();
        let kept = all.len() - nines;
        all[kept..].fill(b'0');
        match kept.checked_sub(1) {
            Some(last) => all[last] += 1,
            None => {
                all[0] = b'1';
                exponent += 1;
            }
        }
    }
    let mut out = String::from(if value.is_sign_negative() { "-" } else { "" });
    out.extend(all.iter().map(|digit| char::from(*digit)));
    if digits > 0 {
        out.insert(out.len() - digits, '.');
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    out + &format!("e{sign}{:02}", exponent.abs())
}

/// As many digits as asked for, with an exponent where they would not show the value.
fn general(value: f64, digits: usize) -> String {
    let digits = digits.max(1);
    if value == 0.0 {
        return fixed(value, digits - 1);
    }
    let shown = scientific(value, digits - 1);
    let exponent = shown.split_once('e').and_then(|(_, e)| e.parse::<i64>().ok());
    let after = exponent.filter(|e| *e >= -4).map(|e| digits as i64 - 1 - e);
    match after.and_then(|n| usize::try_from(n).ok()) {
        Some(after) => fixed(value, after),
        None => shown,
    }
}

fn signed(out: &mut String, spec: &Spec, number: String, grouped: bool) {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(rest) => ("-", rest.to_string()),
        None if spec.plus => ("+", number),
        None if spec.space => (" ", number),
        None => ("", number),
    };
    let digits = if spec.comma && grouped { thousands(&digits) } else { digits };
    let missing = spec.width.saturating_sub(sign.len() + digits.len());
    let zeros = if spec.zero && !spec.left { missing } else { 0 };
    padded(out, spec, &[sign, &"0".repeat(zeros), &digits].concat());
}

fn thousands(digits: &str) -> String {
    let (whole, fraction) = match digits.find('.') {
        Some(point) => digits.split_at(point),
        None => (digits, ""),
    };
    let mut out = String::new();
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out + fraction
}

fn padded(out: &mut String, spec: &Spec, text: &str) {
    let fill = spec.width.saturating_sub(text.encode_utf16().count());
    if !spec.left {
        out.extend(std::iter::repeat_n(' ', fill));
    }
    out.push_str(text);
    if spec.left {
        out.extend(std::iter::repeat_n(' ', fill));
    }
}

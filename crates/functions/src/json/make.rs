//! JSON_OBJECT and JSON_ARRAY: JSON text made of values.

use std::fmt::Write;

use arrow::array::{Array, ArrayRef, AsArray};
use brooklet_core::types::SqlType;
use datafusion::common::{Result, plan_err};

use crate::cast::cast;
use crate::column::{Call, bad_value, write_rows};
use crate::function::Function;
use crate::function::Kind::{Any, Text as T};

/// `JSON_OBJECT([[KEY] key VALUE value, ...] [NULL | ABSENT ON NULL])`; as a plain function
/// `__json_object('NULL' | 'ABSENT', key, value, ...)`
///
/// A JSON object of the pairs. Values that are NULL are written as null, or left out with ABSENT
/// ON NULL; a JSON_OBJECT or JSON_ARRAY as a value is nested.
///
/// ```sql
/// __JSON_OBJECT('NULL', 'a', 7, 'n', CAST(NULL AS INT)) = '{"a":7,"n":null}'
/// __JSON_OBJECT('ABSENT', 'a', 'x"y', 'n', CAST(NULL AS INT)) = '{"a":"x\"y"}'
/// ```
pub(super) const JSON_OBJECT: Function =
    Function::text("__json_object", &[T, Any], object).optional(1).variadic().never_null();

/// `JSON_ARRAY([value, ...] [NULL | ABSENT ON NULL])`; as a plain function
/// `__json_array('NULL' | 'ABSENT', value, ...)`
///
/// A JSON array of the values. Values that are NULL are left out, or written as null with NULL ON
/// NULL.
///
/// ```sql
/// __JSON_ARRAY('ABSENT', 1, CAST(NULL AS INT), TRUE) = '[1,true]'
/// ```
pub(super) const JSON_ARRAY: Function =
    Function::text("__json_array", &[T, Any], array).optional(1).variadic().never_null();

/// `__json_text('VALUE' | 'JSON', value)`: what JSON_OBJECTAGG and JSON_ARRAYAGG are made of
///
/// The value as JSON text; NULL for NULL. A text that is JSON already stays as it is.
///
/// ```sql
/// __JSON_TEXT('VALUE', 'a"b') = '"a\"b"'
/// __JSON_TEXT('JSON', '{"a":1}') = '{"a":1}'
/// ```
pub(super) const JSON_TEXT: Function = Function::text("__json_text", &[T, Any], text);

fn text(call: &Call) -> Result<ArrayRef> {
    let nested = call.text(0)?.constant() == Some(Some("JSON"));
    let mode = Mode { keeps_null: true, nested: if nested { vec![1] } else { vec![] } };
    let value = Value::of(call, 1, &mode)?;
    Ok(write_rows(call.rows, |row, out| {
        value.get(row)?;
        value.write(row, out);
        Some(())
    }))
}

/// What the first argument says: `NULL` or `ABSENT`, then the arguments that are JSON already.
struct Mode {
    keeps_null: bool,
    nested: Vec<usize>,
}

fn mode(call: &Call) -> Result<Mode> {
    let text = call.text(0)?;
    let Some(Some(text)) = text.constant() else {
        return plan_err!("the first argument is 'NULL' or 'ABSENT'");
    };
    let mut words = text.split(' ');
    let keeps_null = match words.next() {
        Some("NULL") => true,
        Some("ABSENT") => false,
        _ => return plan_err!("'{text} ON NULL' does not exist"),
    };
    Ok(Mode { keeps_null, nested: words.filter_map(|w| w.parse().ok()).collect() })
}

/// A column of values as JSON.
struct Value {
    text: ArrayRef,
    step: usize,
    quoted: bool,
}

impl Value {
    fn of(call: &Call, argument: usize, mode: &Mode) -> Result<Value> {
        let column = call.any(argument);
        let ty = SqlType::from_arrow(column.array.data_type()).unwrap_or(SqlType::STRING);
        if matches!(ty, SqlType::Date | SqlType::Time(_)) {
            return plan_err!("{ty} cannot be converted into JSON: CAST it to STRING");
        }
        if matches!(ty, SqlType::Row(_) | SqlType::Array(_) | SqlType::Map(..)) {
            return plan_err!("JSON of {ty} is not supported: CAST it to STRING");
        }
        let text =
            cast(&column.array, &ty, &SqlType::STRING, false).map_err(|e| bad_value(e.message))?;
        let plain = match ty {
            SqlType::Boolean
            | SqlType::TinyInt
            | SqlType::SmallInt
            | SqlType::Int
            | SqlType::BigInt
            | SqlType::Float
            | SqlType::Double
            | SqlType::Decimal(..) => true,
            _ => mode.nested.contains(&argument),
        };
        let moment = matches!(ty, SqlType::Timestamp(_) | SqlType::TimestampLtz(_));
        let text = match ty {
            SqlType::Boolean => respelt(&text, |t, out| out.push_str(&t.to_lowercase())),
            SqlType::Float | SqlType::Double => respelt(&text, decimal_layout),
            _ if moment => respelt(&text, |t, out| {
                out.push_str(&t.replacen(' ', "T", 1));
                if matches!(ty, SqlType::TimestampLtz(_)) {
                    out.push('Z');
                }
            }),
            _ => text,
        };
        Ok(Value { text, step: column.at(1), quoted: !plain })
    }

    fn get(&self, row: usize) -> Option<&str> {
        let text = self.text.as_string::<i32>();
        let row = row * self.step;
        text.is_valid(row).then(|| text.value(row))
    }

    fn write(&self, row: usize, out: &mut String) {
        match self.get(row) {
            None => out.push_str("null"),
            Some(text) if self.quoted || text.ends_with(['N', 'y']) => quote(text, out),
            Some(text) => out.push_str(text),
        }
    }
}

fn respelt(text: &ArrayRef, write: impl Fn(&str, &mut String)) -> ArrayRef {
    let text = text.as_string::<i32>();
    write_rows(text.len(), |row, out| text.is_valid(row).then(|| write(text.value(row), out)))
}

/// A DOUBLE in the layout of a decimal number: 1.0E10 as 1.0E+10, 1.0E-4 as 0.00010.
fn decimal_layout(text: &str, out: &mut String) {
    let Some((digits, exponent)) = text.split_once('E') else { return out.push_str(text) };
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    out.push_str(sign);
    if (-6..0).contains(&exponent) {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.extend(digits.chars().filter(|c| *c != '.'));
    } else {
        let _ = write!(out, "{digits}E{exponent:+}");
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

fn object(call: &Call) -> Result<ArrayRef> {
    let mode = mode(call)?;
    if call.len().is_multiple_of(2) {
        return plan_err!("JSON_OBJECT takes pairs of a key and a value");
    }
    let mut pairs = Vec::new();
    for key in (1..call.len()).step_by(2) {
        pairs.push((call.text(key)?, Value::of(call, key + 1, &mode)?));
    }
    let mut failed = false;
    let written = write_rows(call.rows, |row, out| {
        out.push('{');
        for (key, value) in &pairs {
            if value.get(row).is_none() && !mode.keeps_null {
                continue;
            }
            if out.len() > 1 {
                out.push(',');
            }
            match key.get(row) {
                Some(key) => quote(key, out),
                None => failed = true,
            }
            out.push(':');
            value.write(row, out);
        }
        out.push('}');
        Some(())
    });
    match failed {
        true => Err(bad_value("JSON_OBJECT: a key is NULL")),
        false => Ok(written),
    }
}

fn array(call: &Call) -> Result<ArrayRef> {
    let mode = mode(call)?;
    let values: Vec<Value> =
        (1..call.len()).map(|i| Value::of(call, i, &mode)).collect::<Result<_>>()?;
    Ok(write_rows(call.rows, |row, out| {
        out.push('[');
        for value in &values {
            if value.get(row).is_none() && !mode.keeps_null {
                continue;
            }
            if out.len() > 1 {
                out.push(',');
            }
            value.write(row, out);
        }
        out.push(']');
        Some(())
    }))
}

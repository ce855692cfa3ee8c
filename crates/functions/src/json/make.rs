//! JSON_OBJECT and JSON_ARRAY: JSON text made of values.

use std::fmt::Write;

use arrow::array::ArrayRef;
use brooklet_core::types::SqlType;
use datafusion::common::{Result, plan_err};

use super::value::Values;
use crate::column::{Call, bad_value, write_rows};
use crate::function::Function;
use crate::function::Kind::{Any, Text as T};

/// `JSON_OBJECT([[KEY] key VALUE value, ...] [NULL | ABSENT ON NULL])`; as a plain function
/// `__json_object('NULL' | 'ABSENT', key, value, ...)`
///
/// A JSON object of the pairs in the order of the keys; of equal keys the last wins. Values that
/// are NULL are written as null, or left out with ABSENT ON NULL; a JSON_OBJECT or JSON_ARRAY as a
/// value is nested.
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
    let floating = call.any(1).array.data_type().is_floating();
    Ok(write_rows(call.rows, |row, out| {
        if value.is_null(row) {
            return None;
        }
        value.write(row, out);
        if floating && !out.starts_with('"') {
            // Aggregates read what they gather again, as exact numbers: 1.0E+10.
            let shown = std::mem::take(out);
            super::number(out, &shown);
        }
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

/// An argument's values as JSON.
struct Value {
    values: Values,
    step: usize,
}

impl Value {
    fn of(call: &Call, argument: usize, mode: &Mode) -> Result<Value> {
        let column = call.any(argument);
        let ty = SqlType::from_arrow(column.array.data_type()).unwrap_or(SqlType::STRING);
        let values = match Values::of(&column.array, &ty)? {
            Values::Quoted(text) if mode.nested.contains(&argument) => Values::Plain(text),
            values => values,
        };
        Ok(Value { values, step: column.at(1) })
    }

    fn is_null(&self, row: usize) -> bool {
        self.values.is_null(row * self.step)
    }

    fn write(&self, row: usize, out: &mut String) {
        self.values.write(row * self.step, out);
    }
}

pub(super) fn quote(text: &str, out: &mut String) {
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
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    let written = write_rows(call.rows, |row, out| {
        out.push('{');
        // In the order of the names; of equal ones the last stays.
        order.sort_by_key(|i| (pairs[*i].0.get(row), *i));
        for (place, i) in order.iter().enumerate() {
            let (key, value) = &pairs[*i];
            let next = order.get(place + 1).map(|next| pairs[*next].0.get(row));
            if (value.is_null(row) && !mode.keeps_null) || next == Some(key.get(row)) {
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
            if value.is_null(row) && !mode.keeps_null {
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

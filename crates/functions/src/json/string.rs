//! JSON_STRING: a value as JSON; JSON: text that is JSON already.

use brooklet_core::types::SqlType;

use super::tree::Json;
use super::value::Values;
use crate::column::{bad_value, write_rows};
use crate::function::Function;
use crate::function::Kind::{Any, Text as T};

/// `JSON_STRING(value)`: the value as JSON; NULL for NULL.
///
/// ```sql
/// JSON_STRING('a"b') = '"a\"b"'
/// JSON_STRING(ARRAY[1, 2]) = '[1,2]'
/// ```
pub(super) const JSON_STRING: Function = Function::text("json_string", &[Any], |call| {
    let column = call.any(0);
    let ty = SqlType::from_arrow(column.array.data_type()).unwrap_or(SqlType::STRING);
    let values = Values::of(&column.array, &ty)?;
    Ok(write_rows(call.rows, |row, out| {
        let at = column.at(row);
        (!values.is_null(at)).then(|| values.write(at, out))
    }))
});

/// `JSON(text)` as a value of JSON_OBJECT or JSON_ARRAY; as a plain function `__json(text)`
///
/// JSON text that is put in as it is, not as a string; text that is no JSON is an error.
///
/// ```sql
/// __JSON('{"b": 1}') = '{"b":1}'
/// ```
pub(super) const CHECKED: Function = Function::text("__json", &[T], |call| {
    let text = call.text(0)?;
    let mut wrong = None;
    let written = write_rows(call.rows, |row, out| {
        let text = text.get(row)?;
        match Json::read(text) {
            Some(json) => json.write(out),
            None => wrong = Some(format!("JSON: '{}' is no JSON", super::shown(text))),
        }
        Some(())
    });
    match wrong {
        Some(message) => Err(bad_value(message)),
        None => Ok(written),
    }
});

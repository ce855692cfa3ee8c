//! JSON_QUERY: arrays and objects taken out of JSON text.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, StringBuilder};
use brooklet_core::types::{Nullable, SqlType};
use datafusion::common::{Result, plan_err};

use super::tree::Json;
use super::{Paths, shown};
use crate::column::{Call, bad_value, try_write_rows};
use crate::function::Kind::Text as T;
use crate::function::{Function, Output, Typing};

/// `JSON_QUERY(json, path [RETURNING ARRAY<STRING>] [WITHOUT | WITH [CONDITIONAL] [ARRAY] WRAPPER]
/// [NULL | EMPTY ARRAY | EMPTY OBJECT | ERROR ON EMPTY] [… ON ERROR])`; as a plain function
/// `json_query(json, path [, on error [, on empty [, wrapper]]])`
///
/// The object or array at the path, as JSON text without white space, members in the order of
/// their names. A wrapper puts what is there into an array, a CONDITIONAL one unless it is an
/// array. A scalar at the path, a path that leads nowhere and text that is no JSON are errors,
/// which give NULL unless the call says otherwise; with `lax` before the path a scalar and nothing
/// are empty.
///
/// ```sql
/// JSON_QUERY('{"a": {"b": [1, 2]}}', '$.a') = '{"b":[1,2]}'
/// JSON_QUERY('{"a":1}', '$.a') IS NULL
/// JSON_QUERY('{"a":1}', '$.a', 'NULL', 'NULL', 'UNCONDITIONAL') = '[1]'
/// JSON_QUERY('[{"a":1},{"a":2}]', '$[*].a') = '[1,2]'
/// ```
pub(super) const JSON_QUERY: Function = Function::text("json_query", &[T, T, T, T, T], |call| {
    let rules = Rules::of(call)?;
    try_write_rows(call.rows, |row, out| {
        let answer = rules.answer(row, false)?;
        Some(answer.map(|json| json.map(|json| json.write(out))))
    })
})
.optional(3)
.nullable();

/// `JSON_QUERY(… RETURNING ARRAY<STRING> …)`; as a plain function `__json_query_array(…)`
///
/// The same with the array's elements as texts; an object is an error.
///
/// ```sql
/// CAST(__JSON_QUERY_ARRAY('{"a":[1,"x"]}', '$.a') AS STRING) = '[1, x]'
/// ```
pub(super) const JSON_QUERY_ARRAY: Function =
    Function::new("__json_query_array", &[T, T, T, T, T], Output::By(texts), |call| {
        let rules = Rules::of(call)?;
        let mut lists = ListBuilder::new(StringBuilder::new());
        for row in 0..call.rows {
            let items = match rules.answer(row, true) {
                Some(Ok(Some(Json::Array(items)))) => items,
                Some(Err(problem)) => return Err(bad_value(problem)),
                _ => {
                    lists.append(false);
                    continue;
                }
            };
            for item in items {
                match item {
                    Json::Null => lists.values().append_null(),
                    Json::Text(text) => lists.values().append_value(text),
                    other => {
                        let mut out = String::new();
                        other.write(&mut out);
                        lists.values().append_value(out);
                    }
                }
            }
            lists.append(true);
        }
        Ok(Arc::new(lists.finish()) as ArrayRef)
    })
    .optional(3)
    .nullable();

fn texts(_: &Typing) -> Result<SqlType> {
    Ok(SqlType::Array(Box::new(Nullable { ty: SqlType::STRING, nullable: true })))
}

#[derive(Clone, Copy)]
enum Instead {
    Null,
    Fail,
    Array,
    Object,
}

impl Instead {
    fn of(call: &Call, argument: usize) -> Result<Instead> {
        if call.len() <= argument {
            return Ok(Instead::Null);
        }
        let text = call.text(argument)?;
        Ok(match text.constant().flatten().unwrap_or("NULL") {
            "NULL" => Instead::Null,
            "ERROR" => Instead::Fail,
            "EMPTY ARRAY" => Instead::Array,
            "EMPTY OBJECT" => Instead::Object,
            other => return plan_err!("'{other}' is no behaviour of JSON_QUERY"),
        })
    }

    fn give(self, problem: String) -> Result<Option<Json>, String> {
        match self {
            Instead::Null => Ok(None),
            Instead::Fail => Err(problem),
            Instead::Array => Ok(Some(Json::Array(vec![]))),
            Instead::Object => Ok(Some(Json::Object(Default::default()))),
        }
    }
}

struct Rules {
    text: crate::column::Text,
    paths: Paths,
    on_error: Instead,
    on_empty: Instead,
    wrapper: String,
}

impl Rules {
    fn of(call: &Call) -> Result<Rules> {
        let wrapper = match call.len() {
            5 => call.text(4)?.constant().flatten().unwrap_or("WITHOUT").to_string(),
            _ => "WITHOUT".to_string(),
        };
        Ok(Rules {
            text: call.text(0)?,
            paths: Paths::new(call.text(1)?),
            on_error: Instead::of(call, 2)?,
            on_empty: Instead::of(call, 3)?,
            wrapper,
        })
    }

    /// None for NULL arguments.
    fn answer(&self, row: usize, array: bool) -> Option<Result<Option<Json>, String>> {
        let (text, path) = (self.text.get(row)?, self.paths.get(row)?);
        let found = path.and_then(|path| {
            let json = Json::read(text).filter(|json| *json != Json::Null);
            let json = json.ok_or_else(|| format!("'{}' is no JSON", shown(text)))?;
            match json.at(&path.steps) {
                None if !path.lax => Err(format!("the path leads nowhere in {}", shown(text))),
                value => Ok((value, path.lax)),
            }
        });
        let (value, lax) = match found {
            Ok((value, lax)) => (value.filter(|v| *v != Json::Null), lax),
            Err(problem) => return Some(self.on_error.give(problem)),
        };
        let value = value.map(|value| match (self.wrapper.as_str(), value) {
            ("UNCONDITIONAL", value) => Json::Array(vec![value]),
            ("CONDITIONAL", value) if !matches!(value, Json::Array(_)) => Json::Array(vec![value]),
            (_, value) => value,
        });
        Some(match value {
            None => self.on_empty.give("JSON_QUERY: there is nothing at the path".into()),
            Some(value) if value.is_scalar() && lax => {
                self.on_empty.give("JSON_QUERY: a scalar is at the path".into())
            }
            Some(value) if value.is_scalar() => {
                self.on_error.give("JSON_QUERY: a scalar is at the path".into())
            }
            Some(value) if array && !matches!(value, Json::Array(_)) => {
                self.on_error.give("JSON_QUERY: an object is at the path, not an array".into())
            }
            Some(value) => Ok(Some(value)),
        })
    }
}

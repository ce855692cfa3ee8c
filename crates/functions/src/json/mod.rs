//! Functions on JSON text.

use arrow::array::ArrayRef;
use datafusion::common::{Result, plan_err};

use crate::column::{Call, Text, bad_value, boolean_rows, try_write_rows};
use crate::function::Kind::Text as T;
use crate::function::{Function, Output, SqlTypeOf};

mod make;
mod path;
mod query;
mod quote;
mod scan;
mod string;
mod tree;
mod value;

use path::Path;
use scan::{Missing, find, unescaped};

/// `JSON_VALUE(json, path [RETURNING type] [NULL | ERROR | DEFAULT value ON EMPTY]
/// [NULL | ERROR | DEFAULT value ON ERROR])`; as a plain function
/// `json_value(json, path [, on error [, default [, on empty [, default]]]])`
///
/// The string, number or boolean at the path, as text; numbers keep their digits. Text that is no
/// JSON, a path that leads nowhere and an object or array at the path are errors, null at the path
/// is empty; both give NULL unless the call says otherwise. With `lax` before the path nothing,
/// text that is no JSON, objects and arrays are empty, too.
///
/// ```sql
/// JSON_VALUE('{"a":{"b":1.50}}', '$.a.b') = '1.50'
/// JSON_VALUE('{"a":[1,2,3]}', '$.a[1]') = '2'
/// JSON_VALUE('{"a":{"b":1}}', '$.a') IS NULL
/// JSON_VALUE('bad', '$.a', 'DEFAULT', 'e') = 'e'
/// ```
const JSON_VALUE: Function = Function::text("json_value", &[T, T, T, T, T, T], |call| {
    let rules = Rules::of(call)?;
    try_write_rows(call.rows, |row, out| rules.write(row, out))
})
.optional(4)
.nullable();

/// `JSON_EXISTS(json, path [TRUE | FALSE | UNKNOWN | ERROR ON ERROR])`; as a plain function
/// `json_exists(json, path [, 'TRUE' | 'FALSE' | 'UNKNOWN' | 'ERROR'])`
///
/// Whether the path leads to something other than null. Text that is no JSON, and without `lax` a
/// path that leads nowhere, give FALSE unless the call says otherwise.
///
/// ```sql
/// JSON_EXISTS('{"a":1}', '$.a') = TRUE
/// JSON_EXISTS('{"a":null}', '$.a') = FALSE
/// JSON_EXISTS('{"a":1}', 'strict $.b', 'TRUE') = TRUE
/// ```
const JSON_EXISTS: Function =
    Function::new("json_exists", &[T, T, T], Output::Is(SqlTypeOf::Boolean), exists)
        .optional(1)
        .nullable();

/// `text IS JSON [VALUE | SCALAR | ARRAY | OBJECT]`; as a plain function
/// `is_json(text [, 'VALUE' | 'SCALAR' | 'ARRAY' | 'OBJECT'])`
///
/// Whether the text is JSON, of that sort if one is named. FALSE for NULL.
///
/// ```sql
/// IS_JSON('{"a":1}', 'OBJECT') = TRUE
/// IS_JSON('xyz') = FALSE
/// ```
const IS_JSON: Function =
    Function::new("is_json", &[T, T], Output::Is(SqlTypeOf::Boolean), is_json)
        .aliases(&["__is_json"])
        .optional(1)
        .never_null();

/// Every function of this family.
pub(crate) const ALL: &[Function] = &[
    JSON_VALUE,
    query::JSON_QUERY,
    query::JSON_QUERY_ARRAY,
    JSON_EXISTS,
    IS_JSON,
    make::JSON_OBJECT,
    make::JSON_ARRAY,
    make::JSON_TEXT,
    quote::JSON_QUOTE,
    quote::JSON_UNQUOTE,
    string::JSON_STRING,
    string::CHECKED,
];

/// The paths of an argument that is nearly always a constant, which is then read once.
enum Paths {
    Constant(Option<Result<Path, String>>),
    Column(Text),
}

impl Paths {
    fn new(text: Text) -> Paths {
        match text.constant() {
            Some(constant) => Paths::Constant(constant.map(Path::parse)),
            None => Paths::Column(text),
        }
    }
    fn get(&self, row: usize) -> Option<Result<Path, String>> {
        match self {
            Paths::Constant(path) => path.clone(),
            Paths::Column(text) => text.get(row).map(Path::parse),
        }
    }
}

/// What an error or nothing at the path gives.
enum Instead {
    Null,
    Fail,
    Default(Text),
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
            "DEFAULT" if call.len() > argument + 1 => Instead::Default(call.text(argument + 1)?),
            other => return plan_err!("'{other}' is no behaviour of JSON_VALUE"),
        })
    }

    fn give(&self, row: usize, out: &mut String, problem: String) -> Result<Option<()>, String> {
        match self {
            Instead::Null => Ok(None),
            Instead::Fail => Err(problem),
            Instead::Default(text) => Ok(text.get(row).map(|text| out.push_str(text))),
        }
    }
}

/// One call of JSON_VALUE.
struct Rules {
    text: Text,
    paths: Paths,
    on_error: Instead,
    on_empty: Instead,
}

/// What stands at a path.
enum Stands {
    Scalar,
    Nothing,
    Error(String),
}

impl Rules {
    fn of(call: &Call) -> Result<Rules> {
        Ok(Rules {
            text: call.text(0)?,
            paths: Paths::new(call.text(1)?),
            on_error: Instead::of(call, 2)?,
            on_empty: Instead::of(call, 4)?,
        })
    }

    /// None for NULL arguments.
    fn write(&self, row: usize, out: &mut String) -> Option<Result<Option<()>, String>> {
        let (text, path) = (self.text.get(row)?, self.paths.get(row)?);
        let stands = match path {
            Ok(path) => write_found(out, text, &path),
            Err(message) => Stands::Error(message),
        };
        Some(match stands {
            Stands::Scalar => Ok(Some(())),
            Stands::Nothing => {
                self.on_empty.give(row, out, "JSON_VALUE: there is nothing at the path".into())
            }
            Stands::Error(problem) => self.on_error.give(row, out, problem),
        })
    }
}

fn write_found(out: &mut String, text: &str, path: &Path) -> Stands {
    if let Some(steps) = length_of(&path.steps) {
        return counted(out, text, steps, path.lax);
    }
    if path.steps.iter().any(path::Step::is_open) {
        return match path.lax {
            true => Stands::Nothing,
            false => Stands::Error("JSON_VALUE: several values are at the path".into()),
        };
    }
    if text.trim() == "null" {
        return Stands::Error("null is no document".into());
    }
    let value = match find(text, &path.steps) {
        Ok(value) => value,
        Err(_) if path.lax => return Stands::Nothing,
        Err(Missing::Malformed) => return Stands::Error(format!("'{}' is no JSON", shown(text))),
        Err(Missing::Absent) => {
            return Stands::Error(format!("the path leads nowhere in {}", shown(text)));
        }
    };
    match value {
        "null" => return Stands::Nothing,
        _ if value.starts_with(['{', '[']) && path.lax => return Stands::Nothing,
        _ if value.starts_with(['{', '[']) => {
            return Stands::Error(format!("{} is no scalar", shown(value)));
        }
        _ if value.starts_with('"') => match unescaped(value) {
            Some(text) => out.push_str(&text),
            None => return Stands::Error(format!("{} is no text", shown(value))),
        },
        "true" | "false" => out.push_str(value),
        _ => number(out, value),
    }
    Stands::Scalar
}

/// The steps before `.length()` or `.size()`.
fn length_of(steps: &[path::Step]) -> Option<&[path::Step]> {
    match steps {
        [before @ .., path::Step::Member(name)]
            if matches!(name.as_str(), "length()" | "size()") =>
        {
            Some(before)
        }
        _ => None,
    }
}

fn counted(out: &mut String, text: &str, steps: &[path::Step], lax: bool) -> Stands {
    let value = tree::Json::read(text).and_then(|json| json.at(steps));
    match value {
        Some(tree::Json::Array(items)) => out.push_str(&items.len().to_string()),
        Some(tree::Json::Object(members)) => out.push_str(&members.len().to_string()),
        _ if lax => return Stands::Nothing,
        _ => return Stands::Error("JSON_VALUE: no array is at the path".into()),
    }
    Stands::Scalar
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// A JSON number as Java's BigInteger or BigDecimal shows it: digits kept, an exponent only where
/// the number has one to spare.
fn number(out: &mut String, json: &str) {
    let (negative, unsigned) = match json.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, json),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.parse::<i64>().unwrap_or(0);
    let all = [whole, fraction].concat();
    let digits = match all.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    if negative && digits != "0" {
        out.push('-');
    }
    let scale = fraction.len() as i64 - exponent;
    let adjusted = digits.len() as i64 - 1 - scale;
    if scale == 0 {
        out.push_str(digits);
    } else if scale > 0 && adjusted >= -6 {
        let scale = scale as usize;
        let whole = digits.len().saturating_sub(scale);
        out.push_str(if whole == 0 { "0" } else { &digits[..whole] });
        out.push('.');
        out.extend(std::iter::repeat_n('0', scale.saturating_sub(digits.len())));
        out.push_str(&digits[whole..]);
    } else {
        out.push_str(&digits[..1]);
        if digits.len() > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        out.push_str(if adjusted >= 0 { "E+" } else { "E" });
        out.push_str(&adjusted.to_string());
    }
}

fn exists(call: &Call) -> Result<ArrayRef> {
    let (text, paths) = (call.text(0)?, Paths::new(call.text(1)?));
    let mode = if call.len() > 2 { Some(call.text(2)?) } else { None };
    let mode = mode.as_ref().and_then(|m| m.constant().flatten()).unwrap_or("FALSE");
    if !["TRUE", "FALSE", "UNKNOWN", "ERROR"].contains(&mode) {
        return plan_err!("'{mode} ON ERROR' does not exist");
    }
    let mut failed = false;
    let result = boolean_rows(call.rows, |row| {
        let (text, path) = (text.get(row)?, paths.get(row)?);
        match path.map(|path| (tree::Json::read(text), path)) {
            Ok((Some(tree::Json::Null) | None, _)) | Err(_) => {}
            Ok((Some(json), path)) => match json.at(&path.steps) {
                Some(value) => return Some(value != tree::Json::Null),
                None if path.lax => return Some(false),
                None => {}
            },
        }
        failed = true;
        match mode {
            "TRUE" => Some(true),
            "UNKNOWN" => None,
            _ => Some(false),
        }
    });
    if failed && mode == "ERROR" {
        return Err(bad_value("JSON_EXISTS: the text is no JSON or the path leads nowhere"));
    }
    Ok(result)
}

fn is_json(call: &Call) -> Result<ArrayRef> {
    let text = call.text(0)?;
    let sort = if call.len() > 1 { Some(call.text(1)?) } else { None };
    let sort = sort.as_ref().and_then(|s| s.constant().flatten()).unwrap_or("VALUE");
    let fits: fn(&str) -> bool = match sort {
        "VALUE" => |_| true,
        "OBJECT" => |json| json.starts_with('{'),
        "ARRAY" => |json| json.starts_with('['),
        "SCALAR" => |json| !json.starts_with(['{', '[']),
        other => return plan_err!("IS JSON {other} does not exist"),
    };
    Ok(boolean_rows(call.rows, |row| {
        Some(text.get(row).is_some_and(|text| find(text, &[]).is_ok_and(fits)))
    }))
}

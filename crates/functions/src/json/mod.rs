//! Functions on JSON text.

use arrow::array::ArrayRef;
use datafusion::common::{Result, plan_err};

use crate::column::{Call, Text, bad_value, boolean_rows, write_rows};
use crate::function::Kind::Text as T;
use crate::function::{Function, Output, SqlTypeOf};

mod make;
mod path;
mod scan;

use path::Path;
use scan::{Missing, find, unescaped};

/// `JSON_VALUE(json, path [NULL | ERROR | DEFAULT text ON ERROR])`; as a plain function
/// `json_value(json, path [, 'NULL' | 'ERROR' | 'DEFAULT' [, text]])`
///
/// The string, number or boolean at the path, as text; numbers keep their digits. NULL where the
/// path leads nowhere or to null. An error is text that is no JSON, an object or array at the path,
/// and with `strict` a path that leads nowhere; it gives NULL unless the call says otherwise.
///
/// ```sql
/// JSON_VALUE('{"a":{"b":1.50}}', '$.a.b') = '1.50'
/// JSON_VALUE('{"a":[1,2,3]}', '$.a[1]') = '2'
/// JSON_VALUE('{"a":{"b":1}}', '$.a') IS NULL
/// JSON_VALUE('bad', '$.a', 'DEFAULT', 'e') = 'e'
/// ```
const JSON_VALUE: Function =
    Function::text("json_value", &[T, T, T, T], |call| extract(call, Want::Scalar))
        .optional(2)
        .nullable();

/// `JSON_QUERY(json, path [NULL | ERROR ON ERROR])`; as a plain function
/// `json_query(json, path [, 'NULL' | 'ERROR' | 'EMPTY ARRAY' | 'EMPTY OBJECT'])`
///
/// The object or array at the path, as JSON text without white space. NULL where the path leads
/// nowhere; what is an error is said at JSON_VALUE, a scalar at the path being one as well.
///
/// ```sql
/// JSON_QUERY('{"a": {"b": [1, 2]}}', '$.a') = '{"b":[1,2]}'
/// JSON_QUERY('{"a":1}', '$.a') IS NULL
/// ```
const JSON_QUERY: Function =
    Function::text("json_query", &[T, T, T], |call| extract(call, Want::Structure))
        .optional(1)
        .nullable();

/// `JSON_EXISTS(json, path [TRUE | FALSE | UNKNOWN | ERROR ON ERROR])`; as a plain function
/// `json_exists(json, path [, 'TRUE' | 'FALSE' | 'UNKNOWN' | 'ERROR'])`
///
/// Whether the path leads to something other than null. Text that is no JSON, and with `strict` a
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
    JSON_QUERY,
    JSON_EXISTS,
    IS_JSON,
    make::JSON_OBJECT,
    make::JSON_ARRAY,
    make::JSON_TEXT,
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    Scalar,
    Structure,
}

/// The paths of an argument that is nearly always a constant, which is then read once.
enum Paths {
    Constant(Option<Path>),
    Column(Text),
}

impl Paths {
    fn new(text: Text) -> Result<Paths> {
        let Some(constant) = text.constant() else { return Ok(Paths::Column(text)) };
        match constant.map(Path::parse).transpose() {
            Ok(path) => Ok(Paths::Constant(path)),
            Err(message) => plan_err!("{message}"),
        }
    }
    fn get(&self, row: usize) -> Option<Result<Path, String>> {
        match self {
            Paths::Constant(path) => path.clone().map(Ok),
            Paths::Column(text) => text.get(row).map(Path::parse),
        }
    }
}

/// What an error gives.
enum OnError {
    Null,
    Fail,
    Default,
    Text(&'static str),
}

fn on_error(call: &Call) -> Result<OnError> {
    if call.len() < 3 {
        return Ok(OnError::Null);
    }
    let text = call.text(2)?;
    Ok(match text.constant().flatten().unwrap_or("NULL") {
        "NULL" => OnError::Null,
        "ERROR" => OnError::Fail,
        "DEFAULT" => OnError::Default,
        "EMPTY ARRAY" => OnError::Text("[]"),
        "EMPTY OBJECT" => OnError::Text("{}"),
        other => return plan_err!("'{other} ON ERROR' does not exist"),
    })
}

fn extract(call: &Call, want: Want) -> Result<ArrayRef> {
    let (text, paths) = (call.text(0)?, Paths::new(call.text(1)?)?);
    let on_error = on_error(call)?;
    let defaults = if call.len() > 3 { Some(call.text(3)?) } else { None };
    let mut failure = None;
    let written = write_rows(call.rows, |row, out| {
        let (text, path) = (text.get(row)?, paths.get(row)?);
        let problem = match path {
            Ok(path) => match write_found(out, text, &path, want) {
                Ok(written) => return written,
                Err(problem) => problem,
            },
            Err(message) => message,
        };
        out.clear();
        match &on_error {
            OnError::Null => return None,
            OnError::Fail => failure = Some(problem),
            OnError::Default => out.push_str(defaults.as_ref()?.get(row)?),
            OnError::Text(text) => out.push_str(text),
        }
        Some(())
    });
    match failure {
        Some(problem) => Err(bad_value(problem)),
        None => Ok(written),
    }
}

/// Writes what stands at the path; None for NULL, an error's text for an error.
fn write_found(
    out: &mut String,
    text: &str,
    path: &Path,
    want: Want,
) -> Result<Option<()>, String> {
    let value = match find(text, &path.steps) {
        Ok(value) => value,
        Err(Missing::Malformed) => return Err(format!("'{}' is no JSON", shown(text))),
        Err(Missing::Absent) if path.strict => {
            return Err(format!("the path leads nowhere in {}", shown(text)));
        }
        Err(Missing::Absent) => return Ok(None),
    };
    let structure = value.starts_with(['{', '[']);
    match want {
        _ if value == "null" => return Ok(None),
        Want::Scalar if structure => return Err(format!("{} is no scalar", shown(value))),
        Want::Structure if !structure => {
            return Err(format!("{} is no object or array", shown(value)));
        }
        Want::Structure => compact(out, value),
        Want::Scalar if value.starts_with('"') => match unescaped(value) {
            Some(text) => out.push_str(&text),
            None => return Err(format!("{} is no text", shown(value))),
        },
        Want::Scalar if matches!(value, "true" | "false") => out.push_str(value),
        Want::Scalar => number(out, value),
    }
    Ok(Some(()))
}

fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

/// Copies JSON without the white space between its parts.
fn compact(out: &mut String, json: &str) {
    let (mut inside, mut escaped) = (false, false);
    for c in json.chars() {
        if inside || !c.is_ascii_whitespace() {
            out.push(c);
        }
        if c == '"' && !escaped {
            inside = !inside;
        }
        escaped = inside && c == '\\' && !escaped;
    }
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
    let (text, paths) = (call.text(0)?, Paths::new(call.text(1)?)?);
    let mode = if call.len() > 2 { Some(call.text(2)?) } else { None };
    let mode = mode.as_ref().and_then(|m| m.constant().flatten()).unwrap_or("FALSE");
    if !["TRUE", "FALSE", "UNKNOWN", "ERROR"].contains(&mode) {
        return plan_err!("'{mode} ON ERROR' does not exist");
    }
    let mut failed = false;
    let result = boolean_rows(call.rows, |row| {
        let (text, path) = (text.get(row)?, paths.get(row)?);
        let found = path.map(|path| (find(text, &path.steps), path.strict));
        match found {
            Ok((Ok(value), _)) => return Some(value != "null"),
            Ok((Err(Missing::Absent), false)) => return Some(false),
            _ => {}
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

//! Text as a JSON string and back.

use crate::column::write_rows;
use crate::function::Function;
use crate::function::Kind::Text as T;

/// `JSON_QUOTE(text)`: the text as a JSON string, in quotes, what is not ASCII as `\u....`.
///
/// ```sql
/// JSON_QUOTE('a"b') = '"a\"b"'
/// ```
pub(super) const JSON_QUOTE: Function = Function::text("json_quote", &[T], |call| {
    let text = call.text(0)?;
    Ok(write_rows(call.rows, |row, out| {
        quote(text.get(row)?, out);
        Some(())
    }))
});

/// `JSON_UNQUOTE(text)`: what a JSON string stands for; other text as it is.
///
/// ```sql
/// JSON_UNQUOTE('"a\"b"') = 'a"b'
/// JSON_UNQUOTE('abc') = 'abc'
/// ```
pub(super) const JSON_UNQUOTE: Function = Function::text("json_unquote", &[T], |call| {
    let text = call.text(0)?;
    Ok(write_rows(call.rows, |row, out| {
        let text = text.get(row)?;
        match unquoted(text) {
            Some(value) => out.push_str(&value),
            None => out.push_str(text),
        }
        Some(())
    }))
});

fn unquoted(text: &str) -> Option<String> {
    if !text.starts_with('"') || text.len() < 2 {
        return None;
    }
    super::scan::unescaped(text)
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            other => {
                // Above 16 bits Flink writes the whole code, then the second half of the pair.
                out.push_str(&format!("\\u{:04x}", u32::from(other)));
                if let [_, low] = other.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{low:04x}"));
                }
            }
        }
    }
    out.push('"');
}
